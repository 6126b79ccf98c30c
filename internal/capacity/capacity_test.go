package capacity_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/capacity"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func ExampleMeter() {
	ctx := context.Background()
	m := capacity.NewMeter(memstore.New(nil))
	key := store.Key{Table: store.Users, Sort: "note"}
	_ = m.Apply(ctx, store.Put(store.Item{Key: key, Body: []byte(`{"text":"` + strings.Repeat("x", 5000) + `"}`)}, store.None))
	_, _ = m.Get(ctx, key, store.Strong)
	_, _ = m.Get(ctx, key, store.Eventual)
	for _, r := range m.Take() {
		fmt.Println(r.Operation, r.Units.Read, r.Units.Write)
	}
	// Output:
	// PutItem 0 5
	// GetItem 2 0
	// GetItem 1 0
}

// The examples of the Developer Guide, and the edges of the blocks.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		bytes            int
		strong, eventual float64
	}{{0, 1, 0.5}, {1, 1, 0.5}, {4096, 1, 0.5}, {4097, 2, 1}, {8192, 2, 1}, {8193, 3, 1.5}} {
		require.InDelta(t, c.strong, capacity.Read(c.bytes, store.Strong), 0, c.bytes)
		require.InDelta(t, c.eventual, capacity.Read(c.bytes, store.Eventual), 0, c.bytes)
	}
}

// sized is an item of so many bytes.
func sized(t *testing.T, bytes int, index *store.Index) *store.Item {
	t.Helper()
	i := store.Item{Key: store.Key{Table: store.Users, Sort: "s"}, Index: index}
	i.Body = []byte(`{"x":"` + strings.Repeat("y", bytes-capacity.Size(i)-len("x")) + `"}`)
	require.Equal(t, bytes, capacity.Size(i))
	return &i
}

func TestWrite(t *testing.T) {
	here, there := &store.Index{Sort: "here"}, &store.Index{Sort: "next"}
	for name, c := range map[string]struct {
		before, after *store.Item
		units, twice  float64 // alone, and in a transaction
	}{
		"nothing":                    {nil, nil, 1, 2},
		"a block":                    {nil, sized(t, 1024, nil), 1, 2},
		"a byte more":                {nil, sized(t, 1025, nil), 2, 4},
		"shrunk":                     {sized(t, 3000, nil), sized(t, 100, nil), 3, 6},
		"grown":                      {sized(t, 100, nil), sized(t, 3000, nil), 3, 6},
		"deleted":                    {sized(t, 2000, nil), nil, 2, 4},
		"put into the index":         {nil, sized(t, 2000, here), 4, 6},
		"come into the index":        {sized(t, 200, nil), sized(t, 2000, here), 4, 6},
		"taken out of the index":     {sized(t, 2000, here), sized(t, 200, nil), 4, 6},
		"deleted out of the index":   {sized(t, 2000, here), nil, 4, 6},
		"changed at the same place":  {sized(t, 2000, here), sized(t, 200, here), 4, 6},
		"moved to another place":     {sized(t, 2000, here), sized(t, 200, there), 5, 7},
		"never in the index, though": {sized(t, 200, nil), sized(t, 200, nil), 1, 2},
	} {
		require.InDelta(t, c.units, capacity.NewChange(c.before, c.after, false).Write(), 0, name)
		require.InDelta(t, c.twice, capacity.NewChange(c.before, c.after, true).Write(), 0, name)
	}
}

