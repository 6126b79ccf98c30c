package profile_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// recorder is an Observer that keeps what it is told.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) Observe(_ context.Context, e observe.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e.Operation+" "+e.Status)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

func TestLoginFields(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		credentials profile.Credentials
		wrong       map[string]string
	}{
		"nothing":   {profile.Credentials{}, map[string]string{"email": "Email or username is required", "password": "Password is required"}},
		"no name":   {profile.Credentials{Password: password}, map[string]string{"email": "Email or username is required"}},
		"no secret": {profile.Credentials{Email: "a@b.co"}, map[string]string{"password": "Password is required"}},
		"both": {
			profile.Credentials{Email: "a@b.co", Username: "abc", Password: password},
			map[string]string{"username": "Give either email or username, not both"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Login(t.Context(), c.credentials)
			requireFields(t, err, c.wrong)
		})
	}
}

// Unknown and wrong are the same work: as many reads and hashes, nothing written.
func TestLoginGivesNothingAway(t *testing.T) {
	events := &recorder{}
	f := newFixture(t)
	counted := &faulty{Store: f.store}
	s, err := profile.NewService(counted, profile.Options{Now: f.clock.Now, Hash: cheap, Observer: events})
	require.NoError(t, err)
	create(t, s, "alice")
	r := registration("carol")
	r.Password, r.Identity = "", &profile.Identity{Issuer: "i", Subject: "s"}
	_, err = s.Create(t.Context(), r)
	require.NoError(t, err)
	events.take()
	for _, c := range []profile.Credentials{
		{Username: "alice", Password: "correct house"},
		{Username: "nobody", Password: "correct house"},
		{Username: "carol", Password: "correct house"}, // has no password
		{Username: "alice", Password: "short"},
		{Username: "nobody", Password: "short"},
	} {
		counted.calls = 0
		_, err := s.Login(t.Context(), c)
		requireFault(t, err, fault.Unauthorized, badLogin)
		require.Equal(t, []string{"profile.hash-password ok", "profile.login unauthorized"}, events.take(), c.Username)
		require.Equal(t, 2, counted.calls, c.Username)
	}
}

func TestLoginThrottled(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		t.Run(name, func(t *testing.T) {
			events := &recorder{}
			f := newFixture(t, func(o *profile.Options) { o.Observer = events })
			create(t, f.Service, "alice")
			create(t, f.Service, "bob")
			wrong := profile.Credentials{Username: name, Password: "correct house"}
			for range 10 {
				_, err := f.Login(t.Context(), wrong)
				requireFault(t, err, fault.Unauthorized, badLogin)
				f.clock.Advance(time.Second)
			}
			events.take()
			right := profile.Credentials{Username: strings.ToUpper(name), Password: password}
			_, err := f.Login(t.Context(), right)
			requireFault(t, err, fault.TooMany, "Too many failed logins. Please try again later.")
			e, _ := fault.As(err)
			require.Equal(t, 50*time.Second, e.RetryAfter)
			require.Equal(t, []string{"profile.login too-many"}, events.take(), "no hash is computed")
			logIn(t, f.Service, "bob") // others are not concerned

			f.clock.Advance(e.RetryAfter)
			_, err = f.Login(t.Context(), right)
			if name == "alice" {
				require.NoError(t, err)
			} else {
				requireFault(t, err, fault.Unauthorized, badLogin)
			}
		})
	}
}

func TestLoginThrottledByAddress(t *testing.T) {
	f := newFixture(t, func(o *profile.Options) { o.AddressFailures = 20 })
	create(t, f.Service, "alice")
	attempt := func(name, secret, address string) error {
		_, err := f.Login(t.Context(), profile.Credentials{Username: name, Password: secret, Address: address})
		return err
	}
	for i := range 20 {
		requireFault(t, attempt(fmt.Sprintf("user%d", i), password, fmt.Sprintf("192.0.2.1:%d", 1000+i)), fault.Unauthorized, badLogin)
	}
	requireFault(t, attempt("alice", password, "192.0.2.1:9"), fault.TooMany, "Too many failed logins. Please try again later.")
	require.NoError(t, attempt("alice", password, "192.0.2.2:9"))
	require.NoError(t, attempt("alice", password, ""))
}

// Of very many guesses at once ten are looked at, whether they come by one address or by many.
func TestLoginThrottledConcurrently(t *testing.T) {
	for _, address := range []string{"", "192.0.2.1"} {
		f := newFixture(t, func(o *profile.Options) { o.HashConcurrency = 8 })
		create(t, f.Service, "alice")
		const n = 200
		var (
			wg   sync.WaitGroup
			errs [n]error
		)
		ctx := context.WithoutCancel(t.Context())
		for i := range n {
			wg.Go(func() {
				_, errs[i] = f.Login(ctx, profile.Credentials{Username: "alice", Password: "correct house", Address: address})
			})
		}
		wg.Wait()
		looked := 0
		for _, err := range errs {
			if fault.KindOf(err) == fault.Unauthorized {
				looked++
				continue
			}
			require.ErrorIs(t, err, fault.ErrTooMany)
		}
		require.Equal(t, 10, looked)
	}
}

