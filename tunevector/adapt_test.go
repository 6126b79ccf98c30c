package tunevector_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Readings around the edge of two rules do not make a plan flap, and a change that lasts is followed once; what was played stays.
func TestPlansDoNotFlapOnNoisyReadings(t *testing.T) {
	for seed := range uint64(4) { // a house for each; what steadies the readings has a property test of its own
		h := open(t)
		noise := h.opt(t, variable.AmbientNoise)
		r := rand.New(rand.NewPCG(seed, 1))
		level := []float64{40, 70}[seed%2]
		around := func(level float64) variable.Reading {
			h.now = h.now.Add(20 * time.Second)
			return variable.Reading{Value: level + 6*(r.Float64()-0.5)}
		}
		h.read(t, noise, around(level))
		v := h.create(t, ai(30))
		h.record(t, h.did(v, ml.Play, 0))
		v = h.get(t, v.ID)
		for range 20 {
			told, err := h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{around(level)})
			require.NoError(t, err)
			require.Empty(t, told)
			require.Equal(t, v.Plan.Tracks, h.get(t, v.ID).Plan.Tracks)
		}
		changes := 0
		for range 20 {
			told, err := h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{around(110 - level)})
			require.NoError(t, err)
			changes += len(told)
			require.Equal(t, v.Plan.Tracks[0].TrackID, h.get(t, v.ID).Plan.Tracks[0].TrackID)
		}
		require.LessOrEqual(t, changes, 2)
	}
}

// The answer to readings says what changed, and why.
func TestReadingsTellWhatChanged(t *testing.T) {
	h := open(t)
	steps := h.opt(t, variable.Accelerometer)
	v := h.create(t, ai(40))
	h.record(t, h.did(v, ml.Play, 0))
	v = h.get(t, v.ID)
	h.now = h.now.Add(time.Minute)
	told, err := h.RecordReadings(h.ctx, h.listener, steps.ID, []variable.Reading{{Value: 8, Cadence: p(168.0)}})
	require.NoError(t, err)
	require.Len(t, told, 1)
	require.Equal(t, v.ID, told[0].TuneVectorID)
	require.Equal(t, []string{"your surroundings changed", "you run at 168 steps a minute"}, told[0].Reasons)
	require.GreaterOrEqual(t, told[0].FromPosition, 1)
	require.NotEmpty(t, told[0].Changes)
	now := h.get(t, v.ID)
	for _, c := range told[0].Changes {
		require.Equal(t, c.Was, at(v, c.Position))
		require.Equal(t, c.Is, at(now, c.Position))
		require.NotEqual(t, c.Was, c.Is)
	}
	_, err = h.RecordReadings(h.ctx, h.listener, steps.ID, []variable.Reading{{Value: 800}})
	require.Error(t, err)
}

func at(v tunevector.TuneVector, position int) string {
	if position >= len(v.Plan.Tracks) {
		return ""
	}
	return v.Plan.Tracks[position].TrackID
}
