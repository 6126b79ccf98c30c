package spotify_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// exporting is a studio where Ada has granted that playlists are made, and a vector of n songs.
func exporting(t *testing.T, n int) (*studio, tunevector.TuneVector) {
	t.Helper()
	s := open(t)
	v := tunevector.TuneVector{ID: uuid.New(), Definition: tunevector.Definition{Name: "Evening"}, Plan: &tunevector.Plan{}}
	for i := range n {
		id := s.fake.AddTracks(spotifytest.Track{Name: fmt.Sprint("Song ", i), Artists: []string{"Band"}, Milliseconds: 200_000})[0]
		v.Plan.Tracks = append(v.Plan.Tracks, tunevector.PlannedTrack{TrackID: id, URI: "spotify:track:" + id})
	}
	s.desk.link(t, s.ada, "ada", append(spotify.DefaultScopes(), spotify.ScopeModifyPrivate)...)
	return s, v
}

func (s *studio) write(t *testing.T, v tunevector.TuneVector) (tunevector.WrittenPlaylist, error) {
	t.Helper()
	return s.provider.WritePlaylist(t.Context(), s.ada, v)
}

func uris(v tunevector.TuneVector) (all []string) {
	for _, t := range v.Plan.Tracks {
		all = append(all, t.URI)
	}
	return all
}

// The same vector again updates the same playlist, however long it is.
func TestWritePlaylist(t *testing.T) {
	s, v := exporting(t, 250)
	s.checked = true
	written, err := s.write(t, v)
	require.NoError(t, err)
	lists := s.fake.Playlists("ada")
	require.Len(t, lists, 1)
	require.Equal(t, tunevector.WrittenPlaylist{
		ID: lists[0].ID, URI: "spotify:playlist:" + lists[0].ID, URL: "https://open.spotify.com/playlist/" + lists[0].ID, Created: true, Tracks: 250,
	}, written)
	require.Equal(t, "Evening", lists[0].Name)
	require.False(t, lists[0].Public)
	require.Equal(t, uris(v), lists[0].URIs)
	require.Equal(t, 1, s.fake.Count("PUT /v1/playlists/"+written.ID+"/items"))
	require.Equal(t, 2, s.fake.Count("POST /v1/playlists/"+written.ID+"/items"))

	v.Definition.Name = "Morning"
	v.Plan.Tracks = append(v.Plan.Tracks[100:150], tunevector.PlannedTrack{TrackID: "demo-1", URI: "rhythmiq:demo-1"})
	again, err := s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, tunevector.WrittenPlaylist{ID: written.ID, URI: written.URI, URL: written.URL, Tracks: 50, LeftOut: 1}, again)
	lists = s.fake.Playlists("ada")
	require.Len(t, lists, 1)
	require.Equal(t, "Morning", lists[0].Name)
	require.Equal(t, uris(v)[:50], lists[0].URIs)

	other := v
	other.ID = uuid.New()
	_, err = s.write(t, other)
	require.NoError(t, err)
	require.Len(t, s.fake.Playlists("ada"), 2, "another vector is another playlist")
	s.clock.advance(10 * time.Minute)
	s.fake.DropPlaylist(written.ID)
	anew, err := s.write(t, v)
	require.NoError(t, err)
	require.True(t, anew.Created, "what its owner has thrown away is not brought back, but made anew")
	require.NotEqual(t, written.ID, anew.ID)
	r, err := s.provider.Import(t.Context(), s.ada)
	require.NoError(t, err)
	require.Zero(t, r.Tracks, "what was exported does not come back as the listener's taste")
}

// Whatever fails half-way, a second try finishes it, and there is one playlist.
func TestWritePlaylistFails(t *testing.T) {
	for name, fault := range map[string]spotifytest.Fault{
		"creation fails":              {Path: "/v1/me/playlists", Method: "POST", Status: 503, Times: 1},
		"creation's answer is lost":   {Path: "/v1/me/playlists", Method: "POST", Lost: true, Times: 1},
		"creation's answer is cut":    {Path: "/v1/me/playlists", Method: "POST", Cut: true, Times: 1},
		"creation answers nonsense":   {Path: "/v1/me/playlists", Method: "POST", Status: 201, Body: `{"id": ""}`, Times: 1},
		"the first write fails":       {Path: "/v1/playlists/", Method: "PUT", Status: 500, Times: 3},
		"a later write fails":         {Path: "/v1/playlists/", Method: "POST", Status: 500, Times: 1},
		"a later write's answer lost": {Path: "/v1/playlists/", Method: "POST", Lost: true, Times: 1},
		"the quota ends":              {Path: "/v1/playlists/", Method: "POST", Status: 429, Body: `{"error":{"status":429,"message":"x","reason":"QUOTA_EXCEEDED"}}`, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, v := exporting(t, 250)
			s.fake.Inject(fault)
			_, err := s.write(t, v)
			require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
			s.clock.advance(2 * time.Hour)
			_, err = s.write(t, v)
			require.NoError(t, err)
			lists := s.fake.Playlists("ada")
			require.Len(t, lists, 1)
			require.Equal(t, uris(v), lists[0].URIs)
		})
	}
}

