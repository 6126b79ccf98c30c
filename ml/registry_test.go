package ml_test

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/store"
)

func newRegistry(t *testing.T, b *bench, kept ml.Blobs) *ml.Registry {
	t.Helper()
	r, err := ml.NewRegistry(b.store, kept, ml.OfTaste, b.clock.Now)
	require.NoError(t, err)
	return r
}

// version registers a model.
func version(t *testing.T, r *ml.Registry, kept ml.Blobs, name string) ml.Version {
	t.Helper()
	d := mltest.Planted(30, 20, 4, 1)
	m, err := popular.Algorithm{}.Fit(t.Context(), d, nil, ml.FitOptions{})
	require.NoError(t, err)
	a, err := ml.WriteArtifact(t.Context(), kept, "models/"+name, m, map[string]string{"note": name})
	require.NoError(t, err)
	v, err := r.Register(t.Context(), ml.Version{
		Algorithm: "popular", Values: ml.Values{"x": "1"}, Data: d.Fingerprint(), Until: noon, Listeners: 30, Items: 20, Cells: 400,
		Metrics: ml.Metrics{Listeners: 9, NDCG10: 0.25}, Artifact: a,
	})
	require.NoError(t, err)
	return v
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	b, kept := newBench(t, ml.Options{}), &blobs.Memory{}
	r, other := newRegistry(t, b, kept), newRegistry(t, b, kept)
	_, found, err := r.Live(t.Context())
	require.NoError(t, err)
	require.False(t, found)
	_, err = r.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	_, err = r.Version(t.Context(), uuid.New())
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.Equal(t, fault.NotFound, fault.KindOf(r.Promote(t.Context(), uuid.New(), uuid.Nil)))

	one, two, three := version(t, r, kept, "1"), version(t, r, kept, "2"), version(t, r, kept, "3")
	again, err := r.Register(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, one, again, "registered twice it is there once")
	require.NoError(t, r.Promote(t.Context(), one.ID, uuid.Nil))
	require.NoError(t, other.Promote(t.Context(), one.ID, uuid.Nil), "it is live already")
	require.Equal(t, fault.Conflict, fault.KindOf(other.Promote(t.Context(), two.ID, uuid.Nil)), "one is live by now")
	require.NoError(t, other.Promote(t.Context(), two.ID, one.ID))
	require.NoError(t, r.Promote(t.Context(), three.ID, two.ID))
	live, found, err := other.Live(t.Context())
	require.NoError(t, err)
	require.True(t, found)
	three.State = ml.Live
	require.Equal(t, three, live)

	all, err := r.Versions(t.Context())
	require.NoError(t, err)
	states := map[uuid.UUID]ml.State{}
	for _, v := range all {
		states[v.ID] = v.State
	}
	require.Equal(t, map[uuid.UUID]ml.State{one.ID: ml.Retired, two.ID: ml.Retired, three.ID: ml.Live}, states)
	require.Equal(t, three.ID, all[0].ID, "the newest first")

	for _, want := range []ml.Version{two, one} {
		got, err := other.Rollback(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.ID, got.ID)
		require.Equal(t, ml.Live, got.State)
	}
	_, err = r.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.NoError(t, r.Promote(t.Context(), three.ID, one.ID), "what was rolled back can be live again")
}

// Of many who promote at once over the same version one gets through.
func TestPromoteAtOnce(t *testing.T) {
	t.Parallel()
	b, kept := newBench(t, ml.Options{}), &blobs.Memory{}
	r := newRegistry(t, b, kept)
	first := version(t, r, kept, "first")
	require.NoError(t, r.Promote(t.Context(), first.ID, uuid.Nil))
	versions := make([]ml.Version, 6)
	for i := range versions {
		versions[i] = version(t, r, kept, string(rune('a'+i)))
	}
	errs := make([]error, len(versions))
	var wg sync.WaitGroup
	for i, v := range versions {
		wg.Go(func() { errs[i] = newRegistry(t, b, kept).Promote(t.Context(), v.ID, first.ID) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, fault.Conflict, fault.KindOf(err), "%v", err)
	}
	require.Equal(t, 1, won)
	live := 0
	all, err := r.Versions(t.Context())
	require.NoError(t, err)
	for _, v := range all {
		if v.State == ml.Live {
			live++
		}
	}
	require.Equal(t, 1, live)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b, kept := newBench(t, ml.Options{}), &blobs.Memory{}
	r := newRegistry(t, b, kept)
	old := uuid.Nil
	var versions []ml.Version
	for i := range 6 { // of which the first go out of reach
		v := version(t, r, kept, "live-"+string(rune('a'+i)))
		require.NoError(t, r.Promote(t.Context(), v.ID, old))
		old = v.ID
		versions = append(versions, v)
	}
	for i := range 5 {
		versions = append(versions, version(t, r, kept, "candidate-"+string(rune('a'+i))))
	}
	w, err := kept.Create(t.Context(), "checkpoints/forgotten")
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))

	require.NoError(t, r.Prune(t.Context()))
	all, err := r.Versions(t.Context())
	require.NoError(t, err)
	var left []uuid.UUID
	for _, v := range all {
		left = append(left, v.ID)
	}
	want := []uuid.UUID{versions[10].ID, versions[9].ID, versions[8].ID, versions[5].ID, versions[4].ID, versions[3].ID, versions[2].ID}
	require.Equal(t, want, left)
	files, err := kept.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, files, 12, "files of a day may be of a training under way")

	b.clock.add(2*24*time.Hour + time.Since(noon)) // the blobs go by the machine's clock
	require.NoError(t, r.Prune(t.Context()))
	files, err = kept.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, files, len(want))
	for _, v := range all {
		_, err := r.Open(t.Context(), v, []ml.Algorithm{popular.Algorithm{}})
		require.NoError(t, err)
	}
}

