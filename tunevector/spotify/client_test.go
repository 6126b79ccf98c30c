package spotify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

func TestClientOptions(t *testing.T) {
	_, err := spotify.NewClient(spotify.ClientOptions{
		BaseURL: "spotify", Market: "sweden", PerSecond: -1, Burst: -1, MaxWait: -1, Timeout: -1,
	})
	require.Equal(t, []string{"BaseURL", "Burst", "Market", "MaxWait", "PerSecond", "Timeout", "Tokens"}, fieldsOf(err))
	for _, plain := range []string{"http://api.example.com/v1", "http://localhost/v1", "https://ada@api.example.com/v1", "https://api.example.com/v1?a=b"} {
		_, err = spotify.NewClient(spotify.ClientOptions{Tokens: &desk{}, BaseURL: plain})
		require.Equal(t, []string{"BaseURL"}, fieldsOf(err), "tokens would go to %s", plain)
	}
	for _, good := range []string{"http://127.0.0.1:8080/v1/", "http://[::1]/v1", "https://api.example.com/v1"} {
		_, err = spotify.NewClient(spotify.ClientOptions{Tokens: &desk{}, BaseURL: good})
		require.NoError(t, err)
	}
	c, err := spotify.NewClient(spotify.ClientOptions{Tokens: &desk{}})
	require.NoError(t, err)
	require.Equal(t, "Spotify Web API at https://api.spotify.com/v1/", c.String())
}

func fieldsOf(err error) []string {
	var fields []string
	for f := range rhythmiq.FieldErrors(err) {
		fields = append(fields, f)
	}
	return sorted(fields)
}

// linked is a studio where Ada is linked with everything granted, and has some songs.
func linked(t *testing.T, alter ...settings) *studio {
	t.Helper()
	s := open(t, alter...)
	s.songs()
	s.desk.link(t, s.ada, "ada", all()...)
	return s
}

// songs gives Ada a library of 60 songs by three bands.
func (s *studio) songs() []string {
	var tracks []spotifytest.Track
	for i := range 60 {
		band := []string{"The Alphas", "Beta Days", "Gamma"}[i%3]
		tracks = append(tracks, spotifytest.Track{Name: band + " No. " + string(rune('A'+i%26)) + string(rune('a'+i/26)), Artists: []string{band}, Milliseconds: 200_000 + 1000*i})
	}
	ids := s.fake.AddTracks(tracks...)
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: ids, Top: ids[:30], TopArtists: []string{"Beta Days", "The Alphas"}, Recent: ids[50:]})
	return ids
}

func apiError(t *testing.T, err error) *spotify.APIError {
	t.Helper()
	var e *spotify.APIError
	require.ErrorAs(t, err, &e)
	return e
}

func (s *studio) imports(t *testing.T) error {
	t.Helper()
	_, err := s.provider.Import(t.Context(), s.ada)
	return err
}

// Failures that may pass are waited out and repeated, as often as may be, and no more.
func TestRepetition(t *testing.T) {
	slow := func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) { c.Timeout = 50 * time.Millisecond }
	for name, fault := range map[string]spotifytest.Fault{
		"500":  {Status: 500, Times: 2},
		"cut":  {Cut: true, Times: 2},
		"lost": {Lost: true, Times: 2},
		"html": {Status: 200, Body: "<html>", Times: 2},
		"slow": {Hang: true, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := linked(t, slow)
			fault.Path = "/v1/me/tracks"
			s.fake.Inject(fault)
			require.NoError(t, s.imports(t))
			require.Equal(t, 4, s.fake.Count("GET /v1/me/tracks"), "two failures, and two pages")
			fault.Times = 3
			s.fake.Inject(fault)
			e := apiError(t, s.imports(t))
			require.Equal(t, spotify.ReasonUnavailable, e.Reason)
			require.ErrorIs(t, e, rhythmiq.ErrUnavailable)
			require.Equal(t, "GET me/tracks", e.Operation)
			require.Equal(t, 7, s.fake.Count("GET /v1/me/tracks"))
		})
	}
}

