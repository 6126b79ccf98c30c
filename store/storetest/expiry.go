package storetest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// An item is there until the second before it expires, and then nowhere.
func checkExpiry(e *env) {
	k := e.key("a")
	expires := e.clock.second(10)
	item := store.Item{Key: k, Version: store.NewVersion(), Body: body(`{}`), ExpiresAt: expires, Index: &store.Index{Partition: k.Partition, Sort: "x"}}
	forever := store.Put(store.Item{Key: with(k, "b"), Body: body(`{}`), Index: &store.Index{Partition: k.Partition, Sort: "y"}}, store.None)
	e.apply(store.Put(item, store.None), forever)
	all := store.Query{Table: k.Table, Partition: k.Partition}
	index := store.Query{Table: k.Table, Partition: k.Partition, ByIndex: true}
	e.clock.advance(expires.Sub(e.clock.Now()) - time.Nanosecond)
	e.same(item, e.item(k))
	e.sorts(all, "a", "b")
	e.sorts(index, "a", "b")
	e.clock.advance(time.Nanosecond)
	for range 2 {
		require.False(e, e.present(k))
		_, err := e.s.Get(e.ctx(), k, store.Eventual)
		require.ErrorIs(e, err, store.ErrNotFound)
		e.sorts(all, "b")
		e.sorts(index, "b")
		all.Descending, index.Descending = true, true
		e.sorts(all, "b")
		e.sorts(index, "b")
		e.clock.advance(time.Hour)
	}
	require.True(e, e.present(forever.Key))

	// Born expired, and brought back.
	item.ExpiresAt, item.Version = e.clock.second(0), store.NewVersion()
	e.apply(store.Put(item, store.None))
	require.False(e, e.present(k))
	item.ExpiresAt, item.Version = e.clock.second(1), store.NewVersion()
	e.apply(store.Put(item, store.None))
	e.same(item, e.item(k))
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition}, "a", "b")
}

// Conditions take an expired item for absent.
func checkExpiryInConditions(e *env) {
	for _, tt := range []struct {
		name  string
		c     func(store.Version) store.Condition
		holds bool
	}{
		{"none", func(store.Version) store.Condition { return store.None }, true},
		{"absent", func(store.Version) store.Condition { return store.Absent }, true},
		{"present", func(store.Version) store.Condition { return store.Present }, false},
		{"version", store.VersionIs, false},
	} {
		for _, remove := range []bool{false, true} {
			k := e.key("a")
			old := store.Put(store.Item{Key: k, Body: body(`{}`), ExpiresAt: e.clock.second(2)}, store.None)
			e.apply(old)
			e.clock.advance(2 * time.Second)
			w := put(k)
			if remove {
				w = store.Delete(k, store.None)
			}
			w.Condition = tt.c(old.Version)
			err := e.s.Apply(e.ctx(), w)
			if !tt.holds {
				e.conflict(err, k)
				require.False(e, e.present(k))
				continue
			}
			require.NoError(e, err, tt.name)
			require.Equal(e, !remove, e.present(k))
		}
	}
	// An expired put is no proof that its Apply was made.
	k, gone := e.key("a"), e.key("gone")
	writes := []store.Write{store.Put(store.Item{Key: k, Body: body(`{}`), ExpiresAt: e.clock.second(2)}, store.None), store.Delete(gone, store.Present)}
	e.apply(put(gone))
	e.apply(writes...)
	e.apply(writes...)
	e.clock.advance(2 * time.Second)
	e.conflict(e.s.Apply(e.ctx(), writes...), gone)
	// Nor does its version make Present hold.
	writes[0].Condition = store.Present
	e.conflict(e.s.Apply(e.ctx(), writes[0]), k)
}

// Expired items fill no pages: a listing ends and shows the living ones.
func checkExpiryInPages(e *env) {
	k, place := e.key(""), e.partition()
	var writes []store.Write
	want := []string{}
	for i := range 90 {
		item := store.Item{Key: with(k, fmt.Sprintf("%03d", i)), Body: body(`{}`), Index: &store.Index{Partition: place, Sort: fmt.Sprintf("%03d", i)}}
		if i%9 != 4 {
			item.ExpiresAt = e.clock.second(5)
		} else {
			want = append(want, item.Key.Sort)
		}
		writes = append(writes, store.Put(item, store.None))
	}
	e.apply(writes...)
	e.clock.advance(5 * time.Second)
	for _, limit := range []int{1, 3, 10, 0} {
		e.sorts(store.Query{Table: k.Table, Partition: k.Partition, Limit: limit}, want...)
		e.sorts(store.Query{Table: k.Table, Partition: place, ByIndex: true, Limit: limit}, want...)
	}
}

// Sweep deletes what has expired and nothing else, and stops when it is told to.
func checkSweep(e *env) {
	s, ok := store.As[store.Sweeper](e.s)
	if !ok {
		return // this engine deletes by itself
	}
	_, err := s.Sweep(e.ctx())
	require.NoError(e, err)
	p := e.partition()
	var stays []store.Item
	for _, table := range store.Tables() {
		var writes []store.Write
		for i := range 1100 {
			item := store.Item{Key: store.Key{Table: table, Partition: p, Sort: strconv.Itoa(i)}, Version: store.NewVersion(), Body: body(`{}`), ExpiresAt: e.clock.second(5)}
			if i%100 == 0 {
				item.ExpiresAt = e.clock.second(6)
				item.Index = &store.Index{Partition: p, Sort: "x"}
				stays = append(stays, item)
			}
			if i%100 == 1 {
				item.ExpiresAt = time.Time{}
				stays = append(stays, item)
			}
			if i%100 == 2 {
				item.Index = &store.Index{Partition: p, Sort: "x"}
			}
			writes = append(writes, store.Put(item, store.None))
		}
		require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
	}
	e.clock.advance(5 * time.Second)
	ended, cancel := e.ended()
	defer cancel()
	n, err := s.Sweep(ended)
	require.ErrorIs(e, err, ended.Err())
	require.Zero(e, n)
	n, err = s.Sweep(e.ctx())
	require.NoError(e, err)
	require.GreaterOrEqual(e, n, 3*(1100-22))
	n, err = s.Sweep(e.ctx())
	require.NoError(e, err)
	require.Zero(e, n)
	for _, item := range stays {
		e.same(item, e.item(item.Key))
	}
	for _, table := range store.Tables() {
		require.Len(e, e.list(store.Query{Table: table, Partition: p}), 22)
		require.Len(e, e.list(store.Query{Table: table, Partition: p, ByIndex: true}), 11)
	}
}