// The answer to the creation was lost, and the listener makes playlists by the hundred until it is tried again.
func TestWritePlaylistAmongMany(t *testing.T) {
	s, v := exporting(t, 3)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Method: "POST", Lost: true, Times: 1})
	_, err := s.write(t, v)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	const many = 260
	for i := range many {
		s.fake.AddPlaylist("ada", fmt.Sprint("No. ", i))
	}
	written, err := s.write(t, v)
	require.NoError(t, err)
	require.False(t, written.Created)
	require.Len(t, s.fake.Playlists("ada"), many+1)
	_, err = s.write(t, v)
	require.NoError(t, err)
	require.Len(t, s.fake.Playlists("ada"), many+1)
}

// A list that does not have yet what was made just now does not make it twice.
func TestWritePlaylistNotListedYet(t *testing.T) {
	s, v := exporting(t, 3)
	first, err := s.write(t, v)
	require.NoError(t, err)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Method: "GET", Status: 200, Body: `{"items": []}`})
	s.clock.advance(4 * time.Minute)
	again, err := s.write(t, v)
	require.NoError(t, err)
	require.False(t, again.Created)
	require.Equal(t, first.ID, again.ID)
	s.clock.advance(2 * time.Minute)
	anew, err := s.write(t, v)
	require.NoError(t, err)
	require.True(t, anew.Created, "by now it would be there")
}

// Who unlinks their account and links it again goes on with the playlist that was made of a vector; another one of the same mark does not take the place of the one that is known.
func TestWritePlaylistAfterUnlinking(t *testing.T) {
	s, v := exporting(t, 3)
	first, err := s.write(t, v)
	require.NoError(t, err)
	require.NotContains(t, s.fake.Playlists("ada")[0].Description, v.ID.String())
	require.NotContains(t, s.fake.Playlists("ada")[0].Description, s.ada.String())
	s.desk.unlink(t, s.ada)
	require.Empty(t, s.left(t))
	s.desk.link(t, s.ada, "ada", append(spotify.DefaultScopes(), spotify.ScopeModifyPrivate)...)
	again, err := s.write(t, v)
	require.NoError(t, err)
	require.False(t, again.Created)
	require.Equal(t, first.ID, again.ID)
	require.Len(t, s.fake.Playlists("ada"), 1)

	s.clock.advance(time.Hour)
	list := fmt.Sprintf(`{"items": [{"id": %q, "description": %q}, {"id": %q}]}`, spotifytest.ID("playlist", "other"), s.fake.Playlists("ada")[0].Description, first.ID)
	s.fake.Inject(spotifytest.Fault{Path: "/v1/me/playlists", Method: "GET", Status: 200, Body: list, Times: 1})
	again, err = s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
}

// What Spotify takes for wrong is told as a conflict, without its words.
func TestWritePlaylistRefused(t *testing.T) {
	for _, f := range []spotifytest.Fault{{Path: "/v1/me/playlists", Method: "POST"}, {Path: "/v1/playlists/", Method: "PUT"}, {Path: "/v1/playlists/", Method: "POST"}} {
		s, v := exporting(t, 130)
		f.Status, f.Body = 400, `{"error":{"status":400,"message":"Its own words"}}`
		s.fake.Inject(f)
		_, err := s.write(t, v)
		require.ErrorIs(t, err, rhythmiq.ErrConflict)
		require.ErrorContains(t, err, "Spotify does not take this playlist")
		require.NotContains(t, err.Error(), "Its own words")
		s.fake.Heal()
		_, err = s.write(t, v)
		require.NoError(t, err)
		require.Len(t, s.fake.Playlists("ada"), 1)
	}
}

// Two at once: one writes, the other is told to come back; and a writer that died holds the turn for a minute at most.
func TestWritePlaylistTurns(t *testing.T) {
	s, v := exporting(t, 3)
	var second error
	s.fake.Inject(spotifytest.Fault{Path: "/v1/playlists/", Method: "PUT", Times: 1, Do: func(*http.Request) { _, second = s.write(t, v) }})
	_, err := s.write(t, v)
	require.NoError(t, err)
	require.ErrorIs(t, second, rhythmiq.ErrConflict)
	require.ErrorContains(t, second, "being exported already")
	require.Len(t, s.fake.Playlists("ada"), 1)

	s.fake.Inject(spotifytest.Fault{Path: "/v1/playlists/", Method: "PUT", Times: 1, Do: func(*http.Request) {
		s.clock.advance(2 * time.Minute)
		v2 := v
		v2.Definition.Name = "Later"
		_, second = s.write(t, v2)
	}})
	_, err = s.write(t, v)
	require.NoError(t, err)
	require.NoError(t, second)
}

