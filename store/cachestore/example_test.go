package cachestore_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx := context.Background()
	engine := memstore.New(nil) // stands for one that is far away and charges for reads
	s, err := cachestore.New(engine, &cachestore.Options{MaxBytes: 16 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := store.Key{Table: store.Users, Partition: store.HashPartition("example", "alice"), Sort: "profile"}
	put := store.Put(store.Item{Key: key, Body: []byte(`{"name":"Alice"}`)}, store.Absent)
	fmt.Println(s.Apply(ctx, put))
	for range 3 {
		item, err := s.Get(ctx, key, store.Eventual)
		fmt.Println(string(item.Body), err)
	}
	stats := s.Stats()
	fmt.Println(stats.Hits, "hits,", stats.Loads, "reads of the engine")
	// Output:
	// <nil>
	// {"name":"Alice"} <nil>
	// {"name":"Alice"} <nil>
	// {"name":"Alice"} <nil>
	// 3 hits, 0 reads of the engine
}
