package spotify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Tokens gives what a request in a listener's name needs. [Links] is the one that is used; tests have their own.
//
// Its errors match [ErrNotLinked], [ErrReauthRequired] or [ErrConfiguration]; any other that is of the kind rhythmiq.ErrUnavailable is transient: later
// it may be well. None of them holds a token.
type Tokens interface {
	// Token returns an access token of the listener's account that is good for a minute or more. It refreshes one that is not.
	Token(ctx context.Context, profileID uuid.UUID) (string, error)
	// Renew is Token after Spotify has answered 401 to refused, an access token of Token's: it refreshes, unless that has been done since.
	Renew(ctx context.Context, profileID uuid.UUID, refused string) (string, error)
	// Scopes returns what the listener has granted, in alphabetical order.
	Scopes(ctx context.Context, profileID uuid.UUID) ([]string, error)
}

// Why there is no access token.
var (
	// ErrNotLinked: the listener has linked no account.
	ErrNotLinked error = fault.New(fault.Conflict, "No Spotify account is linked to this profile. Link one first.")
	// ErrReauthRequired: Spotify no longer takes what the listener has authorized, which only they can do anew. It is final, unless it matches [ErrUnsealable] too:
	// then the tokens are there, and their key is not.
	ErrReauthRequired error = fault.New(fault.Conflict, "Spotify must be authorized again: link the account once more.")
	// ErrConfiguration: Spotify does not take the client's id, secret or redirect URI, which is the host's to put right. No link is lost by it.
	ErrConfiguration = errors.New("spotify: the client is not configured as it is registered")
)

// The scopes that RhythmIQ has a use for, as Spotify calls them.
const (
	ScopeReadPlaylists  = "playlist-read-private"
	ScopeReadLibrary    = "user-library-read"
	ScopeReadTop        = "user-top-read"
	ScopeReadRecent     = "user-read-recently-played" // only when asked for
	ScopeModifyPrivate  = "playlist-modify-private"   // only when a listener exports vectors
	ScopeModifyPublic   = "playlist-modify-public"    // only when asked for
	ScopeReadSubscriber = "user-read-private"         // the listener's market; only when asked for
	ScopeReadPlaceInPod = "user-read-playback-position"
)

// DefaultScopes are asked for whenever an account is linked.
func DefaultScopes() []string { return []string{ScopeReadPlaylists, ScopeReadLibrary, ScopeReadTop} }

// Scopes lists all that a listener may be asked for, in alphabetical order.
func Scopes() []string {
	all := append(DefaultScopes(), ScopeReadRecent, ScopeModifyPrivate, ScopeModifyPublic, ScopeReadSubscriber, ScopeReadPlaceInPod)
	slices.Sort(all)
	return all
}

// ScopeError says which scopes something needs that the listener has not granted. It is of the kind rhythmiq.ErrForbidden.
type ScopeError struct {
	Missing []string // in alphabetical order
}

// Error says how to grant them.
func (e *ScopeError) Error() string { return e.fault().Message }

// Unwrap returns the error as the API tells it.
func (e *ScopeError) Unwrap() error { return e.fault() }

func (e *ScopeError) fault() *fault.Error {
	list := `"` + strings.Join(e.Missing, `", "`) + `"`
	return fault.New(fault.Forbidden, `Spotify access is missing: %s. Grant it by linking the account once more, with {"scopes": [%s]}.`,
		strings.Join(e.Missing, ", "), list)
}

// Require returns a [*ScopeError] that names those of needed which the listener has not granted, and nil where none is missing.
func Require(ctx context.Context, t Tokens, profileID uuid.UUID, needed ...string) error {
	granted, err := t.Scopes(ctx, profileID)
	if err != nil {
		return err
	}
	var missing []string
	for _, scope := range needed {
		if !slices.Contains(granted, scope) && !slices.Contains(missing, scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return &ScopeError{Missing: missing}
}
