package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// house is an App and a Handler that are asked without a network.
type house struct {
	app         *rhythmiq.App
	api         *httpapi.Handler
	store       *hookedStore
	token, path string
	log         bytes.Buffer
	events      eventList
}

// hookedStore lets a test come between.
type hookedStore struct {
	store.Store
	mu    sync.Mutex
	apply func(ctx context.Context, writes []store.Write) error
	list  func(ctx context.Context, q store.Query) error
	get   func(ctx context.Context, key store.Key) error
}

func (s *hookedStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *hookedStore) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	s.mu.Lock()
	hook := s.get
	s.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, key); err != nil {
			return store.Item{}, err
		}
	}
	return s.Store.Get(ctx, key, r)
}

func (s *hookedStore) List(ctx context.Context, q store.Query) (store.Page, error) {
	s.mu.Lock()
	hook := s.list
	s.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, q); err != nil {
			return store.Page{}, err
		}
	}
	return s.Store.List(ctx, q)
}

func (s *hookedStore) Apply(ctx context.Context, writes ...store.Write) error {
	s.mu.Lock()
	hook := s.apply
	s.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, writes); err != nil {
			return err
		}
	}
	return s.Store.Apply(ctx, writes...)
}

type eventList struct {
	mu  sync.Mutex
	all []rhythmiq.Event
}

func (e *eventList) Observe(_ context.Context, event rhythmiq.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.HasPrefix(event.Operation, "http.") {
		e.all = append(e.all, event)
	}
}

func (e *eventList) last() rhythmiq.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[len(e.all)-1]
}

func newHouse(t testing.TB, changes ...func(*rhythmiq.App, *httpapi.Options)) *house {
	t.Helper()
	h := &house{store: &hookedStore{Store: memstore.New(nil)}}
	var err error
	h.app, err = rhythmiq.New(rhythmiq.Config{
		Store: h.store, Logger: slog.New(slog.NewJSONHandler(&h.log, nil)), Observer: &h.events,
		Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}},
	})
	require.NoError(t, err)
	o := httpapi.Options{CallerRate: &httpapi.Rate{}, SignUpRate: &httpapi.Rate{}}
	for _, c := range changes {
		c(h.app, &o)
	}
	h.api, err = httpapi.New(h.app, o)
	require.NoError(t, err)
	p, err := h.app.Profiles.Create(t.Context(), profile.Registration{
		Username: "ann", FirstName: "Ann", LastName: "Lee", Email: "ann@example.com", PhoneNumber: "+1 201-555-0123", Password: "correct horse",
	})
	require.NoError(t, err)
	s, err := h.app.Profiles.Login(t.Context(), profile.Credentials{Username: "ann", Password: "correct horse"})
	require.NoError(t, err)
	h.token, h.path = s.Token, "/profiles/"+p.ID.String()
	return h
}

func (h *house) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (h *house) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	return w
}

func (h *house) do(method, path, body string) *httptest.ResponseRecorder {
	return h.serve(h.request(method, path, body))
}

func TestOptions(t *testing.T) {
	_, err := httpapi.New(nil, httpapi.Options{
		Authenticators: []httpapi.Authenticator{nil},
		CallerRate:     &httpapi.Rate{PerSecond: -1},
		SignUpRate:     &httpapi.Rate{PerSecond: 1},
		LimitedCallers: -1,
		Proxy:          &httpapi.Proxy{},
		CORS:           &httpapi.CORS{MaxAge: -1},
	})
	require.ErrorIs(t, err, rhythmiq.ErrInvalid)
	fields := rhythmiq.FieldErrors(err)
	for _, name := range []string{
		"app", "Authenticators", "CallerRate.PerSecond", "SignUpRate.Burst", "LimitedCallers", "Proxy.Header", "Proxy.Trusted", "CORS.Origins", "CORS.MaxAge",
	} {
		require.Contains(t, fields, name)
	}
	require.Len(t, fields, 9)
	app, err := rhythmiq.New(rhythmiq.Config{})
	require.NoError(t, err)
	_, err = httpapi.New(app, httpapi.Options{CORS: &httpapi.CORS{Origins: []string{"https://*.example.com"}, Credentials: true}, LimitedCallers: 1 << 30})
	require.Len(t, rhythmiq.FieldErrors(err), 2)
	_, err = httpapi.New(app, httpapi.Options{})
	require.NoError(t, err)
}

