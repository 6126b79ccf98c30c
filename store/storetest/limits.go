package storetest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// What the contract's limits refuse is refused with the same error by every store, and changes nothing.
func checkLimits(e *env) {
	good := e.key("good")
	k := with(good, "bad")
	item := func(change func(*store.Item)) []store.Write {
		i := store.Item{Key: k, Version: store.NewVersion(), Body: body(`{}`)}
		change(&i)
		w := store.Put(i, store.None)
		w.Version = i.Version
		return []store.Write{w}
	}
	large := `{"a":"` + strings.Repeat("x", store.MaxBody-8) + `"}`
	many := func(n int, value string) (writes []store.Write) {
		for i := range n {
			writes = append(writes, store.Put(store.Item{Key: with(k, strconv.Itoa(i)), Body: body(value)}, store.None))
		}
		return writes
	}
	for name, writes := range map[string][]store.Write{
		"none":                 {},
		"101 writes":           many(store.MaxWrites+1, `{}`),
		"over 2 MiB":           many(9, large),
		"twice":                {put(k), store.Delete(k, store.None)},
		"twice among many":     append(many(50, `{}`), many(1, `{}`)...),
		"table":                {store.Delete(store.Key{Table: "other", Sort: "a"}, store.None)},
		"no table":             {store.Delete(store.Key{Sort: "a"}, store.None)},
		"no sort key":          {store.Delete(with(k, ""), store.None)},
		"long sort key":        {store.Delete(with(k, strings.Repeat("x", store.MaxSort+1)), store.None)},
		"broken sort key":      {store.Delete(with(k, "a\xff"), store.None)},
		"no version":           item(func(i *store.Item) { i.Version = store.Version{} }),
		"no body":              item(func(i *store.Item) { i.Body = nil }),
		"array":                item(func(i *store.Item) { i.Body = body(`[]`) }),
		"no JSON":              item(func(i *store.Item) { i.Body = body(`{"a":}`) }),
		"broken string":        item(func(i *store.Item) { i.Body = body("{\"a\":\"\xff\"}") }),
		"half a pair":          item(func(i *store.Item) { i.Body = body(`{"a":"\ud800"}`) }),
		"name twice":           item(func(i *store.Item) { i.Body = body(`{"a":1,"a":1}`) }),
		"large body":           item(func(i *store.Item) { i.Body = body(large[:len(large)-2] + `x"}`) }),
		"deep body":            item(func(i *store.Item) { i.Body = body(strings.Repeat(`{"a":`, 31) + `1` + strings.Repeat(`}`, 31)) }),
		"many arrays":          item(func(i *store.Item) { i.Body = nested(store.MaxBody) }),
		"long name":            item(func(i *store.Item) { i.Body = body(`{"` + strings.Repeat("x", store.MaxName+1) + `":1}`) }),
		"long name within":     item(func(i *store.Item) { i.Body = body(`{"a":[{"` + strings.Repeat("_", store.MaxName+1) + `":1}]}`) }),
		"39 digits":            item(func(i *store.Item) { i.Body = body(`{"a":123456789012345678901234567890123456789}`) }),
		"large number":         item(func(i *store.Item) { i.Body = body(`{"a":1e126}`) }),
		"small number":         item(func(i *store.Item) { i.Body = body(`{"a":9e-131}`) }),
		"half a second":        item(func(i *store.Item) { i.ExpiresAt = e.clock.second(60).Add(time.Second / 2) }),
		"before 1970":          item(func(i *store.Item) { i.ExpiresAt = time.Unix(0, 0) }),
		"after 9999":           item(func(i *store.Item) { i.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"no index sort key":    item(func(i *store.Item) { i.Index = &store.Index{} }),
		"long index sort key":  item(func(i *store.Item) { i.Index = &store.Index{Sort: strings.Repeat("x", store.MaxIndexSorts)} }),
		"broken index key":     item(func(i *store.Item) { i.Index = &store.Index{Sort: "\xff"} }),
		"NUL in the index key": item(func(i *store.Item) { i.Index = &store.Index{Sort: "a\x00"} }),
	} {
		want := store.CheckWrites(writes)
		require.ErrorIs(e, want, store.ErrLimit, name)
		err := e.s.Apply(e.ctx(), writes...)
		require.ErrorIs(e, err, store.ErrLimit, name)
		require.EqualError(e, err, want.Error(), name)
		if len(writes) == 1 {
			err = e.s.Apply(e.ctx(), put(good), writes[0])
			require.ErrorIs(e, err, store.ErrLimit, name)
		}
	}
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition})
	for _, bad := range []store.Key{{Table: "other", Sort: "a"}, {Table: store.Users}, with(k, strings.Repeat("x", store.MaxSort+1)), with(k, "\xff")} {
		_, err := e.s.Get(e.ctx(), bad, store.Strong)
		require.ErrorIs(e, err, store.ErrLimit)
		require.EqualError(e, err, store.CheckKey(bad).Error())
	}
	_, err := e.s.Get(e.ctx(), k, store.Strong+1)
	require.ErrorIs(e, err, store.ErrLimit)
}

