package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// data writes a folder as retrieval.py does: row i of each file has a 1 at factor i%64, and is i+1 times as large.
func data(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, values any) {
		b, err := binary.Append(nil, binary.NativeEndian, values)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	for name, rows := range map[string]int{"items": 128, "queries": 2, "listeners": 3, "tracks": 128} {
		x := make([]float32, rows*factors)
		for i := range rows {
			x[i*factors+i%factors] = float32(i + 1)
		}
		write(name+".f32", x)
	}
	write("heard.i64", []int64{0, 1, 1, 2})
	write("heard.i32", []int32{64, 66})
	return dir
}

func TestCommands(t *testing.T) {
	dir := data(t)
	commands := []string{
		"read 2", "single fp32 1", "single fp16 2", "single int8 1", "single int8+fp16 1", "all fp32 2 3", "all int8 1 99", "recall int8+fp32", "recall fp32",
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), dir, strings.NewReader(strings.Join(commands, "\n")), &out))
	answers := make([]answer, len(commands))
	decode := json.NewDecoder(&out)
	for i := range answers {
		require.NoError(t, decode.Decode(&answers[i]))
		require.Positive(t, answers[i].Seconds)
		require.Equal(t, vector.Level(), answers[i].Level)
	}
	require.Equal(t, int64(128*64*4), answers[0].Bytes)
	for i, first := range []int32{64, 65, 64, 65} { // queries in turn: the first finds the larger of the rows that share its factor
		require.Equal(t, first, answers[1+i].Items[0])
		require.Len(t, answers[1+i].Items, top)
		require.Len(t, answers[1+i].Scores, top)
	}
	for _, a := range answers[5:7] {
		require.Equal(t, int32(0), a.Items[0], "64 has been heard")
	}
	require.InDelta(t, 1, answers[7].Recall, 1e-9)
	require.InDelta(t, 1, answers[8].Recall, 1e-9)
}

func TestWhatIsNotACommand(t *testing.T) {
	dir := data(t)
	for _, line := range []string{"", "read", "single fp32", "all fp32 1", "recall", "nothing at all"} {
		require.ErrorIs(t, run(t.Context(), dir, strings.NewReader(line+"\n"), &bytes.Buffer{}), errCommand, line)
	}
	for _, name := range []string{"heard.i64", "listeners.f32", "tracks.f32", "queries.f32", "items.f32"} {
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		line := map[string]string{"queries.f32": "single fp32 1", "items.f32": "read 1"}[name]
		if line == "" {
			line = "all fp32 1 1"
		}
		require.ErrorIs(t, run(t.Context(), dir, strings.NewReader(line), &bytes.Buffer{}), os.ErrNotExist, name)
	}
	for _, line := range []string{"single fp32 1", "recall fp32"} {
		require.ErrorIs(t, run(t.Context(), dir, strings.NewReader(line), &bytes.Buffer{}), os.ErrNotExist)
	}
}
