package spotify_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Ten thousand listeners have linked at one moment, so that all of their tokens fall due in the same hour, and expire at one moment. None does, and
// Spotify is never asked faster than the limit.
func TestTenThousandListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const listeners, perSecond = crowdSize, crowdSize / 1000
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil, func(o *spotify.Options) { o.RefreshRate = perSecond })
		ids := make([]uuid.UUID, listeners)
		for i := range ids {
			ids[i] = b.linked(t)
		}
		began := time.Now()
		var mu sync.Mutex
		var asked []time.Time
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Delay: 200 * time.Millisecond, Do: func(*http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Now())
		}})
		for time.Since(began) < 57*time.Minute {
			require.NoError(t, b.links.Work(t.Context()))
			time.Sleep(time.Minute) // as Run rests
		}
		// The tokens that they began with have three minutes left, and all have newer ones.
		for _, id := range ids {
			require.Greater(t, b.left(t, id), 5*time.Minute)
		}
		require.Len(t, asked, listeners)
		fastest := 0
		for i, j := 0, 0; i < len(asked); i++ {
			for asked[i].Sub(asked[j]) >= time.Second-time.Microsecond { // the limiter reckons in floating point
				j++
			}
			fastest = max(fastest, i-j+1)
		}
		require.LessOrEqual(t, fastest, perSecond)
		t.Logf("%d refreshes in %v, at most %d in any second", len(asked), time.Since(began), fastest)
	})
}

// left is for how long a link's access token is still good.
func (b *bubble) left(t *testing.T, id uuid.UUID) time.Duration {
	t.Helper()
	item, err := b.store.Get(t.Context(), spotify.Key(id, "link"), store.Strong)
	require.NoError(t, err)
	var r struct {
		Expires time.Time `json:"expires"`
	}
	require.NoError(t, item.Decode(&r))
	return time.Until(r.Expires)
}

// One process works at a time, and one that dies at it is followed by another.
func TestOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
		id := b.linked(t)
		time.Sleep(50 * time.Minute)
		dying, cancel := context.WithCancel(t.Context())
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Delay: 5 * time.Second})
		var done sync.WaitGroup
		done.Go(func() { _ = b.links.Work(dying) })
		synctest.Wait()
		require.NoError(t, b.process(t, b.store).Work(t.Context()))
		require.Equal(t, 2, b.fake.Count("POST /api/token"), "the other one has nothing to do")
		cancel()
		done.Wait()
		require.Equal(t, 1, b.fake.Count("refresh_token"), "what was under way is finished")
		require.Greater(t, b.left(t, id), 50*time.Minute)

		// One that was killed has left its lease behind.
		require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{
			Key:       store.Key{Table: store.Users, Partition: store.HashPartition("spotify", "worker"), Sort: "spotify#worker"},
			ExpiresAt: time.Now().Add(2 * time.Minute).UTC().Truncate(time.Second), Body: []byte(`{}`),
		}, store.Absent)))
		time.Sleep(time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		time.Sleep(49 * time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, 2, b.fake.Count("refresh_token"))
	})
}

// Jobs that are nobody's are deleted; links whose Spotify is out of reach wait, and so do those that another process is at.
func TestOddJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
		id := b.linked(t)
		job := b.due(t, id)[0]
		ghost := job
		ghost.Key.Sort = job.Key.Sort[:len(job.Key.Sort)-36] + uuid.NewString()
		ghost.Version = store.Version{}
		stale := job
		stale.Key.Sort = "refresh-spotify@2000-01-01T00:00:01Z#" + id.String()
		stale.Version = store.Version{}
		odd := job
		odd.Key.Sort = "refresh-spotify@2000-01-01T00:00:01Z#nonsense"
		odd.Version = store.Version{}
		require.NoError(t, b.store.Apply(t.Context(), store.Put(ghost, store.None), store.Put(stale, store.None), store.Put(odd, store.None)))
		require.Len(t, b.due(t, id), 2)
		time.Sleep(time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, []store.Item{job}, b.due(t, id))

		time.Sleep(50 * time.Minute)
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Status: 500})
		require.NoError(t, b.links.Work(t.Context()), "Spotify's failures are not ours")
		moved := b.due(t, id)
		require.Len(t, moved, 1)
		require.NotEqual(t, job.Key, moved[0].Key)
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, 1, b.fake.Count("POST /api/token")-1, "it is not due")
		time.Sleep(time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		require.Greater(t, b.left(t, id), 50*time.Minute)
		_, err := b.store.Get(t.Context(), ghost.Key, store.Strong)
		require.ErrorIs(t, err, store.ErrNotFound)

		// A refresh by a request is under way: the worker leaves it alone.
		time.Sleep(time.Hour)
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Times: 1, Delay: 5 * time.Second})
		var done sync.WaitGroup
		done.Go(func() {
			_, err := b.links.Token(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		asked := b.fake.Count("POST /api/token")
		require.NoError(t, b.links.Work(t.Context()))
		done.Wait()
		require.Equal(t, asked, b.fake.Count("POST /api/token"))
		require.NoError(t, b.links.Close())
	})
}

