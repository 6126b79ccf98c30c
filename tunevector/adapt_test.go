package tunevector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Readings around the edge of a rule, however noisy within half of what a sensor varies by, and however often they come, change the plan of a situation that stays at
// most once in thirty; what was played stays; and a change that lasts is followed by its second reading.
func TestPlansDoNotFlapOnNoisyReadings(t *testing.T) {
	for n, s := range []struct {
		kind         variable.Type
		level, noise float64
		every        time.Duration
		then         float64 // another situation; 0: one that moves little
		cadence      bool
		gaps         bool // every other reading has no steps
	}{
		{variable.AmbientNoise, 40, 4, 20 * time.Second, 85, false, false},
		{variable.AmbientNoise, 70, 4, 6 * time.Minute, 35, false, false},
		{variable.Accelerometer, 0.3, 0.09, time.Minute, 9, false, false},
		{variable.Accelerometer, 3, 0.4, 3 * time.Minute, 0, false, false},
		{variable.Accelerometer, 165, 5, time.Minute, 100, true, false},
		{variable.Accelerometer, 165, 4, 3 * time.Minute, 100, true, false},
		{variable.Accelerometer, 140, 5, 10 * time.Minute, 175, true, false},
		{variable.Accelerometer, 60, 5, 5 * time.Second, 165, true, false},
		{variable.Accelerometer, 165, 5, 3 * time.Minute, 110, true, true},
		{variable.HeartRateVariability, 40, 4, 5 * time.Second, 0, false, false},
		{variable.HeartRateVariability, 60, 6, 3 * time.Minute, 0, false, false},
		{variable.OutsideTemperature, 0, 1, time.Minute, 0, false, false},
		{variable.OutsideTemperature, 28, 1, 6 * time.Minute, 0, false, false},
	} {
		t.Run(fmt.Sprintf("%s %g ±%g every %v, %v", s.kind, s.level, s.noise, s.every, s.gaps), func(t *testing.T) {
			h := open(t)
			sensor := h.opt(t, s.kind)
			r := rand.New(rand.NewPCG(uint64(n), 1))
			if s.kind == variable.HeartRateVariability { // what is usual
				for day := range 20 {
					h.read(t, sensor, variable.Reading{Value: 50, At: h.now.AddDate(0, 0, day-25)}, variable.Reading{Value: 50, At: h.now.AddDate(0, 0, day-25).Add(time.Hour)})
				}
			}
			around := func(level float64) variable.Reading {
				h.now = h.now.Add(s.every)
				v := level + s.noise*(2*r.Float64()-1)
				if s.cadence {
					return variable.Reading{Value: 8, Cadence: &v}
				}
				return variable.Reading{Value: v}
			}
			h.read(t, sensor, around(s.level))
			v := h.create(t, ai(max(30, int(36*s.every.Minutes()))))
			h.record(t, h.did(v, ml.Play, 0))
			read := func(one variable.Reading) int {
				told, err := h.RecordReadings(h.ctx, h.listener, sensor.ID, []variable.Reading{one})
				require.NoError(t, err)
				return len(told)
			}
			changes := 0
			for i := range 30 {
				one := around(s.level)
				if s.gaps && i%2 == 0 {
					one.Cadence = p(0.0)
				}
				changes += read(one)
			}
			t.Log(changes)
			require.LessOrEqual(t, changes, 1)
			if s.then != 0 {
				require.Equal(t, 1, read(around(s.then))+read(around(s.then)), "followed")
			}
			require.Equal(t, v.Plan.Tracks[0].TrackID, h.get(t, v.ID).Plan.Tracks[0].TrackID)
		})
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

// What made a plan another is told apart from what was so before.
func TestReadingsTellWhatIsNoLongerSo(t *testing.T) {
	h := open(t)
	noise, steps := h.opt(t, variable.AmbientNoise), h.opt(t, variable.Accelerometer)
	read := func(v variable.Variable, r variable.Reading) []tunevector.Replanned {
		h.now = h.now.Add(time.Minute)
		told, err := h.RecordReadings(h.ctx, h.listener, v.ID, []variable.Reading{r})
		require.NoError(t, err)
		return told
	}
	read(noise, variable.Reading{Value: 85})
	read(steps, variable.Reading{Value: 0.1})
	v := h.create(t, ai(60))
	h.record(t, h.did(v, ml.Play, 0))
	require.Empty(t, read(noise, variable.Reading{Value: 55}))
	told := read(noise, variable.Reading{Value: 55})
	require.Len(t, told, 1)
	require.Equal(t, []string{"your surroundings changed", "it is no longer loud around you", "as before, you are at rest: a little calmer"}, told[0].Reasons)
}

// A vector of many hours bends as well: the effort grows with what is left.
func TestLongVectorsBend(t *testing.T) {
	h := open(t)
	v := h.create(t, ai(8*60))
	h.record(t, h.did(v, ml.Play, 0))
	told := h.record(t, h.did(v, ml.Skip, 0), h.did(v, ml.Dislike, 1), h.did(v, ml.Play, 2)).Replanned
	require.Len(t, told, 1)
	require.Equal(t, 3, told[0].FromPosition)
	now := h.get(t, v.ID)
	require.Greater(t, len(now.Plan.Tracks), 100)
	require.NotNil(t, now.Plan.Gap)
	requirePlan(t, now)
}

// What an instance remembers of a listener makes no difference to what it plans: one that has just been started plans the same, with the same costs, also when
// what was said is beyond the newest 300, was told late, or was forgotten since.
func TestPlansDoNotDependOnWhatIsRemembered(t *testing.T) {
	var plans [2][]tunevector.Plan
	var answers [2][][]tunevector.Replanned
	for run := range plans {
		var h *house
		h = openWith(t, func(opened *house, _ *tunevector.Options) { h = opened })
		h.listener = uuid.NewSHA1(uuid.Nil, []byte("the same"))
		h.admit(t, h.listener)
		restart := func() {
			if run == 1 {
				var err error
				h.Service, err = tunevector.NewService(h.options)
				require.NoError(t, err)
			}
		}
		events := 0
		say := func(action ml.Action, track string, vector uuid.UUID, ago time.Duration) []tunevector.Replanned {
			restart()
			events++
			event := uuid.NewSHA1(uuid.Nil, []byte(strconv.Itoa(events)))
			return h.record(t, ml.Interaction{EventID: event, TrackID: track, TuneVectorID: vector, Action: action, At: h.now.Add(-ago)}).Replanned
		}
		forget := func(prefix string) {
			require.NoError(t, h.learning.Forget(h.ctx, h.listener, func(_ context.Context, ids []string) (map[string]bool, error) {
				gone := map[string]bool{}
				for _, id := range ids {
					gone[id] = strings.HasPrefix(id, prefix)
				}
				return gone, nil
			}))
		}
		noise, steps := h.opt(t, variable.AmbientNoise), h.opt(t, variable.Accelerometer)
		songs := music()[:240]
		for i := range 400 {
			h.now = h.now.Add(20 * time.Minute)
			level := float64(35 + i*7%50)
			h.read(t, noise, variable.Reading{Value: level})
			h.read(t, steps, variable.Reading{Value: float64(i % 3)})
			track, action := songs[i*31%len(songs)], ml.Complete
			if (track.Features.Energy > 0.5) != (level > 60) {
				action = ml.Skip
			}
			say(action, track.ID, uuid.Nil, 0)
			if i == 150 {
				forget("jazz-")
			}
			if i%100 == 99 || i == 149 || i == 150 {
				restart()
				d := ai(30)
				d.Seed = p(int64(i))
				plans[run] = append(plans[run], *h.create(t, d).Plan)
			}
		}
		d := ai(45)
		d.Seed = p(int64(7))
		restart()
		v := h.create(t, d)
		say(ml.Play, at(v, 0), v.ID, 0)
		for i := range 6 {
			h.now = h.now.Add(3 * time.Minute)
			h.read(t, noise, variable.Reading{Value: []float64{35, 85}[i%2]})
			h.now = h.now.Add(time.Minute)
			restart()
			told, err := h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{{Value: []float64{85, 35}[i%2]}})
			require.NoError(t, err)
			v = h.get(t, v.ID)
			answers[run] = append(answers[run], told, say([]ml.Action{ml.Skip, ml.Complete}[i%2], at(v, i), v.ID, 30*time.Second), say(ml.Play, at(v, i+1), v.ID, 0))
			v = h.get(t, v.ID)
			plans[run] = append(plans[run], *v.Plan)
			switch i {
			case 1:
				say(ml.Skip, songs[3].ID, uuid.Nil, 11*time.Minute)
			case 3:
				forget("rock-")
			}
		}
		for i := range answers[run] {
			for j := range answers[run][i] {
				answers[run][i][j].TuneVectorID = uuid.Nil
			}
		}
	}
	for i := range plans[0] {
		require.Equal(t, plans[0][i], plans[1][i], "%d", i)
	}
	require.Equal(t, answers[0], answers[1])
}

func at(v tunevector.TuneVector, position int) string {
	if position >= len(v.Plan.Tracks) {
		return ""
	}
	return v.Plan.Tracks[position].TrackID
}
