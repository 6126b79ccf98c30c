package preference_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// failing is a store whose calls fail as they are told to.
type failing struct {
	store.Store
	err error
}

func (f *failing) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if f.err != nil {
		return store.Item{}, f.err
	}
	if r == store.Eventual {
		return store.Item{}, store.ErrNotFound // as stale as can be
	}
	return f.Store.Get(ctx, key, r)
}

func (f *failing) Apply(ctx context.Context, w ...store.Write) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Apply(ctx, w...)
}

func TestStoreFails(t *testing.T) {
	st := &failing{Store: newHome(t, preference.Options{}).store}
	h := newHomeOn(t, st, preference.Options{})
	p := h.add(t, preference.Genre, "a", 1)
	st.err = fmt.Errorf("%w: down", store.ErrUnavailable)
	for name, call := range map[string]func() error{
		"create": func() error {
			_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "b"})
			return err
		},
		"version": func() error { _, err := h.Version(t.Context(), h.profile); return err },
		"get":     func() error { _, _, err := h.Get(t.Context(), h.profile, p.ID); return err },
		"update": func() error {
			_, _, err := h.Update(t.Context(), h.profile, p.ID, preference.Changes{Weight: ptr(0.1)}, store.Version{})
			return err
		},
		"delete":     func() error { return h.Delete(t.Context(), h.profile, p.ID, store.Version{}) },
		"list":       func() error { _, _, _, err := h.List(t.Context(), h.profile, 1, ""); return err },
		"learn":      func() error { return h.Learn(t.Context(), h.profile, []preference.Signal{like("a")}) },
		"learned":    func() error { _, err := h.Learned(t.Context(), h.profile, nil); return err },
		"forget":     func() error { return h.Forget(t.Context(), h.profile, uuid.New()) },
		"taste":      func() error { _, err := h.Taste(t.Context(), h.profile, nil); return err },
		"any":        func() error { _, err := h.Any(t.Context(), h.profile); return err },
		"delete all": func() error { return h.DeleteAll(t.Context(), h.profile) },
	} {
		require.ErrorIs(t, call(), fault.ErrUnavailable, name)
	}
	st.err = nil
	require.Equal(t, []string{"a"}, h.values(t))
}

// behind is a store whose eventual reads show what was there at some time.
type behind struct {
	store.Store
	then *store.Item // nil: what is there
}

func (b *behind) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if r == store.Eventual && b.then != nil {
		return b.then.Clone(), nil
	}
	return b.Store.Get(ctx, key, r)
}

// What is asked for reads cheaply, but what was made a moment ago is found, and what decides is read as it stands.
func TestReadsThatAreBehind(t *testing.T) {
	st := &behind{Store: memstore.New(nil)}
	h := newHomeOn(t, st, preference.Options{})
	a := h.add(t, preference.Genre, "a", 1)
	then, err := st.Store.Get(t.Context(), store.Key{Table: store.Users, Partition: h.profile, Sort: "preferences"}, store.Strong)
	require.NoError(t, err)
	st.then = &then
	b := h.add(t, preference.Genre, "b", -1)
	_, before, err := h.Get(t.Context(), h.profile, a.ID)
	require.NoError(t, err)
	require.Equal(t, then.Version, before, "one cheap read")
	got, now, err := h.Get(t.Context(), h.profile, b.ID)
	require.NoError(t, err)
	require.Equal(t, b, got)
	require.NotEqual(t, before, now)
	version, err := h.Version(t.Context(), h.profile)
	require.NoError(t, err)
	require.Equal(t, now, version)
	require.Equal(t, []string{"a"}, h.values(t))
	taste, err := h.Taste(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.True(t, taste.Avoids(preference.Traits{Genres: []string{"b"}}))
	_, _, err = h.Get(t.Context(), h.profile, uuid.New())
	require.ErrorIs(t, err, fault.ErrNotFound)
}

// hung is a store that hangs in one Apply until it is let go, and lets nobody in meanwhile.
type hung struct {
	store.Store
	in, out chan struct{}
}

func (s *hung) Apply(ctx context.Context, w ...store.Write) error {
	s.in <- struct{}{}
	<-s.out
	return s.Store.Apply(ctx, w...)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	st := &hung{Store: newHome(t, preference.Options{}).store, in: make(chan struct{}), out: make(chan struct{})}
	s, err := preference.NewService(st, preference.Options{})
	require.NoError(t, err)
	profile := uuid.New()
	openGate(t, st.Store, profile)
	done := make(chan error)
	go func() {
		_, err := s.Create(t.Context(), profile, preference.Addition{Type: "genre", Value: "a"})
		done <- err
	}()
	<-st.in
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Create(ctx, profile, preference.Addition{Type: "genre", Value: "b"})
	require.ErrorIs(t, err, context.Canceled, "waiting for the other writer")
	close(st.out)
	require.NoError(t, <-done)
}

// contended is a store in which somebody else is always quicker, until patience runs out.
type contended struct {
	store.Store
	left int
	end  func()
}

func (s *contended) Apply(ctx context.Context, w ...store.Write) error {
	if s.left--; s.left == 0 {
		s.end()
	}
	if s.left > 0 || s.end != nil {
		return &store.ConflictError{Keys: []store.Key{w[0].Key}}
	}
	return s.Store.Apply(ctx, w...)
}

func TestContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which makes the pauses between attempts cost nothing
		st := &contended{Store: newHome(t, preference.Options{}).store, left: 150}
		st.end = func() { st.end = nil }
		s, err := preference.NewService(st, preference.Options{})
		require.NoError(t, err)
		profile := uuid.New()
		openGate(t, st.Store, profile)
		_, err = s.Create(t.Context(), profile, preference.Addition{Type: "genre", Value: "a"})
		require.NoError(t, err, "more conflicts than one store.Update puts up with, and then success")

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		st.left, st.end = 64, cancel // just when store.Update gives up
		_, err = s.Create(ctx, profile, preference.Addition{Type: "genre", Value: "b"})
		require.ErrorIs(t, err, context.Canceled)
	})
}
