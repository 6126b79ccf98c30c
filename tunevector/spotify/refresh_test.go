package spotify_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Two processes with fifty goroutines each need one expired token: one refresh reaches Spotify, which gives a new refresh token each time and takes an old one no more.
func TestOneRefresh(t *testing.T) {
	stores := map[string]func(t *testing.T, now func() time.Time) store.Store{
		"memory": nil,
		"sqlite": func(t *testing.T, now func() time.Time) store.Store {
			t.Helper()
			s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "links.db"), &sqlitestore.Options{Now: now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) { oneRefresh(t, open) })
	}
}

func oneRefresh(t *testing.T, open func(*testing.T, func() time.Time) store.Store) {
	h := build(t, plan{fake: spotifytest.Options{RotateRefreshTokens: true}, store: open})
	l := h.listener(t)
	l.link(t)
	second := h.open(t, h.store, nil)
	for round := range 3 {
		h.clock.advance(time.Hour)
		var ready, all sync.WaitGroup
		ready.Add(100)
		tokens := make([]string, 100)
		for i := range tokens {
			links := []*spotify.Links{h.links, second}[i%2]
			all.Go(func() {
				ready.Done()
				ready.Wait()
				token, err := links.Token(context.Background(), l.id)
				if err != nil {
					t.Error(err)
				}
				tokens[i] = token
			})
		}
		all.Wait()
		require.Equal(t, round+1, h.fake.Count("refresh_token"))
		for _, token := range tokens {
			require.Equal(t, tokens[0], token)
		}
	}
}

// The lease alone would not do if whoever holds it is slower than it lasts: then two ask, and the one whose token Spotify has taken wins.
func TestASlowRefreshIsNotLost(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			slow := &broken{}
			b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, slow.over)
			id := b.linked(t)
			other := b.process(t, b.store)
			time.Sleep(time.Hour)
			asleep, nap := make(chan struct{}), 5*time.Second
			if late {
				nap = 50 * time.Second
			}
			var once sync.Once
			slow.apply = func(writes []store.Write, next func() error) error {
				if brings(writes, "spotify#link", `"generation":2`) { // the swap
					once.Do(func() {
						close(asleep)
						time.Sleep(nap)
					})
				}
				return next()
			}
			var first string
			var firstErr error
			var done sync.WaitGroup
			done.Go(func() { first, firstErr = b.links.Token(t.Context(), id) })
			<-asleep
			if late {
				time.Sleep(46 * time.Second) // the lease has run out
			}
			second, err := other.Token(t.Context(), id)
			done.Wait()
			require.NoError(t, firstErr)
			if late {
				// The other one came with a refresh token that was used: it gives the link up, and the slow one brings it back.
				require.ErrorIs(t, err, spotify.ErrReauthRequired)
				require.NoError(t, b.links.Work(t.Context()))
			} else {
				require.NoError(t, err)
				require.Equal(t, first, second)
			}
			synctest.Wait()
			require.Equal(t, spotify.Linked, b.state(t, id).State)
			token, err := other.Token(t.Context(), id)
			require.NoError(t, err)
			require.True(t, b.good(t, token))
			require.True(t, b.good(t, first))
			require.Len(t, b.due(t, id), 1)
			require.NoError(t, b.links.Close())
		})
	}
}

