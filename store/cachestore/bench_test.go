package cachestore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

const benchItems = 10_000

func benchKey(n int) store.Key {
	k := store.Key{Table: store.Users, Sort: "profile"}
	binary.BigEndian.PutUint64(k.Partition[8:], uint64(n)*0x9E3779B97F4A7C15)
	return k
}

// bare is the reference: a map behind a lock that copies what it gives.
type bare struct {
	sync.RWMutex
	items map[[16]byte]store.Item
}

func (m *bare) get(k store.Key) (store.Item, bool) {
	m.RLock()
	item, ok := m.items[k.Partition]
	m.RUnlock()
	return item.Clone(), ok
}

// A hit, beside a bare map that copies as much; "copy" is the copying alone.
func BenchmarkHit(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{64, 600, 16 << 10} {
		body := fmt.Appendf(nil, `{"a":"%0*d"}`, size-8, 0)
		items := min(benchItems, (32<<20)/size)
		s, err := cachestore.New(memstore.New(nil), nil)
		require.NoError(b, err)
		m := &bare{items: map[[16]byte]store.Item{}}
		for n := range items {
			item := store.Item{Key: benchKey(n), Version: store.NewVersion(), Body: body}
			require.NoError(b, s.Apply(ctx, store.Put(item, store.None)))
			m.items[item.Key.Partition] = item.Clone()
		}
		for _, way := range []struct {
			name string
			get  func(n int) bool
		}{
			{"copy", func(int) bool { return len(store.Item{Body: body}.Clone().Body) > 0 }},
			{"bare map", func(n int) bool { _, ok := m.get(benchKey(n % items)); return ok }},
			{"cachestore", func(n int) bool { _, err := s.Get(ctx, benchKey(n%items), store.Eventual); return err == nil }},
		} {
			b.Run(fmt.Sprintf("%s/%d bytes", way.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if !way.get(n) {
						b.Fatal("not there")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%d bytes/parallel", way.name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for n := 0; pb.Next(); n++ {
						if !way.get(n) {
							b.Error("not there")
							return
						}
					}
				})
			})
		}
		require.Zero(b, s.Stats().Misses)
	}
}

// A miss and a write, beside memstore without the cache.
func BenchmarkMissAndApply(b *testing.B) {
	ctx := context.Background()
	body := fmt.Appendf(nil, `{"a":"%0592d"}`, 0)
	inner := memstore.New(nil)
	for n := range benchItems {
		require.NoError(b, inner.Apply(ctx, store.Put(store.Item{Key: benchKey(n), Body: body}, store.None)))
	}
	// The least cache, which a round of the items does not fit into.
	s, err := cachestore.New(inner, &cachestore.Options{MaxBytes: 1 << 20})
	require.NoError(b, err)
	for _, way := range []struct {
		name string
		s    store.Store
	}{{"memstore", inner}, {"cachestore", s}} {
		b.Run("Get/"+way.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := way.s.Get(ctx, benchKey(n%benchItems), store.Eventual); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Apply/"+way.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := way.s.Apply(ctx, store.Put(store.Item{Key: benchKey(n % benchItems), Body: body}, store.None)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
