package apitest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// spotify links accounts at a Spotify in memory, where "ada" sits at every browser.
func (w *world) spotify(t *testing.T, s store.Store) *spotify.Links {
	t.Helper()
	w.fake = spotifytest.New(spotifytest.Options{Now: w.clock.Now, RotateRefreshTokens: true})
	w.fake.Add(spotifytest.Account{ID: "ada", AccountID: "account-ada", DisplayName: "Ada"})
	keys, err := spotify.NewKeyring(spotify.CipherKey{ID: "1", Secret: bytes.Repeat([]byte{1}, 32)})
	require.NoError(t, err)
	links, err := spotify.NewLinks(s, spotify.Options{
		ClientID: w.fake.ClientID(), ClientSecret: w.fake.ClientSecret(), RedirectURI: "https://music.example.com/spotify/callback", Cipher: keys,
		PerSecond: 1e6, Burst: 1e6, AccountsURL: w.fake.URL(), APIURL: w.fake.URL(), Client: w.fake.Client(), Now: w.clock.Now,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, links.Close()) })
	return links
}

// comeback is how a browser comes back from Spotify.
type comeback struct {
	path   string // with the query
	cookie string
}

// goes sends a browser where an answer says, with the cookie that it sets, and returns how it comes back.
func (w *world) goes(t *testing.T, r *result) comeback {
	t.Helper()
	set := r.Cookies()
	require.Len(t, set, 1)
	k := set[0]
	require.True(t, k.HttpOnly && k.Secure && k.SameSite == http.SameSiteLaxMode && k.Path == "/" && strings.HasPrefix(k.Name, "__Host-"), "%v", k)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.text(t, "authorizeUrl"), http.NoBody)
	require.NoError(t, err)
	res, err := w.fake.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	return comeback{"/spotify/callback?" + to.RawQuery, k.Name + "=" + k.Value}
}

// comes has a browser come back, without a token.
func (w *world) comes(t *testing.T, b comeback) *result {
	t.Helper()
	return w.anybody().with("Cookie", b.cookie).get(t, b.path)
}

func (l *listener) begin(t *testing.T) comeback {
	t.Helper()
	return l.goes(t, l.post(t, l.path+"/spotify-link", nil).is(t, 201))
}

func (l *listener) link(t *testing.T) {
	t.Helper()
	l.comes(t, l.begin(t)).is(t, 200)
}

// pending is an account that has signed in and has no profile, and the cookie that goes with it.
func (w *world) pending(t *testing.T) (link, cookie string) {
	t.Helper()
	r := w.comes(t, w.goes(t, w.anybody().get(t, "/sign-in/spotify").is(t, 303))).is(t, 200)
	require.Equal(t, "unlinked", r.text(t, "outcome"))
	set := r.Cookies()
	require.Len(t, set, 2)
	require.Equal(t, -1, set[0].MaxAge)
	k := set[1]
	require.True(t, k.HttpOnly && k.Secure && k.SameSite == http.SameSiteLaxMode && k.Path == "/" && k.MaxAge == 600 && strings.HasPrefix(k.Name, "__Host-"), "%v", k)
	return r.text(t, "pendingLink"), k.Name + "=" + k.Value
}

// hasAccount gives the listener an account of their own, and has them sit at every browser.
func (l *listener) hasAccount(t *testing.T) {
	t.Helper()
	l.fake.Add(spotifytest.Account{ID: l.name, DisplayName: "Somebody"})
	l.fake.SignIn(l.name)
}

