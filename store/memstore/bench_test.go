package memstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

const (
	benchItems = 10_000
	benchBody  = `{"email":"listener@example.com","username":"listener","created":"2026-01-01T00:00:00Z","language":"en","region":"DE","phone":"+4915112345678","preferences":{"explicit":false}}`
)

func benchPartition(n int) (p store.Partition) {
	binary.BigEndian.PutUint64(p[8:], uint64(n)*0x9E3779B97F4A7C15)
	return p
}

func benchKey(n int) store.Key {
	return store.Key{Table: store.Users, Partition: benchPartition(n), Sort: "profile"}
}

func benchPut(n int) store.Write {
	return store.Put(store.Item{Key: benchKey(n), Body: []byte(benchBody)}, store.None)
}

// bare is the reference: a map behind a lock that copies bodies in and out.
type bare struct {
	sync.RWMutex
	items map[store.Key]store.Item
}

func (m *bare) get(k store.Key) (store.Item, bool) {
	m.RLock()
	item, ok := m.items[k]
	m.RUnlock()
	return item.Clone(), ok
}

func (m *bare) put(item store.Item) {
	item = item.Clone()
	m.Lock()
	m.items[item.Key] = item
	m.Unlock()
}

func filled(b *testing.B) (*memstore.Store, *bare) {
	b.Helper()
	s, m := memstore.New(nil), &bare{items: map[store.Key]store.Item{}}
	for n := range benchItems {
		w := benchPut(n)
		require.NoError(b, s.Apply(context.Background(), w))
		m.put(w.Item())
	}
	return s, m
}

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	s, m := filled(b)
	b.Run("bare map", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				if _, ok := m.get(benchKey(n % benchItems)); !ok {
					b.Error("gone")
					return
				}
			}
		})
	})
	b.Run("memstore", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				if _, err := s.Get(ctx, benchKey(n%benchItems), store.Strong); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkApply(b *testing.B) {
	ctx := context.Background()
	s, m := filled(b)
	b.Run("bare map", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			m.put(benchPut(n % benchItems).Item())
		}
	})
	b.Run("memstore", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if err := s.Apply(ctx, benchPut(n%benchItems)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One partition with many items: what an ordered list costs as it grows.
func BenchmarkLargePartition(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{1_000, 100_000} {
		s := memstore.New(nil)
		at := func(n int) store.Key {
			return store.Key{Table: store.Interactions, Sort: fmt.Sprintf("%016x", uint64(n)*0x9E3779B97F4A7C15)}
		}
		put := func(n int) {
			if err := s.Apply(ctx, store.Put(store.Item{Key: at(n), Body: []byte(`{}`)}, store.None)); err != nil {
				b.Fatal(err)
			}
		}
		for n := range size {
			put(n)
		}
		b.Run("insert and delete in "+strconv.Itoa(size), func(b *testing.B) {
			for n := size; b.Loop(); n++ {
				put(n)
				if err := s.Apply(ctx, store.Delete(at(n-size), store.None)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("page of 100 in "+strconv.Itoa(size), func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				if _, err := s.List(ctx, store.Query{Table: store.Interactions, From: fmt.Sprintf("%x", n%16)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// heap returns the bytes that are in use after everything unused was collected.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Bytes of one profile as package profile keeps it: the profile, its gate, and claims of its e-mail and its username, each claim in a
// partition of its own. The reference is the same items in a plain map. "payload" is what of it is keys, versions and bodies.
func BenchmarkProfileMemory(b *testing.B) {
	const profiles = 100_000
	ctx := context.Background()
	set := func(n int) []store.Write {
		id := fmt.Appendf(nil, `{"profile":"%032x"}`, n)
		p := benchPartition(n)
		key := func(p store.Partition, sort string) store.Key {
			return store.Key{Table: store.Users, Partition: p, Sort: sort}
		}
		return []store.Write{
			store.Put(store.Item{Key: key(p, "profile"), Body: []byte(benchBody)}, store.Absent),
			store.Put(store.Item{Key: key(p, "gate"), Body: []byte(`{}`)}, store.Absent),
			store.Put(store.Item{Key: key(store.HashPartition("email", strconv.Itoa(n)), "claim"), Body: id}, store.Absent),
			store.Put(store.Item{Key: key(store.HashPartition("username", strconv.Itoa(n)), "claim"), Body: id}, store.Absent),
		}
	}
	payload := 0
	for _, w := range set(1) {
		payload += len(w.Key.Partition) + len(w.Key.Sort) + len(w.Version) + len(w.Body)
	}
	run := func(name string, fill func() any) {
		b.Run(name, func(b *testing.B) {
			var bytes float64
			for b.Loop() {
				before := heap()
				kept := fill()
				bytes = float64(heap()-before) / profiles
				runtime.KeepAlive(kept)
			}
			b.ReportMetric(bytes, "bytes/profile")
			b.ReportMetric(float64(payload), "payload-bytes/profile")
		})
	}
	run("plain map", func() any {
		m := map[store.Key]store.Item{}
		for n := range profiles {
			for _, w := range set(n) {
				m[w.Key] = w.Item()
			}
		}
		return m
	})
	run("memstore", func() any {
		s := memstore.New(nil)
		for n := range profiles {
			require.NoError(b, s.Apply(ctx, set(n)...))
		}
		return s
	})
}
