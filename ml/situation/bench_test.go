package situation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/situation"
)

// How long one judgment takes, of an item in a moment, and how long a listener's own model.
func BenchmarkJudge(b *testing.B) {
	d := mltest.PlantedAnswers(50, 200, 2000, 2, 1)
	for _, a := range situation.Algorithms() {
		fitted, err := a.Fit(b.Context(), d, ml.Values{"folds": "2"}, ml.FitOptions{Seed: 1})
		require.NoError(b, err)
		m, _ := fitted.(ml.Situated)
		b.Run(a.Name(), func(b *testing.B) {
			judge := m.Person(d.Answers[:100]).At(d.Answers[0].Moment)
			b.ReportAllocs()
			i := int32(0)
			for b.Loop() {
				judge.Of(i % 200)
				i++
			}
		})
		b.Run(a.Name()+"/person of 300 answers", func(b *testing.B) {
			for b.Loop() {
				m.Person(d.Answers[:300])
			}
		})
	}
}

// How long each algorithm takes for 10,000 answers, with two folds for the calibration: six predictors.
func BenchmarkFit(b *testing.B) {
	d := mltest.PlantedAnswers(500, 1000, 10000, 1, 1)
	for _, a := range situation.Algorithms() {
		b.Run(a.Name(), func(b *testing.B) {
			for b.Loop() {
				_, err := a.Fit(b.Context(), d, ml.Values{"folds": "2"}, ml.FitOptions{Seed: 1})
				require.NoError(b, err)
			}
		})
	}
}
