package spotify_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func query(listener uuid.UUID, artists ...string) tunevector.CandidateQuery {
	return tunevector.CandidateQuery{Listener: listener, Artists: artists}
}

func ids(tracks []tunevector.Track) (all []string) {
	for _, t := range tracks {
		all = append(all, t.ID)
	}
	return all
}

func (s *studio) candidates(t *testing.T, q tunevector.CandidateQuery) []tunevector.Track {
	t.Helper()
	tracks, err := s.provider.Candidates(t.Context(), q)
	require.NoError(t, err)
	return tracks
}

func (s *studio) taste(t *testing.T) (told []string) {
	t.Helper()
	all, _, _, err := s.preferences.List(t.Context(), s.ada, 100, "")
	require.NoError(t, err)
	for _, p := range all {
		require.Equal(t, preference.Spotify, p.Source)
		told = append(told, fmt.Sprintf("%s %s %.2f", p.Type, p.Value, p.Weight))
	}
	return told
}

// What a listener hears becomes preferences, the favorite first, and what they have saved becomes candidates.
func TestImport(t *testing.T) {
	host, err := catalog.New([]tunevector.Track{
		{ID: "own-1", Title: "One", Artists: []string{"beta days"}, Genres: []string{"ambient", "drone"}, Kind: tunevector.Playlist, DurationSeconds: 200, Provenance: tunevector.FromCatalog},
		{ID: "own-2", Title: "Two", Artists: []string{"Beta Days"}, Genres: []string{"ambient"}, Kind: tunevector.Playlist, DurationSeconds: 210, Provenance: tunevector.FromCatalog},
	})
	require.NoError(t, err)
	s := linked(t, func(c *spotify.ClientOptions, p *spotify.ProviderOptions) { c.Market, p.Host = "SE", host })
	s.checked = true
	s.fake.AddEpisodes(spotifytest.Episode{Name: "One", Show: "Talk", Milliseconds: 900_000})
	saved := s.songs()
	extra := s.fake.AddTracks(spotifytest.Track{Name: "From a list", Artists: []string{"Delta"}, Milliseconds: 100_000}, spotifytest.Track{Name: "Not to be had", Artists: []string{"Delta"}, Milliseconds: 100_000, Unplayable: true})
	s.fake.AddPlaylist("ada", "Mine", "spotify:track:"+extra[0], "spotify:episode:"+spotifytest.ID("episode", "TalkOne"), "spotify:track:"+extra[1])
	s.fake.SetLibrary("ada", spotifytest.Library{
		Saved: saved, Top: saved[:30], TopArtists: []string{"Beta Days", "The Alphas"}, Recent: saved[50:], Episodes: []string{spotifytest.ID("episode", "TalkOne")}, Shows: []string{spotifytest.ID("show", "Talk")},
	})
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Equal(t, spotify.Imported{Tracks: 61, Episodes: 1, Artists: 3, Preferences: 5}, r)
	require.Equal(t, []string{"genre ambient 0.80", "genre drone 0.80", "artist Beta Days 0.80", "artist The Alphas 0.79"}, s.taste(t)[:4])
	require.True(t, strings.HasPrefix(s.taste(t)[4], "artist Gamma"))
	tracks := s.candidates(t, tunevector.CandidateQuery{Listener: s.ada})
	require.Len(t, tracks, 63, "theirs, and the host's two")
	require.Subset(t, ids(tracks), append(saved, extra[0], "own-1"))
	for _, track := range tracks {
		if track.ID == saved[1] { // by Beta Days
			require.Equal(t, []string{"ambient", "drone"}, track.Genres)
			require.InDelta(t, 0.3, track.Confidence, 1e-9, "it sounds as its genre does")
			require.Equal(t, tunevector.FromSpotify, track.Provenance)
			require.Equal(t, "spotify:track:"+saved[1], track.URI)
			_, may := track.Item()
			require.False(t, may, "it trains nothing")
		}
		if track.ID == saved[2] { // by Gamma, of whom nothing is known
			require.Zero(t, track.Confidence)
		}
	}
	podcasts := s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Kind: tunevector.Podcast})
	require.Equal(t, []string{"Talk"}, podcasts[0].Artists)
	require.Empty(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Kind: tunevector.Soundscape}))
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{}), 2, "who is nobody gets the host's")
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: uuid.New()}), 2, "and so does who has no account")

	// Of a small limit half is their own.
	some := s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Limit: 2, Along: []tunevector.Features{{Energy: 0.5, Valence: 0.5, Tempo: 120}}})
	require.Len(t, some, 2)
	genres, err := s.provider.Genres(t.Context(), tunevector.Playlist)
	require.NoError(t, err)
	require.Equal(t, []string{"ambient", "drone"}, genres)
	require.Equal(t, []preference.Source{preference.Spotify}, s.provider.PreferenceSources())
}

