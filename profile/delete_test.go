package profile_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// stuck is a Dependent that cannot delete.
type stuck struct{}

var errStuck = errors.New("stuck")

func (stuck) Kind() string                                   { return "stuck things" }
func (stuck) Any(context.Context, uuid.UUID) (bool, error)   { return false, errStuck }
func (stuck) DeleteAll(_ context.Context, _ uuid.UUID) error { return errStuck }

func TestDeleteRefused(t *testing.T) {
	f := newFixture(t)
	p, x := furnished(t, f)
	preferences, vectors, variables := things{f.store, "preferences"}, things{f.store, "tune vectors"}, things{f.store, "variables"}
	f.Depend(preferences, vectors)
	f.Depend(variables)
	require.NoError(t, preferences.add(t.Context(), p.ID))
	require.NoError(t, variables.add(t.Context(), p.ID))
	before := contents(t, f.store, p.ID)
	requireFault(t, f.Delete(t.Context(), p.ID, false, p.Version), fault.Conflict,
		"Profile still has preferences, variables; delete them first or use cascade=true")

	require.Equal(t, before, contents(t, f.store, p.ID))
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
	_, err = f.Authenticate(t.Context(), x.Token)
	require.NoError(t, err)

	require.NoError(t, preferences.DeleteAll(t.Context(), p.ID))
	require.NoError(t, variables.DeleteAll(t.Context(), p.ID))
	require.NoError(t, f.Delete(t.Context(), p.ID, false, p.Version))
	requireGone(t, f, p, x)
	requireNothingLeft(t, f.store, p)
	_, err = f.Bound(t.Context(), profile.Identity{Issuer: "https://issuer.example", Subject: "1"})
	requireFault(t, err, fault.NotFound, "The external identity has no profile")
}

