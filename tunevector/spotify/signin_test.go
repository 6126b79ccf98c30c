package spotify_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

func TestSignIn(t *testing.T) {
	h := build(t, plan{})
	stranger := h.browser(t)
	got := stranger.do(t, http.MethodGet, "/sign-in/spotify", nil).is(t, 200)
	require.Equal(t, "unlinked", got.body["outcome"])
	require.NotContains(t, everything(t, h.store), "acc-ada", "an account that waits is sealed")

	// They sign up, and say so.
	stranger.signUp(t)
	stranger.do(t, http.MethodPost, stranger.path+"/spotify-link", map[string]any{"pendingLink": got.body["pendingLink"]}).
		says(t, 201, "Spotify account linked successfully")
	require.Equal(t, "linked", stranger.state(t)["state"])

	again := h.browser(t)
	got = again.do(t, http.MethodGet, "/sign-in/spotify", nil).says(t, 200, "Signed in successfully")
	require.Equal(t, stranger.id.String(), got.body["profileId"])
	again.token, _ = got.body["token"].(string)
	again.do(t, http.MethodGet, stranger.path, nil).is(t, 200)

	// To sign in is to authorize anew, also where that had ended.
	h.fake.Revoke("ada")
	token, err := h.links.Token(t.Context(), stranger.id)
	require.NoError(t, err)
	_, err = h.links.Renew(t.Context(), stranger.id, token)
	require.ErrorIs(t, err, spotify.ErrReauthRequired)
	require.Equal(t, "reauth-required", stranger.state(t)["state"])
	h.clock.advance(time.Minute)
	h.browser(t).do(t, http.MethodGet, "/sign-in/spotify", nil).says(t, 200, "Signed in successfully")
	require.Equal(t, "linked", stranger.state(t)["state"])
	require.Equal(t, "2026-11-02T18:01:00Z", stranger.state(t)["authorizedAt"])

	// But it takes away nothing that was granted beside.
	stranger.link(t, spotify.ScopeModifyPrivate)
	h.browser(t).do(t, http.MethodGet, "/sign-in/spotify", nil).says(t, 200, "Signed in successfully")
	require.Contains(t, stranger.state(t)["scopes"], spotify.ScopeModifyPrivate)

	h.fake.Deny(true)
	h.browser(t).do(t, http.MethodGet, "/sign-in/spotify", nil).is(t, 403)
}

// A host may have a profile made at once.
func TestRegister(t *testing.T) {
	var made []uuid.UUID
	fails := errors.New("no room")
	synctest.Test(t, func(t *testing.T) {
		var b *bubble
		b = newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) {
			o.Register = func(_ context.Context, a spotify.Account) (uuid.UUID, error) {
				require.Equal(t, spotify.Account{ID: "ada", DisplayName: "Ada"}, a)
				if fails != nil {
					return uuid.Nil, fails
				}
				made = append(made, b.profile(t))
				return made[len(made)-1], nil
			}
		})
		b.fake.Add(spotifytest.Account{ID: "ada", DisplayName: "Ada"})
		signIn := func() (linking.Outcome, error) {
			begun, err := b.links.BeginSignIn(t.Context())
			require.NoError(t, err)
			return b.links.Finish(t.Context(), b.goes(t, begun))
		}
		_, err := signIn()
		require.ErrorIs(t, err, fails)
		fails = nil
		out, err := signIn()
		require.NoError(t, err)
		require.True(t, out.SignIn)
		require.Equal(t, []uuid.UUID{out.ProfileID}, made)
		out, err = signIn()
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{out.ProfileID}, made)
		require.Equal(t, spotify.Linked, b.state(t, made[0]).State)

		// Two at once: one of the two profiles is the account's.
		require.NoError(t, b.links.Unlink(t.Context(), made[0]))
		made = nil
		begun, err := b.links.BeginSignIn(t.Context())
		require.NoError(t, err)
		first := b.goes(t, begun)
		again := true
		b.links = b.process(t, b.store, func(o *spotify.Options) {
			o.Register = func(context.Context, spotify.Account) (uuid.UUID, error) {
				if again {
					again = false
					_, err := signIn()
					require.NoError(t, err)
				}
				made = append(made, b.profile(t))
				return made[len(made)-1], nil
			}
		})
		out, err = b.links.Finish(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, made[0], out.ProfileID)
	})
}

