package distill_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// BenchmarkStudent makes students of iALS of 256 factors and tells their NDCG@10 beside the teacher's, and beside iALS of as many factors:
//
//	RHYTHMIQ_RANKING=DIR go test ./ml/distill -run '^$' -bench Student -benchtime 1x
func BenchmarkStudent(b *testing.B) {
	train, valid := mltest.Ranking(b)
	values := ml.Values{"factors": "256", "weight": "binary", "alpha": "5", "regularization": "30"}
	fit := func(b *testing.B) ml.Model {
		m, err := als.Algorithm{}.Fit(b.Context(), train, values, ml.FitOptions{Seed: 1})
		require.NoError(b, err)
		return m
	}
	report := func(b *testing.B, m ml.Model) {
		b.StopTimer()
		e, err := ml.Evaluate(b.Context(), m, train.Heard, valid, 0)
		require.NoError(b, err)
		b.ReportMetric(e.NDCG10, "ndcg@10")
		b.ReportMetric(e.Recall20, "recall@20")
	}
	var teacher ml.Model
	b.Run("teacher", func(b *testing.B) {
		for b.Loop() {
			teacher = fit(b)
		}
		report(b, teacher)
	})
	if teacher == nil {
		teacher = fit(b)
	}
	for _, k := range []int{64, 32, 16} {
		b.Run(fmt.Sprint("student-", k), func(b *testing.B) {
			var s *distill.Model
			for b.Loop() {
				var err error
				s, err = distill.Student(b.Context(), teacher.(ml.Factored), train, k, ml.FitOptions{Seed: 1})
				require.NoError(b, err)
			}
			report(b, s)
		})
		b.Run(fmt.Sprint("fitted-", k), func(b *testing.B) {
			values["factors"] = strconv.Itoa(k)
			var m ml.Model
			for b.Loop() {
				m = fit(b)
			}
			report(b, m)
		})
	}
}
