package apitest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// operation is one of the document's, with a request that succeeds for a listener who has one of everything.
type operation struct {
	name, method string
	path         string // after the profile's
	absolute     bool   // path is all of it
	content      func(*home) any
	idempotent   bool // takes an Idempotency-Key
}

// home is a listener who has one of everything.
type home struct {
	*listener
	preference, vector, variable, key string
	back                              comeback // a link that was begun
}

func (w *world) home(t *testing.T) *home {
	t.Helper()
	h := &home{listener: w.listener(t)}
	h.preference = h.post(t, h.path+"/preferences", body{"type": "genre", "value": "ambient"}).is(t, 201).text(t, "preferenceId")
	h.vector = h.post(t, h.path+"/tune-vectors", body{"name": "Rest", "mode": "ai", "durationMinutes": 5}).is(t, 201).text(t, "tuneVectorId")
	h.variable = h.post(t, h.path+"/variables", body{"type": "ambient-noise", "optedIn": true}).is(t, 201).text(t, "variableId")
	h.key = h.post(t, h.path+"/api-keys", nil).is(t, 201).text(t, "apiKeyId")
	h.back = h.goes(t, h.post(t, h.path+"/spotify-link", nil).is(t, 201))
	return h
}

func (h *home) fill(path string) string {
	return strings.NewReplacer("{preferenceId}", h.preference, "{tuneVectorId}", h.vector, "{variableId}", h.variable, "{apiKeyId}", h.key).Replace(path)
}

func (o operation) full(h *home) string {
	if o.absolute {
		return o.path
	}
	return h.path + h.fill(o.path)
}

func (o operation) run(t *testing.T, h *home, as *listener) *result {
	t.Helper()
	var content any
	if o.content != nil {
		content = o.content(h)
	}
	if o.name == "FinishSpotifyLink" {
		return as.with("Cookie", h.back.cookie).do(t, o.method, h.back.path, content)
	}
	return as.do(t, o.method, o.full(h), content)
}

func operations() []operation {
	always := func(v any) func(*home) any { return func(*home) any { return v } }
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []operation{
		{"CreateProfile", post, "/profiles", true, func(h *home) any {
			h.names++
			return registration(fmt.Sprintf("more%d", h.names))
		}, true},
		{"GetProfile", get, "", false, nil, false},
		{"UpdateProfile", put, "", false, always(body{"firstName": "Bea"}), false},
		{"ExportProfile", get, "/export", false, nil, false},
		{"CreateSession", post, "/sessions", true, func(h *home) any { return body{"email": h.email, "password": h.password} }, true},
		{"CreateApiKey", post, "/api-keys", false, always(body{}), true},
		{"ListApiKeys", get, "/api-keys", false, nil, false},
		{"CreatePreference", post, "/preferences", false, always(body{"type": "genre", "value": "rock"}), true},
		{"ListPreferences", get, "/preferences", false, nil, false},
		{"GetPreference", get, "/preferences/{preferenceId}", false, nil, false},
		{"UpdatePreference", patch, "/preferences/{preferenceId}", false, always(body{"weight": 0.5}), false},
		{"CreateTuneVector", post, "/tune-vectors", false, always(body{"name": "Up", "mode": "ai", "durationMinutes": 5, "direction": "ascent"}), true},
		{"ListTuneVectors", get, "/tune-vectors", false, nil, false},
		{"GetTuneVector", get, "/tune-vectors/{tuneVectorId}", false, nil, false},
		{"UpdateTuneVector", patch, "/tune-vectors/{tuneVectorId}", false, always(body{"curve": "linear"}), false},
		{"ExportTuneVector", get, "/tune-vectors/{tuneVectorId}/export", false, nil, false},
		{"ExportSpotifyPlaylist", post, "/tune-vectors/{tuneVectorId}/spotify-playlist", false, nil, false},
		{"CreateVariable", post, "/variables", false, always(body{"type": "location"}), true},
		{"ListVariables", get, "/variables", false, nil, false},
		{"GetVariable", get, "/variables/{variableId}", false, nil, false},
		{"UpdateVariable", patch, "/variables/{variableId}", false, always(body{"retentionDays": 30}), false},
		{"RecordReadings", post, "/variables/{variableId}/readings", false, always(body{"value": 42.5}), true},
		{"ListReadings", get, "/variables/{variableId}/readings", false, nil, false},
		{"RecordInteractions", post, "/interactions", false, func(h *home) any {
			return body{"events": []any{h.event("like")}}
		}, true},
		{"ListRecommendations", get, "/recommendations", false, nil, false},
		{"FinishSpotifyLink", get, "/spotify/callback", true, nil, false},
		{"CreateSpotifyLink", post, "/spotify-link", false, always(body{"scopes": []string{"playlist-modify-private"}}), true},
		{"GetSpotifyLink", get, "/spotify-link", false, nil, false},
		{"DeleteSpotifyLink", del, "/spotify-link", false, nil, false},
		{"SignInBySpotify", get, "/sign-in/spotify", true, nil, false},
		{"DeleteTuneVector", del, "/tune-vectors/{tuneVectorId}", false, nil, false},
		{"DeletePreference", del, "/preferences/{preferenceId}", false, nil, false},
		{"DeleteVariable", del, "/variables/{variableId}", false, nil, false},
		{"DeleteApiKey", del, "/api-keys/{apiKeyId}", false, nil, false},
		{"DeleteProfile", del, "?cascade=true", false, nil, false},
		{"EndSession", del, "/sessions/current", true, nil, false},
		{"GetHealth", get, "/healthz", true, nil, false},
		{"GetDocument", get, "/openapi.json", true, nil, false},
	}
}