// Of who has saved more than is read, playlists are read as well, and their names say how they sound.
func TestPlaylistsOfWhoHasMuch(t *testing.T) {
	s := linked(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) { p.Tracks = 50 })
	saved := s.songs() // 60
	var listed []string
	for i := range 30 {
		listed = append(listed, "spotify:track:"+s.fake.AddTracks(spotifytest.Track{Name: fmt.Sprint("Listed ", i), Artists: []string{"Delta"}, Milliseconds: 100_000})[0])
	}
	s.fake.AddPlaylist("ada", "My SLEEP mix", append(listed, "spotify:track:"+saved[0])...)
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: saved})
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Equal(t, 50, r.Tracks)
	fromList := 0
	for _, track := range s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Limit: 1000}) {
		tags := tunevector.FeatureSource{Source: tunevector.SourceTags, Confidence: 0.3}
		switch {
		case track.Artists[0] == "Delta":
			fromList++
			require.Equal(t, tags, track.FeatureSources.Energy)
			require.Less(t, track.Features.Energy, 0.2, "music to sleep by")
		case track.ID == saved[0]:
			require.Equal(t, tags, track.FeatureSources.Tempo)
		default:
			require.Equal(t, tunevector.FeatureSource{Source: tunevector.SourceGlobal}, track.FeatureSources.Energy, track.Title)
		}
	}
	require.Equal(t, 10, fromList, "a fifth")
}

// A listener's own music is not pushed aside by the host's, of which more is known: not even where they like a genre of which Spotify says nothing.
func TestOwnMusicComesFirst(t *testing.T) {
	s := linked(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) { p.Host = catalog.Demo() })
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: s.songs()})
	along := []tunevector.Features{{Energy: 0.5, Valence: 0.5, Tempo: 120, Acousticness: 0.3, Instrumentalness: 0.1}}
	theirs := func(q tunevector.CandidateQuery) (n int) {
		q.Listener, q.Along, q.Limit = s.ada, along, 150
		for _, track := range s.candidates(t, q) {
			if track.Provenance == tunevector.FromCatalog {
				n++
			}
		}
		return n
	}
	require.Zero(t, theirs(tunevector.CandidateQuery{}))
	require.Positive(t, theirs(tunevector.CandidateQuery{Genres: []string{"rock"}}), "a stage of rock needs some")
	require.Zero(t, theirs(tunevector.CandidateQuery{Genres: []string{"rock"}, Beside: true}), "what is liked beside an arc does not")
	require.Positive(t, theirs(tunevector.CandidateQuery{Kind: tunevector.Podcast, Genres: []string{"rock"}, Beside: true})+theirs(tunevector.CandidateQuery{Kind: tunevector.Soundscape, Beside: true}))
}

