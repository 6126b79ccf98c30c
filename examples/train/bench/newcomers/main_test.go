package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Listeners of two groups hear what has the tag of their group; each went on to hear a new item of it.
func TestRun(t *testing.T) {
	t.Parallel()
	var train, valid, tags strings.Builder
	for u := range 40 {
		for i := range 6 {
			fmt.Fprintf(&train, "u%d\ti%d\t1\n", u, u%2+2*((u+i)%10))
		}
		fmt.Fprintf(&valid, "u%d\tnew%d\t1\n", u, u%2)
	}
	fmt.Fprint(&valid, "stranger\ti1\t1\n")
	for i := range 20 {
		fmt.Fprintf(&tags, "i%d\tgroup %d\t3\n", i, i%2)
	}
	fmt.Fprint(&tags, "new0\tgroup 0\nnew1\tgroup 1\n")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	files := []string{file("train", train.String()), file("valid", valid.String()), file("tags", tags.String())}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, files[0], files[1], files[2]))
	require.Contains(t, out.String(), "20 items, and 2 new ones with tags")
	_, neighbors, _ := strings.Cut(out.String(), "itemknn")
	require.Contains(t, neighbors, "all, new ones left out   NDCG@10 0.0000 Recall@20 0.0000 (40 listeners)")
	require.Contains(t, neighbors, "new ones by themselves   NDCG@10 1.0000 Recall@20 1.0000 (40 listeners)")
	for i := range files {
		missing := append([]string{}, files...)
		missing[i] = filepath.Join(dir, "none")
		require.ErrorIs(t, run(t.Context(), &out, missing[0], missing[1], missing[2]), os.ErrNotExist)
	}
	require.ErrorContains(t, run(t.Context(), &out, files[2], files[1], files[2]), "line 21")
}
