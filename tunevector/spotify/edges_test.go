package spotify_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Whoever is told that a refresh token is no good looks first whether another process has just won.
func TestInvalidGrantAfterSomebodyElseHasWon(t *testing.T) {
	for _, done := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, spotifytest.Options{}, nil)
			id := b.linked(t)
			other := b.process(t, b.store)
			time.Sleep(time.Hour)
			var theirs string
			var all sync.WaitGroup
			b.fake.Inject(spotifytest.Fault{
				Path: "/api/token", Times: 1, Status: 400, Body: `{"error":"invalid_grant"}`, Do: func(*http.Request) {
					time.Sleep(46 * time.Second) // until the lease has run out
					if done {
						theirs, _ = other.Token(context.Background(), id)
						return
					}
					b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Delay: 5 * time.Second})
					all.Go(func() { theirs, _ = other.Token(context.Background(), id) })
					time.Sleep(time.Second)
				},
			})
			token, err := b.links.Token(t.Context(), id)
			all.Wait()
			require.NotEmpty(t, theirs)
			if done {
				require.NoError(t, err)
				require.Equal(t, theirs, token)
			} else {
				require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
			}
			require.Equal(t, spotify.Linked, b.state(t, id).State)
			require.True(t, b.good(t, theirs))
			require.NoError(t, b.links.Close())
			require.NoError(t, other.Close())
		})
	}
}

// Tokens that come too late, when another process has newer ones, are dropped.
func TestTokensThatComeTooLate(t *testing.T) {
	for _, nap := range []time.Duration{50 * time.Second, 46 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			slow := &broken{}
			b := newBubble(t, spotifytest.Options{}, slow.over)
			id := b.linked(t)
			other := b.process(t, b.store)
			time.Sleep(time.Hour)
			asleep := make(chan struct{})
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
			var all sync.WaitGroup
			all.Go(func() {
				token, err := b.links.Token(t.Context(), id)
				if err != nil || !b.good(t, token) {
					t.Error(token, err)
				}
			})
			<-asleep
			theirs, err := other.Token(t.Context(), id)
			require.NoError(t, err)
			all.Wait()
			require.NoError(t, b.links.Work(t.Context()))
			for _, l := range []*spotify.Links{b.links, other} {
				token, err := l.Token(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, theirs, token)
			}
			require.Len(t, b.due(t, id), 1)
			require.NoError(t, b.links.Close())
		})
	}
}

// A limit that gives nobody a turn in time is told, and no lease is taken meanwhile.
func TestNoTurnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) { o.RefreshRate = 0.001 })
		first, second := b.linked(t), b.linked(t)
		time.Sleep(time.Hour)
		_, err := b.links.Token(t.Context(), first)
		require.NoError(t, err)
		_, err = b.links.Token(t.Context(), second)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
		require.Equal(t, 1, b.fake.Count("refresh_token"))
		time.Sleep(1000 * time.Second)
		_, err = b.links.Token(t.Context(), second)
		require.NoError(t, err)

		// A worker whose context would end before its turn does what it can, and what it has not come to is still due.
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, b.links.Work(ctx))
		require.Equal(t, 3, b.fake.Count("refresh_token"))
		require.Len(t, b.due(t, first), 1)
		require.Len(t, b.due(t, second), 1)
		require.NoError(t, b.links.Close())
	})
}

func TestBeginRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		id := b.profile(t)
		_, err := b.links.Begin(t.Context(), id, linking.Request{Scopes: slices.Repeat([]string{"user-top-read"}, 9), Pending: "x"})
		require.Equal(t, map[string]string{
			"scopes": "Must not be more than there are: 8", "pendingLink": "Must not be given where a link is begun",
		}, rhythmiq.FieldErrors(err))
		nobody := uuid.New()
		_, err = b.links.Begin(t.Context(), nobody, linking.Request{})
		require.ErrorIs(t, err, profile.ErrNotFound)
		_, err = b.links.Attach(t.Context(), nobody, linking.Request{Pending: "x"})
		require.ErrorIs(t, err, profile.ErrNotFound)
		require.ErrorIs(t, b.links.Unlink(t.Context(), nobody), profile.ErrNotFound)
		_, err = b.links.Attach(t.Context(), id, linking.Request{Pending: "x"})
		require.Contains(t, rhythmiq.FieldErrors(err), "pendingLink")

		// What was begun under a key that was dropped since is as good as expired.
		begun, err := b.links.Begin(t.Context(), id, linking.Request{})
		require.NoError(t, err)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		back := b.goes(t, begun)
		rekeyed := b.process(t, b.store, func(o *spotify.Options) { o.Cipher = ring(t, "b") })
		_, err = rekeyed.Finish(t.Context(), back)
		require.Contains(t, rhythmiq.FieldErrors(err), "state")
		signIn, err := b.links.BeginSignIn(t.Context())
		require.NoError(t, err)
		out, err := b.links.Finish(t.Context(), b.goes(t, signIn))
		require.NoError(t, err)
		require.NotEmpty(t, out.Pending)
		_, err = rekeyed.Attach(t.Context(), id, request(out))
		require.Contains(t, rhythmiq.FieldErrors(err), "pendingLink")
		_, err = b.links.Attach(t.Context(), id, request(out))
		require.NoError(t, err)
	})
}

// Two browsers link one account to two profiles at once: one of them has it.
func TestOneAccountTwoProfilesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		b.fake.Add(spotifytest.Account{ID: "ada", AccountID: "acc"})
		ids := []uuid.UUID{b.profile(t), b.profile(t), b.profile(t), b.profile(t)}
		backs := make([]linking.Callback, len(ids))
		for i, id := range ids {
			begun, err := b.links.Begin(t.Context(), id, linking.Request{})
			require.NoError(t, err)
			backs[i] = b.goes(t, begun)
		}
		errs := make([]error, len(ids))
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { _, errs[i] = b.links.Finish(t.Context(), backs[i]) })
		}
		all.Wait()
		linked := 0
		for i, id := range ids {
			if errs[i] == nil {
				linked++
				require.Equal(t, spotify.Linked, b.state(t, id).State)
				continue
			}
			require.ErrorIs(t, errs[i], rhythmiq.ErrConflict)
			require.Equal(t, spotify.None, b.state(t, id).State)
		}
		require.Equal(t, 1, linked)
	})
}

// One callback in two requests at once, such as by a browser that loads its page again: the code is exchanged once.
func TestOneCallbackTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		b.fake.Add(spotifytest.Account{ID: "ada"})
		id := b.profile(t)
		begun, err := b.links.Begin(t.Context(), id, linking.Request{})
		require.NoError(t, err)
		back := b.goes(t, begun)
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { _, errs[i] = b.links.Finish(t.Context(), back) })
		}
		all.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
				continue
			}
			require.ErrorIs(t, err, rhythmiq.ErrConflict)
		}
		require.Equal(t, 1, good)
		require.Equal(t, 1, b.fake.Count("authorization_code"))
		token, err := b.links.Token(t.Context(), id)
		require.NoError(t, err)
		require.True(t, b.good(t, token))
	})
}

// A store that cannot be read is told as it is, everywhere.
func TestAStoreThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &broken{}
		b := newBubble(t, spotifytest.Options{}, down.over)
		id := b.linked(t)
		down.get = func(store.Key) error { return store.ErrUnavailable }
		for _, do := range []func() error{
			func() error { _, err := b.links.Token(t.Context(), id); return err },
			func() error { _, err := b.links.Scopes(t.Context(), id); return err },
			func() error { _, err := b.links.Link(t.Context(), id); return err },
			func() error { _, err := b.links.ID(t.Context(), id); return err },
			func() error { _, err := b.links.Lives(t.Context(), id, id); return err },
			func() error { _, err := b.links.Attach(t.Context(), id, linking.Request{Pending: "x"}); return err },
			func() error { return b.links.DeleteAll(t.Context(), id) },
			func() error { return b.links.Unlink(t.Context(), id) },
		} {
			require.ErrorIs(t, do(), store.ErrUnavailable)
		}
		time.Sleep(50 * time.Minute)
		require.NoError(t, b.links.Work(t.Context()), "its jobs are left for the next time")
		down.get = nil
		require.NoError(t, b.links.Work(t.Context()))
		require.Greater(t, b.left(t, id), 50*time.Minute)
		require.NoError(t, b.links.Close())
	})
}