func testSpotify(t *testing.T, s *suite) {
	w := s.world(t, change{api: unlimited})
	l, other := w.listener(t), w.listener(t)
	require.Equal(t, body{"state": "none"}, l.get(t, l.path+"/spotify-link").is(t, 200).object(t))

	first := l.begin(t)
	require.Contains(t, w.comes(t, comeback{first.path, "x=y"}).is(t, 403).shown(), "not the browser")
	other.with("Cookie", first.cookie).get(t, first.path).says(t, 403, "This authorization was begun for another profile")
	r := w.comes(t, first).says(t, 200, "Spotify account linked successfully")
	require.Equal(t, l.id, r.text(t, "profileId"))
	require.Equal(t, -1, r.Cookies()[0].MaxAge, "the cookie is forgotten")
	w.comes(t, first).says(t, 409, "This authorization was used already. Please begin again.")
	state := l.get(t, l.path+"/spotify-link").is(t, 200)
	require.Equal(t, body{
		"state": "linked", "account": body{"accountId": "account-ada", "displayName": "Ada"},
		"scopes":   []any{"playlist-read-private", "user-library-read", "user-top-read"},
		"linkedAt": "2026-03-01T18:00:00Z", "authorizedAt": "2026-03-01T18:00:00Z", "expiresAt": "2026-09-01T18:00:00Z",
	}, state.object(t))

	// A repeated POST sets the same cookie again.
	again := l.with("Idempotency-Key", uuid.NewString())
	a, b := again.post(t, l.path+"/spotify-link", nil).is(t, 201), again.post(t, l.path+"/spotify-link", nil).is(t, 201)
	require.Equal(t, a.Header["Set-Cookie"], b.Header["Set-Cookie"])
	require.Equal(t, a.shown(), b.shown())
	w.comes(t, w.goes(t, b)).is(t, 200)

	// Whoever has the account has the profile.
	signIn := func() *result {
		return w.comes(t, w.goes(t, w.anybody().get(t, "/sign-in/spotify").is(t, 303)))
	}
	r = signIn().says(t, 200, "Signed in successfully")
	require.Equal(t, l.id, r.text(t, "profileId"))
	w.anybody().with("Authorization", "Bearer "+r.text(t, "token")).get(t, l.path).is(t, 200)
	w.comes(t, other.begin(t)).says(t, 409, "This Spotify account is linked to another profile")
	require.Equal(t, 405, w.anybody().do(t, http.MethodHead, "/sign-in/spotify", nil).StatusCode)

	// What is shown has a tag, which can be held against it.
	l.with("If-Match", `"00000000000000000000000000000001"`).del(t, l.path+"/spotify-link").is(t, 412)
	l.with("If-Match", l.get(t, l.path+"/spotify-link").etag()).del(t, l.path+"/spotify-link").says(t, 200, "Spotify account unlinked successfully")
	require.Equal(t, body{"state": "none"}, l.get(t, l.path+"/spotify-link").is(t, 200).object(t))

	// An account that no profile has waits for one.
	pending, k := w.pending(t)
	same := other.with("Cookie", k)
	same.post(t, other.path+"/spotify-link", body{"pendingLink": pending, "scopes": []string{"user-top-read"}, "showDialog": true}).
		wrong(t, map[string]string{"scopes": "", "showDialog": ""})
	require.Contains(t, other.post(t, other.path+"/spotify-link", body{"pendingLink": pending}).is(t, 403).shown(), "not the browser")
	r = same.post(t, other.path+"/spotify-link", body{"pendingLink": pending}).says(t, 201, "Spotify account linked successfully")
	require.Equal(t, -1, r.Cookies()[0].MaxAge, "the cookie is forgotten")
	same.post(t, other.path+"/spotify-link", body{"pendingLink": pending}).wrong(t, map[string]string{"pendingLink": ""})
	require.Equal(t, other.id, signIn().is(t, 200).text(t, "profileId"))
	w.fake.Add(spotifytest.Account{ID: "bob"})
	w.fake.SignIn("bob")
	pending, k = w.pending(t)
	same = other.with("Cookie", k)
	same.post(t, other.path+"/spotify-link", body{"pendingLink": pending}).says(t, 409, "Another Spotify account is linked to this profile. Unlink it first.")
	w.clock.advance(10 * time.Minute)
	same.post(t, other.path+"/spotify-link", body{"pendingLink": pending}).is(t, 400)

	// Whoever has no password, and is let in by an account alone, is not locked out.
	w.fake.Add(spotifytest.Account{ID: "cai"})
	w.fake.SignIn("cai")
	cai, err := w.app.Profiles.Create(t.Context(), profile.Registration{
		Username: "cai", FirstName: "Cai", LastName: "Li", Email: "cai@example.com", PhoneNumber: "+12015550123", Passwordless: true,
	})
	require.NoError(t, err)
	let, err := w.app.Profiles.SignIn(t.Context(), cai.ID)
	require.NoError(t, err)
	as, at := w.anybody().with("Authorization", "Bearer "+let.Token), "/profiles/"+cai.ID.String()
	w.comes(t, w.goes(t, as.post(t, at+"/spotify-link", nil).is(t, 201))).is(t, 200)
	require.Contains(t, as.del(t, at+"/spotify-link").is(t, 409).shown(), "Set a password first")
	require.Contains(t, as.get(t, at+"/spotify-link").is(t, 200).shown(), `"linked"`)
	as.do(t, http.MethodPut, at, body{"password": password}).is(t, 200)
	as = w.anybody().with("Authorization", "Bearer "+as.post(t, "/sessions", body{"username": "cai", "password": password}).is(t, 201).text(t, "token"))
	as.del(t, at+"/spotify-link").is(t, 200)
	as.del(t, at).is(t, 200)

	// Whoever is gone while their browser is away has no profile to link to, and leaves nothing behind.
	gone := w.listener(t)
	back := gone.begin(t)
	gone.del(t, gone.path).is(t, 200)
	w.comes(t, back).says(t, 404, "Profile with the specified ID does not exist")
	linked := w.listener(t)
	linked.link(t)
	linked.del(t, linked.path).is(t, 200) // a link is nothing to be deleted first
	r = signIn().is(t, 200)
	require.Equal(t, "unlinked", r.text(t, "outcome"))

	w.clock.advance(10 * time.Minute)
	l.post(t, "/sessions", body{"username": other.name, "password": password}).is(t, 201)
	require.NoError(t, w.app.Profiles.Delete(t.Context(), uuid.MustParse(other.id), true, store.Version{}))
	leftOver(t, w)

	t.Run("None", func(t *testing.T) {
		w := s.world(t, change{alone: true})
		l := w.listener(t)
		l.get(t, l.path+"/spotify-link").says(t, 404, "This service has no Spotify")
		l.post(t, l.path+"/spotify-link", nil).is(t, 404)
		l.del(t, l.path+"/spotify-link").is(t, 404)
		w.anybody().get(t, "/sign-in/spotify").is(t, 404)
		w.anybody().get(t, "/spotify/callback?state=x").is(t, 404)
	})
}

// leftOver checks that a store that can show all it has has nothing of Spotify.
func leftOver(t *testing.T, w *world) {
	t.Helper()
	scanner, ok := store.As[store.Scanner](w.store)
	if !ok {
		return
	}
	for cursor := ""; ; {
		page, err := scanner.Scan(t.Context(), store.Users, cursor, 0)
		require.NoError(t, err)
		for _, item := range page.Items {
			shown := strings.ToLower(fmt.Sprint(item.Key, string(item.Body)))
			require.NotContains(t, shown, "spotify")
			require.NotContains(t, shown, "account-ada")
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
}