func TestCORS(t *testing.T) {
	h := newHouse(t, func(_ *rhythmiq.App, o *httpapi.Options) {
		o.CORS = &httpapi.CORS{Origins: []string{"https://app.example.com"}, Credentials: true, MaxAge: time.Hour}
	})
	preflight := httptest.NewRequest(http.MethodOptions, h.path, http.NoBody)
	preflight.Header.Set("Origin", "https://app.example.com")
	preflight.Header.Set("Access-Control-Request-Method", http.MethodPut)
	preflight.Header.Set("Access-Control-Request-Headers", "authorization,if-match")
	w := h.serve(preflight)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Equal(t, "https://app.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, http.MethodPut, w.Header().Get("Access-Control-Allow-Methods"))
	require.Equal(t, "3600", w.Header().Get("Access-Control-Max-Age"))
	require.Len(t, w.Header().Get("X-Request-Id"), 32)
	r := h.request(http.MethodGet, h.path, "")
	r.Header.Set("Origin", "https://app.example.com")
	w = h.serve(r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "https://app.example.com", w.Header().Get("Access-Control-Allow-Origin"))
	require.Contains(t, w.Header().Get("Access-Control-Expose-Headers"), "Etag")
	require.Equal(t, []string{"Origin", "Authorization"}, w.Header().Values("Vary"))
	r.Header.Set("Origin", "https://evil.example.com")
	require.Empty(t, h.serve(r).Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, []string{"Authorization"}, newHouse(t).serve(h.request(http.MethodGet, h.path, "")).Header().Values("Vary"), "the values shared by all answers stay as they are")

	// Off: no header, and OPTIONS is answered by the path.
	h = newHouse(t)
	w = h.serve(preflight)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	require.NotEmpty(t, w.Header().Get("Allow"))
}

func TestProxy(t *testing.T) {
	h := newHouse(t, func(_ *rhythmiq.App, o *httpapi.Options) {
		o.CallerRate = &httpapi.Rate{PerSecond: 0.001, Burst: 1}
		o.LimitedCallers = 100
		o.Proxy = &httpapi.Proxy{Header: "X-Forwarded-For", Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	})
	ask := func(remote string, forwarded ...string) int {
		r := httptest.NewRequest(http.MethodGet, "/nowhere", http.NoBody)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = forwarded
		return h.serve(r).Code
	}
	const ok, limited = http.StatusNotFound, http.StatusTooManyRequests
	for i, c := range []struct {
		remote    string
		forwarded []string
		want      int
	}{
		{"192.0.2.1:1", nil, ok},
		{"192.0.2.1:2", nil, limited},
		{"192.0.2.1:2", []string{"192.0.2.77"}, limited}, // not a proxy that is believed
		{"10.1.1.1:1", []string{"192.0.2.2"}, ok},
		{"10.1.1.1:1", []string{"192.0.2.2"}, limited},
		{"10.9.9.9:1", []string{"203.0.113.5, 192.0.2.2, 10.2.2.2"}, limited}, // what the caller made up is further left
		{"10.9.9.9:1", []string{"203.0.113.5", "192.0.2.2:4711"}, limited},
		{"10.1.1.1:1", []string{"nonsense"}, ok}, // the proxy itself
		{"10.1.1.1:1", nil, limited},
		{"[2001:db8::1]:1", nil, ok},
		{"[2001:db8::ffff:1]:1", nil, limited}, // the same /64
		{"[2001:db8:0:1::1]:1", nil, ok},
		{"[::ffff:192.0.2.1]:1", nil, limited},
		{"@", nil, ok}, // a Unix socket
		{"@", nil, limited},
	} {
		require.Equal(t, c.want, ask(c.remote, c.forwarded...), "%d: %v", i, c)
	}
	// Whoever was not seen for longest is forgotten.
	for i := range 100 {
		require.Equal(t, ok, ask("198.51.100."+strconv.Itoa(i)+":1"))
	}
	require.Equal(t, ok, ask("192.0.2.1:1"))
}

func TestPanic(t *testing.T) {
	var what any
	h := newHouse(t, func(app *rhythmiq.App, o *httpapi.Options) {
		o.Authenticators = []httpapi.Authenticator{httpapi.AuthenticatorFunc(func(ctx context.Context, token string) (httpapi.Principal, error) {
			switch what := what.(type) {
			case nil:
				return httpapi.OwnTokens(app).Authenticate(ctx, token)
			case []int:
				return httpapi.Principal{}, errors.New(strconv.Itoa(what[3]))
			default:
				panic(what)
			}
		})}
	})
	for _, value := range []any{[]int{}, "ann@example.com", errors.New("secret")} {
		what = value
		w := h.do(http.MethodGet, h.path, "")
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.JSONEq(t, `{"message": "Internal server error"}`, w.Body.String())
		require.Equal(t, "500", h.events.last().Status)
	}
	require.Contains(t, h.log.String(), "index out of range")
	require.NotContains(t, h.log.String(), "ann@example.com")
	require.NotContains(t, h.log.String(), "secret")
	what = http.ErrAbortHandler
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.do(http.MethodGet, h.path, "") })
	require.Equal(t, "000", h.events.last().Status)
	what = nil
	require.Equal(t, http.StatusOK, h.do(http.MethodGet, h.path, "").Code)
}

