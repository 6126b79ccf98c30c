// Package spotifytest is a Spotify in memory, for tests: the accounts service and the Web API, as an app in development mode meets them. It
// speaks HTTP, on a port of its own ([Server.Start]), at an address ([Server.Listen]), or without any network ([Server.Client]).
//
//	fake := spotifytest.New(spotifytest.Options{})
//	fake.Add(spotifytest.Account{ID: "ada", DisplayName: "Ada"})
//	fake.Start()
//	defer fake.Close()
//	… fake.URL(), fake.ClientID(), fake.ClientSecret() …
//
// Nothing of it is Spotify's: names and answers are made up to the published contract.
package spotifytest

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say how a Server behaves; the zero value is Spotify as it is: refresh tokens stay as they are.
type Options struct {
	ClientID, ClientSecret string           // of the one app that is registered; "": made-up ones
	Public                 bool             // the app has no secret, and proves itself by PKCE alone
	RedirectURIs           []string         // that the app has registered; nil: any that Spotify would let it register
	Now                    func() time.Time // nil: a clock that stands at the present until Advance moves it
	AccessTokenTTL         time.Duration    // 0: an hour
	RotateRefreshTokens    bool             // a refresh gives a new refresh token, and the old one is worth nothing from then on
}

// Account is somebody who has an account at this Spotify.
type Account struct {
	ID          string // "id" of /me
	AccountID   string // "account_id" of /me; "": none, as before May 2026
	DisplayName string
	Country     string // such as "SE"
	Product     string // "premium" or "free"
}

// Server is the service. It is safe for concurrent use.
type Server struct {
	o     Options
	front *httptest.Server // nil until Start

	mu       sync.Mutex
	moved    time.Duration // by Advance
	began    time.Time
	accounts []*Account
	accountsState
	webState
	faults []*Fault
	counts map[string]int
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	if o.ClientID == "" {
		o.ClientID = "0123456789abcdef0123456789abcdef"
	}
	if o.ClientSecret == "" && !o.Public {
		o.ClientSecret = "fedcba9876543210fedcba9876543210"
	}
	if o.AccessTokenTTL == 0 {
		o.AccessTokenTTL = time.Hour
	}
	s := &Server{o: o, began: time.Now(), counts: map[string]int{}}
	s.accountsState = newAccountsState()
	s.webState = newWebState()
	return s
}

// ClientID returns the id of the app that is registered.
func (s *Server) ClientID() string { return s.o.ClientID }

// ClientSecret returns its secret, "" for a public one.
func (s *Server) ClientSecret() string { return s.o.ClientSecret }

// Start has the server listen on a free port of the loopback interface, until Close.
func (s *Server) Start() { s.front = httptest.NewServer(s) }

// Listen has the server listen at an address such as "127.0.0.1:9777", until Close: for what is to find it again. Without a host it is one of the loopback interface.
func (s *Server) Listen(address string) error {
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	l, err := net.Listen("tcp", address) //nolint:noctx // it does not wait
	if err != nil {
		return err
	}
	s.front = &httptest.Server{Listener: l, Config: &http.Server{Handler: s, ReadHeaderTimeout: headerTime}}
	s.front.Start()
	return nil
}

const headerTime = 10 * time.Second

// Close ends what Start or Listen began.
func (s *Server) Close() {
	if s.front != nil {
		s.front.Close()
	}
}

// URL is where the server is found: that of Start or Listen, or a made-up one which only [Server.Client] knows.
func (s *Server) URL() string {
	if s.front != nil {
		return s.front.URL
	}
	return "https://spotify.test"
}

// Client returns a client that asks the server without any network, whatever host a URL names. It does not follow redirects.
func (s *Server) Client() *http.Client {
	return &http.Client{
		Transport:     s,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Now returns the server's time.
func (s *Server) Now() time.Time {
	if s.o.Now != nil {
		return s.o.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began.Add(s.moved)
}

// Advance moves the clock, where it is the server's own.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved += d
}

// Add opens accounts. The first one is the one whose owner sits at every browser, until [Server.SignIn].
func (s *Server) Add(accounts ...Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range accounts {
		s.accounts = append(s.accounts, &a)
	}
}

// Count returns how many requests there were, by method and path such as "POST /api/token"; those to the token endpoint also by
// grant, such as "refresh_token", and path parameters as they came.
func (s *Server) Count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[what]
}

func (s *Server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// account returns the account of an id, or nil. The lock is held.
func (s *Server) account(id string) *Account {
	i := slices.IndexFunc(s.accounts, func(a *Account) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return s.accounts[i]
}

// ServeHTTP answers as accounts.spotify.com and api.spotify.com do, by the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.count(r.Method + " " + r.URL.Path)
	w, done := s.faulty(w, r)
	if w == nil {
		return
	}
	defer done()
	switch {
	case r.URL.Path == "/authorize":
		s.authorize(w, r)
	case r.URL.Path == "/api/token":
		s.token(w, r)
	case strings.HasPrefix(r.URL.Path, "/v1/"):
		s.webAPI(w, r)
	default:
		http.NotFound(w, r)
	}
}

// answer sends JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
}
