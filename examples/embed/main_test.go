package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	table, summary, found := strings.Cut(out.String(), "\n\n")
	require.True(t, found)
	rows := strings.Split(table, "\n")
	require.Greater(t, len(rows), 10)
	require.Contains(t, rows[0], "why")
	for _, row := range rows[1 : len(rows)-1] {
		require.Contains(t, row, "┃", "the curve")
		require.LessOrEqual(t, utf8.RuneCountInString(row), 140, "it fits a terminal")
	}
	require.Greater(t, strings.Count(rows[1], "█"), strings.Count(rows[len(rows)-2], "█"), "it goes down")
	require.Contains(t, out.String(), "you like jazz")
	require.Contains(t, out.String(), "quiet around you")
	require.Regexp(t, `Winding down: cost \d+\.\d+; no plan can cost less than .*greedy`, summary)

	var again bytes.Buffer
	require.NoError(t, run(t.Context(), &again))
	require.Equal(t, out.String(), again.String(), "the same seed, the same hour")
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		got, want float64
		bar       string
	}{
		{0, 0, "┃·····························"},
		{0.5, 0.8, "███████████████·········┃·····"},
		{1, 0.5, "███████████████┃██████████████"},
		{1, 1, "█████████████████████████████┃"},
		{7, -1, "┃█████████████████████████████"},
	} {
		require.Equal(t, c.bar, bar(c.got, c.want))
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestRunTellsThatItCannotPrint(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), closed{}), "closed")
}
