package spotifytest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long things live at the accounts service.
const (
	codeTTL       = 10 * time.Minute
	monthsOfGrant = 6 // since 18 June 2026, from when the owner authorized
)

// accountsState is what the accounts service keeps. Server.mu guards it.
type accountsState struct {
	signedIn string              // whose browser it is; "": the first account's
	denies   bool                // they do not agree
	other    string              // who they go on as where they are asked; "": as they are
	agreed   map[string][]string // the scopes that accounts have agreed to
	codes    map[string]*code
	access   map[string]*accessToken
	refresh  map[string]*grant
}

// code is what a browser brings back.
type code struct {
	grant       *grant
	redirectURI string
	challenge   string
	expires     time.Time
	used        bool
}

// grant is what the owner of an account has authorized.
type grant struct {
	account    *Account
	scopes     []string
	authorized time.Time
	revoked    bool
}

type accessToken struct {
	grant   *grant
	expires time.Time
}

func newAccountsState() accountsState {
	return accountsState{agreed: map[string][]string{}, codes: map[string]*code{}, access: map[string]*accessToken{}, refresh: map[string]*grant{}}
}

// SignIn says who sits at the browsers from now on: the owner of an account that was added.
func (s *Server) SignIn(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signedIn = accountID
}

// Choose has whoever sits there say in the dialog that they are somebody else, the owner of another account, from now on; "": no longer. The dialog is shown where they have not agreed
// to all that is asked for, or where it is asked for with show_dialog.
func (s *Server) Choose(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = accountID
}

// Deny has whoever sits there refuse from now on, or no longer.
func (s *Server) Deny(denies bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denies = denies
}

// Revoke takes back all that the owner of an account has authorized, as their page of apps does.
func (s *Server) Revoke(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.agreed, accountID)
	for _, g := range s.refresh {
		if g.account.ID == accountID {
			g.revoked = true
		}
	}
	for _, a := range s.access {
		if a.grant.account.ID == accountID {
			a.grant.revoked = true
		}
	}
}

// Grant gives tokens as if the owner of an account had authorized scopes just now.
func (s *Server) Grant(accountID string, scopes ...string) (access, refresh string) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &grant{account: s.account(accountID), scopes: slices.Clone(scopes), authorized: now}
	access, refresh = secret("access-"), secret("refresh-")
	s.access[access], s.refresh[refresh] = &accessToken{g, now.Add(s.o.AccessTokenTTL)}, g
	return access, refresh
}

// secret returns something that nobody guesses.
func secret(prefix string) string { return prefix + rand.Text() + rand.Text() }

// authorize answers a browser that was sent to /authorize: at once, as if whoever sits there had pressed the button.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	redirect := q.Get("redirect_uri")
	switch {
	case r.Method != http.MethodGet:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case q.Get("client_id") != s.o.ClientID:
		http.Error(w, "INVALID_CLIENT: Invalid client", http.StatusBadRequest)
		return
	case !s.redirects(redirect):
		http.Error(w, "INVALID_CLIENT: Invalid redirect URI", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": q["state"]}
	switch {
	case q.Get("response_type") != "code": // the implicit grant is gone
		back.Set("error", "unsupported_response_type")
	case s.o.Public && q.Get("code_challenge") == "", q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		back.Set("error", "invalid_request")
	default:
		s.agree(q, back)
	}
	to, _ := url.Parse(redirect) // redirects has parsed it
	given := to.Query()
	for name, values := range back {
		given[name] = values
	}
	to.RawQuery = given.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

// agree has whoever sits at the browser decide.
func (s *Server) agree(q, back url.Values) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.account(s.signedIn)
	if s.signedIn == "" && len(s.accounts) > 0 {
		who = s.accounts[0]
	}
	scopes := strings.Fields(q.Get("scope"))
	if who != nil && s.other != "" && (q.Get("show_dialog") == "true" || !s.hasAgreed(who.ID, scopes)) {
		s.signedIn = s.other
		who = s.account(s.other)
	}
	if s.denies || who == nil {
		back.Set("error", "access_denied")
		return
	}
	agreed := slices.Concat(s.agreed[who.ID], scopes)
	slices.Sort(agreed)
	s.agreed[who.ID] = slices.Compact(agreed)
	c := secret("code-")
	s.codes[c] = &code{
		grant:       &grant{account: who, scopes: scopes, authorized: now},
		redirectURI: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), expires: now.Add(codeTTL),
	}
	back.Set("code", c)
}

