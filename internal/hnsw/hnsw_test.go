package hnsw_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/internal/hnsw"
	"github.com/rhythmiq/rhythmiq/internal/topk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// planted returns vectors as trained models have them: around a few hundred centers, factors of less and less spread, and some items far longer than others.
func planted(n, k int, seed uint64) []float32 {
	const centers = 300
	r := rand.New(rand.NewPCG(seed, 1))
	middle := make([]float64, centers*k)
	for i := range middle {
		middle[i] = r.NormFloat64()
	}
	rows := make([]float32, n*k)
	for i := range n {
		c, long := r.IntN(centers), math.Exp(r.NormFloat64()/2)
		for j := range k {
			rows[i*k+j] = float32(long * (0.7*middle[c*k+j] + r.NormFloat64()) / math.Sqrt(1+float64(j)))
		}
	}
	return rows
}

// unit returns the vectors divided by their lengths.
func unit(rows []float32, k int) []float32 {
	out := make([]float32, len(rows))
	for i := 0; i < len(rows); i += k {
		sum := 0.0
		for _, v := range rows[i : i+k] {
			sum += float64(v) * float64(v)
		}
		for j, v := range rows[i : i+k] {
			out[i+j] = float32(float64(v) / math.Sqrt(sum))
		}
	}
	return out
}

// exact returns the items nearest to some of them, by looking at all, and how to search as exactly.
func exact(t testing.TB, rows []float32, k int, items []int32) [][]topk.Hit {
	t.Helper()
	rows = unit(rows, k)
	x, err := topk.New(rows, k, topk.Options{})
	require.NoError(t, err)
	all := make([][]topk.Hit, len(items))
	for i, item := range items {
		all[i], err = x.Search(t.Context(), rows[int(item)*k:(int(item)+1)*k], 10, topk.Filter{Excluded: []int32{item}}, 1)
		require.NoError(t, err)
	}
	return all
}

func recall(want [][]topk.Hit, found func(i int) []hnsw.Hit) float64 {
	hits, all := 0, 0
	for i := range want {
		in := map[int32]bool{}
		for _, h := range want[i] {
			in[h.Item] = true
		}
		for _, h := range found(i) {
			if in[h.Item] {
				hits++
			}
		}
		all += len(want[i])
	}
	return float64(hits) / float64(all)
}

func every(n, of int) []int32 {
	items := make([]int32, n)
	for i := range items {
		items[i] = int32(i * of / n)
	}
	return items
}

func TestFinds(t *testing.T) {
	t.Parallel()
	const n, k = 3000, 16
	rows, items := planted(n, k, 1), every(100, n)
	x, err := hnsw.New(t.Context(), rows, k, hnsw.Options{Seed: 1})
	require.NoError(t, err)
	require.Equal(t, n, x.Len())
	require.Greater(t, x.Bytes(), int64(4*n*k))
	want := exact(t, rows, k, items)
	require.Greater(t, recall(want, func(i int) []hnsw.Hit { return x.Similar(items[i], 10, 100, nil) }), 0.95)
	require.Greater(t, recall(want, func(i int) []hnsw.Hit {
		item := items[i]
		return x.Search(rows[int(item)*k:(int(item)+1)*k], 10, 100, func(j int32) bool { return j == item })
	}), 0.95)
	// With all in sight it finds nearly all, in order, with their scores.
	all := recall(want, func(i int) []hnsw.Hit {
		hits := x.Similar(items[i], 10, n, nil)
		require.Len(t, hits, 10)
		require.InDelta(t, want[i][0].Score, hits[0].Score, 1e-5)
		require.IsNonIncreasing(t, scores(hits))
		return hits
	})
	require.Greater(t, all, 0.99)
	// What is skipped is not found, but led past.
	hits := x.Similar(7, 10, 100, func(j int32) bool { return j%2 == 0 })
	require.Len(t, hits, 10)
	for _, h := range hits {
		require.Equal(t, int32(1), h.Item%2)
		require.NotEqual(t, int32(7), h.Item)
	}
	require.Empty(t, x.Similar(7, 10, 100, func(int32) bool { return true }))
}

func scores(hits []hnsw.Hit) []float32 {
	out := make([]float32, len(hits))
	for i, h := range hits {
		out[i] = h.Score
	}
	return out
}

