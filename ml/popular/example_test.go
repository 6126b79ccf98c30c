package popular_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/popular"
)

func Example() {
	heard, _ := ml.NewMatrix(4, 3, []ml.Cell{
		{Row: 0, Col: 0, Weight: 3},
		{Row: 0, Col: 1, Weight: 5},
		{Row: 1, Col: 0, Weight: 1},
		{Row: 1, Col: 1, Weight: 2},
		{Row: 2, Col: 1, Weight: 4},
		{Row: 3, Col: 2, Weight: 1},
	})
	data := &ml.Data{Listeners: []string{"ann", "bob", "eve", "joe"}, Items: []string{"x", "y", "z"}, Heard: heard}
	model, err := popular.Algorithm{}.Fit(context.Background(), data, nil, ml.FitOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, len(model.Items()))
	model.Scores(scores, ml.Heard{Listener: -1, Items: []int32{0}, Weights: []float32{1}})
	for _, best := range ml.Top(nil, scores, []int32{0}, 2) {
		fmt.Printf("%s %.3f\n", model.Items()[best.Item], best.Score)
	}
	// Output:
	// y 3.000
	// z 1.000
}