// What an unlinked account has left elsewhere is forgotten by trying again until it is.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var forgotten []uuid.UUID
		fails := errors.New("not now")
		b := newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) {
			o.Forget = append(o.Forget, func(_ context.Context, id uuid.UUID) error {
				forgotten = append(forgotten, id)
				return fails
			})
		})
		id := b.linked(t)
		link, err := b.links.ID(t.Context(), id)
		require.NoError(t, err)
		lives, err := b.links.Lives(t.Context(), id, link)
		require.NoError(t, err)
		require.True(t, lives)
		require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: spotify.Key(id, "taste"), Body: []byte(`{"likes":"metal"}`)}, store.None)))
		require.ErrorIs(t, b.links.Unlink(t.Context(), id), fails)
		require.Equal(t, spotify.None, b.state(t, id).State, "it has ended before anything is deleted")
		lives, err = b.links.Lives(t.Context(), id, link)
		require.NoError(t, err)
		require.False(t, lives)
		_, err = b.links.ID(t.Context(), id)
		require.ErrorIs(t, err, spotify.ErrNotLinked)
		require.NotContains(t, everything(t, b.store), "metal", "what stands under the prefix goes first")
		require.Contains(t, everything(t, b.store), "unlink")
		require.ErrorIs(t, b.links.Work(t.Context()), fails)
		fails = nil
		require.NoError(t, b.links.Work(t.Context()))
		require.NotContains(t, everything(t, b.store), "metal")
		require.NotContains(t, everything(t, b.store), "unlink")
		require.Equal(t, []uuid.UUID{id, id, id}, forgotten)
		require.NoError(t, b.links.Work(t.Context()))
		require.Len(t, forgotten, 3)

		// A profile's deletion takes all of it along.
		id = b.linked(t)
		require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: spotify.Key(id, "taste"), Body: []byte(`{"likes":"metal"}`)}, store.None)))
		has, err := b.links.Any(t.Context(), id)
		require.NoError(t, err)
		require.False(t, has)
		require.NoError(t, b.links.DeleteAll(t.Context(), id))
		time.Sleep(10 * time.Minute)
		all := everything(t, b.store)
		require.NotContains(t, all, "user-"+id.String())
		require.NotContains(t, all, "spotify")
	})
}

// Tokens whose key is gone keep no others from being refreshed, are told of, and are good again when the key is back.
func TestKeyIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lost = 300 // more than are taken at once
		rate := func(o *spotify.Options) { o.RefreshRate = 1000 }
		b := newBubble(t, spotifytest.Options{}, nil, rate, func(o *spotify.Options) { o.Cipher = ring(t, "old") })
		var ids []uuid.UUID
		for range lost {
			ids = append(ids, b.linked(t))
		}
		seen := &events{}
		b.links = b.process(t, b.store, rate, func(o *spotify.Options) { o.Cipher, o.Observer = ring(t, "new"), seen })
		id := b.linked(t)
		count, err := b.links.SealedBy(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"old": lost, "new": 1}, count)
		require.Equal(t, spotify.ReauthRequired, b.state(t, ids[0]).State)
		require.Contains(t, b.state(t, ids[0]).Notice, "Link the account once more")
		_, err = b.links.Token(t.Context(), ids[0])
		require.ErrorIs(t, err, spotify.ErrReauthRequired)
		require.ErrorIs(t, err, spotify.ErrUnsealable)

		time.Sleep(51 * time.Minute) // all of them are due
		require.ErrorIs(t, b.links.Work(t.Context()), spotify.ErrUnsealable, "whoever runs it is told")
		require.Greater(t, b.left(t, id), 50*time.Minute)
		require.Equal(t, float64(lost), seen.values["spotify.work unsealable"])
		require.Contains(t, b.log.String(), "links=300")
		first := b.due(t, ids[0])
		require.Len(t, first, 1)
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, first, b.due(t, ids[0]), "it is not looked at again for a while")
		time.Sleep(20 * time.Minute)
		require.ErrorIs(t, b.links.Work(t.Context()), spotify.ErrUnsealable)
		require.NotEqual(t, first, b.due(t, ids[0]))
		require.Equal(t, 1, b.fake.Count("refresh_token"))

		// Its listener signs in, and has tokens again.
		b.fake.SignIn("user-" + ids[1].String())
		require.Equal(t, ids[1], b.signsIn(t, `{"id":"user-`+ids[1].String()+`"}`).ProfileID)
		require.Equal(t, spotify.Linked, b.state(t, ids[1]).State)

		b.links = b.process(t, b.store, rate, func(o *spotify.Options) { o.Cipher = ring(t, "new", "old") })
		require.Equal(t, spotify.Linked, b.state(t, ids[0]).State)
		time.Sleep(20 * time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		for _, id := range ids {
			require.Positive(t, b.left(t, id))
		}
		count, err = b.links.SealedBy(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"new": lost + 1}, count)
	})
}

