package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// store.Update on this store, with other writes beside it.
func checkUpdate(e *env) {
	k, claim := e.key("a"), e.key("claim")
	one, err := increment(e.ctx(), e.s, k)
	require.NoError(e, err)
	e.same(one, e.item(k))
	two, err := increment(e.ctx(), e.s, k)
	require.NoError(e, err)
	e.same(two, e.item(k))
	require.NotEqual(e, one.Version, two.Version)
	change := func(_ store.Item, found bool) ([]store.Write, error) {
		require.True(e, found)
		return []store.Write{store.Put(store.Item{Key: claim, Body: body(`{}`)}, store.Absent), store.Delete(k, store.None)}, nil
	}
	_, err = store.Update(e.ctx(), e.s, k, change)
	require.NoError(e, err)
	require.False(e, e.present(k))
	require.True(e, e.present(claim))
	_, err = increment(e.ctx(), e.s, k)
	require.NoError(e, err)
	_, err = store.Update(e.ctx(), e.s, k, change)
	e.conflict(err, claim)
	require.True(e, e.present(k))
}

// store.Bulk on this store: more than an Apply holds, of several tables, and again.
func checkBulk(e *env) {
	k := e.key("")
	var writes []store.Write
	for i := range 260 {
		w := put(with(k, fmt.Sprintf("%03d", i)))
		w.Key.Table = store.Tables()[i%2]
		writes = append(writes, w)
	}
	for range 2 {
		require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
		for i := range 2 {
			require.Len(e, e.list(store.Query{Table: store.Tables()[i], Partition: k.Partition}), 130)
		}
	}
	for _, w := range writes {
		e.same(w.Item(), e.item(w.Key))
	}
	for i := range writes[:200] {
		writes[i] = store.Delete(writes[i].Key, store.None)
	}
	writes = append(writes, put(writes[0].Key)) // the last one to a key counts
	require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
	require.Len(e, e.list(store.Query{Table: store.Tables()[0], Partition: k.Partition}), 31)
	writes = append(writes, store.Write{Key: k})
	require.ErrorIs(e, store.Bulk(e.ctx(), e.s, writes...), store.ErrLimit)
}

// store.Wipe on this store deletes what begins with the prefix, and nothing else.
func checkWipe(e *env) {
	k := e.key("")
	other := store.Key{Table: store.Models, Partition: k.Partition, Sort: "a#000"}
	writes := []store.Write{put(with(k, "a")), put(with(k, "a$")), put(with(k, "b#")), put(other)}
	for i := range 230 {
		writes = append(writes, put(with(k, fmt.Sprintf("a#%03d", i))))
	}
	require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
	n, err := store.Wipe(e.ctx(), e.s, k.Table, k.Partition, "a#")
	require.NoError(e, err)
	require.Equal(e, 230, n)
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition}, "a", "a$", "b#")
	require.True(e, e.present(other))
	n, err = store.Wipe(e.ctx(), e.s, k.Table, k.Partition, "")
	require.NoError(e, err)
	require.Equal(e, 3, n)
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition})
}
