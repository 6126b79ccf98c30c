// Package apitest proves that the HTTP API keeps its word on a store: it speaks to a real
// server over loopback, and holds every answer against the OpenAPI document. A store's tests call Run:
//
//	func TestAPI(t *testing.T) {
//		apitest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
//			return memstore.New(&memstore.Options{Now: now})
//		})
//	}
//
// It is not a test of the store's contract; package storetest is.
package apitest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Open returns an empty store whose expiry goes by now. It has the test close it.
type Open func(t *testing.T, now func() time.Time) store.Store

// Run checks the API on stores that open returns, and at the end that every status of every operation which the document
// names was seen, and validated.
func Run(t *testing.T, open Open) {
	run(t, &suite{open: open, document: loadDocument(t), music: demo()})
}

// RunStale is Run on stores whose eventual reads always are behind: Get and List answer with the state before the last write of each item, and so
// does the index. Only where a check is about what may be behind, and says so, has the store caught up.
func RunStale(t *testing.T, open Open) {
	run(t, &suite{open: open, stale: true, document: loadDocument(t), music: demo()})
}

func run(t *testing.T, s *suite) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"Routing", testRouting},
		{"Every operation", testEveryOperation},
		{"Profiles", testProfiles},
		{"Sessions", testSessions},
		{"API keys", testKeys},
		{"Preferences", testPreferences},
		{"Variables", testVariables},
		{"Tune vectors", testVectors},
		{"Interactions", testInteractions},
		{"Exports", testExports},
		{"Playlists", testPlaylists},
		{"Bodies", testBodies},
		{"Wrong fields", testWrongFields},
		{"Small numbers", testSmallNumbers},
		{"Times and ids", testTimesAndIDs},
		{"Paging", testPaging},
		{"Conditions", testConditions},
		{"Idempotency", testIdempotency},
		{"Identities", testIdentities},
		{"Spotify", testSpotify},
		{"Limits", testLimits},
		{"Health", testHealth},
		{"Faults", testFaults},
		{"Stale reads", testStaleReads},
		{"Concurrent sign-ups", testConcurrentSignUps},
		{"Concurrent preferences", testConcurrentPreferences},
		{"Deletion against creation", testDeletion},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s) })
	}
	t.Run("Every status was seen", func(t *testing.T) {
		require.Empty(t, s.document.unseen(), "statuses that the document names and nothing here has caused")
	})
}

type suite struct {
	open     Open
	stale    bool
	document *document
	music    tunevector.MusicProvider
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a running server and what is behind it.
type world struct {
	*suite
	clock  *clock
	store  store.Store     // as opened, not as decorated
	behind *stale          // nil: no reads are behind
	config rhythmiq.Config // of the app
	app    *rhythmiq.App
	fake   *spotifytest.Server
	base   string
	http   *http.Client
	names  int
}

// change says how a world differs from the usual one.
type change struct {
	store  func(store.Store) store.Store
	config func(*rhythmiq.Config)
	alone  bool // it has no Spotify
	api    func(*rhythmiq.App, *httpapi.Options)
	mount  string // a prefix
}

// unlimited takes the limits away, which tests of other things would run into.
func unlimited(_ *rhythmiq.App, o *httpapi.Options) {
	o.CallerRate, o.SignUpRate = &httpapi.Rate{}, &httpapi.Rate{}
}

func (s *suite) world(t *testing.T, changes ...change) *world {
	t.Helper()
	w := &world{suite: s, clock: &clock{now: time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)}}
	w.store = s.open(t, w.clock.Now)
	decorated := w.store
	if s.stale {
		w.behind = newStale(w.store, w.clock.Now)
		decorated = w.behind
	}
	config := rhythmiq.Config{
		Music: s.music, Now: w.clock.Now, Seed: 1, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}, HashQueue: 100_000, AddressFailures: 100_000},
	}
	mount, alone := "", false
	for _, c := range changes {
		alone = alone || c.alone
		if c.store != nil {
			decorated = c.store(decorated)
		}
		if c.config != nil {
			c.config(&config)
		}
		if c.mount != "" {
			mount = c.mount
		}
	}
	config.Store = decorated
	if !alone {
		config.Spotify = w.spotify(t, decorated)
	}
	w.config = config
	var err error
	w.app, err = rhythmiq.New(config)
	require.NoError(t, err)
	w.serve(t, mount, changes...)
	return w
}

// serve starts a server for the world's App, in the place of the one before.
func (w *world) serve(t *testing.T, mount string, changes ...change) {
	t.Helper()
	var o httpapi.Options
	unlimited(w.app, &o)
	for _, c := range changes {
		if c.api != nil {
			c.api(w.app, &o)
		}
	}
	h, err := httpapi.New(w.app, o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, h))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.base = server.URL + mount
	w.http = server.Client()
	w.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.http.Transport = &validator{document: w.document, base: w.base, next: w.http.Transport}
	w.http.Transport.(*validator).tune()
}

// listener is somebody who has signed up and logged in.
type listener struct {
	*world
	id, name, email, password, token string
	path                             string // of the profile
	header                           http.Header
}

const password = "correct horse battery"

func registration(name string) body {
	return body{
		"username": name, "firstName": "Ann", "lastName": "Lee", "email": name + "@example.com",
		"phoneNumber": "+1 201-555-0123", "password": password,
	}
}

// anybody is a caller without a token.
func (w *world) anybody() *listener { return &listener{world: w, header: http.Header{}} }

// listener signs somebody up and logs them in.
func (w *world) listener(t *testing.T) *listener {
	t.Helper()
	w.names++
	l := w.anybody()
	l.name, l.password = fmt.Sprintf("listener%d", w.names), password
	l.email = l.name + "@example.com"
	r := l.do(t, http.MethodPost, "/profiles", registration(l.name)).is(t, http.StatusCreated)
	l.id = r.text(t, "profileId")
	l.path = "/profiles/" + l.id
	l.logIn(t)
	return l
}

func (l *listener) logIn(t *testing.T) {
	t.Helper()
	r := l.world.anybody().do(t, http.MethodPost, "/sessions", body{"username": l.name, "password": l.password}).is(t, http.StatusCreated)
	l.token = r.text(t, "token")
	l.header = http.Header{"Authorization": {"Bearer " + l.token}}
}

// later returns the same listener a moment later, when eventual reads show all that was written. What a check asks of it may be behind
// for that moment; all else is asked at once.
func (l *listener) later(t *testing.T) *listener {
	t.Helper()
	if l.behind != nil {
		require.NoError(t, l.behind.catchUp())
	}
	return l
}

// with returns the same listener with another header.
func (l *listener) with(name, value string) *listener {
	other := *l
	other.header = l.header.Clone()
	other.header[http.CanonicalHeaderKey(name)] = []string{value}
	return &other
}
