package profile_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// cheap makes hashes that cost microseconds.
var cheap = profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type fixture struct {
	*profile.Service
	store *memstore.Store
	clock *clock
}

func newFixture(t testing.TB, change ...func(*profile.Options)) fixture {
	t.Helper()
	c := newClock()
	o := profile.Options{Now: c.Now, Hash: cheap}
	for _, f := range change {
		f(&o)
	}
	m := memstore.New(&memstore.Options{Now: c.Now})
	s, err := profile.NewService(m, o)
	require.NoError(t, err)
	return fixture{s, m, c}
}

const password = "correct horse"

func registration(name string) profile.Registration {
	return profile.Registration{
		Username: name, FirstName: "Ann", LastName: "Lee", Email: name + "@example.com",
		PhoneNumber: "+1 201-555-0123", Password: password,
	}
}

func create(t testing.TB, s *profile.Service, name string) profile.Profile {
	t.Helper()
	p, err := s.Create(t.Context(), registration(name))
	require.NoError(t, err)
	return p
}

func logIn(t testing.TB, s *profile.Service, name string) profile.Session {
	t.Helper()
	x, err := s.Login(t.Context(), profile.Credentials{Username: name, Password: password})
	require.NoError(t, err)
	return x
}

// requireFault requires an error of a kind with exactly this message.
func requireFault(t testing.TB, err error, kind fault.Kind, message string) {
	t.Helper()
	require.Error(t, err)
	e, ok := fault.As(err)
	require.Truef(t, ok, "%v is no fault", err)
	require.Equal(t, kind.String(), e.Kind.String())
	require.Equal(t, message, e.Message)
}

// requireFields requires an invalid error that names exactly these fields.
func requireFields(t testing.TB, err error, fields map[string]string) {
	t.Helper()
	requireFault(t, err, fault.Invalid, "Validation failed")
	e, _ := fault.As(err)
	require.Equal(t, fields, e.Fields)
}

const (
	noProfile    = "Profile with the specified ID does not exist"
	exists       = "Username or email already exists"
	inUse        = "Email or username already in use"
	badLogin     = "Invalid credentials"
	unauthorized = "Unauthorized access. Please provide a valid token."
)

// contents returns all items of the table users, however they are partitioned, by their keys.
func contents(t testing.TB, s store.Store, partitions ...store.Partition) []string {
	t.Helper()
	var keys []string
	for _, p := range partitions {
		for item, err := range store.All(t.Context(), s, store.Query{Table: store.Users, Partition: p, Read: store.Strong}) {
			require.NoError(t, err)
			keys = append(keys, item.Key.Sort)
		}
	}
	return keys
}

func TestCreate(t *testing.T) {
	f := newFixture(t)
	r := registration("Alice")
	r.FirstName, r.Email = "  Zoe\u0308 ", "Alice@Example.COM"
	p, err := f.Create(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, uuid.Version(4), p.ID.Version())
	require.Equal(t, "Alice", p.Username)
	require.Equal(t, "Zoë", p.FirstName)
	require.Equal(t, "Alice@Example.COM", p.Email)
	require.Equal(t, "+12015550123", p.PhoneNumber)
	require.Equal(t, f.clock.Now(), p.CreatedAt)
	require.Equal(t, p.CreatedAt, p.UpdatedAt)
	require.NotZero(t, p.Version)

	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)

	_, err = f.Get(t.Context(), uuid.New())
	requireFault(t, err, fault.NotFound, noProfile)
}

func TestCreateTaken(t *testing.T) {
	f := newFixture(t)
	create(t, f.Service, "alice")
	for name, change := range map[string]func(*profile.Registration){
		"username": func(r *profile.Registration) { r.Username = "ALICE" },
		"email":    func(r *profile.Registration) { r.Email = "Alice@EXAMPLE.com" },
		"both":     func(r *profile.Registration) { *r = registration("alice") },
		"with identity": func(r *profile.Registration) {
			r.Username, r.Identity = "alice", &profile.Identity{Issuer: "i", Subject: "s"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := registration("bob")
			change(&r)
			_, err := f.Create(t.Context(), r)
			requireFault(t, err, fault.Conflict, exists)
		})
	}
	create(t, f.Service, "bob") // nothing of the failed ones is left
}

