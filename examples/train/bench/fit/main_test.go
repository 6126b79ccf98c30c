package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first draws, and sums over 20,000 of them, as an independent generator in Python gives them.
func TestTheSetIsThatOfOthers(t *testing.T) {
	for i, want := range [][2]int32{{24339, 40589}, {44506, 3106}, {32011, 911}, {26555, 46055}, {87958, 37325}} {
		listener, item := draw(uint64(i))
		require.Equal(t, want, [2]int32{listener, item})
	}
	var sum uint64
	for n := range uint64(20_000) {
		listener, item := draw(n)
		sum += uint64(listener)*setItems + uint64(item)
	}
	require.Equal(t, uint64(39_924_405_603_509), sum)
	train, test := synthetic(20_000)
	require.Equal(t, 18_996, train.Cells())
	require.Equal(t, 998, test.Cells())
	var weight float32
	for _, w := range train.Weights {
		weight += w
	}
	require.Equal(t, float32(19_000), weight)
}

func TestRun(t *testing.T) {
	for _, name := range []string{"als", "bpr"} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-algorithm", name, "-draws", "3000", "-steps", "2", "-threads", "2", "-evaluate", "-recommend", "factors=4"}, &out))
		var a answer
		require.NoError(t, json.Unmarshal(out.Bytes(), &a))
		require.Len(t, a.Steps, 2)
		require.Positive(t, a.Fit)
		require.Positive(t, a.Recommended)
		require.Greater(t, a.Recommended, a.Folded)
	}
	for want, args := range map[string][]string{
		`no algorithm "x"`:        {"-algorithm", "x"},
		`"y" is not name=value`:   {"y"},
		"z: is no parameter":      {"-draws", "100", "z=1"},
		"flag provided but not d": {"-nothing"},
	} {
		require.ErrorContains(t, run(t.Context(), args, &bytes.Buffer{}), want)
	}
}
