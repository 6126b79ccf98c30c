package profile_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

const badKey = "Invalid API key"

func TestAPIKeys(t *testing.T) {
	f := newFixture(t)
	alice, bob := create(t, f.Service, "alice"), create(t, f.Service, "bob")
	page, next, err := f.APIKeys(t.Context(), alice.ID, 100, "")
	require.NoError(t, err)
	require.Empty(t, page)
	require.Empty(t, next)

	k, secret, err := f.CreateAPIKey(t.Context(), alice.ID)
	require.NoError(t, err)
	require.Equal(t, uuid.Version(4), k.ID.Version())
	require.Equal(t, f.clock.Now(), k.CreatedAt)
	parsed, err := uuid.Parse(secret)
	require.NoError(t, err)
	require.Equal(t, uuid.Version(4), parsed.Version())
	require.NotEqual(t, k.ID, parsed)

	require.NoError(t, f.CheckAPIKey(t.Context(), alice.ID, secret))
	require.NoError(t, f.CheckAPIKey(t.Context(), alice.ID, strings.ToUpper(secret)))
	for _, wrong := range []string{
		"", "x", k.ID.String(), uuid.NewString(), "{" + secret + "}", "urn:uuid:" + secret, strings.ReplaceAll(secret, "-", ""),
		secret[:35], secret + "0", strings.Repeat("z", 36),
	} {
		requireFault(t, f.CheckAPIKey(t.Context(), alice.ID, wrong), fault.Forbidden, badKey)
	}
	requireFault(t, f.CheckAPIKey(t.Context(), bob.ID, secret), fault.Forbidden, badKey)
	requireFault(t, f.CheckAPIKey(t.Context(), uuid.New(), secret), fault.Forbidden, badKey)

	for item, err := range store.All(t.Context(), f.store, store.Query{Table: store.Users, Partition: alice.ID}) {
		require.NoError(t, err)
		require.NotContains(t, string(item.Body)+item.Key.Sort, secret, "kept only hashed")
	}

	requireFault(t, f.DeleteAPIKey(t.Context(), bob.ID, k.ID), fault.NotFound, "API key with the specified ID does not exist")
	require.NoError(t, f.DeleteAPIKey(t.Context(), alice.ID, k.ID))
	requireFault(t, f.CheckAPIKey(t.Context(), alice.ID, secret), fault.Forbidden, badKey)
	requireFault(t, f.DeleteAPIKey(t.Context(), alice.ID, k.ID), fault.NotFound, "API key with the specified ID does not exist")
}

func TestAPIKeysOfNobody(t *testing.T) {
	f := newFixture(t)
	id := uuid.New()
	_, _, err := f.CreateAPIKey(t.Context(), id)
	requireFault(t, err, fault.NotFound, noProfile)
	_, _, err = f.APIKeys(t.Context(), id, 10, "")
	requireFault(t, err, fault.NotFound, noProfile)
	require.Empty(t, contents(t, f.store, id))
}

func TestAPIKeyPages(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	var all []profile.APIKey
	for range 7 {
		k, _, err := f.CreateAPIKey(t.Context(), p.ID) // all at the same time: the order is that of creation nonetheless
		require.NoError(t, err)
		all = append(all, k)
	}
	list := func(limit int, between func()) []profile.APIKey {
		var got []profile.APIKey
		for token := ""; ; {
			page, next, err := f.APIKeys(t.Context(), p.ID, limit, token)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page), limit)
			got = append(got, page...)
			if next == "" {
				return got
			}
			require.Len(t, page, limit)
			token = next
			between()
		}
	}
	for limit := 1; limit <= 8; limit++ {
		require.Equal(t, all, list(limit, func() {}))
	}
	// Under change nothing is repeated and nothing missed that was there throughout.
	first := true
	got := list(3, func() {
		if first {
			require.NoError(t, f.DeleteAPIKey(t.Context(), p.ID, all[2].ID)) // the last one seen
			require.NoError(t, f.DeleteAPIKey(t.Context(), p.ID, all[3].ID)) // the next one
			first = false
		}
	})
	require.Equal(t, append(append([]profile.APIKey{}, all[:3]...), all[4:]...), got)

	for _, limit := range []int{0, -1, 101} {
		_, _, err := f.APIKeys(t.Context(), p.ID, limit, "%")
		requireFields(t, err, map[string]string{"limit": "Limit must be between 1 and 100", "pageToken": "Page token is not valid"})
	}
	for _, token := range []string{"!", "eA", "LTE", "MTg0NDY3NDQwNzM3MDk1NTE2MTY"} { // no base64, "x", "-1", 2^64
		_, _, err := f.APIKeys(t.Context(), p.ID, 10, token)
		requireFields(t, err, map[string]string{"pageToken": "Page token is not valid"})
	}
}

