package distill_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a distill.Algorithm
		o mltest.Options
	}{
		"iALS": {distill.Algorithm{Values: ml.Values{"factors": "12", "regularization": "2"}}, mltest.Options{Tolerance: 1e-4}},
		"BPR": {
			distill.Algorithm{Teacher: bpr.Algorithm{}, Values: ml.Values{"factors": "12", "rate": "0.1", "epochs": "30"}},
			mltest.Options{SameThreads: true, Tolerance: 1e-4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Values = ml.Values{"factors": "6"}
			mltest.Run(t, c.a, c.o)
		})
	}
}

func teach(t *testing.T, d *ml.Data) ml.Factored {
	t.Helper()
	m, err := als.Algorithm{}.Fit(t.Context(), d, ml.Values{"factors": "12", "regularization": "2"}, ml.FitOptions{Seed: 1})
	require.NoError(t, err)
	return m.(ml.Factored)
}

// A student of as many factors as its teacher says the same, and one of fewer says about the same.
func TestNear(t *testing.T) {
	t.Parallel()
	train, test := mltest.Split(mltest.Planted(160, 96, 4, 1), 3)
	teacher := teach(t, train)
	for factors, far := range map[int]float64{12: 1e-4, 40: 1e-4, 6: 0.5} {
		s, err := distill.Student(t.Context(), teacher, train, factors, ml.FitOptions{Threads: 2})
		require.NoError(t, err)
		_, k := s.Factors()
		require.Equal(t, min(factors, 12), k)
		want, got := make([]float32, len(train.Items)), make([]float32, len(train.Items))
		apart, size := 0.0, 0.0
		for u := range train.Listeners {
			cols, weights := train.Heard.Row(u)
			h := ml.Heard{Listener: u, Items: cols, Weights: weights}
			teacher.Scores(want, h)
			s.Scores(got, h)
			for i := range want {
				apart += math.Pow(float64(want[i]-got[i]), 2)
				size += math.Pow(float64(want[i]), 2)
			}
		}
		require.Less(t, math.Sqrt(apart/size), far, "%d factors", factors)
	}
	// The few that are kept are the ones that count: better than as many of the teacher's as they come.
	before, err := ml.Evaluate(t.Context(), teacher, train.Heard, test, 2)
	require.NoError(t, err)
	s, err := distill.Student(t.Context(), teacher, train, 4, ml.FitOptions{})
	require.NoError(t, err)
	after, err := ml.Evaluate(t.Context(), s, train.Heard, test, 2)
	require.NoError(t, err)
	require.Greater(t, after.NDCG10, 0.9*before.NDCG10)
}

// A sample of many listeners does as well as all.
func TestMany(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(2500, 96, 4, 1)
	teacher := teach(t, d)
	one, err := distill.Student(t.Context(), teacher, d, 4, ml.FitOptions{Seed: 1, Threads: 1})
	require.NoError(t, err)
	two, err := distill.Student(t.Context(), teacher, d, 4, ml.FitOptions{Seed: 1, Threads: 2})
	require.NoError(t, err)
	require.Equal(t, one.Tensors(), two.Tensors())
	other, err := distill.Student(t.Context(), teacher, d, 4, ml.FitOptions{Seed: 2})
	require.NoError(t, err)
	require.NotEqual(t, one.Tensors(), other.Tensors())
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(40, 24, 4, 1)
	teacher := teach(t, d)
	_, err := distill.Student(t.Context(), teacher, d, 0, ml.FitOptions{})
	require.ErrorContains(t, err, "at least 1")
	_, err = distill.Student(t.Context(), teacher, mltest.Planted(40, 25, 4, 1), 4, ml.FitOptions{})
	require.ErrorContains(t, err, "other items")
	_, err = distill.Student(t.Context(), teacher, &ml.Data{}, 4, ml.FitOptions{})
	require.Error(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range []ml.Factored{teacher, odd{teacher, 1, nil}, odd{teacher, 1, func() {}}} {
		_, err = distill.Student(ended, m, d, 4, ml.FitOptions{})
		require.ErrorIs(t, err, context.Canceled)
	}
	later, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = distill.Student(later, odd{teacher, 1, cancel}, d, 4, ml.FitOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = distill.Student(t.Context(), odd{teacher, float32(math.NaN()), nil}, d, 4, ml.FitOptions{})
	require.ErrorContains(t, err, "not numbers")
	_, err = distill.Student(t.Context(), odd{teacher, 1e30, nil}, d, 4, ml.FitOptions{})
	require.ErrorContains(t, err, "too large")

	_, err = distill.Algorithm{Teacher: popular.Algorithm{}}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.ErrorContains(t, err, "popular cannot teach")
	_, err = distill.Algorithm{Values: ml.Values{"no such thing": "1"}}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.ErrorContains(t, err, "no such thing")
	_, err = distill.Algorithm{Teacher: strange{}}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.ErrorIs(t, err, errStrange)
}

// odd is a teacher of no known algorithm, whose vectors are scaled.
type odd struct {
	ml.Factored
	scale float32
	asked func()
}

func (o odd) Scores(dst []float32, h ml.Heard) {
	if o.asked != nil {
		o.asked()
	}
	o.Factored.Scores(dst, h)
}

func (odd) Tensors() *safetensors.File { return &safetensors.File{} }

func (o odd) Vector(dst []float32, h ml.Heard) {
	o.Factored.Vector(dst, h)
	for i := range dst {
		dst[i] *= o.scale
	}
}

var errStrange = errors.New("strange")

type strange struct{ als.Algorithm }

func (strange) Fit(context.Context, *ml.Data, ml.Values, ml.FitOptions) (ml.Model, error) {
	return nil, errStrange
}

// What a teacher was fitted with is among the values that a student is made with, and they are all that is needed to make it again.
func TestOf(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	values := ml.Values{"factors": "12", "regularization": "2"}
	a, v := distill.Algorithm{}.Of(als.Algorithm{}, values, 6)
	require.Equal(t, ml.Values{"factors": "6", "teacher-factors": "12", "teacher-regularization": "2"}, v)
	got, err := a.Fit(t.Context(), d, v, ml.FitOptions{Seed: 1})
	require.NoError(t, err)
	want, err := distill.Algorithm{}.Student(t.Context(), teach(t, d), d, 6, ml.FitOptions{Seed: 1})
	require.NoError(t, err)
	require.Equal(t, want.Tensors(), got.Tensors())
	_, err = distill.Algorithm{}.Student(t.Context(), teach(t, d), d, 0, ml.FitOptions{})
	require.Error(t, err)
	_, err = a.Fit(t.Context(), d, ml.Values{"teacher-nothing": "1"}, ml.FitOptions{})
	require.ErrorContains(t, err, "teacher-nothing")
}
