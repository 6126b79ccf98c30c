package tunevector

import (
	"slices"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// maxMoments is how many of a vector's interactions still tell for its rest.
const maxMoments = 40

// saysSomething is the strength from which a moment tells for the rest of its vector: that the plan is being played is none.
const saysSomething = 0.15

// sessionMoment is a moment with the track that it spoke of.
type sessionMoment struct {
	strength float64
	track    Track
}

// How alike tracks are in what a listener means when they skip one: it is the artist, or the kind of music. How a track sounds says less, since
// all that is planned for the same time sounds alike.
const (
	sameArtist = 1.0
	sameGenre  = 0.7
	sameSound  = 0.4
)

// likeness is how much what was said of m's track holds for t, 0–1: 1 for the same artist, 0.7 for a shared genre, else up
// to 0.4 for the same sound, and the less, the further away it is: 0.4·(1 − distance/0.25).
func (m *sessionMoment) likeness(t *Track) float64 {
	switch {
	case shares(m.track.Artists, t.Artists):
		return sameArtist
	case shares(m.track.Genres, t.Genres):
		return sameGenre
	case m.track.Confidence <= 0 || t.Confidence <= 0 || !sound(t.Features) || !sound(m.track.Features):
		return 0
	}
	return sameSound * max(0, 1-planner.Distance(m.track.Features, t.Features)/sessionReach)
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