// A store that fails at the swap loses nothing while the process lives.
func TestAStoreThatFailsAtTheSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &broken{}
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, down.over)
		id := b.linked(t)
		fail := func(generation string) {
			down.apply = func(writes []store.Write, next func() error) error {
				if brings(writes, "spotify#link", `"generation":`+generation) && !brings(writes, "spotify#link", `"lease"`) {
					return store.ErrUnavailable
				}
				return next()
			}
		}
		for n, saved := range map[string]func(){
			"by the worker":        func() { require.NoError(t, b.links.Work(t.Context())) },
			"by the next request":  func() {},
			"when Links is closed": func() { require.NoError(t, b.links.Close()) },
		} {
			if n == "when Links is closed" {
				continue
			}
			time.Sleep(time.Hour)
			link := everything(t, b.store)
			generation := link[strings.Index(link, `"generation":`)+len(`"generation":`):][:1]
			next := string(generation[0] + 1)
			fail(next)
			token, err := b.links.Token(t.Context(), id)
			require.NoError(t, err)
			require.True(t, b.good(t, token))
			require.Contains(t, b.log.String(), "kept in memory")
			require.NotContains(t, b.log.String(), "access-")
			require.Error(t, b.links.Work(t.Context()), "it still fails")
			down.apply = nil
			refreshes := b.fake.Count("refresh_token")
			saved()
			time.Sleep(46 * time.Second)
			again, err := b.links.Token(t.Context(), id)
			require.NoError(t, err, n)
			require.Equal(t, token, again, n)
			require.Equal(t, refreshes, b.fake.Count("refresh_token"), n)
			synctest.Wait() // until what was handed out is saved
		}
		time.Sleep(time.Hour)
		fail("4")
		token, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.Error(t, b.links.Close())
		down.apply = nil
		require.NoError(t, b.links.Close())
		again, err := b.process(t, b.store).Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, token, again)
		_, err = b.links.Renew(t.Context(), id, again)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable, "it is closed")
	})
}

// What the store could not be given is handed out at once by the process that has it, and saved as soon as the store takes it.
func TestUnsavedTokensAreHandedOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &broken{}
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, down.over)
		id := b.linked(t)
		time.Sleep(time.Hour)
		down.apply = func(writes []store.Write, next func() error) error {
			if brings(writes, "spotify#link", `"generation":2`) {
				return store.ErrUnavailable
			}
			return next()
		}
		first, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.Contains(t, b.log.String(), "kept in memory")
		began := time.Now()
		for range 3 {
			token, err := b.links.Token(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, first, token)
		}
		require.Less(t, time.Since(began), time.Second, "nobody waits for the lease to run out")
		synctest.Wait()

		// One that Spotify has refused is not handed out, nor is it renewed by the refresh token from before, which is used up.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		_, err = b.links.Renew(ctx, id, first)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
		require.Equal(t, 1, b.fake.Count("refresh_token"))
		require.Error(t, b.links.Work(t.Context()))
		require.Equal(t, 1, b.fake.Count("refresh_token"))
		require.Equal(t, spotify.Linked, b.state(t, id).State)

		down.apply = nil
		token, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, first, token)
		synctest.Wait()
		saved, err := b.process(t, b.store).Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, first, saved, "a request has saved it")
		token, err = b.links.Renew(t.Context(), id, first)
		require.NoError(t, err)
		require.NotEqual(t, first, token)
		require.Equal(t, 2, b.fake.Count("refresh_token"))

		// An access token that has run out in memory is no better than one that has in the store.
		time.Sleep(time.Hour)
		down.apply = func(writes []store.Write, next func() error) error {
			if brings(writes, "spotify#link", `"generation":4`) {
				return store.ErrUnavailable
			}
			return next()
		}
		third, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		_, err = b.links.Token(t.Context(), id)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
		require.Equal(t, 3, b.fake.Count("refresh_token"))
		down.apply = nil
		token, err = b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.NotEqual(t, third, token)
		require.True(t, b.good(t, token))
		require.NoError(t, b.links.Close())
	})
}

