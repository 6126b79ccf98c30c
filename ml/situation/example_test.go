package situation_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

func Example() {
	data := mltest.PlantedAnswers(18, 24, 900, 3, 4) // calm music is liked where it is quiet
	selection, err := ml.Select(context.Background(), data, ml.SelectOptions{Algorithms: situation.Algorithms(), Trials: 2, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	calm := int32(0)
	for i, about := range data.About {
		if about.Features["energy"] < data.About[calm].Features["energy"] {
			calm = int32(i)
		}
	}
	model, _ := selection.Model().(ml.Situated)
	somebody := model.Person(data.Answers[:10])
	quiet := somebody.At(ml.Moment{Numbers: map[string]float64{"noise": 32, "hour": 20}})
	fmt.Println(quiet.Of(calm).Probability > quiet.Of(calm).Without)
	fmt.Println(quiet.Reasons(calm, 1))
	// Output:
	// true
	// [calmer than your usual at this hour: it is quiet]
}
