package topk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/topk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores are all the ways of keeping items.
var stores = []topk.Options{
	{},
	{Precision: topk.FP32},
	{Precision: topk.FP16},
	{Precision: topk.INT8},
	{Precision: topk.INT8, Rescore: topk.FP16},
	{Precision: topk.INT8, Rescore: topk.FP32},
}

func floats(seed uint64, n int) []float32 {
	r, x := rand.New(rand.NewPCG(seed, 1)), make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// whole returns rows of small whole numbers: sums of their products are exact in 32 and in 16 bits, and many are equal.
func whole(r *rand.Rand, rows, k, most int) []float32 {
	x := make([]float32, rows*k)
	for i := range x {
		x[i] = float32(r.IntN(2*most+1) - most)
	}
	return x
}

// reference is the search as one would write it down, of items whose scores are known.
func reference(scored []topk.Hit, k int, f topk.Filter) []topk.Hit {
	hits := []topk.Hit{}
	for _, h := range scored {
		i := int(h.Item)
		if !slices.Contains(f.Excluded, h.Item) && !f.Deny.Has(i) && (f.Allow == nil || f.Allow.Has(i)) {
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b topk.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Item, b.Item))
	})
	return hits[:min(k, len(hits))]
}

// score scores items as one would write it down.
func score(items, query []float32) []topk.Hit {
	var hits []topk.Hit
	for i := range len(items) / len(query) {
		var sum float32
		for p, v := range query {
			sum += v * items[i*len(query)+p]
		}
		hits = append(hits, topk.Hit{Item: int32(i), Score: sum})
	}
	return hits
}

func drawFilter(t *rapid.T, n int) topk.Filter {
	set := func(name string, nilToo bool) topk.Bitset {
		if nilToo && rapid.Bool().Draw(t, "no "+name) {
			return nil
		}
		b := topk.NewBitset(rapid.IntRange(0, n+100).Draw(t, "room of "+name)) // sets may end before the items, or after
		for i := range min(n, len(b)*64) {
			if rapid.IntRange(0, 3).Draw(t, name) == 0 {
				b.Add(i)
			}
		}
		return b
	}
	f := topk.Filter{Deny: set("deny", true), Allow: set("allow", true)}
	f.Excluded = rapid.SliceOfN(rapid.Int32Range(-1, int32(n)+70), 0, n/2+1).Draw(t, "excluded")
	slices.Sort(f.Excluded)
	return f
}

func TestSearchFindsWhatTheReferenceFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(0, 200).Draw(t, "items"), rapid.IntRange(1, 20).Draw(t, "factors")
		m, top := rapid.IntRange(0, 20).Draw(t, "queries"), rapid.IntRange(0, 30).Draw(t, "k")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		most := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "most")
		items, queries := whole(r, n, k, most), whole(r, m, k, most)
		filters := make([]topk.Filter, m)
		for i := range filters {
			filters[i] = drawFilter(t, n)
		}
		rounded, err := topk.New(items, k, topk.Options{Precision: topk.INT8})
		require.NoError(t, err)
		for _, o := range stores {
			x, err := topk.New(items, k, o)
			require.NoError(t, err)
			threads := rapid.IntRange(-1, 4).Draw(t, "threads")
			all, err := x.SearchAll(t.Context(), queries, top, func(i int) topk.Filter { return filters[i] }, threads)
			require.NoError(t, err)
			require.Len(t, all, m)
			for i, hits := range all {
				query := queries[i*k : (i+1)*k]
				scored := score(items, query)
				if o.Precision == topk.INT8 { // its own scores decide, or which are scored again
					own, err := rounded.Search(t.Context(), query, n, topk.Filter{}, 1)
					require.NoError(t, err)
					require.Len(t, own, n)
					for _, h := range own {
						require.InDelta(t, scored[h.Item].Score, h.Score, float64(k*most*most)/50)
					}
					if o.Rescore != 0 {
						again := []topk.Hit{}
						for _, h := range reference(own, 2*top+16, filters[i]) {
							again = append(again, scored[h.Item])
						}
						own = again
					}
					scored = own
				}
				want := reference(scored, top, filters[i])
				one, err := x.Search(t.Context(), query, top, filters[i], threads)
				require.NoError(t, err)
				require.Equal(t, want, append([]topk.Hit{}, one...), "%v", o)
				require.Equal(t, want, append([]topk.Hit{}, hits...), "%v, of many", o)
			}
		}
	})
}

