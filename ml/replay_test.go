package ml_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

// world is a choice among three items, of known rewards, in one of two situations.
type world struct {
	rewards [2][3]float64
	logging [2][3]float64
	target  [2][3]float64
	model   [2][3]float64
}

func (w *world) truth() (sum float64) {
	for s := range 2 {
		for a := range 3 {
			sum += 0.5 * w.target[s][a] * w.rewards[s][a]
		}
	}
	return sum
}

func (w *world) log(n int, seed uint64) []ml.Replayed {
	r := rand.New(rand.NewPCG(seed, 4))
	var all []ml.Replayed
	for i := range n {
		s := r.IntN(2)
		a, x := 0, r.Float64()
		for x > w.logging[s][a] && a < 2 {
			x -= w.logging[s][a]
			a++
		}
		c := ml.Replayed{Propensity: w.logging[s][a], Chance: w.target[s][a], Foretold: w.model[s][a], Cluster: i % 50}
		for b := range 3 {
			c.Expected += w.target[s][b] * w.model[s][b]
		}
		if r.Float64() < w.rewards[s][a] {
			c.Reward = 1
		}
		all = append(all, c)
	}
	return all
}

func someWorld() *world {
	return &world{
		rewards: [2][3]float64{{0.2, 0.5, 0.9}, {0.8, 0.3, 0.1}},
		logging: [2][3]float64{{0.7, 0.2, 0.1}, {0.1, 0.2, 0.7}},
		target:  [2][3]float64{{0.1, 0.1, 0.8}, {0.9, 0.1, 0}},
	}
}

func TestReplayFindsTheTruth(t *testing.T) {
	t.Parallel()
	const n, rounds = 500, 200
	for name, model := range map[string][2][3]float64{
		"a good model": {{0.25, 0.45, 0.85}, {0.75, 0.35, 0.15}}, "no model": {}, "a wrong model": {{0.9, 0.9, 0.1}, {0.1, 0.9, 0.9}},
	} {
		w := someWorld()
		w.model = model
		var inverse, normalized, robust, spread, inside float64
		for round := range rounds {
			got, err := ml.ReplayChoices(w.log(n, uint64(round)), ml.ReplayOptions{})
			require.NoError(t, err)
			inverse += got.Inverse.Mean / rounds
			normalized += got.Normalized.Mean / rounds
			robust += got.Robust.Mean / rounds
			spread += (got.Robust.Mean - got.Inverse.Mean) * (got.Robust.Mean - got.Inverse.Mean)
			if math.Abs(got.Robust.Mean-w.truth()) < 1.96*got.Robust.Error {
				inside++
			}
			require.Less(t, got.Effective, float64(n))
			require.InDelta(t, 0.27, got.Logged.Mean, 0.1)
		}
		require.InDelta(t, w.truth(), inverse, 0.03, name)
		require.InDelta(t, w.truth(), normalized, 0.03, name)
		require.InDelta(t, w.truth(), robust, 0.03, name)
		require.Greater(t, inside/rounds, 0.87, "%s: about 95 %% of the intervals hold the truth", name)
		if name == "no model" {
			require.Zero(t, spread, "without a model the two are the same")
		}
	}
}

// With the right model the doubly robust estimate is right even where propensities are not, and much surer where they are.
func TestReplayIsDoublyRobust(t *testing.T) {
	t.Parallel()
	w := someWorld()
	w.model = w.rewards
	all := w.log(20_000, 1)
	good, err := ml.ReplayChoices(all, ml.ReplayOptions{})
	require.NoError(t, err)
	require.Less(t, good.Robust.Error, 0.8*good.Inverse.Error)
	for i := range all {
		all[i].Propensity = math.Sqrt(all[i].Propensity)
	}
	bad, err := ml.ReplayChoices(all, ml.ReplayOptions{})
	require.NoError(t, err)
	require.InDelta(t, w.truth(), bad.Robust.Mean, 0.03)
	require.Greater(t, math.Abs(bad.Inverse.Mean-w.truth()), 0.1)
}

func TestReplayCaps(t *testing.T) {
	t.Parallel()
	w := someWorld()
	all := w.log(2000, 1)
	free, err := ml.ReplayChoices(all, ml.ReplayOptions{})
	require.NoError(t, err)
	capped, err := ml.ReplayChoices(all, ml.ReplayOptions{Cap: 4})
	require.NoError(t, err)
	require.Positive(t, capped.Capped)
	require.Zero(t, free.Capped)
	require.Less(t, capped.Inverse.Error, free.Inverse.Error)
	require.Less(t, capped.Inverse.Mean, free.Inverse.Mean)
	require.Greater(t, capped.Effective, free.Effective)
}

func TestReplayOfTheSameWay(t *testing.T) {
	t.Parallel()
	all := someWorld().log(300, 2)
	for i := range all {
		all[i].Chance, all[i].Cluster = all[i].Propensity, -1
	}
	got, err := ml.ReplayChoices(all, ml.ReplayOptions{})
	require.NoError(t, err)
	require.InDelta(t, got.Logged.Mean, got.Inverse.Mean, 1e-12)
	require.InDelta(t, got.Logged.Mean, got.Normalized.Mean, 1e-12)
	require.InDelta(t, 300, got.Effective, 1e-9)
	p := got.Logged.Mean
	require.InDelta(t, math.Sqrt(p*(1-p)/299), got.Logged.Error, 1e-9, "the error of a share")

	for i := range all {
		all[i].Chance = 0
	}
	got, err = ml.ReplayChoices(all, ml.ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, ml.Estimate{}, got.Normalized)
	require.Zero(t, got.Effective, "nothing of it was ever chosen")
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	good := ml.Replayed{Propensity: 0.5, Chance: 1, Reward: 1}
	got, err := ml.ReplayChoices([]ml.Replayed{good}, ml.ReplayOptions{})
	require.NoError(t, err)
	require.Equal(t, ml.Estimate{Mean: 2}, got.Inverse)
	for says, change := range map[string]func(c *ml.Replayed){
		"the propensity is 0":   func(c *ml.Replayed) { c.Propensity = 0 },
		"the propensity is 1.1": func(c *ml.Replayed) { c.Propensity = 1.1 },
		"the propensity is NaN": func(c *ml.Replayed) { c.Propensity = math.NaN() },
		"the chance is -1":      func(c *ml.Replayed) { c.Chance = -1 },
		"a reward is no number": func(c *ml.Replayed) { c.Reward = math.Inf(1) },
	} {
		c := good
		change(&c)
		_, err := ml.ReplayChoices([]ml.Replayed{good, c}, ml.ReplayOptions{})
		require.ErrorContains(t, err, "choice 1: "+says)
	}
	_, err = ml.ReplayChoices(nil, ml.ReplayOptions{})
	require.Error(t, err)
	_, err = ml.ReplayChoices([]ml.Replayed{good}, ml.ReplayOptions{Cap: 0.5})
	require.ErrorContains(t, err, "the cap is 0.5")
}
