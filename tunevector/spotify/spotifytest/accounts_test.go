package spotifytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

const callback = "http://127.0.0.1:8080/spotify/callback"

// app is the app that is registered, and its client.
type app struct {
	*spotifytest.Server
	config oauth2.Config
	ctx    context.Context
}

func register(t *testing.T, o spotifytest.Options) *app {
	t.Helper()
	s := spotifytest.New(o)
	s.Add(spotifytest.Account{ID: "ada", AccountID: "7f3a", DisplayName: "Ada"}, spotifytest.Account{ID: "bob"})
	style := oauth2.AuthStyleInHeader
	if o.Public {
		style = oauth2.AuthStyleInParams
	}
	return &app{s, oauth2.Config{
		ClientID: s.ClientID(), ClientSecret: s.ClientSecret(), RedirectURL: callback, Scopes: []string{"user-top-read"},
		Endpoint: oauth2.Endpoint{AuthURL: s.URL() + "/authorize", TokenURL: s.URL() + "/api/token", AuthStyle: style},
	}, context.WithValue(t.Context(), oauth2.HTTPClient, s.Client())}
}

// got is an answer.
type got struct {
	StatusCode int
	Header     http.Header
}

func get(t *testing.T, c *http.Client, target, token string) (got, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return got{res.StatusCode, res.Header}, string(b)
}

// agree sends a browser to Spotify and returns what it comes back with.
func (a *app) agree(t *testing.T, o ...oauth2.AuthCodeOption) url.Values {
	t.Helper()
	res, body := get(t, a.Client(), a.config.AuthCodeURL("some-state", o...), "")
	require.Equal(t, http.StatusFound, res.StatusCode, body)
	back, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "some-state", back.Query().Get("state"))
	return back.Query()
}

func (a *app) link(t *testing.T) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back := a.agree(t, oauth2.S256ChallengeOption(verifier))
	token, err := a.config.Exchange(a.ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	return token
}

func (a *app) renew(refresh string) (*oauth2.Token, error) {
	return a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: refresh}).Token()
}

func (a *app) me(t *testing.T, token string) int {
	t.Helper()
	res, _ := get(t, a.Client(), a.URL()+"/v1/me", token)
	return res.StatusCode
}

func isError(t *testing.T, err error, code string) {
	t.Helper()
	var e *oauth2.RetrieveError
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.ErrorCode)
}

func TestFlow(t *testing.T) {
	for _, o := range []spotifytest.Options{{}, {Public: true}} {
		a := register(t, o)
		token := a.link(t)
		require.Equal(t, "user-top-read", token.Extra("scope"))
		require.EqualValues(t, 3600, token.ExpiresIn)
		res, body := get(t, a.Client(), a.URL()+"/v1/me", token.AccessToken)
		require.Equal(t, 200, res.StatusCode)
		var me map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &me))
		require.Equal(t, "ada", me["id"])
		require.Equal(t, "7f3a", me["account_id"])
		require.Equal(t, http.StatusUnauthorized, a.me(t, ""))
		require.Equal(t, http.StatusUnauthorized, a.me(t, "nonsense"))

		a.Advance(time.Hour)
		require.Equal(t, http.StatusUnauthorized, a.me(t, token.AccessToken))
		fresh, err := a.renew(token.RefreshToken)
		require.NoError(t, err)
		require.Equal(t, token.RefreshToken, fresh.RefreshToken, "it stays where it does not rotate")
		require.Equal(t, 200, a.me(t, fresh.AccessToken))
		require.Equal(t, 1, a.Count("refresh_token"))
		require.Equal(t, 2, a.Count("POST /api/token"))

		a.Revoke("ada")
		require.Equal(t, http.StatusUnauthorized, a.me(t, fresh.AccessToken))
		_, err = a.renew(token.RefreshToken)
		isError(t, err, "invalid_grant")
	}
}

