package ml_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
)

// plain is a model that tells nothing but scores.
type plain struct{ ml.Model }

// A model that does not tell its reasons itself is found to have the same: where the score is a sum, what it loses without a part of it is that part.
func TestExplainByLeavingOut(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	m, err := itemknn.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	scores := make([]float32, len(d.Items))
	for u := range 20 {
		cols, weights := d.Heard.Row(u)
		h := ml.Heard{Listener: u, Items: cols, Weights: weights}
		m.Scores(scores, h)
		item := ml.Top(nil, scores, cols, 1)[0].Item
		want, got := ml.Explain(m, h)(item, 3), ml.Explain(plain{m}, h)(item, 3)
		require.Len(t, got, 3)
		for i := range want {
			require.InDelta(t, want[i].Score, got[i].Score, 1e-3*float64(want[0].Score))
		}
	}
}

// What a blend gives as a reason is what its parts say, each as much as it counts, and popularity says nothing.
func TestExplainABlend(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	near, err := itemknn.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	common, err := popular.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	b, err := ml.NewBlend([]ml.Model{near, common}, []float64{1, 3})
	require.NoError(t, err)
	cols, weights := d.Heard.Row(0)
	h := ml.Heard{Listener: 0, Items: cols, Weights: weights}
	want, got := ml.Explain(near, h)(5, 100), ml.Explain(b, h)(5, 100)
	require.NotEmpty(t, want)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Item, got[i].Item)
		require.InEpsilon(t, float64(want[i].Score)/float64(want[0].Score), float64(got[i].Score)/float64(got[0].Score), 1e-4)
	}
}

// louder says the same as another in larger numbers.
type louder struct{ ml.Explainer }

func (l louder) Scores(dst []float32, h ml.Heard) {
	l.Explainer.Scores(dst, h)
	for i := range dst {
		dst[i] *= 1000
	}
}

func (l louder) Explain(h ml.Heard, item int32, n int) []ml.Scored {
	why := l.Explainer.Explain(h, item, n)
	for i := range why {
		why[i].Score *= 1000
	}
	return why
}

// In the reasons of a blend, as in its scores, no part counts more for its large numbers.
func TestExplainABlendOfLoudParts(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	one, err := itemknn.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	other, err := rp3beta.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	cols, weights := d.Heard.Row(0)
	h := ml.Heard{Listener: 0, Items: cols, Weights: weights}
	var before []ml.Scored
	for _, second := range []ml.Model{other, louder{other.(ml.Explainer)}} {
		b, err := ml.NewBlend([]ml.Model{one, second}, []float64{1, 1})
		require.NoError(t, err)
		why := ml.Explain(b, h)(5, 100)
		require.NotEmpty(t, why)
		for i, w := range before {
			require.Equal(t, w.Item, why[i].Item)
			require.InEpsilon(t, w.Score, why[i].Score, 1e-3)
		}
		before = why
	}
}
