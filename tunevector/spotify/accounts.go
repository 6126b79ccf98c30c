package spotify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// accounts asks Spotify's accounts service.
type accounts struct {
	config oauth2.Config
	client *http.Client
	now    func() time.Time
}

const (
	callTime     = 10 * time.Second // that one request takes at most
	leastTTL     = time.Minute      // of an access token; what is told less is taken for this
	mostTTL      = 24 * time.Hour
	usualTTL     = time.Hour // where nothing is told
	mostPatience = time.Hour // of a Retry-After, which can be a day
)

func newAccounts(o Options) *accounts {
	style := oauth2.AuthStyleInHeader
	if o.ClientSecret == "" {
		style = oauth2.AuthStyleInParams
	}
	// A redirect would carry codes and refresh tokens to wherever it says.
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &accounts{
		config: oauth2.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: o.AccountsURL + "/authorize", TokenURL: o.AccountsURL + "/api/token", AuthStyle: style},
		},
		client: &client, now: o.Now,
	}
}

// authorizeURL is where a browser is sent to. With the dialog Spotify asks also whoever has agreed before, and offers to go on as somebody else.
func (a *accounts) authorizeURL(state, verifier string, scopes []string, dialog bool) string {
	c := a.config
	c.Scopes = scopes
	o := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if dialog {
		o = append(o, oauth2.SetAuthURLParam("show_dialog", "true"))
	}
	return c.AuthCodeURL(state, o...)
}

// tokens are what a listener has authorized.
type tokens struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`

	expires time.Time
	scopes  []string // nil: as they were
}

// exchange makes tokens of a code.
func (a *accounts) exchange(ctx context.Context, code, verifier string) (tokens, error) {
	return a.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return a.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

// refresh makes new tokens of a refresh token, which stays as it is where no new one comes.
func (a *accounts) refresh(ctx context.Context, refresh string) (tokens, error) {
	return a.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	})
}

func (a *accounts) ask(ctx context.Context, f func(context.Context) (*oauth2.Token, error)) (tokens, error) {
	asked := a.now()
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	t, err := f(context.WithValue(ctx, oauth2.HTTPClient, a.client))
	if err != nil {
		return tokens{}, failure(err)
	}
	if t.RefreshToken == "" || t.AccessToken == "" {
		return tokens{}, transient("the answer has no token", 0)
	}
	got := tokens{Access: t.AccessToken, Refresh: t.RefreshToken, expires: asked.Add(lifetime(t.ExpiresIn))}
	if scope, ok := t.Extra("scope").(string); ok && scope != "" {
		got.scopes = sortedScopes(strings.Fields(scope))
	}
	return got, nil
}

// lifetime is how long an access token lives, by what is told of it.
func lifetime(seconds int64) time.Duration {
	if seconds <= 0 {
		return usualTTL
	}
	return min(max(time.Duration(min(seconds, int64(mostTTL/time.Second)))*time.Second, leastTTL), mostTTL)
}

// errGrant: what was authorized is not so any more, or the code is not good.
var errGrant = errors.New("spotify: invalid_grant")

// failure says of which kind a failure is: terminal (errGrant), the host's configuration ([ErrConfiguration]) or transient (of the kind unavailable). It keeps
// nothing of the answer but its error code and status: anything else might hold a token.
func failure(err error) error {
	var r *oauth2.RetrieveError
	switch {
	case !errors.As(err, &r):
		return transient(network(err), 0)
	case r.ErrorCode == "invalid_grant":
		return errGrant
	case r.Response != nil && r.Response.StatusCode == http.StatusTooManyRequests:
		return transient("status 429", patience(r.Response.Header))
	case isRefusal(r.ErrorCode):
		return fmt.Errorf("%w: %s", ErrConfiguration, r.ErrorCode)
	case r.Response != nil:
		return transient("status "+strconv.Itoa(r.Response.StatusCode), patience(r.Response.Header))
	default:
		return transient("no status", 0)
	}
}

// isRefusal reports whether an error code of RFC 6749, 5.2 says that the request, and so the host, is at fault.
func isRefusal(code string) bool {
	switch code {
	case "invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope":
		return true
	}
	return false
}

// network says what is wrong with a connection, in words that never hold what was sent.
func network(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "no answer in time"
	default:
		return "no answer that can be read"
	}
}

func transient(why string, after time.Duration) error {
	return &fault.Error{
		Kind: fault.Unavailable, Message: "Spotify is out of reach. Please try again later.", RetryAfter: after,
		Cause: errors.New("spotify: accounts service: " + why),
	}
}

// patience reads a Retry-After, within bounds.
func patience(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n <= 0 {
		return 0
	}
	return min(time.Duration(min(n, int(mostPatience/time.Second)))*time.Second, mostPatience)
}

// owner is whose account it is. account_id is there since May 2026, in development mode.
type owner struct {
	AccountID   string `json:"account_id"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
}

