package apitest

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
)

// testPaging walks every list page by page.
func testPaging(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	for i := range 7 {
		l.prefer(t, "genre", fmt.Sprintf("genre %d", i))
		l.post(t, l.path+"/api-keys", nil).is(t, 201)
	}
	for _, kind := range []string{"ambient-noise", "outside-temperature", "location", "vector-rating", "heart-rate-variability", "accelerometer"} {
		l.post(t, l.path+"/variables", body{"type": kind, "optedIn": true}).is(t, 201)
	}
	for range 3 {
		l.post(t, l.path+"/tune-vectors", body{"name": "x", "mode": "ai", "durationMinutes": 5}).is(t, 201)
	}
	noise := l.get(t, l.path+"/variables").list(t, "variables")[0]["variableId"].(string)
	for i := range 5 {
		at := w.clock.Now().Add(-time.Duration(i) * time.Minute).Format(time.RFC3339)
		l.post(t, l.path+"/variables/"+noise+"/readings", body{"value": i, "at": at}).is(t, 201)
	}
	for _, list := range []struct {
		path, field, id string
		count           int
	}{
		{"/preferences", "preferences", "preferenceId", 7},
		{"/api-keys", "apiKeys", "apiKeyId", 7},
		{"/variables", "variables", "variableId", 6},
		{"/tune-vectors", "tuneVectors", "tuneVectorId", 3},
		{"/variables/" + noise + "/readings", "readings", "at", 5},
	} {
		t.Run(list.field, func(t *testing.T) {
			whole := l.later(t).get(t, l.path+list.path).is(t, 200)
			all := whole.list(t, list.field)
			require.Len(t, all, list.count)
			require.NotContains(t, whole.object(t), "nextPageToken")
			var paged []body
			token := ""
			for {
				r := l.get(t, l.path+list.path+"?limit=2"+token).is(t, 200)
				page := r.list(t, list.field)
				require.LessOrEqual(t, len(page), 2)
				paged = append(paged, page...)
				next, more := r.object(t)["nextPageToken"].(string)
				if !more {
					break
				}
				require.Equal(t, url.QueryEscape(next), next, "a token goes into a URL as it is")
				token = "&pageToken=" + next
			}
			require.Equal(t, all, paged)
			for query, fields := range map[string][]string{
				"limit=0": {"limit"}, "limit=101": {"limit"}, "limit=x": {"limit"}, "limit=": {"limit"}, "limit=%2B5": {"limit"}, "limit=1&limit=2": {"limit"},
				"pageToken=nonsense!": {"pageToken"}, "pageToken=": {"pageToken"}, "limit=-1&pageToken=nonsense!": {"limit", "pageToken"},
				"limit=5&pageToken=%zz": {"query"},
			} {
				want := map[string]string{}
				for _, f := range fields {
					want[f] = ""
				}
				l.get(t, l.path+list.path+"?"+query).wrong(t, want)
			}
			l.get(t, l.path+list.path+"?color=red").is(t, 200)
		})
	}
}

// testConditions changes what another has changed.
func testConditions(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	for _, c := range []struct {
		path, method string
		change       body
	}{
		{h.path, http.MethodPut, body{"firstName": "X"}},
		{h.path + "/preferences/" + h.preference, http.MethodPatch, body{"weight": 0.1}},
		{h.path + "/variables/" + h.variable, http.MethodPatch, body{"retentionDays": 5}},
		{h.path + "/tune-vectors/" + h.vector, http.MethodPatch, body{"name": "Other"}},
	} {
		t.Run(c.path, func(t *testing.T) {
			old := h.get(t, c.path).is(t, 200).etag()
			w.clock.advance(time.Second)
			fresh := h.with("If-Match", old).do(t, c.method, c.path, c.change).is(t, 200).etag()
			require.NotEqual(t, old, fresh)
			h.with("If-Match", old).do(t, c.method, c.path, c.change).says(t, 412, "The resource has changed in the meantime")
			h.with("If-Match", "W/"+fresh).do(t, c.method, c.path, c.change).is(t, 412)
			h.with("If-Match", old+", "+fresh).do(t, c.method, c.path, c.change).is(t, 200)
			h.with("If-Match", "*").do(t, c.method, c.path, c.change).is(t, 200)
			h.with("If-Match", `"x", *`).do(t, c.method, c.path, c.change).is(t, 412)
			h.with("If-Match", "*, "+old).do(t, c.method, c.path, c.change).is(t, 412)
			h.with("If-Match", old).del(t, c.path).is(t, 412)
			h.with("If-Match", old+`, "x"`).del(t, c.path).is(t, 412)
			h.with("If-Match", old+`, "00000000000000000000000000000001"`).del(t, c.path).is(t, 412)
			// Body before state.
			h.with("If-Match", old).do(t, c.method, c.path, raw{text: "{"}).is(t, 400)
			now := h.later(t).get(t, c.path).etag()
			h.with("If-None-Match", now).get(t, c.path).is(t, 304)
			h.with("If-None-Match", `"unended`).get(t, c.path).is(t, 200)
			if c.method == http.MethodPatch {
				h.with("If-Match", now+", "+old).del(t, c.path).is(t, 200)
				h.with("If-Match", now+", "+old).del(t, c.path).is(t, 404)
			}
		})
	}
	// A list changes its tag with what is in it.
	list := h.path + "/preferences"
	before := h.later(t).get(t, list).etag()
	require.Equal(t, before, h.get(t, list).etag())
	h.prefer(t, "genre", "one more")
	require.NotEqual(t, before, h.later(t).get(t, list).etag())
}