// The same items, options and seed give the same index with any number of threads.
func TestThreads(t *testing.T) {
	t.Parallel()
	rows := planted(2000, 8, 2)
	var all [][][]hnsw.Hit
	for _, threads := range []int{1, 2, 5} {
		x, err := hnsw.New(t.Context(), rows, 8, hnsw.Options{Links: 4, Breadth: 20, Seed: 3, Threads: threads})
		require.NoError(t, err)
		var found [][]hnsw.Hit
		for i := range int32(200) {
			found = append(found, x.Similar(i, 10, 10, nil))
		}
		all = append(all, found)
	}
	require.Equal(t, all[0], all[1])
	require.Equal(t, all[0], all[2])
	x, err := hnsw.New(t.Context(), rows, 8, hnsw.Options{Links: 4, Breadth: 20, Seed: 4})
	require.NoError(t, err)
	var other [][]hnsw.Hit
	for i := range int32(200) {
		other = append(other, x.Similar(i, 10, 10, nil))
	}
	require.NotEqual(t, all[0], other, "the seed makes no difference: the search is too exact for this test")
}

func TestEdges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	none, err := hnsw.New(ctx, nil, 2, hnsw.Options{})
	require.NoError(t, err)
	require.Empty(t, none.Search([]float32{1, 2}, 3, 10, nil))
	one, err := hnsw.New(ctx, []float32{3, 4}, 2, hnsw.Options{})
	require.NoError(t, err)
	require.Len(t, one.Search([]float32{1, 2}, 3, 10, nil), 1)
	require.Empty(t, one.Search([]float32{1, 2}, 0, 10, nil))
	require.Empty(t, one.Search([]float32{1}, 3, 10, nil))
	require.Empty(t, one.Search([]float32{1, float32(math.NaN())}, 3, 10, nil))
	require.Empty(t, one.Search([]float32{1, float32(math.Inf(1))}, 3, 10, nil))
	require.Empty(t, one.Similar(0, 3, 10, nil))
	require.Empty(t, one.Similar(1, 3, 10, nil))
	require.Empty(t, one.Similar(-1, 3, 10, nil))
	// All alike, and large ones.
	same := make([]float32, 200)
	for i := range same {
		same[i] = 3e38
	}
	x, err := hnsw.New(ctx, same, 2, hnsw.Options{})
	require.NoError(t, err)
	require.Len(t, x.Search([]float32{1, 1}, 5, 50, nil), 5)
	// Zeros are near to none.
	x, err = hnsw.New(ctx, []float32{0, 0, 1, 0, 0, 1, 0, 0}, 2, hnsw.Options{})
	require.NoError(t, err)
	require.Equal(t, []hnsw.Hit{{Item: 1, Score: 1}, {Item: 2, Score: 0}}, x.Search([]float32{2, 0}, 4, 10, nil))
	require.Empty(t, x.Similar(0, 3, 10, nil))
	require.Empty(t, x.Search([]float32{0, 0}, 3, 10, nil))
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	_, err := hnsw.New(t.Context(), []float32{1}, 0, hnsw.Options{Links: 2, Breadth: 1})
	for _, field := range []string{"links", "breadth", "factors"} {
		require.ErrorContains(t, err, field)
	}
	_, err = hnsw.New(t.Context(), []float32{1, 2, float32(math.NaN())}, 2, hnsw.Options{Links: 1000})
	require.ErrorContains(t, err, "whole rows")
	_, err = hnsw.New(t.Context(), []float32{1, float32(math.NaN())}, 2, hnsw.Options{})
	require.ErrorContains(t, err, "finite")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rows := range [][]float32{nil, planted(1, 4, 1), planted(100, 4, 1)} {
		_, err = hnsw.New(ended, rows, 4, hnsw.Options{})
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Many may search at once.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	x, err := hnsw.New(t.Context(), planted(500, 8, 5), 8, hnsw.Options{})
	require.NoError(t, err)
	want := x.Similar(3, 10, 50, nil)
	for g := range 4 {
		t.Run(strconv.Itoa(g), func(t *testing.T) {
			t.Parallel()
			for range 100 {
				require.Equal(t, want, x.Similar(3, 10, 50, nil))
			}
		})
	}
}
