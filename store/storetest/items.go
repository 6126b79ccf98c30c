package storetest

import (
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func checkRoundTrip(e *env) {
	for _, table := range store.Tables() {
		k := store.Key{Table: table, Partition: e.partition(), Sort: "profile"}
		for _, item := range []store.Item{
			{Key: with(k, "plain"), Body: body(`{}`)},
			{Key: with(k, "expiring"), Body: body(`{"a":1}`), ExpiresAt: e.clock.second(60)},
			{Key: with(k, "elsewhere"), Body: body(`{"a":1}`), ExpiresAt: e.clock.second(60).In(time.FixedZone("", 3600))},
			{Key: with(k, "indexed"), Body: body(`{"a":[1,2]}`), Index: &store.Index{Partition: e.partition(), Sort: "by day"}},
			{Key: with(k, "all"), Body: body(`{"a":{"b":null}}`), Index: &store.Index{Partition: e.partition(), Sort: "x"}, ExpiresAt: e.clock.second(86400 * 90)},
		} {
			item.Version = store.NewVersion()
			e.apply(store.Put(item, store.None))
			e.same(item, e.item(item.Key))
			for _, read := range []store.Read{store.Eventual, store.Strong} {
				var got store.Item
				var err error
				e.soon(read == store.Eventual, func() bool {
					got, err = e.s.Get(e.ctx(), item.Key, read)
					return err == nil
				})
				require.NoError(e, err)
				e.same(item, got)
			}
			listed := e.list(store.Query{Table: table, Partition: k.Partition, Prefix: item.Key.Sort})
			require.Len(e, listed, 1)
			e.same(item, listed[0])
		}
	}
}

func checkAbsent(e *env) {
	k := e.key("a")
	for _, read := range []store.Read{store.Eventual, store.Strong} {
		item, err := e.s.Get(e.ctx(), k, read)
		require.ErrorIs(e, err, store.ErrNotFound)
		require.Equal(e, store.Item{}, item)
	}
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition})
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition, ByIndex: true})
	e.apply(store.Delete(k, store.None)) // no error
	e.apply(put(k))
	e.apply(store.Delete(k, store.None))
	require.False(e, e.present(k))
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition})
}

// A put replaces the whole item: nothing of the old one stays.
func checkReplace(e *env) {
	k := e.key("a")
	e.apply(store.Put(store.Item{Key: k, Body: body(`{"a":1,"b":2}`), ExpiresAt: e.clock.second(60), Index: &store.Index{Partition: k.Partition, Sort: "x"}}, store.None))
	next := store.Item{Key: k, Version: store.NewVersion(), Body: body(`{"c":3}`)}
	e.apply(store.Put(next, store.None))
	e.same(next, e.item(k))
	e.clock.advance(time.Hour)
	e.same(next, e.item(k))
}

// Tables, partitions and sort keys tell items apart.
func checkApart(e *env) {
	a, b := e.partition(), e.partition()
	b[0], b[1] = a[0], a[1]
	c := a
	c[15]++
	var all []store.Item
	for _, table := range store.Tables() {
		for _, p := range []store.Partition{a, b, c, {}} {
			for _, sort := range []string{"s", "S", "s ", " s", "s\x00", "é", "e\u0301"} {
				if p == (store.Partition{}) {
					sort += strconv.Itoa(int(a[3])) + strconv.Itoa(int(a[4])) + strconv.Itoa(int(a[5])) // the zero partition may be shared
				}
				k := store.Key{Table: table, Partition: p, Sort: sort}
				all = append(all, store.Item{Key: k, Version: store.NewVersion(), Body: body(`{"n":` + strconv.Itoa(len(all)) + `}`)})
			}
		}
	}
	for _, item := range all {
		e.apply(store.Put(item, store.None))
	}
	for _, item := range all {
		e.same(item, e.item(item.Key))
	}
	e.apply(store.Delete(all[0].Key, store.None))
	require.False(e, e.present(all[0].Key))
	for _, item := range all[1:] {
		e.same(item, e.item(item.Key))
	}
}

// Bodies come back as the same JSON value.
func checkValues(e *env) {
	deep := strings.Repeat(`{"a":[`, store.MaxDepth/2) + `1` + strings.Repeat(`]}`, store.MaxDepth/2)
	for i, value := range []string{
		`{}`, ` { } `, `{"":""}`, `{"a":null,"b":true,"c":false,"d":"","e":[],"f":{}}`,
		`{"a":[0,1,-1,0.5,-0.25,1e3,1E-3,123456789012345678901234567890,0.1,9007199254740993,1.10]}`,
		`{"a":12345678901234567890123456789012345678,"b":-0.00012345678901234567890123456789012345678}`,
		`{"a":1e-130,"b":9.99e125,"c":-9.99e125,"d":1000000000000000000000000000000000000000000}`,
		`{"a":"12","b":"true","c":"null","d":"[]"}`,
		`{"Name":1,"name":2,"NAME":3,"naïve":4,"#":5,":":6,"a.b":7,"$":8,"a b":9}`,
		`{"a":"é 音楽 🎵 \u0000 \u001f \" \\ \/ \b\f\n\r\t \u2028 \ud83c\udfb5 <>&'"}`,
		`{"音楽":"🎵","é":1,"e\u0301":2}`,
		`{"mixed":[1,"1",null,true,[[],[1,[2]]],{"a":{"b":{"c":[{}]}}}]}`,
		deep,
	} {
		k := e.key("value")
		item := store.Item{Key: k, Version: store.NewVersion(), Body: body(value)}
		e.apply(store.Put(item, store.Absent))
		e.same(item, e.item(k))
		listed := e.list(store.Query{Table: k.Table, Partition: k.Partition})
		require.Len(e, listed, 1, "value %d", i)
		e.same(item, listed[0])
	}
}

// The store keeps nothing of what it was given, and what it returns is the caller's.
func checkOwnership(e *env) {
	k := e.key("a")
	given := store.Item{Key: k, Version: store.NewVersion(), Body: body(`{"a":"first"}`), Index: &store.Index{Partition: k.Partition, Sort: "place"}}
	want := given.Clone()
	writes := []store.Write{store.Put(given, store.None)}
	e.apply(writes...)
	spoil := func(item store.Item) {
		for i := range item.Body {
			item.Body[i] = 'x'
		}
		_ = append(item.Body[:0], "more than there was of it before"...)
		item.Index.Sort = "spoilt"
		item.Index.Partition[0]++
	}
	spoil(given)
	writes[0] = store.Write{}
	e.same(want, e.item(k))
	spoil(e.item(k))
	e.same(want, e.item(k))
	got, err := e.s.Get(e.ctx(), k, store.Eventual)
	require.NoError(e, err)
	spoil(got)
	got, err = e.s.Get(e.ctx(), k, store.Eventual)
	require.NoError(e, err)
	e.same(want, got)
	for _, byIndex := range []bool{false, true} {
		q := store.Query{Table: k.Table, Partition: k.Partition, ByIndex: byIndex}
		e.sorts(q, "a")
		for _, item := range e.list(q) {
			spoil(item)
		}
		for _, item := range e.list(q) {
			e.same(want, item)
		}
		e.same(want, e.item(k))
	}
}
