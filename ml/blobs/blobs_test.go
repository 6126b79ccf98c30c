package blobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	mltest.RunBlobs(t, func(*testing.T) ml.Blobs { return &blobs.Memory{} })
}

func folder(t *testing.T, dir string) *blobs.Dir {
	t.Helper()
	d, err := blobs.Folder(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestFolder(t *testing.T) {
	t.Parallel()
	mltest.RunBlobs(t, func(t *testing.T) ml.Blobs { return folder(t, t.TempDir()) })
}

func write(b ml.Blobs, name string) error {
	w, err := b.Create(context.Background(), name)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := io.WriteString(w, "x"); err != nil {
		return err
	}
	return w.Commit(context.Background())
}

// What a kill has left is not listed, and is cleared away when it is a day old.
func TestFolderClearsRemains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := folder(t, dir)
	require.NoError(t, write(d, "models/a"))
	old, young := filepath.Join(dir, "models", ".unfinished-old"), filepath.Join(dir, "models", ".unfinished-young")
	for _, f := range []string{old, young} {
		require.NoError(t, os.WriteFile(f, []byte("half"), 0o600))
	}
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour)))
	require.NoError(t, write(d, "models/b"))
	require.NoFileExists(t, old)
	require.FileExists(t, young, "it may be another's that is writing")
	all, err := d.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 2)
}

// A folder is what it was when it is opened again, and faults of the disk are told.
func TestFolderOfAnother(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	require.NoError(t, write(folder(t, dir), "models/a"))
	d := folder(t, dir)
	b, err := d.Open(t.Context(), "models/a")
	require.NoError(t, err)
	require.Equal(t, int64(1), b.Size())
	require.NoError(t, b.Close())

	_, err = d.Open(t.Context(), "models")
	require.ErrorIs(t, err, ml.ErrNoBlob, "a folder is no blob")
	require.Error(t, write(d, "models"), "nor becomes one")
	require.Error(t, write(d, "models/a/b"))
	_, err = d.Open(t.Context(), "models/a/b")
	require.Error(t, err)
	require.Error(t, d.Remove(t.Context(), "models"), "it is not empty")
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "out")))
	_, err = d.Open(t.Context(), "out/hostname")
	require.Error(t, err, "it leads outside")
	all, err := d.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 1)

	_, err = blobs.Folder(filepath.Join(dir, "models", "a"))
	require.Error(t, err, "a file is no folder")
	w, err := d.Create(t.Context(), "models/gone")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "models")))
	require.Error(t, w.Commit(t.Context()), "its place is gone")
	w.Discard()
}

func Example() {
	ctx := context.Background()
	kept := &blobs.Memory{}
	w, err := kept.Create(ctx, "models/first")
	if err != nil {
		panic(err)
	}
	defer w.Discard()
	fmt.Fprint(w, "a model")
	_, err = kept.Open(ctx, "models/first")
	fmt.Println("before:", errors.Is(err, ml.ErrNoBlob))
	if err := w.Commit(ctx); err != nil {
		panic(err)
	}
	all, err := kept.List(ctx, "models/")
	fmt.Println("after:", all[0].Name, all[0].Size, err)
	// Output:
	// before: true
	// after: models/first 7 <nil>
}