func TestObserver(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct{ method, path, event, status string }{
		{http.MethodGet, h.path, "http.GetProfile", "200"},
		{http.MethodHead, h.path, "http.GetProfile", "200"},
		{http.MethodGet, "/profiles/" + uuid.NewString(), "http.GetProfile", "403"},
		{http.MethodPatch, h.path, "http.Unrouted", "405"},
		{http.MethodGet, "/healthz", "http.GetHealth", "200"},
	} {
		h.do(c.method, c.path, "")
		e := h.events.last()
		require.Equal(t, c.event, e.Operation)
		require.Equal(t, c.status, e.Status)
		require.Positive(t, e.Duration)
	}
}

func TestLog(t *testing.T) {
	h := newHouse(t)
	h.store.get = func(context.Context, store.Key) error { return errors.New("the disk is on fire") }
	require.Equal(t, http.StatusInternalServerError, h.do(http.MethodGet, h.path, "").Code)
	var line map[string]any
	require.NoError(t, json.Unmarshal(h.log.Bytes(), &line))
	require.Equal(t, "http.GetProfile", line["operation"])
	require.Contains(t, line["cause"], "the disk is on fire")
	h.log.Reset()
	h.store.get = func(context.Context, store.Key) error { return store.ErrUnavailable }
	for range 3 {
		require.Equal(t, http.StatusServiceUnavailable, h.do(http.MethodGet, h.path, "").Code)
	}
	require.Equal(t, 1, strings.Count(h.log.String(), "out of reach"), h.log.String())
	require.Contains(t, h.log.String(), `"requests":1`)
	h.log.Reset()
	h.store.get = nil
	h.do(http.MethodGet, "/nowhere", "")
	h.do(http.MethodPost, h.path+"/preferences", "{")
	require.Empty(t, h.log.String(), "what the caller is told is not logged")
}

