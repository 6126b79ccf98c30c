package planner

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tracks shorter than a bucket of the coarsest bound once led in a circle.
func TestBoundOfTracksShorterThanABucket(t *testing.T) {
	at := Features{Energy: 0.2, Valence: 0.3, Tempo: 60, Acousticness: 0.5, Instrumentalness: 1}
	p := Problem{Arc: Arc{Start: at, End: at}, Duration: 4 * 3600, Bound: true}
	for i := range 300 {
		p.Candidates = append(p.Candidates, Candidate{ID: strconv.Itoa(i), Duration: 60 + float64(i%7), Features: at, Confidence: 0.5})
	}
	s, err := Solve(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, OverAll, s.BoundOver)
	require.LessOrEqual(t, s.LowerBound, s.Cost)
	require.Positive(t, s.LowerBound)
}

// A pin behind where any plan ends is told without a search: of a day that once took half a minute.
func TestPinsBehindTheEndCostNoSearch(t *testing.T) {
	at := Features{Energy: 0.2, Valence: 0.3, Tempo: 60, Acousticness: 0.5, Instrumentalness: 1}
	p := Problem{Arc: Arc{Start: at, End: at}, Duration: 24 * 3600, Pinned: map[int]string{430: "7"}}
	for i := range 2500 {
		p.Candidates = append(p.Candidates, Candidate{ID: strconv.Itoa(i), Duration: 200 + float64(i%70), Features: at, Confidence: 0.5})
	}
	p.Effort = p.Effort.withDefaults(p.Duration)
	require.True(t, newInstance(&p).pinTooFar())
	_, err := Solve(t.Context(), p)
	var e *InfeasibleError
	require.ErrorAs(t, err, &e)
	require.Equal(t, 430, e.Pin)

	p.Pinned = map[int]string{410: "7"}
	require.False(t, newInstance(&p).pinTooFar())
}
