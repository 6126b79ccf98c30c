package neumf_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/neumf"
)

// One epoch of steps of no length leaves the model where iALS has put it: about as good as that is, and far better than at random. What it says of a pair
// is how likely that is.
func TestPretrained(t *testing.T) {
	t.Parallel()
	d, held := mltest.Split(mltest.Planted(200, 96, 4, 1), 1)
	measure := func(a ml.Algorithm, v ml.Values) (found, loss float64) {
		m, err := a.Fit(t.Context(), d, v, ml.FitOptions{Seed: 1, Progress: func(p ml.Progress) { loss = p.Loss }})
		require.NoError(t, err)
		e, err := ml.Evaluate(t.Context(), m, d.Heard, held, 0)
		require.NoError(t, err)
		return e.NDCG10, loss
	}
	still := func(start string) ml.Values {
		return ml.Values{"start": start, "factors": "8", "rate": "1e-9", "epochs": "1", "regularization": "0.2"}
	}
	factors, _ := measure(als.Algorithm{}, ml.Values{"factors": "8", "regularization": "0.2", "frequency": "1"})
	begun, loss := measure(neumf.Algorithm{}, still("als"))
	random, worse := measure(neumf.Algorithm{}, still("random"))
	require.Greater(t, begun, 0.9*factors)
	require.Greater(t, begun, 1.5*random)
	require.Less(t, loss, 0.9*worse)
	require.Less(t, loss, 0.5, "a pair in five was heard: who says so of all loses that much")
}

// What says nothing does not stop the fit, whatever it is.
func TestPretrainedOnNothing(t *testing.T) {
	t.Parallel()
	for name, cells := range map[string][]ml.Cell{
		"nothing": nil,
		"one":     {{Row: 0, Col: 0, Weight: 1}},
		"all":     {{Row: 0, Col: 0, Weight: 1}, {Row: 0, Col: 1, Weight: 1}, {Row: 1, Col: 0, Weight: 1}, {Row: 1, Col: 1, Weight: 1e30}},
	} {
		heard, err := ml.NewMatrix(2, 2, cells)
		require.NoError(t, err)
		d := &ml.Data{Listeners: []string{"a", "b"}, Items: []string{"x", "y"}, Heard: heard}
		for _, regularization := range []string{"0", "1e-3", "1e9"} {
			m, err := neumf.Algorithm{}.Fit(t.Context(), d, ml.Values{"regularization": regularization, "rate": "0.01"}, ml.FitOptions{Seed: 1})
			require.NoError(t, err, name)
			scores := make([]float32, 2)
			m.Scores(scores, ml.Heard{Items: []int32{0}, Weights: []float32{1}})
			for _, s := range scores {
				require.False(t, math.IsNaN(float64(s)) || math.IsInf(float64(s), 0), "%s %s: %v", name, regularization, scores)
			}
		}
	}
}

// A context that has ended stops it before the first step, too.
func TestPretrainingStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := neumf.Algorithm{}.Fit(ctx, mltest.Planted(20, 10, 2, 1), nil, ml.FitOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

// A search does not try what is known to be worse.
func TestStartIsNotSearched(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{
		Algorithms: []ml.Algorithm{neumf.Algorithm{}}, Trials: 6, Seed: 1, NoBlend: true, OneHoldout: true,
		Fixed: map[string]ml.Values{"neumf": {"factors": "4", "hidden": "4", "epochs": "1", "negatives": "2"}},
	})
	require.NoError(t, err)
	require.Greater(t, len(s.Trials), 4)
	for _, trial := range s.Trials {
		require.Empty(t, trial.Values["start"])
	}
}