func testIdempotency(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	list := l.path + "/tune-vectors"
	vector := body{"name": "Once", "mode": "ai", "durationMinutes": 5}
	as := l.with("Idempotency-Key", uuid.NewString())
	first := as.post(t, list, vector).is(t, 201)
	w.clock.advance(time.Minute * 30)
	second := as.post(t, list, vector).is(t, 201)
	require.Equal(t, first.shown(), second.shown())
	for _, name := range []string{"Location", "ETag", "Cache-Control", "Vary"} {
		require.Equal(t, first.Header[name], second.Header[name], name)
	}
	require.NotEqual(t, first.Header.Get("X-Request-Id"), second.Header.Get("X-Request-Id"))
	require.Len(t, l.later(t).get(t, list).list(t, "tuneVectors"), 1)
	vector["name"] = "Other"
	as.post(t, list, vector).says(t, 409, "This Idempotency-Key was used with another body")

	// It belongs to its caller, and to the path.
	other := w.listener(t).with("Idempotency-Key", as.header.Get("Idempotency-Key"))
	other.post(t, other.path+"/tune-vectors", vector).is(t, 201)
	as.post(t, l.path+"/preferences", body{"type": "genre", "value": "rock"}).is(t, 201)

	// A failure is an answer too, where it says something of the request.
	as = l.with("Idempotency-Key", uuid.NewString())
	as.post(t, l.path+"/preferences", body{"type": "genre", "value": "rock"}).is(t, 409)
	rock := l.later(t).get(t, l.path+"/preferences").list(t, "preferences")[0]["preferenceId"].(string)
	l.del(t, l.path+"/preferences/"+rock).is(t, 200)
	as.post(t, l.path+"/preferences", body{"type": "genre", "value": "rock"}).is(t, 409)

	// Secrets come back, and stand nowhere in the store.
	as = l.with("Idempotency-Key", uuid.NewString())
	key := as.post(t, l.path+"/api-keys", nil).is(t, 201)
	require.Equal(t, key.shown(), as.post(t, l.path+"/api-keys", nil).is(t, 201).shown())
	require.Len(t, l.get(t, l.path+"/api-keys").list(t, "apiKeys"), 1)
	nobody := w.anybody().with("Idempotency-Key", uuid.NewString())
	session := nobody.post(t, "/sessions", body{"username": l.name, "password": password}).is(t, 201)
	require.Equal(t, session.shown(), nobody.post(t, "/sessions", body{"username": l.name, "password": password}).is(t, 201).shown())
	nobody.post(t, "/sessions", body{"username": l.name, "password": password + "x"}).is(t, 409)
	nobody = w.anybody().with("Idempotency-Key", uuid.NewString())
	profile := nobody.post(t, "/profiles", registration("twice")).is(t, 201)
	require.Equal(t, profile.shown(), nobody.post(t, "/profiles", registration("twice")).is(t, 201).shown())

	// A login that failed can be tried again.
	nobody = w.anybody().with("Idempotency-Key", uuid.NewString())
	nobody.post(t, "/sessions", body{"username": l.name, "password": "wrong password"}).is(t, 401)
	nobody.post(t, "/sessions", body{"username": l.name, "password": password}).is(t, 201)

	// A day later the key is free.
	w.clock.advance(25 * time.Hour)
	l.logIn(t)
	as.header["Authorization"] = l.header["Authorization"]
	require.NotEqual(t, key.shown(), as.post(t, l.path+"/api-keys", nil).is(t, 201).shown())
	for _, key := range []string{"", " ", "a b", "é", string(make([]byte, 65))} {
		if key != "" && key[0] == 0 {
			key = "0123456789012345678901234567890123456789012345678901234567890123x"
		}
		l.with("Idempotency-Key", key).post(t, l.path+"/api-keys", nil).wrong(t, map[string]string{"Idempotency-Key": ""})
	}

	// Many at once: one is carried out.
	const callers = 8
	as = l.with("Idempotency-Key", uuid.NewString())
	answers := make([]*result, callers)
	crowd(callers, func(i int) int {
		var err error
		if answers[i], err = as.send(t.Context(), http.MethodPost, list, vector); err != nil {
			t.Error(err)
		}
		return 0
	})
	ids := map[string]bool{}
	for _, r := range answers {
		switch r.StatusCode {
		case http.StatusCreated:
			ids[r.text(t, "tuneVectorId")] = true
		default:
			r.is(t, 409)
			require.NotEmpty(t, r.Header.Get("Retry-After"))
		}
	}
	require.Len(t, ids, 1)
}

