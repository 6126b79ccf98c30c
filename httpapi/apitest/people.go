package apitest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
)

func testRouting(t *testing.T, s *suite) {
	w := s.world(t, change{mount: "/music/v7"})
	l := w.listener(t)
	for _, path := range []string{"/", "/profile", "/profiles/", l.path + "/", l.path + "/preferences/", l.path + "/x", "/sessions", "/sessions/other"} {
		r := w.anybody().get(t, path)
		if path == "/sessions" { // a path, but not for GET
			r.says(t, 405, "This path does not have this method")
			require.Equal(t, "OPTIONS, POST", r.Header.Get("Allow"))
			continue
		}
		if r.StatusCode == http.StatusOK { // the mux has cleaned the path
			continue
		}
		require.Contains(t, []int{404, 401}, r.StatusCode, path)
	}
	// An escaped slash separates nothing, in either case of its letter.
	for _, slash := range []string{"%2F", "%2f"} {
		l.get(t, l.path+slash+"preferences").says(t, 404, "There is nothing at this path")
	}
	r := l.do(t, http.MethodPatch, l.path, body{}).says(t, 405, "This path does not have this method")
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS, PUT", r.Header.Get("Allow"))
	r = w.anybody().do(t, http.MethodOptions, l.path+"/preferences", nil).is(t, 204)
	require.Equal(t, "GET, HEAD, OPTIONS, POST", r.Header.Get("Allow"))
	w.anybody().do(t, "BREW", "/openapi.json", nil).is(t, 405)

	// HEAD is GET without a body.
	get, head := l.get(t, l.path).is(t, 200), l.do(t, http.MethodHead, l.path, nil).is(t, 200)
	require.Empty(t, head.shown())
	for _, name := range []string{"ETag", "Content-Type", "Content-Length", "Cache-Control", "Vary"} {
		require.NotEmpty(t, get.Header.Get(name), name)
		require.Equal(t, get.Header[name], head.Header[name], name)
	}

	// A sane request id is kept, any other replaced.
	require.Equal(t, "abc-1.2_3", l.with("X-Request-Id", "abc-1.2_3").get(t, l.path).Header.Get("X-Request-Id"))
	for _, id := range []string{"", "a b", strings.Repeat("x", 65), "<script>"} {
		got := l.with("X-Request-Id", id).get(t, l.path).Header.Get("X-Request-Id")
		require.NotEqual(t, id, got)
		require.Len(t, got, 32)
	}
	one, two := l.get(t, l.path), l.get(t, l.path)
	require.NotEqual(t, one.Header.Get("X-Request-Id"), two.Header.Get("X-Request-Id"))

	// Locations lead to what was made, below the prefix, and so does the document.
	servers := w.anybody().get(t, "/openapi.json").is(t, 200).list(t, "servers")
	require.Len(t, servers, 1)
	require.Equal(t, "/music/v7", servers[0]["url"])
	made := l.post(t, l.path+"/preferences", body{"type": "artist", "value": "Björk"}).is(t, 201)
	require.True(t, strings.HasPrefix(made.Header.Get("Location"), "/music/v7/profiles/"))
	l.get(t, strings.TrimPrefix(made.Header.Get("Location"), "/music/v7")).is(t, 200)
}

