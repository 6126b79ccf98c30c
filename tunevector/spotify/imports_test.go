package spotify_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// stocked has bubble links whose libraries are read by a provider when they are linked, at the rate that is usual. For none there is time to stand in line.
func stocked(t *testing.T, changes ...func(*spotify.Options)) (*bubble, *spotify.Provider) {
	t.Helper()
	b := newBubble(t, spotifytest.Options{}, nil, changes...)
	t.Cleanup(func() { require.NoError(t, b.links.Close()) })
	music := b.music(t, spotify.ClientOptions{PerSecond: 3, Burst: 15}, func(o *spotify.ProviderOptions) {
		o.ImportTime, o.Logger = 8*time.Second, slog.New(slog.NewTextHandler(&b.musicLog, nil))
	})
	b.links.Tell(music.ImportLibrary, func(context.Context, uuid.UUID) error { return nil })
	return b, music
}

// much is a library of which as much is read as of any with the scopes of every link.
const muchRequests = 33

func (b *bubble) much(t *testing.T, listener uuid.UUID) {
	t.Helper()
	account := "user-" + listener.String()
	var tracks []spotifytest.Track
	for i := range 600 {
		tracks = append(tracks, spotifytest.Track{Name: fmt.Sprint("Song ", i), Artists: []string{fmt.Sprint("Artist ", i%40)}, Milliseconds: 200_000})
	}
	ids := b.fake.AddTracks(tracks...)
	for n := range 5 {
		var listed []string
		for _, id := range ids[100*n : 100*n+100] {
			listed = append(listed, "spotify:track:"+id)
		}
		b.fake.AddPlaylist(account, fmt.Sprint("Mine ", n), listed...)
	}
	var shows []string
	for i := range 5 {
		name := fmt.Sprint("Show ", i)
		b.fake.AddEpisodes(spotifytest.Episode{Name: "One", Show: name, Milliseconds: 900_000})
		shows = append(shows, spotifytest.ID("show", name))
	}
	b.fake.SetLibrary(account, spotifytest.Library{Saved: ids, Top: ids[:50], TopArtists: []string{"Artist 0", "Artist 1"}, Shows: shows})
}

// counted counts the requests to the Web API from now on.
func (b *bubble) counted() *atomic.Int64 {
	var n atomic.Int64
	b.fake.Inject(spotifytest.Fault{Path: "/v1/", Do: func(*http.Request) { n.Add(1) }})
	return &n
}

// tastes are how many preferences a listener has from Spotify.
func (b *bubble) tastes(t *testing.T, listener uuid.UUID) int {
	t.Helper()
	likes, err := preference.NewService(b.store, preference.Options{Sources: []preference.Source{preference.Spotify}})
	require.NoError(t, err)
	all, _, _, err := likes.List(t.Context(), listener, 100, "")
	require.NoError(t, err)
	return len(all)
}

func owns(t *testing.T, music *spotify.Provider, listener uuid.UUID) int {
	t.Helper()
	tracks, err := music.Library(t.Context(), listener)
	require.NoError(t, err)
	return len(tracks)
}

// As many link an account at one moment as an app in development mode may have, at its usual rate. No browser waits for longer than it can. By then each has a taste, and music of their
// own to plan from, and in the end all of it; nothing is asked twice.
func TestLinkedAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crowd = 5
		b, music := stocked(t)
		var listeners []uuid.UUID
		var backs []linking.Callback
		for range crowd {
			id, back := b.comesBack(t)
			b.much(t, id)
			listeners, backs = append(listeners, id), append(backs, back)
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		asked := b.counted()
		var all sync.WaitGroup
		for _, back := range backs {
			all.Go(func() {
				if _, err := b.links.Finish(t.Context(), back); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, time.Since(begun), 15*time.Second)
		for _, id := range listeners {
			from := time.Now()
			tracks, err := music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: id})
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(tracks), 50)
			require.Less(t, time.Since(from), 5*time.Second, "nobody waits for the rest")
			require.Positive(t, b.tastes(t, id))
		}
		time.Sleep(time.Minute)
		for _, id := range listeners {
			require.Equal(t, 30, b.tastes(t, id))
			require.Equal(t, 505, owns(t, music, id))
		}
		require.EqualValues(t, crowd*(muchRequests+1), asked.Load(), "and whose account it is")
	})
}

