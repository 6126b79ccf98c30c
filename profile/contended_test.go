package profile_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Somebody else changes the same item before each attempt to change it: every operation gives up in the
// end, and says that it may be tried again.
func TestContended(t *testing.T) {
	first := "Bea"
	for name, run := range map[string]func(ctx context.Context, s *profile.Service, p profile.Profile, x profile.Session) error{
		"Update": func(ctx context.Context, s *profile.Service, p profile.Profile, _ profile.Session) error {
			return second(s.Update(ctx, p.ID, profile.Changes{FirstName: &first}, store.Version{}))
		},
		"Delete": func(ctx context.Context, s *profile.Service, p profile.Profile, _ profile.Session) error {
			return s.Delete(ctx, p.ID, false, store.Version{})
		},
		"Login": func(ctx context.Context, s *profile.Service, _ profile.Profile, _ profile.Session) error {
			return second(s.Login(ctx, profile.Credentials{Username: "alice", Password: password}))
		},
		"Logout": func(ctx context.Context, s *profile.Service, _ profile.Profile, x profile.Session) error {
			return s.Logout(ctx, x)
		},
		"DeleteAPIKey": func(ctx context.Context, s *profile.Service, p profile.Profile, _ profile.Session) error {
			keys, _, err := s.APIKeys(ctx, p.ID, 1, "")
			if err != nil {
				return err
			}
			return s.DeleteAPIKey(ctx, p.ID, keys[0].ID)
		},
		"CreateAPIKey": func(ctx context.Context, s *profile.Service, p profile.Profile, _ profile.Session) error {
			_, _, err := s.CreateAPIKey(ctx, p.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, hooked, s := withFaults(t)
				p, x := furnished(t, f)
				hooked.apply = func() {
					for _, sort := range []string{"profile", "login", "api-keys", "gate"} {
						key := store.Key{Table: store.Users, Partition: p.ID, Sort: sort}
						item, err := f.store.Get(t.Context(), key, store.Strong)
						require.NoError(t, err)
						item.Version = store.NewVersion()
						require.NoError(t, f.store.Apply(t.Context(), store.Put(item, store.Present)))
					}
				}
				err := run(t.Context(), s, p, x)
				requireFault(t, err, fault.Unavailable, "Too many changes at once. Please try again.")
				require.ErrorIs(t, err, store.ErrConflict)

				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				require.ErrorIs(t, run(ctx, s, p, x), context.DeadlineExceeded)

				hooked.apply = nil
				require.NoError(t, run(t.Context(), s, p, x))
			})
		})
	}
}

// A context that ends while an Apply of unknown outcome is to be repeated.
func TestUnavailableUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, broken, s := withFaults(t)
		broken.at = 3 // after looking for two claims
		ctx, cancel := context.WithCancel(t.Context())
		broken.apply = cancel
		start := time.Now()
		_, err := s.Create(ctx, registration("alice"))
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Zero(t, time.Since(start))
		require.Equal(t, 3, broken.calls)
	})
}

// A new password is hashed once, however often its write has to be tried.
func TestPasswordHashedOnce(t *testing.T) {
	events := &recorder{}
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	hooked := &faulty{Store: f.store}
	s, err := profile.NewService(hooked, profile.Options{Now: f.clock.Now, Hash: cheap, Observer: events})
	require.NoError(t, err)
	last, secret, times := "Smith", "another password", 0
	hooked.apply = func() {
		if times++; times == 1 {
			_, err := f.Update(t.Context(), p.ID, profile.Changes{LastName: &last}, store.Version{})
			require.NoError(t, err)
		}
	}
	q, err := s.Update(t.Context(), p.ID, profile.Changes{Password: &secret}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, "Smith", q.LastName)
	require.Equal(t, 2, times)
	require.Equal(t, []string{"profile.hash-password ok"}, events.take())
}

// Another login fails between the look at the throttle and one's turn.
func TestThrottledAtTheLastMoment(t *testing.T) {
	const tooMany = "Too many failed logins. Please try again later."
	for name, other := range map[string]profile.Credentials{
		"account": {Username: "alice", Password: "correct house"},
		"address": {Username: "nobody", Password: "correct house", Address: "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			create(t, f.Service, "alice")
			hooked := &faulty{Store: f.store}
			s, err := profile.NewService(hooked, profile.Options{Now: f.clock.Now, Hash: cheap, LoginFailures: 1, AddressFailures: 1})
			require.NoError(t, err)
			hooked.before = func(int, store.Key) {
				hooked.before = nil
				_, err := s.Login(t.Context(), other)
				requireFault(t, err, fault.Unauthorized, badLogin)
			}
			_, err = s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password, Address: "192.0.2.1"})
			requireFault(t, err, fault.TooMany, tooMany)
			_, err = s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password, Address: "192.0.2.2"})
			if name == "account" {
				requireFault(t, err, fault.TooMany, tooMany)
			} else {
				require.NoError(t, err) // what the address refused does not stand against the account
			}
		})
	}
}

// Another instance finishes a deletion while this one is at it.
func TestResumeFinishedByAnother(t *testing.T) {
	for at := 1; ; at++ {
		f, hooked, s := withFaults(t)
		p, _ := furnished(t, f)
		cutOff(t, f, p)
		reached := false
		hooked.before = func(call int, _ store.Key) {
			if call == at {
				reached = true
				_, err := f.Resume(t.Context())
				require.NoError(t, err)
			}
		}
		_, err := s.Resume(t.Context())
		require.NoError(t, err)
		requireNothingLeft(t, f.store, p)
		if !reached {
			require.Greater(t, at, 16)
			return
		}
	}
}

// What the store says of a session's end counts, whatever a host that signs by itself says.
func TestTokenOutlivesSession(t *testing.T) {
	f := newFixture(t, hostKeys("a"))
	create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	token := forge(t, x, jwt.SigningMethodHS256, secret('a'), func(_ *jwt.Token, c jwt.MapClaims) { c["exp"] = x.ExpiresAt.Unix() + 100 })
	_, err := f.Authenticate(t.Context(), token)
	require.NoError(t, err)
	f.clock.Advance(time.Hour)
	for _, s := range []*profile.Service{f.Service, sibling(t, f, hostKeys("a"))} {
		_, err = s.Authenticate(t.Context(), token)
		requireFault(t, err, fault.Unauthorized, unauthorized)
	}
}

func TestUnavailableStore(t *testing.T) {
	f, broken, s := withFaults(t)
	p := create(t, f.Service, "alice")
	for calls := 1; calls <= 2; calls++ {
		for operation, run := range map[string]func() error{
			"APIKeys":  func() error { _, _, err := s.APIKeys(t.Context(), p.ID, 10, ""); return err },
			"Bound":    func() error { return second(s.Bound(t.Context(), profile.Identity{Issuer: "i", Subject: "s"})) },
			"Sessions": func() error { return second(s.Sessions(t.Context(), p.ID)) },
			"Identity": func() error { _, _, err := s.Identity(t.Context(), p.ID); return err },
			"Check":    func() error { return s.CheckAPIKey(t.Context(), p.ID, uuid.NewString()) },
			"Open":     func() error { return second(profile.Open(t.Context(), broken, p.ID)) },
		} {
			broken.at, broken.calls = calls, 0
			if err := run(); broken.calls >= calls {
				require.ErrorIs(t, err, store.ErrUnavailable, operation)
			}
		}
	}
}
