package tunevector_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// off is how far the tempo of a track is from the steps, half and double time counting, as a share.
func off(tempo, cadence float64) float64 {
	return min(math.Abs(tempo/cadence-1), math.Abs(2*tempo/cadence-1), math.Abs(tempo/2/cadence-1))
}

func farthest(v tunevector.TuneVector, from int, cadence float64) float64 {
	most := 0.0
	for _, t := range v.Plan.Tracks[from:] {
		most = max(most, off(t.Features.Tempo, cadence))
	}
	return most
}

func TestTempoLocksToSteps(t *testing.T) {
	for _, cadence := range []float64{168, 204, 110} {
		h := open(t)
		steps := h.opt(t, variable.Accelerometer)
		v := h.create(t, ai(30))
		h.record(t, h.did(v, ml.Play, 0))
		if cadence == 168 { // the others, or their halves, are near to the middle of all music
			require.Greater(t, farthest(v, 1, cadence), 0.08, "without steps")
		}
		h.read(t, steps, variable.Reading{Value: 8, Cadence: p(cadence)})
		running := h.get(t, v.ID)
		require.Equal(t, ids(v)[0], ids(running)[0])
		require.LessOrEqual(t, farthest(running, 1, cadence), 0.08, cadence)
		requirePlan(t, running)

		// A new vector is so from the beginning, and follows when the steps change for good.
		v = h.create(t, ai(30))
		require.LessOrEqual(t, farthest(v, 0, cadence), 0.08, cadence)
		h.record(t, h.did(v, ml.Play, 0))
		for range 2 {
			h.now = h.now.Add(3 * time.Minute)
			h.read(t, steps, variable.Reading{Value: 8, Cadence: p(cadence * 1.12)})
		}
		require.LessOrEqual(t, farthest(h.get(t, v.ID), 1, cadence*1.12), 0.08, cadence)

		// When they stop, so does the lock.
		h.now = h.now.Add(11 * time.Minute)
		if cadence == 168 {
			require.Greater(t, farthest(h.create(t, ai(30)), 0, cadence), 0.08, "no steps any more")
		}
	}
}

func TestTempoOfStepsIsAWishWhereItMustBe(t *testing.T) {
	// The listener gave a tempo.
	h := open(t)
	h.read(t, h.opt(t, variable.Accelerometer), variable.Reading{Value: 8, Cadence: p(180.0)})
	d := ai(30)
	d.Start = &tunevector.Aim{Tempo: p(115.0)}
	require.Greater(t, farthest(h.create(t, d), 0, 180), 0.08)

	// There is no music at that tempo, or not enough of it.
	h = open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].Features.Tempo = 130
			if i < 2 {
				tracks[i].Features.Tempo = 90
			}
		}
		return tracks
	})
	h.read(t, h.opt(t, variable.Accelerometer), variable.Reading{Value: 8, Cadence: p(180.0)})
	requirePlan(t, h.create(t, ai(30)))

	// There is enough of it, but of one artist and so that no plan can be made of it alone.
	h = open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].Features.Tempo = 130
			if i < 2 {
				tracks[i].Features.Tempo, tracks[i].DurationSeconds = 90, 1500
			}
		}
		return tracks
	})
	h.read(t, h.opt(t, variable.Accelerometer), variable.Reading{Value: 8, Cadence: p(180.0)})
	requirePlan(t, h.create(t, ai(12)))
}