// Of more items than a thread takes at a time, for any number of threads and for one query or many: the same bits.
func TestThreadsMakeNoDifference(t *testing.T) {
	const n, k, m, top = 100_003, 12, 37, 50
	items, queries := floats(1, n*k), floats(2, m*k)
	for i := range 1000 { // equal scores, far apart
		copy(items[(n-1-i)*k:(n-i)*k], items[i*k:(i+1)*k])
	}
	excluded := []int32{0, 5, 5, 70_000, n - 1}
	filter := func(i int) topk.Filter { return topk.Filter{Excluded: excluded[:i%len(excluded)]} }
	for _, o := range stores {
		x, err := topk.New(items, k, o)
		require.NoError(t, err)
		want, err := x.SearchAll(t.Context(), queries, top, filter, 1)
		require.NoError(t, err)
		for threads := 2; threads < 6; threads++ {
			got, err := x.SearchAll(t.Context(), queries, top, filter, threads)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		for i := range 5 {
			for _, threads := range []int{1, 2, 3, 8} {
				got, err := x.Search(t.Context(), queries[i*k:(i+1)*k], top, filter(i), threads)
				require.NoError(t, err)
				require.Equal(t, want[i], got, "%v", o)
			}
		}
	}
}

// Of many items, leaving out the best gives those that come after them, in whichever way they are left out.
func TestWhatComesAfterTheBest(t *testing.T) {
	const n, k, top = 40_000, 8, 60
	items, query := floats(11, n*k), floats(12, k)
	for _, p := range []topk.Precision{topk.FP32, topk.FP16, topk.INT8} {
		x, err := topk.New(items, k, topk.Options{Precision: p})
		require.NoError(t, err)
		all, err := x.Search(t.Context(), query, 2*top, topk.Filter{}, 1)
		require.NoError(t, err)
		deny, allow, excluded := topk.NewBitset(n), topk.NewBitset(n), []int32{}
		for i := range n {
			allow.Add(i)
		}
		for _, h := range all[:top] {
			deny.Add(int(h.Item))
			allow[h.Item/64] &^= 1 << (h.Item % 64)
			excluded = append(excluded, h.Item)
		}
		slices.Sort(excluded)
		for _, f := range []topk.Filter{{Deny: deny}, {Allow: allow}, {Excluded: excluded}} {
			for threads := 1; threads < 3; threads++ {
				got, err := x.Search(t.Context(), query, top, f, threads)
				require.NoError(t, err)
				require.Equal(t, all[top:], got)
			}
			many, err := x.SearchAll(t.Context(), query, top, func(int) topk.Filter { return f }, 2)
			require.NoError(t, err)
			require.Equal(t, all[top:], many[0])
		}
	}
}

func TestBitset(t *testing.T) {
	for n, words := range map[int]int{0: 0, 1: 1, 64: 1, 65: 2, 128: 2} {
		b := topk.NewBitset(n)
		require.Len(t, b, words)
		for i := range n {
			require.False(t, b.Has(i))
			b.Add(i)
			require.True(t, b.Has(i))
		}
		require.False(t, b.Has(words*64))
	}
}

// recall is the part of the true best, by scores in double precision, that is found.
func recall(t *testing.T, x *topk.Index, items, queries []float32, top int) float64 {
	t.Helper()
	k, found := x.Factors(), 0
	all, err := x.SearchAll(t.Context(), queries, top, nil, 2)
	require.NoError(t, err)
	for i, hits := range all {
		type scored struct {
			item  int32
			score float64
		}
		truth := make([]scored, x.Len())
		for j := range truth {
			truth[j].item = int32(j)
			for p := range k {
				truth[j].score += float64(queries[i*k+p]) * float64(items[j*k+p])
			}
		}
		slices.SortFunc(truth, func(a, b scored) int {
			if a.score > b.score {
				return -1
			}
			return 1
		})
		for _, h := range hits {
			if slices.ContainsFunc(truth[:top], func(s scored) bool { return s.item == h.Item }) {
				found++
			}
		}
	}
	return float64(found) / float64(top*len(all))
}

func TestRecall(t *testing.T) {
	const n, k, m = 5000, 32, 50
	items, queries := floats(3, n*k), floats(4, m*k)
	for _, c := range []struct {
		o    topk.Options
		most float64
	}{
		{topk.Options{Precision: topk.FP32}, 1},
		{topk.Options{Precision: topk.FP16}, .99},
		{topk.Options{Precision: topk.INT8}, .98},
		{topk.Options{Precision: topk.INT8, Rescore: topk.FP16}, .99},
		{topk.Options{Precision: topk.INT8, Rescore: topk.FP32}, 1},
	} {
		x, err := topk.New(items, k, c.o)
		require.NoError(t, err)
		require.GreaterOrEqual(t, recall(t, x, items, queries, 10), c.most, "%v", c.o)
	}
}

// Factors of very different sizes: the large ones do not take the bits of the small ones, which decide as much where
// the query's are large.
func TestInt8RoundsEachFactorByItsOwnSpread(t *testing.T) {
	const n, k, m = 3000, 16, 40
	items, queries := floats(9, n*k), floats(10, m*k)
	for i := range items {
		items[i] *= float32(math.Exp2(float64(i % k)))
	}
	for i := range queries {
		queries[i] *= float32(math.Exp2(-float64(i % k)))
	}
	x, err := topk.New(items, k, topk.Options{Precision: topk.INT8})
	require.NoError(t, err)
	require.GreaterOrEqual(t, recall(t, x, items, queries, 10), .97)
	items[0] = 1e30 // of one item, beside which the others are nothing
	x, err = topk.New(items, k, topk.Options{Precision: topk.INT8, Rescore: topk.FP32})
	require.NoError(t, err)
	hits, err := x.Search(t.Context(), append([]float32{1}, make([]float32, k-1)...), 1, topk.Filter{}, 1)
	require.NoError(t, err)
	require.Equal(t, []topk.Hit{{0, 1e30}}, hits)
}

// Large enough that the kernel is asked for large pages.
func TestALargeIndex(t *testing.T) {
	const n, k = 300_001, 16
	items := make([]float32, n*k)
	items[(n-1)*k] = 2
	items[7*k] = 1
	for _, o := range stores {
		x, err := topk.New(items, k, o)
		require.NoError(t, err)
		hits, err := x.Search(t.Context(), append([]float32{1}, make([]float32, k-1)...), 3, topk.Filter{}, 2)
		require.NoError(t, err)
		require.Equal(t, []int32{n - 1, 7, 0}, []int32{hits[0].Item, hits[1].Item, hits[2].Item}, "%v", o)
	}
}

func TestSizes(t *testing.T) {
	items := floats(5, 33*6) // two panels of 32 rows
	for _, c := range []struct {
		o     topk.Options
		bytes int64
	}{
		{topk.Options{}, 64 * 6 * 4},
		{topk.Options{Precision: topk.FP16}, 64 * 6 * 2},
		{topk.Options{Precision: topk.INT8}, 64*8 + 64*4 + 6*4},
		{topk.Options{Precision: topk.INT8, Rescore: topk.FP16}, 64*8 + 64*4 + 6*4 + 33*6*2},
		{topk.Options{Precision: topk.INT8, Rescore: topk.FP32}, 64*8 + 64*4 + 6*4 + 33*6*4},
	} {
		x, err := topk.New(items, 6, c.o)
		require.NoError(t, err)
		require.Equal(t, 33, x.Len())
		require.Equal(t, 6, x.Factors())
		require.Equal(t, c.bytes, x.Bytes())
	}
	require.Equal(t, "default fp32 fp16 int8", fmt.Sprint(topk.Precision(0), " ", topk.FP32, " ", topk.FP16, " ", topk.INT8))
}

// wrong returns the fields that an error names.
func wrong(t *testing.T, err error) []string {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind)
	var fields []string
	for name := range f.Fields {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	return fields
}

func TestNewRefuses(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		items   []float32
		factors int
		o       topk.Options
		fields  []string
	}{
		{[]float32{1}, 0, topk.Options{}, []string{"factors"}},
		{[]float32{1}, -1, topk.Options{Precision: 9, Rescore: 9}, []string{"factors", "precision", "rescore"}},
		{[]float32{1}, 2, topk.Options{}, []string{"items"}},
		{[]float32{1, nan}, 2, topk.Options{}, []string{"items"}},
		{[]float32{inf}, 1, topk.Options{}, []string{"items"}},
		{[]float32{-inf}, 1, topk.Options{}, []string{"items"}},
		{[]float32{65505}, 1, topk.Options{Precision: topk.FP16}, []string{"items"}},
		{[]float32{1.1e30}, 1, topk.Options{Precision: topk.INT8}, []string{"items"}},
		{[]float32{-65505}, 1, topk.Options{Precision: topk.INT8, Rescore: topk.FP16}, []string{"items"}},
		{[]float32{1}, 1, topk.Options{Precision: topk.FP16, Rescore: topk.FP32}, []string{"rescore"}},
		{[]float32{1}, 1, topk.Options{Precision: topk.INT8, Rescore: topk.INT8}, []string{"rescore"}},
		{make([]float32, 1025), 1025, topk.Options{Precision: topk.INT8}, []string{"factors"}},
	} {
		x, err := topk.New(c.items, c.factors, c.o)
		require.Nil(t, x)
		require.Equal(t, c.fields, wrong(t, err))
	}
	for _, o := range stores {
		_, err := topk.New([]float32{vector16, -vector16}, 1, o)
		require.NoError(t, err)
	}
	_, err := topk.New(make([]float32, 1024), 1024, topk.Options{Precision: topk.INT8})
	require.NoError(t, err)
}

