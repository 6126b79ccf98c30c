package bpr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// BenchmarkVector makes the vector of a listener who has heard 20, 100 or 300 of 50,000 items, of 64 factors, with the exact solution of iALS beside it:
//
//	go test ./ml/bpr -run '^$' -bench Vector
func BenchmarkVector(b *testing.B) {
	d := mltest.Planted(3000, 50_000, 40, 1)
	for name, c := range map[string]struct {
		a ml.Algorithm
		v ml.Values
	}{"bpr": {bpr.Algorithm{}, ml.Values{"epochs": "100"}}, "reference/als": {als.Algorithm{}, ml.Values{"iterations": "1"}}} {
		m, err := c.a.Fit(b.Context(), d, c.v, ml.FitOptions{Seed: 1})
		require.NoError(b, err)
		f := m.(ml.Factored)
		_, k := f.Factors()
		v := make([]float32, k)
		for _, n := range []int{20, 100, 300} {
			h := ml.Heard{Listener: -1}
			for i := range n {
				h.Items, h.Weights = append(h.Items, int32(i*160)), append(h.Weights, 1)
			}
			b.Run(name+"/"+map[int]string{20: "20", 100: "100", 300: "300"}[n], func(b *testing.B) {
				for b.Loop() {
					f.Vector(v, h)
				}
			})
		}
	}
}

// BenchmarkFoldIn tells NDCG@10 of listeners' vectors made as they are for strangers:
//
//	RHYTHMIQ_RANKING=DIR go test ./ml/bpr -run '^$' -bench FoldIn -benchtime 1x
func BenchmarkFoldIn(b *testing.B) {
	train, valid := mltest.Ranking(b)
	m, err := bpr.Algorithm{}.Fit(b.Context(), train, nil, ml.FitOptions{Seed: 1, Threads: 1})
	require.NoError(b, err)
	var e ml.Metrics
	for b.Loop() {
		e, err = ml.Evaluate(b.Context(), m, train.Heard, valid, 1)
		require.NoError(b, err)
	}
	b.ReportMetric(e.NDCG10, "ndcg@10")
}
