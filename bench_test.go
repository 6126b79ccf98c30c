package rhythmiq_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// BenchmarkMemoryOfProfiles registers 100,000 listeners in the store in memory, and reports for each the bytes
// of heap that they take, and as the reference the bytes of what is stored: partitions, sort keys and bodies.
//
//	go test -run '^$' -bench MemoryOfProfiles -benchtime 1x .
func BenchmarkMemoryOfProfiles(b *testing.B) {
	const profiles = 100_000
	for b.Loop() {
		s := &counter{Store: memstore.New(nil)}
		app := newApp(b, rhythmiq.Config{Store: s})
		before := heap()
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wg.Go(func() {
				for n := w; n < profiles; n += workers {
					if _, err := app.Profiles.Create(b.Context(), registration(n)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(heap()-before)/profiles, "heap-B/profile")
		b.ReportMetric(float64(s.bytes)/profiles, "stored-B/profile")
		b.ReportMetric(float64(s.items)/profiles, "items/profile")
		runtime.KeepAlive(app)
	}
	require.NoError(b, b.Context().Err())
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers have let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// counter counts what is put. Each key is put once here.
type counter struct {
	store.Store
	mu           sync.Mutex
	items, bytes int
}

func (c *counter) Apply(ctx context.Context, writes ...store.Write) error {
	c.mu.Lock()
	for _, w := range writes {
		if !w.Delete {
			c.items++
			c.bytes += len(w.Key.Partition) + len(w.Key.Sort) + len(w.Body)
		}
	}
	c.mu.Unlock()
	return c.Store.Apply(ctx, writes...)
}
