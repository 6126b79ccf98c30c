package tunevector_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// anyDefinition draws a valid definition of which the test shelf has the music.
func anyDefinition(t *rapid.T) tunevector.Definition {
	d := tunevector.Definition{
		Name: "x", Mode: rapid.SampledFrom([]tunevector.Mode{tunevector.Guided, tunevector.AI}).Draw(t, "mode"),
		Direction:       rapid.SampledFrom([]tunevector.Direction{"", tunevector.Ascent, tunevector.Descent, tunevector.Steady}).Draw(t, "direction"),
		Curve:           rapid.SampledFrom([]tunevector.Curve{"", tunevector.Linear, tunevector.EaseIn, tunevector.EaseOut}).Draw(t, "curve"),
		Order:           rapid.SampledFrom([]tunevector.Order{"", "", tunevector.EnergyAscending, tunevector.TempoDescending, tunevector.Shuffle}).Draw(t, "order"),
		ExcludeExplicit: rapid.Bool().Draw(t, "excludeExplicit"),
		Seed:            p(rapid.Int64Range(0, 1<<53-1).Draw(t, "seed")),
	}
	if d.Mode == tunevector.AI {
		d.DurationMinutes = rapid.IntRange(5, 45).Draw(t, "minutes")
	} else {
		for i := range rapid.IntRange(1, 3).Draw(t, "stages") {
			genre := rapid.SampledFrom([]string{"rock", "Pop", "jazz", "ambient"}).Draw(t, "genre")
			d.Stages = append(d.Stages, tunevector.Stage{Genre: genre, Minutes: rapid.IntRange(5, 15).Draw(t, fmt.Sprint("minutes", i))})
		}
	}
	if rapid.Bool().Draw(t, "bent") {
		d.Points = []tunevector.Point{{At: rapid.Float64Range(0.1, 0.9).Draw(t, "at"), Aim: tunevector.Aim{Valence: p(rapid.Float64Range(0, 1).Draw(t, "valence"))}}}
	}
	return d
}

// Every plan keeps what plans must keep, is the same for the same seed, and is served as it was answered.
func TestAnyPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := open(t)
		d := anyDefinition(t)
		v := h.create(t, d)
		requirePlan(t, v)
		require.Equal(t, ids(v), ids(h.create(t, d)))
		require.Equal(t, v, h.get(t, v.ID))
		if d.Order == "" {
			require.NotNil(t, v.Plan.Gap)
			require.GreaterOrEqual(t, *v.Plan.Gap, 0.0)
		}
		for i, track := range v.Plan.Tracks {
			require.False(t, d.ExcludeExplicit && explicit(h, track.TrackID), "%d", i)
		}
	})
}

// Whatever is done to a vector, what was played stays as it was, and a change that is refused changes nothing.
func TestPlayedPartStaysWhateverIsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := open(t)
		v := h.create(t, anyDefinition(t))
		played := 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				now := h.get(t, v.ID)
				require.Equal(t, v.Plan.Tracks[:played], now.Plan.Tracks[:played])
				requirePlan(t, now)
				v = now
			},
			"hear": func(t *rapid.T) {
				at := rapid.IntRange(0, len(v.Plan.Tracks)-1).Draw(t, "at")
				action := rapid.SampledFrom([]ml.Action{ml.Play, ml.Complete, ml.Skip, ml.Like, ml.Dislike, ml.Save}).Draw(t, "action")
				e := h.did(v, action, at)
				e.EventID = uuid.New()
				h.now = h.now.Add(time.Minute)
				r := h.record(t, e)
				if action == ml.Play || action == ml.Complete || action == ml.Skip {
					played = max(played, at+1)
				}
				for i := range played {
					v.Plan.Tracks[i].Played = true
				}
				for _, told := range r.Replanned {
					require.GreaterOrEqual(t, told.FromPosition, played)
				}
			},
			"change": func(t *rapid.T) {
				d := anyDefinition(t)
				before := h.get(t, v.ID)
				_, err := h.tryUpdate(v.ID, func(old *tunevector.Definition) { *old = d })
				if err != nil {
					require.True(t, errors.Is(err, fault.ErrInvalid) || errors.Is(err, fault.ErrConflict), "%v", err)
					require.Equal(t, before, h.get(t, v.ID))
				}
			},
		})
	})
}