// testHealth looks at what is there for machines.
func testHealth(t *testing.T, s *suite) {
	w := s.world(t)
	nobody := w.anybody()
	require.Equal(t, body{"status": "ok"}, nobody.get(t, "/healthz").is(t, 200).object(t))
	r := nobody.get(t, "/openapi.json").is(t, 200)
	require.Equal(t, "3.1.0", r.text(t, "openapi"))
	require.Equal(t, "/", r.list(t, "servers")[0]["url"])
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
}

// testStaleReads runs on a store that may always be behind: who may do what is read strongly.
func testStaleReads(t *testing.T, s *suite) {
	behind := *s
	behind.stale = true
	w := behind.world(t)
	l := w.listener(t)
	// A new password ends the session at once.
	l.do(t, http.MethodPut, l.path, body{"password": "another good one"}).is(t, 200)
	l.get(t, l.path+"/preferences").is(t, 401)
	w.anybody().post(t, "/sessions", body{"username": l.name, "password": password}).is(t, 401)
	l.password = "another good one"
	l.logIn(t)
	// Keys.
	key := l.post(t, l.path+"/api-keys", nil).is(t, 201)
	l.with("X-Api-Key", key.text(t, "apiKey")).get(t, l.path+"/api-keys").is(t, 200)
	l.del(t, l.path+"/api-keys/"+key.text(t, "apiKeyId")).is(t, 200)
	l.with("X-Api-Key", key.text(t, "apiKey")).get(t, l.path+"/api-keys").says(t, 403, "Invalid API key")
	// Consent.
	one := l.path + "/variables/" + l.post(t, l.path+"/variables", body{"type": "ambient-noise"}).is(t, 201).text(t, "variableId")
	l.post(t, one+"/readings", body{"value": 50}).is(t, 409)
	l.patch(t, one, body{"optedIn": true}).is(t, 200)
	l.post(t, one+"/readings", body{"value": 50}).is(t, 201)
	l.patch(t, one, body{"optedIn": false}).is(t, 200)
	l.post(t, one+"/readings", body{"value": 50}).is(t, 409)
	require.Empty(t, l.get(t, one+"/readings").is(t, 200).list(t, "readings"))
	// What an Idempotency-Key stands for.
	as := l.with("Idempotency-Key", uuid.NewString())
	once := as.post(t, l.path+"/api-keys", nil).is(t, 201)
	require.Equal(t, once.shown(), as.post(t, l.path+"/api-keys", nil).is(t, 201).shown())
	// Another server on the same store knows at once with what the tokens are signed.
	var err error
	w.app, err = rhythmiq.New(w.config)
	require.NoError(t, err)
	w.serve(t, "")
	l.get(t, l.path).is(t, 200)
	// What was created a moment ago keeps a profile from being deleted, and what was deleted a moment ago does not.
	two := w.listener(t)
	rock := two.prefer(t, "genre", "rock")
	two.del(t, two.path).is(t, 409)
	two.del(t, two.path+"/preferences/"+rock).is(t, 200)
	two.del(t, two.path).is(t, 200)
	two.get(t, two.path).is(t, 401)
	// Logging out, and a profile that is gone.
	l.del(t, "/sessions/current").is(t, 200)
	l.get(t, l.path).is(t, 401)
	l.logIn(t)
	l.del(t, l.path+"?cascade=true").is(t, 200)
	l.get(t, l.path).is(t, 401)
	w.anybody().post(t, "/sessions", body{"username": l.name, "password": l.password}).is(t, 401)
	w.anybody().post(t, "/profiles", registration(l.name)).is(t, 201)
}
