package neumf_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/neumf"
)

func Example() {
	data := mltest.Planted(160, 96, 4, 1) // listener 0 likes items 0, 4, 8 and so on
	model, err := neumf.Algorithm{}.Fit(context.Background(), data, ml.Values{"factors": "8", "rate": "0.01"}, ml.FitOptions{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, len(model.Items()))
	model.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0, 4, 8}, Weights: []float32{1, 1, 1}})
	best := ml.Top(nil, scores, []int32{0, 4, 8}, 3)
	for _, b := range best {
		fmt.Println(b.Item%4 == 0)
	}
	// Output:
	// true
	// true
	// true
}
