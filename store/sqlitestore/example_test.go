package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

// What is written is there when the file is opened again.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	path := filepath.Join(dir, "rhythmiq.db")

	s, err := sqlitestore.Open(ctx, path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := store.Key{Table: store.Users, Partition: store.HashPartition("example", "alice"), Sort: "profile"}
	fmt.Println(s.Apply(ctx, store.Put(store.Item{Key: key, Body: []byte(`{"name":"Alice"}`)}, store.Absent)))
	fmt.Println(s.Close())

	s, err = sqlitestore.Open(ctx, path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	item, err := s.Get(ctx, key, store.Eventual)
	fmt.Println(string(item.Body), err)
	fmt.Println(s.Close())
	// Output:
	// <nil>
	// <nil>
	// {"name":"Alice"} <nil>
	// <nil>
}