func TestWritePlaylistNeeds(t *testing.T) {
	s, v := exporting(t, 3)
	s.desk.link(t, s.ada, "ada", spotify.DefaultScopes()...)
	_, err := s.write(t, v)
	require.ErrorIs(t, err, rhythmiq.ErrForbidden)
	require.ErrorContains(t, err, `linking the account once more, with {"scopes": ["playlist-modify-private"]}`)
	_, err = s.provider.WritePlaylist(t.Context(), uuid.New(), v)
	require.ErrorIs(t, err, spotify.ErrNotLinked)

	s.desk.link(t, s.ada, "ada", spotify.ScopeModifyPrivate, spotify.ScopeReadLibrary)
	_, err = s.write(t, tunevector.TuneVector{ID: uuid.New()})
	require.ErrorIs(t, err, rhythmiq.ErrConflict)
	none := tunevector.TuneVector{ID: uuid.New(), Plan: &tunevector.Plan{Tracks: []tunevector.PlannedTrack{{TrackID: "demo-1", URI: "spotify:track:short"}}}}
	_, err = s.write(t, none)
	require.ErrorContains(t, err, "Nothing in this tune vector's plan is known to Spotify")
	// Without the right to read playlists what was made is still known.
	first, err := s.write(t, v)
	require.NoError(t, err)
	again, err := s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	// Of tracks that only their ids name one is in the library, and the others are written by their ids.
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: []string{v.Plan.Tracks[0].TrackID}})
	require.NoError(t, s.imports(t))
	for i := range v.Plan.Tracks {
		v.Plan.Tracks[i].URI = ""
	}
	again, err = s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, 3, again.Tracks)
	require.Zero(t, again.LeftOut)

	s.fake.Inject(spotifytest.Fault{Path: "/v1/playlists/", Method: "PUT", Times: 1, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
	_, err = s.write(t, v)
	require.ErrorIs(t, err, spotify.ErrNotLinked)
	require.Empty(t, s.left(t))
	require.Empty(t, strings.TrimSpace(strings.Join(s.left(t), "")))
}

// What nothing but its id is known of any more is written all the same, whatever Spotify says when it is asked: as an episode in a podcast vector, and else as a track. What is pinned may be either.
func TestWritePlaylistByIDs(t *testing.T) {
	s, v := exporting(t, 30)
	s.desk.link(t, s.ada, "ada", append(all(), spotify.ScopeModifyPrivate)...)
	wanted := uris(v)
	for i := range v.Plan.Tracks {
		v.Plan.Tracks[i].URI = ""
	}
	talks := s.fake.AddEpisodes(spotifytest.Episode{Name: "One", Show: "Talk", Milliseconds: 900_000}, spotifytest.Episode{Name: "Two", Show: "Talk", Milliseconds: 900_000})
	for i, talk := range talks {
		v.Plan.Tracks = append(v.Plan.Tracks, tunevector.PlannedTrack{TrackID: talk})
		v.Definition.Pinned = append(v.Definition.Pinned, tunevector.Pin{Position: 30 + i, TrackID: talk})
		wanted = append(wanted, "spotify:episode:"+talk)
	}
	v.Plan.Tracks = append(v.Plan.Tracks, tunevector.PlannedTrack{TrackID: "demo-1"}, tunevector.PlannedTrack{TrackID: "demo-2", URI: "rhythmiq:demo-2"})
	written, err := s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, 32, written.Tracks)
	require.Equal(t, 2, written.LeftOut)
	require.Equal(t, wanted, s.fake.Playlists("ada")[0].URIs)

	// If one of the pinned cannot be looked up nothing is written at all.
	before := s.fake.Count("PUT /v1/playlists/" + written.ID + "/items")
	s.fake.Inject(spotifytest.Fault{Path: "/v1/episodes/" + talks[1], Status: 503})
	_, err = s.write(t, v)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	require.Equal(t, before, s.fake.Count("PUT /v1/playlists/"+written.ID+"/items"))
	require.Equal(t, wanted, s.fake.Playlists("ada")[0].URIs)
	s.fake.Heal()

	// What Spotify has said it does not have is left out.
	require.NoError(t, s.imports(t))
	gone := spotifytest.ID("track", "gone")
	_, err = s.provider.TracksFor(t.Context(), s.ada, []string{gone})
	require.NoError(t, err)
	v.Plan.Tracks = append(v.Plan.Tracks, tunevector.PlannedTrack{TrackID: gone})
	written, err = s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, 3, written.LeftOut)
	require.Equal(t, wanted, s.fake.Playlists("ada")[0].URIs)

	// Who has not granted that episodes are looked up by their ids hears from Spotify that there are none.
	s.desk.link(t, s.ada, "ada", append(spotify.DefaultScopes(), spotify.ScopeModifyPrivate)...)
	require.NoError(t, s.imports(t))
	podcast := tunevector.TuneVector{
		ID: uuid.New(), Definition: tunevector.Definition{Name: "Talks", Kind: tunevector.Podcast, Pinned: []tunevector.Pin{{TrackID: talks[0]}}},
		Plan: &tunevector.Plan{Tracks: []tunevector.PlannedTrack{{TrackID: talks[0]}, {TrackID: talks[1]}}},
	}
	_, err = s.provider.TracksFor(t.Context(), s.ada, talks)
	require.NoError(t, err)
	written, err = s.write(t, podcast)
	require.NoError(t, err)
	require.Equal(t, 2, written.Tracks)
	require.Equal(t, []string{"spotify:episode:" + talks[0], "spotify:episode:" + talks[1]}, s.fake.Playlists("ada")[0].URIs)
}