// Links that cannot be read, very many of them and due before all others, keep no others from being refreshed.
func TestStuckJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const links, blocked = crowdSize / 4, crowdSize * 12 / 100 // 2,500 and 1,200
		down := &broken{}
		b := newBubble(t, spotifytest.Options{}, down.over, func(o *spotify.Options) { o.RefreshRate = 1000 })
		stuck := map[store.Key]bool{}
		for range blocked {
			stuck[spotify.Key(b.linked(t), "link")] = true
		}
		time.Sleep(21 * time.Minute) // what is linked after this falls due after all of those
		var ids []uuid.UUID
		for range links - blocked {
			ids = append(ids, b.linked(t))
		}
		time.Sleep(51 * time.Minute)
		down.get = func(key store.Key) error {
			if stuck[key] {
				return store.ErrUnavailable
			}
			return nil
		}
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, links-blocked, b.fake.Count("refresh_token"))
		for _, id := range ids {
			require.Greater(t, b.left(t, id), 50*time.Minute)
		}
		_, err := b.links.SealedBy(t.Context())
		require.ErrorIs(t, err, store.ErrUnavailable)
		down.get = nil
		down.apply = func([]store.Write, func() error) error { return store.ErrUnavailable }
		require.ErrorIs(t, b.links.Work(t.Context()), store.ErrUnavailable)
	})
}

// So many tokens as the Options say are refreshed at once, and no more.
func TestWorkersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, links = 3, 20
		b := newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) { o.RefreshRate, o.Workers = 1000, workers })
		for range links {
			b.linked(t)
		}
		var mu sync.Mutex
		atOnce, most := 0, 0
		b.fake.Inject(spotifytest.Fault{Path: "/api/token", Do: func(*http.Request) {
			mu.Lock()
			atOnce++
			most = max(most, atOnce)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			atOnce--
			mu.Unlock()
		}})
		time.Sleep(51 * time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		require.Equal(t, links, b.fake.Count("refresh_token"))
		require.Equal(t, workers, most)
	})
}

// A pass that takes longer than its lease goes on alone: the lease is renewed while it works, however slowly that is. Where it is lost all the same, the pass ends.
func TestASlowPassKeepsItsLease(t *testing.T) {
	for _, perSecond := range []float64{0.3, 0.05} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
			const links = 60
			var ids []uuid.UUID
			for range links {
				ids = append(ids, b.linked(t))
			}
			slow := func(o *spotify.Options) { o.RefreshRate, o.Workers = perSecond, 2 }
			b.links = b.process(t, b.store, slow)
			other := b.process(t, b.store, slow)
			time.Sleep(51 * time.Minute)
			began, done := time.Now(), make(chan error)
			go func() { done <- b.links.Work(t.Context()) }()
			for time.Since(began) < time.Duration(float64(links-10)/perSecond)*time.Second {
				time.Sleep(10 * time.Second)
				require.NoError(t, other.Work(t.Context()))
				most := int(time.Since(began).Seconds()*perSecond) + 1
				require.LessOrEqual(t, b.fake.Count("refresh_token"), most, "the other one works too, %v after the beginning", time.Since(began))
			}
			require.NoError(t, <-done)
			require.Equal(t, links, b.fake.Count("refresh_token"))
			for _, id := range ids {
				require.Len(t, b.due(t, id), 1)
			}
		})
	}
}

// A pass that has lost its lease, such as by a store that was out of reach for longer than it lasts, leaves the rest to whoever has it.
func TestAPassThatHasLostItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{RotateRefreshTokens: true}, nil)
		for range 100 {
			b.linked(t)
		}
		b.links = b.process(t, b.store, func(o *spotify.Options) { o.RefreshRate = 0.5 })
		time.Sleep(51 * time.Minute)
		done := make(chan error)
		go func() { done <- b.links.Work(t.Context()) }()
		time.Sleep(30 * time.Second)
		key := store.Key{Table: store.Users, Partition: store.HashPartition("spotify", "worker"), Sort: "spotify#worker"}
		require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{
			Key: key, ExpiresAt: time.Now().Add(2 * time.Minute).UTC().Truncate(time.Second), Body: []byte(`{}`),
		}, store.None)))
		require.ErrorIs(t, <-done, store.ErrConflict)
		require.Less(t, b.fake.Count("refresh_token"), 50)
		_, err := b.store.Get(t.Context(), key, store.Strong)
		require.NoError(t, err, "the other one's lease is left alone")
	})
}
