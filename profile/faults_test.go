package profile_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// faulty is a store that breaks at one call: that call and all after it fail, as if the process had died.
type faulty struct {
	store.Store
	mu     sync.Mutex
	at     int  // the call that breaks, from 1; 0 for none
	lost   bool // the breaking Apply is made, and only its answer lost
	once   bool // only that call fails
	calls  int
	wrote  bool                          // the call that broke was an Apply
	before func(call int, key store.Key) // runs before each call; nil for nothing
	apply  func()                        // runs before each Apply; nil for nothing
}

func (f *faulty) broken(key store.Key) (breaks, lost bool) {
	f.mu.Lock()
	f.calls++
	call, before := f.calls, f.before
	breaks = f.at > 0 && (call == f.at || call > f.at && !f.once)
	lost = breaks && f.lost && call == f.at
	f.mu.Unlock()
	if before != nil {
		before(call, key)
	}
	return breaks, lost
}

func (f *faulty) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if breaks, _ := f.broken(key); breaks {
		return store.Item{}, store.ErrUnavailable
	}
	return f.Store.Get(ctx, key, r)
}

func (f *faulty) List(ctx context.Context, q store.Query) (store.Page, error) {
	if breaks, _ := f.broken(store.Key{Table: q.Table, Partition: q.Partition}); breaks {
		return store.Page{}, store.ErrUnavailable
	}
	return f.Store.List(ctx, q)
}

func (f *faulty) Apply(ctx context.Context, writes ...store.Write) error {
	breaks, lost := f.broken(writes[0].Key)
	f.wrote = f.wrote || breaks
	if f.apply != nil {
		f.apply()
	}
	if lost {
		if err := f.Store.Apply(ctx, writes...); err != nil {
			return err
		}
	}
	if breaks {
		return store.ErrUnavailable
	}
	return f.Store.Apply(ctx, writes...)
}

// things is a Dependent with items of its own: in the profile's partition and in one of its own.
type things struct {
	store store.Store
	kind  string
}

func (d things) key(id uuid.UUID) store.Key {
	return store.Key{Table: store.Interactions, Partition: id, Sort: d.kind + "#" + uuid.NewString()}
}

func (d things) Kind() string { return d.kind }

func (d things) Any(ctx context.Context, id uuid.UUID) (bool, error) {
	p, err := d.store.List(ctx, store.Query{Table: store.Interactions, Partition: id, Prefix: d.kind, Limit: 1, Read: store.Strong})
	return len(p.Items) > 0, err
}

func (d things) DeleteAll(ctx context.Context, id uuid.UUID) error {
	_, err := store.Wipe(ctx, d.store, store.Interactions, id, d.kind)
	return err
}

// add creates one, through the gate.
func (d things) add(ctx context.Context, id uuid.UUID) error {
	return d.store.Apply(ctx, profile.Gate(id), store.Put(store.Item{Key: d.key(id), Body: []byte(`{}`)}, store.Absent))
}

// withFaults gives a service over a store that works, and one over the same store that breaks.
func withFaults(t testing.TB) (fixture, *faulty, *profile.Service) {
	t.Helper()
	f := newFixture(t)
	broken := &faulty{Store: f.store}
	s, err := profile.NewService(broken, profile.Options{Now: f.clock.Now, Hash: cheap})
	require.NoError(t, err)
	return f, broken, s
}

// everyFault runs do on a store that breaks at the first call, at the second, and so on until nothing breaks any
// more; and checks what is left each time.
func everyFault(t *testing.T, run func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error) {
	t.Helper()
	for name, mode := range map[string]struct{ lost, once bool }{
		"dies before the call": {},
		"dies after the call":  {lost: true},
		"one call fails":       {once: true},
		"one answer is lost":   {lost: true, once: true},
	} {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				require.Less(t, at, 100)
				reached := false
				synctest.Test(t, func(t *testing.T) { // pauses take no time
					f, broken, s := withFaults(t)
					broken.lost, broken.once = mode.lost, mode.once
					broken.at = -at // armed by run
					err := run(t, f, broken, s)
					reached = broken.calls >= at
					if err != nil {
						require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
					}
					if !reached || mode.once && broken.wrote {
						require.NoError(t, err, "an Apply of unknown outcome is settled")
					}
				})
				if !reached {
					require.Greater(t, at, 1)
					return
				}
			}
		})
	}
}

// arm lets the store break from now on.
func (f *faulty) arm() { f.at, f.calls = -f.at, 0 }

func TestCreateFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		broken.arm()
		p, err := s.Create(t.Context(), registration("alice"))
		if err == nil {
			got, err := f.Get(t.Context(), p.ID)
			require.NoError(t, err)
			require.Equal(t, p, got)
			return nil
		}
		// All of it is there or nothing: a second try wins, or finds the first one complete.
		if _, again := f.Create(t.Context(), registration("alice")); again != nil {
			requireFault(t, again, fault.Conflict, exists)
		}
		x := logIn(t, f.Service, "alice")
		require.NoError(t, f.Delete(t.Context(), x.ProfileID, false, store.Version{}))
		return err
	})
}

func TestUpdateFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		p := create(t, f.Service, "alice")
		before := logIn(t, f.Service, "alice")
		name, secret := "bob", "another password"
		change := profile.Changes{Username: &name, Password: &secret}
		broken.arm()
		_, err := s.Update(t.Context(), p.ID, change, p.Version)
		got, readErr := f.Get(t.Context(), p.ID)
		require.NoError(t, readErr)
		_, aliveErr := f.Authenticate(t.Context(), before.Token)
		if got.Username == "alice" { // nothing was done
			require.Error(t, err)
			require.NoError(t, aliveErr)
			_, err := f.Update(t.Context(), p.ID, change, p.Version)
			require.NoError(t, err)
		} else {
			requireFault(t, aliveErr, fault.Unauthorized, unauthorized)
		}
		_, loginErr := f.Login(t.Context(), profile.Credentials{Username: "bob", Password: secret})
		require.NoError(t, loginErr)
		other := registration("alice")
		other.Email = "other@example.com"
		_, createErr := f.Create(t.Context(), other)
		require.NoError(t, createErr)
		return err
	})
}

func TestLoginFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		p := create(t, f.Service, "alice")
		broken.arm()
		x, err := s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
		if err == nil {
			broken.at = 0
			got, err := f.Authenticate(t.Context(), x.Token)
			require.NoError(t, err)
			require.Equal(t, p.ID, got.ProfileID)
		}
		logIn(t, f.Service, "alice")
		return err
	})
}

func TestAuthenticateFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		create(t, f.Service, "alice")
		x := logIn(t, f.Service, "alice")
		broken.arm()
		got, err := s.Authenticate(t.Context(), x.Token)
		if err != nil {
			return err
		}
		require.Equal(t, x.ID, got.ID)
		err = s.Logout(t.Context(), x)
		if err == nil {
			_, err := f.Authenticate(t.Context(), x.Token)
			requireFault(t, err, fault.Unauthorized, unauthorized)
		}
		return err
	})
}

func TestAPIKeyFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		p := create(t, f.Service, "alice")
		broken.arm()
		err := func() error {
			k, secret, err := s.CreateAPIKey(t.Context(), p.ID)
			if err != nil {
				return err
			}
			if err := s.CheckAPIKey(t.Context(), p.ID, secret); err != nil {
				return err
			}
			if _, _, err := s.APIKeys(t.Context(), p.ID, 100, ""); err != nil {
				return err
			}
			return s.DeleteAPIKey(t.Context(), p.ID, k.ID)
		}()
		// A key whose answer was lost is in the list, so its owner can withdraw it.
		keys, _, listErr := f.APIKeys(t.Context(), p.ID, 100, "")
		require.NoError(t, listErr)
		for _, k := range keys {
			require.NoError(t, f.DeleteAPIKey(t.Context(), p.ID, k.ID))
		}
		for _, key := range contents(t, f.store, p.ID) {
			require.NotContains(t, key, "api-key#")
		}
		return err
	})
}

func TestDeleteFaults(t *testing.T) {
	everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
		p, x := furnished(t, f)
		for _, kind := range []string{"preferences", "tune vectors"} {
			working, breaking := things{f.store, kind}, things{broken, kind}
			require.NoError(t, working.add(t.Context(), p.ID))
			f.Depend(working)
			s.Depend(breaking)
		}
		broken.arm()
		err := s.Delete(t.Context(), p.ID, true, p.Version)
		_, getErr := f.Get(t.Context(), p.ID)
		if getErr == nil { // not decided: all of it is there
			require.Error(t, err)
			_, authErr := f.Authenticate(t.Context(), x.Token)
			require.NoError(t, authErr)
			n, resumeErr := f.Resume(t.Context())
			require.NoError(t, resumeErr)
			require.Zero(t, n)
			requireFault(t, f.Delete(t.Context(), p.ID, false, p.Version), fault.Conflict,
				"Profile still has preferences, tune vectors; delete them first or use cascade=true")
			require.NoError(t, f.Delete(t.Context(), p.ID, true, p.Version))
		} else { // decided: gone for everybody, and finished by Resume
			requireGone(t, f, p, x)
			n, resumeErr := f.Resume(t.Context())
			require.NoError(t, resumeErr)
			require.LessOrEqual(t, n, 1)
		}
		requireGone(t, f, p, x)
		requireNothingLeft(t, f.store, p)
		return err
	})
}

