package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "skips.png")
	var told strings.Builder
	require.NoError(t, run(t.Context(), &told, []string{"-seeds", "2", "-days", "7", "-listeners", "1", "-arms", "popularity,random", "-worlds", "yes", "-plot", picture}))
	require.Contains(t, told.String(), "situations matter: 2 seeds, 7 days")
	require.Contains(t, told.String(), "random ")
	require.Contains(t, told.String(), "±")
	kept, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(kept), "\x89PNG"))

	told.Reset()
	require.NoError(t, run(t.Context(), &told, []string{"-seeds", "1", "-days", "2", "-listeners", "1", "-arms", "random", "-worlds", "no"}))
	require.Contains(t, told.String(), "situations do not matter: 1 seeds, 2 days")

	require.Error(t, run(t.Context(), &told, []string{"-no-such-flag"}))
	require.Error(t, run(t.Context(), &told, []string{"-seeds", "1", "-days", "7", "-arms", "random", "-worlds", "yes", "-plot", t.TempDir()}))
}
