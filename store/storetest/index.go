package storetest

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// The index holds whole items, those of one table and index partition.
func checkIndex(e *env) {
	day, other := e.partition(), e.partition()
	var want []store.Item
	for i := range 6 {
		item := store.Item{Key: store.Key{Table: store.Interactions, Partition: e.partition(), Sort: "x"}, Version: store.NewVersion()}
		item.Body, item.Index, item.ExpiresAt = fmt.Appendf(nil, `{"n":%d}`, i), &store.Index{Partition: day, Sort: strconv.Itoa(i)}, e.clock.second(50+i)
		e.apply(store.Put(item, store.None))
		want = append(want, item)
		item.Key.Table, item.Version = store.Models, store.NewVersion()
		e.apply(store.Put(item, store.None)) // another table's index
		item.Key = e.key("y")
		item.Key.Table, item.Index, item.Version = store.Interactions, &store.Index{Partition: other, Sort: "0"}, store.NewVersion()
		e.apply(store.Put(item, store.None))
		item.Key, item.Index, item.Version = with(item.Key, "z"), nil, store.NewVersion()
		e.apply(store.Put(item, store.None))
	}
	hold := func(q store.Query, want []store.Item) {
		e.Helper()
		q.Table, q.Partition, q.ByIndex = store.Interactions, day, true
		var wrong string
		e.soon(true, func() bool {
			wrong = differences(want, e.list(q))
			return wrong == ""
		})
		require.Empty(e, wrong)
	}
	hold(store.Query{}, want)
	hold(store.Query{Limit: 2}, want)
	hold(store.Query{From: "1", To: "4"}, want[1:4])
	hold(store.Query{Prefix: "3"}, want[3:4])
	slices.Reverse(want)
	hold(store.Query{Descending: true, Limit: 4}, want)
	e.sorts(store.Query{Table: store.Interactions, Partition: want[0].Key.Partition, ByIndex: true})
	e.sorts(store.Query{Table: store.Interactions, Partition: day}) // an index partition is no partition
}

// An item's place in the index changes with it.
func checkIndexMoves(e *env) {
	k, a, b := e.key("item"), e.partition(), e.partition()
	in := func(p store.Partition, prefix string) store.Query {
		return store.Query{Table: k.Table, Partition: p, ByIndex: true, Prefix: prefix}
	}
	place := func(x *store.Index) {
		e.Helper()
		e.apply(store.Put(store.Item{Key: k, Body: body(`{}`), Index: x}, store.None))
	}
	place(&store.Index{Partition: a, Sort: "1"})
	e.sorts(in(a, ""), "item")
	place(&store.Index{Partition: a, Sort: "2"})
	e.sorts(in(a, "1"))
	e.sorts(in(a, "2"), "item")
	place(&store.Index{Partition: b, Sort: "2"})
	e.sorts(in(a, ""))
	e.sorts(in(b, ""), "item")
	place(&store.Index{Partition: b, Sort: "2"}) // stays
	e.sorts(in(b, ""), "item")
	place(nil)
	e.sorts(in(b, ""))
	place(&store.Index{Partition: a, Sort: "3"})
	e.sorts(in(a, ""), "item")
	e.apply(store.Delete(k, store.None))
	e.sorts(in(a, ""))
	place(&store.Index{Partition: a, Sort: "3"})
	e.sorts(in(a, ""), "item")
	require.ErrorIs(e, e.s.Apply(e.ctx(), store.Delete(k, store.None), put(with(k, "x")), store.Delete(with(k, "y"), store.Present)), store.ErrConflict)
	e.sorts(in(a, ""), "item") // what was not made has moved nothing
}

// Items with one index sort key come in the order of their partition, then of their sort key, over pages too.
func checkIndexTies(e *env) {
	place := e.partition()
	var want []store.Item
	for range 5 {
		p := e.partition()
		for _, sort := range []string{"a", "a\x00", "a!", "b", "é"} {
			for _, index := range []string{"1", "1!", "11", "2"} {
				item := store.Item{Key: store.Key{Table: store.Users, Partition: p, Sort: sort + index}, Version: store.NewVersion(), Body: body(`{}`)}
				item.Index = &store.Index{Partition: place, Sort: index}
				want = append(want, item)
			}
		}
	}
	m := newModel(e.clock.Now)
	for _, item := range want {
		e.apply(store.Put(item, store.None))
		m.apply([]store.Write{store.Put(item, store.None)})
	}
	for _, q := range []store.Query{{Limit: 7}, {Limit: 1, Prefix: "1"}, {Limit: 3, To: "11"}, {Limit: 1000}, {From: "11", Limit: 2}} {
		for _, q.Descending = range []bool{false, true} {
			q.Table, q.Partition, q.ByIndex = store.Users, place, true
			var wrong string
			e.soon(true, func() bool {
				wrong = differences(m.list(q), e.list(q))
				return wrong == ""
			})
			require.Empty(e, wrong, "%+v", q)
		}
	}
}