// TestContexts: a request that has ended, or may not take longer, is nobody's mistake.
func TestContexts(t *testing.T) {
	h := newHouse(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{gone, late} {
		w := h.serve(h.request(http.MethodGet, h.path+"/preferences", "").WithContext(ctx))
		require.Equal(t, http.StatusServiceUnavailable, w.Code, w.Body)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		r := h.request(http.MethodPost, h.path+"/api-keys", "").WithContext(ctx)
		r.Header.Set("Idempotency-Key", "k")
		require.Equal(t, http.StatusServiceUnavailable, h.serve(r).Code)
	}
	require.Empty(t, h.log.String())
}

type brokenBody struct{ then func() }

func (b brokenBody) Read([]byte) (int, error) {
	b.then()
	return 0, io.ErrUnexpectedEOF
}

func TestBrokenBody(t *testing.T) {
	h := newHouse(t)
	r := h.request(http.MethodPost, h.path+"/preferences", "x")
	r.Body = io.NopCloser(brokenBody{func() {}})
	require.Equal(t, http.StatusBadRequest, h.serve(r).Code)
	ctx, cancel := context.WithCancel(t.Context())
	r = h.request(http.MethodPost, h.path+"/preferences", "x").WithContext(ctx)
	r.Body = io.NopCloser(brokenBody{cancel})
	require.Equal(t, http.StatusServiceUnavailable, h.serve(r).Code)
}

// TestLocation: a Location is right however the path came to be what it is.
func TestLocation(t *testing.T) {
	h := newHouse(t)
	for uri, prefix := range map[string]string{
		"":                                "", // no server has set it
		"%zz":                             "",
		"/elsewhere":                      "",
		h.path + "/api-keys":              "",
		"/a/b" + h.path + "/api-keys?x=1": "/a/b",
		"https://example.com/a%2Fb" + h.path + "/api-keys": "/a%2Fb",
	} {
		r := h.request(http.MethodPost, h.path+"/api-keys", "")
		r.RequestURI = uri
		w := h.serve(r)
		require.Equal(t, http.StatusCreated, w.Code)
		require.True(t, strings.HasPrefix(w.Header().Get("Location"), prefix+h.path+"/api-keys/"), "%q: %s", uri, w.Header().Get("Location"))
	}
}

// TestLargeExport streams what is too large to be held, and breaks off what fails half-way.
func TestLargeExport(t *testing.T) {
	h := newHouse(t)
	for batch := range 12 {
		events := make([]map[string]any, 500)
		for i := range events {
			events[i] = map[string]any{
				"eventId": uuid.NewString(), "trackId": strings.Repeat("x", 190) + strconv.Itoa(batch*500+i), "action": "play", "at": time.Now().Format(time.RFC3339),
			}
		}
		body, err := json.Marshal(map[string]any{"events": events})
		require.NoError(t, err)
		w := h.do(http.MethodPost, h.path+"/interactions", string(body))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	}
	pages, most := 0, 1<<30
	h.store.list = func(_ context.Context, q store.Query) error {
		if q.Table == store.Interactions {
			if pages++; pages > most {
				return errors.New("broken")
			}
		}
		return nil
	}
	w := h.do(http.MethodGet, h.path+"/export", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Greater(t, w.Body.Len(), 1<<20)
	require.True(t, json.Valid(w.Body.Bytes()))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "200", h.events.last().Status)

	pages, most = 0, pages-1
	w = httptest.NewRecorder()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.api.ServeHTTP(w, h.request(http.MethodGet, h.path+"/export", "")) })
	require.False(t, json.Valid(w.Body.Bytes()))
	most = 0
	require.Equal(t, http.StatusInternalServerError, h.do(http.MethodGet, h.path+"/export", "").Code)
	h.store.list = nil
	deaf := &deafWriter{header: http.Header{}}
	require.Panics(t, func() { h.api.ServeHTTP(deaf, h.request(http.MethodGet, h.path+"/export", "")) })
	// A short one is an answer as all others are.
	other := newHouse(t)
	w = other.do(http.MethodGet, other.path+"/export", "")
	require.NotEmpty(t, w.Header().Get("Content-Length"))
}

// deafWriter is a connection that has broken.
type deafWriter struct{ header http.Header }