// A 429 is waited out where that is not too long, and holds for everybody; a longer one is an error at once, for everybody, until it is over.
func TestRetryAfter(t *testing.T) {
	s := linked(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) { c.MaxWait = 3 * time.Second })
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 429, RetryAfter: 86_400, Times: 1})
	e := apiError(t, s.imports(t))
	require.Equal(t, spotify.ReasonRateLimited, e.Reason)
	require.Equal(t, 15*time.Minute, e.RetryAfter, "a day is bounded")
	require.ErrorIs(t, e, rhythmiq.ErrUnavailable)
	asked := s.fake.Count("GET /v1/me/top/artists")
	require.Equal(t, spotify.ReasonRateLimited, apiError(t, s.imports(t)).Reason)
	require.Equal(t, asked, s.fake.Count("GET /v1/me/top/artists"), "nothing is asked meanwhile")
	s.clock.advance(15*time.Minute + time.Second)
	require.NoError(t, s.imports(t))
}

// A short wait is waited, and one of which nothing is said is five seconds; as often as may be.
func TestShortRetryAfter(t *testing.T) {
	s := linked(t)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 429, RetryAfter: 3, Times: 1})
	require.NoError(t, s.imports(t))
	require.Equal(t, 3, s.fake.Count("GET /v1/me/tracks"))
	require.Equal(t, []time.Duration{3 * time.Second}, s.slept)
	s.slept = nil
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 429, Times: 3})
	require.Equal(t, spotify.ReasonRateLimited, apiError(t, s.imports(t)).Reason)
	require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second}, s.slept)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "Sun, 29 Nov 2026 12:01:00 GMT": time.Minute, "Sun, 29 Nov 2026 11:01:00 GMT": 0,
	} {
		require.Equal(t, want, spotify.RetryAfter(header, now), header)
	}
}

// A quota that is used up is a stop: one answer of it is enough.
func TestQuotaExceeded(t *testing.T) {
	s := linked(t)
	s.fake.SetQuota(4)
	e := apiError(t, s.imports(t))
	require.Equal(t, spotify.ReasonQuota, e.Reason)
	require.Equal(t, 429, e.Status)
	require.ErrorContains(t, e, "quota (status 429), not before 13h35m25s")
	require.Equal(t, 48_925*time.Second, e.RetryAfter)
	require.ErrorIs(t, e, rhythmiq.ErrUnavailable)
	s.fake.SetQuota(-1)
	before := total(s.fake)
	e = apiError(t, s.imports(t))
	require.Equal(t, spotify.ReasonQuota, e.Reason)
	require.Zero(t, e.Status, "nothing was asked")
	require.Equal(t, before, total(s.fake))
	s.clock.advance(e.RetryAfter + time.Second)
	require.NoError(t, s.imports(t))
}

func total(s *spotifytest.Server) int {
	n := 0
	for _, path := range []string{"me/tracks", "me/top/artists", "me/top/tracks", "me/shows", "me/playlists", "me/episodes", "me/player/recently-played"} {
		n += s.Count("GET /v1/" + path)
	}
	return n
}

// A token that is refused is renewed once; if the next one is refused too the listener has to link anew.
func TestUnauthorized(t *testing.T) {
	s := linked(t)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 401, Times: 1})
	require.NoError(t, s.imports(t))
	require.Equal(t, 1, s.desk.renewed)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 401})
	err := s.imports(t)
	require.Equal(t, spotify.ReasonUnauthorized, apiError(t, err).Reason)
	require.ErrorIs(t, err, spotify.ErrReauthRequired)
	require.Equal(t, 2, s.desk.renewed)
	s.fake.Heal()
	s.desk.unlink(t, s.ada)
	require.ErrorIs(t, s.imports(t), spotify.ErrNotLinked)
}

// What is not granted, or not given to the app, is left out of an import.
func TestRefusals(t *testing.T) {
	s := linked(t)
	for _, body := range []string{`{"error":{"status":403,"message":"Insufficient client scope"}}`, `{"error":{"status":403,"message":"Forbidden"}}`} {
		s.fake.Inject(spotifytest.Fault{Path: "/v1/me/top", Status: 403, Body: body})
		require.NoError(t, s.imports(t))
		s.fake.Heal()
	}
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/", Status: 403})
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Zero(t, r)
	s.fake.Heal()
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 400})
	e := apiError(t, s.imports(t))
	require.Equal(t, spotify.ReasonInvalid, e.Reason)
	require.NotErrorIs(t, e, rhythmiq.ErrUnavailable)
	require.EqualError(t, e, "spotify: GET me/tracks: invalid (status 400)")
	require.Equal(t, 1, strings.Count(e.Error(), "spotify"))
}

