package archive_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/archive"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "moving")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	old := memstore.New(nil)
	key := store.Key{Table: store.Users, Partition: store.HashPartition("example", "ada"), Sort: "profile"}
	if err := old.Apply(ctx, store.Put(store.Item{Key: key, Body: []byte(`{"name":"Ada"}`)}, store.Absent)); err != nil {
		fmt.Println(err)
		return
	}

	file := filepath.Join(dir, "house.jsonl")
	out, err := archive.Export(ctx, old, file, nil)
	fmt.Println(out.Total(), "out,", err)

	house, err := sqlitestore.Open(ctx, filepath.Join(dir, "new.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer house.Close() //nolint:errcheck // an example
	in, err := archive.Import(ctx, house, file, nil)
	fmt.Println(in.Total(), "in,", err)
	item, err := house.Get(ctx, key, store.Strong)
	fmt.Println(string(item.Body), err)
	// Output:
	// 1 out, <nil>
	// 1 in, <nil>
	// {"name":"Ada"} <nil>
}
