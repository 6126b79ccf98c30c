package planner

import (
	"context"
	"math"
	"slices"
)

// The lower bound
//
// The relaxed problem allows a track to be played again, and spaces artists only between neighbors. Its best plan, found exactly
// by dynamic programming (Viterbi 1967), cannot cost more than the best plan. Time is continuous and tracks differ in length, so
// the program runs over buckets of start times, and everything is rounded in the plan's favor:
//
//   - A track that starts somewhere in a bucket costs what it costs where the arc is kindest to it in that bucket; the
//     arc is enclosed in boxes for that.
//   - It ends in either of the buckets that it can end in. A path could gain time by that at each track; therefore a
//     path pays μ for each second by which its buckets run ahead of its tracks. For a real plan these sum to less than
//     0, so that the bound stays one for every μ ≥ 0 (a Lagrangian multiplier on elapsed time).
//   - A plan may end where one with the longest candidate may.
//
// Playing a track again is what makes the relaxed problem too cheap. It is made dear: each track gets a price λ ≥ 0, that is
// paid at each playing, and all prices are paid back once. A plan without repeats pays at most what it gets back, so the bound stays
// one for any prices, and good ones are found by subgradient steps (Held and Karp 1970).
//
// Paths that cost more than the plan that was found cannot be part of a better one, and are cut off.
//
// Pinned tracks make layers: the path passes each of them once and in order, at a time at which so many tracks can have been played
// before it.

// boundBuckets is into how many buckets the time that remains is cut.
const boundBuckets = 240

// boxesPerBucket is how finely the boxes that enclose the arc start.
const boxesPerBucket = 4

// maxLayers is up to how many pins are passed in order; further ones may stand anywhere, which only lowers the bound.
const maxLayers = 8

type bounder struct {
	in      *instance
	n       int
	width   float64 // seconds of a bucket
	starts  int     // buckets in which a track may start
	buckets int     // buckets in which one may end
	longest float64 // of all that may be in a plan

	node     []float64 // by bucket and candidate: least cost of a start there; +Inf where it may not
	step     []int32   // by candidate: whole buckets
	rest     []float64 // and the seconds over
	cheapest []float64 // by candidate: the least transition to it
	end      []float64 // by bucket: least cost of an end there; +Inf where none may be
	mu       float64
	prices   []float64

	pins   []pin
	ahead  []float64 // by layer and bucket: least cost from there on, without transitions but the cheapest
	arrive []float64 // by layer, bucket, candidate: least cost of having ended there with it
	from   []int32   // and the bucket in which it started
	before []int32   // by layer, bucket, candidate: the track before it
	queue  []arrival

	path   []int32
	counts []int32
}

// pin is a pinned track with the buckets in which it may start; adjacent says that it directly follows the pin before it (or the prefix).
type pin struct {
	track       int32
	first, last int
	adjacent    bool
}

type arrival struct {
	cost  float64
	track int32
}

func (s *Solution) bound(ctx context.Context, in *instance, p *Problem) {
	if ctx.Err() != nil {
		s.Complete = false
		return
	}
	over := OverAll
	if p.Shortlisted || in.shortlisted {
		over = OverShortlist
	}
	if in.elapsed >= in.duration { // nothing is planned, and nothing can be
		s.LowerBound, s.BoundOver = s.Cost, over
		return
	}
	b := newBounder(in, s.Cost)
	best, ok := b.tighten(ctx, s.Cost, p.Effort.BoundPasses)
	s.Complete = s.Complete && ok
	if math.IsInf(best, -1) {
		return
	}
	// What floating point may have rounded the wrong way is far below this.
	s.LowerBound = min(max(best-1e-9*(1+math.Abs(best)), 0), s.Cost)
	s.BoundOver = over
	if s.LowerBound > 0 {
		s.Gap = (s.Cost - s.LowerBound) / s.LowerBound
	}
}