// event is an interaction with a track of the listener's vector.
func (h *home) event(action string) body {
	return body{"eventId": uuid.NewString(), "trackId": "demo-1", "action": action, "at": h.clock.Now().Format(time.RFC3339)}
}

// testEveryOperation runs every operation into every status that is caused in the same way for all of them.
func testEveryOperation(t *testing.T, s *suite) {
	named := s.document.operations()
	all := operations()
	require.Len(t, all, len(named), "operations of the document without a request here")
	fault := &faulty{}
	w := s.world(t, change{store: func(inner store.Store) store.Store {
		fault.Store = inner
		return fault
	}})
	h, other := w.home(t), w.listener(t)
	having := func(t *testing.T, status int, run func(t *testing.T, o operation)) {
		t.Helper()
		for _, o := range all {
			if slices.Contains(named[o.name], status) {
				t.Run(o.name, func(t *testing.T) { run(t, o) })
			}
		}
	}
	t.Run("401", func(t *testing.T) {
		having(t, 401, func(t *testing.T, o operation) {
			for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer " + h.token + "x"} {
				as := w.anybody()
				if authorization != "" {
					as = as.with("Authorization", authorization)
				}
				r := o.run(t, h, as)
				switch {
				case o.name == "CreateProfile" && authorization == "": // needs none
				case o.name == "FinishSpotifyLink" && authorization == "": // neither
					r.is(t, 200)
					h.back = h.goes(t, h.post(t, h.path+"/spotify-link", nil).is(t, 201))
				case o.name == "CreateSession": // who logs in may still have an old one
					r.is(t, 201)
				default:
					r.says(t, 401, "Unauthorized access. Please provide a valid token.")
					require.True(t, strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer"))
				}
			}
		})
	})
	t.Run("403", func(t *testing.T) {
		having(t, 403, func(t *testing.T, o operation) {
			if o.name == "FinishSpotifyLink" { // of no profile, and keyless
				return
			}
			if o.absolute { // of no profile
				o.run(t, h, h.with("X-Api-Key", "nonsense")).says(t, 403, "Invalid API key")
				return
			}
			o.run(t, h, other.listener()).says(t, 403, "You may only access your own profile")
			nobody := *h
			nobody.listener = &listener{}
			*nobody.listener = *h.listener
			nobody.path = "/profiles/" + uuid.NewString()
			o.run(t, &nobody, h.listener).says(t, 403, "You may only access your own profile")
			o.run(t, h, h.with("X-Api-Key", "nonsense")).says(t, 403, "Invalid API key")
		})
	})
	t.Run("400", func(t *testing.T) {
		having(t, 400, func(t *testing.T, o operation) {
			if o.absolute {
				h.with("Content-Type", "application/json").do(t, o.method, o.path, raw{text: "{"}).is(t, 400)
				return
			}
			bad := *h
			bad.listener = &listener{}
			*bad.listener = *h.listener
			bad.path = "/profiles/7"
			require.Contains(t, o.run(t, &bad, h.listener).says(t, 400, "Validation failed").object(t)["errors"], "profileId")
			if bad := *h; strings.Contains(o.path, "{") {
				bad.preference, bad.vector, bad.variable, bad.key = "x", strings.Repeat("0", 32), "{"+h.variable+"}", h.key+"0"
				o.run(t, &bad, h.listener).says(t, 400, "Validation failed")
			}
		})
	})
	t.Run("404", func(t *testing.T) {
		having(t, 404, func(t *testing.T, o operation) {
			if !strings.Contains(o.path, "{") {
				return
			}
			gone := *h
			id := uuid.NewString()
			gone.preference, gone.vector, gone.variable, gone.key = id, id, id, id
			what := map[bool]string{
				strings.Contains(o.path, "preference"): "Preference", strings.Contains(o.path, "vector"): "Tune vector",
				strings.Contains(o.path, "variable"): "Variable", strings.Contains(o.path, "key"): "API key",
			}[true]
			o.run(t, &gone, h.listener).says(t, 404, what+" with the specified ID does not exist")
		})
	})
	t.Run("413 and 415", func(t *testing.T) {
		having(t, 413, func(t *testing.T, o operation) {
			large := raw{text: `{"a": "` + strings.Repeat("x", 1<<20) + `"}`}
			h.do(t, o.method, o.full(h), large).says(t, 413, "The request body is over 1048576 bytes")
			for _, mediaType := range []string{"text/plain", "application/json; charset=latin1", "application", "application/merge-patch+json"} {
				if o.method == http.MethodPatch && strings.Contains(mediaType, "merge") {
					continue
				}
				h.do(t, o.method, o.full(h), raw{"{}", mediaType}).is(t, 415)
			}
		})
	})
	t.Run("412", func(t *testing.T) {
		having(t, 412, func(t *testing.T, o operation) {
			for _, tag := range []string{`"00000000000000000000000000000000"`, `nonsense`, `W/"x"`} {
				o.run(t, h, h.with("If-Match", tag)).says(t, 412, "The resource has changed in the meantime")
			}
		})
	})
	t.Run("304", func(t *testing.T) {
		having(t, 304, func(t *testing.T, o operation) {
			tag := o.run(t, h, h.listener).is(t, 200).etag()
			for _, given := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
				r := o.run(t, h, h.with("If-None-Match", given)).is(t, 304)
				require.Equal(t, tag, r.etag())
			}
			o.run(t, h, h.with("If-None-Match", `"x"`)).is(t, 200)
		})
	})
	t.Run("409 by Idempotency-Key", func(t *testing.T) {
		having(t, 409, func(t *testing.T, o operation) {
			if !o.idempotent {
				return
			}
			as := h.with("Idempotency-Key", "key of "+o.name)
			as.run(t, o, h).wrong(t, map[string]string{"Idempotency-Key": ""})
			as = h.with("Idempotency-Key", uuid.NewString())
			first := as.do(t, o.method, o.full(h), raw{text: `{"x": 1}`}).is(t, 400)
			again := as.do(t, o.method, o.full(h), raw{text: `{"x": 1}`}).is(t, 400)
			require.Equal(t, first.shown(), again.shown())
			as.do(t, o.method, o.full(h), raw{text: `{"x": 2}`}).says(t, 409, "This Idempotency-Key was used with another body")
		})
	})
	t.Run("500 and 503", func(t *testing.T) {
		having(t, 503, func(t *testing.T, o operation) {
			defer fault.set(nil)
			fault.set(store.ErrUnavailable)
			r := o.run(t, h, h.listener).says(t, 503, "Service temporarily unavailable. Please try again later.")
			require.NotEmpty(t, r.Header.Get("Retry-After"))
			if slices.Contains(named[o.name], 500) {
				fault.set(errSecret)
				r = o.run(t, h, h.listener).says(t, 500, "Internal server error")
				require.NotContains(t, r.shown(), "secret")
			}
		})
	})
	t.Run("404 of the profile", func(t *testing.T) {
		// A host's own tokens can be of a profile that is gone.
		id := uuid.New()
		w.serve(t, "", change{api: func(_ *rhythmiq.App, o *httpapi.Options) {
			o.Authenticators = []httpapi.Authenticator{trusting{}}
		}})
		ghost := *h
		ghost.listener = w.anybody().with("Authorization", "Bearer "+id.String())
		ghost.path = "/profiles/" + id.String()
		having(t, 404, func(t *testing.T, o operation) {
			if strings.Contains(o.path, "spotify") && o.absolute { // of no profile
				return
			}
			r := o.run(t, &ghost, ghost.listener).is(t, 404)
			if !strings.Contains(o.path, "{") && !o.absolute {
				require.Equal(t, "Profile with the specified ID does not exist", r.text(t, "message"))
			}
		})
	})
	t.Run("429", func(t *testing.T) {
		w.serve(t, "", change{api: func(_ *rhythmiq.App, o *httpapi.Options) {
			o.CallerRate = &httpapi.Rate{PerSecond: 0.1, Burst: 1}
			o.SignUpRate = &httpapi.Rate{PerSecond: 0.1, Burst: 1}
		}})
		h.get(t, h.path).is(t, 200)
		w.anybody().get(t, "/openapi.json").is(t, 200)
		w.anybody().post(t, "/sessions", body{}).is(t, 400)
		having(t, 429, func(t *testing.T, o operation) {
			r := o.run(t, h, h.listener).says(t, 429, "Too many requests. Please try again later.")
			require.Equal(t, "10", r.Header.Get("Retry-After"))
		})
	})
	t.Run("2xx", func(t *testing.T) {
		w.serve(t, "")
		for _, o := range all {
			t.Run(o.name, func(t *testing.T) {
				as := h.listener
				if o.name == "EndSession" { // the profile is gone by then
					as = other
				}
				r := o.run(t, h, as)
				if o.name == "SignInBySpotify" {
					r.is(t, 303)
				} else {
					require.Less(t, r.StatusCode, 300, r.shown())
				}
				if o.method != http.MethodGet && o.name != "CreateSession" {
					require.Equal(t, successes[o.name], r.text(t, "message"))
				}
				if r.StatusCode == http.StatusCreated {
					require.NotEmpty(t, r.Header.Get("Location"))
				}
				require.Equal(t, caching(o.name), r.Header.Get("Cache-Control"))
				require.Equal(t, o.name != "GetHealth" && o.name != "GetDocument", r.Header.Get("Vary") == "Authorization")
			})
		}
	})
}