// Resume itself may be cut off anywhere, and Delete again does what Resume does.
func TestResumeFaults(t *testing.T) {
	for _, again := range []string{"Resume", "Delete"} {
		t.Run(again, func(t *testing.T) {
			everyFault(t, func(t *testing.T, f fixture, broken *faulty, s *profile.Service) error {
				p, x := furnished(t, f)
				child := things{f.store, "preferences"}
				require.NoError(t, child.add(t.Context(), p.ID))
				cutOff(t, f, p)
				f.Depend(child)
				s.Depend(things{broken, "preferences"})
				broken.arm()
				var err error
				if again == "Resume" {
					_, err = s.Resume(t.Context())
				} else {
					err = s.Delete(t.Context(), p.ID, false, p.Version)
				}
				_, resumeErr := f.Resume(t.Context())
				require.NoError(t, resumeErr)
				requireGone(t, f, p, x)
				requireNothingLeft(t, f.store, p)
				return err
			})
		})
	}
}

// furnished makes a profile with everything of its own: a session, an identity, API keys.
func furnished(t testing.TB, f fixture) (profile.Profile, profile.Session) {
	t.Helper()
	r := registration("alice")
	r.Identity = &profile.Identity{Issuer: "https://issuer.example", Subject: "1"}
	p, err := f.Create(t.Context(), r)
	require.NoError(t, err)
	for range 3 {
		_, _, err := f.CreateAPIKey(t.Context(), p.ID)
		require.NoError(t, err)
	}
	return p, logIn(t, f.Service, "alice")
}

// cutOff decides the deletion of a profile and does nothing more.
func cutOff(t testing.TB, f fixture, p profile.Profile) {
	t.Helper()
	s, err := profile.NewService(f.store, profile.Options{Now: f.clock.Now, Hash: cheap})
	require.NoError(t, err)
	s.Depend(stuck{})
	require.ErrorIs(t, s.Delete(t.Context(), p.ID, true, store.Version{}), errStuck)
}

func requireGone(t testing.TB, f fixture, p profile.Profile, x profile.Session) {
	t.Helper()
	_, err := f.Get(t.Context(), p.ID)
	requireFault(t, err, fault.NotFound, noProfile)
	name := "carol"
	_, err = f.Update(t.Context(), p.ID, profile.Changes{Username: &name}, store.Version{})
	requireFault(t, err, fault.NotFound, noProfile)
	_, err = f.Authenticate(t.Context(), x.Token)
	requireFault(t, err, fault.Unauthorized, unauthorized)
	_, err = f.Login(t.Context(), profile.Credentials{Username: p.Username, Password: password})
	requireFault(t, err, fault.Unauthorized, badLogin)
	_, err = f.Sessions(t.Context(), p.ID)
	requireFault(t, err, fault.NotFound, noProfile)
	_, _, err = f.Identity(t.Context(), p.ID)
	requireFault(t, err, fault.NotFound, noProfile)
	_, _, err = f.CreateAPIKey(t.Context(), p.ID)
	requireFault(t, err, fault.NotFound, noProfile)
	open, err := profile.Open(t.Context(), f.store, p.ID)
	require.NoError(t, err)
	require.False(t, open)
	require.ErrorIs(t, things{f.store, "preferences"}.add(t.Context(), p.ID), store.ErrConflict)
	require.NoError(t, f.Logout(t.Context(), x))
}

// requireNothingLeft looks into the store: no item of the profile's, no job, no claim.
func requireNothingLeft(t testing.TB, s *memstore.Store, p profile.Profile) {
	t.Helper()
	partitions := []store.Partition{
		p.ID, store.HashPartition("email", "alice@example.com"), store.HashPartition("username", "alice"),
	}
	for _, n := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"} {
		partitions = append(partitions, store.HashPartition("jobs", n))
	}
	require.Empty(t, contents(t, s, partitions...))
	page, err := s.List(t.Context(), store.Query{Table: store.Interactions, Partition: p.ID})
	require.NoError(t, err)
	require.Empty(t, page.Items)
}
