package als_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
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
	v := ml.Values{"factors": "4", "iterations": "3"}
	bad := errors.New("the disk is full")
	fit := func(s *shelf) error {
		_, err := als.Algorithm{}.Fit(t.Context(), d, v, ml.FitOptions{Seed: 1, Threads: 1, Checkpoints: s})
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
		m, err := als.Algorithm{}.Fit(t.Context(), d, ml.Values{"factors": strconv.Itoa(factors), "iterations": "2"}, ml.FitOptions{Seed: 1, Threads: 1, Start: start})
		require.NoError(t, err)
		return m
	}
	require.Equal(t, fit(4, nil).Tensors(), fit(4, fit(5, nil)).Tensors())
}

// Blocks of rows end at many rows, and at heavy ones: to the same model with any number of threads.
func TestManyAndHeavyRows(t *testing.T) {
	t.Parallel()
	var cells []ml.Cell
	for u := range int32(700) {
		heard := int32(1)
		if u%300 == 7 {
			heard = 9000
		}
		for i := range heard {
			cells = append(cells, ml.Cell{Row: u, Col: (u*13 + i) % 10000, Weight: 1})
		}
	}
	m, err := ml.NewMatrix(700, 10000, cells)
	require.NoError(t, err)
	d := &ml.Data{Listeners: make([]string, 700), Items: make([]string, 10000), Heard: m}
	var first *safetensors.File
	for _, threads := range []int{1, 2, 5} {
		model, err := als.Algorithm{}.Fit(t.Context(), d, ml.Values{"factors": "4", "iterations": "2", "confidence": "plus"}, ml.FitOptions{Seed: 1, Threads: threads})
		require.NoError(t, err)
		f := model.Tensors()
		if first == nil {
			first = f
		}
		require.Equal(t, first, f)
		opened, err := als.Algorithm{}.Open(f)
		require.NoError(t, err)
		require.Equal(t, f, opened.Tensors())
	}
	first.Meta["alpha"] = "much"
	_, err = als.Algorithm{}.Open(first)
	require.ErrorIs(t, err, safetensors.ErrDamaged)
}