// What Spotify answers decides what becomes of a link.
func TestFailures(t *testing.T) {
	secret := "refresh-" // as all of the fake's refresh tokens begin
	for name, c := range map[string]struct {
		fault spotifytest.Fault
		is    error
		state spotify.State
		after time.Duration // what a caller is told to wait, at least
	}{
		"terminal":                    {spotifytest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_description":"refresh-secret"}`}, spotify.ErrReauthRequired, spotify.ReauthRequired, 0},
		"the client is refused":       {spotifytest.Fault{Status: 400, Body: `{"error":"invalid_client","error_description":"refresh-secret"}`}, spotify.ErrConfiguration, spotify.Linked, 0},
		"unauthorized client":         {spotifytest.Fault{Status: 401, Body: `{"error":"unauthorized_client"}`}, spotify.ErrConfiguration, spotify.Linked, 0},
		"server error":                {spotifytest.Fault{Status: 503}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"too many":                    {spotifytest.Fault{Status: 429, RetryAfter: 20}, rhythmiq.ErrUnavailable, spotify.Linked, 20 * time.Second},
		"too many for a day":          {spotifytest.Fault{Status: 429, RetryAfter: 86_400}, rhythmiq.ErrUnavailable, spotify.Linked, time.Hour},
		"slow":                        {spotifytest.Fault{Hang: true}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"no JSON":                     {spotifytest.Fault{Status: 200, Body: `<html>refresh-secret</html>`}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"an empty answer":             {spotifytest.Fault{Status: 200, Body: `{}`}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"somewhere else":              {spotifytest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example.com"}}}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"an error that nobody knows":  {spotifytest.Fault{Status: 400, Body: `{"error":"refresh-secret"}`}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
		"a terminal one on the front": {spotifytest.Fault{Status: 403, Body: `forbidden`}, rhythmiq.ErrUnavailable, spotify.Linked, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, spotifytest.Options{}, nil)
				id := b.linked(t)
				good, err := b.links.Token(t.Context(), id)
				require.NoError(t, err)
				c.fault.Path = "/api/token"
				b.fake.Inject(c.fault)

				// While the old token is still good, a failure is nobody's trouble.
				if c.state == spotify.Linked {
					time.Sleep(59*time.Minute + 30*time.Second)
					token, err := b.links.Token(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, good, token)
					time.Sleep(time.Minute)
				}
				time.Sleep(time.Hour)
				_, err = b.links.Token(t.Context(), id)
				require.ErrorIs(t, err, c.is)
				require.NotContains(t, err.Error(), secret)
				require.NotContains(t, b.log.String(), secret)
				require.Equal(t, c.state, b.state(t, id).State)
				if c.state == spotify.ReauthRequired {
					require.NotEmpty(t, b.state(t, id).Notice)
					require.Empty(t, b.due(t, id))
					_, err = b.links.Token(t.Context(), id)
					require.ErrorIs(t, err, spotify.ErrReauthRequired)
					b.fake.Heal()
					b.fake.SignIn("user-" + id.String())
					begun, err := b.links.Begin(t.Context(), id, linking.Request{})
					require.NoError(t, err)
					_, err = b.links.Finish(t.Context(), b.goes(t, begun))
					require.NoError(t, err)
					require.Equal(t, spotify.Linked, b.state(t, id).State)
					return
				}
				asked := b.fake.Count("POST /api/token")
				_, err = b.links.Token(t.Context(), id)
				require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
				require.Equal(t, asked, b.fake.Count("POST /api/token"), "nobody asks again at once")
				require.Len(t, b.due(t, id), 1)
				b.fake.Heal()
				time.Sleep(time.Minute + time.Second)
				token, err := b.links.Token(t.Context(), id)
				require.NoError(t, err)
				require.NotEqual(t, good, token)
				require.Len(t, b.due(t, id), 1)
				require.NoError(t, b.links.Close())
			})
		})
	}
}

// An answer that is lost on its way is as good as none where the refresh token stays, and the end where it does not.
func TestALostAnswer(t *testing.T) {
	for _, rotates := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, spotifytest.Options{RotateRefreshTokens: rotates}, nil)
			id := b.linked(t)
			time.Sleep(time.Hour)
			b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Lost: true})
			_, err := b.links.Token(t.Context(), id)
			require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
			time.Sleep(time.Minute)
			_, err = b.links.Token(t.Context(), id)
			if rotates {
				require.ErrorIs(t, err, spotify.ErrReauthRequired)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
		id := b.linked(t)
		first, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		second, err := b.links.Renew(t.Context(), id, first)
		require.NoError(t, err)
		require.NotEqual(t, first, second)
		again, err := b.links.Renew(t.Context(), id, first)
		require.NoError(t, err)
		require.Equal(t, second, again, "that has been done")
		scopes, err := b.links.Scopes(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, spotify.DefaultScopes(), scopes)
		_, err = b.links.Scopes(t.Context(), uuid.New())
		require.ErrorIs(t, err, spotify.ErrNotLinked)

		b.fake.Revoke("user-" + id.String())
		_, err = b.links.Renew(t.Context(), id, second)
		require.ErrorIs(t, err, spotify.ErrReauthRequired)
		require.NoError(t, b.links.Close())
	})
}