// nested returns a body of at most size bytes that is all arrays in arrays.
func nested(size int) json.RawMessage {
	const head, element, tail = `{"a":[`, `[[[[[[[[]]]]]]]]`, `]}`
	n := (size - len(head) - len(tail) + 1) / (len(element) + 1)
	return body(head + strings.Repeat(element+",", n-1) + element + tail)
}

// What is just within the limits is taken and comes back.
func checkWithinLimits(e *env) {
	for _, b := range []json.RawMessage{
		nested(store.MaxBody * 3 / 4),
		body(`{"` + strings.Repeat("_", store.MaxName) + `":1,"a":[{"` + strings.Repeat("x", store.MaxName) + `":1}]}`),
		body(`{"a":[1` + strings.Repeat(`,1`, store.MaxBody/2-8) + `]}`),
	} {
		k := e.key(strings.Repeat("s", store.MaxIndexSorts/2))
		i := store.Item{Key: k, Body: b, Index: &store.Index{Sort: strings.Repeat("x", store.MaxIndexSorts/2)}}
		w := store.Put(i, store.None)
		e.apply(w)
		e.same(w.Item(), e.item(k))
	}
	k := e.key("")
	large := `{"a":"` + strings.Repeat("x", store.MaxBody-8) + `"}`
	long := strings.Repeat("é", store.MaxSort/2)
	writes := []store.Write{store.Put(store.Item{Key: with(k, long), Body: body(`{}`), ExpiresAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, store.None)}
	for i := range 7 {
		writes = append(writes, store.Put(store.Item{Key: with(k, "large "+strconv.Itoa(i)), Body: body(large)}, store.None))
	}
	e.apply(writes...)
	for _, w := range writes {
		e.same(w.Item(), e.item(w.Key))
	}
	require.Len(e, e.list(store.Query{Table: k.Table, Partition: k.Partition}), len(writes)) // several MB in pages

	k = e.key("")
	writes = nil
	for i := range store.MaxWrites {
		writes = append(writes, put(with(k, fmt.Sprintf("%03d", i))))
	}
	e.apply(writes...)
	require.Len(e, e.list(store.Query{Table: k.Table, Partition: k.Partition}), store.MaxWrites)

	k = e.key("item")
	sort := strings.Repeat("y", store.MaxIndexSorts-len(k.Sort))
	e.apply(store.Put(store.Item{Key: k, Body: body(`{}`), Index: &store.Index{Partition: k.Partition, Sort: sort}}, store.None))
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition, ByIndex: true, Prefix: sort}, k.Sort)
}

func checkQueryLimits(e *env) {
	p := e.partition()
	for name, q := range map[string]store.Query{
		"table":       {Table: "other", Partition: p},
		"negative":    {Table: store.Users, Partition: p, Limit: -1},
		"too many":    {Table: store.Users, Partition: p, Limit: store.MaxPage + 1},
		"prefix":      {Table: store.Users, Partition: p, Prefix: "\xff"},
		"long prefix": {Table: store.Users, Partition: p, Prefix: strings.Repeat("x", store.MaxSort+1)},
		"from":        {Table: store.Users, Partition: p, From: "\xff"},
		"to":          {Table: store.Users, Partition: p, To: "\xff", ByIndex: true},
		"read":        {Table: store.Users, Partition: p, Read: store.Strong + 1},
		"cursor":      {Table: store.Users, Partition: p, Cursor: "!"},
	} {
		want := store.CheckQuery(q)
		require.ErrorIs(e, want, store.ErrLimit, name)
		page, err := e.s.List(e.ctx(), q)
		require.ErrorIs(e, err, store.ErrLimit, name)
		require.EqualError(e, err, want.Error(), name)
		require.Equal(e, store.Page{}, page, name)
	}
}