// No token and no words of a search stand in an error or a log, and the token goes to nobody else.
func TestNothingSecretIsTold(t *testing.T) {
	var seen, proxy atomic.Value
	network := &http.Transport{}
	defer network.CloseIdleConnections()
	s := linked(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) {
		inner := c.HTTP.Transport
		c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "Zzyzx") {
				seen.Store(r.Header.Get("Authorization"))
				return nil, errors.New("connection refused to " + r.URL.Host)
			}
			if to, _ := proxy.Load().(string); to != "" {
				r.URL.Scheme, r.URL.Host = "http", to
				return network.RoundTrip(r)
			}
			return inner.RoundTrip(r)
		})}
	})
	require.NoError(t, s.imports(t))
	_, err := s.provider.Candidates(t.Context(), query(s.ada, "Zzyzx"))
	require.NoError(t, err)
	require.Contains(t, s.log.String(), "a search at Spotify failed")
	require.NotContains(t, s.log.String(), "Zzyzx")
	token := strings.TrimPrefix(seen.Load().(string), "Bearer ")
	require.NotEmpty(t, token)
	require.NotContains(t, s.log.String(), token)

	// A proxy that is broken repeats what it was sent, where net/http looks for a header, and then tells of it.
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", r.Header.Get("Authorization"))
	}))
	defer echo.Close()
	proxy.Store(strings.TrimPrefix(echo.URL, "http://"))
	err = s.imports(t)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	require.EqualError(t, err, "spotify: GET me/top/artists: unavailable: no answer that can be read")
	s.clock.advance(48 * time.Hour)
	s.candidates(t, query(s.ada))
	require.Contains(t, s.log.String(), "a library could not be imported")
	for _, inner := range apiError(t, err).Unwrap() {
		require.NotContains(t, fmt.Sprintf("%v %+v", inner, inner), token)
	}
	require.NotContains(t, s.log.String(), token)
	require.NotContains(t, s.log.String(), "Bearer")
	proxy.Store("")

	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/"}}})
	require.Equal(t, spotify.ReasonInvalid, apiError(t, s.imports(t)).Reason)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// One app's rate is shared by all of its listeners.
func TestOneRateForAll(t *testing.T) {
	s := linked(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) {
		c.PerSecond, c.Burst, c.MaxWait = 0.001, 5, time.Second
	})
	bob := uuid.New()
	s.desk.link(t, bob, "bob", spotify.DefaultScopes()...)
	e := apiError(t, s.imports(t))
	require.Equal(t, spotify.ReasonRateLimited, e.Reason)
	require.Positive(t, e.RetryAfter)
	_, err := s.provider.Import(t.Context(), bob)
	require.Equal(t, spotify.ReasonRateLimited, apiError(t, err).Reason)
	require.Equal(t, 4, total(s.fake), "a part of the burst is left to what is no import")
	s.clock.advance(24 * time.Hour)
	_, err = s.provider.Import(t.Context(), bob)
	require.Error(t, err, "five more")
}

// Every request is told to the observer, by a small fixed name.
func TestObserved(t *testing.T) {
	var e events
	s := linked(t, func(c *spotify.ClientOptions, p *spotify.ProviderOptions) { c.Observer, p.Observer = &e, &e })
	require.NoError(t, s.imports(t))
	require.Contains(t, e.operations(), "spotify.request ok")
	require.Contains(t, e.operations(), "spotify.import ok")
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 429, RetryAfter: 600})
	require.Error(t, s.imports(t))
	require.Contains(t, e.operations(), "spotify.request unavailable")
}

type events struct {
	mu     sync.Mutex
	all    []string
	values map[string]float64 // the last ones
}

func (e *events) Observe(_ context.Context, event observe.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event.Operation+" "+event.Status)
	for _, v := range event.Values {
		if e.values == nil {
			e.values = map[string]float64{}
		}
		e.values[event.Operation+" "+v.Name] = v.Number
	}
}

func (e *events) operations() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.all...)
}

// A context that ends is that error, wherever it ends.
func TestContextEnds(t *testing.T) {
	s := linked(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Do: func(*http.Request) { cancel() }, Hang: true})
	_, err := s.provider.Import(ctx, s.ada)
	require.ErrorIs(t, err, context.Canceled)
	s.fake.Heal()
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Hang: true})
	short := linked(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) { p.ImportTime = 30 * time.Millisecond })
	short.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Hang: true})
	require.ErrorIs(t, short.imports(t), rhythmiq.ErrUnavailable, "it is the import that takes too long, and not the caller who has gone")
}
