package memstore_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx := context.Background()
	s := memstore.New(nil)
	key := store.Key{Table: store.Users, Partition: store.HashPartition("example", "alice"), Sort: "profile"}
	put := store.Put(store.Item{Key: key, Body: []byte(`{"name":"Alice"}`)}, store.Absent)
	fmt.Println(s.Apply(ctx, put))
	item, err := s.Get(ctx, key, store.Strong)
	fmt.Println(string(item.Body), err)
	// Output:
	// <nil>
	// {"name":"Alice"} <nil>
}
