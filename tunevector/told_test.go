package tunevector_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

func TestReasonsSpeakForTheTrack(t *testing.T) {
	h := open(t)
	h.likes(t, preference.Genre, "jazz", 1)
	h.likes(t, preference.Tempo, "90-130", -0.5)
	h.likes(t, preference.Artist, "jazz artist 5", -0.3)
	v := h.create(t, ai(30))
	var reasons []string
	for _, track := range v.Plan.Tracks {
		reasons = append(reasons, track.Reasons...)
	}
	for _, r := range h.recommend(t, 50) {
		reasons = append(reasons, r.Reasons...)
	}
	require.Contains(t, reasons, "you like jazz")
	for _, r := range reasons {
		require.False(t, strings.HasPrefix(r, "you avoid") || strings.HasPrefix(r, "you tend to skip") || strings.HasPrefix(r, "you skipped"), r)
	}
}

func TestReasonsSayWhatPlacedATrack(t *testing.T) {
	const best = "the best that was found here"
	h := open(t)
	d := ai(30)
	d.Direction, d.Order = tunevector.Descent, tunevector.EnergyAscending
	for _, track := range h.create(t, d).Plan.Tracks {
		require.NotContains(t, track.Reasons, best)
		require.Contains(t, track.Reasons, "placed by rising energy")
	}
	d.Order = tunevector.ByArc
	d.Pinned = []tunevector.Pin{{Position: 1, TrackID: "ambient-03"}}
	pinned := h.create(t, d).Plan.Tracks[1]
	require.Equal(t, "pinned by you", pinned.Reasons[0])
	require.NotContains(t, pinned.Reasons, best)

	d.Pinned, d.ExcludeExplicit = nil, true
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track { return tracks[60:120] }) // ambient alone
	require.Contains(t, h.create(t, d).Plan.Tracks[0].Reasons, best)
}
