package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
)

// Principal is who a token speaks for. An [Authenticator] sets ProfileID or Identity.
type Principal struct {
	// ProfileID is whose token it is; zero where only Identity is known, whose profile the Handler then looks up.
	ProfileID uuid.UUID
	// Identity is the subject of an external issuer. One that has no profile yet can do nothing but sign up.
	Identity *profile.Identity
	// Session is that of one of RhythmIQ's own tokens, so that it can be ended; nil for all others.
	Session *profile.Session
	// Scopes are what the token is good for, of [Scopes]; nil: everything.
	Scopes []string
}

// The scopes. Reading is every GET and HEAD, writing is all else.
const (
	ScopeRead  = "rhythmiq:read"
	ScopeWrite = "rhythmiq:write"
)

// Scopes lists all of them.
func Scopes() []string { return []string{ScopeRead, ScopeWrite} }

// Authenticator says whose a bearer token is. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns who token speaks for. An error that matches rhythmiq.ErrUnauthorized says that the token is
	// not valid here, and the next Authenticator is asked; one that matches rhythmiq.ErrUnavailable says that this cannot be told at present.
	Authenticate(ctx context.Context, token string) (Principal, error)
}

// AuthenticatorFunc makes an Authenticator of a function.
type AuthenticatorFunc func(ctx context.Context, token string) (Principal, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, token string) (Principal, error) {
	return f(ctx, token)
}

// OwnTokens knows the tokens of sessions that app opened.
func OwnTokens(app *rhythmiq.App) Authenticator {
	return AuthenticatorFunc(func(ctx context.Context, token string) (Principal, error) {
		s, err := app.Profiles.Authenticate(ctx, token)
		if err != nil {
			return Principal{}, err
		}
		return Principal{ProfileID: s.ProfileID, Session: &s}, nil
	})
}

var errUnauthorized = fault.New(fault.Unauthorized, "Unauthorized access. Please provide a valid token.")

// authenticate asks the authenticators in their order. One that cannot tell at present does not keep a later one from
// knowing the token; if none does, the answer is that it cannot be told.
func (h *Handler) authenticate(ctx context.Context, token string) (Principal, error) {
	var failed error
	for _, a := range h.o.Authenticators {
		p, err := a.Authenticate(ctx, token)
		switch {
		case err == nil:
			return h.bound(ctx, p)
		case !errors.Is(err, fault.ErrUnauthorized) && failed == nil:
			failed = err
		}
	}
	if failed != nil {
		return Principal{}, failed
	}
	return Principal{}, errUnauthorized
}

// bound fills in the profile of an external identity, where it has one.
func (h *Handler) bound(ctx context.Context, p Principal) (Principal, error) {
	if p.ProfileID != uuid.Nil || p.Identity == nil {
		return p, nil
	}
	id, err := h.app.Profiles.Bound(ctx, *p.Identity)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return Principal{}, err
	}
	p.ProfileID = id
	return p, nil
}

// bearer returns the token of a request, and whether it has an Authorization header at all.
func bearer(r *http.Request) (token string, given bool) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimLeft(token, " "), true
}

// identify finds out who is calling, and charges the call to them. What is charged is always what was proven: a
// caller without a valid token is charged to their address, never to the profile or key that they name, so that
// nobody can use up another's budget.
func (h *Handler) identify(c *call) error {
	if c.route.auth != required && c.route.auth != signUp {
		return h.chargeAddress(c)
	}
	token, given := bearer(c.r)
	var err error
	switch {
	case !given && c.route.auth == required:
		err = errUnauthorized
	case token != "":
		c.who, err = h.authenticate(c.ctx, token)
	case given:
		err = errUnauthorized
	}
	if err != nil || c.route.auth != required {
		if limited := h.chargeAddress(c); limited != nil {
			return limited
		}
		return err
	}
	keyed, err := h.checkKey(c)
	if limited := h.charge(c, keyed); limited != nil {
		return limited
	}
	if err != nil {
		return err
	}
	return c.checkScope()
}

var errAPIKey = fault.New(fault.Forbidden, "Invalid API key")

// checkKey returns the API key of a call where it has a valid one.
func (h *Handler) checkKey(c *call) (key string, err error) {
	values := c.r.Header["X-Api-Key"]
	switch {
	case len(values) == 0 && h.o.RequireAPIKey && !c.route.keyless:
		return "", errAPIKey
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || c.who.ProfileID == uuid.Nil:
		return "", errAPIKey
	}
	if err := h.app.Profiles.CheckAPIKey(c.ctx, c.who.ProfileID, values[0]); err != nil {
		return "", err
	}
	return values[0], nil
}

func (c *call) checkScope() error {
	if c.who.Scopes == nil || slices.Contains(c.who.Scopes, c.route.scope) {
		return nil
	}
	c.challenge = `Bearer error="insufficient_scope", scope="` + c.route.scope + `"`
	return fault.New(fault.Forbidden, "The token lacks the scope %s", c.route.scope)
}

var errForbidden = fault.New(fault.Forbidden, "You may only access your own profile")

// checkRight holds a call against whose resource it names.
func (c *call) checkRight() error {
	if c.route.profile && c.who.ProfileID != c.profileID {
		return errForbidden
	}
	return nil
}
