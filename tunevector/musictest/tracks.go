package musictest

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// style is a kind of music among the tracks: where its features lie, and what it is called.
type style struct {
	kind    tunevector.Kind
	genres  []string
	tracks  int
	seconds float64 // of the shortest; each further track is a little longer
	middle  tunevector.Features
}

var styles = []style{
	{tunevector.Playlist, []string{"ambient"}, 60, 200, tunevector.Features{Energy: 0.15, Valence: 0.25, Tempo: 75, Acousticness: 0.8, Instrumentalness: 0.9}},
	{tunevector.Playlist, []string{"rock"}, 60, 150, tunevector.Features{Energy: 0.8, Valence: 0.6, Tempo: 135, Acousticness: 0.08, Instrumentalness: 0.05}},
	{tunevector.Playlist, []string{"indie rock", "dream pop"}, 40, 160, tunevector.Features{Energy: 0.6, Valence: 0.4, Tempo: 118, Acousticness: 0.2, Instrumentalness: 0.3}},
	{tunevector.Playlist, []string{"bossa nova"}, 40, 140, tunevector.Features{Energy: 0.35, Valence: 0.65, Tempo: 100, Acousticness: 0.7, Instrumentalness: 0.2}},
	{tunevector.Podcast, []string{"science"}, 12, 900, tunevector.Features{Energy: 0.4, Valence: 0.5, Tempo: 100, Acousticness: 0.8}},
	{tunevector.Soundscape, []string{"rain"}, 12, 600, tunevector.Features{Energy: 0.2, Valence: 0.2, Tempo: 80, Acousticness: 0.7, Instrumentalness: 0.95}},
}

const tracksPerArtist = 5

// Tracks are those that Run hands to open: 224, of four styles of music, a podcast and a soundscape, with ids as Spotify has them. The
// same on every call, in memory of its own.
func Tracks() []tunevector.Track {
	var tracks []tunevector.Track
	for _, s := range styles {
		for i := range s.tracks {
			n := len(tracks)
			off := float64(i%11-5) / 100
			track := tunevector.Track{
				ID:              fmt.Sprintf("%022d", n+1),
				Title:           fmt.Sprintf("Piece No. %d", n+1),
				Artists:         []string{fmt.Sprintf("Ensemble %d", n/tracksPerArtist)},
				Genres:          append([]string(nil), s.genres...),
				Kind:            s.kind,
				DurationSeconds: s.seconds + 7*float64(i),
				Explicit:        s.kind == tunevector.Playlist && i%5 == 0,
				Features: tunevector.Features{
					Energy: s.middle.Energy + off, Valence: s.middle.Valence - off, Tempo: s.middle.Tempo + 100*off,
					Acousticness: s.middle.Acousticness + off/2, Instrumentalness: max(s.middle.Instrumentalness+off, 0),
				},
				Confidence: 1,
				Popularity: float64(i%20) / 20,
				Provenance: tunevector.FromCatalog,
			}
			if i%7 == 0 {
				track.Artists = append(track.Artists, "Guest, of Honor")
			}
			tracks = append(tracks, track)
		}
	}
	return tracks
}
