package cachestore_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/httpapi/apitest"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// The HTTP API keeps its word with a cache before its store, also where the store's eventual reads lag.
func TestAPI(t *testing.T) {
	t.Parallel()
	apitest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		return before(t, newBehind(now, always(1)), now)
	})
}

type object = map[string]any

// site is a server of several on one store, and who speaks to it.
type site struct {
	*testing.T
	url    string
	client *http.Client
	header http.Header
}

// sites returns two servers with a cache each, before one store whose eventual reads lag.
func sites(t *testing.T) (a, b *site, c *clock) {
	t.Helper()
	c = newClock()
	engine := newBehind(c.Now, always(1))
	open := func() *site {
		app, err := rhythmiq.New(rhythmiq.Config{
			Store: before(t, engine, c.Now), Music: catalog.Demo(), Now: c.Now, Seed: 1, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}},
		})
		require.NoError(t, err)
		h, err := httpapi.New(app, httpapi.Options{CallerRate: &httpapi.Rate{}, SignUpRate: &httpapi.Rate{}})
		require.NoError(t, err)
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return &site{T: t, url: s.URL, client: s.Client(), header: http.Header{}}
	}
	return open(), open(), c
}

// with returns the site for a caller with another header.
func (s *site) with(name, value string) *site {
	other := *s
	other.header = s.header.Clone()
	other.header.Set(name, value)
	return &other
}

// do sends a request, holds the status of its answer, and returns its body and ETag.
func (s *site) do(status int, method, path string, body any) (o object, tag string) {
	s.Helper()
	var in io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(s, err)
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, in)
	require.NoError(s, err)
	req.Header = s.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(req)
	require.NoError(s, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(s, err)
	require.Equal(s, status, res.StatusCode, "%s %s answers %s", method, path, b)
	if len(b) > 0 {
		require.NoError(s, json.Unmarshal(b, &o))
	}
	return o, res.Header.Get("ETag")
}

// signUp returns both servers for a new listener with a session, and the path of the profile.
func signUp(a, b *site) (onA, onB *site, path string) {
	a.Helper()
	o, _ := a.do(201, http.MethodPost, "/profiles", object{
		"username": "ann", "firstName": "Ann", "lastName": "Lee", "email": "ann@example.com", "phoneNumber": "+1 201-555-0123", "password": "correct horse battery",
	})
	path = "/profiles/" + o["profileId"].(string)
	bearer := func() string {
		o, _ := a.do(201, http.MethodPost, "/sessions", object{"username": "ann", "password": "correct horse battery"})
		return "Bearer " + o["token"].(string)
	}
	return a.with("Authorization", bearer()), b.with("Authorization", bearer()), path
}

// What one server revokes is refused by the other at once, though it has just let it pass and its cache is full.
func TestRevokedOnEveryServerAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		a, b, _ := sites(t)
		_, onB, path := signUp(a, b)
		onB.do(200, http.MethodGet, path, nil)
		a.with("Authorization", onB.header.Get("Authorization")).do(200, http.MethodDelete, "/sessions/current", nil)
		onB.do(401, http.MethodGet, path, nil)
	})
	t.Run("API key", func(t *testing.T) {
		t.Parallel()
		a, b, _ := sites(t)
		onA, onB, path := signUp(a, b)
		o, _ := onB.do(201, http.MethodPost, path+"/api-keys", object{})
		withKey := onB.with("X-Api-Key", o["apiKey"].(string))
		withKey.do(200, http.MethodGet, path, nil)
		onA.do(200, http.MethodDelete, path+"/api-keys/"+o["apiKeyId"].(string), nil)
		withKey.do(403, http.MethodGet, path, nil)
	})
	t.Run("consent", func(t *testing.T) {
		t.Parallel()
		a, b, _ := sites(t)
		onA, onB, path := signUp(a, b)
		o, _ := onB.do(201, http.MethodPost, path+"/variables", object{"type": "heart-rate-variability", "optedIn": true})
		variable := path + "/variables/" + o["variableId"].(string)
		onB.do(201, http.MethodPost, variable+"/readings", object{"value": 42})
		o, _ = onB.do(200, http.MethodGet, variable+"/readings", nil)
		require.Len(t, o["readings"], 1)
		onA.do(200, http.MethodPatch, variable, object{"optedIn": false})
		onB.do(409, http.MethodPost, variable+"/readings", object{"value": 43})
		o, _ = onB.do(200, http.MethodGet, variable+"/readings", nil)
		require.Empty(t, o["readings"])
	})
	t.Run("profile", func(t *testing.T) {
		t.Parallel()
		a, b, _ := sites(t)
		onA, onB, path := signUp(a, b)
		onB.do(200, http.MethodGet, path, nil)
		onA.do(200, http.MethodDelete, path, nil)
		onB.do(401, http.MethodGet, path, nil)
	})
}

// What is read eventually may be shown as it was up to TTL ago. It leads no write astray, and a write that is refused for it shows the truth.
func TestOutOfDateOnAnotherServer(t *testing.T) {
	t.Parallel()
	a, b, c := sites(t)
	onA, onB, path := signUp(a, b)
	o, _ := onB.do(201, http.MethodPost, path+"/tune-vectors", object{"name": "Evening", "mode": "ai", "durationMinutes": 30, "direction": "descent"})
	vector := path + "/tune-vectors/" + o["tuneVectorId"].(string)
	name := func(s *site) (name any, tag string) {
		o, tag := s.do(200, http.MethodGet, vector, nil)
		return o["name"], tag
	}
	is := func(want string, s *site) string {
		t.Helper()
		got, tag := name(s)
		require.Equal(t, want, got)
		return tag
	}
	old := is("Evening", onB)
	onA.do(200, http.MethodPatch, vector, object{"name": "Night"})
	current := is("Night", onA)
	require.Equal(t, old, is("Evening", onB), "TTL has not passed")
	onB.with("If-Match", old).do(412, http.MethodPatch, vector, object{"name": "Dawn"})
	require.Equal(t, current, is("Night", onB))
	onB.with("If-Match", current).do(200, http.MethodPatch, vector, object{"name": "Dawn"})
	is("Dawn", onB)
	is("Night", onA)
	c.advance(300 * time.Second)
	is("Dawn", onA)
}
