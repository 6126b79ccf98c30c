package spotify_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// music returns a provider whose client has a bubble's links for tokens.
func (b *bubble) music(t *testing.T, c spotify.ClientOptions, alter ...func(*spotify.ProviderOptions)) *spotify.Provider {
	t.Helper()
	c.Tokens, c.BaseURL, c.HTTP = b.links, b.fake.URL()+"/v1", b.fake.Client()
	client, err := spotify.NewClient(c)
	require.NoError(t, err)
	o := spotify.ProviderOptions{Client: client, Store: b.store, Gate: b.links}
	for _, a := range alter {
		a(&o)
	}
	p, err := spotify.NewProvider(o)
	require.NoError(t, err)
	likes, err := preference.NewService(b.store, preference.Options{Sources: []preference.Source{preference.Spotify}})
	require.NoError(t, err)
	p.ImportInto(likes)
	return p
}

// comesBack has a new profile's owner go to Spotify, and returns how they come back.
func (b *bubble) comesBack(t *testing.T) (uuid.UUID, linking.Callback) {
	t.Helper()
	id := b.profile(t)
	b.fake.Add(spotifytest.Account{ID: "user-" + id.String()})
	b.fake.SignIn("user-" + id.String())
	begun, err := b.links.Begin(t.Context(), id, linking.Request{})
	require.NoError(t, err)
	return id, b.goes(t, begun)
}

// Whose account it is, the Web API is asked in the same turn as for music: what both ask together never passes the rate, whoever sets it.
func TestLinksAndClientShareOneRate(t *testing.T) {
	const perSecond, burst = 2, 4
	for name, rates := range map[string][2]spotify.ClientOptions{ // of the links, and of the client
		"of the links":  {{PerSecond: perSecond, Burst: burst}, {}},
		"of the client": {{}, {PerSecond: perSecond, Burst: burst}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) { o.PerSecond, o.Burst = rates[0].PerSecond, rates[0].Burst })
				listener := b.linked(t)
				rates[1].MaxWait = time.Hour
				music := b.music(t, rates[1])
				time.Sleep(time.Minute)
				var backs []linking.Callback
				for range 12 {
					_, back := b.comesBack(t)
					backs = append(backs, back)
				}
				var mu sync.Mutex
				var asked []time.Time
				paths := map[string]int{}
				b.fake.Inject(spotifytest.Fault{Path: "/v1/", Do: func(r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, time.Now())
					paths[r.URL.Path]++
				}})
				var all sync.WaitGroup
				for _, back := range backs {
					all.Go(func() {
						if _, err := b.links.Finish(t.Context(), back); err != nil {
							t.Error(err)
						}
					})
				}
				all.Go(func() {
					if _, err := music.Import(t.Context(), listener); err != nil {
						t.Error(err)
					}
				})
				all.Wait()
				require.Equal(t, len(backs), paths["/v1/me"])
				require.Greater(t, len(asked), len(backs)+3, "music was asked for too")
				for i := range asked {
					for j := i; j < len(asked); j++ {
						most := burst + perSecond*asked[j].Sub(asked[i]).Seconds() + 1e-6
						require.LessOrEqual(t, float64(j-i+1), most+1, "requests %d to %d", i, j)
					}
				}
				require.NoError(t, b.links.Close())
			})
		})
	}
}

// A quota that is used up stops links and sign-ins too. What they have begun is not lost by it, and can be ended once there is a quota again.
func TestQuotaStopsLinksToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		listener := b.linked(t)
		music := b.music(t, spotify.ClientOptions{})
		id, back := b.comesBack(t)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/", Times: 1, Status: 429, RetryAfter: 300, Body: `{"error":{"status":429,"reason":"QUOTA_EXCEEDED"}}`})
		_, err := music.Import(t.Context(), listener)
		require.Equal(t, spotify.ReasonQuota, apiError(t, err).Reason)
		asked, codes := b.fake.Count("GET /v1/me"), b.fake.Count("authorization_code")

		_, err = b.links.Finish(t.Context(), back)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
		require.Equal(t, spotify.ReasonQuota, apiError(t, err).Reason)
		require.InDelta(t, 300, apiError(t, err).RetryAfter.Seconds(), 1)
		require.Equal(t, asked, b.fake.Count("GET /v1/me"), "nothing is asked")
		require.Equal(t, codes, b.fake.Count("authorization_code"), "and the code is not used up")

		time.Sleep(5 * time.Minute)
		_, err = b.links.Finish(t.Context(), back)
		require.NoError(t, err)
		require.Equal(t, spotify.Linked, b.state(t, id).State)
	})
}

