package tunevector_test

import (
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
