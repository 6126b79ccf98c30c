package catalog

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

func TestDemoFillsAnyVector(t *testing.T) {
	c := Demo()
	require.GreaterOrEqual(t, c.Len(), 3000)
	for kind, genres := range map[tunevector.Kind]int{tunevector.Playlist: 30, tunevector.Podcast: 7, tunevector.Soundscape: 8} {
		found, err := c.Genres(context.Background(), kind)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(found), genres, kind)
		tracks, err := c.Candidates(context.Background(), tunevector.CandidateQuery{Kind: kind, Limit: maxLimit})
		require.NoError(t, err)
		seconds := 0.0
		for _, track := range tracks {
			seconds += track.DurationSeconds
		}
		require.Greater(t, seconds, 2*86400.0, "a vector of a day has a choice of %s", kind)
	}
}