// Without the scopes for more, the default ones bring what they can: podcasts by a search for the shows.
func TestDefaultScopes(t *testing.T) {
	s := open(t)
	s.checked = true
	s.fake.AddEpisodes(spotifytest.Episode{Name: "Talk: One", Show: "Talk", Milliseconds: 900_000})
	ids := s.songs()
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: ids[:3], Shows: []string{spotifytest.ID("show", "Talk")}})
	s.desk.link(t, s.ada, "ada", spotify.DefaultScopes()...)
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Equal(t, 1, r.Episodes)
	require.Equal(t, 3, r.Tracks)
	require.Zero(t, s.fake.Count("GET /v1/me/player/recently-played"))
	require.Zero(t, s.fake.Count("GET /v1/me/episodes"))
	none := uuid.New()
	s.desk.link(t, none, "ada")
	r, err = s.provider.Import(t.Context(), none)
	require.ErrorContains(t, err, "Profile with the specified ID does not exist")
	require.Zero(t, r)
}

// An import is made when it is first needed, again after a day, by one of all who need it, and what it brought goes on for a while where it cannot be made.
func TestImportedWhenNeeded(t *testing.T) {
	s := linked(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			tracks, err := s.provider.Candidates(context.WithoutCancel(t.Context()), tunevector.CandidateQuery{Listener: s.ada})
			if err != nil || len(tracks) != 60 {
				t.Errorf("%d tracks, %v", len(tracks), err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, 3, s.fake.Count("GET /v1/me/top/artists"), "one import, over three times")
	s.clock.advance(23 * time.Hour)
	s.candidates(t, tunevector.CandidateQuery{Listener: s.ada})
	require.Equal(t, 3, s.fake.Count("GET /v1/me/top/artists"))
	s.clock.advance(2 * time.Hour)
	s.candidates(t, tunevector.CandidateQuery{Listener: s.ada})
	require.Equal(t, 6, s.fake.Count("GET /v1/me/top/artists"))

	s.clock.advance(25 * time.Hour)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/", Status: 503})
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada}), 60)
	asked := s.fake.Count("GET /v1/me/top/artists")
	s.candidates(t, tunevector.CandidateQuery{Listener: s.ada})
	require.Equal(t, asked, s.fake.Count("GET /v1/me/top/artists"), "not at once again")
	require.Contains(t, s.log.String(), "a library could not be imported")
	s.clock.advance(7 * 24 * time.Hour)
	require.Empty(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada}), "nothing is kept for longer than a week")
	require.Empty(t, s.taste(t))
	s.fake.Heal()
	s.clock.advance(2 * time.Minute)
	require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada}), 60)
}

// What is asked for and not in the library is searched for, once, and within bounds.
func TestSearch(t *testing.T) {
	s := linked(t)
	s.checked = true
	found := s.fake.AddTracks(
		spotifytest.Track{Name: "X", Artists: []string{"Omega"}, Milliseconds: 100_000}, spotifytest.Track{Name: "Y", Artists: []string{"Omega"}, Milliseconds: 110_000, Explicit: true},
	)
	s.fake.SetGenres("Omega", "Dungeon Synth")
	s.fake.AddEpisodes(spotifytest.Episode{Name: "Of sleep", Show: "Science", Milliseconds: 900_000})
	require.Equal(t, sorted(slices.Clone(found)), sorted(ids(s.candidates(t, query(s.ada, "omega")))))
	require.Equal(t, found[:1], ids(s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Artists: []string{"Omega"}, ExcludeExplicit: true})))
	require.Equal(t, 1, s.fake.Count("GET /v1/search"))
	synth := s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Genres: []string{"dungeon synth"}})
	require.Empty(t, synth, "what was found before is known without its genre")
	require.Empty(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Genres: []string{"disco", "polka", "ska", "rai", "fado"}}))
	require.Equal(t, 5, s.fake.Count("GET /v1/search"), "three at a time")
	talks := s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Kind: tunevector.Podcast, Genres: []string{"sleep"}})
	require.Len(t, talks, 1)
	require.Equal(t, []string{"sleep"}, talks[0].Genres)
	s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Kind: tunevector.Soundscape, Genres: []string{"rain"}})
	require.Equal(t, 6, s.fake.Count("GET /v1/search"))
	fresh := linked(t)
	fresh.fake.AddTracks(spotifytest.Track{Name: "X", Artists: []string{"Omega"}, Milliseconds: 100_000})
	fresh.fake.SetGenres("Omega", "Dungeon Synth")
	synth = fresh.candidates(t, tunevector.CandidateQuery{Listener: fresh.ada, Genres: []string{" Dungeon Synth"}})
	require.Equal(t, []string{"dungeon synth"}, synth[0].Genres)
}

