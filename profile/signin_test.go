package profile_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// What lets a listener in is told apart, and a first password is set as any other is.
func TestWaysIn(t *testing.T) {
	f := newFixture(t)
	ways := func(id uuid.UUID) profile.Ways {
		got, err := profile.WaysIn(t.Context(), f.store, id)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, profile.Ways{Password: true}, ways(create(t, f.Service, "alice").ID))
	eve := profile.Identity{Issuer: "https://id.example.com", Subject: "eve"}
	bound := registration("eve")
	bound.Password, bound.Identity = "", &eve
	p, err := f.Create(t.Context(), bound)
	require.NoError(t, err)
	require.Equal(t, profile.Ways{Identity: &eve}, ways(p.ID))

	bob := registration("bob")
	bob.Password = ""
	_, err = f.Create(t.Context(), bob)
	require.Error(t, err)
	bob.Passwordless = true
	p, err = f.Create(t.Context(), bob)
	require.NoError(t, err)
	require.Equal(t, profile.Ways{}, ways(p.ID))
	for _, guess := range []string{"", password} {
		_, err = f.Login(t.Context(), profile.Credentials{Username: "bob", Password: guess})
		require.Error(t, err)
	}
	x, err := f.SignIn(t.Context(), p.ID)
	require.NoError(t, err)
	first := password
	_, err = f.Update(t.Context(), p.ID, profile.Changes{Password: &first}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, profile.Ways{Password: true}, ways(p.ID))
	logIn(t, f.Service, "bob")
	_, err = f.Authenticate(t.Context(), x.Token)
	require.Error(t, err, "as with any new password")

	_, err = profile.WaysIn(t.Context(), f.store, uuid.New())
	require.ErrorIs(t, err, profile.ErrNotFound)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = profile.WaysIn(ended, f.store, p.ID)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSignInWithoutAPassword(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x, err := f.SignIn(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p.ID, x.ProfileID)
	require.Equal(t, time.Hour, x.ExpiresAt.Sub(x.CreatedAt))
	got, err := f.Authenticate(t.Context(), x.Token)
	require.NoError(t, err)
	require.Equal(t, x.ID, got.ID)
	logIn(t, f.Service, "alice") // the password is as it was

	_, err = f.SignIn(t.Context(), uuid.New())
	require.ErrorIs(t, err, profile.ErrNotFound)
	require.NoError(t, f.Delete(t.Context(), p.ID, true, store.Version{}))
	_, err = f.SignIn(t.Context(), p.ID)
	require.ErrorIs(t, err, profile.ErrNotFound)
	_, err = f.Authenticate(t.Context(), x.Token)
	require.Error(t, err)
}
