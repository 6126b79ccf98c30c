package spotify_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// waits has an account sign in that no profile has, and returns its pendingLink.
func (l *listener) waits(t *testing.T) map[string]any {
	t.Helper()
	got := l.do(t, http.MethodGet, "/sign-in/spotify", nil).is(t, 200)
	require.Equal(t, "unlinked", got.body["outcome"])
	return map[string]any{"pendingLink": got.body["pendingLink"]}
}

// A pendingLink is good in the browser that signed in, once, for ten minutes; and whoever may not use it does not use it up.
func TestPendingLink(t *testing.T) {
	t.Run("another browser", func(t *testing.T) {
		h := build(t, plan{})
		l, other := h.browser(t), h.listener(t)
		pending := l.waits(t)
		// Such as of somebody who was made to use the account of whoever sent it to them.
		other.do(t, http.MethodPost, other.path+"/spotify-link", pending).
			says(t, 403, "This is not the browser that signed in with Spotify. Please sign in with Spotify again.")
		h.fake.SignIn("bob")
		other.waits(t) // has a cookie, of another one
		h.fake.SignIn("ada")
		other.do(t, http.MethodPost, other.path+"/spotify-link", pending).is(t, 403)
		require.Equal(t, "none", other.state(t)["state"])

		l.signUp(t)
		require.Len(t, l.http.Jar.Cookies(mustParse(t, h.base)), 1)
		l.do(t, http.MethodPost, l.path+"/spotify-link", pending).says(t, 201, "Spotify account linked successfully")
		require.Equal(t, "linked", l.state(t)["state"])
		require.Empty(t, l.http.Jar.Cookies(mustParse(t, h.base)), "the cookie is forgotten")
	})
	t.Run("used twice", func(t *testing.T) {
		h := build(t, plan{})
		l := h.browser(t)
		pending := l.waits(t)
		kept := l.http.Jar.Cookies(mustParse(t, h.base))
		l.signUp(t)
		l.do(t, http.MethodPost, l.path+"/spotify-link", pending).is(t, 201)
		l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
		for _, cookies := range [][]*http.Cookie{nil, kept} {
			l.http.Jar.SetCookies(mustParse(t, h.base), cookies)
			l.do(t, http.MethodPost, l.path+"/spotify-link", pending).is(t, 400)
		}
		require.Equal(t, "none", l.state(t)["state"])
	})
	t.Run("used twice at once", func(t *testing.T) {
		h := build(t, plan{})
		l := h.browser(t)
		pending := l.waits(t)
		kept := l.http.Jar.Cookies(mustParse(t, h.base))
		var all sync.WaitGroup
		var mu sync.Mutex
		answers := map[int]int{}
		for range 4 {
			one := h.listener(t)
			one.http.Jar.SetCookies(mustParse(t, h.base), kept)
			all.Go(func() {
				a := one.do(t, http.MethodPost, one.path+"/spotify-link", pending)
				mu.Lock()
				defer mu.Unlock()
				answers[a.status]++
			})
		}
		all.Wait()
		require.Equal(t, 1, answers[201], answers)
		require.Equal(t, 3, answers[409]+answers[400], answers)
	})
	t.Run("expired", func(t *testing.T) {
		h := build(t, plan{})
		l := h.browser(t)
		pending := l.waits(t)
		kept := l.http.Jar.Cookies(mustParse(t, h.base))
		l.signUp(t)
		page, err := h.store.(store.Scanner).Scan(t.Context(), store.Users, "", 0)
		require.NoError(t, err)
		h.clock.advance(10*time.Minute - time.Second)
		restored := 0
		for _, item := range page.Items {
			if strings.HasSuffix(item.Key.Sort, "#pending") {
				restored++
				item.ExpiresAt, item.Version = time.Time{}, store.Version{} // whatever the store does about what has expired
				require.NoError(t, h.store.Apply(t.Context(), store.Put(item, store.Present)))
			}
		}
		require.Equal(t, 1, restored)
		h.clock.advance(time.Second)
		l.http.Jar.SetCookies(mustParse(t, h.base), kept)
		require.Contains(t, l.do(t, http.MethodPost, l.path+"/spotify-link", pending).is(t, 400).text, "Is unknown or has expired")
		require.Equal(t, "none", l.state(t)["state"])
	})
}
