package cachestore

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

const cached = 100_000

// profileItem is a profile as package profile keeps it, of a listener with long names and an external identity: 540 bytes.
func profileItem(n int) store.Item {
	var p store.Partition
	binary.BigEndian.PutUint64(p[:8], uint64(n)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(p[8:], uint64(n)*0xC2B2AE3D27D4EB4F)
	name := fmt.Sprintf("maximiliane.hohenstein-%06d", n)
	body := fmt.Appendf(nil, `{"username":"%s","firstName":"Maximiliane Theodora","lastName":"von und zu Hohenstein-Ehrenfels","email":"%s@mail.students.faculty-of-music.university.example","phoneNumber":"+49 1511 2345678",`+
		`"createdAt":"2026-03-01T18:00:00.123456789Z","updatedAt":"2026-03-01T18:00:00.123456789Z",`+
		`"identity":{"issuer":"https://login.identity.university.example/tenants/9f2c1b7e-5a34-4c57-8f0e-0d6a7b3c2e19/oauth2/v2.0","subject":"%x%x"}}`, name, name, p, p)
	return store.Item{Key: store.Key{Table: store.Users, Partition: p, Sort: "profile"}, Version: store.NewVersion(), Body: body}
}

// heap returns the bytes in use once everything unused is collected.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill returns a cache with profiles in it, and what it takes of the heap.
func fill(tb testing.TB) (s *Store, taken uint64) {
	tb.Helper()
	before := heap()
	s, err := New(memstore.New(nil), &Options{MaxBytes: 1 << 30})
	require.NoError(tb, err)
	for n := range cached {
		item := profileItem(n)
		p, _ := s.place(&item.Key)
		s.cache.Set(p.id, newRecord(p, &item, 1))
	}
	return s, heap() - before
}

// What a cache says that it holds is what it takes of the heap.
func TestBytesAreReal(t *testing.T) {
	s, taken := fill(t)
	said := s.Stats().Bytes
	require.Equal(t, cached, s.Stats().Entries)
	require.InEpsilon(t, taken, said, 0.1)
	runtime.KeepAlive(s)
}

// Bytes of a cached profile, beside the same cache with a string for a key, such as "users/<uuid>/profile", which the record then need not
// hold. "body-bytes" is what of it is the body.
func BenchmarkMemory(b *testing.B) {
	report := func(b *testing.B, taken uint64) {
		b.Helper()
		b.ReportMetric(float64(taken)/cached, "bytes/profile")
		b.ReportMetric(float64(len(profileItem(cached-1).Body)), "body-bytes/profile")
	}
	b.Run("keys of 16 bytes", func(b *testing.B) {
		for b.Loop() {
			s, taken := fill(b)
			report(b, taken)
			b.ReportMetric(float64(s.Stats().Bytes)/cached, "bytes-by-Stats/profile")
		}
	})
	b.Run("string keys", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			c := otter.Must(&otter.Options[string, *record]{
				MaximumWeight: 1 << 30,
				Weigher:       func(_ string, r *record) uint32 { return r.weight },
				Executor:      func(upkeep func()) { upkeep() },
			})
			for n := range cached {
				item := profileItem(n)
				key := string(item.Key.Table) + "/" + uuid.UUID(item.Key.Partition).String() + "/" + item.Key.Sort
				item.Key.Sort = ""
				c.Set(key, newRecord(place{}, &item, 1))
			}
			report(b, heap()-before)
			runtime.KeepAlive(c)
		}
	})
}
