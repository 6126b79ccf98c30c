package mltest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

// RankingEnv is the environment variable that names a folder for [Ranking].
const RankingEnv = "RHYTHMIQ_RANKING"

// Ranking returns data to measure algorithms on: train.tsv, as ml.Builder reads it, of the folder that [RankingEnv] names, and what its valid.tsv has beyond
// it, whose items come last where training does not know them. Without a folder the data are planted.
func Ranking(b testing.TB) (train *ml.Data, valid *ml.Matrix) {
	b.Helper()
	dir := os.Getenv(RankingEnv)
	if dir == "" {
		return Split(Planted(2000, 1000, 8, 1), 1) //nolint:mnd // enough to tell models apart
	}
	train, more := readTSV(b, filepath.Join(dir, "train.tsv")), readTSV(b, filepath.Join(dir, "valid.tsv"))
	rows, columns := numbers(train.Listeners), numbers(train.Items)
	for _, item := range more.Items {
		if _, ok := columns[item]; !ok {
			columns[item] = int32(len(columns))
		}
	}
	var cells []ml.Cell
	for u, listener := range more.Listeners {
		row, ok := rows[listener]
		require.True(b, ok, "a listener of valid.tsv is not in train.tsv")
		cols, weights := more.Heard.Row(u)
		for i, c := range cols {
			cells = append(cells, ml.Cell{Row: row, Col: columns[more.Items[c]], Weight: weights[i]})
		}
	}
	valid, err := ml.NewMatrix(len(rows), len(columns), cells)
	require.NoError(b, err)
	return train, valid
}

func readTSV(b testing.TB, path string) *ml.Data {
	b.Helper()
	f, err := os.Open(path) //nolint:gosec // whoever measures names it
	require.NoError(b, err)
	defer func() { require.NoError(b, f.Close()) }()
	var builder ml.Builder
	require.NoError(b, builder.ReadTSV(b.Context(), f))
	d, err := builder.Data()
	require.NoError(b, err)
	return d
}

func numbers(names []string) map[string]int32 {
	at := make(map[string]int32, len(names))
	for i, name := range names {
		at[name] = int32(i)
	}
	return at
}
