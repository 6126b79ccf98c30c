package spotify_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// The whole of an account's link, with a browser.
func TestJourney(t *testing.T) {
	h := build(t, plan{fake: spotifytest.Options{RotateRefreshTokens: true}})
	l := h.listener(t)
	require.Equal(t, map[string]any{"state": "none"}, l.state(t))
	_, err := h.links.Token(t.Context(), l.id)
	require.ErrorIs(t, err, spotify.ErrNotLinked)

	at := l.begin(t)
	u, err := url.Parse(at)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Equal(t, "playlist-read-private user-library-read user-top-read", q.Get("scope"))
	require.GreaterOrEqual(t, len(q.Get("state")), 22, "128 bits or more")
	require.NotContains(t, at, l.id.String())
	l.do(t, http.MethodGet, at, nil).says(t, 200, "Spotify account linked successfully")
	require.Equal(t, map[string]any{
		"state": "linked", "account": map[string]any{"accountId": "acc-ada", "displayName": "Ada L."},
		"scopes":   []any{"playlist-read-private", "user-library-read", "user-top-read"},
		"linkedAt": "2026-11-02T18:00:00Z", "authorizedAt": "2026-11-02T18:00:00Z", "expiresAt": "2027-05-02T18:00:00Z",
	}, l.state(t))

	first, err := h.links.Token(t.Context(), l.id)
	require.NoError(t, err)
	h.clock.advance(time.Hour)
	second, err := h.links.Token(t.Context(), l.id)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Equal(t, 1, h.fake.Count("refresh_token"))
	again, err := h.links.Token(t.Context(), l.id)
	require.NoError(t, err)
	require.Equal(t, second, again)

	// What is kept shows no secret, nor does the export.
	for _, secret := range []string{first, second, q.Get("state")} {
		require.NotContains(t, everything(t, h.store), secret)
		require.NotContains(t, h.log.String(), secret)
	}
	export := l.do(t, http.MethodGet, l.path+"/export", nil).is(t, 200)
	require.Equal(t, "linked", export.body["spotify"].(map[string]any)["state"])
	require.NotContains(t, export.text, "token\"")

	require.Contains(t, everything(t, h.store), "Ada L.")
	l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).says(t, 200, "Spotify account unlinked successfully")
	h.clock.advance(10 * time.Minute) // what was begun has expired
	for _, of := range []string{"spotify", "acc-ada", "Ada L."} {
		require.NotContains(t, everything(t, h.store), of)
	}
	require.Equal(t, map[string]any{"state": "none"}, l.state(t))
	l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
}

