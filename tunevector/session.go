package tunevector

import (
	"slices"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// maxMoments is how many of a vector's interactions still tell for its rest.
const maxMoments = 40

// sessionMoment is a moment with the track that it spoke of.
type sessionMoment struct {
	strength float64
	track    Track
}

// likeness is how much what was said of m's track holds for t, 0–1: wholly for the same artist, and else the less, the further
// away the music is: 1 − distance/0.25.
func (m *sessionMoment) likeness(t *Track) float64 {
	for _, artist := range m.track.Artists {
		if slices.Contains(t.Artists, artist) {
			return 1
		}
	}
	if m.track.Confidence <= 0 || t.Confidence <= 0 || !sound(t.Features) || !sound(m.track.Features) {
		return 0
	}
	return max(0, 1-planner.Distance(m.track.Features, t.Features)/sessionReach)
}
