package ml_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func blending() ml.Blending {
	return ml.Blending{Parts: []ml.BlendPart{
		{Algorithm: als.Algorithm{}, Values: ml.Values{"factors": "8", "regularization": "2", "weight": "binary", "iterations": "5"}, Weight: 2},
		{Algorithm: itemknn.Algorithm{}, Values: ml.Values{"neighbors": "20"}, Weight: 3},
		{Algorithm: itemknn.Algorithm{}, Values: ml.Values{"similarity": "bm25"}, Weight: 1},
	}}
}

func TestBlendContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, blending(), mltest.Options{Tolerance: 1e-3})
}

func TestBlendStartsWithItsOwnParts(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	first, err := blending().Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	warm, err := blending().Fit(t.Context(), d, ml.Values{"0-iterations": "1"}, ml.FitOptions{Start: first})
	require.NoError(t, err)
	cold, err := blending().Fit(t.Context(), d, ml.Values{"0-iterations": "1"}, ml.FitOptions{})
	require.NoError(t, err)
	require.NotEqual(t, warm.Tensors().Tensors, cold.Tensors().Tensors)
	// One of fewer parts is where those begin; the others begin anew.
	parts, weights := first.(*ml.Blend).Parts()
	fewer, err := ml.NewBlend(parts[:1], weights[:1])
	require.NoError(t, err)
	less, err := blending().Fit(t.Context(), d, ml.Values{"0-iterations": "1"}, ml.FitOptions{Start: fewer})
	require.NoError(t, err)
	require.Equal(t, warm.Tensors().Tensors, less.Tensors().Tensors)
}

func TestBlendRefuses(t *testing.T) {
	t.Parallel()
	d, other := mltest.Planted(60, 40, 4, 1), mltest.Planted(60, 30, 4, 1)
	m, err := popular.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	n, err := popular.Algorithm{}.Fit(t.Context(), other, nil, ml.FitOptions{})
	require.NoError(t, err)
	for what, err := range map[string]error{
		"0 models":         second(ml.NewBlend(nil, nil)),
		"with 1 weights":   second(ml.NewBlend([]ml.Model{m, m}, []float64{1})),
		"different items":  second(ml.NewBlend([]ml.Model{m, n}, []float64{1, 1})),
		"the weight 0":     second(ml.NewBlend([]ml.Model{m, m}, []float64{1, 0})),
		"blend of nothing": second(ml.Blending{}.Fit(t.Context(), d, nil, ml.FitOptions{})),
	} {
		require.ErrorContains(t, err, what)
	}
	require.Error(t, second(ml.NewBlend([]ml.Model{m}, []float64{math.Inf(1)})))
	good, err := ml.NewBlend([]ml.Model{m, m}, []float64{1, 2})
	require.NoError(t, err)
	known := ml.Blending{Known: []ml.Algorithm{popular.Algorithm{}}}
	opened, err := known.Open(good.Tensors())
	require.NoError(t, err)
	parts, weights := opened.(*ml.Blend).Parts()
	require.Len(t, parts, 2)
	require.Equal(t, []float64{1, 2}, weights)
	_, err = ml.Blending{}.Open(good.Tensors())
	require.ErrorContains(t, err, `unknown algorithm "popular"`)
	for name, wrong := range map[string]string{"weights": "1 x", "1/same": "{", "1/algorithm": "als", "algorithm": "als"} {
		f := good.Tensors()
		f.Meta[name] = wrong
		_, err := known.Open(f)
		require.ErrorIs(t, err, safetensors.ErrDamaged, name)
	}
	f := good.Tensors()
	f.Meta["weights"] = "1 -2"
	_, err = known.Open(f)
	require.ErrorIs(t, err, safetensors.ErrDamaged)
}

// torn are checkpoints that fail.
type torn struct{ saves, reads error }

func (c torn) Save(context.Context, *safetensors.File) error   { return c.saves }
func (c torn) Last(context.Context) (*safetensors.File, error) { return nil, c.reads }

func TestBlendTellsWhatFails(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	lost := errors.New("lost")
	plain := ml.Blending{Parts: []ml.BlendPart{{Algorithm: popular.Algorithm{}, Weight: 1}}}
	require.ErrorIs(t, second(plain.Fit(t.Context(), d, nil, ml.FitOptions{Checkpoints: torn{reads: lost}})), lost)
	require.ErrorIs(t, second(plain.Fit(t.Context(), d, nil, ml.FitOptions{Checkpoints: torn{saves: lost}})), lost)
	require.ErrorIs(t, second(blending().Fit(t.Context(), d, nil, ml.FitOptions{Checkpoints: torn{saves: lost}})), lost)
	silent := script{name: "silent", fit: func(_ context.Context, _ *ml.Data, _ ml.Values, o ml.FitOptions) (ml.Model, error) {
		o.Progress(ml.Progress{Step: 1})
		for range 2 {
			o.Progress(ml.Progress{Step: 1, Steps: 2})
		}
		return nil, lost
	}}
	told := 0
	_, err := ml.Blending{Parts: []ml.BlendPart{{Algorithm: silent, Weight: 1}}}.Fit(t.Context(), d, nil, ml.FitOptions{Progress: func(p ml.Progress) {
		told++
		require.Equal(t, 500, p.Step)
	}})
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "silent: ")
	require.Equal(t, 1, told, "not without a number of steps, and not twice the same")
	require.Error(t, second(plain.Fit(t.Context(), d, ml.Values{"0-share": "0"}, ml.FitOptions{})))
}

func TestBlendOfHugeAndOfEqualScoresIsFinite(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	same := fixed{d.Items, func(int) float32 { return 7 }}
	huge := fixed{d.Items, func(i int) float32 { return float32(i) * 8e36 }}
	b, err := ml.NewBlend([]ml.Model{same, huge}, []float64{1, 1})
	require.NoError(t, err)
	scores := make([]float32, len(d.Items))
	b.Scores(scores, ml.Heard{Items: []int32{0, 5}, Weights: []float32{1, 1}})
	require.InDelta(t, -scores[1], scores[39], 0.2)
	require.Less(t, scores[39], float32(2))
	all := make([]int32, len(d.Items))
	for i := range all {
		all[i] = int32(i)
	}
	b.Scores(scores, ml.Heard{Items: all})
	require.Zero(t, scores[3], "nothing is left to be compared")
}

// fixed gives everybody the same scores.
type fixed struct {
	items []string
	score func(i int) float32
}

func (f fixed) Algorithm() string { return "fixed" }
func (f fixed) Items() []string   { return f.items }
func (f fixed) Scores(dst []float32, _ ml.Heard) {
	for i := range dst {
		dst[i] = f.score(i)
	}
}
func (f fixed) Tensors() *safetensors.File { return &safetensors.File{} }

func second[T any](_ T, err error) error { return err }
