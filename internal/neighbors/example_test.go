package neighbors_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
)

func Example() {
	items := []string{"x", "y", "z"}
	// What is near to x and to y; of each the nearest one is kept.
	near, err := neighbors.Nearest(context.Background(), len(items), 1, ml.FitOptions{}, func(i int, sum []float64, touched []int32) []int32 {
		if i < 2 {
			sum[1-i], sum[2] = 0.3, 0.1+float64(i)
			touched = append(touched, int32(1-i), 2)
		}
		return touched
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, len(items))
	neighbors.New("mine", items, near, neighbors.Raw).Scores(scores, ml.Heard{Items: []int32{0, 1}, Weights: []float32{1, 2}})
	fmt.Println(scores)
	// Output: [0 0.3 2.2]
}