// run lets a caller carry an operation out in somebody's home.
func (l *listener) run(t *testing.T, o operation, h *home) *result {
	t.Helper()
	return o.run(t, h, l)
}

func (l *listener) listener() *listener { return l }

func caching(operation string) string {
	switch operation {
	case "CreateSession", "EndSession", "CreateApiKey", "ListApiKeys", "DeleteApiKey", "GetHealth", "CreateSpotifyLink", "SignInBySpotify", "FinishSpotifyLink":
		return "no-store"
	case "GetDocument":
		return "public, max-age=300"
	default:
		return "private, no-cache"
	}
}

var successes = map[string]string{
	"CreateProfile": "Profile created successfully", "UpdateProfile": "Profile updated successfully", "DeleteProfile": "Profile deleted successfully",
	"CreatePreference": "Preference created successfully", "UpdatePreference": "Preference updated successfully", "DeletePreference": "Preference deleted successfully",
	"CreateTuneVector": "Tune vector created successfully", "UpdateTuneVector": "Tune vector updated successfully", "DeleteTuneVector": "Tune vector deleted successfully",
	"CreateVariable": "Variable created successfully", "UpdateVariable": "Variable updated successfully", "DeleteVariable": "Variable deleted successfully",
	"CreateApiKey": "API key created successfully", "DeleteApiKey": "API key deleted successfully",
	"RecordReadings": "Readings recorded successfully", "RecordInteractions": "Interactions recorded successfully",
	"EndSession": "Session ended successfully", "ExportSpotifyPlaylist": "Playlist exported successfully", "CreateSpotifyLink": "Spotify link begun successfully", "DeleteSpotifyLink": "Spotify account unlinked successfully",
}

// trusting takes a profile's id for its token.
type trusting struct{}

func (trusting) Authenticate(_ context.Context, token string) (httpapi.Principal, error) {
	if name, ok := strings.CutPrefix(token, "identity:"); ok {
		return httpapi.Principal{Identity: &profile.Identity{Issuer: "https://id.example.com", Subject: name}}, nil
	}
	if id, ok := strings.CutPrefix(token, "reader:"); ok {
		parsed, err := uuid.Parse(id)
		return httpapi.Principal{ProfileID: parsed, Scopes: []string{httpapi.ScopeRead}}, err
	}
	id, err := uuid.Parse(token)
	if err != nil {
		return httpapi.Principal{}, rhythmiq.ErrUnauthorized
	}
	return httpapi.Principal{ProfileID: id}, nil
}
