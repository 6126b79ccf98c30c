package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// must holds an answer against what holds for all of them: no panic came here, no 500, and JSON.
func (h *house) must(t *testing.T, method, path, body, mediaType string) {
	t.Helper()
	r := h.request(method, path, body)
	r.Header.Set("Content-Type", mediaType)
	w := h.serve(r)
	if w.Code >= http.StatusInternalServerError || w.Code < http.StatusOK {
		t.Fatalf("%s %s with %q: %d %s\n%s", method, path, body, w.Code, w.Body, h.log.String())
	}
	if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%s %s with %q: %q is no JSON", method, path, body, w.Body)
	}
}

// things makes one of each thing, and returns where they are.
func (h *house) things(t testing.TB) (preference, variable, vector string) {
	t.Helper()
	one := func(path, body string) string {
		w := h.do(http.MethodPost, h.path+path, body)
		require.Equal(t, http.StatusCreated, w.Code, w.Body)
		return w.Header().Get("Location")
	}
	return one("/preferences", `{"type": "genre", "value": "rock"}`), one("/variables", `{"type": "ambient-noise", "optedIn": true}`),
		one("/tune-vectors", `{"name": "x", "mode": "ai", "durationMinutes": 3}`)
}

func FuzzBodies(f *testing.F) {
	h := newHouse(f)
	_, variable, _ := h.things(f)
	paths := []string{"/profiles", "/sessions", h.path + "/api-keys", h.path + "/preferences", h.path + "/tune-vectors", h.path + "/variables", variable + "/readings", h.path + "/interactions"}
	for i, seed := range []string{
		`{"username":"bob","firstName":"Bob","lastName":"Lee","email":"bob@example.com","phoneNumber":"+12015550123","password":"correct horse"}`,
		`{"email":"bob@example.com","password":"correct horse"}`, `{}`, `{"type":"tempo","value":"90-110","weight":-1,"index":0}`,
		`{"name":"x","mode":"guided","stages":[{"genre":"rock","minutes":3}],"points":[{"at":0.5,"energy":1}],"seed":7}`,
		`{"type":"time-of-day","timeZone":"Europe/Berlin"}`, `{"readings":[{"value":{"latitude":1,"longitude":2},"at":"2026-03-01T18:00:00Z"}]}`,
		`{"events":[{"eventId":"` + uuid.NewString() + `","trackId":"x","action":"rate","rating":5,"at":"2026-03-01T18:00:00Z"}]}`,
		"null", "[", `{"a":{"a":{"a":[[[[]]]]}}}`, "{\"a\":\"\xff\"}", `{"index":1e400}`, `{"name":"\ud800"}`,
	} {
		f.Add(uint8(i), seed)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		h.must(t, http.MethodPost, paths[int(which)%len(paths)], body, "application/json")
	})
}

func FuzzPatches(f *testing.F) {
	h := newHouse(f)
	preference, variable, vector := h.things(f)
	for i, seed := range []string{
		`{"weight":null,"index":0}`, `{"optedIn":null,"retentionDays":7,"timeZone":null}`, `{"end":{"energy":null,"tempo":70},"points":null,"curve":null}`,
		`{"stages":[{"genre":"rock","minutes":3}],"mode":"guided","durationMinutes":null}`, `{"name":null}`, `{"pinned":[{"position":0,"trackId":"x"}]}`,
	} {
		f.Add(uint8(i), seed)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		switch which % 4 {
		case 0:
			h.must(t, http.MethodPatch, preference, body, "application/merge-patch+json")
		case 1:
			h.must(t, http.MethodPatch, variable, body, "application/merge-patch+json")
		case 2:
			h.must(t, http.MethodPatch, vector, body, "application/merge-patch+json")
		default:
			var changes map[string]any
			if json.Unmarshal([]byte(body), &changes) == nil && changes["password"] != nil {
				return // would end the session
			}
			h.must(t, http.MethodPut, h.path, body, "application/json")
		}
	})
}

func FuzzQueries(f *testing.F) {
	h := newHouse(f)
	_, variable, vector := h.things(f)
	paths := []string{h.path + "/preferences", h.path + "/variables", h.path + "/tune-vectors", h.path + "/api-keys", variable + "/readings", h.path + "/recommendations", vector + "/export"}
	for i, seed := range []string{"limit=5", "pageToken=abc&limit=1", "limit=1&limit=2", "format=jspf", "%zz", "a=b;c=d", "pageToken=%00", "limit=%F0%9F%8E%B5"} {
		f.Add(uint8(i), seed, "")
		f.Add(uint8(i), "limit=1", seed)
	}
	f.Fuzz(func(t *testing.T, which uint8, query, token string) {
		r := h.request(http.MethodGet, paths[int(which)%len(paths)], "")
		r.URL.RawQuery = query
		if token != "" {
			r.URL.RawQuery = url.Values{"pageToken": {token}}.Encode()
		}
		if w := h.serve(r); w.Code >= http.StatusInternalServerError {
			t.Fatalf("%s: %d %s\n%s", r.URL, w.Code, w.Body, h.log.String())
		}
	})
}

func FuzzHeaders(f *testing.F) {
	h := newHouse(f)
	preference, _, _ := h.things(f)
	f.Add(`"a", W/"b"`, "*", "key", "id", "application/json")
	f.Add(`W/`, `"`, "", " ", "text/plain; charset")
	f.Fuzz(func(t *testing.T, match, none, key, id, mediaType string) {
		for _, r := range []*http.Request{h.request(http.MethodGet, preference, ""), h.request(http.MethodPatch, preference, "{}"), h.request(http.MethodPost, h.path+"/preferences", "{}")} {
			r.Header["If-Match"], r.Header["If-None-Match"] = []string{match}, []string{none}
			r.Header["X-Request-Id"], r.Header["Content-Type"] = []string{id}, []string{mediaType}
			if key != "" {
				r.Header["Idempotency-Key"] = []string{key}
			}
			if w := h.serve(r); w.Code >= http.StatusInternalServerError {
				t.Fatalf("%v: %d %s\n%s", r.Header, w.Code, w.Body, h.log.String())
			}
		}
	})
}
