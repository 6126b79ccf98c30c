package ml_test

import (
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

func second[T any](_ T, err error) error { return err }
