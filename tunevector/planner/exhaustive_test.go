package planner_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// sure is the confidence in each of a candidate's features.
func sure(c *planner.Candidate) [5]float64 {
	if s := c.Confidences; s != nil {
		return [5]float64{s.Energy, s.Valence, s.Tempo, s.Acousticness, s.Instrumentalness}
	}
	return [5]float64{c.Confidence, c.Confidence, c.Confidence, c.Confidence, c.Confidence}
}

// expected is the squared distance that is to be expected of features in which there is that confidence.
func expected(a, b planner.Features, confidence [5]float64) float64 {
	sum := 0.0
	for d, x := range []struct {
		weight float64
		delta  func() float64
	}{
		{0.3, func() float64 { return a.Energy - b.Energy }},
		{0.2, func() float64 { return a.Valence - b.Valence }},
		{0.3, func() float64 { return planner.TempoDistance(a.Tempo, b.Tempo) }},
		{0.1, func() float64 { return a.Acousticness - b.Acousticness }},
		{0.1, func() float64 { return a.Instrumentalness - b.Instrumentalness }},
	} {
		square := 0.1
		if c := confidence[d]; c > 0 {
			delta := x.delta()
			square = c*delta*delta + (1-c)*0.1
		}
		sum += x.weight * square
	}
	return sum
}

// oracle computes the published cost and looks at every plan. It shares nothing with the planner but TempoDistance and Arc.At.
type oracle struct {
	p    planner.Problem
	gap  int
	best float64
	seq  []planner.Candidate
	all  int
}

func (o *oracle) cost(seq []planner.Candidate) float64 {
	w := o.p.Weights
	t, cost := 0.0, 0.0
	for _, c := range o.p.Prefix {
		t += c.Duration
	}
	for i, c := range seq {
		m := c.Duration / 210
		cost += m * w.Target * expected(c.Features, o.p.Arc.At((t+c.Duration/2)/o.p.Duration), sure(&c))
		cost += m * w.Taste * (1 - c.Taste) / 2
		cost += m * w.Novelty * (math.Max(o.p.Discovery, 0)*c.Familiarity + math.Max(-o.p.Discovery, 0)*(1-c.Familiarity))
		var before *planner.Candidate
		if i > 0 {
			before = &seq[i-1]
		} else if n := len(o.p.Prefix); n > 0 {
			before = &o.p.Prefix[n-1]
		}
		if before != nil {
			both := sure(&c)
			for d, confidence := range sure(before) {
				both[d] *= confidence
			}
			cost += w.Transition * expected(before.Features, c.Features, both)
		}
		t += c.Duration
	}
	return cost + w.Length*math.Abs(t-o.p.Duration)/210
}

func (o *oracle) run() {
	o.best = math.Inf(1)
	t, longest := 0.0, 0.0
	for _, c := range o.p.Prefix {
		t += c.Duration
		longest = math.Max(longest, c.Duration)
	}
	o.extend(nil, t, longest)
}

func (o *oracle) extend(seq []planner.Candidate, t, longest float64) {
	pinsLeft := false
	pinnedID := map[string]bool{}
	for position, id := range o.p.Pinned {
		if position >= len(o.p.Prefix) {
			pinnedID[id] = true
			pinsLeft = pinsLeft || position >= len(o.p.Prefix)+len(seq)
		}
	}
	if len(seq) == 0 && t >= o.p.Duration || !pinsLeft && math.Abs(t-o.p.Duration) <= longest/2 {
		o.all++
		if cost := o.cost(seq); cost < o.best {
			o.best, o.seq = cost, append([]planner.Candidate(nil), seq...)
		}
	}
	if t >= o.p.Duration {
		return
	}
	whole := append(append([]planner.Candidate(nil), o.p.Prefix...), seq...)
	want, pinned := o.p.Pinned[len(whole)]
next:
	for _, c := range o.p.Candidates {
		if pinned != (c.ID == want) || !pinned && pinnedID[c.ID] {
			continue
		}
		for i, other := range whole {
			if other.ID == c.ID {
				continue next
			}
			_, otherPinned := o.p.Pinned[i]
			if len(whole)-i < o.gap && (!pinned || !otherPinned && i >= len(o.p.Prefix)) && shares(c, other) {
				continue next
			}
		}
		stage := 0
		for stage < len(o.p.Stages)-1 && t+c.Duration/2 >= o.p.Stages[stage].End {
			stage++
		}
		if !pinned && len(o.p.Stages) > 0 && !c.Stages.Has(stage) {
			continue
		}
		o.extend(append(seq, c), t+c.Duration, math.Max(longest, c.Duration))
	}
}

func shares(a, b planner.Candidate) bool {
	for _, x := range a.Artists {
		for _, y := range b.Artists {
			if x == y {
				return true
			}
		}
	}
	return false
}

// share draws a number in 0–1, often a round one.
func share(t *rapid.T, name string) float64 {
	return float64(rapid.IntRange(0, 20).Draw(t, name)) / 20
}

func drawFeatures(t *rapid.T, name string) planner.Features {
	return planner.Features{
		Energy: share(t, name+"energy"), Valence: share(t, name+"valence"), Tempo: rapid.Float64Range(50, 200).Draw(t, name+"tempo"),
		Acousticness: share(t, name+"acousticness"), Instrumentalness: share(t, name+"instrumentalness"),
	}
}