func (w *deafWriter) Header() http.Header       { return w.header }
func (w *deafWriter) WriteHeader(int)           {}
func (w *deafWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// isAnswer reports whether writes keep an answer for an Idempotency-Key.
func isAnswer(writes []store.Write) bool { return writes[0].Key.Sort == "answer" }

func (h *house) once(key, body string) *httptest.ResponseRecorder {
	r := h.request(http.MethodPost, h.path+"/preferences", body)
	r.Header.Set("Idempotency-Key", key)
	return h.serve(r)
}

func TestDuplicateWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		const rock = `{"type": "genre", "value": "rock"}`
		entered, resume := make(chan struct{}), make(chan struct{})
		h.store.set(func() {
			h.store.apply = func(_ context.Context, writes []store.Write) error {
				if !isAnswer(writes) {
					close(entered)
					<-resume
				}
				return nil
			}
		})
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- h.once("k", rock) }()
		<-entered
		h.store.set(func() { h.store.apply = nil })
		// It waits a while, and then says when to come back.
		began := time.Now()
		w := h.once("k", rock)
		require.Equal(t, http.StatusConflict, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Equal(t, 2*time.Second, time.Since(began))
		// Another body is known before the first one has an answer.
		w = h.once("k", `{"type": "genre", "value": "pop"}`)
		require.Equal(t, http.StatusConflict, w.Code)
		require.Contains(t, w.Body.String(), "another body")
		// One that goes away.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		r := h.request(http.MethodPost, h.path+"/preferences", rock).WithContext(ctx)
		r.Header.Set("Idempotency-Key", "k")
		require.GreaterOrEqual(t, h.serve(r).Code, 400)
		cancel()
		// One that waits long enough.
		second := make(chan *httptest.ResponseRecorder)
		go func() { second <- h.once("k", rock) }()
		time.Sleep(time.Second)
		close(resume)
		want := <-first
		require.Equal(t, http.StatusCreated, want.Code)
		got := <-second
		require.Equal(t, http.StatusCreated, got.Code)
		require.Equal(t, want.Body.String(), got.Body.String())
	})
}

// TestOnceFailing: what may not have been done can be tried again, and what was done is not said to have failed.
func TestOnceFailing(t *testing.T) {
	const rock, pop, jazz = `{"type": "genre", "value": "rock"}`, `{"type": "genre", "value": "pop"}`, `{"type": "genre", "value": "jazz"}`
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		fail := func(when func([]store.Write) bool, err error) {
			h.store.set(func() {
				h.store.apply = func(_ context.Context, writes []store.Write) error {
					if when(writes) {
						return err
					}
					return nil
				}
			})
		}
		// The operation fails: the key is free at once.
		fail(func(w []store.Write) bool { return !isAnswer(w) }, store.ErrUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, h.once("a", rock).Code)
		h.store.apply = nil
		require.Equal(t, http.StatusCreated, h.once("a", rock).Code)
		// The claim fails: nothing was done.
		fail(isAnswer, store.ErrUnavailable)
		require.Equal(t, http.StatusServiceUnavailable, h.once("b", pop).Code)
		h.store.apply = nil
		require.Equal(t, http.StatusCreated, h.once("b", pop).Code)
		// The answer cannot be kept: it is given all the same, and until the claim lapses the key is taken.
		claimed := false
		fail(func(w []store.Write) bool {
			was := claimed
			claimed = claimed || isAnswer(w)
			return was && isAnswer(w)
		}, store.ErrUnavailable)
		require.Equal(t, http.StatusCreated, h.once("c", jazz).Code)
		h.store.apply = nil
		require.Equal(t, http.StatusConflict, h.once("c", jazz).Code)
		time.Sleep(time.Minute + time.Second)
		w := h.once("c", jazz)
		require.Equal(t, http.StatusConflict, w.Code, "carried out anew, and there is such a preference")
		require.Contains(t, w.Body.String(), "already exists")
		// The store fails while a duplicate looks for the answer.
		h.store.get = func(_ context.Context, key store.Key) error {
			if key.Sort == "answer" {
				return errors.New("broken")
			}
			return nil
		}
		require.Equal(t, http.StatusInternalServerError, h.once("a", rock).Code)
		h.store.get = nil
		require.Equal(t, http.StatusCreated, h.once("a", rock).Code)
	})
}