func TestDeleteCascade(t *testing.T) {
	f := newFixture(t)
	p, x := furnished(t, f)
	other := create(t, f.Service, "bob")
	preferences := things{f.store, "preferences"}
	f.Depend(preferences)
	for range 250 { // more than a page, and than an Apply holds
		require.NoError(t, preferences.add(t.Context(), p.ID))
		key := store.Key{Table: store.Users, Partition: p.ID, Sort: "note#" + uuid.NewString()}
		require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{}`)}, store.None)))
	}
	require.NoError(t, preferences.add(t.Context(), other.ID))
	require.NoError(t, f.Delete(t.Context(), p.ID, true, store.Version{}))
	requireGone(t, f, p, x)
	requireNothingLeft(t, f.store, p)
	has, err := preferences.Any(t.Context(), other.ID)
	require.NoError(t, err)
	require.True(t, has)
	_, err = f.Get(t.Context(), other.ID)
	require.NoError(t, err)
	furnished(t, f) // all names are free again
}

func TestDeleteStale(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	require.ErrorIs(t, f.Delete(t.Context(), p.ID, true, store.NewVersion()), fault.ErrStale)
	require.NoError(t, f.Delete(t.Context(), p.ID, true, p.Version))
}

func TestDeleteFailsWithDependent(t *testing.T) {
	f := newFixture(t)
	p, x := furnished(t, f)
	f.Depend(stuck{})
	require.ErrorIs(t, f.Delete(t.Context(), p.ID, false, store.Version{}), errStuck)
	_, err := f.Authenticate(t.Context(), x.Token) // it could not be asked: nothing was done
	require.NoError(t, err)

	err = f.Delete(t.Context(), p.ID, true, store.Version{})
	require.ErrorIs(t, err, errStuck)
	require.ErrorContains(t, err, "stuck things")
	requireGone(t, f, p, x)
	n, err := f.Resume(t.Context())
	require.ErrorIs(t, err, errStuck)
	require.Zero(t, n)
	_, err = f.Create(t.Context(), registration("alice"))
	requireFault(t, err, fault.Conflict, exists) // the names are kept until all is gone
}

// A child that is created between looking for children and deciding makes the deletion look again.
func TestDeleteLooksAgain(t *testing.T) {
	f, broken, s := withFaults(t)
	p := create(t, f.Service, "alice")
	child := things{f.store, "preferences"}
	s.Depend(child)
	var once sync.Once
	broken.before = func(_ int, key store.Key) {
		if key.Sort == "gate" {
			return
		}
		if broken.calls == 3 { // the Apply, after the reads of profile and gate
			once.Do(func() { require.NoError(t, child.add(t.Context(), p.ID)) })
		}
	}
	requireFault(t, s.Delete(t.Context(), p.ID, false, store.Version{}), fault.Conflict,
		"Profile still has preferences; delete them first or use cascade=true")
	_, err := s.Get(t.Context(), p.ID)
	require.NoError(t, err)
}

// Whatever the order, no child outlives its profile.
func TestDeleteRace(t *testing.T) {
	for _, cascade := range []bool{true, false} {
		for range 100 {
			f := newFixture(t)
			p := create(t, f.Service, "alice")
			child := things{f.store, "preferences"}
			f.Depend(child)
			var (
				wg      sync.WaitGroup
				added   [4]error
				deleted [2]error
			)
			ctx := context.WithoutCancel(t.Context())
			for i := range added {
				wg.Go(func() { added[i] = child.add(ctx, p.ID) })
			}
			for i := range deleted {
				wg.Go(func() { deleted[i] = f.Delete(ctx, p.ID, cascade, store.Version{}) })
			}
			wg.Wait()
			has, err := child.Any(ctx, p.ID)
			require.NoError(t, err)
			_, gone := f.Get(ctx, p.ID)
			if gone != nil {
				requireFault(t, gone, fault.NotFound, noProfile)
				require.False(t, has)
				requireNothingLeft(t, f.store, p)
				continue
			}
			require.False(t, cascade)
			require.True(t, has)
			for _, err := range deleted {
				requireFault(t, err, fault.Conflict, "Profile still has preferences; delete them first or use cascade=true")
			}
		}
	}
}

// Several instances resume at once, and somebody takes the names as soon as they are free: nobody loses theirs.
func TestResumeConcurrently(t *testing.T) {
	for range 50 {
		f := newFixture(t)
		p, _ := furnished(t, f)
		cutOff(t, f, p)
		var wg sync.WaitGroup
		ctx := context.WithoutCancel(t.Context())
		for range 4 {
			wg.Go(func() {
				_, err := f.Resume(ctx)
				require.NoError(t, err)
			})
		}
		var fresh profile.Profile
		wg.Go(func() {
			for {
				var err error
				if fresh, err = f.Create(ctx, registration("alice")); err == nil {
					return
				}
				require.ErrorIs(t, err, fault.ErrConflict)
			}
		})
		wg.Wait()
		_, err := f.Get(ctx, fresh.ID)
		require.NoError(t, err)
		logIn(t, f.Service, "alice")
		_, err = f.Create(ctx, registration("alice"))
		requireFault(t, err, fault.Conflict, exists)
	}
}

func TestResumeOddJobs(t *testing.T) {
	f := newFixture(t)
	job := func(sort string) {
		key := store.Key{Table: store.Users, Partition: store.HashPartition("jobs", "3"), Sort: sort}
		require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{}`)}, store.None)))
	}
	job("refresh-token#1") // somebody else's
	n, err := f.Resume(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	job("delete-profile#nonsense")
	p := create(t, f.Service, "alice")
	cutOff(t, f, p)
	n, err = f.Resume(t.Context())
	require.Error(t, err)
	require.Equal(t, 1, n) // one that fails does not keep it from the others
	requireNoProfile(t, f, p.ID)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Resume(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func requireNoProfile(t testing.TB, f fixture, id uuid.UUID) {
	t.Helper()
	require.Empty(t, contents(t, f.store, id))
}