// What a plan names is found by its id: in the library, among what was found, or at Spotify, and what is not there is asked for once.
func TestTracksFor(t *testing.T) {
	s := linked(t)
	s.checked = true
	saved := s.songs()
	far := s.fake.AddTracks(spotifytest.Track{Name: "Far", Artists: []string{"Omega"}, Milliseconds: 100_000})[0]
	talk := s.fake.AddEpisodes(spotifytest.Episode{Name: "Of sleep", Show: "Science", Milliseconds: 900_000})[0]
	const unknown = "0000000000000000000000"
	for range 2 {
		tracks, err := s.provider.TracksFor(t.Context(), s.ada, []string{far, unknown, saved[3], "demo-1", talk, far})
		require.NoError(t, err)
		require.Equal(t, []string{far, saved[3], talk, far}, ids(tracks))
		require.Equal(t, tunevector.Podcast, tracks[2].Kind)
	}
	require.Equal(t, 1, s.fake.Count("GET /v1/tracks/"+far))
	require.Equal(t, 1, s.fake.Count("GET /v1/tracks/"+unknown))
	tracks, err := s.provider.Tracks(t.Context(), []string{saved[3]})
	require.NoError(t, err)
	require.Empty(t, tracks, "for nobody there is nothing of theirs")
	tracks, err = s.provider.TracksFor(t.Context(), uuid.New(), []string{saved[3]})
	require.NoError(t, err)
	require.Empty(t, tracks, "nor for somebody else")

	s.fake.Inject(spotifytest.Fault{Path: "/v1/tracks/", Status: 503})
	_, err = s.provider.TracksFor(t.Context(), s.ada, []string{"0000000000000000000001"})
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable, "nobody knows whether it is there")
	s.fake.Heal()
	s.fake.Inject(spotifytest.Fault{Path: "/v1/tracks/", Status: 403})
	tracks, err = s.provider.TracksFor(t.Context(), s.ada, []string{"0000000000000000000001", saved[1]})
	require.NoError(t, err)
	require.Len(t, tracks, 1)
	s.fake.Heal()

	// Saved no more, it is still known to the plans that have it.
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: saved[10:]})
	s.clock.advance(25 * time.Hour)
	tracks, err = s.provider.TracksFor(t.Context(), s.ada, saved[:10])
	require.NoError(t, err)
	require.Len(t, tracks, 10)
	require.Zero(t, s.fake.Count("GET /v1/tracks/"+saved[0]))
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("%022d", i+1000)
	}
	_, err = s.provider.TracksFor(t.Context(), s.ada, many)
	require.NoError(t, err)
	require.Equal(t, 1, s.fake.Count("GET /v1/tracks/"+many[19]))
	require.Zero(t, s.fake.Count("GET /v1/tracks/"+many[20]), "20 at a time")
}

// With extended quota many tracks are looked up at a time, and genres and popularity are there.
func TestExtended(t *testing.T) {
	s := open(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) { c.Extended, c.Market = true, "SE" })
	s.checked = true
	s.fake.Extend(true)
	saved := s.songs()
	s.fake.SetGenres("Beta Days", "Ambient", "ambient")
	far := s.fake.AddTracks(spotifytest.Track{Name: "Far", Artists: []string{"Omega"}, Milliseconds: 100_000, Popularity: 70})[0]
	s.desk.link(t, s.ada, "ada", all()...)
	require.Contains(t, strings.Join(s.tasteAfterImport(t), ";"), "genre ambient")
	tracks, err := s.provider.TracksFor(t.Context(), s.ada, []string{far, saved[1]})
	require.NoError(t, err)
	require.Equal(t, []string{far, saved[1]}, ids(tracks))
	require.InDelta(t, 0.7, tracks[0].Popularity, 1e-9)
	require.Equal(t, []string{"ambient"}, tracks[1].Genres)
	require.Equal(t, 1, s.fake.Count("GET /v1/tracks"))
}