// Spotify may fail anywhere on the way back: nothing is linked then, and the listener is told to begin again or to come back.
func TestSpotifyFailsAtTheCallback(t *testing.T) {
	for name, c := range map[string]struct {
		fault spotifytest.Fault
		is    error
	}{
		"token: down":          {spotifytest.Fault{Path: "/api/token", Status: 503}, rhythmiq.ErrUnavailable},
		"token: slow":          {spotifytest.Fault{Path: "/api/token", Hang: true}, rhythmiq.ErrUnavailable},
		"token: refused":       {spotifytest.Fault{Path: "/api/token", Status: 400, Body: `{"error":"invalid_client"}`}, spotify.ErrConfiguration},
		"token: lost":          {spotifytest.Fault{Path: "/api/token", Lost: true}, rhythmiq.ErrUnavailable},
		"me: down":             {spotifytest.Fault{Path: "/v1/me", Status: 500}, rhythmiq.ErrUnavailable},
		"me: slow":             {spotifytest.Fault{Path: "/v1/me", Hang: true}, rhythmiq.ErrUnavailable},
		"me: not on the list":  {spotifytest.Fault{Path: "/v1/me", Status: 403}, rhythmiq.ErrForbidden},
		"me: nonsense":         {spotifytest.Fault{Path: "/v1/me", Status: 200, Body: "<html>"}, rhythmiq.ErrUnavailable},
		"me: nobody":           {spotifytest.Fault{Path: "/v1/me", Status: 200, Body: `{"display_name":"x"}`}, rhythmiq.ErrUnavailable},
		"me: lost":             {spotifytest.Fault{Path: "/v1/me", Cut: true}, rhythmiq.ErrUnavailable},
		"me: too many":         {spotifytest.Fault{Path: "/v1/me", Status: 429, RetryAfter: 86_400}, rhythmiq.ErrUnavailable},
		"me: somewhere else":   {spotifytest.Fault{Path: "/v1/me", Status: 302, Header: http.Header{"Location": {"https://evil.example.com/"}}}, rhythmiq.ErrUnavailable},
		"token: not yet known": {spotifytest.Fault{Path: "/api/token", Status: 200, Body: `{"access_token":"access-x"}`}, rhythmiq.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, spotifytest.Options{}, nil)
				b.fake.Add(spotifytest.Account{ID: "ada"})
				id := b.profile(t)
				begun, err := b.links.Begin(t.Context(), id, linking.Request{})
				require.NoError(t, err)
				back := b.goes(t, begun)
				b.fake.Inject(c.fault)
				out, err := b.links.Finish(t.Context(), back)
				require.ErrorIs(t, err, c.is)
				require.NotContains(t, err.Error(), back.Code)
				require.NotEmpty(t, out.Cookie.Name)
				require.Equal(t, spotify.None, b.state(t, id).State)
				b.fake.Heal()
				time.Sleep(15 * time.Minute) // for which a 429 holds everything
				begun, err = b.links.Begin(t.Context(), id, linking.Request{})
				require.NoError(t, err)
				_, err = b.links.Finish(t.Context(), b.goes(t, begun))
				require.NoError(t, err)
			})
		})
	}
}

// A display name that is too long is cut, and what Spotify leaves out of an answer is as it was asked for.
func TestOddAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		long := strings.Repeat("é!", 200)
		b.fake.Add(spotifytest.Account{ID: "ada", AccountID: "acc", DisplayName: long})
		id := b.profile(t)
		access, refresh := b.fake.Grant("ada")
		for _, body := range []string{
			`{"access_token":"` + access + `","refresh_token":"` + refresh + `","token_type":"Bearer"}`,
			`{"access_token":"` + access + `","refresh_token":"` + refresh + `","token_type":"Bearer","expires_in":1}`,
			`{"access_token":"` + access + `","refresh_token":"` + refresh + `","token_type":"Bearer","expires_in":99999999999}`,
		} {
			begun, err := b.links.Begin(t.Context(), id, linking.Request{})
			require.NoError(t, err)
			back := b.goes(t, begun)
			b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Status: 200, Body: body})
			_, err = b.links.Finish(t.Context(), back)
			require.NoError(t, err)
			link := b.state(t, id)
			require.Equal(t, spotify.DefaultScopes(), link.Scopes)
			require.LessOrEqual(t, len(link.Account.DisplayName), 256)
			left := b.left(t, id)
			require.True(t, left >= time.Minute && left <= 24*time.Hour, "%v", left)
		}
		// The same account by its older id alone.
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 200, Body: `{"id":"ada"}`})
		begun, err := b.links.Begin(t.Context(), id, linking.Request{})
		require.NoError(t, err)
		_, err = b.links.Finish(t.Context(), b.goes(t, begun))
		require.NoError(t, err)
		require.Equal(t, "acc", b.state(t, id).Account.ID)
		require.NoError(t, b.links.Unlink(t.Context(), id))
		time.Sleep(10 * time.Minute)
		require.NotContains(t, everything(t, b.store), "spotify")
	})
}

