package neumf_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/neumf"
)

// BenchmarkFit fits a model and tells its metrics. NEUMF_VALUES has values other than the defaults, such as "epochs=10 rate=0.001":
//
//	RHYTHMIQ_RANKING=DIR go test ./ml/neumf -run '^$' -bench Fit -benchtime 1x -v
func BenchmarkFit(b *testing.B) {
	train, valid := mltest.Ranking(b)
	values := ml.Values{}
	for _, pair := range strings.Fields(os.Getenv("NEUMF_VALUES")) {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	var m ml.Model
	for b.Loop() {
		var err error
		m, err = neumf.Algorithm{}.Fit(b.Context(), train, values, ml.FitOptions{Seed: 1, Watch: func(step, _ int, m ml.Model) bool {
			b.StopTimer()
			defer b.StartTimer()
			e, err := ml.Evaluate(b.Context(), m, train.Heard, valid, 0)
			require.NoError(b, err)
			b.Logf("after %d epochs: %v", step, e)
			return true
		}})
		require.NoError(b, err)
	}
	b.StopTimer()
	e, err := ml.Evaluate(b.Context(), m, train.Heard, valid, 0)
	require.NoError(b, err)
	b.ReportMetric(e.NDCG10, "ndcg@10")
	b.ReportMetric(e.Recall20, "recall@20")
}

// BenchmarkScores scores all items for one listener.
func BenchmarkScores(b *testing.B) {
	d := mltest.Planted(200, 16_384, 8, 1)
	m, err := neumf.Algorithm{}.Fit(b.Context(), d, ml.Values{"epochs": "1"}, ml.FitOptions{Seed: 1})
	require.NoError(b, err)
	cols, weights := d.Heard.Row(0)
	dst := make([]float32, len(d.Items))
	for b.Loop() {
		m.Scores(dst, ml.Heard{Items: cols, Weights: weights})
	}
}
