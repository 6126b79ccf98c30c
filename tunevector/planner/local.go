package planner

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// local improves a plan by small changes until none helps, then kicks it (seeded) and tries again, until the counted moves are used up.
type local struct {
	in      *instance
	seq     []int32
	cost    float64
	cursors []cursor // before each track of seq
	used    []uint64
	trial   []int32
	may     []uint64 // who may come where something is tried
	moves   int      // that may still be tried
	// stages are those that the positions belong to and homes those of the tracks, where tracks may not leave theirs; nil elsewhere.
	stages, homes []int
}

// slack is how far a change may look worse by itself, as a share of the cost, and still be computed in full: what comes
// after it moves in time, which may make up for a little.
const slack = 0.02

func newLocal(in *instance, moves int) *local {
	return &local{in: in, moves: moves, used: make([]uint64, in.words), may: make([]uint64, in.words)}
}

// start takes a plan; it reports whether the plan keeps the hard constraints.
func (l *local) start(seq []int32) bool {
	cost, ok := l.in.cost(seq, math.Inf(1))
	if ok {
		l.accept(seq, cost)
	}
	return ok
}

func (l *local) accept(seq []int32, cost float64) {
	l.seq = append(l.seq[:0], seq...)
	l.cost = cost
	l.cursors = l.cursors[:0]
	c := cursor{time: l.in.elapsed, longest: l.in.prefixLongest}
	clear(l.used)
	for i, k := range l.seq {
		l.cursors = append(l.cursors, c)
		c = l.in.advance(l.seq, i, c)
		set(l.used, int(k))
	}
}

// try computes l.trial, which is as l.seq before from, and accepts it if it is better.
func (l *local) try(from int) bool {
	l.moves--
	for i := range l.stages {
		if l.homes[l.trial[i]] != l.stages[i] {
			return false
		}
	}
	const least = 1e-9
	cost, ok := l.in.costFrom(l.trial, from, l.cursorAt(from), l.cost-least)
	if ok {
		l.accept(l.trial, cost)
	}
	return ok
}

func (l *local) cursorAt(i int) cursor {
	if i < len(l.cursors) {
		return l.cursors[i]
	}
	c := cursor{time: l.in.elapsed, longest: l.in.prefixLongest}
	if i > 0 {
		c = l.in.advance(l.seq, i-1, l.cursors[i-1])
	}
	return c
}

// improve goes through the neighborhoods until none helps.
func (l *local) improve(ctx context.Context) {
	for l.moves > 0 && ctx.Err() == nil {
		if !l.replace() && !l.exchange() && !l.reverse() && !l.relocate() && !l.resize() {
			return
		}
	}
}

// permute improves by exchanging tracks only.
func (l *local) permute(ctx context.Context) {
	for l.moves > 0 && ctx.Err() == nil {
		if !l.exchange() && !l.reverse() && !l.relocate() {
			return
		}
	}
}

func (l *local) pinned(i int) bool { _, ok := l.in.pins[i]; return ok }

// unusedAt fills l.may with the candidates not in the plan that may start at t.
func (l *local) unusedAt(t float64) {
	for w := range l.may {
		l.may[w] = l.in.free[w] &^ l.used[w]
	}
	l.in.keepSuiting(l.may, t)
}

// replace puts another track in the place of one.
func (l *local) replace() bool {
	better := false
	for i := 0; i < len(l.seq) && l.moves > 0; i++ {
		if l.pinned(i) {
			continue
		}
		better = l.replaceAt(i) || better
	}
	return better
}

func (l *local) replaceAt(i int) bool {
	in, better := l.in, false
	before, after := none, none
	if i > 0 {
		before = l.seq[i-1]
	}
	if i+1 < len(l.seq) {
		after = l.seq[i+1]
	}
	t := l.cursors[i].time
	around := func(k int32) float64 {
		// Per second, as a shorter track leaves more to be filled.
		cost := in.own(k, t) + in.jump(before, k)
		if after != none {
			cost += in.jump(k, after)
		}
		return cost
	}
	now := around(l.seq[i])
	rate := l.cost / (in.duration - in.elapsed)
	l.unusedAt(t)
	for w := range l.may {
		word := l.may[w] &^ l.used[w]
		for k := int32(w << 6); word != 0; k, word = k+1, word>>1 {
			if word&1 == 0 {
				continue
			}
			if around(k)+rate*(in.seconds[l.seq[i]]-in.seconds[k]) > now+slack*l.cost {
				continue
			}
			l.trial = append(l.trial[:0], l.seq...)
			l.trial[i] = k
			if l.try(i) {
				better = true
				now = around(k)
			}
		}
	}
	return better
}

