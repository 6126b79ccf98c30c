package bpr_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// What was learned before is worth epochs.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	train, test := mltest.Split(mltest.Planted(160, 96, 4, 1), 3)
	fit := func(epochs string, start ml.Model) (ml.Model, float64) {
		m, err := bpr.Algorithm{}.Fit(t.Context(), train, ml.Values{"factors": "13", "rate": "0.1", "epochs": epochs}, ml.FitOptions{Seed: 1, Start: start, Threads: 2})
		require.NoError(t, err)
		found, err := ml.Evaluate(t.Context(), m, train.Heard, test, 2)
		require.NoError(t, err)
		return m, found.NDCG10
	}
	before, _ := fit("40", nil)
	_, cold := fit("2", nil)
	_, warm := fit("2", before)
	require.Greater(t, warm, cold)
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
	model, err := bpr.Algorithm{}.Fit(context.Background(), data, ml.Values{"factors": "4", "epochs": "500", "rate": "0.1"}, ml.FitOptions{Seed: 1, Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, 3)
	model.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0}, Weights: []float32{1}})
	fmt.Println("who has heard x may like y more than z:", scores[1] > scores[2])
	// Output: who has heard x may like y more than z: true
}
