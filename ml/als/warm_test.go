package als_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// A fit that starts from a model goes on where that one was, also where items are new and the vectors are of a length that no kernel takes.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	fit := func(d *ml.Data, iterations string, seed uint64, start ml.Model) ml.Model {
		m, err := als.Algorithm{}.Fit(t.Context(), d, ml.Values{"iterations": iterations, "factors": "13", "regularization": "2"}, ml.FitOptions{Seed: seed, Start: start})
		require.NoError(t, err)
		return m
	}
	less := *d
	less.Items = append([]string{"another's"}, d.Items[1:]...)
	before, end := fit(&less, "30", 2, nil), fit(d, "31", 2, nil)
	cold, warm := fit(d, "1", 1, nil), fit(d, "1", 1, before)
	apart := func(m ml.Model) (sum float64) {
		want, got := make([]float32, len(d.Items)), make([]float32, len(d.Items))
		for u := range d.Listeners {
			cols, weights := d.Heard.Row(u)
			end.Scores(want, ml.Heard{Listener: u, Items: cols, Weights: weights})
			m.Scores(got, ml.Heard{Listener: u, Items: cols, Weights: weights})
			for i := range want {
				sum += math.Abs(float64(want[i] - got[i]))
			}
		}
		return sum
	}
	require.Less(t, apart(warm), apart(cold)/3)
}

// Each way to weigh what was heard finds what was planted.
func TestConfidence(t *testing.T) {
	t.Parallel()
	train, test := mltest.Split(mltest.Planted(160, 96, 4, 1), 3)
	for _, v := range []ml.Values{
		{"confidence": "plus"},
		{"confidence": "times", "alpha": "0.3"},
		{"frequency": "1", "regularization": "0.05"},
		{"frequency": "0.5", "regularization": "0.3", "weight": "binary"},
		{"steps": "1", "iterations": "40"},
	} {
		values := ml.Values{"factors": "16", "regularization": "2"}
		for name, x := range v {
			values[name] = x
		}
		m, err := als.Algorithm{}.Fit(t.Context(), train, values, ml.FitOptions{Seed: 1})
		require.NoError(t, err)
		found, err := ml.Evaluate(t.Context(), m, train.Heard, test, 2)
		require.NoError(t, err)
		require.Greater(t, found.NDCG10, 0.25, "%v", v)
	}
}

func Example() {
	heard, _ := ml.NewMatrix(4, 3, []ml.Cell{
		{Row: 0, Col: 0, Weight: 3},
		{Row: 0, Col: 1, Weight: 5},
		{Row: 1, Col: 0, Weight: 1},
		{Row: 1, Col: 1, Weight: 2},
		{Row: 2, Col: 2, Weight: 4},
		{Row: 3, Col: 2, Weight: 1},
	})
	data := &ml.Data{Listeners: []string{"ann", "bob", "eve", "joe"}, Items: []string{"x", "y", "z"}, Heard: heard}
	model, err := als.Algorithm{}.Fit(context.Background(), data, ml.Values{"factors": "2", "regularization": "0.1"}, ml.FitOptions{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, 3)
	model.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0}, Weights: []float32{1}})
	fmt.Println("who has heard x may like y more than z:", scores[1] > scores[2])
	// Output: who has heard x may like y more than z: true
}

// A search begins with the defaults, and goes on with what suits other data.
func TestStarts(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	for _, fixed := range []ml.Values{nil, {"frequency": "0.5"}, {"frequency": "1", "regularization": "0.3"}} {
		s, err := ml.Select(t.Context(), d, ml.SelectOptions{
			Algorithms: []ml.Algorithm{als.Algorithm{}}, Fixed: map[string]ml.Values{"als": fixed}, Trials: 3, Seed: 1, NoBlend: true, OneHoldout: true,
		})
		require.NoError(t, err)
		require.Len(t, s.Trials, 3)
		second := s.Trials[1].Values
		switch {
		case fixed == nil:
			require.Equal(t, ml.Values{"frequency": "1", "regularization": "0.3"}, second)
		case fixed["regularization"] == "":
			require.Equal(t, ml.Values{"frequency": "0.5", "regularization": "0.3"}, second)
		default:
			require.Greater(t, len(second), 2, "it was tried already")
		}
	}
}