func testProfiles(t *testing.T, s *suite) {
	w := s.world(t)
	nobody := w.anybody()
	r := nobody.post(t, "/profiles", registration("alice")).says(t, 201, "Profile created successfully")
	id := r.text(t, "profileId")
	require.Equal(t, "/profiles/"+id, r.Header.Get("Location"))
	taken := registration("bob")
	taken["email"] = "ALICE@example.com"
	nobody.post(t, "/profiles", taken).says(t, 409, "Username or email already exists")
	taken = registration("Alice")
	taken["email"] = "other@example.com"
	nobody.post(t, "/profiles", taken).says(t, 409, "Username or email already exists")

	nobody.post(t, "/profiles", body{}).wrong(t, map[string]string{
		"username": "", "firstName": "", "lastName": "", "email": "", "phoneNumber": "", "password": "",
	})
	nobody.post(t, "/profiles", body{
		"username": "a b", "firstName": "", "lastName": strings.Repeat("x", 101), "email": "nope", "phoneNumber": "201-555-0123", "password": "short",
		"profileId": id,
	}).wrong(t, map[string]string{
		"username": "", "firstName": "", "lastName": "", "email": "Invalid email format",
		"phoneNumber": "Phone number must include a country code", "password": "Password must be at least 8 characters long",
		"profileId": "Unknown field",
	})

	l := w.listener(t)
	got := l.get(t, l.path).is(t, 200)
	require.Equal(t, body{
		"profileId": l.id, "username": l.name, "firstName": "Ann", "lastName": "Lee", "email": l.email, "phoneNumber": "+12015550123",
		"createdAt": "2026-03-01T18:00:00Z", "updatedAt": "2026-03-01T18:00:00Z",
	}, got.object(t))

	w.clock.advance(time.Minute)
	r = l.do(t, http.MethodPut, l.path, body{"username": "renamed", "phoneNumber": "+44 20 7946 0958", "password": "another good one"}).
		says(t, 200, "Profile updated successfully")
	require.Equal(t, body{
		"message": "Profile updated successfully", "profileId": l.id,
		"updatedFields": body{"username": "renamed", "phoneNumber": "+442079460958", "password": "********"},
	}, r.object(t))
	require.NotEqual(t, got.etag(), r.etag())

	// The new password has ended the session.
	l.get(t, l.path).is(t, 401)
	l.name, l.password = "renamed", "another good one"
	l.logIn(t)
	require.Equal(t, r.etag(), l.get(t, l.path).is(t, 200).etag())

	l.do(t, http.MethodPut, l.path, body{"username": "alice"}).says(t, 409, "Email or username already in use")
	l.do(t, http.MethodPut, l.path, body{"email": "new@example.com", "firstName": ""}).wrong(t, map[string]string{"email": "", "firstName": ""})
	l.do(t, http.MethodPut, l.path, body{"username": nil, "lastName": 5, "password": "x"}).wrong(t, map[string]string{
		"username": "Must not be null", "lastName": "Must be a string", "password": "Password must be at least 8 characters long",
	})

	l.post(t, l.path+"/preferences", body{"type": "genre", "value": "rock"}).is(t, 201)
	l.post(t, l.path+"/variables", body{"type": "location"}).is(t, 201)
	message := l.del(t, l.path).is(t, 409).text(t, "message")
	require.Contains(t, message, "preferences")
	require.Contains(t, message, "variables")
	l.del(t, l.path+"?cascade=false").is(t, 409)
	l.del(t, l.path+"?cascade=yes").wrong(t, map[string]string{"cascade": ""})
	l.del(t, l.path+"?cascade=true&cascade=true").wrong(t, map[string]string{"cascade": ""})
	l.get(t, l.path).is(t, 200)
	l.del(t, l.path+"?cascade=true").says(t, 200, "Profile deleted successfully")
	l.get(t, l.path).is(t, 401)
	again := registration("renamed")
	again["email"] = l.email
	nobody.post(t, "/profiles", again).is(t, 201)
}

