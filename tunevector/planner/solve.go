package planner

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// Solve plans. It returns an *InvalidError that names every wrong field, or an *InfeasibleError that says what is missing.
// A context that ends early is no error: the best plan so far comes back with Complete false.
func Solve(ctx context.Context, p Problem) (Solution, error) {
	s, bound, err := SolveThenBound(ctx, p)
	if err == nil && p.Bound {
		bound(ctx, &s)
	}
	return s, err
}

// SolveThenBound is Solve for those who may not want the bound, which takes longer than the plan, once they have seen the plan: whatever p.Bound says it comes
// without, and bound gives it to the solution. bound is nil where there is an error.
func SolveThenBound(ctx context.Context, p Problem) (s Solution, bound func(context.Context, *Solution), err error) {
	if err := p.validate(); err != nil {
		return Solution{}, nil, err
	}
	p.Effort = p.Effort.withDefaults(p.Duration)
	in := newInstance(&p)
	found, err := in.search(ctx, &p)
	if err != nil {
		return Solution{}, nil, err
	}
	s = in.place(found.seq)
	s.Complete = found.complete
	for _, b := range []struct {
		cost **float64
		seq  []int32
	}{
		{&s.Baselines.Shuffle, in.shuffled(p.Seed)},
		{&s.Baselines.Sorted, in.sorted()},
		{&s.Baselines.Greedy, found.greedy},
	} {
		if b.seq != nil {
			cost := in.exactCost(b.seq)
			*b.cost = &cost
		}
	}
	return s, func(ctx context.Context, s *Solution) { s.bound(ctx, in, &p, found.seq) }, nil
}

func (e Effort) withDefaults(duration float64) Effort {
	slots := int(duration / referenceSeconds)
	if e.Candidates == 0 {
		e.Candidates = max(320, 6*slots)
	}
	if e.Beam == 0 {
		e.Beam = 24
	}
	if e.Moves == 0 {
		e.Moves = 12_000
	}
	if e.BoundPasses == 0 {
		e.BoundPasses = 12
	}
	return e
}

// found is what a search came to.
type found struct {
	seq      []int32
	greedy   []int32
	complete bool
}

// search looks for the best plan, with less and less of an artist gap where there is none with it.
func (in *instance) search(ctx context.Context, p *Problem) (found, error) {
	if in.pinTooFar() && in.pinsToBlame(p) {
		return found{}, &InfeasibleError{Stage: -1, Pin: len(p.Prefix) + in.lastPin}
	}
	for {
		f, err := in.searchSpaced(ctx, p)
		if err == nil {
			return f, nil
		}
		if in.gap == 1 {
			if in.pinsToBlame(p) {
				err = &InfeasibleError{Stage: -1, Pin: len(p.Prefix) + in.lastPin}
			}
			return found{}, err
		}
		in.gap--
	}
}

// pinTooFar reports whether even the shortest tracks before the last pin fill the time, so that nothing need be searched.
func (in *instance) pinTooFar() bool {
	if len(in.pins) == 0 || in.elapsed >= in.duration {
		return false
	}
	t := in.elapsed
	for _, seconds := range first(slices.Sorted(slices.Values(in.seconds)), in.lastPin) {
		t += seconds
	}
	return t >= in.duration || in.lastPin >= len(in.seconds)
}

func first(s []float64, n int) []float64 { return s[:min(n, len(s))] }

// pinsToBlame reports whether there is a plan without the pins.
func (in *instance) pinsToBlame(p *Problem) bool {
	if len(in.pins) == 0 {
		return false
	}
	free := *p
	free.Pinned, free.ArtistGap = nil, 1
	without := newInstance(&free)
	return without.greedy(1) != nil || without.anyPlan() != nil
}

func (in *instance) searchSpaced(ctx context.Context, p *Problem) (found, *InfeasibleError) {
	f := found{greedy: in.greedy(1)}
	if in.elapsed >= in.duration {
		f.complete = true
		f.seq = []int32{}
		return f, nil
	}
	if ended := ctx.Err() != nil; ended && f.greedy != nil {
		f.seq = f.greedy
		return f, nil
	}
	b, complete := in.firstBeam(ctx, p.Effort, f.greedy != nil)
	starts := make([][]int32, 0, keptPlans+1)
	for _, best := range b.best {
		starts = append(starts, b.sequence(best))
	}
	if f.greedy != nil {
		starts = append(starts, f.greedy)
	}
	if len(starts) == 0 {
		if seq := in.anyPlan(); seq != nil {
			starts = append(starts, seq)
		}
	}
	if len(starts) == 0 {
		return f, in.infeasible(b.furthest, p)
	}
	f.seq = in.polish(ctx, starts, p)
	f.complete = complete && ctx.Err() == nil
	return f, nil
}

// widePartials is how many partial plans a wider beam may look at, about.
const widePartials = 20_000_000

// firstBeam searches with ever wider beams until one finds a plan. Where nothing was found before, the context is not
// looked at: the work is counted, and without a plan there is nothing to return.
func (in *instance) firstBeam(ctx context.Context, e Effort, have bool) (*beam, bool) {
	if !have {
		ctx = context.WithoutCancel(ctx)
	}
	b := newBeam(in, e.Beam, nearby)
	complete := b.run(ctx)
	if len(b.best) > 0 || have {
		return b, complete
	}
	partials := max(len(in.ids), 1) * int((in.duration-in.elapsed)/b.bucket+1) // for each of the beam's width
	for _, byLength := range []bool{false, true} {
		if byLength && len(in.pins) == 0 {
			break
		}
		furthest := b.furthest
		b = newBeam(in, max(min(max(4*e.Beam, 64), widePartials/partials), 4), len(in.ids))
		b.byLength = byLength
		b.run(ctx)
		b.furthest = max(b.furthest, furthest)
		if len(b.best) > 0 {
			break
		}
	}
	return b, true
}

// polish improves the plans by local search and returns the best by the published cost.
func (in *instance) polish(ctx context.Context, starts [][]int32, p *Problem) []int32 {
	random := rand.New(rand.NewPCG(p.Seed, 2))
	best, least := starts[0], in.exactCost(starts[0])
	l := newLocal(in, 0)
	for i, seq := range starts {
		if cost := in.exactCost(seq); cost < least {
			best, least = seq, cost
		}
		if !l.start(seq) {
			continue
		}
		l.moves = p.Effort.Moves / (4 * len(starts))
		if i == 0 {
			l.moves = p.Effort.Moves * 3 / 4
		}
		l.search(ctx, random)
		if cost := in.exactCost(l.seq); cost < least {
			best, least = append([]int32(nil), l.seq...), cost
		}
	}
	return best
}

// infeasible says what was missing where the search came furthest.
func (in *instance) infeasible(furthest float64, p *Problem) *InfeasibleError {
	e := &InfeasibleError{Stage: -1, Pin: -1}
	end := in.duration
	if in.guided {
		e.Stage = StageAt(p.Stages, furthest, median(in.seconds)) // that of a track that would come next
		e.StageName = p.Stages[e.Stage].Name
		end = p.Stages[e.Stage].End
	}
	e.MissingSeconds = math.Ceil(max(end-furthest, 0))
	return e
}
