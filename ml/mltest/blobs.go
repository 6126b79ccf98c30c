package mltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// RunBlobs proves that what open returns, empty each time, keeps the contract of [ml.Blobs].
func RunBlobs(t *testing.T, open func(t *testing.T) ml.Blobs) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, ml.Blobs){
		"Keeps":       keepsBlobs,
		"Whole":       wholeBlobs,
		"Names":       blobNames,
		"Contexts":    blobContexts,
		"Concurrency": blobConcurrency,
		"Checkpoints": blobCheckpoints,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

func put(t *testing.T, b ml.Blobs, name, content string) {
	t.Helper()
	w, err := b.Create(t.Context(), name)
	require.NoError(t, err)
	_, err = io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
	w.Discard()
}

func content(ctx context.Context, b ml.Blobs, name string) (string, error) {
	r, err := b.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return text(r)
}

func text(r ml.Blob) (string, error) {
	all, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	return string(all), err
}

func listed(t *testing.T, b ml.Blobs, prefix string) []string {
	t.Helper()
	all, err := b.List(t.Context(), prefix)
	require.NoError(t, err)
	names := []string{}
	for _, i := range all {
		require.False(t, i.At.IsZero())
		names = append(names, fmt.Sprintf("%s:%d", i.Name, i.Size))
	}
	return names
}

func keepsBlobs(t *testing.T, b ml.Blobs) {
	require.Empty(t, listed(t, b, ""))
	_, err := b.Open(t.Context(), "models/one")
	require.ErrorIs(t, err, ml.ErrNoBlob)
	require.NoError(t, b.Remove(t.Context(), "models/one"), "what is not there can be removed")
	put(t, b, "models/two", "2")
	put(t, b, "models/one", "first")
	put(t, b, "modelsmore", "")
	require.Equal(t, []string{"models/one:5", "models/two:1", "modelsmore:0"}, listed(t, b, ""))
	require.Equal(t, []string{"models/one:5", "models/two:1"}, listed(t, b, "models/"))
	require.Equal(t, []string{"models/two:1"}, listed(t, b, "models/t"))
	open, err := b.Open(t.Context(), "models/one")
	require.NoError(t, err)
	put(t, b, "models/one", "the second")
	got, err := text(open)
	require.NoError(t, err)
	require.Equal(t, "first", got, "who reads goes on reading what was there")
	require.NoError(t, open.Close())
	got, err = content(t.Context(), b, "models/one")
	require.NoError(t, err)
	require.Equal(t, "the second", got)
	require.NoError(t, b.Remove(t.Context(), "models/one"))
	_, err = b.Open(t.Context(), "models/one")
	require.ErrorIs(t, err, ml.ErrNoBlob)
	require.Equal(t, []string{"models/two:1", "modelsmore:0"}, listed(t, b, ""))
}

func wholeBlobs(t *testing.T, b ml.Blobs) {
	put(t, b, "a", "old")
	w, err := b.Create(t.Context(), "a")
	require.NoError(t, err)
	_, err = io.WriteString(w, strings.Repeat("new", 1<<18))
	require.NoError(t, err)
	require.Equal(t, []string{"a:3"}, listed(t, b, ""), "what is not committed is not there")
	w.Discard()
	w.Discard()
	_, err = io.WriteString(w, "more")
	require.Error(t, err)
	require.Error(t, w.Commit(t.Context()))
	got, err := content(t.Context(), b, "a")
	require.NoError(t, err)
	require.Equal(t, "old", got)
	ctx, cancel := context.WithCancel(t.Context())
	w, err = b.Create(ctx, "b")
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, w.Commit(ctx), context.Canceled)
	w.Discard()
	require.Equal(t, []string{"a:3"}, listed(t, b, ""))
}

func blobNames(t *testing.T, b ml.Blobs) {
	for _, name := range []string{"", ".", "..", "../a", "a/../b", "/a", "a/", "a//b", "A", "a b", "ü", ".hidden", "a/.hidden", `a\b`, strings.Repeat("a", 201), "1/2/3/4/5/6/7/8/9"} {
		_, err := b.Create(t.Context(), name)
		require.Error(t, err, "%q", name)
		_, err = b.Open(t.Context(), name)
		require.Error(t, err, "%q", name)
		require.NotErrorIs(t, err, ml.ErrNoBlob, "%q", name)
		require.Error(t, b.Remove(t.Context(), name), "%q", name)
	}
	for _, name := range []string{"a", "1/2/3/4/5/6/7/8", "a.b-c_d", "-", strings.Repeat("a", 200)} {
		put(t, b, name, "x")
		_, err := content(t.Context(), b, name)
		require.NoError(t, err)
	}
}

func blobContexts(t *testing.T, b ml.Blobs) {
	put(t, b, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Create(ctx, "b")
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.Open(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.List(ctx, "")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, b.Remove(ctx, "a"), context.Canceled)
	require.Equal(t, []string{"a:1"}, listed(t, b, ""))
}

// Writers of one name do not mix, and readers see one or another.
func blobConcurrency(t *testing.T, b ml.Blobs) {
	const each = 20
	var wg sync.WaitGroup
	errs := make(chan error, 8*each)
	for g := range 4 {
		wg.Go(func() {
			for range each {
				w, err := b.Create(t.Context(), "shared/a")
				for range 50 {
					if err == nil {
						_, err = w.Write([]byte(strings.Repeat(string(rune('a'+g)), 100)))
					}
				}
				if err == nil {
					err = w.Commit(t.Context())
				}
				errs <- err
			}
		})
		wg.Go(func() {
			for range each {
				got, err := content(t.Context(), b, "shared/a")
				if err == nil && (len(got) != 5000 || strings.Count(got, got[:1]) != 5000) {
					err = errors.New("a blob of two writers")
				}
				if errors.Is(err, ml.ErrNoBlob) {
					err = nil
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, []string{"shared/a:5000"}, listed(t, b, ""))
}

func blobCheckpoints(t *testing.T, b ml.Blobs) {
	c := ml.NewCheckpoints(b, "checkpoints/one")
	last, err := c.Last(t.Context())
	require.NoError(t, err)
	require.Nil(t, last)
	for _, n := range []string{"1", "2"} {
		require.NoError(t, c.Save(t.Context(), &safetensors.File{Meta: map[string]string{"n": n}}))
		last, err = c.Last(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, last.Meta["n"])
	}
	require.Len(t, listed(t, b, ""), 1, "one is kept")
	put(t, b, "checkpoints/one", "no such file")
	last, err = c.Last(t.Context())
	require.NoError(t, err)
	require.Nil(t, last, "a damaged one is none")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Save(ctx, &safetensors.File{}), context.Canceled)
	_, err = c.Last(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