// Of a thousand concurrent sign-ups with one e-mail address one wins.
func TestCreateRace(t *testing.T) {
	f := newFixture(t)
	const n = 1000
	var (
		wg      sync.WaitGroup
		results = make([]error, n)
	)
	for i := range n {
		wg.Go(func() {
			r := registration(fmt.Sprintf("user%d", i))
			r.Email = "same@example.com"
			_, results[i] = f.Create(context.WithoutCancel(t.Context()), r)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
			continue
		}
		requireFault(t, err, fault.Conflict, exists)
	}
	require.Equal(t, 1, won)
}

func TestSession(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	for _, c := range []profile.Credentials{
		{Username: "ALICE", Password: password},
		{Email: "Alice@example.com", Password: password, Address: "192.0.2.1:4711"},
	} {
		x, err := f.Login(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, p.ID, x.ProfileID)
		require.Equal(t, f.clock.Now().Add(time.Hour), x.ExpiresAt)
		require.NotEmpty(t, x.Token)

		for range 3 {
			got, err := f.Authenticate(t.Context(), x.Token)
			require.NoError(t, err)
			want := x
			want.Token = ""
			require.Equal(t, want, got)
		}
		require.NoError(t, f.Logout(t.Context(), x))
		require.NoError(t, f.Logout(t.Context(), x))
		_, err = f.Authenticate(t.Context(), x.Token)
		requireFault(t, err, fault.Unauthorized, unauthorized)
	}
}

func TestLoginFails(t *testing.T) {
	f := newFixture(t)
	create(t, f.Service, "alice")
	for name, c := range map[string]profile.Credentials{
		"wrong":      {Username: "alice", Password: "correct house"},
		"unknown":    {Username: "nobody", Password: password},
		"by email":   {Email: "nobody@example.com", Password: password},
		"too short":  {Username: "alice", Password: "x"},
		"control":    {Username: "alice", Password: password + "\x00"},
		"other name": {Username: "alice@example.com", Password: password},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Login(t.Context(), c)
			requireFault(t, err, fault.Unauthorized, badLogin)
		})
	}
}

func TestDelete(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	require.NoError(t, f.Delete(t.Context(), p.ID, false, store.Version{}))
	_, err := f.Get(t.Context(), p.ID)
	requireFault(t, err, fault.NotFound, noProfile)
	_, err = f.Authenticate(t.Context(), x.Token)
	requireFault(t, err, fault.Unauthorized, unauthorized)
	requireFault(t, f.Delete(t.Context(), p.ID, false, store.Version{}), fault.NotFound, noProfile)
	require.Empty(t, contents(t, f.store, p.ID))
	create(t, f.Service, "alice") // both names are free again
}

func TestUpdate(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	f.clock.Advance(time.Second)
	name, secret := "bob", "another password"
	q, err := f.Update(t.Context(), p.ID, profile.Changes{Username: &name, Password: &secret}, p.Version)
	require.NoError(t, err)
	require.Equal(t, "bob", q.Username)
	require.Equal(t, p.Email, q.Email)
	require.Equal(t, f.clock.Now(), q.UpdatedAt)
	require.NotEqual(t, p.Version, q.Version)
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, q, got)

	_, err = f.Authenticate(t.Context(), x.Token)
	requireFault(t, err, fault.Unauthorized, unauthorized)
	_, err = f.Login(t.Context(), profile.Credentials{Username: "bob", Password: password})
	requireFault(t, err, fault.Unauthorized, badLogin)
	_, err = f.Login(t.Context(), profile.Credentials{Username: "bob", Password: secret})
	require.NoError(t, err)

	_, err = f.Update(t.Context(), p.ID, profile.Changes{FirstName: &name}, p.Version)
	require.ErrorIs(t, err, fault.ErrStale)
	create(t, f.Service, "alice2")
	r := registration("alice")
	r.Email = "free@example.com"
	_, err = f.Create(t.Context(), r) // the old username is free
	require.NoError(t, err)
}