// comesIn has the owner of a listener's account sign in by it.
func (b *bubble) comesIn(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.fake.SignIn("user-" + id.String())
	begun, err := b.links.BeginSignIn(t.Context())
	require.NoError(t, err)
	out, err := b.links.Finish(t.Context(), b.goes(t, begun))
	require.NoError(t, err)
	require.Equal(t, id, out.ProfileID)
}

// Who signs in is asked for, and nothing else: a library is read again when there is more to be read of it, or when somebody needs it and it is old.
func TestSignInReadsNoLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		b, music := stocked(t, func(o *spotify.Options) {
			o.Linked = append(o.Linked, func(context.Context, uuid.UUID) error {
				told++
				return nil
			})
		})
		id, back := b.comesBack(t)
		b.much(t, id)
		asked := b.counted()
		_, err := b.links.Finish(t.Context(), back)
		require.NoError(t, err)
		require.EqualValues(t, muchRequests+1, asked.Load())
		again := func(scopes ...string) {
			t.Helper()
			b.fake.SignIn("user-" + id.String())
			begun, err := b.links.Begin(t.Context(), id, linking.Request{Scopes: scopes})
			require.NoError(t, err)
			_, err = b.links.Finish(t.Context(), b.goes(t, begun))
			require.NoError(t, err)
		}
		for _, x := range []struct {
			what     string
			do       func()
			requests int64
		}{
			{"a sign-in", func() { b.comesIn(t, id) }, 1},
			{"a sign-in when the library is old", func() {
				time.Sleep(48 * time.Hour)
				b.comesIn(t, id)
			}, 1},
			{"the same link once more", func() { again() }, 1},
			{"a scope for playlists, which are written", func() {
				_, err := music.Import(t.Context(), id)
				require.NoError(t, err)
				again(spotify.ScopeModifyPrivate)
			}, muchRequests + 1},
			{"a scope for what was heard last", func() { again(spotify.ScopeReadRecent) }, muchRequests + 2},
			{"tokens that were lost, of a library that was just read", func() {
				access, err := b.links.Token(t.Context(), id)
				require.NoError(t, err)
				b.fake.Revoke("user-" + id.String())
				_, err = b.links.Renew(t.Context(), id, access)
				require.ErrorIs(t, err, spotify.ErrReauthRequired)
				again()
			}, 1},
		} {
			time.Sleep(time.Minute)
			before := asked.Load()
			x.do()
			require.Equal(t, x.requests, asked.Load()-before, x.what)
		}
		require.Equal(t, 4, told, "of a link, of two scopes, and of tokens")
	})
}

// Who needs a library that stands in line waits for it, though not for ever; and whoever goes away meanwhile does not end it.
func TestImportGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, spotifytest.Options{}, nil)
		t.Cleanup(func() { require.NoError(t, b.links.Close()) })
		music := b.music(t, spotify.ClientOptions{PerSecond: 3, Burst: 15})
		id := b.linked(t)
		b.much(t, id)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me/top/", Do: func(*http.Request) { time.Sleep(time.Second) }})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := music.Candidates(ctx, tunevector.CandidateQuery{Listener: id})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		tracks, err := music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: id, Limit: 1000})
		require.NoError(t, err)
		require.Len(t, tracks, 50, "what is heard most is enough")
		require.Equal(t, 3, b.fake.Count("GET /v1/me/top/artists"), "one import")
		time.Sleep(time.Minute)
		require.Equal(t, 505, owns(t, music, id))

		few := b.linked(t)
		b.fake.SetLibrary("user-"+few.String(), spotifytest.Library{Saved: ids(tracks), Top: ids(tracks)[:2]})
		b.fake.Heal()
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Do: func(*http.Request) { time.Sleep(3 * time.Second) }})
		var wait sync.WaitGroup
		for n := range 2 { // the second when some is there, and too little
			wait.Go(func() {
				time.Sleep(time.Duration(n) * time.Second)
				tracks, err := music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: few})
				if err != nil || len(tracks) != 50 {
					t.Errorf("%d tracks, %v", len(tracks), err)
				}
			})
		}
		wait.Wait()

		second := b.linked(t)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/", Hang: true})
		begun := time.Now()
		tracks, err = music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: second})
		require.NoError(t, err)
		require.Empty(t, tracks)
		require.LessOrEqual(t, time.Since(begun), time.Minute)
	})
}

