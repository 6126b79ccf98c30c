package report_test

import (
	"fmt"
	"strings"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/report"
)

func Example() {
	found := &ml.Selection{ // from ml.Select
		Trials: []ml.Trial{
			{Number: 1, Algorithm: "popular", Metrics: ml.Metrics{Listeners: 900, NDCG10: 0.07}, FitSeconds: 0.01, Bytes: 2e5},
			{Number: 2, Algorithm: "als", Metrics: ml.Metrics{Listeners: 900, NDCG10: 0.18}, FitSeconds: 2, Bytes: 4e6},
		},
		Best: 1, Reason: "als finds most.",
	}
	var page strings.Builder
	err := report.Write(&page, found, report.Options{Title: "Monday's models"})
	fmt.Println(err, strings.Count(page.String(), "<svg"), "plots")
	// Output: <nil> 3 plots
}