// What Spotify says to a link holds for music too, and the other way round; refreshes go on, as the accounts service counts by itself.
func TestLinksHoldTheClientStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		listener := b.linked(t)
		music := b.music(t, spotify.ClientOptions{})
		_, back := b.comesBack(t)
		b.fake.SetQuota(0)
		out, err := b.links.Finish(t.Context(), back)
		require.Equal(t, spotify.ReasonQuota, apiError(t, err).Reason)
		require.NotEmpty(t, out.Cookie.Name)
		requests := total(b.fake)
		_, err = music.Import(t.Context(), listener)
		require.Equal(t, spotify.ReasonQuota, apiError(t, err).Reason)
		require.Equal(t, requests, total(b.fake))

		// It lasts for longer than a browser may be away: none is sent.
		for _, begin := range []func() (linking.Begun, error){
			func() (linking.Begun, error) { return b.links.Begin(t.Context(), listener, linking.Request{}) },
			func() (linking.Begun, error) { return b.links.BeginSignIn(t.Context()) },
		} {
			_, err := begin()
			require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
		}

		time.Sleep(50 * time.Minute)
		require.NoError(t, b.links.Work(t.Context()))
		require.Greater(t, b.left(t, listener), 50*time.Minute)
		b.fake.SetQuota(-1)
		time.Sleep(13 * time.Hour)
		b.linked(t)
		_, err = music.Import(t.Context(), listener)
		require.NoError(t, err)
		require.NoError(t, b.links.Close())
	})
}

// A crowd links accounts at one moment, and their libraries are read: somebody who plans a vector meanwhile, and looks for music, does not wait behind them. The rate holds,
// and what is not used for them is used for the libraries.
func TestImportsStandBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, burst, crowd = 3, 15, 25
		b := newBubble(t, spotifytest.Options{}, nil)
		planner := b.linked(t)
		music := b.music(t, spotify.ClientOptions{PerSecond: perSecond, Burst: burst})
		_, err := music.Import(t.Context(), planner)
		require.NoError(t, err)
		var listeners []uuid.UUID
		for range crowd {
			listeners = append(listeners, b.linked(t))
		}
		time.Sleep(time.Minute)
		var mu sync.Mutex
		var asked []time.Time
		b.fake.Inject(spotifytest.Fault{Path: "/v1/", Do: func(*http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Now())
		}})
		begun := time.Now()
		var all sync.WaitGroup
		for _, id := range listeners {
			all.Go(func() {
				if _, err := music.Import(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		for n := range 20 {
			time.Sleep(time.Second)
			from := time.Now()
			_, err := music.TracksFor(t.Context(), planner, []string{spotifytest.ID("song", strconv.Itoa(n))})
			require.NoError(t, err)
			require.Less(t, time.Since(from), time.Second, "look-up %d", n)
		}
		mu.Lock()
		during := len(asked)
		mu.Unlock()
		require.InDelta(t, burst+perSecond*time.Since(begun).Seconds(), during, 0.3*float64(during), "nothing is left unused")
		all.Wait()
		for i := range asked {
			for j := i; j < len(asked); j++ {
				require.LessOrEqual(t, float64(j-i+1), burst+perSecond*asked[j].Sub(asked[i]).Seconds()+1.001)
			}
		}
		require.NoError(t, b.links.Close())
	})
}

// Whose context ends while an import waits in line does not wait longer.
func TestImportLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		music := b.music(t, spotify.ClientOptions{PerSecond: 0.5, Burst: 1, MaxWait: time.Minute})
		first, second := b.linked(t), b.linked(t)
		var all sync.WaitGroup
		all.Go(func() { _, _ = music.Import(t.Context(), first) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := music.Import(ctx, second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begun))
		all.Wait()
		require.NoError(t, b.links.Close())
	})
}

// A quota that is used up stops also those requests that wait for their turn when that is told.
func TestQuotaStopsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil, func(o *spotify.Options) { o.PerSecond, o.Burst = 1, 1 })
		var backs []linking.Callback
		for range 5 {
			_, back := b.comesBack(t)
			backs = append(backs, back)
		}
		b.fake.SetQuota(0)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/", Do: func(*http.Request) { time.Sleep(500 * time.Millisecond) }}) // so that the others wait when it is told
		asked := b.fake.Count("GET /v1/me")
		var all sync.WaitGroup
		for _, back := range backs {
			all.Go(func() {
				_, err := b.links.Finish(t.Context(), back)
				if !errors.Is(err, rhythmiq.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, asked+1, b.fake.Count("GET /v1/me"))
		require.NoError(t, b.links.Close())
	})
}
