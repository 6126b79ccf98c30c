package spotify

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/store"
)

// flowTime is how long a browser may be away.
const flowTime = 10 * time.Minute

// secretBytes is 256 bits; RFC 6749, 10.10 asks for 128 at least of a state.
const secretBytes = 32

// flow is what was begun: a link to a profile, or a sign-in. It is kept under a hash of the state, sealed, so that whoever reads the store can
// neither end it nor see whose it is.
type flow struct {
	ProfileID uuid.UUID `json:"profileId"` // zero: a sign-in
	Verifier  string    `json:"verifier"`  // of PKCE (RFC 7636)
	Cookie    []byte    `json:"cookie"`    // SHA-256 of what the browser that began must bring back
	Scopes    []string  `json:"scopes"`    // that are asked for
	Until     time.Time `json:"until"`
}

// savedFlow is an item's body.
type savedFlow struct {
	Sealed []byte `json:"sealed"`
	Used   bool   `json:"used,omitempty"`
}

func flowKey(state string) store.Key { return hashed("spotify-state", state, "flow") }

// text makes random bytes fit into URLs and cookies.
func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// begin notes that a browser is sent away.
func (l *Links) begin(ctx context.Context, profileID uuid.UUID, scopes []string, dialog bool) (linking.Begun, error) {
	if d, err := l.app.check(opMe, flowTime); err != nil && d > flowTime {
		return linking.Begun{}, err // it could not be ended in time
	}
	state, secret := text(newSecret()), text(newSecret())
	sum := sha256.Sum256([]byte(secret))
	until := l.o.Now().Add(flowTime).UTC().Truncate(time.Second)
	f := flow{ProfileID: profileID, Verifier: oauth2.GenerateVerifier(), Cookie: sum[:], Scopes: scopes, Until: until}
	key := flowKey(state)
	sealed, err := l.seal(ctx, key, f)
	if err != nil {
		return linking.Begun{}, err
	}
	w := put(key, savedFlow{Sealed: sealed}, store.Absent)
	w.ExpiresAt = until
	if err := store.Settle(ctx, l.store, w); err != nil {
		return linking.Begun{}, err
	}
	return linking.Begun{
		AuthorizeURL: l.accounts.authorizeURL(state, f.Verifier, scopes, dialog), ExpiresAt: until,
		Cookie: linking.Cookie{Name: l.cookieName(state), Value: secret, Secure: l.secure, MaxAge: flowTime},
	}, nil
}

// cookieName is one of its own for each flow, so that two tabs do not take each other's.
func (l *Links) cookieName(state string) string {
	sum := sha256.Sum256([]byte("cookie " + state))
	return l.cookie + hex.EncodeToString(sum[:8])
}

// The answers to a browser that comes back with something else than what it was sent away for.
var (
	errNoState = &fault.Error{
		Kind: fault.Invalid, Message: fault.ValidationFailed,
		Fields: map[string]string{"state": "Is unknown or has expired. Please begin again."},
	}
	errStateUsed    = fault.New(fault.Conflict, "This authorization was used already. Please begin again.")
	errBrowser      = fault.New(fault.Forbidden, "This is not the browser in which the link was begun. Please begin again.")
	errOtherProfile = fault.New(fault.Forbidden, "This authorization was begun for another profile")
	errNoCode       = &fault.Error{
		Kind: fault.Invalid, Message: fault.ValidationFailed, Fields: map[string]string{"code": "Is required"},
	}
)

// claim returns the flow that a browser comes back from, and makes sure that nobody does again. Whoever may not end it does not use it up either.
func (l *Links) claim(ctx context.Context, c linking.Callback) (flow, error) {
	if c.State == "" || len(c.State) > maxName {
		return flow{}, errNoState
	}
	var f flow
	key := flowKey(c.State)
	_, err := store.Update(ctx, l.store, key, func(old store.Item, found bool) ([]store.Write, error) {
		if !found {
			return nil, errNoState
		}
		var saved savedFlow
		if err := old.Decode(&saved); err != nil {
			return nil, err
		}
		if err := l.open(ctx, key, saved.Sealed, &f); err != nil {
			return nil, sealedAway(err, errNoState) // the key was dropped meanwhile
		}
		sum := sha256.Sum256([]byte(c.Cookies[l.cookieName(c.State)]))
		switch {
		case saved.Used: // before the cookie, which the browser that used it was told to forget
			return nil, errStateUsed
		case subtle.ConstantTimeCompare(sum[:], f.Cookie) != 1:
			return nil, errBrowser
		case c.ProfileID != uuid.Nil && f.ProfileID != uuid.Nil && c.ProfileID != f.ProfileID:
			return nil, errOtherProfile
		case !l.o.Now().Before(f.Until):
			return nil, errNoState
		}
		if c.Error == "" {
			// Nobody could be asked whose account it is: it can be tried again, by the same callback, once Spotify can be.
			if _, err := l.app.check(opMe, meTurn); err != nil {
				return nil, err
			}
		}
		w := put(key, savedFlow{Sealed: saved.Sealed, Used: true}, store.None) // store.Update sets the condition
		w.ExpiresAt = old.ExpiresAt
		return []store.Write{w}, nil
	})
	return f, err
}

// sealedAway returns instead for what cannot be opened.
func sealedAway(err, instead error) error {
	if errors.Is(err, ErrUnsealable) {
		return instead
	}
	return err
}

// refusal is what a browser that brings an error is told. Whatever it says of itself is not repeated unless it is of the few known words.
func refusal(code string) error {
	switch code {
	case "access_denied":
		return fault.New(fault.Forbidden, "Spotify was not linked, since access was denied")
	case "server_error", "temporarily_unavailable":
		return transient(code, 0)
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope":
		return errors.Join(ErrConfiguration, errors.New(code))
	default:
		return fault.New(fault.Conflict, "Spotify did not authorize it. Please begin again.")
	}
}
