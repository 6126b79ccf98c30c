package distill_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func Example() {
	ctx := context.Background()
	data := mltest.Planted(160, 96, 4, 1)
	teacher, err := als.Algorithm{}.Fit(ctx, data, ml.Values{"factors": "32"}, ml.FitOptions{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	student, err := distill.Student(ctx, teacher.(ml.Factored), data, 4, ml.FitOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, k := student.Factors()
	fmt.Println(len(student.Items()), "items with", k, "factors")
	// Output: 96 items with 4 factors
}