// A library that is a day old is good for a plan: it is taken as it is, and read anew beside the plans that need it, once. Only when its time is over is it waited for.
func TestRenewedBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, music := stocked(t)
		id, back := b.comesBack(t)
		b.much(t, id)
		asked := b.counted()
		_, err := b.links.Finish(t.Context(), back)
		require.NoError(t, err)
		plans := func() (took time.Duration) {
			begun := time.Now()
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					tracks, err := music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: id, Limit: 1000})
					if err != nil || len(tracks) < 50 {
						t.Errorf("%d tracks, %v", len(tracks), err)
					}
				})
			}
			all.Wait()
			return time.Since(begun)
		}
		for range 2 {
			time.Sleep(25 * time.Hour)
			before := asked.Load()
			require.Zero(t, plans())
			time.Sleep(time.Minute)
			require.Zero(t, plans())
			require.EqualValues(t, muchRequests, asked.Load()-before)
		}
		time.Sleep(25 * time.Hour)
		b.fake.Heal()
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me/", Status: 503})
		require.Zero(t, plans())
		time.Sleep(30 * time.Second)
		tried := b.fake.Count("GET /v1/me/top/artists")
		require.Zero(t, plans())
		require.Equal(t, tried, b.fake.Count("GET /v1/me/top/artists"), "not at once again")
		require.Contains(t, b.musicLog.String(), "a library could not be imported")
		b.fake.Heal()

		time.Sleep(7 * 24 * time.Hour)
		require.Zero(t, owns(t, music, id))
		plans() // which wait for it

		// Where the links are closed, what there is goes on.
		time.Sleep(25 * time.Hour)
		require.NoError(t, b.links.Close())
		require.Zero(t, plans())
	})
}

// Close ends an import that goes on beside requests, and begins none.
func TestCloseEndsImports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, music := stocked(t)
		id, back := b.comesBack(t)
		b.much(t, id)
		b.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Hang: true})
		_, err := b.links.Finish(t.Context(), back)
		require.NoError(t, err)
		begun := time.Now()
		require.NoError(t, b.links.Close())
		require.Zero(t, time.Since(begun))
		require.Equal(t, 50, owns(t, music, id), "what was read so far")
		other := b.profile(t)
		_, err = music.Candidates(t.Context(), tunevector.CandidateQuery{Listener: other})
		require.NoError(t, err)
	})
}

// An import that is cut off leaves what was read so far, as long as there was nothing better, and is made whole later.
func TestCutOff(t *testing.T) {
	s := linked(t)
	saved := s.songs()
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: saved, Top: saved[:20], TopArtists: []string{"Beta Days"}})
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/top/tracks", Times: 1, Do: func(*http.Request) {}})
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/top/tracks", Status: 503})
	require.Error(t, s.imports(t))
	require.NotEmpty(t, s.taste(t))
	kept, err := s.provider.Library(t.Context(), s.ada)
	require.NoError(t, err)
	require.Len(t, kept, 20)
	s.fake.Heal()
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/shows", Status: 503})
	require.Len(t, s.candidates(t, query(s.ada)), 60, "all but the podcasts, which are not to be had")
	require.Contains(t, s.log.String(), "could not be imported")
	s.fake.Heal()
	s.clock.advance(2 * time.Minute)
	before := s.fake.Count("GET /v1/me/top/artists")
	require.Len(t, s.candidates(t, query(s.ada)), 60)
	require.Len(t, s.candidates(t, query(s.ada)), 60)
	require.Equal(t, before+3, s.fake.Count("GET /v1/me/top/artists"), "once more")

	// A whole library is not replaced by less.
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/tracks", Status: 503})
	require.Error(t, s.imports(t))
	kept, err = s.provider.Library(t.Context(), s.ada)
	require.NoError(t, err)
	require.Len(t, kept, 60)

	// Nothing is kept of a link that has ended.
	s = linked(t)
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: saved, Top: saved[:20]})
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/top/tracks", Times: 1, Status: 503, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
	require.ErrorIs(t, s.imports(t), spotify.ErrNotLinked)
	require.Empty(t, s.left(t))
}
