package bpr_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// shelf keeps the last checkpoint, and fails if it is told to.
type shelf struct {
	last       *safetensors.File
	save, read error
}

func (s *shelf) Save(_ context.Context, f *safetensors.File) error {
	s.last = f
	return s.save
}

func (s *shelf) Last(context.Context) (*safetensors.File, error) { return s.last, s.read }

// What goes wrong with checkpoints is said, and none that does not fit is gone on from.
func TestCheckpointsThatFail(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(20, 16, 4, 1)
	v := ml.Values{"factors": "4", "epochs": "3"}
	bad := errors.New("the disk is full")
	fit := func(s *shelf) error {
		_, err := bpr.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Seed: 1, Threads: 1, Checkpoints: s})
		return err
	}
	require.ErrorIs(t, fit(&shelf{save: bad}), bad)
	require.ErrorIs(t, fit(&shelf{read: bad}), bad)
	whole := &shelf{}
	require.NoError(t, fit(whole))
	require.NoError(t, fit(&shelf{last: whole.last}))
	for i, name := range []string{"listeners", "items", ""} {
		f := &safetensors.File{Meta: map[string]string{}, Tensors: append([]safetensors.Tensor{}, whole.last.Tensors...)}
		for key, value := range whole.last.Meta {
			f.Meta[key] = value
		}
		if name == "" {
			f.Meta["done"] = "some"
		} else {
			f.Tensors[i] = safetensors.Floats(name, []float32{1}, 1)
		}
		require.Error(t, fit(&shelf{last: f}), name)
	}
}

// A model with vectors of another length is no start, and changes nothing.
func TestStartFromAnother(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(20, 16, 4, 1)
	fit := func(factors int, start ml.Model) ml.Model {
		m, err := bpr.Algorithm{}.Fit(t.Context(), d, ml.Values{"factors": strconv.Itoa(factors), "epochs": "2"}, ml.FitOptions{Seed: 1, Threads: 1, Start: start})
		require.NoError(t, err)
		return m
	}
	require.Equal(t, fit(4, nil).Tensors(), fit(4, fit(5, nil)).Tensors())
}

func TestOpenOfWhatIsDamaged(t *testing.T) {
	t.Parallel()
	m, err := bpr.Algorithm{}.Fit(t.Context(), mltest.Planted(20, 16, 4, 1), ml.Values{"factors": "4", "epochs": "1"}, ml.FitOptions{Threads: 1})
	require.NoError(t, err)
	for key, value := range map[string]string{"epochs": "0", "rate": "quick", "drawn": "-1", "regularization": ""} {
		f := m.Tensors()
		f.Meta[key] = value
		_, err := bpr.Algorithm{}.Open(f)
		require.ErrorIs(t, err, safetensors.ErrDamaged, key)
	}
	f := m.Tensors()
	f.Meta["drawn"] = "many"
	_, err = bpr.Algorithm{}.Open(f)
	require.ErrorIs(t, err, safetensors.ErrDamaged)
	for _, item := range []int32{-1, 16} {
		f := m.Tensors()
		f.Meta["drawn"] = "1"
		f.Tensors[2] = safetensors.Ints("drawn", []int32{item}, 1)
		_, err := bpr.Algorithm{}.Open(f)
		require.ErrorIs(t, err, safetensors.ErrDamaged)
	}
	f = m.Tensors()
	f.Tensors[1] = safetensors.Floats("factors", make([]float32, 16), 16, 1)
	_, err = bpr.Algorithm{}.Open(f)
	require.ErrorIs(t, err, safetensors.ErrDamaged, "only biases")
}
