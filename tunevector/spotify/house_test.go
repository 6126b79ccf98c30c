package spotify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 2, 18, 0, 0, 0, time.UTC)} }

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

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a server with listeners, and a Spotify beside it.
type house struct {
	clock *clock
	fake  *spotifytest.Server
	store store.Store
	links *spotify.Links
	app   *rhythmiq.App
	base  string
	log   *lockedBuffer
	names int
}

// plan says how a house differs from the usual one.
type plan struct {
	fake    spotifytest.Options
	options func(h *house, o *spotify.Options)
	store   func(t *testing.T, now func() time.Time) store.Store
	wrap    func(store.Store) store.Store
	config  func(h *house, c *rhythmiq.Config)
}

func ring(t testing.TB, ids ...string) *spotify.Keyring {
	t.Helper()
	var keys []spotify.CipherKey
	for _, id := range ids {
		keys = append(keys, spotify.CipherKey{ID: id, Secret: []byte(fmt.Sprintf("%-32s", id))})
	}
	k, err := spotify.NewKeyring(keys...)
	require.NoError(t, err)
	return k
}

func build(t *testing.T, p plan) *house {
	t.Helper()
	h := &house{clock: newClock(), log: &lockedBuffer{}}
	p.fake.Now = h.clock.Now
	h.fake = spotifytest.New(p.fake)
	h.fake.Add(spotifytest.Account{ID: "ada", AccountID: "acc-ada", DisplayName: "Ada L."}, spotifytest.Account{ID: "bob", AccountID: "acc-bob"})
	h.fake.Start()
	t.Cleanup(h.fake.Close)
	if p.store == nil {
		p.store = func(_ *testing.T, now func() time.Time) store.Store { return memstore.New(&memstore.Options{Now: now}) }
	}
	h.store = p.store(t, h.clock.Now)
	used := h.store
	if p.wrap != nil {
		used = p.wrap(h.store)
	}
	server := httptest.NewUnstartedServer(nil)
	h.base = "http://" + server.Listener.Addr().String()
	h.links = h.open(t, used, func(o *spotify.Options) {
		if p.options != nil {
			p.options(h, o)
		}
	})
	var err error
	c := rhythmiq.Config{
		Store: used, Now: h.clock.Now, Seed: 1, Spotify: h.links, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
		Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}, SessionTTL: 30 * 24 * time.Hour},
	}
	if p.config != nil {
		p.config(h, &c)
	}
	h.app, err = rhythmiq.New(c)
	require.NoError(t, err)
	server.Config.Handler, err = httpapi.New(h.app, httpapi.Options{SignUpRate: &httpapi.Rate{}, CallerRate: &httpapi.Rate{}})
	require.NoError(t, err)
	server.Start()
	t.Cleanup(server.Close)
	return h
}

// open makes Links over a store, as another process does.
func (h *house) open(t *testing.T, s store.Store, change func(*spotify.Options)) *spotify.Links {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	o := spotify.Options{
		ClientID: h.fake.ClientID(), ClientSecret: h.fake.ClientSecret(), RedirectURI: h.base + "/spotify/callback", Cipher: ring(t, "a"),
		PerSecond: 1e6, Burst: 1e6, AccountsURL: h.fake.URL(), APIURL: h.fake.URL(), Now: h.clock.Now, RefreshRate: 10_000, Client: client,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	links, err := spotify.NewLinks(s, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, links.Close())
		client.CloseIdleConnections()
	})
	return links
}

// listener is somebody at a browser of their own.
type listener struct {
	*house
	http     *http.Client
	id       uuid.UUID
	name     string
	token    string
	path     string
	followed []string // where the browser was sent to
}

// browser is one that nobody sits at yet.
func (h *house) browser(t *testing.T) *listener {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	l := &listener{house: h}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	l.http = &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		l.followed = append(l.followed, r.URL.String())
		return nil
	}}
	return l
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (l *listener) do(t *testing.T, method, target string, content any) answer {
	t.Helper()
	var in io.Reader = http.NoBody
	if content != nil {
		b, err := json.Marshal(content)
		require.NoError(t, err)
		in = bytes.NewReader(b)
	}
	if u, err := url.Parse(target); err == nil && u.Host == "" {
		target = l.base + target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, in)
	require.NoError(t, err)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if l.token != "" && req.URL.Path != "/spotify/callback" && req.URL.Path != "/authorize" { // a browser that is sent brings no token
		req.Header.Set("Authorization", "Bearer "+l.token)
	}
	res, err := l.http.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	a := answer{status: res.StatusCode, header: res.Header, text: string(b)}
	_ = json.Unmarshal(b, &a.body)
	return a
}

func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	return a
}

func (a answer) says(t *testing.T, status int, message string) answer {
	t.Helper()
	a.is(t, status)
	require.Equal(t, message, a.body["message"])
	return a
}

// listener signs somebody up and logs them in.
func (h *house) listener(t *testing.T) *listener {
	t.Helper()
	l := h.browser(t)
	l.signUp(t)
	return l
}

func (l *listener) signUp(t *testing.T) {
	t.Helper()
	l.names++
	l.name = fmt.Sprintf("listener%d", l.names)
	l.do(t, http.MethodPost, "/profiles", map[string]string{
		"username": l.name, "firstName": "Ann", "lastName": "Lee", "email": l.name + "@example.com", "phoneNumber": "+1 201-555-0123", "password": "correct horse",
	}).is(t, 201)
	in := l.do(t, http.MethodPost, "/sessions", map[string]string{"username": l.name, "password": "correct horse"}).is(t, 201)
	l.token, _ = in.body["token"].(string)
	l.path = "/profiles/" + in.body["profileId"].(string)
	l.id = uuid.MustParse(in.body["profileId"].(string))
}

// begin returns where the browser is to be sent.
func (l *listener) begin(t *testing.T, scopes ...string) string {
	t.Helper()
	var content any
	if scopes != nil {
		content = map[string]any{"scopes": scopes}
	}
	u, _ := l.do(t, http.MethodPost, l.path+"/spotify-link", content).is(t, 201).body["authorizeUrl"].(string)
	return u
}

// callback goes to Spotify, and returns where it would send the browser back to.
func (l *listener) callback(t *testing.T, authorizeURL string) string {
	t.Helper()
	stays := *l.http
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	other := *l
	other.http = &stays
	return other.do(t, http.MethodGet, authorizeURL, nil).is(t, 302).header.Get("Location")
}

// link links the account of whoever sits at Spotify.
func (l *listener) link(t *testing.T, scopes ...string) {
	t.Helper()
	l.do(t, http.MethodGet, l.begin(t, scopes...), nil).says(t, 200, "Spotify account linked successfully")
}

func (l *listener) state(t *testing.T) map[string]any {
	t.Helper()
	return l.do(t, http.MethodGet, l.path+"/spotify-link", nil).is(t, 200).body
}

// everything is all that a store holds, as text.
func everything(t *testing.T, s store.Store) string {
	t.Helper()
	var all bytes.Buffer
	scanner, ok := store.As[store.Scanner](s)
	require.True(t, ok)
	for _, table := range store.Tables() {
		for cursor := ""; ; {
			page, err := scanner.Scan(context.Background(), table, cursor, 0)
			require.NoError(t, err)
			for _, item := range page.Items {
				fmt.Fprintf(&all, "%v %s\n", item.Key, item.Body)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return all.String()
}