// A file that is cut off, altered, missing or another's is refused, and the error says so.
func TestOpenChecks(t *testing.T) {
	t.Parallel()
	b, kept := newBench(t, ml.Options{}), &blobs.Memory{}
	r := newRegistry(t, b, kept)
	v := version(t, r, kept, "one")
	known := []ml.Algorithm{itemknn.Algorithm{}, popular.Algorithm{}}
	m, err := r.Open(t.Context(), v, known)
	require.NoError(t, err)
	require.Len(t, m.Items(), 20)

	file, err := kept.Open(t.Context(), v.Artifact.Blob)
	require.NoError(t, err)
	whole, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
	require.NoError(t, err)
	put := func(content []byte) {
		w, err := kept.Create(t.Context(), v.Artifact.Blob)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
		require.NoError(t, w.Commit(t.Context()))
	}
	for what, damage := range map[string]func([]byte) []byte{
		"bytes, not":  func(b []byte) []byte { return b[:len(b)-1] },
		"the SHA-256": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	} {
		put(damage(append([]byte{}, whole...)))
		_, err := r.Open(t.Context(), v, known)
		require.ErrorIs(t, err, ml.ErrArtifact)
		require.ErrorContains(t, err, what)
		require.ErrorContains(t, err, v.ID.String())
	}
	for at := range whole { // whichever byte it is
		altered := append([]byte{}, whole...)
		altered[at] ^= 1 << (at % 8)
		put(altered)
		_, err := r.Open(t.Context(), v, known)
		require.ErrorIs(t, err, ml.ErrArtifact, "byte %d", at)
		put(whole[:at])
		_, err = r.Open(t.Context(), v, known)
		require.ErrorIs(t, err, ml.ErrArtifact, "%d bytes", at)
	}
	put(whole)
	_, err = r.Open(t.Context(), v, []ml.Algorithm{als.Algorithm{}})
	require.ErrorIs(t, err, ml.ErrArtifact)
	require.ErrorContains(t, err, `"popular"`)
	require.NoError(t, kept.Remove(t.Context(), v.Artifact.Blob))
	_, err = r.Open(t.Context(), v, known)
	require.ErrorIs(t, err, ml.ErrArtifact)
	require.ErrorIs(t, err, ml.ErrNoBlob)

	// A file that is what was registered, and no model.
	w, err := kept.Create(t.Context(), "models/none")
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
	none := v
	none.Artifact = ml.Artifact{Blob: "models/none", SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
	_, err = r.Open(t.Context(), none, known)
	require.ErrorIs(t, err, ml.ErrArtifact)

	_, err = ml.WriteArtifact(t.Context(), kept, "models/x", m, map[string]string{"algorithm": "mine"})
	require.ErrorContains(t, err, `"algorithm"`)
	_, err = ml.WriteArtifact(t.Context(), kept, "No Name", m, nil)
	require.Error(t, err)
}

func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	_, err := ml.NewRegistry(nil, nil, "else", nil)
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 3)
}

// Whatever fails is told, and nothing is half done.
func TestRegistryFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	b, kept := newBench(t, ml.Options{}), &blobs.Memory{}
	r := newRegistry(t, b, kept)
	one, two := version(t, r, kept, "1"), version(t, r, kept, "2")
	require.NoError(t, r.Promote(t.Context(), one.ID, uuid.Nil))
	calls := map[string]func() error{
		"live":     func() error { _, _, err := r.Live(t.Context()); return err },
		"version":  func() error { _, err := r.Version(t.Context(), one.ID); return err },
		"promote":  func() error { return r.Promote(t.Context(), two.ID, one.ID) },
		"versions": func() error { _, err := r.Versions(t.Context()); return err },
		"prune":    func() error { return r.Prune(t.Context()) },
		"register": func() error { _, err := r.Register(t.Context(), ml.Version{}); return err },
	}
	b.store.on(func(store.Key) error { return broken }, func(store.Query) error { return broken }, func([]store.Write) error { return broken })
	for name, call := range calls {
		require.ErrorIs(t, call(), broken, name)
	}
	b.store.on(nil, nil, nil)
	live, _, err := r.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, one.ID, live.ID)
}