// Everything that takes a market is asked for it, and then what cannot be played there is left out; without one only the episodes are, of which Spotify tells it always.
func TestMarket(t *testing.T) {
	for market, tracks := range map[string]int{"": 4, "SE": 2} {
		for _, extended := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q %v", market, extended), func(t *testing.T) {
				queries := map[string][]string{}
				s := open(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) {
					next := c.HTTP.Transport
					c.Market, c.Extended = market, extended
					c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						at := r.URL.Path
						if strings.HasPrefix(at, "/v1/search") {
							at += " " + r.URL.Query().Get("type")
						}
						queries[at] = append(queries[at], r.URL.Query().Get("market"))
						return next.RoundTrip(r)
					})}
				})
				s.checked = true
				s.fake.Extend(extended)
				var ids, talks []string
				for i, name := range []string{"Saved", "Listed", "Found", "Far"} {
					for _, unplayable := range []bool{false, true} {
						ids = append(ids, s.fake.AddTracks(spotifytest.Track{Name: name, Artists: []string{fmt.Sprint("Band ", i, unplayable)}, Milliseconds: 200_000, Unplayable: unplayable})...)
						talks = append(talks, s.fake.AddEpisodes(spotifytest.Episode{Name: fmt.Sprint(name, unplayable), Show: "Talk " + name, Milliseconds: 900_000, Unplayable: unplayable})...)
					}
				}
				list := s.fake.AddPlaylist("ada", "Mine", "spotify:track:"+ids[2], "spotify:track:"+ids[3])
				show := spotifytest.ID("show", "Talk Listed")
				s.fake.SetLibrary("ada", spotifytest.Library{Saved: ids[:2], Episodes: talks[:2], Shows: []string{show}})
				s.desk.link(t, s.ada, "ada", all()...)
				r, err := s.provider.Import(t.Context(), s.ada)
				require.NoError(t, err)
				require.Equal(t, tracks, r.Tracks)
				require.Equal(t, 2, r.Episodes)
				require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Artists: []string{"Band 2 true", "Band 2 false"}}), tracks/2)
				require.Len(t, s.candidates(t, tunevector.CandidateQuery{Listener: s.ada, Kind: tunevector.Podcast, Genres: []string{"found"}}), 1)
				far, err := s.provider.TracksFor(t.Context(), s.ada, append(slices.Clone(ids[6:]), talks[6:]...))
				require.NoError(t, err)
				require.Len(t, far, tracks/2+1)

				taking := []string{
					"/v1/me/tracks", "/v1/me/episodes", "/v1/playlists/" + list + "/items", "/v1/shows/" + show + "/episodes", "/v1/search track", "/v1/search episode",
					"/v1/episodes/" + talks[6],
				}
				if extended {
					taking = append(taking, "/v1/tracks")
				} else {
					taking = append(taking, "/v1/tracks/"+ids[6])
				}
				for _, at := range taking {
					require.NotEmpty(t, queries[at], at)
					for _, asked := range queries[at] {
						require.Equal(t, market, asked, at)
					}
				}
			})
		}
	}
}

// A track that another stands for in the market keeps the id by which it was asked for, and what was not asked for is nothing.
func TestStandIns(t *testing.T) {
	id, stands := spotifytest.ID("track", "asked for"), spotifytest.ID("track", "stands for it")
	body := fmt.Sprintf(`{"id": %q, "name": "Song", "type": "track", "duration_ms": 1000, "artists": [], "is_playable": true, "linked_from": {"id": %q}}`, stands, id)
	for _, extended := range []bool{false, true} {
		s := open(t, func(c *spotify.ClientOptions, _ *spotify.ProviderOptions) { c.Market, c.Extended = "SE", extended })
		s.fake.Extend(extended)
		s.desk.link(t, s.ada, "ada", spotify.DefaultScopes()...)
		require.NoError(t, s.imports(t))
		s.fake.Inject(spotifytest.Fault{Path: "/v1/tracks/" + id, Status: 200, Body: body})
		s.fake.Inject(spotifytest.Fault{Path: "/v1/tracks", Status: 200, Body: `{"tracks": [` + body + `, null, null]}`})
		found, err := s.provider.TracksFor(t.Context(), s.ada, []string{id})
		require.NoError(t, err)
		require.Equal(t, []string{id}, ids(found))
		require.Equal(t, "spotify:track:"+id, found[0].URI)
	}
}

