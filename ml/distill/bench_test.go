package distill_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// rankingEnv names a folder with a train.tsv and a valid.tsv, as ml.Builder reads them. Without it, data are planted.
const rankingEnv = "RHYTHMIQ_RANKING"

// BenchmarkStudent makes students of iALS of 256 factors and tells their NDCG@10 beside the teacher's, and beside iALS of as many factors:
//
//	RHYTHMIQ_RANKING=DIR go test ./ml/distill -run '^$' -bench Student -benchtime 1x
func BenchmarkStudent(b *testing.B) {
	train, valid := ranking(b)
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
			values["factors"] = fmt.Sprint(k)
			var m ml.Model
			for b.Loop() {
				m = fit(b)
			}
			report(b, m)
		})
	}
}

func ranking(b *testing.B) (*ml.Data, *ml.Matrix) {
	b.Helper()
	dir := os.Getenv(rankingEnv)
	if dir == "" {
		return mltest.Split(mltest.Planted(2000, 1000, 8, 1), 1)
	}
	read := func(name string) *ml.Data {
		f, err := os.Open(filepath.Join(dir, name))
		require.NoError(b, err)
		defer f.Close()
		var builder ml.Builder
		require.NoError(b, builder.ReadTSV(b.Context(), f))
		d, err := builder.Data()
		require.NoError(b, err)
		return d
	}
	train, valid := read("train.tsv"), read("valid.tsv")
	rows, columns := numbers(train.Listeners), numbers(train.Items)
	for _, item := range valid.Items { // those that training does not know follow
		if _, ok := columns[item]; !ok {
			columns[item] = int32(len(columns))
		}
	}
	var cells []ml.Cell
	for u, listener := range valid.Listeners {
		row, ok := rows[listener]
		require.True(b, ok)
		cols, weights := valid.Heard.Row(u)
		for i, c := range cols {
			cells = append(cells, ml.Cell{Row: row, Col: columns[valid.Items[c]], Weight: weights[i]})
		}
	}
	m, err := ml.NewMatrix(len(rows), len(columns), cells)
	require.NoError(b, err)
	return train, m
}

func numbers(names []string) map[string]int32 {
	at := make(map[string]int32, len(names))
	for i, name := range names {
		at[name] = int32(i)
	}
	return at
}
