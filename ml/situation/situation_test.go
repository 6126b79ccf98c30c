package situation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for _, a := range situation.Algorithms() {
		t.Run(a.Name(), func(t *testing.T) {
			t.Parallel()
			v := map[string]ml.Values{"machine": {"folds": "3", "epochs": "30"}, "trees": {"folds": "3", "trees": "100", "rate": "0.15"}, "logistic": {"folds": "3"}, "gp": {"folds": "3", "landmarks": "24"}}[a.Name()]
			mltest.RunSituated(t, a, v)
		})
	}
}

// Answers of the same listener to the same item are in one fold where they are kept apart, so nothing is remembered of them.
func TestApart(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(6, 40, 120, 0, 1)
	for i := range d.Answers { // each pair has an answer of its own, given twice
		d.Answers[i].Liking = float64((int(d.Answers[i].Listener)*7 + int(d.Answers[i].Item)*13) % 2)
	}
	d.Answers = append(d.Answers, d.Answers...)
	auc := func(apart string) float64 {
		m, err := situation.Logistic{}.Fit(t.Context(), d, ml.Values{"apart": apart, "cross": "10"}, ml.FitOptions{Seed: 1})
		require.NoError(t, err)
		var likings []float64
		for _, a := range d.Answers {
			likings = append(likings, a.Liking)
		}
		held, err := ml.MeasureAnswers(likings, m.(ml.Foreteller).Held())
		require.NoError(t, err)
		return held.AUC
	}
	require.Greater(t, auc("row"), 0.9, "the other one is remembered")
	require.Less(t, auc("pair"), 0.8, "nothing is")
}
