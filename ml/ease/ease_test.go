package ease_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/ease"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, items := range map[string]string{"primal": "90", "dual": "1000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mltest.Run(t, ease.Algorithm{}, mltest.Options{Values: ml.Values{"items": items, "regularization": "5"}})
		})
	}
}

// More listeners than items are solved by the items, others by the listeners: to the same weights. Here an item of nobody's makes the difference.
func TestPrimalAndDualAgree(t *testing.T) {
	t.Parallel()
	for _, weight := range []string{"binary", "log", "raw"} {
		var near [2]*ml.Matrix
		for i := range near {
			d := mltest.Planted(61, 60, 4, 9)
			if i == 1 {
				d.Items, d.Heard.Columns = append(d.Items, "nobody's"), 61
			}
			m, err := ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"weight": weight, "regularization": "20"}, ml.FitOptions{Threads: 2})
			require.NoError(t, err)
			near[i] = m.(*neighbors.Model).Near()
		}
		for i := range 60 {
			want, got := dense(near[0], i), dense(near[1], i)
			require.Zero(t, want[i], "an item says nothing of itself")
			require.InDeltaSlice(t, want, got[:60], 5e-4)
			require.Zero(t, got[60])
		}
	}
}

// Only the items heard by most take part where there are more listeners than that.
func TestItems(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(61, 60, 4, 9)
	m, err := ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"items": "10"}, ml.FitOptions{})
	require.NoError(t, err)
	near := m.(*neighbors.Model).Near()
	byItem := d.Heard.Transposed()
	least, most, rows := 61, 0, 0
	for i := range 60 {
		heard := byItem.Starts[i+1] - byItem.Starts[i]
		if near.Starts[i+1] > near.Starts[i] {
			least = min(least, heard)
			rows++
		} else {
			most = max(most, heard)
		}
	}
	require.Equal(t, 10, rows)
	require.GreaterOrEqual(t, least, most)
}

func dense(m *ml.Matrix, row int) []float32 {
	x := make([]float32, m.Columns)
	cols, weights := m.Row(row)
	for i, c := range cols {
		x[c] = weights[i]
	}
	return x
}

// The regression written out: two items that everybody hears together, with λ = 1 and three listeners.
func TestWeights(t *testing.T) {
	t.Parallel()
	for _, items := range []string{"1000", "2"} {
		heard, err := ml.NewMatrix(3, 2, []ml.Cell{{Row: 0, Col: 0, Weight: 5}, {Row: 0, Col: 1, Weight: 1}, {Row: 1, Col: 0, Weight: 2}, {Row: 1, Col: 1, Weight: 2}, {Row: 2, Col: 0, Weight: 1}})
		require.NoError(t, err)
		d := &ml.Data{Listeners: []string{"a", "b", "c"}, Items: []string{"x", "y"}, Heard: heard}
		if items == "1000" { // as many items as listeners, of which one is nobody's
			heard.Columns = 3
			d.Items = append(d.Items, "z")
		}
		m, err := ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"items": items, "regularization": "1"}, ml.FitOptions{})
		require.NoError(t, err)
		near := m.(*neighbors.Model).Near()
		// XᵀX + 1 = (4 2; 2 3): from x to y 2/4, from y to x 2/3... of P = (3 −2; −2 4) ⁄ 8: −P₀₁ ⁄ P₁₁ and −P₁₀ ⁄ P₀₀.
		require.InDelta(t, 2.0/4, dense(near, 0)[1], 1e-6)
		require.InDelta(t, 2.0/3, dense(near, 1)[0], 1e-6)
	}
}

// Weights against are kept, and few neighbors are those that say most.
func TestNeighbors(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	fit := func(n string) *ml.Matrix {
		m, err := ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"neighbors": n, "regularization": "1"}, ml.FitOptions{})
		require.NoError(t, err)
		return m.(*neighbors.Model).Near()
	}
	all, some := fit("96"), fit("10")
	against := 0
	for i := range 96 {
		cols, weights := some.Row(i)
		require.LessOrEqual(t, len(cols), 10)
		whole := dense(all, i)
		for j, c := range cols {
			require.Equal(t, whole[c], weights[j])
			if weights[j] < 0 {
				against++
			}
		}
	}
	require.Positive(t, against)
}

// ending is a context that has ended once it was asked so often.
type ending struct {
	context.Context //nolint:containedctx // it is one
	left            *atomic.Int64
}

func (e ending) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// Whenever the context ends, the fit does, and gives no half of a model.
func TestEnds(t *testing.T) {
	t.Parallel()
	for _, items := range []string{"20", "1000"} {
		d := mltest.Planted(40, 60, 4, 9)
		for n := int64(0); ; n++ {
			ctx := ending{t.Context(), &atomic.Int64{}}
			ctx.left.Store(n)
			m, err := ease.Algorithm{}.Fit(ctx, d, ml.Values{"items": items}, ml.FitOptions{Threads: 1})
			if err == nil {
				require.NotNil(t, m)
				require.Greater(t, n, int64(20))
				break
			}
			require.ErrorIs(t, err, context.Canceled)
			require.Nil(t, m)
		}
	}
}

// Weights whose squares no float32 holds are an error; items of nobody's are none.
func TestWhatCannotBeInverted(t *testing.T) {
	t.Parallel()
	for _, items := range []string{"1", "100"} {
		heard, err := ml.NewMatrix(2, 3, []ml.Cell{{Row: 0, Col: 0, Weight: 1e30}, {Row: 1, Col: 1, Weight: 1}})
		require.NoError(t, err)
		d := &ml.Data{Listeners: []string{"a", "b"}, Items: []string{"x", "y", "z"}, Heard: heard}
		_, err = ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"weight": "raw", "items": items}, ml.FitOptions{})
		require.ErrorContains(t, err, "ease: the weights")
		m, err := ease.Algorithm{}.Fit(t.Context(), d, ml.Values{"items": items}, ml.FitOptions{})
		require.NoError(t, err)
		scores := []float32{7, 7, 7}
		m.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0, 1, 2}, Weights: []float32{1, 1, 1}})
		require.Equal(t, make([]float32, 3), scores)
	}
}

func Example() {
	heard, _ := ml.NewMatrix(3, 3, []ml.Cell{
		{Row: 0, Col: 0, Weight: 1},
		{Row: 0, Col: 1, Weight: 1},
		{Row: 1, Col: 0, Weight: 1},
		{Row: 1, Col: 1, Weight: 1},
		{Row: 2, Col: 2, Weight: 1},
	})
	data := &ml.Data{Listeners: []string{"ann", "bob", "eve"}, Items: []string{"x", "y", "z"}, Heard: heard}
	model, err := ease.Algorithm{}.Fit(context.Background(), data, ml.Values{"regularization": "1"}, ml.FitOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, 3)
	model.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0}, Weights: []float32{1}})
	fmt.Printf("%.2f\n", scores)
	// Output: [0.00 0.67 0.00]
}
