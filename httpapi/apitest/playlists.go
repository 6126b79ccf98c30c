package apitest

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// music is the demo catalog, with accounts to write playlists into.
type music struct {
	*catalog.Catalog

	mu      sync.Mutex
	written map[uuid.UUID]bool // by vector
}

func demo() *music { return &music{Catalog: catalog.Demo(), written: map[uuid.UUID]bool{}} }

// Names of vectors that cannot be written.
const (
	unknownToAll = "Unknown to all"
	notGranted   = "Not granted"
)

// WritePlaylist implements [tunevector.PlaylistWriter].
func (m *music) WritePlaylist(_ context.Context, _ uuid.UUID, v tunevector.TuneVector) (tunevector.WrittenPlaylist, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v.Definition.Name {
	case unknownToAll:
		return tunevector.WrittenPlaylist{}, fault.New(fault.Conflict, "Nothing in this tune vector's plan is known to Spotify")
	case notGranted:
		return tunevector.WrittenPlaylist{}, fault.New(fault.Forbidden, "Spotify access is missing: playlist-modify-private")
	}
	created := !m.written[v.ID]
	m.written[v.ID] = true
	return tunevector.WrittenPlaylist{
		ID: "p1", URI: "spotify:playlist:p1", URL: "https://open.spotify.com/playlist/p1", Created: created, Tracks: len(v.Plan.Tracks),
	}, nil
}

func testPlaylists(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	path := h.path + "/tune-vectors/" + h.vector + "/spotify-playlist"
	for n := range 3 { // the same again, with a key or without, of which nothing is kept
		as := h.listener
		if n == 2 {
			as = h.with("Idempotency-Key", "the same")
		}
		r := as.do(t, http.MethodPost, path, nil).is(t, 200).object(t)
		require.Equal(t, n == 0, r["created"])
		require.Equal(t, "spotify:playlist:p1", r["uri"])
		require.Equal(t, h.vector, r["tuneVectorId"])
		require.Positive(t, r["tracks"])
	}
	for name, want := range map[string]struct {
		status  int
		message string
	}{
		unknownToAll: {409, "Nothing in this tune vector's plan is known to Spotify"}, notGranted: {403, "Spotify access is missing: playlist-modify-private"},
	} {
		vector := h.post(t, h.path+"/tune-vectors", body{"name": name, "mode": "ai", "durationMinutes": 5}).is(t, 201).text(t, "tuneVectorId")
		h.post(t, h.path+"/tune-vectors/"+vector+"/spotify-playlist", nil).says(t, want.status, want.message)
	}
}