func testSessions(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	nobody := w.anybody()
	for _, c := range []body{
		{"username": l.name, "password": "wrong password"},
		{"username": "nobody", "password": password},
		{"email": "nobody@example.com", "password": password},
	} {
		r := nobody.post(t, "/sessions", c).says(t, 401, "Invalid credentials")
		require.Equal(t, "Bearer", r.Header.Get("WWW-Authenticate"))
	}
	nobody.post(t, "/sessions", body{"username": l.name, "email": l.email, "password": password}).wrong(t, map[string]string{"username": ""})
	nobody.post(t, "/sessions", body{}).wrong(t, map[string]string{"email": "", "password": ""})
	nobody.post(t, "/sessions", body{"email": 5}).wrong(t, map[string]string{"email": "", "password": ""})
	r := nobody.post(t, "/sessions", body{"email": strings.ToUpper(l.email), "password": password}).is(t, 201)
	require.Equal(t, "/sessions/current", r.Header.Get("Location"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	o := r.object(t)
	require.Equal(t, "Bearer", o["tokenType"])
	require.Equal(t, l.id, o["profileId"])
	second := w.anybody().with("Authorization", "bearer "+r.text(t, "token"))
	second.get(t, l.path).is(t, 200)
	second.del(t, "/sessions/current").says(t, 200, "Session ended successfully")
	second.get(t, l.path).is(t, 401)
	second.del(t, "/sessions/current").is(t, 401)
	l.get(t, l.path).is(t, 200)

	// A session's end.
	w.clock.advance(2 * time.Hour)
	l.get(t, l.path).says(t, 401, "Unauthorized access. Please provide a valid token.")

	// Ten failures in a minute.
	for range 10 {
		nobody.post(t, "/sessions", body{"username": l.name, "password": "wrong password"}).is(t, 401)
	}
	r = nobody.post(t, "/sessions", body{"username": l.name, "password": password}).is(t, 429)
	require.NotEmpty(t, r.Header.Get("Retry-After"))
	w.clock.advance(2 * time.Minute)
	l.logIn(t)
}

func testKeys(t *testing.T, s *suite) {
	w := s.world(t)
	l, other := w.listener(t), w.listener(t)
	made := l.post(t, l.path+"/api-keys", nil).says(t, 201, "API key created successfully")
	id, key := made.text(t, "apiKeyId"), made.text(t, "apiKey")
	listed := l.get(t, l.path+"/api-keys").is(t, 200)
	require.Len(t, listed.list(t, "apiKeys"), 1)
	require.NotContains(t, listed.shown(), key)
	l.with("X-Api-Key", key).get(t, l.path).is(t, 200)
	other.with("X-Api-Key", key).get(t, other.path).says(t, 403, "Invalid API key")
	l.post(t, l.path+"/api-keys", body{"name": "x"}).wrong(t, map[string]string{"name": "Unknown field"})
	l.post(t, l.path+"/api-keys", raw{text: "[]"}).says(t, 400, "The request body must be a JSON object")
	l.with("If-Match", `"00000000000000000000000000000001"`).del(t, l.path+"/api-keys/"+id).is(t, 412)
	l.with("If-Match", "*").del(t, l.path+"/api-keys/"+id).says(t, 200, "API key deleted successfully")
	l.with("X-Api-Key", key).get(t, l.path).says(t, 403, "Invalid API key")

	// A host can require one.
	w.serve(t, "", change{api: func(_ *rhythmiq.App, o *httpapi.Options) { o.RequireAPIKey = true }})
	l.get(t, l.path).says(t, 403, "Invalid API key")
	key = l.post(t, l.path+"/api-keys", body{}).is(t, 201).text(t, "apiKey")
	l.with("X-Api-Key", key).get(t, l.path).is(t, 200)
	two := l.with("X-Api-Key", key)
	two.header["X-Api-Key"] = []string{key, key}
	two.get(t, l.path).is(t, 403)
	l.del(t, "/sessions/current").is(t, 200)
}

// testIdentities signs in with tokens of somebody else's.
func testIdentities(t *testing.T, s *suite) {
	w := s.world(t)
	own := w.listener(t)
	w.serve(t, "", change{api: func(app *rhythmiq.App, o *httpapi.Options) {
		o.Authenticators = []httpapi.Authenticator{httpapi.OwnTokens(app), trusting{}}
	}})
	as := func(token string) *listener { return w.anybody().with("Authorization", "Bearer "+token) }

	// No profile yet: nothing but signing up can be done.
	eve := as("identity:eve")
	eve.get(t, own.path).is(t, 403)
	eve.with("X-Api-Key", "x").get(t, own.path).says(t, 403, "Invalid API key")
	without := registration("eve")
	delete(without, "password")
	w.anybody().post(t, "/profiles", without).wrong(t, map[string]string{"password": ""})
	without["email"], without["firstName"] = "nope", 5
	eve.post(t, "/profiles", without).wrong(t, map[string]string{"email": "", "firstName": ""})
	without["email"], without["firstName"] = "eve@example.com", "Eve"
	id := eve.with("Idempotency-Key", "once").post(t, "/profiles", without).is(t, 201).text(t, "profileId")
	eve.get(t, "/profiles/"+id).is(t, 200)
	again := registration("eve2")
	eve.post(t, "/profiles", again).is(t, 409)
	eve.del(t, "/sessions/current").says(t, 404, "The token is not one of a session that could be ended here")
	own.get(t, own.path).is(t, 200)

	// Scopes.
	reader := as("reader:" + own.id)
	reader.get(t, own.path).is(t, 200)
	r := reader.post(t, own.path+"/preferences", body{"type": "genre", "value": "rock"}).is(t, 403)
	require.Contains(t, r.Header.Get("WWW-Authenticate"), `scope="rhythmiq:write"`)
	as(uuid.NewString()+"!").get(t, own.path).is(t, 401)
}
