package archive

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

const benchBody = `{"email":"listener@example.com","username":"listener","created":"2026-01-01T00:00:00Z","language":"en","region":"DE","phone":"+4915112345678","n":%d}`

func benchItem(n int) (item store.Item) {
	item.Key = store.Key{Table: store.Tables()[n%3], Sort: "profile"}
	binary.BigEndian.PutUint64(item.Key.Partition[:], uint64(n)) // in the order in which a scan shows them, for the reference's sake
	binary.BigEndian.PutUint64(item.Version[:], uint64(n)+1)
	item.Body = fmt.Appendf(nil, benchBody, n)
	return item
}

// Moving many items from one SQLite file to another one. The references are the same without a file between them: all pages of a scan, and all
// writes from memory. peak-MiB is the greatest heap that was seen after a page or batch.
func BenchmarkMove(b *testing.B) {
	many := 200_000
	if n, err := strconv.Atoi(os.Getenv("RHYTHMIQ_MOVE_ITEMS")); err == nil {
		many = n
	}
	ctx := context.Background()
	open := func(name string) *sqlitestore.Store {
		s, err := sqlitestore.Open(ctx, filepath.Join(b.TempDir(), name), nil)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		return s
	}
	fill := func(s store.Store) {
		var writes []store.Write
		for n := range many {
			if writes = append(writes, store.Put(benchItem(n), store.None)); len(writes) == batchItems || n == many-1 {
				require.NoError(b, store.Bulk(ctx, s, writes...))
				writes = writes[:0]
			}
		}
	}
	report := func(b *testing.B, bytes int64, peak uint64) {
		b.Helper()
		b.ReportMetric(float64(many*b.N)/b.Elapsed().Seconds(), "items/s")
		if bytes > 0 {
			b.ReportMetric(float64(bytes)/float64(many), "bytes/item")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		}
	}
	s := open("from.db")
	fill(s)
	file := filepath.Join(b.TempDir(), "house.jsonl")
	var (
		peak uint64
		sum  Summary
		err  error
	)
	watch := func(Progress) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	b.Run("scan only", func(b *testing.B) {
		for b.Loop() {
			for _, table := range store.Tables() {
				for cursor := ""; ; {
					page, err := s.Scan(ctx, table, cursor, pageItems)
					require.NoError(b, err)
					if cursor = page.Next; cursor == "" {
						break
					}
				}
			}
		}
		report(b, 0, 0)
	})
	b.Run("export", func(b *testing.B) {
		runtime.GC()
		for peak = 0; b.Loop(); {
			_ = os.Remove(file) // of the round before
			sum, err = Export(ctx, s, file, &ExportOptions{Progress: watch})
			require.NoError(b, err)
		}
		report(b, sum.Bytes, peak)
	})
	b.Run("write only", func(b *testing.B) {
		for b.Loop() {
			fill(open("fill.db"))
		}
		report(b, 0, 0)
	})
	b.Run("import", func(b *testing.B) {
		runtime.GC()
		for peak = 0; b.Loop(); {
			sum, err = Import(ctx, open("to.db"), file, &ImportOptions{Progress: watch})
			require.NoError(b, err)
		}
		require.Equal(b, int64(many), sum.Total())
		report(b, sum.Bytes, peak)
	})
}
