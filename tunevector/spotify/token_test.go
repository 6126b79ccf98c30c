package spotify_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

func TestMain(m *testing.M) {
	if step := os.Getenv(killStep); step != "" {
		if err := victim(step); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dynamotest.Main(m)
}

// granted is an account with scopes.
type granted struct {
	spotify.Tokens
	scopes []string
	err    error
}

func (g granted) Scopes(context.Context, uuid.UUID) ([]string, error) { return g.scopes, g.err }

func TestRequire(t *testing.T) {
	g := granted{scopes: spotify.DefaultScopes()}
	require.NoError(t, spotify.Require(t.Context(), g, uuid.New(), spotify.ScopeReadTop))
	err := spotify.Require(t.Context(), g, uuid.New(), spotify.ScopeReadTop, spotify.ScopeReadRecent, spotify.ScopeModifyPrivate, spotify.ScopeReadRecent)
	require.ErrorIs(t, err, rhythmiq.ErrForbidden)
	var missing *spotify.ScopeError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []string{spotify.ScopeModifyPrivate, spotify.ScopeReadRecent}, missing.Missing)
	require.EqualError(t, err, `Spotify access is missing: playlist-modify-private, user-read-recently-played. `+
		`Grant it by linking the account once more, with {"scopes": ["playlist-modify-private", "user-read-recently-played"]}.`)
	require.ErrorIs(t, spotify.Require(t.Context(), granted{err: spotify.ErrNotLinked}, uuid.New(), "x"), spotify.ErrNotLinked)
	require.NotErrorIs(t, spotify.ErrNotLinked, spotify.ErrReauthRequired)
	require.ErrorIs(t, spotify.ErrNotLinked, rhythmiq.ErrConflict)
	require.Subset(t, spotify.Scopes(), spotify.DefaultScopes())
}

func TestKey(t *testing.T) {
	id := uuid.New()
	require.Equal(t, "users/"+hex(id)+"/spotify#link", spotify.Key(id, "link").String())
}

func hex(id uuid.UUID) string {
	s := id.String()
	return s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
}
