package profile_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

func TestAllWrongFieldsAtOnce(t *testing.T) {
	f := newFixture(t)
	_, err := f.Create(t.Context(), profile.Registration{})
	requireFields(t, err, map[string]string{
		"username": "Username is required", "firstName": "First name is required", "lastName": "Last name is required",
		"email": "Email is required", "phoneNumber": "Phone number is required", "password": "Password is required",
	})
	_, err = f.Create(t.Context(), profile.Registration{
		Username: "a b", FirstName: "\x00", LastName: strings.Repeat("x", 101), Email: "a", PhoneNumber: "2015550123",
		Password: "1234567", Identity: &profile.Identity{},
	})
	wrong := map[string]string{
		"username": "Username may contain only letters, digits, '.', '_' and '-'", "firstName": "First name must not contain control characters",
		"lastName": "Last name must be at most 100 characters long", "email": "Invalid email format",
		"phoneNumber": "Phone number must include a country code", "password": "Password must be at least 8 characters long",
		"identity": "Issuer and subject must be 1 to 1024 bytes of UTF-8",
	}
	requireFields(t, err, wrong)

	p := create(t, f.Service, "alice")
	username, first, last, email, phone, secret := "a b", "\x00", strings.Repeat("x", 101), p.Email, "2015550123", "1234567"
	_, err = f.Update(t.Context(), p.ID, profile.Changes{
		Username: &username, FirstName: &first, LastName: &last, Email: &email, PhoneNumber: &phone, Password: &secret,
	}, store.Version{})
	delete(wrong, "identity")
	wrong["email"] = "Email cannot be changed"
	requireFields(t, err, wrong)
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)

	// With an identity only the password may be left out.
	long := strings.Repeat("i", 1024)
	for _, bad := range []profile.Identity{
		{Issuer: "", Subject: "s"},
		{Issuer: "i", Subject: ""},
		{Issuer: long + "i", Subject: "s"},
		{Issuer: "i", Subject: long + "i"},
		{Issuer: "\xff", Subject: "s"},
		{Issuer: "i", Subject: "\xff"},
	} {
		r := registration("bob")
		r.Password, r.Identity = "", &bad
		_, err = f.Create(t.Context(), r)
		requireFields(t, err, map[string]string{"identity": "Issuer and subject must be 1 to 1024 bytes of UTF-8"})
	}
	r := registration("bob")
	r.Password, r.Identity = "", &profile.Identity{Issuer: long, Subject: long}
	_, err = f.Create(t.Context(), r)
	require.NoError(t, err)
}

func TestUpdateUnknown(t *testing.T) {
	f := newFixture(t)
	name := "bob"
	_, err := f.Update(t.Context(), uuid.New(), profile.Changes{Username: &name}, store.Version{})
	requireFault(t, err, fault.NotFound, noProfile)
	bad := "b"
	_, err = f.Update(t.Context(), uuid.New(), profile.Changes{Username: &bad}, store.Version{})
	require.ErrorIs(t, err, fault.ErrInvalid) // what is sent is looked at before what it is for
}