// TestOnceWithoutClient: a client that gives up while its request is carried out, and sends it again, gets the answer.
func TestOnceWithoutClient(t *testing.T) {
	for _, at := range []string{"answer", "preferences"} { // while the key is claimed, and while the request is carried out
		t.Run(at, func(t *testing.T) {
			h := newHouse(t)
			ctx, cancel := context.WithCancel(t.Context())
			h.store.apply = func(ctx context.Context, writes []store.Write) error {
				if writes[0].Key.Sort == at {
					cancel()
				}
				return ctx.Err()
			}
			const rock = `{"type": "genre", "value": "rock"}`
			r := h.request(http.MethodPost, h.path+"/preferences", rock).WithContext(ctx)
			r.Header.Set("Idempotency-Key", "k")
			first := h.serve(r)
			require.ErrorIs(t, ctx.Err(), context.Canceled)
			h.store.apply = nil
			again := h.once("k", rock)
			require.Equal(t, http.StatusCreated, again.Code, again.Body)
			require.Equal(t, first.Body.String(), again.Body.String())
			require.Equal(t, 1, strings.Count(h.do(http.MethodGet, h.path+"/preferences", "").Body.String(), "preferenceId"))
		})
	}
}

// TestKeptAnswers looks at what is kept of answers, and spoils it.
func TestKeptAnswers(t *testing.T) {
	h := newHouse(t)
	var kept []store.Item
	h.store.apply = func(_ context.Context, writes []store.Write) error {
		if isAnswer(writes) {
			kept = append(kept, writes[0].Item())
		}
		return nil
	}
	r := h.request(http.MethodPost, h.path+"/api-keys", "")
	r.Header.Set("Idempotency-Key", "k")
	w := h.serve(r)
	require.Equal(t, http.StatusCreated, w.Code)
	require.Len(t, kept, 2)
	var answer struct{ APIKey, APIKeyID string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	for _, item := range kept {
		require.NotContains(t, string(item.Body), answer.APIKey)
		require.NotContains(t, string(item.Body), answer.APIKeyID)
		require.NotContains(t, item.Key.String(), strings.TrimPrefix(h.path, "/profiles/"))
		require.False(t, item.ExpiresAt.IsZero())
	}
	h.store.apply = nil
	for _, body := range []string{`{"done": true, "sealed": ""}`, `{"done": true, "sealed": "AAAAAAAAAAAAAAAAAAAAAAAA"}`, `{"done": 5}`} {
		item := kept[1]
		item.Body = []byte(body)
		require.NoError(t, h.store.Apply(t.Context(), store.Put(store.Item{Key: item.Key, ExpiresAt: item.ExpiresAt, Body: item.Body}, store.None)))
		require.GreaterOrEqual(t, h.serve(r).Code, http.StatusConflict)
	}
	// A claim cannot pass for an answer.
	claim := kept[0]
	claim.Body = bytes.Replace(claim.Body, []byte(`"done":false`), []byte(`"done":true`), 1)
	require.NoError(t, h.store.Apply(t.Context(), store.Put(store.Item{Key: claim.Key, ExpiresAt: claim.ExpiresAt, Body: claim.Body}, store.None)))
	require.Equal(t, http.StatusConflict, h.serve(r).Code)
}

// TestAuthenticators: one that cannot tell does not keep another from knowing.
func TestAuthenticators(t *testing.T) {
	var answers []error
	authenticator := func(i int) httpapi.Authenticator {
		return httpapi.AuthenticatorFunc(func(context.Context, string) (httpapi.Principal, error) {
			return httpapi.Principal{ProfileID: uuid.New()}, answers[i]
		})
	}
	h := newHouse(t, func(_ *rhythmiq.App, o *httpapi.Options) {
		o.Authenticators = []httpapi.Authenticator{authenticator(0), authenticator(1)}
	})
	for _, c := range []struct {
		answers []error
		want    int
	}{
		{[]error{nil, nil}, 403},
		{[]error{rhythmiq.ErrUnauthorized, nil}, 403},
		{[]error{rhythmiq.ErrUnavailable, nil}, 403},
		{[]error{rhythmiq.ErrUnauthorized, rhythmiq.ErrUnauthorized}, 401},
		{[]error{rhythmiq.ErrUnavailable, rhythmiq.ErrUnauthorized}, 503},
		{[]error{rhythmiq.ErrUnauthorized, rhythmiq.ErrUnavailable}, 503},
		{[]error{errors.New("x"), rhythmiq.ErrUnavailable}, 500},
	} {
		answers = c.answers
		require.Equal(t, c.want, h.do(http.MethodGet, h.path, "").Code, c.answers)
	}
	// Two Authorization headers are none.
	answers = []error{nil, nil}
	r := h.request(http.MethodGet, h.path, "")
	r.Header["Authorization"] = []string{"Bearer a", "Bearer b"}
	require.Equal(t, http.StatusUnauthorized, h.serve(r).Code)
}

// TestIdentityUnavailable: who somebody is cannot be told while the store is away.
func TestIdentityUnavailable(t *testing.T) {
	h := newHouse(t, func(_ *rhythmiq.App, o *httpapi.Options) {
		o.Authenticators = []httpapi.Authenticator{httpapi.AuthenticatorFunc(func(context.Context, string) (httpapi.Principal, error) {
			return httpapi.Principal{Identity: &profile.Identity{Issuer: "https://id.example.com", Subject: "eve"}}, nil
		})}
	})
	require.Equal(t, http.StatusForbidden, h.do(http.MethodGet, h.path, "").Code)
	h.store.get = func(context.Context, store.Key) error { return store.ErrUnavailable }
	require.Equal(t, http.StatusServiceUnavailable, h.do(http.MethodGet, h.path, "").Code)
}

// TestDefaultLimits: 50 a second and 100 at once a caller, 20 and 60 for sign-ups and logins of an address.
func TestDefaultLimits(t *testing.T) {
	now := time.Now()
	h := newHouse(t, func(_ *rhythmiq.App, o *httpapi.Options) {
		o.CallerRate, o.SignUpRate, o.Now = nil, nil, func() time.Time { return now }
	})
	for _, c := range []struct {
		method, path, body string
		burst, perSecond   int
	}{
		{http.MethodGet, h.path, "", 100, 50},
		{http.MethodGet, "/openapi.json", "", 100, 50},
		{http.MethodPost, "/sessions", "{}", 60, 20},
	} {
		allowed := func() (n int) {
			for h.do(c.method, c.path, c.body).Code != http.StatusTooManyRequests {
				n++
			}
			return n
		}
		require.Equal(t, c.burst, allowed())
		now = now.Add(time.Second)
		require.Equal(t, c.perSecond, allowed())
		now = now.Add(time.Hour)
		require.Equal(t, c.burst, allowed())
	}
}

// TestSealQueue: callers who wait for a slow key are bounded in number.
func TestSealQueue(t *testing.T) {
	h := newHouse(t)
	const callers = 600
	statuses := make([]int, callers)
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for i := range callers {
		wg.Go(func() {
			r := h.request(http.MethodPost, "/sessions", "{}").WithContext(ctx)
			r.Header.Set("Idempotency-Key", strconv.Itoa(i))
			statuses[i] = h.serve(r).Code
		})
	}
	wg.Wait()
	for _, status := range statuses {
		require.Contains(t, []int{http.StatusBadRequest, http.StatusServiceUnavailable}, status)
	}
	r := h.request(http.MethodPost, "/sessions", "{}")
	r.Header.Set("Idempotency-Key", "later")
	require.Equal(t, http.StatusBadRequest, h.serve(r).Code)
}

// TestProfileJSON: profiles are encoded by hand, and come out as encoding/json has them.
func TestProfileJSON(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"Ann", `A "n" \\n`, "<b>&amp;", "Zo\u00eb", "\u540d\u524d", strings.Repeat("x", 100)} {
		body, err := json.Marshal(map[string]string{"firstName": name})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, h.do(http.MethodPut, h.path, string(body)).Code)
		p, err := h.app.Profiles.Get(t.Context(), uuid.MustParse(strings.TrimPrefix(h.path, "/profiles/")))
		require.NoError(t, err)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(p))
		require.Equal(t, want.String(), h.do(http.MethodGet, h.path, "").Body.String())
	}
}