// A listener may log in from very many places at once.
func TestLoginConcurrently(t *testing.T) {
	f := newFixture(t, func(o *profile.Options) { o.HashConcurrency = 8 })
	p := create(t, f.Service, "alice")
	const n = 90
	var (
		wg     sync.WaitGroup
		tokens [n]string
	)
	ctx := context.WithoutCancel(t.Context())
	for i := range n {
		wg.Go(func() {
			x, err := f.Login(ctx, profile.Credentials{Username: "alice", Password: password, Address: "192.0.2.1"})
			assert.NoError(t, err)
			tokens[i] = x.Token
		})
	}
	wg.Wait()
	for _, token := range tokens {
		_, err := f.Authenticate(t.Context(), token)
		require.NoError(t, err)
	}
	sessions, err := f.Sessions(t.Context(), p.ID)
	require.NoError(t, err)
	require.Len(t, sessions, n)
}

func TestRehash(t *testing.T) {
	events := &recorder{}
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	costlier, err := profile.NewService(f.store, profile.Options{
		Now: f.clock.Now, Hash: profile.HashParams{MemoryKiB: 16, Time: 2, Threads: 1}, Observer: events,
	})
	require.NoError(t, err)
	stored := func() string {
		item, err := f.store.Get(t.Context(), store.Key{Table: store.Users, Partition: p.ID, Sort: "login"}, store.Strong)
		require.NoError(t, err)
		return string(item.Body)
	}
	require.Contains(t, stored(), "$m=8,t=1,p=1$")
	old := logIn(t, f.Service, "alice")
	_, err = costlier.Login(t.Context(), profile.Credentials{Username: "alice", Password: "correct house"})
	requireFault(t, err, fault.Unauthorized, badLogin)
	require.Contains(t, stored(), "$m=8,t=1,p=1$")
	events.take()

	logIn(t, costlier, "alice")
	require.Equal(t, []string{"profile.hash-password ok", "profile.hash-password ok", "profile.login ok"}, events.take())
	require.Contains(t, stored(), "$m=16,t=2,p=1$")
	require.NotContains(t, stored(), "$m=8,t=1,p=1$")
	logIn(t, costlier, "alice")
	require.Equal(t, []string{"profile.hash-password ok", "profile.login ok"}, events.take())
	_, err = f.Authenticate(t.Context(), old.Token) // it is still the same password
	require.NoError(t, err)
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got) // and the same profile, of the same version
}

// A login that has read the old password when it is changed does not survive the change, whenever that falls.
func TestLoginDuringPasswordChange(t *testing.T) {
	for at := 1; ; at++ {
		for _, secret := range []string{"another password", password} {
			f, hooked, s := withFaults(t)
			p := create(t, f.Service, "alice")
			logIn(t, s, "alice") // makes the signing key
			changed := false
			hooked.calls = 0
			hooked.before = func(call int, _ store.Key) {
				if call == at {
					changed = true
					_, err := f.Update(t.Context(), p.ID, profile.Changes{Password: &secret}, store.Version{})
					require.NoError(t, err)
				}
			}
			x, err := s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
			if !changed {
				require.NoError(t, err)
				require.Greater(t, at, 3)
				return
			}
			if secret == password { // set anew: the login is one of after the change
				require.NoError(t, err)
				_, err = f.Authenticate(t.Context(), x.Token)
				require.NoError(t, err)
				continue
			}
			requireFault(t, err, fault.Unauthorized, badLogin)
			sessions, err := f.Sessions(t.Context(), p.ID)
			require.NoError(t, err)
			require.Empty(t, sessions)
		}
	}
}

// A password that changes faster than anybody can log in.
func TestLoginGivesUp(t *testing.T) {
	f, hooked, s := withFaults(t)
	p := create(t, f.Service, "alice")
	logIn(t, s, "alice")
	secret := password
	hooked.apply = func() {
		_, err := f.Update(t.Context(), p.ID, profile.Changes{Password: &secret}, store.Version{})
		require.NoError(t, err)
	}
	_, err := s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
	requireFault(t, err, fault.Unavailable, "The password is being changed. Please try again.")
}

// What a login costs: two reads, and one write of the one item.
func TestLoginRequests(t *testing.T) {
	f, hooked, s := withFaults(t)
	create(t, f.Service, "alice")
	logIn(t, s, "alice") // makes the key that signs
	var keys []string
	hooked.before = func(_ int, key store.Key) { keys = append(keys, key.Sort) }
	logIn(t, s, "alice")
	require.Equal(t, []string{"claim", "login", "login"}, keys)
}

