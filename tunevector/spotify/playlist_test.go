package spotify_test

import (
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
	// A track that only its id names is found by the library.
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: []string{v.Plan.Tracks[0].TrackID}})
	require.NoError(t, s.imports(t))
	for i := range v.Plan.Tracks {
		v.Plan.Tracks[i].URI = ""
	}
	again, err = s.write(t, v)
	require.NoError(t, err)
	require.Equal(t, 1, again.Tracks)

	s.fake.Inject(spotifytest.Fault{Path: "/v1/playlists/", Method: "PUT", Times: 1, Do: func(*http.Request) { s.desk.unlink(t, s.ada) }})
	_, err = s.write(t, v)
	require.ErrorIs(t, err, spotify.ErrNotLinked)
	require.Empty(t, s.left(t))
	require.Empty(t, strings.TrimSpace(strings.Join(s.left(t), "")))
}