func TestAnswersToBrowsers(t *testing.T) {
	h := build(t, plan{})
	l, other := h.listener(t), h.listener(t)

	t.Run("a state that is used twice", func(t *testing.T) {
		back := l.callback(t, l.begin(t))
		l.do(t, http.MethodGet, back, nil).is(t, 200)
		require.Equal(t, 1, h.fake.Count("authorization_code"))
		// The browser, or whoever else, has no cookie of it any more.
		l.do(t, http.MethodGet, back, nil).says(t, 409, "This authorization was used already. Please begin again.")
		require.Equal(t, 1, h.fake.Count("authorization_code"))
		l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
	})
	t.Run("a state that is used twice by a browser that keeps cookies", func(t *testing.T) {
		at := l.begin(t)
		kept := l.http.Jar.Cookies(mustParse(t, h.base))
		back := l.callback(t, at)
		l.do(t, http.MethodGet, back, nil).is(t, 200)
		l.http.Jar.SetCookies(mustParse(t, h.base), kept)
		l.do(t, http.MethodGet, back, nil).says(t, 409, "This authorization was used already. Please begin again.")
		l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
	})
	t.Run("the browser of somebody else", func(t *testing.T) {
		back := l.callback(t, l.begin(t))
		stranger := h.browser(t)
		stranger.do(t, http.MethodGet, back, nil).says(t, 403, "This is not the browser in which the link was begun. Please begin again.")
		other.begin(t) // has a cookie, of another flow
		other.do(t, http.MethodGet, back, nil).is(t, 403)
		require.Equal(t, "none", other.state(t)["state"])
		require.Equal(t, "none", l.state(t)["state"])
		l.do(t, http.MethodGet, back, nil).is(t, 200) // and it is not used up
		l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
	})
	t.Run("a callback for another profile", func(t *testing.T) {
		back := l.callback(t, l.begin(t))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, back, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+other.token) // such as by a page of the host's that passes the query on
		res, err := l.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 403, res.StatusCode)
		req.Header.Set("Authorization", "Bearer "+l.token)
		res, err = l.http.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
		l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
	})
	t.Run("access denied", func(t *testing.T) {
		h.fake.Deny(true)
		defer h.fake.Deny(false)
		l.do(t, http.MethodGet, l.begin(t), nil).says(t, 403, "Spotify was not linked, since access was denied")
		require.Equal(t, "none", l.state(t)["state"])
	})
	t.Run("too late", func(t *testing.T) {
		back := l.callback(t, l.begin(t))
		h.clock.advance(10 * time.Minute)
		l.do(t, http.MethodGet, back, nil).is(t, 400)
	})
	t.Run("a second account on the same profile", func(t *testing.T) {
		l.link(t)
		h.fake.SignIn("bob")
		defer h.fake.SignIn("ada")
		l.do(t, http.MethodGet, l.begin(t), nil).says(t, 409, "Another Spotify account is linked to this profile. Unlink it first.")
		require.Equal(t, "acc-ada", l.state(t)["account"].(map[string]any)["accountId"])
	})
	t.Run("an account of another profile", func(t *testing.T) {
		other.do(t, http.MethodGet, other.begin(t), nil).says(t, 409, "This Spotify account is linked to another profile")
		require.Equal(t, "none", other.state(t)["state"])
	})
	t.Run("the same account again, with another scope", func(t *testing.T) {
		h.clock.advance(time.Hour)
		l.link(t, spotify.ScopeModifyPrivate)
		state := l.state(t)
		require.Contains(t, state["scopes"], spotify.ScopeModifyPrivate)
		require.NotEqual(t, state["linkedAt"], state["authorizedAt"])
		require.Contains(t, l.begin(t), spotify.ScopeModifyPrivate, "what was granted is asked for again")
	})
	t.Run("nonsense", func(t *testing.T) {
		for query, status := range map[string]int{
			"": 400, "?state=x": 400, "?state=x&state=y": 400, "?code=x": 400, "?state=" + strings.Repeat("x", 300): 400, "?error=access_denied": 400,
		} {
			l.do(t, http.MethodGet, "/spotify/callback"+query, nil).is(t, status)
		}
		for code, status := range map[string]int{"server_error": 503, "invalid_scope": 500, "<script>": 409} {
			back := mustParse(t, l.callback(t, l.begin(t)))
			q := back.Query()
			q.Del("code")
			q.Set("error", code)
			back.RawQuery = q.Encode()
			require.NotContains(t, l.do(t, http.MethodGet, back.String(), nil).is(t, status).text, code)
		}
		back := mustParse(t, l.callback(t, l.begin(t)))
		q := back.Query()
		q.Del("code")
		back.RawQuery = q.Encode()
		l.do(t, http.MethodGet, back.String(), nil).is(t, 400)
		q = mustParse(t, l.callback(t, l.begin(t))).Query()
		q.Set("code", "stolen")
		back.RawQuery = q.Encode()
		l.do(t, http.MethodGet, back.String(), nil).says(t, 409, "Spotify does not take this authorization. Please begin again.")
		l.do(t, http.MethodPost, l.path+"/spotify-link", map[string]any{"scopes": []string{"streaming"}}).is(t, 400)
	})
}

// Whoever has unlinked an account can link another one: Spotify, where they have agreed before, asks them again, and there they say that they are somebody else.
func TestAnotherAccountAfterUnlinking(t *testing.T) {
	h := build(t, plan{})
	l := h.listener(t)
	dialog := func(at string) string { return mustParse(t, at).Query().Get("show_dialog") }
	account := func() any { return l.state(t)["account"].(map[string]any)["accountId"] }
	l.link(t)
	h.fake.Choose("bob")
	again := l.begin(t)
	require.Empty(t, dialog(again), "who authorizes anew is not asked whose account it is")
	l.do(t, http.MethodGet, again, nil).is(t, 200)
	require.Equal(t, "acc-ada", account())

	// Asked for, it is shown; and another account is refused as long as there is one.
	begun := l.do(t, http.MethodPost, l.path+"/spotify-link", map[string]any{"showDialog": true}).is(t, 201).body["authorizeUrl"].(string)
	require.Equal(t, "true", dialog(begun))
	l.do(t, http.MethodGet, begun, nil).says(t, 409, "Another Spotify account is linked to this profile. Unlink it first.")
	h.fake.SignIn("ada")
	l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)

	// What is asked for goes before what is usual.
	begun = l.do(t, http.MethodPost, l.path+"/spotify-link", map[string]any{"showDialog": false}).is(t, 201).body["authorizeUrl"].(string)
	require.Empty(t, dialog(begun))
	l.do(t, http.MethodGet, begun, nil).is(t, 200)
	require.Equal(t, "acc-ada", account(), "with no dialog Spotify goes on with who is signed in")
	l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)

	l.link(t)
	require.Equal(t, "acc-bob", account())
	l.do(t, http.MethodPost, l.path+"/spotify-link", map[string]any{"showDialog": "yes"}).is(t, 400)
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}
