package hnsw_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/hnsw"
	"github.com/rhythmiq/rhythmiq/internal/topk"
)

// BenchmarkSimilar finds the ten items nearest to one, with one thread, beside the exact search over the same vectors, and tells the share of these that was found.
// RHYTHMIQ_ITEMS says among how many; otherwise there are 100,000.
//
//	go test ./internal/hnsw -run '^$' -bench . -benchtime 1000x
func BenchmarkSimilar(b *testing.B) {
	n := 100_000
	if x, err := strconv.Atoi(os.Getenv("RHYTHMIQ_ITEMS")); err == nil {
		n = x
	}
	const k = 64
	rows, items := planted(n, k, 1), every(1000, n)
	want, compared := exact(b, rows, k, items[:200]), unit(rows, k)
	for _, precision := range []topk.Precision{topk.FP32, topk.INT8} {
		all, err := topk.New(compared, k, topk.Options{Precision: precision})
		require.NoError(b, err)
		b.Run("exact-"+precision.String(), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				item := items[i%len(items)]
				_, err := all.Search(b.Context(), compared[int(item)*k:(int(item)+1)*k], 10, topk.Filter{Excluded: []int32{item}}, 1)
				require.NoError(b, err)
			}
		})
	}
	start := time.Now()
	x, err := hnsw.New(b.Context(), rows, k, hnsw.Options{Seed: 1})
	require.NoError(b, err)
	b.Logf("built in %.1f s, %.0f MB", time.Since(start).Seconds(), float64(x.Bytes())/1e6)
	for _, breadth := range []int{20, 50, 100, 200, 400} {
		b.Run(fmt.Sprintf("breadth-%d", breadth), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				x.Similar(items[i%len(items)], 10, breadth, nil)
			}
			b.ReportMetric(recall(want, func(i int) []hnsw.Hit { return x.Similar(items[i], 10, breadth, nil) }), "recall@10")
		})
	}
}

// BenchmarkBesideExact finds the ten items nearest to one by the graph and by looking at all in 8 bits, in turn, with one thread: the least time of each over the rounds, per query, and the
// share of the nearest that each finds. The second look at 8 bits' candidates, which makes its share 1, is not in it.
//
//	RHYTHMIQ_ITEMS=200000 go test ./internal/hnsw -run '^$' -bench Beside -benchtime 200x
func BenchmarkBesideExact(b *testing.B) {
	n := 100_000
	if x, err := strconv.Atoi(os.Getenv("RHYTHMIQ_ITEMS")); err == nil {
		n = x
	}
	const k, at, breadth = 64, 20, 200
	rows, items := planted(n, k, 1), every(1000, n)
	compared := unit(rows, k)
	all, err := topk.New(compared, k, topk.Options{Precision: topk.INT8})
	require.NoError(b, err)
	start := time.Now()
	x, err := hnsw.New(b.Context(), rows, k, hnsw.Options{Seed: 1})
	require.NoError(b, err)
	b.ReportMetric(time.Since(start).Seconds(), "build-s")
	least := [2]time.Duration{time.Hour, time.Hour}
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		for j := range at {
			item := items[(i*at+j)%len(items)]
			_, err := all.Search(b.Context(), compared[int(item)*k:(int(item)+1)*k], 36, topk.Filter{Excluded: []int32{item}}, 1)
			require.NoError(b, err)
		}
		middle := time.Now()
		for j := range at {
			x.Similar(items[(i*at+j)%len(items)], 10, breadth, nil)
		}
		least[0], least[1] = min(least[0], middle.Sub(start)), min(least[1], time.Since(middle))
	}
	b.ReportMetric(least[0].Seconds()*1e6/at, "int8-µs")
	b.ReportMetric(least[1].Seconds()*1e6/at, "graph-µs")
	b.ReportMetric(recall(exact(b, rows, k, items[:200]), func(i int) []hnsw.Hit { return x.Similar(items[i], 10, breadth, nil) }), "recall@10")
	b.ReportMetric(float64(x.Bytes())/1e6, "MB")
}