// hasAgreed reports whether an account's owner need not be asked again.
func (s *Server) hasAgreed(accountID string, scopes []string) bool {
	agreed, known := s.agreed[accountID]
	return known && !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(agreed, scope) })
}

// redirects reports whether the app may have a browser sent to a URI.
func (s *Server) redirects(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return false
	}
	if s.o.RedirectURIs != nil {
		return slices.Contains(s.o.RedirectURIs, uri)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && ip.IsLoopback() // and not localhost
}

// oauthError is a failure as RFC 6749 has it.
type oauthError struct {
	status            int
	code, description string
}

func (e *oauthError) send(w http.ResponseWriter) {
	answer(w, e.status, map[string]string{"error": e.code, "error_description": e.description})
}

func badRequest(code, description string) *oauthError {
	return &oauthError{http.StatusBadRequest, code, description}
}

// token answers the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		badRequest("invalid_request", "the body cannot be read").send(w)
		return
	}
	form := r.PostForm
	if !s.proves(r, form) {
		badRequest("invalid_client", "Invalid client").send(w)
		return
	}
	kind := form.Get("grant_type")
	s.count(kind)
	var given map[string]any
	var problem *oauthError
	switch kind {
	case "authorization_code":
		given, problem = s.exchange(form)
	case "refresh_token":
		given, problem = s.renew(form)
	default:
		problem = badRequest("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	}
	if problem != nil {
		problem.send(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, given)
}

// proves reports whether the client is the app.
func (s *Server) proves(r *http.Request, form url.Values) bool {
	id, key, basic := r.BasicAuth()
	if !basic {
		id, key = form.Get("client_id"), form.Get("client_secret")
	}
	if id != s.o.ClientID {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.o.ClientSecret)) == 1 // a public app has none
}

func (s *Server) exchange(form url.Values) (map[string]any, *oauthError) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.codes[form.Get("code")]
	switch {
	case c == nil, !now.Before(c.expires):
		return nil, badRequest("invalid_grant", "Invalid authorization code")
	case c.used:
		c.grant.revoked = true // RFC 6749, 4.1.2: somebody has stolen it
		return nil, badRequest("invalid_grant", "Invalid authorization code")
	case c.redirectURI != form.Get("redirect_uri"):
		return nil, badRequest("invalid_grant", "Invalid redirect URI")
	case c.challenge != "" && c.challenge != challenge(form.Get("code_verifier")):
		return nil, badRequest("invalid_grant", "code_verifier was incorrect")
	}
	c.used = true
	refresh := secret("refresh-")
	s.refresh[refresh] = c.grant
	return s.give(c.grant, refresh, now), nil
}

func (s *Server) renew(form url.Values) (map[string]any, *oauthError) {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := form.Get("refresh_token")
	g := s.refresh[old]
	switch {
	case old == "":
		return nil, badRequest("invalid_request", "refresh_token must be supplied")
	case g == nil:
		return nil, badRequest("invalid_grant", "Invalid refresh token")
	case g.revoked:
		return nil, badRequest("invalid_grant", "Refresh token revoked")
	case !now.Before(g.authorized.AddDate(0, monthsOfGrant, 0)):
		return nil, badRequest("invalid_grant", "Refresh token expired")
	}
	if !s.o.RotateRefreshTokens {
		return s.give(g, "", now), nil
	}
	delete(s.refresh, old)
	fresh := secret("refresh-")
	s.refresh[fresh] = g
	return s.give(g, fresh, now), nil
}

// give makes an access token of a grant. The lock is held.
func (s *Server) give(g *grant, refresh string, now time.Time) map[string]any {
	access := secret("access-")
	s.access[access] = &accessToken{g, now.Add(s.o.AccessTokenTTL)}
	given := map[string]any{
		"access_token": access, "token_type": "Bearer", "scope": strings.Join(g.scopes, " "), "expires_in": int(s.o.AccessTokenTTL / time.Second),
	}
	if refresh != "" {
		given["refresh_token"] = refresh
	}
	return given
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bearer returns whose access token a request to the Web API brings, and what it is good for.
func (s *Server) bearer(r *http.Request) (*Account, []string, *apiError) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, nil, &apiError{http.StatusUnauthorized, "No token provided"}
	}
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.access[token]
	switch {
	case a == nil, a.grant.revoked:
		return nil, nil, &apiError{http.StatusUnauthorized, "Invalid access token"}
	case !now.Before(a.expires):
		return nil, nil, &apiError{http.StatusUnauthorized, "The access token expired"}
	}
	return a.grant.account, a.grant.scopes, nil
}