const maxName = 256 // of an id or a name, in bytes

// How long it is waited for to be told whose an access token is: in all, and for the turn to ask.
const (
	meTime = 20 * time.Second
	meTurn = 10 * time.Second
)

const opMe = "GET me"

// me asks whose access token it is. The Web API is asked, and so in the app's turn: [ClientOptions] tell of its limits.
func (l *Links) me(ctx context.Context, access string) (owner, error) {
	ctx, cancel := context.WithTimeout(ctx, meTime)
	defer cancel()
	api := &Client{
		o:    ClientOptions{Tokens: oneToken(access), Timeout: callTime, MaxWait: meTurn, Now: l.o.Now, Observer: l.o.Observer},
		base: l.api, rt: transportOf(l.o.Client), limiter: l.app,
	}
	var o owner
	err := api.do(ctx, uuid.Nil, request{method: http.MethodGet, path: "me"}, &o)
	switch reasonOf(err) {
	case ReasonForbidden, ReasonScope:
		// In development mode, whoever is not on the list of five.
		return owner{}, errNotAllowed
	case ReasonRateLimited, ReasonQuota, ReasonUnavailable:
		return owner{}, err
	case ReasonUnauthorized, ReasonNotFound, ReasonInvalid: // of a token that is seconds old
		return owner{}, transient("/v1/me: "+string(reasonOf(err)), 0)
	}
	switch {
	case err != nil:
		return owner{}, transient("/v1/me: "+network(err), 0)
	case o.name() == "" || len(o.ID) > maxName || len(o.AccountID) > maxName:
		return owner{}, transient("/v1/me: no account", 0)
	}
	if len(o.DisplayName) > maxName {
		o.DisplayName = strings.ToValidUTF8(o.DisplayName[:maxName], "")
	}
	return o, nil
}

// oneToken is Tokens of somebody who has one that was just made, and no link yet.
type oneToken string

// Token implements [Tokens].
func (t oneToken) Token(context.Context, uuid.UUID) (string, error) { return string(t), nil }

// Renew implements [Tokens].
func (oneToken) Renew(context.Context, uuid.UUID, string) (string, error) {
	return "", ErrReauthRequired
}

// Scopes implements [Tokens].
func (oneToken) Scopes(context.Context, uuid.UUID) ([]string, error) { return nil, nil }

var errNotAllowed = fault.New(fault.Forbidden,
	"Spotify lets this account have no part in this service. An app in development mode is for the people only whom its owner has listed.")

// name is the most lasting id.
func (o owner) name() string {
	if o.AccountID != "" {
		return o.AccountID
	}
	return o.ID
}

// is reports whether it is the same account. Where both have the lasting id, that alone decides: the other one may have come to somebody else.
func (o owner) is(other owner) bool {
	if o.AccountID != "" && other.AccountID != "" {
		return o.AccountID == other.AccountID
	}
	return o.ID != "" && o.ID == other.ID
}
