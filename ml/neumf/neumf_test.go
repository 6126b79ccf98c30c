package neumf_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/neumf"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func TestContract(t *testing.T) {
	t.Parallel()
	mltest.Run(t, neumf.Algorithm{}, mltest.Options{Values: ml.Values{"factors": "8", "hidden": "8", "rate": "0.01", "epochs": "12", "batch": "128"}})
}

// A model to start from makes the first epoch better; one of another shape makes no difference.
func TestStart(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	fit := func(v ml.Values, start ml.Model) (ml.Model, float64) {
		loss := 0.0
		m, err := neumf.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Seed: 1, Start: start, Progress: func(p ml.Progress) { loss = p.Loss }})
		require.NoError(t, err)
		return m, loss
	}
	with := func(epochs, factors string) ml.Values {
		return ml.Values{"start": "random", "factors": factors, "hidden": "8", "epochs": epochs, "rate": "0.003"}
	}
	once := with("1", "8")
	start, _ := fit(with("20", "8"), nil)
	cold, high := fit(once, nil)
	_, low := fit(once, start)
	require.Less(t, low, 0.9*high)
	other, _ := fit(with("1", "4"), nil)
	same, _ := fit(once, other)
	require.Equal(t, cold.Tensors(), same.Tensors())
}

// More than goes through the network at once.
func TestMuch(t *testing.T) {
	t.Parallel()
	var cells []ml.Cell
	for i := range int32(400) {
		cells = append(cells, ml.Cell{Row: i % 2, Col: i, Weight: 1})
	}
	heard, err := ml.NewMatrix(3, 500, cells)
	require.NoError(t, err)
	d := mltest.Planted(3, 500, 4, 1)
	d.Heard = heard
	m, err := neumf.Algorithm{}.Fit(t.Context(), d, ml.Values{"negatives": "5", "epochs": "30", "rate": "0.02"}, ml.FitOptions{Seed: 1})
	require.NoError(t, err)
	cols, weights := heard.Row(0)
	scores := make([]float32, 500)
	m.Scores(scores, ml.Heard{Items: cols, Weights: weights})
	for i := range int32(100) {
		require.Greater(t, scores[2*i], scores[400+i], "what they have heard comes before what nobody has")
	}
}

type checkpoints struct {
	last *safetensors.File
	err  error
}

func (c *checkpoints) Save(_ context.Context, f *safetensors.File) error {
	c.last = f
	return c.err
}

func (c *checkpoints) Last(context.Context) (*safetensors.File, error) { return c.last, nil }

// A checkpoint that does not fit, or cannot be kept, is an error.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	d, v := mltest.Planted(40, 24, 4, 1), ml.Values{"epochs": "2"}
	full := errors.New("full")
	_, err := neumf.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Checkpoints: &checkpoints{err: full}})
	require.ErrorIs(t, err, full)
	good := &checkpoints{}
	_, err = neumf.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Checkpoints: good})
	require.NoError(t, err)
	for _, damage := range []func(f *safetensors.File){
		func(f *safetensors.File) { f.Tensors = f.Tensors[1:] },
		func(f *safetensors.File) { f.Meta["done"] = "some" },
		func(f *safetensors.File) { f.Meta["steps"] = "some" },
	} {
		f := &safetensors.File{Meta: map[string]string{}, Tensors: good.last.Tensors}
		for name, text := range good.last.Meta {
			f.Meta[name] = text
		}
		damage(f)
		_, err = neumf.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Checkpoints: &checkpoints{last: f}})
		require.ErrorContains(t, err, "neumf: ")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	m, err := neumf.Algorithm{}.Fit(t.Context(), mltest.Planted(40, 24, 4, 1), ml.Values{"epochs": "1"}, ml.FitOptions{})
	require.NoError(t, err)
	for _, hidden := range []string{"", "1", "64"} {
		f := m.Tensors()
		f.Meta["hidden"] = hidden
		_, err = neumf.Algorithm{}.Open(f)
		require.ErrorIs(t, err, safetensors.ErrDamaged)
	}
}