func TestLoginRacingDeletion(t *testing.T) {
	f, hooked, s := withFaults(t)
	p := create(t, f.Service, "alice")
	logIn(t, s, "alice")
	hooked.calls = 0
	hooked.before = func(call int, _ store.Key) {
		if call == 3 {
			require.NoError(t, f.Delete(t.Context(), p.ID, true, store.Version{}))
		}
	}
	_, err := s.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
	requireFault(t, err, fault.Unauthorized, badLogin)
	requireNoProfile(t, f, p.ID)
}

func TestLoginDamaged(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	key := store.Key{Table: store.Users, Partition: p.ID, Sort: "login"}
	for _, body := range []string{`{"password":"$argon2id$secret"}`, `{"password":7}`} {
		require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(body)}, store.None)))
		_, err := f.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
		require.Error(t, err)
		require.Equal(t, fault.None, fault.KindOf(err)) // nobody's mistake but ours
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestBusy(t *testing.T) {
	f := newFixture(t, func(o *profile.Options) {
		o.HashConcurrency, o.HashQueue = 1, 1
		o.Hash = profile.HashParams{MemoryKiB: 1 << 10, Time: 50, Threads: 1}
	})
	var (
		wg   sync.WaitGroup
		errs [20]error
	)
	ctx := context.WithoutCancel(t.Context())
	start := make(chan struct{})
	for i := range errs {
		wg.Go(func() {
			<-start
			_, errs[i] = f.Create(ctx, registration(fmt.Sprintf("user%d", i)))
		})
	}
	close(start)
	wg.Wait()
	busy := 0
	for _, err := range errs {
		if err != nil {
			requireFault(t, err, fault.Unavailable, "Too many sign-ups and logins at once. Please try again later.")
			busy++
		}
	}
	require.Positive(t, busy)
	require.Less(t, busy, len(errs))
}

func TestEndedContext(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	name := "bob"
	for operation, err := range map[string]error{
		"Create":       second(f.Create(ctx, registration("bob"))),
		"Get":          second(f.Get(ctx, p.ID)),
		"Update":       second(f.Update(ctx, p.ID, profile.Changes{Username: &name}, store.Version{})),
		"Delete":       f.Delete(ctx, p.ID, true, store.Version{}),
		"Login":        second(f.Login(ctx, profile.Credentials{Username: "alice", Password: password})),
		"Authenticate": second(f.Authenticate(ctx, x.Token)),
		"Logout":       f.Logout(ctx, x),
		"Sessions":     second(f.Sessions(ctx, p.ID)),
		"Bound":        second(f.Bound(ctx, profile.Identity{Issuer: "i", Subject: "s"})),
		"CheckAPIKey":  f.CheckAPIKey(ctx, p.ID, p.ID.String()),
		"DeleteAPIKey": f.DeleteAPIKey(ctx, p.ID, p.ID),
	} {
		require.ErrorIs(t, err, context.Canceled, operation)
	}
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
}

func second[T any](_ T, err error) error { return err }

// What a listener keeps secret is in no error, and so in no log that a host writes.
func TestSecretsStaySecret(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	_, secret, err := f.CreateAPIKey(t.Context(), p.ID)
	require.NoError(t, err)
	said := &bytes.Buffer{}
	say := func(err error) {
		require.Error(t, err)
		fmt.Fprintf(said, "%v %+v\n", err, err)
	}
	say(second(f.Create(t.Context(), registration("alice"))))
	say(second(f.Login(t.Context(), profile.Credentials{Email: "alice@example.com", Password: password + "x"})))
	say(second(f.Authenticate(t.Context(), x.Token+"x")))
	say(second(f.Authenticate(t.Context(), x.Token[:len(x.Token)-5])))
	say(f.CheckAPIKey(t.Context(), p.ID, secret[1:]))
	say(f.CheckAPIKey(t.Context(), x.ID, secret))
	cutOff(t, f, p)
	f.Depend(stuck{})
	say(second(f.Resume(t.Context())))
	require.Contains(t, said.String(), "delete stuck things: stuck")
	bob := "bob"
	create(t, f.Service, bob)
	carol := create(t, f.Service, "carol")
	say(second(f.Update(t.Context(), carol.ID, profile.Changes{Username: &bob}, store.Version{})))
	claim := func(kind, name string) string { p := store.HashPartition(kind, name); return hex.EncodeToString(p[:]) }
	for _, s := range []string{claim("email", "alice@example.com"), claim("username", "alice"), claim("username", "bob")} {
		require.NotContains(t, said.String(), s, "whoever guesses a name can compute its hash")
	}
	for _, s := range []string{password, "alice", "example.com", "2015550123", secret, secret[1:], x.Token, x.Token[20:60], x.ID.String()} {
		require.NotContains(t, said.String(), s)
	}
}