func newBounder(in *instance, cost float64) *bounder {
	n := len(in.ids)
	b := &bounder{in: in, n: n, longest: max(in.longest, in.prefixLongest)}
	remaining := in.duration - in.elapsed
	b.width = remaining / boundBuckets
	b.starts = boundBuckets
	b.buckets = b.starts + int(in.longest/b.width) + 2
	b.mu = cost / remaining
	b.prices = make([]float64, n)
	b.counts = make([]int32, n)
	b.step, b.rest = make([]int32, n), make([]float64, n)
	for k, d := range in.seconds {
		b.step[k] = int32(d / b.width)
		b.rest[k] = d - float64(b.step[k])*b.width
	}
	b.end = make([]float64, b.buckets)
	for at := range b.end {
		low, high := in.elapsed+float64(at)*b.width, in.elapsed+float64(at+1)*b.width
		b.end[at] = math.Inf(1)
		if low <= in.duration+b.longest/2 && high >= in.duration-b.longest/2 {
			b.end[at] = in.weights.Length * max(low-in.duration, in.duration-high, 0) / referenceSeconds
		}
	}
	b.cheapest = make([]float64, n)
	for k := range b.cheapest {
		least := in.jump(none, int32(k))
		for j := range n {
			if b.mayFollow(int32(j), int32(k)) {
				least = min(least, in.jump(int32(j), int32(k)))
			}
		}
		b.cheapest[k] = least
	}
	b.layPins()
	b.costNodes()
	layers := len(b.pins) + 1
	b.ahead = make([]float64, layers*b.buckets)
	b.arrive = make([]float64, layers*b.buckets*n)
	b.from = make([]int32, layers*b.buckets*n)
	b.before = make([]int32, layers*b.starts*n)
	return b
}

func (b *bounder) mayFollow(j, k int32) bool {
	if b.in.gap > 1 {
		return !b.in.conflicting(j, k)
	}
	return j != k
}

// layPins notes in which buckets each pinned track may start, by the shortest and longest tracks that can stand before it.
func (b *bounder) layPins() {
	in := b.in
	positions := make([]int, 0, len(in.pins))
	for position := range in.pins {
		positions = append(positions, position)
	}
	slices.Sort(positions)
	shortest := math.Inf(1)
	for _, d := range in.seconds {
		shortest = min(shortest, d)
	}
	for i, position := range positions[:min(len(positions), maxLayers)] {
		low, high := float64(position)*shortest, float64(position)*in.longest
		b.pins = append(b.pins, pin{
			track:    in.pins[position],
			first:    int(low/b.width) - 1,
			last:     int(min(high/b.width, float64(b.buckets))) + 1,
			adjacent: position == 0 || i > 0 && positions[i-1] == position-1,
		})
	}
}

// costNodes computes what a start costs at least, for every candidate and bucket.
func (b *bounder) costNodes() {
	in, n := b.in, b.n
	layered := make([]bool, n)
	for _, p := range b.pins {
		layered[p.track] = true
	}
	cell := b.width / boxesPerBucket
	boxes := make([]box, int((float64(b.buckets)*b.width+in.longest/2)/cell)+2)
	for g := range boxes {
		from := in.elapsed + float64(g)*cell
		// From anywhere in the cell, a bucket further.
		boxes[g] = in.arc.enclose(from/in.duration, (from+cell+b.width)/in.duration)
	}
	b.node = make([]float64, b.starts*n)
	for at := range b.starts {
		row := b.node[at*n : (at+1)*n]
		first, last := in.stageAt(in.elapsed+float64(at)*b.width-1e-6), in.stageAt(in.elapsed+float64(at+1)*b.width+1e-6)
		for k := range row {
			row[k] = math.Inf(1)
			for stage := first; stage <= last; stage++ {
				if has(in.inStage[stage], k) {
					g := at*boxesPerBucket + int(in.seconds[k]/2/cell)
					row[k] = in.scale[k]*boxes[g].distance2(&in.points[k]) + in.fixed[k]
					break
				}
			}
		}
	}
}

// tighten runs the passes and returns the best bound; false where the context ended before they were all run.
func (b *bounder) tighten(ctx context.Context, cost float64, passes int) (float64, bool) {
	best := math.Inf(-1)
	size := 1.0
	stuck := 0
	for range passes {
		value, ok := b.pass(ctx, cost)
		if !ok {
			return best, false
		}
		if value > best+1e-4*math.Abs(cost-best) {
			stuck = 0
		} else if stuck++; stuck == 2 {
			size, stuck = size/2, 0
		}
		best = max(best, value)
		if best >= cost-1e-9 || !b.reprice(size*(cost-value)) {
			break
		}
	}
	return best, true
}