func (s *studio) tasteAfterImport(t *testing.T) []string {
	t.Helper()
	require.NoError(t, s.imports(t))
	return s.taste(t)
}

// Nothing is kept of an account that is unlinked while it is read, and nothing is left of one that was.
func TestUnlinked(t *testing.T) {
	for _, at := range []string{"/v1/me/tracks", "/v1/me/shows"} {
		s := linked(t)
		s.fake.Inject(spotifytest.Fault{Path: at, Times: 1, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
		require.ErrorIs(t, s.imports(t), spotify.ErrNotLinked)
		require.Empty(t, s.left(t))
	}
	s := linked(t)
	require.NoError(t, s.imports(t))
	require.NotEmpty(t, s.left(t))
	far := s.fake.AddTracks(spotifytest.Track{Name: "Far", Artists: []string{"Omega"}, Milliseconds: 100_000})[0]
	s.fake.Inject(spotifytest.Fault{Path: "/v1/tracks/", Times: 1, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
	tracks, err := s.provider.TracksFor(t.Context(), s.ada, []string{far})
	require.NoError(t, err)
	require.Empty(t, tracks)
	require.Empty(t, s.left(t))
	require.Empty(t, s.candidates(t, query(s.ada)))
	s.desk.link(t, s.ada, "ada", all()...)
	require.NoError(t, s.imports(t))
	s.fake.Inject(spotifytest.Fault{Path: "/v1/search", Times: 1, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
	require.Empty(t, s.candidates(t, query(s.ada, "Omega")))
	require.Empty(t, s.left(t))
	guard, err := s.provider.Guard(t.Context(), s.ada)
	require.NoError(t, err)
	require.Empty(t, guard)
}

// left are the keys of what came from Spotify.
func (s *studio) left(t *testing.T) (keys []string) {
	t.Helper()
	for item, err := range store.All(t.Context(), s.store, store.Query{Table: store.Users, Partition: s.ada, Prefix: spotify.Prefix, Read: store.Strong}) {
		require.NoError(t, err)
		keys = append(keys, item.Key.Sort)
	}
	return keys
}

func TestLent(t *testing.T) {
	host, err := catalog.New([]tunevector.Track{{ID: "0000000000000000000007", Title: "One", Artists: []string{"X"}, Kind: tunevector.Playlist, DurationSeconds: 200, Provenance: tunevector.FromCatalog}})
	require.NoError(t, err)
	s := open(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) { p.Host = host })
	lent, err := s.provider.Lent(t.Context(), []string{"0000000000000000000007", "0000000000000000000008", "demo-1", "spotify:track:0000000000000000000009"})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"0000000000000000000008": true, "spotify:track:0000000000000000000009": true}, lent)
	_, err = spotify.NewProvider(spotify.ProviderOptions{
		TTL: time.Minute, RefreshAfter: time.Hour, Tracks: 3000, Playlists: 51, ImportTime: -1, Features: []spotify.FeatureSource{nil},
	})
	require.Equal(t, []string{"Client", "Features[0]", "Gate", "ImportTime", "Playlists", "RefreshAfter", "Store", "TTL", "Tracks"}, fieldsOf(err))
	personal := s.provider.As(uuid.New()).(tunevector.GenreLister)
	genres, err := personal.Genres(t.Context(), tunevector.Podcast)
	require.NoError(t, err)
	require.Empty(t, genres)
}
