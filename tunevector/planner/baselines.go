package planner

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// step plans one track after the other: choose names the next of those allowed, or none. It ends where ending is allowed and a
// further track would not bring the end nearer to the duration. It returns nil at a dead end.
func (in *instance) step(choose func(before int32, t float64, allowed []uint64) int32) []int32 {
	allowed := make([]uint64, in.words)
	used := make([]uint64, in.words)
	seq := make([]int32, 0, 32)
	t, longest := in.elapsed, in.prefixLongest
	for t < in.duration {
		before := none
		if len(seq) > 0 {
			before = seq[len(seq)-1]
		}
		next := none
		if pin, ok := in.pins[len(seq)]; ok {
			if in.spaced(append(seq, pin), len(seq)) {
				next = pin
			}
		} else {
			in.allow(allowed, used, seq, t)
			in.dropOverlong(allowed, t, longest)
			next = choose(before, t, allowed)
		}
		if len(seq) > in.lastPin && in.mayEnd(t, longest) && (next == none || t+in.seconds[next]/2 >= in.duration) {
			break
		}
		if next == none {
			return nil
		}
		seq = append(seq, next)
		set(used, int(next))
		t += in.seconds[next]
		longest = max(longest, in.seconds[next])
	}
	if len(seq) <= in.lastPin || !in.mayEnd(t, longest) {
		return nil
	}
	return seq
}

// allow fills allowed with the candidates that may follow seq at t.
func (in *instance) allow(allowed, used []uint64, seq []int32, t float64) {
	for w := range allowed {
		allowed[w] = in.free[w] &^ used[w]
	}
	in.keepSuiting(allowed, t)
	for back := 1; back < in.gap; back++ {
		if j := len(seq) - back; j >= 0 {
			without(allowed, in.conflicts(seq[j]))
		} else if played := in.afterPrefix[-j-1]; played != nil {
			without(allowed, played)
		}
		if pin, ok := in.pins[len(seq)+back]; ok {
			without(allowed, in.conflicts(pin))
		}
	}
}

// dropOverlong takes out the candidates that would end the plan too late.
func (in *instance) dropOverlong(allowed []uint64, t, longest float64) {
	if t+in.longest < in.duration {
		return
	}
	each(allowed, func(k int32) {
		if end := t + in.seconds[k]; end >= in.duration && !in.mayEnd(end, max(longest, in.seconds[k])) {
			unset(allowed, int(k))
		}
	})
}

// shuffled is a plan of tracks at random.
func (in *instance) shuffled(seed uint64) []int32 {
	order := rand.New(rand.NewPCG(seed, 1)).Perm(len(in.ids))
	return in.step(func(_ int32, _ float64, allowed []uint64) int32 {
		for _, k := range order {
			if has(allowed, k) {
				return int32(k)
			}
		}
		return none
	})
}

// sorted takes the tracks nearest to the arc's mean over each stage, enough to fill it, and sorts them by energy in the arc's direction.
func (in *instance) sorted() []int32 {
	rank := make([]float64, len(in.ids)) // by stage: the place in the sorted order of that stage's set; +Inf outside
	mean := make([]float64, len(in.ids))
	descending := in.arc.end[0] < in.arc.start[0]
	prepared, usual := -1, median(in.seconds)
	prepare := func(stage int, t float64) {
		prepared = stage
		end := in.stages[stage].End
		target := in.mean(t, end)
		order := make([]int, 0, len(in.ids))
		for k := range in.ids {
			mean[k] = distance2(in.points[k], target)
			rank[k] = math.Inf(1)
			if has(in.inStage[stage], k) && has(in.free, k) {
				order = append(order, k)
			}
		}
		slices.SortFunc(order, func(a, b int) int { return compareThen(mean[a], mean[b], a, b) })
		seconds := 0.0
		for _, k := range order {
			if seconds >= end-t {
				break
			}
			seconds += in.seconds[k]
			rank[k] = in.points[k].e
			if descending {
				rank[k] = -rank[k]
			}
		}
	}
	return in.step(func(_ int32, t float64, allowed []uint64) int32 {
		if stage := StageAt(in.stages, t, usual); stage != prepared {
			prepare(stage, t)
		}
		// Next in the sorted set; where it is used up or too near to the same artist, the next nearest to the mean.
		next := none
		each(allowed, func(k int32) {
			if next == none || compareThen(rank[k], rank[next], int(k), int(next)) < 0 ||
				math.IsInf(rank[next], 1) && mean[k] < mean[next] {
				next = k
			}
		})
		return next
	})
}

// mean is the arc's mean between two times.
func (in *instance) mean(from, to float64) point {
	const samples = 32
	var sum point
	for i := range samples {
		p := in.target(from + (to-from)*(float64(i)+0.5)/samples)
		sum = point{sum.e + p.e, sum.v + p.v, sum.t + p.t, sum.a + p.a, sum.i + p.i}
	}
	return point{sum.e / samples, sum.v / samples, sum.t / samples, sum.a / samples, sum.i / samples}
}

// greedy always takes the track that adds the least cost for its length; transition is 0 to look at the track alone, else 1.
func (in *instance) greedy(transition float64) []int32 {
	return in.step(func(before int32, t float64, allowed []uint64) int32 {
		next, least := none, math.Inf(1)
		each(allowed, func(k int32) {
			if cost := (in.own(k, t) + transition*in.jump(before, k)) / in.seconds[k]; cost < least {
				next, least = k, cost
			}
		})
		return next
	})
}

func each(set []uint64, do func(k int32)) {
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			do(int32(w<<6 | bits.TrailingZeros64(word)))
		}
	}
}

func compareThen(a, b float64, i, j int) int {
	if a != b {
		return compare(a, b)
	}
	return compare(i, j)
}
