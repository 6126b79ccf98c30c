package tunevector_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// From the service's plans and log to the estimators: what other ways of choosing tries would have got, where it is known what each track gets.
func TestTriesAreReplayed(t *testing.T) {
	t.Parallel()
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	energies := map[string]float64{}
	for _, track := range h.music.tracks {
		energies[track.ID] = track.Features.Energy
	}
	reward := func(id string) float64 { // what everybody gets from a track
		if energies[id] > 0.5 {
			return 1
		}
		return 0
	}
	none, err := h.Tries(h.ctx, h.listener)
	require.NoError(t, err)
	require.Empty(t, none)
	h.live(t, noise, 2)
	for seed := range int64(25) {
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: 50 + float64(seed%3)*15})
		d := ai(90)
		d.Seed = &seed
		v := h.create(t, d)
		var events []ml.Interaction
		for n, track := range v.Plan.Tracks {
			e := h.did(v, ml.Complete, n)
			if reward(track.TrackID) == 0 {
				e.Action, e.PositionSeconds = ml.Skip, p(1.0)
			}
			e.At = h.now.Add(time.Duration(n) * time.Second)
			events = append(events, e)
		}
		h.record(t, events...)
	}
	tried, err := h.Tries(h.ctx, h.listener)
	require.NoError(t, err)
	require.Greater(t, len(tried), 20)
	uncertain := 0
	for _, x := range tried {
		require.Equal(t, reward(x.TrackID), x.Reward)
		require.Equal(t, 3, x.Slots)
		require.NotEqual(t, uuid.Nil, x.TuneVectorID)
		require.False(t, x.At.IsZero())
		sum := 0.0
		for _, o := range x.Options {
			require.Greater(t, o.Propensity, 0.0)
			require.LessOrEqual(t, o.Propensity, 1.0)
			sum += o.Propensity
			if o.TrackID == x.TrackID {
				require.Equal(t, o.Propensity, x.Propensity)
			}
		}
		require.LessOrEqual(t, sum, 3+1e-9, "each draw chooses three at most")
		if x.Propensity < 1 {
			uncertain++
		}
	}
	require.Greater(t, uncertain, 10, "most are left to chance")

	replay := func(chance func(x *tunevector.Tried, id string) float64, foretold func(string) float64) ml.Replay {
		all := make([]ml.Replayed, len(tried))
		for i := range tried {
			x := &tried[i]
			all[i] = x.Replayed(func(id string) float64 { return chance(x, id) }, foretold, 0)
			all[i].Cluster = i
		}
		r, err := ml.ReplayChoices(all, ml.ReplayOptions{})
		require.NoError(t, err)
		return r
	}
	// The way that chose, replayed, gets what it got.
	same := replay(func(x *tunevector.Tried, id string) float64 {
		for _, o := range x.Options {
			if o.TrackID == id {
				return o.Propensity
			}
		}
		return 0
	}, nil)
	require.InDelta(t, same.Logged.Mean, same.Inverse.Mean, 1e-12)
	require.InDelta(t, float64(len(tried)), same.Effective, 1e-9)

	// Another way takes any of what could be chosen, each as likely. A model that knows what each gets tells exactly; without one it is told by the propensities, within their error.
	uniformly := func(x *tunevector.Tried, _ string) float64 {
		return float64(x.Slots) / float64(max(x.Slots, len(x.Options)))
	}
	truth := 0.0
	for i := range tried {
		for _, o := range tried[i].Options {
			truth += uniformly(&tried[i], o.TrackID) * reward(o.TrackID) / float64(tried[i].Slots) / float64(len(tried))
		}
	}
	got := replay(uniformly, reward)
	require.InDelta(t, truth, got.Robust.Mean, 1e-9)
	require.InDelta(t, truth, got.Normalized.Mean, 3*got.Normalized.Error+0.05, "%+v", got)

	// Once the consent has ended nothing of it is left.
	h.optOut(t, noise)
	tried, err = h.Tries(h.ctx, h.listener)
	require.NoError(t, err)
	require.Empty(t, tried)
	_, err = h.variables.Update(h.ctx, h.listener, noise.ID, variable.Changes{OptedIn: p(true)}, store.Version{})
	require.NoError(t, err)
	tried, err = h.Tries(h.ctx, h.listener)
	require.NoError(t, err)
	require.Empty(t, tried)
}