// reprice moves the prices along the subgradient: tracks played again become dearer, tracks not played cheaper. It
// reports whether anything can still change.
func (b *bounder) reprice(size float64) bool {
	clear(b.counts)
	for _, k := range b.path {
		b.counts[k]++
	}
	norm := 0.0
	for k, count := range b.counts {
		if g := float64(count - 1); g > 0 || b.prices[k] > 0 {
			norm += g * g
		}
	}
	if norm == 0 {
		return false
	}
	for k, count := range b.counts {
		b.prices[k] = max(b.prices[k]+size*float64(count-1)/norm, 0)
	}
	return true
}

// pass is one exact solution of the relaxed problem with the present prices.
func (b *bounder) pass(ctx context.Context, cost float64) (float64, bool) {
	paid := 0.0
	for _, price := range b.prices {
		paid += price
	}
	limit := cost + paid + 1e-7*(1+cost+paid)
	b.lookAhead()
	for i := range b.arrive {
		b.arrive[i] = math.Inf(1)
	}
	total, last := math.Inf(1), [3]int{-1, -1, -1} // layer, bucket, track of the best end
	for at := range b.buckets {
		if ctx.Err() != nil {
			return 0, false
		}
		for layer := range len(b.pins) + 1 {
			row := b.arrive[(layer*b.buckets+at)*b.n:][:b.n]
			b.queue = b.queue[:0]
			for k, c := range row {
				if !math.IsInf(c, 1) {
					b.queue = append(b.queue, arrival{c, int32(k)})
				}
			}
			slices.SortFunc(b.queue, func(x, y arrival) int { return compareThen(x.cost, y.cost, int(x.track), int(y.track)) })
			if layer == len(b.pins) && len(b.queue) > 0 && b.queue[0].cost+b.end[at] < total {
				total = b.queue[0].cost + b.end[at]
				last = [3]int{layer, at, int(b.queue[0].track)}
			}
			if at < b.starts {
				b.extend(layer, at, limit)
			}
		}
	}
	if len(b.in.prefix) > 0 && len(b.pins) == 0 && b.in.mayEnd(b.in.elapsed, b.longest) {
		if c := b.in.lengthCost(b.in.elapsed); c < total { // nothing more need be played
			total, last[0] = c, -1
		}
	}
	b.trace(last)
	return total - paid, true
}

// extend starts every track that may start in a bucket behind the arrivals in the queue.
func (b *bounder) extend(layer, at int, limit float64) {
	row := b.node[at*b.n:][:b.n]
	before := b.before[(layer*b.starts+at)*b.n:][:b.n]
	next := layer < len(b.pins)
	if !next || !b.pins[layer].adjacent {
		for k, own := range row {
			if !math.IsInf(own, 1) && !b.isLayered(int32(k)) {
				b.start(layer, layer, at, int32(k), own, before, limit)
			}
		}
	}
	if next && at >= b.pins[layer].first && at <= b.pins[layer].last {
		k := b.pins[layer].track
		b.start(layer, layer+1, at, k, row[k], before, limit)
	}
}

func (b *bounder) isLayered(k int32) bool {
	for i := range b.pins {
		if b.pins[i].track == k {
			return true
		}
	}
	return false
}

func (b *bounder) start(layer, to, at int, k int32, own float64, before []int32, limit float64) {
	own += b.prices[k]
	most := limit - own - b.after(to, at, k) // that the way to its start may cost
	best, by := math.Inf(1), none
	if at == 0 && layer == 0 {
		if first := b.in.jump(none, k); b.mayStart(k) {
			best = first
		}
	}
	n := b.n
	if b.in.jumps != nil {
		jumps := b.in.jumps[int(k)*n:][:n]
		for i := range b.queue {
			a := &b.queue[i]
			if a.cost >= best || a.cost > most {
				break
			}
			if c := a.cost + float64(jumps[a.track]); c < best && b.mayFollow(a.track, k) {
				best, by = c, a.track
			}
		}
	} else {
		for _, a := range b.queue {
			if a.cost >= best || a.cost > most {
				break
			}
			if c := a.cost + b.in.jump(a.track, k); c < best && b.mayFollow(a.track, k) {
				best, by = c, a.track
			}
		}
	}
	if best > most {
		return
	}
	before[k] = by
	b.land(to, at, at+int(b.step[k]), k, best+own-b.mu*b.rest[k])
	if b.rest[k] > 0 {
		b.land(to, at, at+int(b.step[k])+1, k, best+own+b.mu*(b.width-b.rest[k]))
	}
}

