package mltest_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
)

// An algorithm of one's own is held to the contract by mltest.Run in a test. On the same data one can see how much it finds.
func Example() {
	ctx := context.Background()
	known, held := mltest.Split(mltest.Planted(160, 96, 4, 1), 1)
	found := func(a ml.Algorithm) float64 {
		m, err := a.Fit(ctx, known, nil, ml.FitOptions{Seed: 1})
		if err != nil {
			return 0
		}
		metrics, _ := ml.Evaluate(ctx, m, known.Heard, held, 0)
		return metrics.NDCG10
	}
	fmt.Println("better than popularity:", found(rp3beta.Algorithm{}) > 1.2*found(popular.Algorithm{}))
	// Output: better than popularity: true
}