func TestAPIKeyLimit(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	const n = profile.MaxAPIKeys + 20
	var (
		wg   sync.WaitGroup
		errs [n]error
	)
	ctx := context.WithoutCancel(t.Context())
	for i := range n {
		wg.Go(func() {
			for {
				if _, _, errs[i] = f.CreateAPIKey(ctx, p.ID); fault.KindOf(errs[i]) != fault.Unavailable {
					return
				}
			}
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		requireFault(t, err, fault.Conflict, "A profile can have at most 100 API keys; delete one first")
	}
	require.Equal(t, profile.MaxAPIKeys, made)
	page, next, err := f.APIKeys(t.Context(), p.ID, 100, "")
	require.NoError(t, err)
	require.Len(t, page, made)
	require.Empty(t, next)
}

func TestAPIKeysDamaged(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	key := store.Key{Table: store.Users, Partition: p.ID, Sort: "api-keys"}
	require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{"keys":7}`)}, store.None)))
	_, _, err := f.CreateAPIKey(t.Context(), p.ID)
	require.Error(t, err)
	_, _, err = f.APIKeys(t.Context(), p.ID, 10, "")
	require.Error(t, err)
	require.Equal(t, fault.None, fault.KindOf(err))
}

func TestIdentity(t *testing.T) {
	f := newFixture(t)
	one := profile.Identity{Issuer: "https://issuer.example", Subject: "1"}
	_, err := f.Bound(t.Context(), one)
	requireFault(t, err, fault.NotFound, "The external identity has no profile")
	r := registration("alice")
	r.Password, r.Identity = "", &one
	p, err := f.Create(t.Context(), r)
	require.NoError(t, err)
	id, err := f.Bound(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, p.ID, id)
	got, bound, err := f.Identity(t.Context(), p.ID)
	require.NoError(t, err)
	require.True(t, bound)
	require.Equal(t, one, got)

	for _, other := range []profile.Identity{
		{Issuer: "https://issuer.example", Subject: "2"},
		{Issuer: "https://issuer.example1", Subject: ""},
		{Issuer: "https://issuer.exampl", Subject: "e1"},
		{},
	} {
		_, err := f.Bound(t.Context(), other)
		requireFault(t, err, fault.NotFound, "The external identity has no profile")
	}

	r = registration("bob")
	r.Identity = &one
	_, err = f.Create(t.Context(), r)
	requireFault(t, err, fault.Conflict, "The external identity already has a profile")
	bob := create(t, f.Service, "bob")
	_, bound, err = f.Identity(t.Context(), bob.ID)
	require.NoError(t, err)
	require.False(t, bound)

	// A password can be set later, and then it logs in.
	_, err = f.Login(t.Context(), profile.Credentials{Username: "alice", Password: password})
	requireFault(t, err, fault.Unauthorized, badLogin)
	secret := password
	_, err = f.Update(t.Context(), p.ID, profile.Changes{Password: &secret}, store.Version{})
	require.NoError(t, err)
	logIn(t, f.Service, "alice")

	require.NoError(t, f.Delete(t.Context(), p.ID, false, store.Version{}))
	_, err = f.Bound(t.Context(), one)
	requireFault(t, err, fault.NotFound, "The external identity has no profile")
	r = registration("alice")
	r.Identity = &one
	_, err = f.Create(t.Context(), r)
	require.NoError(t, err)
}

func TestIdentityRace(t *testing.T) {
	f := newFixture(t)
	const n = 100
	var (
		wg   sync.WaitGroup
		errs [n]error
	)
	ctx := context.WithoutCancel(t.Context())
	for i := range n {
		wg.Go(func() {
			r := registration("user" + strings.Repeat("x", i%20) + string(rune('a'+i/20)))
			r.Password, r.Identity = "", &profile.Identity{Issuer: "i", Subject: "s"}
			_, errs[i] = f.Create(ctx, r)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		requireFault(t, err, fault.Conflict, "The external identity already has a profile")
	}
	require.Equal(t, 1, won)
}

func TestCreatedAtIsWhole(t *testing.T) {
	f := newFixture(t)
	f.clock.Advance(1234567 * time.Nanosecond)
	p := create(t, f.Service, "alice")
	require.Equal(t, time.Millisecond, p.CreatedAt.Sub(newClock().Now()))
}