// The store may fail at every call of a link's way: what is answered with success was made, and else beginning again makes it.
func TestTheStoreFailsAnywhere(t *testing.T) {
	for _, made := range []bool{false, true} {
		reached := true
		for at := 1; reached; at++ {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				reached = false
				armed := false
				down := &broken{}
				b := newBubble(t, spotifytest.Options{}, down.over)
				hit := func() bool {
					if !armed {
						return false
					}
					calls++
					if calls == at {
						reached = true
					}
					return calls >= at && calls < at+4 // longer than a service gets over
				}
				down.get = func(store.Key) error {
					if hit() {
						return store.ErrUnavailable
					}
					return nil
				}
				down.apply = func(_ []store.Write, next func() error) error {
					if !hit() {
						return next()
					}
					if made {
						_ = next()
					}
					return store.ErrUnavailable
				}
				b.fake.Add(spotifytest.Account{ID: "ada"})
				id := b.profile(t)
				link := func() error {
					begun, err := b.links.Begin(t.Context(), id, linking.Request{})
					if err != nil {
						return err
					}
					_, err = b.links.Finish(t.Context(), b.goes(t, begun))
					return err
				}
				armed = true
				err := link()
				armed = false
				if err == nil {
					require.Equal(t, spotify.Linked, b.state(t, id).State)
				} else {
					require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
					require.NoError(t, link())
				}
				require.Equal(t, spotify.Linked, b.state(t, id).State)
				require.Len(t, b.due(t, id), 1)
				calls = 0
				armed = true
				err = b.links.Unlink(t.Context(), id)
				armed = false
				if err != nil {
					require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
					require.NoError(t, b.links.Unlink(t.Context(), id))
				}
				time.Sleep(10 * time.Minute)
				require.NotContains(t, everything(t, b.store), "spotify")
			})
			require.Less(t, at, 100)
		}
	}
}

// signsIn signs in by an account as Spotify would tell of it.
func (b *bubble) signsIn(t *testing.T, account string) linking.Outcome {
	t.Helper()
	begun, err := b.links.BeginSignIn(t.Context())
	require.NoError(t, err)
	back := b.goes(t, begun)
	b.fake.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 200, Body: account})
	out, err := b.links.Finish(t.Context(), back)
	require.NoError(t, err)
	return out
}

// linksAs links an account as Spotify would tell of it.
func (b *bubble) linksAs(t *testing.T, id uuid.UUID, account string) {
	t.Helper()
	begun, err := b.links.Begin(t.Context(), id, linking.Request{})
	require.NoError(t, err)
	back := b.goes(t, begun)
	b.fake.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 200, Body: account})
	_, err = b.links.Finish(t.Context(), back)
	require.NoError(t, err)
}

// An account whose user id has changed is found by the new one, and by the old one no more: neither while it is linked nor after that.
func TestAnotherUserID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		id := b.profile(t)
		b.linksAs(t, id, `{"id":"old","account_id":"acc"}`)
		b.linksAs(t, id, `{"id":"new","account_id":"acc"}`)
		require.NotEmpty(t, b.signsIn(t, `{"id":"old"}`).Pending)
		require.Equal(t, id, b.signsIn(t, `{"id":"new"}`).ProfileID)
		require.Equal(t, id, b.signsIn(t, `{"id":"newer","account_id":"acc"}`).ProfileID)
		require.NotEmpty(t, b.signsIn(t, `{"id":"new"}`).Pending)
		require.NoError(t, b.links.Unlink(t.Context(), id))
		time.Sleep(10 * time.Minute)
		require.NotContains(t, everything(t, b.store), "spotify")
		for _, account := range []string{`{"id":"old","account_id":"other"}`, `{"id":"newer"}`, `{"id":"newer","account_id":"acc"}`} {
			out := b.signsIn(t, account)
			require.False(t, out.SignIn)
			require.Zero(t, out.ProfileID)
			require.NotEmpty(t, out.Pending)
		}
	})
}