// exchange swaps two tracks.
func (l *local) exchange() bool {
	better := false
	for i := 0; i < len(l.seq) && l.moves > 0; i++ {
		for j := i + 1; j < len(l.seq); j++ {
			if l.pinned(i) || l.pinned(j) {
				continue
			}
			l.trial = append(l.trial[:0], l.seq...)
			l.trial[i], l.trial[j] = l.trial[j], l.trial[i]
			better = l.try(i) || better
		}
	}
	return better
}

// reverse turns a stretch around (2-opt).
func (l *local) reverse() bool {
	better := false
	for i := 0; i < len(l.seq) && l.moves > 0; i++ {
		if l.pinned(i) {
			continue
		}
		for j := i + 1; j < len(l.seq) && !l.pinned(j); j++ {
			if j == i+1 {
				continue // an exchange
			}
			l.trial = append(l.trial[:0], l.seq...)
			slices.Reverse(l.trial[i : j+1])
			better = l.try(i) || better
		}
	}
	return better
}

// relocate moves a track elsewhere (or-opt); what lies between moves by one, so no pin may.
func (l *local) relocate() bool {
	better := false
	for i := 0; i < len(l.seq) && l.moves > 0; i++ {
		for step := -1; step <= 1; step += 2 {
			for j := i; j >= 0 && j < len(l.seq) && !l.pinned(j); j += step {
				if j >= i-1 && j <= i+1 {
					continue // itself, or an exchange
				}
				l.trial = append(l.trial[:0], l.seq...)
				k := l.trial[i]
				l.trial = slices.Delete(l.trial, i, i+1)
				l.trial = slices.Insert(l.trial, j, k)
				if l.try(min(i, j)) {
					better = true
					break
				}
			}
		}
	}
	return better
}

// resize drops a track, or puts one more in, after the last pin.
func (l *local) resize() bool {
	in := l.in
	for i := in.lastPin + 1; i <= len(l.seq) && l.moves > 0; i++ {
		if i < len(l.seq) {
			l.trial = slices.Delete(append(l.trial[:0], l.seq...), i, i+1)
			if l.try(i) {
				return true
			}
		}
		t := l.cursorAt(i).time
		if t >= in.duration {
			continue
		}
		l.unusedAt(t)
		for w, word := range l.may {
			for k := int32(w << 6); word != 0; k, word = k+1, word>>1 {
				if word&1 == 0 || in.own(k, t) > l.cost {
					continue
				}
				l.trial = slices.Insert(append(l.trial[:0], l.seq...), i, k)
				if l.try(i) {
					return true
				}
			}
		}
	}
	return false
}

// search improves the plan, kicks it and improves again, and leaves the best in l.seq.
func (l *local) search(ctx context.Context, random *rand.Rand) {
	l.improve(ctx)
	best, cost := slices.Clone(l.seq), l.cost
	for l.moves > 0 && ctx.Err() == nil {
		if !l.kick(random) {
			l.moves -= 10
			continue
		}
		l.improve(ctx)
		if l.cost < cost-1e-9 {
			best, cost = append(best[:0], l.seq...), l.cost
		} else {
			l.accept(best, cost)
		}
	}
	l.accept(best, cost)
}

// kick replaces two or three neighboring tracks by others that suit their time, at random.
func (l *local) kick(random *rand.Rand) bool {
	in := l.in
	if len(l.seq) == 0 {
		return false
	}
	l.trial = append(l.trial[:0], l.seq...)
	at, n := random.IntN(len(l.seq)), 2+random.IntN(2)
	for i := at; i < min(at+n, len(l.seq)); i++ {
		if l.pinned(i) {
			continue
		}
		// The best of a few at random: near enough to be taken up, far enough to lead elsewhere.
		best, least := none, math.Inf(1)
		for range 12 {
			k := int32(random.IntN(len(in.ids)))
			if !in.suits(k, l.cursors[i].time) || !has(in.free, int(k)) || has(l.used, int(k)) || slices.Contains(l.trial, k) {
				continue
			}
			if rate := in.own(k, l.cursors[i].time) / in.seconds[k]; rate < least {
				best, least = k, rate
			}
		}
		if best != none {
			l.trial[i] = best
		}
	}
	l.moves--
	cost, ok := in.cost(l.trial, math.Inf(1))
	if ok {
		l.accept(l.trial, cost)
	}
	return ok
}
