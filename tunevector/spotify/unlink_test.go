package spotify_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

// unlinkIf asks for a link's end if it is as a tag says.
func (l *listener) unlinkIf(t *testing.T, tag string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, l.base+l.path+"/spotify-link", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("If-Match", tag)
	res, err := l.http.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return answer{status: res.StatusCode}
}

// A link that is another one by the moment at which it would end does not end, however late that is: the condition is part of the deletion.
func TestUnlinkIfMatch(t *testing.T) {
	for name, linked := range map[string]bool{"authorized anew meanwhile": true, "linked meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			down := &broken{}
			h := build(t, plan{wrap: down.over})
			l := h.listener(t)
			if linked {
				l.link(t)
			}
			tag := l.do(t, http.MethodGet, l.path+"/spotify-link", nil).is(t, 200).header.Get("ETag")
			h.clock.advance(time.Minute)
			once := false
			down.apply = func(writes []store.Write, next func() error) error {
				for _, w := range writes {
					if w.Key == spotify.Key(l.id, "link") && w.Delete && !once {
						once = true
						l.link(t)
					}
				}
				return next()
			}
			require.Equal(t, 412, l.unlinkIf(t, tag).status)
			require.True(t, once)
			require.Equal(t, "linked", l.state(t)["state"])
			require.NotContains(t, everything(t, h.store), "unlink", "nothing is left to be done")

			down.apply = nil
			tag = l.do(t, http.MethodGet, l.path+"/spotify-link", nil).is(t, 200).header.Get("ETag")
			require.Equal(t, 200, l.unlinkIf(t, tag).status)
			tag = l.do(t, http.MethodGet, l.path+"/spotify-link", nil).is(t, 200).header.Get("ETag")
			require.Equal(t, 200, l.unlinkIf(t, tag).status, "that there is none can be held against it too")
			require.Equal(t, "none", l.state(t)["state"])
		})
	}
}

// Whoever was registered by signing in has no password: they are not locked out by unlinking, and set one first.
func TestUnlinkingTheOnlyWayIn(t *testing.T) {
	for name, identity := range map[string]func(h *house, account string) *profile.Identity{
		"no identity":       func(*house, string) *profile.Identity { return nil },
		"Spotify's as such": func(h *house, a string) *profile.Identity { return &profile.Identity{Issuer: h.fake.URL(), Subject: a} },
		"an issuer's of ours": func(_ *house, a string) *profile.Identity {
			return &profile.Identity{Issuer: "https://id.example.com", Subject: a}
		},
	} {
		t.Run(name, func(t *testing.T) {
			names := 0
			h := build(t, plan{options: func(h *house, o *spotify.Options) {
				o.Register = func(ctx context.Context, a spotify.Account) (uuid.UUID, error) {
					names++
					p, err := h.app.Profiles.Create(ctx, profile.Registration{
						Username: fmt.Sprintf("listener-%d", names), FirstName: "Ann", LastName: "Lee", Email: fmt.Sprintf("listener-%d@example.com", names),
						PhoneNumber: "+12015550123", Passwordless: true, Identity: identity(h, a.ID),
					})
					return p.ID, err
				}
			}})
			l := h.browser(t)
			signIn := func() {
				got := l.do(t, http.MethodGet, "/sign-in/spotify", nil).says(t, 200, "Signed in successfully")
				l.token, _ = got.body["token"].(string)
				l.path = "/profiles/" + got.body["profileId"].(string)
			}
			signIn()
			if name == "an issuer's of ours" {
				l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
				return
			}
			for range 2 {
				l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).says(t, 409,
					"Signing in with this Spotify account is the only way into this profile. Set a password first, by an update of the profile, or delete the profile.")
				require.Equal(t, "linked", l.state(t)["state"])
			}
			require.NotContains(t, everything(t, h.store), "unlink")

			// They set one, see under which name they log in, and are let in by it.
			name, _ := l.do(t, http.MethodGet, l.path, nil).is(t, 200).body["username"].(string)
			l.do(t, http.MethodPut, l.path, map[string]string{"password": "correct horse"}).is(t, 200)
			l.do(t, http.MethodGet, l.path, nil).is(t, 401)
			logIn := func() answer {
				l.token = ""
				return l.do(t, http.MethodPost, "/sessions", map[string]string{"username": name, "password": "correct horse"}).is(t, 201)
			}
			l.token, _ = logIn().body["token"].(string)
			l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
			l.token, _ = logIn().body["token"].(string)
			require.Equal(t, "none", l.state(t)["state"])

			// Nobody is kept from leaving with everything.
			l.token = ""
			h.fake.SignIn("bob")
			signIn()
			l.do(t, http.MethodDelete, l.path, nil).is(t, 200)
			require.NotContains(t, everything(t, h.store), "acc-bob")
		})
	}
}