// vector16 is the largest that FP16 can hold.
const vector16 = 65504

func TestSearchRefuses(t *testing.T) {
	x, err := topk.New(floats(6, 20), 2, topk.Options{})
	require.NoError(t, err)
	unsorted := topk.Filter{Excluded: []int32{2, 1}}
	_, err = x.Search(t.Context(), []float32{1}, -1, unsorted, 1)
	require.Equal(t, []string{"filter", "k", "query"}, wrong(t, err))
	_, err = x.Search(t.Context(), []float32{1, float32(math.NaN())}, 1, topk.Filter{}, 1)
	require.Equal(t, []string{"query"}, wrong(t, err))
	_, err = x.SearchAll(t.Context(), []float32{1}, -1, nil, 1)
	require.Equal(t, []string{"k", "queries"}, wrong(t, err))
	_, err = x.SearchAll(t.Context(), []float32{1, float32(math.Inf(1))}, 1, nil, 1)
	require.Equal(t, []string{"queries"}, wrong(t, err))
	_, err = x.SearchAll(t.Context(), make([]float32, 60), 1, func(i int) topk.Filter {
		if i == 17 {
			return unsorted
		}
		return topk.Filter{}
	}, 2)
	require.Equal(t, []string{"filter"}, wrong(t, err))
}