// mayStart reports whether k may be the first track of what is planned.
func (b *bounder) mayStart(k int32) bool {
	played := b.in.afterPrefix[0]
	return b.in.gap < 2 || played == nil || !has(played, int(k))
}

func (b *bounder) land(layer, at, end int, k int32, cost float64) {
	i := (layer*b.buckets+end)*b.n + int(k)
	if cost < b.arrive[i] {
		b.arrive[i], b.from[i] = cost, int32(at)
	}
}

// lookAhead computes backwards what the rest costs at least from each bucket.
func (b *bounder) lookAhead() {
	for layer := len(b.pins); layer >= 0; layer-- {
		for at := b.buckets - 1; at >= 0; at-- {
			least := math.Inf(1)
			if layer == len(b.pins) {
				least = b.end[at]
			}
			if at < b.starts {
				row := b.node[at*b.n:][:b.n]
				if layer == len(b.pins) || !b.pins[layer].adjacent {
					for k, own := range row {
						if own < least && !b.isLayered(int32(k)) {
							least = min(least, own+b.prices[k]+b.cheapest[k]+b.after(layer, at, int32(k)))
						}
					}
				}
				if layer < len(b.pins) && at >= b.pins[layer].first && at <= b.pins[layer].last {
					k := b.pins[layer].track
					least = min(least, row[k]+b.prices[k]+b.cheapest[k]+b.after(layer+1, at, k))
				}
			}
			b.ahead[layer*b.buckets+at] = least
		}
	}
}

// after is the least cost of what follows track k that starts in a bucket. Whatever is pinned, time passes the same.
func (b *bounder) after(layer, at int, k int32) float64 {
	i := layer*b.buckets + at + int(b.step[k])
	least := b.ahead[i] - b.mu*b.rest[k]
	if b.rest[k] > 0 {
		least = min(least, b.ahead[i+1]+b.mu*(b.width-b.rest[k]))
	}
	return least
}

// trace collects the tracks of the path that ends at last.
func (b *bounder) trace(last [3]int) {
	b.path = b.path[:0]
	layer, at, k := last[0], last[1], int32(last[2])
	for layer >= 0 && k != none {
		b.path = append(b.path, k)
		start := int(b.from[(layer*b.buckets+at)*b.n+int(k)])
		if layer > 0 && b.pins[layer-1].track == k {
			layer--
		}
		k = b.before[(layer*b.starts+start)*b.n+int(k)]
		at = start
	}
}

// box encloses a stretch of an arc.
type box struct{ low, high [dimensions]float64 }

// enclose is a box in which the arc is between two shares: the curve is monotone, what bends it is linear between its knots.
func (c *compiledArc) enclose(from, to float64) box {
	from, to = min(max(from, 0), 1), min(max(to, 0), 1)
	var x box
	for d := range x.low {
		b0, b1 := c.base(d, from), c.base(d, to)
		low, high := min(b0, b1), max(b0, b1)
		if len(c.knots[d]) > 0 {
			a0, a1 := c.bend(d, from), c.bend(d, to)
			bendLow, bendHigh := min(a0, a1), max(a0, a1)
			for _, k := range c.knots[d] {
				if k.at > from && k.at < to {
					bendLow, bendHigh = min(bendLow, k.add), max(bendHigh, k.add)
				}
			}
			low, high = low+bendLow, high+bendHigh
		}
		if d != tempoDimension {
			low, high = min(max(low, 0), 1), min(max(high, 0), 1)
		}
		x.low[d], x.high[d] = low, high
	}
	return x
}

func (x *box) distance2(p *point) float64 {
	gap := func(d int, v float64) float64 { return max(x.low[d]-v, v-x.high[d], 0) }
	de, dv, da, di := gap(0, p.e), gap(1, p.v), gap(3, p.a), gap(4, p.i)
	dt := tempoDeltaBetween(x.low[2]-p.t, x.high[2]-p.t)
	return weightEnergy*de*de + weightValence*dv*dv + weightTempo*dt*dt + weightAcousticness*da*da + weightInstrumentalness*di*di
}