// What the host's own music has by an id of that form is the host's, and what the host cannot say is not guessed.
func TestWritePlaylistOfTheHosts(t *testing.T) {
	host := &hosted{}
	s := open(t, func(_ *spotify.ClientOptions, o *spotify.ProviderOptions) { o.Host = host })
	s.desk.link(t, s.ada, "ada", append(spotify.DefaultScopes(), spotify.ScopeModifyPrivate)...)
	id := s.fake.AddTracks(spotifytest.Track{Name: "Song", Artists: []string{"Band"}, Milliseconds: 200_000})[0]
	v := tunevector.TuneVector{ID: uuid.New(), Definition: tunevector.Definition{Name: "Evening"}, Plan: &tunevector.Plan{Tracks: []tunevector.PlannedTrack{{TrackID: id}}}}
	host.err = errBroken
	_, err := s.write(t, v)
	require.ErrorIs(t, err, errBroken)
	host.err, host.tracks = nil, []tunevector.Track{{ID: id}}
	_, err = s.write(t, v)
	require.ErrorIs(t, err, rhythmiq.ErrConflict)
	require.Empty(t, s.fake.Playlists("ada"))
}

// hosted is a host's music of which only what it knows by ids counts.
type hosted struct {
	tunevector.MusicProvider
	tracks []tunevector.Track
	err    error
}

func (h *hosted) Tracks(context.Context, []string) ([]tunevector.Track, error) {
	return h.tracks, h.err
}

// A vector that is exported again when all that was known of its tracks is gone, and they are not in the listener's library any more, stays as long as it was; also where Spotify gives no library.
func TestExportAfterTTL(t *testing.T) {
	for name, fault := range map[string]*spotifytest.Fault{"others are saved": nil, "the library cannot be read": {Path: "/v1/me/top", Status: 503}} {
		t.Run(name, func(t *testing.T) {
			w := buildWhole(t)
			l := w.listener(t)
			l.link(t, spotify.ScopeModifyPrivate)
			made := l.do(t, http.MethodPost, l.path+"/tune-vectors", map[string]any{"name": "Evening", "mode": "ai", "durationMinutes": 150, "direction": "descent", "seed": 7}).is(t, 201)
			export := l.path + "/tune-vectors/" + made.body["tuneVectorId"].(string) + "/spotify-playlist"
			l.do(t, http.MethodPost, export, nil).is(t, 200)
			first := w.fake.Playlists("ada")[0].URIs
			require.Greater(t, len(first), 20, "more than is looked up at a time")

			w.fake.SetLibrary("ada", spotifytest.Library{Saved: w.fake.AddTracks(spotifytest.Track{Name: "New", Artists: []string{"Other"}, Milliseconds: 200_000})})
			if fault != nil {
				w.fake.Inject(*fault)
			}
			w.clock.advance(8 * 24 * time.Hour)
			in := l.do(t, http.MethodPost, "/sessions", map[string]string{"username": l.name, "password": "correct horse"}).is(t, 201)
			l.token, _ = in.body["token"].(string)
			again := l.do(t, http.MethodPost, export, nil).is(t, 200)
			require.InDelta(t, len(first), again.body["tracks"], 0)
			require.InDelta(t, 0, again.body["leftOut"], 0)
			require.Equal(t, first, w.fake.Playlists("ada")[0].URIs)
		})
	}
}