func TestUpdateNothing(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	f.clock.Advance(time.Hour)
	phone, first := "+1 (201) 555 0123", " Ann"
	for _, c := range []profile.Changes{{}, {PhoneNumber: &phone, FirstName: &first, Username: &p.Username}} {
		q, err := f.Update(t.Context(), p.ID, c, p.Version)
		require.NoError(t, err)
		require.Equal(t, p, q)
		_, err = f.Update(t.Context(), p.ID, c, store.NewVersion())
		requireFault(t, err, fault.Stale, "The profile has been changed in the meantime")
	}
	got, err := f.Get(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
}

func TestRename(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	create(t, f.Service, "bob")
	rename := func(to string) (profile.Profile, error) {
		return f.Update(t.Context(), p.ID, profile.Changes{Username: &to}, store.Version{})
	}
	_, err := rename("BOB")
	requireFault(t, err, fault.Conflict, inUse)

	q, err := rename("Alice") // the same claim
	require.NoError(t, err)
	require.Equal(t, "Alice", q.Username)
	r := registration("alice")
	r.Email = "other@example.com"
	_, err = f.Create(t.Context(), r)
	requireFault(t, err, fault.Conflict, exists)

	_, err = rename("carol")
	require.NoError(t, err)
	_, err = f.Create(t.Context(), r) // free
	require.NoError(t, err)
	_, err = rename("alice") // and taken
	requireFault(t, err, fault.Conflict, inUse)
	logIn(t, f.Service, "carol")
}

// A name that is taken between looking and writing is a conflict as well, and nothing is changed.
func TestRenameRacing(t *testing.T) {
	f, hooked, s := withFaults(t)
	p := create(t, f.Service, "alice")
	hooked.before = func(call int, _ store.Key) {
		if call == 4 { // the Apply, after the reads of the profile and two claims
			create(t, f.Service, "bob")
		}
	}
	to, secret := "bob", "another password"
	_, err := s.Update(t.Context(), p.ID, profile.Changes{Username: &to, Password: &secret}, store.Version{})
	requireFault(t, err, fault.Conflict, inUse)
	require.Equal(t, 4, hooked.calls)
	logIn(t, f.Service, "alice")
}

// Many rename to the same few names, each time one has each; no name is lost and none is held by two.
func TestRenameRace(t *testing.T) {
	f := newFixture(t)
	const n = 12
	names := []string{"red", "green", "blue"}
	var ps [n]profile.Profile
	for i := range ps {
		ps[i] = create(t, f.Service, fmt.Sprintf("user%d", i))
	}
	var wg sync.WaitGroup
	ctx := context.WithoutCancel(t.Context())
	for i := range ps {
		wg.Go(func() {
			for round := range 30 {
				name := names[(i+round)%len(names)]
				if round%2 == 1 {
					name = fmt.Sprintf("user%d", i)
				}
				_, err := f.Update(ctx, ps[i].ID, profile.Changes{Username: &name}, store.Version{})
				if err != nil {
					assert.ErrorIs(t, err, fault.ErrConflict)
				}
			}
		})
	}
	wg.Wait()
	held := map[string]bool{}
	for i := range ps {
		p, err := f.Get(ctx, ps[i].ID)
		require.NoError(t, err)
		require.False(t, held[p.Username], p.Username)
		held[p.Username] = true
		require.Equal(t, p.ID, logIn(t, f.Service, p.Username).ProfileID)
	}
	for _, name := range names {
		if !held[name] {
			r := registration(name)
			_, err := f.Create(ctx, r)
			require.NoError(t, err, "a name nobody has is free")
		}
	}
}

// The same rename twice at once is one rename.
func TestRenameTwice(t *testing.T) {
	f, hooked, s := withFaults(t)
	p := create(t, f.Service, "alice")
	to := "bob"
	hooked.before = func(call int, _ store.Key) {
		if call == 2 { // after the profile was read
			_, err := f.Update(t.Context(), p.ID, profile.Changes{Username: &to}, store.Version{})
			require.NoError(t, err)
		}
	}
	q, err := s.Update(t.Context(), p.ID, profile.Changes{Username: &to}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, "bob", q.Username)
}

// losing is a store that loses the answer to its first Apply of several writes, with something done before the next one.
type losing struct {
	store.Store
	between func()
}

func (l *losing) Apply(ctx context.Context, writes ...store.Write) error {
	if err := l.Store.Apply(ctx, writes...); err != nil || len(writes) == 1 || l.between == nil {
		return err
	}
	l.between()
	l.between = nil
	return store.ErrUnavailable
}

// A rename that is repeated takes the old name from nobody who has it by then.
func TestRenameRepeated(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	var other profile.Profile
	s, err := profile.NewService(&losing{f.store, func() {
		r := registration("alice")
		r.Email = "other@example.com"
		var err error
		other, err = f.Create(t.Context(), r)
		require.NoError(t, err)
	}}, profile.Options{Now: f.clock.Now, Hash: cheap})
	require.NoError(t, err)
	to := "bob"
	q, err := s.Update(t.Context(), p.ID, profile.Changes{Username: &to}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, "bob", q.Username)
	require.Equal(t, p.ID, logIn(t, f.Service, "bob").ProfileID)
	require.Equal(t, other.ID, logIn(t, f.Service, "alice").ProfileID)
}

// Concurrent changes of different fields all take effect.
func TestUpdateLosesNothing(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	values := []string{"carol", "Carol", "Smith", "+442079460958"}
	changes := []profile.Changes{{Username: &values[0]}, {FirstName: &values[1]}, {LastName: &values[2]}, {PhoneNumber: &values[3]}}
	var wg sync.WaitGroup
	ctx := context.WithoutCancel(t.Context())
	for _, c := range changes {
		for range 8 {
			wg.Go(func() {
				_, err := f.Update(ctx, p.ID, c, store.Version{})
				assert.NoError(t, err)
			})
		}
	}
	wg.Wait()
	q, err := f.Get(ctx, p.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"carol", "Carol", "Smith", "+442079460958"}, []string{q.Username, q.FirstName, q.LastName, q.PhoneNumber})
}