// Wherever a listener stops, at most one in eight of what they heard of a vector was a try, and so of what is planned next: whatever happens while it plays.
func TestTriesAreFewInWhateverIsHeard(t *testing.T) {
	t.Parallel()
	tried, replans := 0, 0
	for seed, length := range []struct {
		minutes int
		longer  float64
	}{{27, 1}, {30, 1}, {45, 0.5}, {60, 1}, {60, 1.7}, {90, 1}, {120, 1}, {120, 2.5}} {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		h := open(t)
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
			for i := range tracks {
				tracks[i].DurationSeconds *= length.longer
			}
			return tracks
		})
		noise, hour := h.opt(t, variable.AmbientNoise), h.opt(t, variable.TimeOfDay)
		h.live(t, noise, 3)
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: 80})
		d := ai(length.minutes)
		d.Seed = p(int64(seed))
		v := h.create(t, d)
		var heard []bool // whether they were tries, when they were heard
		check := func(why string) {
			v = h.get(t, v.ID)
			tries := 0
			for i, track := range v.Plan.Tracks {
				if try := track.Try || i < len(heard) && heard[i]; try {
					tries++
				}
				require.LessOrEqual(t, tries*8, i+1, "%+v: %s, %d heard", length, why, len(heard))
			}
		}
		check("create")
		for len(heard) < len(v.Plan.Tracks) {
			h.now = h.now.Add(3 * time.Minute)
			to := min(len(heard)+1+r.IntN(6)/5, len(v.Plan.Tracks)) // now and then one is passed over
			for _, track := range v.Plan.Tracks[len(heard):to] {
				heard = append(heard, track.Try)
			}
			e := h.did(v, ml.Complete, to-1)
			if r.IntN(2) == 0 {
				e.Action, e.PositionSeconds = ml.Skip, p(5.0)
			}
			replans += len(h.record(t, e).Replanned)
			check("an interaction")
			next := v.Plan.Tracks[len(heard):]
			if len(next) < 2 {
				continue
			}
			switch other := next[r.IntN(len(next))]; r.IntN(12) {
			case 0, 1, 2, 3:
				told, err := h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{{Value: 30 + 60*r.Float64()}})
				require.NoError(t, err)
				replans += len(told)
				check("a reading")
			case 4:
				h.update(t, v.ID, func(d *tunevector.Definition) { d.Excluded = append(d.Excluded, other.TrackID) })
				check("a track is left out")
			case 5:
				h.update(t, v.ID, func(d *tunevector.Definition) {
					d.Pinned = []tunevector.Pin{{TrackID: other.TrackID, Position: len(heard)}}
				})
				check("a track is pinned")
			case 6:
				h.update(t, v.ID, func(d *tunevector.Definition) { d.Seed = p(r.Int64N(100)) })
				check("another seed")
			case 7:
				order := []tunevector.Order{tunevector.EnergyAscending, tunevector.Shuffle, tunevector.ByArc}[r.IntN(3)]
				h.update(t, v.ID, func(d *tunevector.Definition) { d.Order = order })
				check("another order")
			case 8:
				h.optOut(t, hour)
				check("a consent ends")
				_, err := h.variables.Update(h.ctx, h.listener, hour.ID, variable.Changes{OptedIn: p(true)}, store.Version{})
				require.NoError(t, err)
				check("another begins")
			}
		}
		for _, try := range heard {
			if try {
				tried++
			}
		}
	}
	require.Positive(t, tried)
	require.Greater(t, replans, 50)
}

// A try that is planned is not planned away before its turn by what happens until then.
func TestTriesGetTheirTurn(t *testing.T) {
	t.Parallel()
	h := open(t)
	noise := h.opt(t, variable.AmbientNoise)
	h.live(t, noise, 3)
	tried, replans := 0, 0
	for seed := range int64(4) {
		h.now = h.now.Add(time.Hour)
		h.read(t, noise, variable.Reading{Value: 80})
		d := ai(60)
		d.Seed = &seed
		v := h.create(t, d)
		for n := 0; n < len(v.Plan.Tracks); { // however many there are by then
			if v.Plan.Tracks[n].Try {
				tried++
			}
			h.now = h.now.Add(3 * time.Minute)
			e := h.did(v, ml.Complete, n)
			if v.Plan.Tracks[n].Features.Energy > 0.5 {
				e.Action, e.PositionSeconds = ml.Skip, p(5.0)
			}
			replans += len(h.record(t, e).Replanned)
			v = h.get(t, v.ID)
			n++
		}
	}
	require.Greater(t, replans, 10)
	require.GreaterOrEqual(t, tried, 4, "of at most two in each")
}
