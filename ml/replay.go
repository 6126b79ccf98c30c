package ml

import (
	"errors"
	"fmt"
	"math"
)

// Replayed is one choice of the past, of which it is known how likely it was then: what a new way of choosing would have got can be told from many of them, without trying it on anybody.
type Replayed struct {
	// Propensity is how likely the item that was chosen was to be so, above 0 to 1, as it was written down when it was chosen. It must be true: what was never left to chance cannot be replayed.
	Propensity float64
	// Reward is what came of it, such as 1 for a track that was heard to its end and 0 for a skip.
	Reward float64
	// Chance is how likely the new way would have chosen the same item, 0–1: 1 or 0 for one that leaves nothing to chance.
	Chance float64
	// Foretold is what a model expects of the item that was chosen, and Expected what it expects of the new way, the mean over what that could choose by its chances. Both 0 where there is no model.
	Foretold float64
	Expected float64
	// Cluster is who it was about: choices of one listener depend on each other, and count together in standard errors. −1: of nobody else.
	Cluster int
}

// Estimate is a mean reward per choice that was estimated, and its standard error.
type Estimate struct {
	Mean  float64 `json:"mean"`
	Error float64 `json:"error"`
}

// Replay is what a new way of choosing would have got on choices of the past.
type Replay struct {
	Choices int      `json:"choices"`
	Logged  Estimate `json:"logged"` // what was got, by the way that chose
	// Inverse weighs each reward by how much likelier the new way would have made the choice. It is unbiased where propensities are true and no weight was capped, and wanders where weights are large.
	Inverse Estimate `json:"inverse"`
	// Normalized divides by the sum of the weights instead of their number: a little biased, and steadier.
	Normalized Estimate `json:"normalized"`
	// Robust is what the model expects, corrected by the weighted rewards that it did not foretell. It is right if either the propensities or the model are ("doubly robust"), and the steadiest where the model is good.
	Robust Estimate `json:"robust"`
	// Effective is how many choices of the new way itself would tell as much: the square of the sum of weights over the sum of their squares. Estimates from few say little.
	Effective float64 `json:"effective"`
	Capped    int     `json:"capped"` // weights that were above the cap
}

// ReplayOptions tune [ReplayChoices]; the zero value is good.
type ReplayOptions struct {
	// Cap is the largest weight of a choice, above 1; 0 means none. Capping makes estimates steadier and draws them towards 0 (inverse) or the model (robust).
	Cap float64
}

// ReplayChoices estimates what a new way of choosing would have got: by inverse propensities, normalized ones, and doubly robust.
//
// Sources: Horvitz and Thompson, "A generalization of sampling without replacement from a finite universe" (1952); Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning" (2015);
// Dudík, Langford and Li, "Doubly robust policy evaluation and learning" (2011). Errors are those of means over clusters.
func ReplayChoices(all []Replayed, o ReplayOptions) (Replay, error) {
	if o.Cap != 0 && !(o.Cap > 1) {
		return Replay{}, fmt.Errorf("ml: replay: the cap is %v, must be above 1, or 0 for none", o.Cap)
	}
	if len(all) == 0 {
		return Replay{}, errors.New("ml: replay: nothing was chosen")
	}
	out := Replay{Choices: len(all)}
	n := float64(len(all))
	weights := make([]float64, len(all))
	sum, squares := 0.0, 0.0
	for i, c := range all {
		if err := c.check(); err != nil {
			return Replay{}, fmt.Errorf("ml: replay: choice %d: %w", i, err)
		}
		w := c.Chance / c.Propensity
		if o.Cap > 0 && w > o.Cap {
			w = o.Cap
			out.Capped++
		}
		weights[i] = w
		sum += w
		squares += w * w
	}
	if squares > 0 {
		out.Effective = sum * sum / squares
	}
	estimate := func(value func(i int) float64) Estimate {
		mean := 0.0
		for i := range all {
			mean += value(i) / n
		}
		return Estimate{mean, clusteredError(all, func(i int) float64 { return value(i) - mean }, n)}
	}
	out.Logged = estimate(func(i int) float64 { return all[i].Reward })
	out.Inverse = estimate(func(i int) float64 { return weights[i] * all[i].Reward })
	out.Robust = estimate(func(i int) float64 { return all[i].Expected + weights[i]*(all[i].Reward-all[i].Foretold) })
	if sum > 0 {
		mean := 0.0
		for i := range all {
			mean += weights[i] * all[i].Reward / sum
		}
		// A ratio's error, by its linear part.
		out.Normalized = Estimate{mean, clusteredError(all, func(i int) float64 { return weights[i] * (all[i].Reward - mean) }, sum)}
	}
	return out, nil
}

func (c Replayed) check() error {
	finite := func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
	switch {
	case !(c.Propensity > 0 && c.Propensity <= 1):
		return fmt.Errorf("the propensity is %v, must be above 0 and at most 1", c.Propensity)
	case !(c.Chance >= 0 && c.Chance <= 1):
		return fmt.Errorf("the chance is %v, must be 0 to 1", c.Chance)
	case !finite(c.Reward) || !finite(c.Foretold) || !finite(c.Expected):
		return errors.New("a reward is no number")
	}
	return nil
}

// clusteredError is the standard error of a sum of deviations over a divisor, when those of a cluster belong together.
func clusteredError(all []Replayed, deviation func(i int) float64, divisor float64) float64 {
	sums := map[int]float64{}
	var order []int
	square, clusters := 0.0, 0.0
	for i, c := range all {
		d := deviation(i)
		if c.Cluster < 0 {
			square += d * d
			clusters++
			continue
		}
		if _, known := sums[c.Cluster]; !known {
			order = append(order, c.Cluster)
		}
		sums[c.Cluster] += d
	}
	for _, c := range order {
		square += sums[c] * sums[c]
		clusters++
	}
	if clusters < 2 { //nolint:mnd // one has no spread
		return 0
	}
	return math.Sqrt(square*clusters/(clusters-1)) / divisor
}