// Of many who change the same version one wins.
func TestUpdateIfMatchRace(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	var (
		wg   sync.WaitGroup
		errs [50]error
	)
	ctx := context.WithoutCancel(t.Context())
	for i := range errs {
		wg.Go(func() {
			name := fmt.Sprintf("Ann %d", i)
			_, errs[i] = f.Update(ctx, p.ID, profile.Changes{FirstName: &name}, p.Version)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, fault.ErrStale)
	}
	require.Equal(t, 1, won)
}

// Logins and changes of the password at once: what was opened with an old password is closed in the end.
func TestPasswordChangeRace(t *testing.T) {
	for range 20 {
		f := newFixture(t, func(o *profile.Options) { o.HashConcurrency = 4 })
		p := create(t, f.Service, "alice")
		var (
			wg       sync.WaitGroup
			sessions [8]profile.Session
		)
		ctx := context.WithoutCancel(t.Context())
		for i := range sessions {
			wg.Go(func() {
				sessions[i], _ = f.Login(ctx, profile.Credentials{Username: "alice", Password: password})
			})
		}
		secret := "another password"
		wg.Go(func() {
			_, err := f.Update(ctx, p.ID, profile.Changes{Password: &secret}, store.Version{})
			assert.NoError(t, err)
		})
		wg.Wait()
		for _, x := range sessions {
			_, err := f.Authenticate(ctx, x.Token)
			requireFault(t, err, fault.Unauthorized, unauthorized)
		}
		live, err := f.Sessions(ctx, p.ID)
		require.NoError(t, err)
		require.Empty(t, live)
	}
}

func TestDamagedProfile(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	key := store.Key{Table: store.Users, Partition: p.ID, Sort: "profile"}
	require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{"username":7}`)}, store.None)))
	name := "bob"
	for operation, err := range map[string]error{
		"Get":      second(f.Get(t.Context(), p.ID)),
		"Update":   second(f.Update(t.Context(), p.ID, profile.Changes{Username: &name}, store.Version{})),
		"Delete":   f.Delete(t.Context(), p.ID, true, store.Version{}),
		"Identity": func() error { _, _, err := f.Identity(t.Context(), p.ID); return err }(),
	} {
		require.Error(t, err, operation)
		require.Equal(t, fault.None, fault.KindOf(err), operation)
	}
}

// Sign-ups that are bound to fail do not cost a hash, even where the name was taken while they waited.
func TestTakenCostsNoHash(t *testing.T) {
	events := &recorder{}
	f := newFixture(t, func(o *profile.Options) { o.Observer, o.HashConcurrency = events, 2 })
	var wg sync.WaitGroup
	ctx := context.WithoutCancel(t.Context())
	for range 100 {
		wg.Go(func() { _, _ = f.Create(ctx, registration("alice")) })
	}
	wg.Wait()
	_, err := f.Create(ctx, registration("alice"))
	requireFault(t, err, fault.Conflict, exists)
	require.Less(t, len(events.take()), 20)
}
