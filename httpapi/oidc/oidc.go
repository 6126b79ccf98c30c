// Package oidc lets listeners in with tokens of an OpenID Connect provider: it is an
// [httpapi.Authenticator] for one issuer. Which profile a subject has, or that it has none yet, is
// not its business.
//
//	google, err := oidc.New(oidc.Options{Issuer: "https://accounts.google.com", Audience: "my-client"})
//	…
//	api, err := httpapi.New(app, httpapi.Options{
//		Authenticators: []httpapi.Authenticator{httpapi.OwnTokens(app), google},
//	})
package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
)

// Options say which tokens are taken. Issuer and Audience are required.
type Options struct {
	// Issuer is the provider's URL: the "iss" of its tokens, and where its configuration is found.
	Issuer string
	// Audience is what "aud" must hold: the client that the tokens are for.
	Audience string
	// KeysURL is where the provider's keys are found; "": where its configuration says.
	KeysURL string
	// EnforceScopes holds callers to the scopes that their token lists ("scope" or "scp"; see [httpapi.Scopes]). Else a token is good for everything.
	EnforceScopes bool
	// Client fetches configuration and keys; nil: one that gives up after 10 s.
	Client *http.Client
	// Refresh is how long to wait at least between two looks for new keys, so that tokens naming unknown ones do not flood the
	// provider. 0: 10 s.
	Refresh time.Duration
	Now     func() time.Time // nil: time.Now
}

// Algorithms are the signatures taken: nothing symmetric, and never "none".
func Algorithms() []string { return []string{oidc.RS256, oidc.ES256, oidc.EdDSA} }

// Authenticator knows the tokens of one issuer. It holds no goroutine, and first speaks to the provider when it is first asked.
type Authenticator struct {
	o        Options
	verifier *oidc.IDTokenVerifier
}

var _ httpapi.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. Options with mistakes are refused with all of them named.
func New(o Options) (*Authenticator, error) {
	var f fault.Fields
	if !isURL(o.Issuer) {
		f.Add("Issuer", "must be an http or https URL")
	}
	if o.Audience == "" {
		f.Add("Audience", "is required")
	}
	if o.KeysURL != "" && !isURL(o.KeysURL) {
		f.Add("KeysURL", "must be an http or https URL")
	}
	if o.Refresh < 0 {
		f.Add("Refresh", "must not be negative")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Refresh == 0 {
		o.Refresh = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Authenticator{o, oidc.NewVerifier(o.Issuer, newKeySet(o), &oidc.Config{
		ClientID: o.Audience, SupportedSigningAlgs: Algorithms(), Now: o.Now,
	})}, nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// Authenticate verifies signature, issuer, audience and times of a token, and returns its subject.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (httpapi.Principal, error) {
	if !a.mine(token) {
		return httpapi.Principal{}, invalid(nil)
	}
	var unreachable error // the verifier does not wrap what its key set says
	t, err := a.verifier.Verify(context.WithValue(ctx, outcome{}, &unreachable), token)
	if unreachable != nil {
		return httpapi.Principal{}, fault.Wrap(unreachable, fault.Unavailable, "The identity provider cannot be reached")
	}
	if err != nil {
		return httpapi.Principal{}, invalid(err)
	}
	p := httpapi.Principal{Identity: &profile.Identity{Issuer: t.Issuer, Subject: t.Subject}}
	if t.Subject == "" {
		return httpapi.Principal{}, invalid(errors.New("no subject"))
	}
	if a.o.EnforceScopes {
		if p.Scopes, err = scopes(t); err != nil {
			return httpapi.Principal{}, invalid(err)
		}
	}
	return p, nil
}

func invalid(cause error) error {
	return fault.Wrap(cause, fault.Unauthorized, "The token is not valid")
}

// mine looks, before anything is verified or fetched, whether a token says that it is of the issuer.
func (a *Authenticator) mine(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	return json.Unmarshal(payload, &claims) == nil && claims.Issuer == a.o.Issuer
}

// scopes returns those of a token's that mean something here, never nil.
func scopes(t *oidc.IDToken) ([]string, error) {
	var claims struct {
		Scope string `json:"scope"` // RFC 8693, 4.2: separated by spaces
		SCP   any    `json:"scp"`   // as some providers have it: a list, or the same string
	}
	if err := t.Claims(&claims); err != nil {
		return nil, err
	}
	given := strings.Fields(claims.Scope)
	switch scp := claims.SCP.(type) {
	case string:
		given = append(given, strings.Fields(scp)...)
	case []any:
		for _, s := range scp {
			if s, ok := s.(string); ok {
				given = append(given, s)
			}
		}
	}
	known := []string{}
	for _, s := range given {
		if slices.Contains(httpapi.Scopes(), s) {
			known = append(known, s)
		}
	}
	return known, nil
}