func drawCandidate(t *rapid.T, id string, stages int) planner.Candidate {
	c := planner.Candidate{
		ID: id, Features: drawFeatures(t, id), Confidence: min(1, share(t, id+"confidence")*1.5),
		Taste: 2*share(t, id+"taste") - 1, Familiarity: share(t, id+"familiarity"),
		Artists: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F", "G"}), 0, 2, rapid.ID[string]).Draw(t, id+"artists"),
		Stages:  planner.StageSet(rapid.Uint64Range(0, 1<<stages-1).Draw(t, id+"stages")),
	}
	if rapid.Bool().Draw(t, id+"of each") {
		c.Confidences = &planner.Confidences{
			Energy: share(t, id+"sure of energy"), Valence: share(t, id+"sure of valence"), Tempo: share(t, id+"sure of tempo"),
			Acousticness: share(t, id+"sure of acousticness"), Instrumentalness: share(t, id+"sure of instrumentalness"),
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, id+"length") {
	case 0: // a jingle, shorter than the buckets of the bound would be
		c.Duration = rapid.Float64Range(1, 14).Draw(t, id+"seconds")
	case 1, 2:
		c.Duration = float64(rapid.IntRange(60, 400).Draw(t, id+"seconds"))
	default:
		c.Duration = rapid.Float64Range(20, 500).Draw(t, id+"seconds")
	}
	return c
}

func drawProblem(t *rapid.T) planner.Problem {
	p := planner.Problem{
		Arc: planner.Arc{
			Start: drawFeatures(t, "start"), End: drawFeatures(t, "end"),
			Curve: rapid.SampledFrom([]planner.Curve{"", planner.CurveLinear, planner.CurveEaseIn, planner.CurveEaseOut, planner.CurveS}).Draw(t, "curve"),
		},
		Duration:  float64(rapid.IntRange(200, 1500).Draw(t, "duration")),
		ArtistGap: rapid.IntRange(1, 4).Draw(t, "gap"),
		Discovery: 2*share(t, "discovery") - 1,
		Weights:   planner.DefaultWeights,
		Seed:      rapid.Uint64().Draw(t, "seed"),
		Bound:     true,
	}
	if rapid.Bool().Draw(t, "bent") {
		energy := share(t, "bend")
		p.Arc.Points = []planner.Point{{At: share(t, "at"), Energy: &energy}}
	}
	stages := rapid.IntRange(1, 3).Draw(t, "stages")
	if stages > 1 {
		share := 1 / float64(stages)
		if stages == 2 {
			share = rapid.Float64Range(0.02, 0.98).Draw(t, "first stage") // perhaps shorter than half of any track
		}
		for i := range stages - 1 {
			p.Stages = append(p.Stages, planner.Stage{Name: fmt.Sprint("stage ", i), End: p.Duration * share * float64(i+1)})
		}
		p.Stages = append(p.Stages, planner.Stage{Name: "last", End: p.Duration})
	}
	n := rapid.IntRange(1, 7).Draw(t, "candidates")
	for i := range n {
		p.Candidates = append(p.Candidates, drawCandidate(t, fmt.Sprintf("c%d", i), stages))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "prefix") {
		p.Prefix = append(p.Prefix, drawCandidate(t, fmt.Sprintf("played%d", i), stages))
	}
	pins := rapid.IntRange(0, 2).Draw(t, "pins")
	for i := range min(pins, n) {
		if p.Pinned == nil {
			p.Pinned = map[int]string{}
		}
		p.Pinned[len(p.Prefix)+rapid.IntRange(0, 3).Draw(t, "position")] = fmt.Sprintf("c%d", i)
	}
	return p
}

func TestBoundOptimumPlan(t *testing.T) {
	feasible, exact, pinned := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t)
		s, err := planner.Solve(context.Background(), p)
		var infeasible *planner.InfeasibleError
		if errors.As(err, &infeasible) {
			o := oracle{p: p, gap: 1}
			o.run()
			require.Zero(t, o.all, "there is a plan: %v", o.seq)
			return
		}
		require.NoError(t, err)
		requireSound(t, p, s)
		for gap := p.ArtistGap; gap > s.ArtistGap; gap-- {
			wider := oracle{p: p, gap: gap}
			wider.run()
			require.Zero(t, wider.all, "the artist gap %d can be kept", gap)
		}
		o := oracle{p: p, gap: s.ArtistGap}
		o.run()
		require.LessOrEqual(t, o.best, s.Cost+1e-9)
		require.LessOrEqual(t, s.LowerBound, o.best+1e-9, "the bound is above the best plan")
		require.Equal(t, planner.OverAll, s.BoundOver)
		for _, b := range []*float64{s.Baselines.Shuffle, s.Baselines.Sorted, s.Baselines.Greedy} {
			if b != nil {
				require.GreaterOrEqual(t, *b, o.best-1e-9)
			}
		}
		feasible++
		if s.Cost < o.best+1e-6 {
			exact++
		}
		if len(p.Pinned) > 0 {
			pinned++
		}
	})
	t.Logf("%d feasible, %d with pins, %d of them planned at the optimum", feasible, pinned, exact)
	require.Positive(t, feasible)
}

// The first tracks keep away from the artists of the last that were played, in the plan and in the bound.
func TestSpacingFromThePrefix(t *testing.T) {
	p := problem(7)
	p.Bound, p.Weights, p.Duration = true, planner.DefaultWeights, 1400
	played := tracks(9)[7:]
	for i := range played {
		played[i].Artists = []string{fmt.Sprint("played ", i)}
	}
	p.Prefix = played
	for i := range p.Candidates {
		p.Candidates[i].Artists = []string{fmt.Sprint("played ", i%4)}
	}
	s := solve(t, p)
	require.Equal(t, 3, s.ArtistGap)
	o := oracle{p: p, gap: 3}
	o.run()
	require.InDelta(t, o.best, s.Cost, 1e-9)
	require.LessOrEqual(t, s.LowerBound, o.best+1e-9)
}