func TestSize(t *testing.T) {
	const plain = 2 + 16 + 2 + 4 + 2 + 16 + 2 + 8 // pk, sk, _v, _c
	key := store.Key{Table: store.Users, Sort: "sort"}
	for _, c := range []struct {
		item store.Item
		more int
	}{
		{store.Item{}, 0},
		{store.Item{Body: []byte(`{}`)}, 0},
		{store.Item{Body: []byte(`no JSON`)}, 0},
		{store.Item{Body: []byte(`{"name":"ä"}`)}, 4 + 2},
		{store.Item{Body: []byte(`{"n":-12.5}`)}, 1 + 4},
		{store.Item{Body: []byte(`{"n":1.5e3}`)}, 1 + 2},
		{store.Item{Body: []byte(`{"n":0}`)}, 1 + 1},
		{store.Item{Body: []byte(`{"b":true,"c":null}`)}, 4},
		{store.Item{Body: []byte(`{"l":["ab",{"c":"d"}]}`)}, 1 + 3 + 1 + 2 + 1 + 3 + 1 + 1 + 1},
		{store.Item{ExpiresAt: time.Unix(1767225600, 0)}, 4 + 5},
		{store.Item{Index: &store.Index{Sort: "day"}}, 3 + 16 + 3 + 3 + 1 + 32 + 4},
	} {
		c.item.Key = key
		require.Equal(t, plain+c.more, capacity.Size(c.item), "%s", c.item.Body)
	}
	require.Equal(t, plain-10, capacity.Size(store.Item{Key: store.Key{Table: store.Interactions, Sort: "sort"}}))
}

func TestMeter(t *testing.T) {
	ctx := t.Context()
	m := capacity.NewMeter(memstore.New(nil))
	a, b := store.Key{Table: store.Users, Sort: "a"}, store.Key{Table: store.Users, Sort: "b"}
	put := func(k store.Key, c store.Condition) store.Write {
		return store.Put(store.Item{Key: k, Body: []byte(`{}`)}, c)
	}
	require.NoError(t, m.Apply(ctx, put(a, store.Absent), put(b, store.Absent)))
	require.ErrorIs(t, m.Apply(ctx, put(a, store.Absent)), store.ErrConflict) // is charged all the same
	require.NoError(t, m.Apply(ctx, store.Delete(b, store.None)))
	_, err := m.Get(ctx, b, store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = m.List(ctx, store.Query{Table: store.Users, Read: store.Strong})
	require.NoError(t, err)
	_, err = m.List(ctx, store.Query{Table: store.Users, Prefix: "z", ByIndex: true, Read: store.Strong})
	require.NoError(t, err)
	expired := put(store.Key{Table: store.Interactions, Sort: "expired"}, store.None)
	expired.ExpiresAt = time.Unix(1, 0)
	require.NoError(t, m.Apply(ctx, expired))
	_, err = m.List(ctx, store.Query{Table: store.Interactions, To: "f"})
	require.NoError(t, err)
	_, err = m.List(ctx, store.Query{Table: store.Interactions, To: "e"})
	require.NoError(t, err)
	many := make([]store.Write, 0, 150)
	for i := range 150 {
		many = append(many, put(store.Key{Table: store.Models, Sort: strconv.Itoa(i)}, store.None))
	}
	require.NoError(t, store.Bulk(ctx, m, many...))
	var got []string
	for _, r := range m.Take() {
		got = append(got, fmt.Sprintf("%s %v %d %d %g %g", r.Operation, r.Strong, len(r.Keys), r.Found, r.Units.Read, r.Units.Write))
	}
	require.Equal(t, []string{
		"TransactWriteItems false 2 0 0 4", "PutItem false 1 0 0 1", "DeleteItem false 1 0 0 1", "GetItem true 1 0 1 0", "Query true 1 1 1 0", "Query false 1 0 0.5 0",
		"PutItem false 1 0 0 1", "Query false 1 1 0.5 0", "Query false 1 0 0.5 0",
		"BatchWriteItem false 100 0 0 100", "BatchWriteItem false 50 0 0 50",
	}, got)
	require.Empty(t, m.Take())
	require.Len(t, m.Items(), 152)
	_, isMemory := m.Unwrap().(*memstore.Store)
	require.True(t, isMemory)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, m.Bulk(ended, many), context.Canceled)
}