// An item whose score is too large a number is the best of all; one that is too small, or none, is not found.
func TestScoresThatOverflow(t *testing.T) {
	const huge = 1e30
	items := []float32{huge, 1, -huge, 1, huge, -huge, 0, 1}
	x, err := topk.New(items, 2, topk.Options{})
	require.NoError(t, err)
	hits, err := x.Search(t.Context(), []float32{huge, 1}, 4, topk.Filter{}, 1)
	require.NoError(t, err)
	require.Equal(t, []topk.Hit{{0, float32(math.Inf(1))}, {2, float32(math.Inf(1))}, {3, 1}}, hits)
}

func TestTheContextEndsASearch(t *testing.T) {
	x, err := topk.New(floats(7, 400_000), 4, topk.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	queries := floats(8, 4000)
	calls := 0
	_, err = x.SearchAll(ctx, queries, 5, func(int) topk.Filter {
		if calls++; calls == 200 {
			cancel(stop)
		}
		return topk.Filter{}
	}, 1)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, calls, 300, "it did not go on to the end")
	_, err = x.Search(ctx, queries[:4], 5, topk.Filter{}, 2)
	require.ErrorIs(t, err, context.Canceled)
	_, err = x.Search(ctx, queries[:4], 0, topk.Filter{}, 2)
	require.ErrorIs(t, err, context.Canceled)
}

func ExampleIndex_Search() {
	items := []float32{ // four items of two factors
		1, 0,
		.5, .5,
		0, 1,
		1, 1,
	}
	index, err := topk.New(items, 2, topk.Options{Precision: topk.FP16})
	if err != nil {
		fmt.Println(err)
		return
	}
	heard := []int32{3}
	hits, err := index.Search(context.Background(), []float32{2, 1}, 2, topk.Filter{Excluded: heard}, 1)
	fmt.Println(hits, err)
	// Output: [{0 2} {1 1.5}] <nil>
}
