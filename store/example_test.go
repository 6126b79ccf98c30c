package store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// Two items in one Apply: a listener, and the claim that keeps the name theirs.
func Example() {
	ctx := context.Background()
	s := memstore.New(nil)
	signUp := func(id store.Partition, name string) error {
		return s.Apply(ctx,
			store.Put(store.Item{Key: store.Key{Table: store.Users, Partition: id, Sort: "profile"}, Body: []byte(`{}`)}, store.Absent),
			store.Put(store.Item{Key: store.Key{Table: store.Users, Partition: store.HashPartition("username", name), Sort: "claim"}, Body: []byte(`{}`)}, store.Absent),
		)
	}
	fmt.Println(signUp(store.Partition{1}, "alice"))
	err := signUp(store.Partition{2}, "alice")
	fmt.Println(errors.Is(err, store.ErrConflict))
	_, err = s.Get(ctx, store.Key{Table: store.Users, Partition: store.Partition{2}, Sort: "profile"}, store.Strong)
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// store: no such item
}

func ExampleUpdate() {
	ctx := context.Background()
	s := memstore.New(nil)
	key := store.Key{Table: store.Users, Partition: store.Partition{1}, Sort: "plays"}
	for range 3 {
		item, err := store.Update(ctx, s, key, func(old store.Item, found bool) ([]store.Write, error) {
			var plays struct{ N int }
			if found {
				if err := old.Decode(&plays); err != nil {
					return nil, err
				}
			}
			plays.N++
			body, err := store.Encode(plays)
			return []store.Write{store.Put(store.Item{Key: key, Body: body}, store.None)}, err
		})
		fmt.Println(string(item.Body), err)
	}
	// Output:
	// {"N":1} <nil>
	// {"N":2} <nil>
	// {"N":3} <nil>
}

func ExampleAll() {
	ctx := context.Background()
	s := memstore.New(nil)
	for _, sort := range []string{"vector#2", "vector#1", "profile"} {
		put := store.Put(store.Item{Key: store.Key{Table: store.Users, Sort: sort}, Body: []byte(`{}`)}, store.None)
		if err := s.Apply(ctx, put); err != nil {
			fmt.Println(err)
		}
	}
	for item, err := range store.All(ctx, s, store.Query{Table: store.Users, Prefix: "vector#"}) {
		fmt.Println(item.Key.Sort, err)
	}
	// Output:
	// vector#1 <nil>
	// vector#2 <nil>
}
