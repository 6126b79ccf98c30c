package tunevector

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sounding(energy, tempo, confidence float64) *Track {
	f := neutral().features()
	f.Energy, f.Tempo = energy, tempo
	return &Track{ID: "x", Features: f, Confidence: confidence}
}

func TestFollows(t *testing.T) {
	target := neutral().features()
	target.Energy = 0.6
	tests := []struct {
		name          string
		track, before *Track
		reasons       []string
	}{
		{"near", sounding(0.62, 115, 1), nil, []string{"energy 0.62 near the target 0.60"}},
		{"far", sounding(0.1, 115, 1), nil, []string{"energy 0.10 for a target of 0.60"}},
		{"guessed", sounding(0.62, 115, 0.2), nil, []string{"energy 0.62 near the target 0.60 (estimated)"}},
		{"unknown", sounding(0.62, 115, 0), sounding(0.62, 115, 1), []string{"nothing is known of how it sounds"}},
		{"unsound", sounding(2, 115, 1), nil, []string{"nothing is known of how it sounds"}},
		{"smooth", sounding(0.6, 118, 1), sounding(0.6, 115, 1), []string{"energy 0.60 near the target 0.60", "smooth step from the track before (+3 BPM)"}},
		{"smooth, at half the tempo", sounding(0.6, 116, 1), sounding(0.6, 232, 1), []string{"energy 0.60 near the target 0.60", "smooth step from the track before (half time)"}},
		{"rough", sounding(0.6, 115, 1), sounding(0.1, 115, 1), []string{"energy 0.60 near the target 0.60"}},
		{"after something unknown", sounding(0.6, 115, 1), sounding(0.6, 115, 0), []string{"energy 0.60 near the target 0.60"}},
		{"after something unsound", sounding(0.6, 115, 1), sounding(0.6, -1, 1), []string{"energy 0.60 near the target 0.60"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.reasons, follows(tt.track, tt.before, target)) })
	}
}

func TestTempoStep(t *testing.T) {
	for _, tt := range []struct {
		from, to float64
		want     string
	}{
		{120, 120.4, "same tempo"},
		{120, 123, "+3 BPM"},
		{120, 117, "-3 BPM"},
		{70, 140, "double time"},
		{140, 70, "half time"},
	} {
		require.Equal(t, tt.want, tempoStep(tt.from, tt.to))
	}
}

func TestLikeness(t *testing.T) {
	spoken := *sounding(0.5, 115, 1)
	spoken.Artists, spoken.Genres = []string{"a"}, []string{"rock"}
	m := sessionMoment{strength: 1, track: spoken}
	with := func(f func(*Track)) *Track {
		other := *sounding(0.5, 115, 1)
		f(&other)
		return &other
	}
	require.InDelta(t, 1.0, m.likeness(with(func(t *Track) { t.Artists = []string{"b", "a"} })), 1e-9)
	require.InDelta(t, 0.7, m.likeness(with(func(t *Track) { t.Genres = []string{"rock"} })), 1e-9)
	require.InDelta(t, 0.4, m.likeness(with(func(*Track) {})), 1e-9)
	require.Zero(t, m.likeness(with(func(t *Track) { t.Features.Energy = 0 })), "too far away")
	require.Zero(t, m.likeness(with(func(t *Track) { t.Confidence = 0 })))
	require.Zero(t, m.likeness(with(func(t *Track) { t.Features.Tempo = 0 })))
	unknown := sessionMoment{track: Track{}}
	require.Zero(t, unknown.likeness(with(func(*Track) {})))
	unsound := sessionMoment{track: Track{Confidence: 1}}
	require.Zero(t, unsound.likeness(with(func(*Track) {})))
}

func TestCandidate(t *testing.T) {
	for name, f := range map[string]func(*Track){
		"confidence": func(t *Track) { t.Confidence = math.NaN() },
		"energy":     func(t *Track) { t.Features.Energy = -0.1 },
		"tempo":      func(t *Track) { t.Features.Tempo = 1e9 },
		"valence":    func(t *Track) { t.Features.Valence = math.NaN() },
	} {
		track := sounding(0.5, 100, 1)
		f(track)
		require.Zero(t, candidate(track).Confidence, name)
		require.Zero(t, candidate(track).Features, name)
	}
	require.InDelta(t, 1.0, candidate(sounding(0.5, 100, 7)).Confidence, 1e-9)
}

func TestWords(t *testing.T) {
	require.Equal(t, "90 seconds are", minutesAndSeconds(89.2))
	require.Equal(t, "3 minutes are", minutesAndSeconds(130))
	require.Equal(t, "a b c", oneLine(" a\u2029b\u0085c\n"))
	require.Equal(t, "urn:x", address(playlistTrack{Location: []string{"\n"}, Identifier: []string{"urn:x"}}))
	require.Equal(t, -1, firstChange(nil, nil))
	a, b := []trackRecord{{ID: "a"}}, []trackRecord{{ID: "a"}, {ID: "b"}}
	require.Equal(t, 1, firstChange(a, b))
	require.Equal(t, 1, firstChange(b, a))
	require.Equal(t, 0, firstChange(b, b[1:]))
	require.True(t, strings.HasPrefix(dimensionNames(), "energy, "))
}

func TestSignalsOfUnsoundTracksHaveNoTempo(t *testing.T) {
	track := sounding(0.5, 100, 0)
	track.Provenance = FromCatalog
	signal, teaches := signalOf(track, [16]byte{1}, time.Time{}, 1, [16]byte{})
	require.True(t, teaches)
	require.Zero(t, signal.Tempo)
	track.Confidence, track.Features.Tempo = 1, 0
	signal, _ = signalOf(track, [16]byte{1}, time.Time{}, 1, [16]byte{})
	require.Zero(t, signal.Tempo)
	_, teaches = signalOf(track, [16]byte{1}, time.Time{}, 0, [16]byte{})
	require.False(t, teaches)
}