// Where both have a lasting id, it alone says whether two accounts are the same.
func TestSameUserIDOfAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		id, another := b.profile(t), b.profile(t)
		b.linksAs(t, id, `{"id":"ada","account_id":"acc-1"}`)
		out := b.signsIn(t, `{"id":"ada","account_id":"acc-2"}`)
		require.False(t, out.SignIn)
		require.Zero(t, out.ProfileID)
		require.Equal(t, "acc-1", b.state(t, id).Account.ID)
		for _, profileID := range []uuid.UUID{id, another} {
			_, err := b.links.Attach(t.Context(), profileID, request(out))
			require.ErrorIs(t, err, rhythmiq.ErrConflict)
		}
		require.Equal(t, "acc-1", b.state(t, id).Account.ID)
		require.Equal(t, spotify.None, b.state(t, another).State)

		// Nor is a profile made for it, which could not have it.
		b.links = b.process(t, b.store, func(o *spotify.Options) {
			o.Register = func(context.Context, spotify.Account) (uuid.UUID, error) {
				t.Error("registered")
				return another, nil
			}
		})
		begun, err := b.links.BeginSignIn(t.Context())
		require.NoError(t, err)
		back := b.goes(t, begun)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 200, Body: `{"id":"ada","account_id":"acc-2"}`})
		out, err = b.links.Finish(t.Context(), back)
		require.ErrorIs(t, err, rhythmiq.ErrConflict)
		require.Zero(t, out.ProfileID)
		require.Equal(t, id, b.signsIn(t, `{"id":"ada"}`).ProfileID, "where only one of them has one, the user id does")
	})
}

// An account that is unlinked while its owner signs in signs nobody in, and is not linked again.
func TestUnlinkedWhileSigningIn(t *testing.T) {
	for name, reads := range map[string]int{"before the link is read": 1, "before it is authorized anew": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down := &broken{}
				b := newBubble(t, spotifytest.Options{}, down.over)
				id := b.profile(t)
				b.fake.Add(spotifytest.Account{ID: "ada"})
				b.linksAs(t, id, `{"id":"ada"}`)
				other, at := b.process(t, b.store), 0
				down.get = func(key store.Key) error {
					if key != spotify.Key(id, "link") {
						return nil
					}
					if at++; at == reads {
						return other.Unlink(t.Context(), id)
					}
					return nil
				}
				out := b.signsIn(t, `{"id":"ada"}`)
				require.GreaterOrEqual(t, at, reads)
				require.False(t, out.SignIn)
				require.Zero(t, out.ProfileID)
				require.NotEmpty(t, out.Pending)
				require.Equal(t, spotify.None, b.state(t, id).State)
			})
		})
	}
}

// A claim that a link has left behind signs nobody in, and keeps the account from nobody.
func TestClaimLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		for name, left := range map[string]uuid.UUID{"never-linked": b.profile(t), "linked-to-another": b.linked(t)} {
			body, err := store.Encode(map[string]any{"profileId": left})
			require.NoError(t, err)
			key := store.Key{Table: store.Users, Partition: store.HashPartition("spotify-user", name), Sort: "spotify#claim"}
			require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: body}, store.Absent)))
			out := b.signsIn(t, `{"id":"`+name+`"}`)
			require.False(t, out.SignIn)
			id := b.profile(t)
			_, err = b.links.Attach(t.Context(), id, request(out))
			require.NoError(t, err)
			require.Equal(t, id, b.signsIn(t, `{"id":"`+name+`"}`).ProfileID)
		}
		// Nor from the profile whose link it was.
		id := b.profile(t)
		b.linksAs(t, id, `{"id":"grace"}`)
		key := store.Key{Table: store.Users, Partition: store.HashPartition("spotify-user", "grace"), Sort: "spotify#claim"}
		left, err := b.store.Get(t.Context(), key, store.Strong)
		require.NoError(t, err)
		require.NoError(t, b.links.Unlink(t.Context(), id))
		left.Version = store.Version{}
		require.NoError(t, b.store.Apply(t.Context(), store.Put(left, store.Absent)))
		b.linksAs(t, id, `{"id":"grace"}`)
		require.Equal(t, id, b.signsIn(t, `{"id":"grace"}`).ProfileID)
	})
}
