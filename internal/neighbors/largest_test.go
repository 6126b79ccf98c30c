package neighbors

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/ml"
)

// The largest are those that a sort puts first.
func TestLargest(t *testing.T) {
	t.Parallel()
	var s selector
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.OneOf(rapid.Float32Range(-2, 2), rapid.SampledFrom([]float32{0, 1, -1, 2, 1.0000001, 1e-40, float32(math.Copysign(0, -1))}))
		values := rapid.SliceOfN(one, 0, 60).Draw(t, "values")
		k := rapid.IntRange(0, 70).Draw(t, "k")
		var want []ml.Scored
		for i, v := range values {
			if v != 0 {
				want = append(want, ml.Scored{Item: int32(i), Score: v})
			}
		}
		slices.SortStableFunc(want, func(a, b ml.Scored) int { return cmp.Compare(magnitude(b.Score), magnitude(a.Score)) })
		want = want[:min(k, len(want))]
		slices.SortFunc(want, func(a, b ml.Scored) int { return cmp.Compare(a.Item, b.Item) })
		require.ElementsMatch(t, want, s.largest(values, k))
	})
}

func TestLargestOfRows(t *testing.T) {
	t.Parallel()
	fill := func() func(int, []float32) {
		return func(i int, values []float32) {
			for j := range values {
				if values[j] == 0 && j != i {
					values[j] = float32(j - i)
				}
			}
		}
	}
	for _, threads := range []int{0, 1, 3} {
		m, err := Largest(t.Context(), 40, 2, ml.FitOptions{Threads: threads}, fill)
		require.NoError(t, err)
		require.Equal(t, 40, m.Rows())
		cols, values := m.Row(1)
		require.Equal(t, []int32{38, 39}, cols)
		require.Equal(t, []float32{37, 38}, values)
		cols, values = m.Row(39)
		require.Equal(t, []int32{0, 1}, cols)
		require.Equal(t, []float32{-39, -38}, values)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Largest(ctx, 40, 2, ml.FitOptions{}, fill)
	require.ErrorIs(t, err, context.Canceled)
}