// Whoever goes away does not take the refresh along.
func TestACallerThatGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
		id := b.linked(t)
		time.Sleep(time.Hour)
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Delay: 5 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.links.Token(ctx, id)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, b.links.Close()) // waits for it
		require.Equal(t, 1, b.fake.Count("refresh_token"))
		token, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.True(t, b.good(t, token))
	})
}

// A link that ends or is made anew while it is refreshed is not brought back by what the refresh finds.
func TestUnlinkDuringARefresh(t *testing.T) {
	for _, relink := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
			id := b.linked(t)
			time.Sleep(time.Hour)
			b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Do: func(*http.Request) {
				require.NoError(t, b.links.Unlink(context.Background(), id))
				if !relink {
					return
				}
				begun, err := b.links.Begin(context.Background(), id, linking.Request{})
				require.NoError(t, err)
				_, err = b.links.Finish(context.Background(), b.goes(t, begun))
				require.NoError(t, err)
			}})
			token, err := b.links.Token(t.Context(), id)
			if !relink {
				require.ErrorIs(t, err, spotify.ErrNotLinked)
				require.Equal(t, spotify.None, b.state(t, id).State)
				require.Empty(t, b.due(t, id))
				return
			}
			require.NoError(t, err)
			require.True(t, b.good(t, token))
			require.Len(t, b.due(t, id), 1)
		})
	}
}

// Six months after a listener authorized, nothing is refreshed any more; the link says so ahead.
func TestSixMonths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		began := time.Now()
		id := b.linked(t)
		ends := *b.state(t, id).ExpiresAt
		require.Equal(t, began.AddDate(0, 6, 0).UTC(), ends)
		time.Sleep(time.Until(ends) - 30*24*time.Hour - time.Second)
		require.False(t, b.state(t, id).ExpiresSoon)
		require.Empty(t, b.state(t, id).Notice)
		time.Sleep(time.Second)
		link := b.state(t, id)
		require.True(t, link.ExpiresSoon)
		require.Equal(t, spotify.Linked, link.State)
		require.Equal(t, "This authorization ends on 1 July 2000. Link the account once more to go on after that.", link.Notice)
		_, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		time.Sleep(time.Until(ends))
		_, err = b.links.Token(t.Context(), id)
		require.ErrorIs(t, err, spotify.ErrReauthRequired)
		link = b.state(t, id)
		require.Equal(t, spotify.ReauthRequired, link.State)
		require.False(t, link.ExpiresSoon)
	})
}

// Keys rotate without downtime: with the new one at hand everywhere, it may seal; once all is refreshed the old one may go.
func TestKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		id := b.linked(t)
		with := func(ids ...string) *spotify.Links {
			return b.process(t, b.store, func(o *spotify.Options) { o.Cipher = ring(t, ids...) })
		}
		token := func(l *spotify.Links) error {
			_, err := l.Token(t.Context(), id)
			return err
		}
		require.ErrorIs(t, token(with("b")), spotify.ErrUnsealable)
		require.NoError(t, token(with("b", "a")))
		require.NoError(t, token(with("a", "b")))
		time.Sleep(50 * time.Minute)
		require.NoError(t, with("b", "a").Work(t.Context()))
		require.NoError(t, token(with("b")))
		require.NoError(t, token(with("a", "b")))
		err := token(with("a"))
		require.ErrorIs(t, err, spotify.ErrUnsealable)
		time.Sleep(50 * time.Minute)
		require.ErrorIs(t, with("a").Work(t.Context()), spotify.ErrUnsealable, "whoever runs it is told")

		// What was sealed for one listener is of no use to another.
		other := b.linked(t)
		item, err := b.store.Get(t.Context(), spotify.Key(id, "link"), store.Strong)
		require.NoError(t, err)
		item.Key, item.Version = spotify.Key(other, "link"), store.Version{}
		require.NoError(t, b.store.Apply(t.Context(), store.Put(item, store.None)))
		_, err = with("b").Token(t.Context(), other)
		require.ErrorIs(t, err, spotify.ErrUnsealable)
	})
}