// Whoever is asked may go on as somebody else; who has agreed to all of it is asked only if the app wants that.
func TestDialog(t *testing.T) {
	a := register(t, spotifytest.Options{})
	whose := func(o ...oauth2.AuthCodeOption) string {
		t.Helper()
		token, err := a.config.Exchange(a.ctx, a.agree(t, o...).Get("code"))
		require.NoError(t, err)
		_, body := get(t, a.Client(), a.URL()+"/v1/me", token.AccessToken)
		var me struct {
			ID string `json:"id"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &me))
		return me.ID
	}
	asks := oauth2.SetAuthURLParam("show_dialog", "true")
	require.Equal(t, "ada", whose())
	a.Choose("bob")
	require.Equal(t, "ada", whose(), "nobody is asked")
	require.Equal(t, "bob", whose(asks))
	require.Equal(t, "bob", whose(), "it is his browser now")
	a.SignIn("ada")
	a.Revoke("ada")
	require.Equal(t, "bob", whose(), "who has taken it back is asked")
	a.SignIn("ada")
	a.Choose("")
	require.Equal(t, "ada", whose(asks))
	a.Choose("bob")
	require.Equal(t, "bob", whose(oauth2.SetAuthURLParam("scope", "user-top-read user-library-read")), "and who has not agreed to all of it")
}

func TestRefreshTokensEndAfterSixMonths(t *testing.T) {
	a := register(t, spotifytest.Options{})
	began := a.Now()
	token := a.link(t)
	a.Advance(began.AddDate(0, 6, 0).Sub(began) - time.Second)
	_, err := a.renew(token.RefreshToken)
	require.NoError(t, err)
	a.Advance(time.Second)
	_, err = a.renew(token.RefreshToken)
	isError(t, err, "invalid_grant")
}

func TestRotation(t *testing.T) {
	a := register(t, spotifytest.Options{RotateRefreshTokens: true})
	_, refresh := a.Grant("bob", "user-top-read")
	fresh, err := a.renew(refresh)
	require.NoError(t, err)
	require.NotEqual(t, refresh, fresh.RefreshToken)
	_, err = a.renew(refresh)
	isError(t, err, "invalid_grant")
	_, err = a.renew(fresh.RefreshToken)
	require.NoError(t, err)
}

func TestAuthorizeRefuses(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a := register(t, spotifytest.Options{Now: func() time.Time { return now }})
	for name, change := range map[string]func(url.Values){
		"another client":            func(q url.Values) { q.Set("client_id", "x") },
		"localhost":                 func(q url.Values) { q.Set("redirect_uri", "http://localhost:8080/spotify/callback") },
		"http to somebody":          func(q url.Values) { q.Set("redirect_uri", "http://example.com/") },
		"a redirect that is no URI": func(q url.Values) { q.Set("redirect_uri", "\x00") },
	} {
		u, err := url.Parse(a.config.AuthCodeURL("s"))
		require.NoError(t, err)
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		res, _ := get(t, a.Client(), u.String(), "")
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
	}
	require.Equal(t, "unsupported_response_type", a.agree(t, oauth2.SetAuthURLParam("response_type", "token")).Get("error"))
	require.Equal(t, "invalid_request", a.agree(t, oauth2.SetAuthURLParam("code_challenge", "x")).Get("error"))
	a.Deny(true)
	require.Equal(t, "access_denied", a.agree(t).Get("error"))
	a.Deny(false)
	a.SignIn("nobody")
	require.Equal(t, "access_denied", a.agree(t).Get("error"))
	a.SignIn("bob")
	code := a.agree(t).Get("code")
	now = now.Add(10 * time.Minute)
	_, err := a.config.Exchange(a.ctx, code)
	isError(t, err, "invalid_grant")

	listed := register(t, spotifytest.Options{RedirectURIs: []string{callback}, Public: true})
	require.Equal(t, "invalid_request", listed.agree(t).Get("error"), "a public app proves itself by PKCE")
}

func TestTokenRefuses(t *testing.T) {
	a := register(t, spotifytest.Options{})
	verifier := oauth2.GenerateVerifier()
	code := func() string { return a.agree(t, oauth2.S256ChallengeOption(verifier)).Get("code") }
	_, err := a.config.Exchange(a.ctx, code())
	isError(t, err, "invalid_grant")
	_, err = a.config.Exchange(a.ctx, "nonsense", oauth2.VerifierOption(verifier))
	isError(t, err, "invalid_grant")
	other := a.config
	other.RedirectURL = "https://example.com/"
	_, err = other.Exchange(a.ctx, code(), oauth2.VerifierOption(verifier))
	isError(t, err, "invalid_grant")
	other = a.config
	other.ClientSecret = "guessed"
	_, err = other.Exchange(a.ctx, code(), oauth2.VerifierOption(verifier))
	isError(t, err, "invalid_client")
	other.ClientID = "guessed"
	_, err = other.Exchange(a.ctx, code(), oauth2.VerifierOption(verifier))
	isError(t, err, "invalid_client")

	// A code that is used twice was stolen.
	stolen := code()
	token, err := a.config.Exchange(a.ctx, stolen, oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	_, err = a.config.Exchange(a.ctx, stolen, oauth2.VerifierOption(verifier))
	isError(t, err, "invalid_grant")
	_, err = a.renew(token.RefreshToken)
	isError(t, err, "invalid_grant")
	_, err = a.renew("nonsense")
	isError(t, err, "invalid_grant")

	post := func(form string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/api/token", strings.NewReader(form))
		require.NoError(t, err)
		req.SetBasicAuth(a.ClientID(), a.ClientSecret())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := a.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b)
	}
	status, body := post("grant_type=client_credentials")
	require.Equal(t, 400, status)
	require.Contains(t, body, "unsupported_grant_type")
	_, body = post("grant_type=refresh_token")
	require.Contains(t, body, "invalid_request")
	_, body = post("grant_type=%zz")
	require.Contains(t, body, "invalid_request")
	res, _ := get(t, a.Client(), a.URL()+"/api/token", "")
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	res, _ = get(t, a.Client(), a.URL()+"/nothing", "")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL()+"/authorize?client_id="+a.ClientID(), http.NoBody)
	require.NoError(t, err)
	posted, err := a.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, posted.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, posted.StatusCode)
}

func ExampleServer() {
	fake := spotifytest.New(spotifytest.Options{RotateRefreshTokens: true})
	fake.Add(spotifytest.Account{ID: "ada", DisplayName: "Ada"})
	access, _ := fake.Grant("ada", "user-top-read")
	ask := func() {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, fake.URL()+"/v1/me", nil)
		req.Header.Set("Authorization", "Bearer "+access)
		res, err := fake.Client().Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		fmt.Println(res.StatusCode)
	}
	ask()
	fake.Advance(time.Hour)
	ask()
	// Output:
	// 200
	// 401
}
