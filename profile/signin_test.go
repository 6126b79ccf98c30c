package profile_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

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
