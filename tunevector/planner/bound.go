package planner

import (
	"context"
	"maps"
	"math"
	"slices"
)

// The lower bound
//
// The relaxed problem allows a track to be played again, though not within two tracks of itself, and spaces artists only that far. Its
// best plan, found exactly by dynamic programming (Viterbi 1967), cannot cost more than the best plan. Time is continuous and
// tracks differ in length, so the program runs over buckets of start times, and everything is rounded in the plan's favor:
//
//   - A track that starts somewhere in a bucket costs what it costs where the arc is kindest to it in that bucket; the
//     arc is enclosed in boxes for that.
//   - It ends in either of the buckets that it can end in. A path could gain time by that at each track; therefore a
//     path pays μ for each second by which its buckets run ahead of its tracks. For a real plan these sum to less than
//     0, so that the bound stays one for every μ ≥ 0 (a Lagrangian multiplier on elapsed time).
//   - It may start in a bucket if its middle can then lie in a stage in which it may play.
//   - A plan may end where one with the longest candidate may.
//
// To keep a track from following the one before its predecessor, a state keeps its two best ways there that come from different
// predecessors (2-cycle elimination, Christofides, Mingozzi and Toth 1981).
//
// Playing a track again is what makes the relaxed problem too cheap. It is made dear: each track gets a price λ ≥ 0, that is
// paid at each playing, and all prices are paid back once. A plan without repeats pays at most what it gets back, so the bound stays
// one for any prices, and good ones are found by subgradient steps (Held and Karp 1970).
//
// A start through which every path costs more than the plan that was found cannot be part of a better plan, whatever the prices: it is
// dropped for good. So few remain that the buckets can then be made finer, level by level.
//
// Pinned tracks make layers: the path passes each of them once and in order, at a time at which so many tracks can have been played
// before it.

// boundBuckets is how many buckets an hour, or less, is cut into at the first level; there are more where a track would be shorter
// than a bucket, which the program could not tell from no time passing.
const boundBuckets = 96

// quickBuckets is the same where one pass must do.
const quickBuckets = 72

// boundLevels are how much finer than that the buckets are, and what share of the passes each level gets.
var boundLevels = []struct {
	finer int
	share float64
}{{1, 0.5}, {4, 0.25}, {16, 0.25}}

// maxStarts is up to how many starts (candidates by buckets by layers) there is a bound: 36 MB of them.
const maxStarts = 1_500_000

// tolerance is by how much, in seconds, rounding may put a start into the neighboring bucket.
const tolerance = 1e-6

// driftUnit scales the multiplier on elapsed time against the prices, in seconds: the larger, the more slowly it moves.
const driftUnit = 2 * referenceSeconds

// firstStep is how far the first subgradient step goes, as a share of Polyak's with the plan's cost as the target.
const firstStep = 0.3

// guesses is how often the first prices are balanced against each other.
const guesses = 2

// usualCandidates is up to how many candidates a start counts as one.
const usualCandidates = 320

// deflection is how much of the direction before is kept.
const deflection = 0.5

// startsPerPass is what a pass is taken for in the count of work, in starts looked at.
const startsPerPass = 14_000

// looksPerStart is how many arrivals looked at for a start count as another start. On a steady arc through a rich catalog nearly all
// tracks cost the same, and looking for the one to follow is most of the work.
const looksPerStart = 20

// boxesPerBucket is how finely the boxes that enclose the arc start.
const boxesPerBucket = 2

// maxLayers is up to how many pins are passed in order; further ones may stand anywhere, which only lowers the bound.
const maxLayers = 8

type bounder struct {
	in      *instance
	n       int
	longest float64 // of all that may be in a plan
	mu      float64
	prices  []float64
	// cheapest is by candidate the least transition to it; class has the candidates in the same class that all
	// conflict with the same ones, else each has its own.
	cheapest []float64
	class    []int32
	pins     []pin
	layered  []bool // by candidate: among pins

	// Of the present level:
	width    float64 // seconds of a bucket
	starts   int     // buckets in which a track may start
	buckets  int     // buckets in which one may end
	step     []int32 // by candidate: its length in whole buckets
	rest     []float64
	end      []float64     // by bucket: least cost of an end there; +Inf where none may be
	nodes    [][]startNode // by layer and bucket: the starts that are left
	ahead    []float64     // by layer and bucket: least cost from there on, with the cheapest transitions
	choice   []int32       // and the track that starts there at that cost, none for an end
	behind   []float64     // by layer and bucket: least cost until there, with the cheapest transitions
	departs  [][]departure // by layer and bucket: the starts with what it costs from there on, cheapest first
	arrivals [][]arrival   // by layer and bucket
	// Of both only those are kept that a track can still reach; what they took is used again.
	spareDeparts  [][]departure
	spareArrivals [][]arrival

	labels   []label
	queue    []arrival
	best     [][2]arrival // by candidate: the best two ways to its end in a bucket, from different classes
	met      []int32
	path     []int32
	work     int     // starts that may still be looked at
	drift    float64 // seconds by which the buckets of the path run ahead of its tracks
	counts   []int32
	way      []float64 // in which the prices last moved, and mu:
	driftway float64
}

// startNode is a track that may start in a bucket, what it costs there at least, and what follows costs at least.
type startNode struct {
	cost, after float64
	track       int32
}

// arrival is a way to the end of a track.
type arrival struct {
	cost          float64
	track, before int32
	label         int32
}

// departure is a start with what it costs from there on at least.
type departure struct {
	cost  float64
	track int32
}

// label is a track behind another on a path.
type label struct{ track, parent int32 }

// pin is a pinned track with the positions, after the prefix, at which it stands; adjacent says that it directly follows the pin
// before it (or the prefix).
type pin struct {
	track       int32
	first, last float64 // seconds after the prefix between which it starts
	adjacent    bool
}

func (s *Solution) bound(ctx context.Context, in *instance, p *Problem, seq []int32) {
	if ctx.Err() != nil {
		s.Complete = false
		return
	}
	over := OverAll
	if p.Shortlisted || in.shortlisted {
		over = OverShortlist
	}
	if in.elapsed >= in.duration || len(in.ids) == 0 { // nothing is planned, and nothing can be
		s.LowerBound, s.BoundOver = s.Cost, over
		return
	}
	b := newBounder(in, s.Cost)
	b.guess(seq)
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
	b := &bounder{
		in: in, n: n, longest: max(in.longest, in.prefixLongest), mu: cost / (in.duration - in.elapsed),
		prices: make([]float64, n), cheapest: make([]float64, n), step: make([]int32, n), rest: make([]float64, n),
		best: make([][2]arrival, n), counts: make([]int32, n), way: make([]float64, n), layered: make([]bool, n),
	}
	for k := range b.cheapest {
		least := math.Inf(1)
		for j := range n {
			if c := in.jump(int32(j), int32(k)); c < least && b.mayFollow(int32(j), int32(k)) {
				least = c
			}
		}
		b.cheapest[k] = least
	}
	for k := range b.best {
		b.best[k][0].track, b.best[k][1].track = none, none
	}
	b.classify()
	b.layPins()
	return b
}

// to is the least transition to a track that starts in a bucket: in the first, it may be the first.
func (b *bounder) to(at int, k int32) float64 {
	if at == 0 && b.mayStart(k) {
		return min(b.cheapest[k], b.in.jump(none, k))
	}
	return b.cheapest[k]
}

func (b *bounder) mayFollow(j, k int32) bool {
	if b.in.gap > 1 {
		return !b.in.conflicting(j, k)
	}
	return j != k
}

// mayFollowBut reports whether k may come two tracks after j, or be the second track where j is none.
func (b *bounder) mayFollowBut(j, k int32) bool {
	switch {
	case j == none:
		return b.in.gap < 3 || b.in.afterPrefix[0] == nil || !has(b.in.afterPrefix[0], int(k))
	case b.in.gap > 2:
		return !b.in.conflicting(j, k)
	default:
		return j != k
	}
}

// mayStart reports whether k may be the first track of what is planned.
func (b *bounder) mayStart(k int32) bool {
	for back := range b.in.gap - 1 {
		if played := b.in.afterPrefix[back]; played != nil && has(played, int(k)) {
			return false
		}
	}
	return true
}

// classify puts candidates that conflict with exactly each other into one class: where one of them may not come, none may.
func (b *bounder) classify() {
	in := b.in
	b.class = make([]int32, b.n)
	for k := range b.class {
		b.class[k] = int32(k)
	}
	if in.gap < 3 {
		return
	}
	for k := range b.class {
		row := in.conflicts(int32(k))
		lowest, same := int32(k), true
		each(row, func(j int32) {
			lowest = min(lowest, j)
			same = same && slices.Equal(row, in.conflicts(j))
		})
		if same {
			b.class[k] = lowest
		}
	}
}

// layPins notes between which times each pinned track may start, by the shortest and longest tracks that can stand before it.
func (b *bounder) layPins() {
	in := b.in
	positions := slices.Sorted(maps.Keys(in.pins))
	shortest := slices.Min(in.seconds)
	for i, position := range positions[:min(len(positions), maxLayers)] {
		b.pins = append(b.pins, pin{
			track:    in.pins[position],
			first:    float64(position) * shortest,
			last:     float64(position) * in.longest,
			adjacent: position == 0 || i > 0 && positions[i-1] == position-1,
		})
		b.layered[in.pins[position]] = true
	}
}

// guess begins with the prices that speak for the plan: each of its tracks is so dear that a copy of it in the place of another
// gains nothing (the dual of an assignment).
func (b *bounder) guess(seq []int32) {
	in, n := b.in, len(seq)
	// cost of track j at position p, between the neighbors there.
	costs := make([]float64, n*n)
	c := cursor{time: in.elapsed}
	for p := range seq {
		for j, k := range seq {
			cost := in.own(k, c.time) - b.mu*in.seconds[k]
			if p > 0 {
				cost += in.jump(seq[p-1], k)
			}
			if p+1 < n {
				cost += in.jump(k, seq[p+1])
			}
			costs[p*n+j] = cost
		}
		c.time += in.seconds[seq[p]]
	}
	for range guesses {
		for p, k := range seq {
			for j, other := range seq {
				if p-j > 2 || j-p > 2 { // nearer the relaxed problem allows none
					b.prices[other] = max(b.prices[other], costs[p*n+p]+b.prices[k]-costs[p*n+j])
				}
			}
		}
	}
}

// level cuts the time into so many buckets, keeping of each coarser bucket only the starts that are left.
func (b *bounder) level(buckets int) {
	in := b.in
	coarse, coarseStarts, coarseBuckets := b.nodes, b.starts, b.buckets
	b.width = (in.duration - in.elapsed) / float64(buckets)
	b.starts = buckets
	for k, d := range in.seconds {
		b.step[k] = int32(d / b.width)
		b.rest[k] = d - float64(b.step[k])*b.width
		if b.rest[k] < 1e-9*b.width { // no more than rounding
			b.rest[k] = 0
		}
	}
	b.buckets = b.starts + int(in.longest/b.width) + 2
	b.end = make([]float64, b.buckets)
	for at := range b.end {
		low, high := in.elapsed+float64(at)*b.width-tolerance, in.elapsed+float64(at+1)*b.width+tolerance
		b.end[at] = math.Inf(1)
		if low <= in.duration+b.longest/2 && high >= in.duration-b.longest/2 {
			b.end[at] = in.weights.Length * max(low-in.duration, in.duration-high, 0) / referenceSeconds
		}
	}
	layers := len(b.pins) + 1
	b.nodes = make([][]startNode, layers*b.buckets)
	b.ahead = make([]float64, layers*b.buckets)
	b.choice = make([]int32, layers*b.buckets)
	b.behind = make([]float64, layers*b.buckets)
	b.spareDeparts = reclaim(b.spareDeparts, b.departs)
	b.departs = make([][]departure, layers*b.buckets)
	b.spareArrivals = reclaim(b.spareArrivals, b.arrivals)
	b.arrivals = make([][]arrival, layers*b.buckets)

	cell := b.width / boxesPerBucket
	boxes := make([]box, int((float64(b.starts)*b.width+in.longest/2)/cell)+2)
	for g := range boxes {
		from := in.elapsed + (float64(g)-1e-6)*cell
		// From anywhere in the cell, a bucket further.
		boxes[g] = in.arc.enclose(from/in.duration, (from+1.00001*cell+b.width)/in.duration)
	}
	cost := func(at int, k int32) float64 {
		g := at*boxesPerBucket + int(in.seconds[k]/2/cell)
		return boxes[g].distance2(&in.scale[k], &in.points[k]) + in.fixed[k]
	}
	for layer := range layers {
		for at := range b.starts {
			var nodes []startNode
			if coarse != nil {
				left := coarse[layer*coarseBuckets+at*coarseStarts/b.starts]
				nodes = make([]startNode, 0, len(left))
				for _, node := range left {
					if b.suits(at, node.track) {
						nodes = append(nodes, startNode{cost: cost(at, node.track), track: node.track})
					}
				}
			} else {
				nodes = b.allStarts(layer, at, cost)
			}
			b.nodes[layer*b.buckets+at] = nodes
		}
	}
}

// suits reports whether track k may start anywhere in a bucket by its stage: whether its middle can lie in a stage in which it may play.
func (b *bounder) suits(at int, k int32) bool {
	in := b.in
	if !in.guided {
		return true
	}
	from := in.elapsed + float64(at)*b.width
	last := StageAt(in.stages, from+b.width+tolerance, in.seconds[k])
	for stage := StageAt(in.stages, from-tolerance, in.seconds[k]); stage <= last; stage++ {
		if has(in.inStage[stage], int(k)) {
			return true
		}
	}
	return false
}

// allStarts are the tracks that may start in a bucket of a layer at the first level.
func (b *bounder) allStarts(layer, at int, cost func(at int, k int32) float64) []startNode {
	from, to := float64(at)*b.width-tolerance, float64(at+1)*b.width+tolerance
	var nodes []startNode
	if layer == len(b.pins) || !b.pins[layer].adjacent {
		nodes = make([]startNode, 0, b.n)
		for k := range int32(b.n) {
			if !b.layered[k] && b.suits(at, k) {
				nodes = append(nodes, startNode{cost: cost(at, k), track: k})
			}
		}
	}
	if layer < len(b.pins) && to >= b.pins[layer].first && from <= b.pins[layer].last {
		k := b.pins[layer].track
		nodes = append(nodes, startNode{cost: cost(at, k), track: k})
	}
	return nodes
}

// tighten runs the passes and returns the best bound, −Inf for none; false where the context ended before they were all run.
func (b *bounder) tighten(ctx context.Context, cost float64, passes int) (float64, bool) {
	best := math.Inf(-1)
	quick := passes == 1
	buckets := b.firstBuckets(quick)
	if buckets == 0 {
		return best, true
	}
	b.work = passes * startsPerPass
	for i, level := range boundLevels {
		if i > 0 && (quick || b.toDo()*buckets*level.finer/b.starts > b.work) {
			break // finer would be more than what is left to be done
		}
		b.level(buckets * level.finer)
		if i == 0 {
			b.climb(cost, passes, func() (float64, bool) { return b.rough(cost), ctx.Err() == nil }, &best)
			if b.toDo() > b.work {
				break
			}
		}
		ok := b.climb(cost, max(int(float64(passes)*level.share), 1), func() (float64, bool) { return b.pass(ctx, cost) }, &best)
		if !ok {
			return best, false
		}
		if best >= cost-1e-9 {
			break
		}
	}
	return best, ctx.Err() == nil
}

// firstBuckets is the number of buckets of the first level, 0 where they would be too many.
func (b *bounder) firstBuckets(quick bool) int {
	remaining := b.in.duration - b.in.elapsed
	most := float64(maxStarts / (b.n * (len(b.pins) + 1)))
	least := math.Floor(remaining/slices.Min(b.in.seconds)) + 1
	if least > most {
		return 0
	}
	if quick {
		return int(max(least, min(quickBuckets*remaining/3600, most)))
	}
	return int(max(boundBuckets, least, min(boundBuckets*remaining/3600, most)))
}

// climb moves the prices by the subgradients of passes, and leaves them where the bound was best.
func (b *bounder) climb(cost float64, passes int, pass func() (float64, bool), best *float64) bool {
	size, stuck := firstStep, 0
	most := math.Inf(-1)
	prices, mu := slices.Clone(b.prices), b.mu
	clear(b.way)
	b.driftway = 0
	defer func() { copy(b.prices, prices); b.mu = mu }()
	for range passes {
		if b.work <= 0 {
			break
		}
		value, ok := pass()
		if !ok {
			return false
		}
		if value > most {
			most, stuck = value, 0
			copy(prices, b.prices)
			mu = b.mu
		} else if stuck++; stuck == 2 {
			size, stuck = size/2, 0
			copy(b.prices, prices)
			b.mu = mu
		}
		*best = max(*best, value)
		if *best >= cost-1e-9 || !b.reprice(size*(cost-value)) {
			break
		}
	}
	return true
}

// toDo is the work of a pass: the starts that are left, more where each has more to look at.
func (b *bounder) toDo() int {
	left := 0
	for _, nodes := range b.nodes {
		left += len(nodes)
	}
	return left * max(b.n, usualCandidates) / usualCandidates
}

// reprice moves the prices along the subgradient: tracks played again become dearer, tracks not played cheaper, time
// that is gained likewise. Part of the direction before is kept, against zigzag (Camerini, Fratta and Maffioli 1975). It
// reports whether anything can still change.
func (b *bounder) reprice(size float64) bool {
	clear(b.counts)
	for _, k := range b.path {
		b.counts[k]++
	}
	drift := b.drift / driftUnit
	b.driftway = drift + deflection*b.driftway
	norm := b.driftway * b.driftway
	for k, count := range b.counts {
		b.way[k] = float64(count-1) + deflection*b.way[k]
		if b.way[k] < 0 && b.prices[k] == 0 {
			b.way[k] = 0
		}
		norm += b.way[k] * b.way[k]
	}
	if norm < 1e-9 {
		return false
	}
	b.mu = max(b.mu+size*b.driftway/norm/driftUnit, 0)
	for k := range b.prices {
		b.prices[k] = max(b.prices[k]+size*b.way[k]/norm, 0)
	}
	return true
}

// limit is the cost, prices included, above which a path is not part of a plan better than one of the given cost.
func (b *bounder) limit(cost float64) (limit, paid float64) {
	for _, price := range b.prices {
		paid += price
	}
	return cost + paid + 1e-7*(1+cost+paid), paid
}

// rough is the bound without regard to which track comes before which, but for the cheapest transition to each.
func (b *bounder) rough(cost float64) float64 {
	limit, paid := b.limit(cost)
	b.lookAhead()
	b.path, b.drift = b.path[:0], 0
	for layer, at := 0, 0; ; {
		k := b.choice[layer*b.buckets+at]
		if k == none {
			b.drift += float64(at) * b.width
			break
		}
		b.path = append(b.path, k)
		if b.passes(layer, k) {
			layer++
		}
		i := layer*b.buckets + at + int(b.step[k])
		at += int(b.step[k])
		b.drift -= b.in.seconds[k]
		if b.rest[k] > 0 && b.ahead[i+1]+b.mu*(b.width-b.rest[k]) < b.ahead[i]-b.mu*b.rest[k] {
			at++
		}
	}
	value := b.ahead[0] - paid
	b.lookBehind()
	b.drop(limit)
	return value
}

// passes reports whether track k leads to the next layer.
func (b *bounder) passes(layer int, k int32) bool {
	return layer < len(b.pins) && b.pins[layer].track == k
}

// drop drops the starts through which every path costs more than the limit, by the rough costs before and behind them.
func (b *bounder) drop(limit float64) {
	for layer := range len(b.pins) + 1 {
		for at := range b.starts {
			i := layer*b.buckets + at
			left := b.nodes[i][:0]
			for _, node := range b.nodes[i] {
				k, to := node.track, layer
				if b.passes(layer, k) {
					to++
				}
				if b.behind[i]+node.cost+b.prices[k]+b.to(at, k)+b.after(to, at, k) <= limit {
					left = append(left, node)
				}
			}
			b.nodes[i] = left
		}
	}
}

// pass is one exact solution of the relaxed problem with the present prices.
func (b *bounder) pass(ctx context.Context, cost float64) (float64, bool) {
	limit, paid := b.limit(cost)
	b.lookBehind()
	if !b.backward(ctx, limit) {
		return 0, false
	}
	b.labels = b.labels[:0]
	b.spareArrivals = reclaim(b.spareArrivals, b.arrivals)
	b.arrivals[0] = append(b.arrivals[0], arrival{track: none, before: none, label: none})
	total, last, end := limit, none, 0
	for at := range b.buckets {
		if ctx.Err() != nil {
			return 0, false
		}
		for layer := range len(b.pins) + 1 {
			i := layer*b.buckets + at
			b.settle(i)
			b.spareArrivals = reclaim(b.spareArrivals, b.arrivals[i:i+1])
			if len(b.queue) == 0 {
				b.nodes[i] = b.nodes[i][:0]
				continue
			}
			if layer == len(b.pins) && (at > 0 || len(b.in.prefix) > 0) && b.queue[0].cost+b.end[at] < total {
				total, last, end = b.queue[0].cost+b.end[at], b.queue[0].label, at
			}
			if at < b.starts {
				b.extend(layer, at, limit)
			}
		}
	}
	b.path, b.drift = b.path[:0], float64(end)*b.width
	for ; last != none; last = b.labels[last].parent {
		b.path = append(b.path, b.labels[last].track)
		b.drift -= b.in.seconds[b.labels[last].track]
	}
	return total - paid, true
}

// settle fills the queue with the arrivals at a bucket, cheapest first, and of each track the best two from different classes.
func (b *bounder) settle(i int) {
	for _, a := range b.arrivals[i] {
		if a.track == none {
			b.queue = append(b.queue[:0], a)
			return // nothing else arrives where the plan begins
		}
		best := &b.best[a.track]
		if best[0].track == none {
			b.met = append(b.met, a.track)
		}
		switch {
		case best[0].track == none:
			best[0] = a
		case a.before == best[0].before || b.classOf(a.before) == b.classOf(best[0].before):
			if a.less(&best[0]) {
				best[0] = a
			}
		case a.less(&best[0]):
			best[0], best[1] = a, best[0]
		case best[1].track == none || a.less(&best[1]):
			best[1] = a
		}
	}
	b.queue = b.queue[:0]
	for _, k := range b.met {
		best := &b.best[k]
		b.queue = append(b.queue, best[0])
		if best[1].track != none {
			b.queue = append(b.queue, best[1])
		}
		best[0].track, best[1].track = none, none
	}
	b.met = b.met[:0]
	slices.SortFunc(b.queue, func(x, y arrival) int {
		if x.less(&y) {
			return -1
		}
		return 1
	})
}

// classOf is the class of the track before an arrival, none for the end of the prefix.
func (b *bounder) classOf(k int32) int32 {
	if k == none {
		return none
	}
	return b.class[k]
}

// less orders arrivals by cost, and then in a way that does not depend on chance.
func (a *arrival) less(b *arrival) bool {
	if a.cost != b.cost {
		return a.cost < b.cost
	}
	if a.track != b.track {
		return a.track < b.track
	}
	return a.before < b.before
}

// extend starts every track that may start in a bucket behind the arrivals in the queue, and drops for good those through which every
// path costs too much.
func (b *bounder) extend(layer, at int, limit float64) {
	nodes := b.nodes[layer*b.buckets+at]
	left := nodes[:0]
	for _, node := range nodes {
		to := layer
		if b.passes(layer, node.track) {
			to++
		}
		if b.start(to, at, node, limit) {
			left = append(left, node)
		}
	}
	b.nodes[layer*b.buckets+at] = left
}

// start starts a track behind the best two arrivals of different classes, and reports whether a path through it can cost less than the limit.
func (b *bounder) start(to, at int, node startNode, limit float64) bool {
	k := node.track
	own := node.cost + b.prices[k]
	most := limit - own - node.after // that the way to its start may cost
	first, second := math.Inf(1), math.Inf(1)
	var by, by2 arrival
	var jumps []float32
	if b.in.jumps != nil {
		jumps = b.in.jumps[int(k)*b.n:][:b.n]
	}
	conflicts := b.in.conflicts(k)
	near, cheapest := b.in.gap > 2, b.to(at, k)
	looked := 0
	for i := range b.queue {
		a := &b.queue[i]
		looked = i
		if least := a.cost + cheapest; least > most || least >= second {
			break
		}
		if a.track == none {
			if b.mayStart(k) {
				first, by = b.in.jump(none, k), *a
			}
			break // nothing else arrives where the plan begins
		}
		var c float64
		if jumps != nil {
			c = a.cost + float64(jumps[a.track])
		} else {
			c = a.cost + b.in.jump(a.track, k)
		}
		if c >= second || !b.mayFollow(a.track, k) {
			continue
		}
		if near && a.before != none {
			if has(conflicts, int(a.before)) {
				continue
			}
		} else if !b.mayFollowBut(a.before, k) {
			continue
		}
		switch {
		case c < first:
			if first < math.Inf(1) && b.class[by.track] != b.class[a.track] {
				second, by2 = first, by
			}
			first, by = c, *a
		case b.class[by.track] != b.class[a.track]:
			second, by2 = c, *a
		}
	}
	b.work -= looked / looksPerStart
	if first > most {
		return false
	}
	b.land(to, at, k, first+own, by)
	if second <= most {
		b.land(to, at, k, second+own, by2)
	}
	return true
}

// land lets a track end in the buckets in which it can.
func (b *bounder) land(layer, at int, k int32, cost float64, by arrival) {
	b.labels = append(b.labels, label{k, by.label})
	a := arrival{track: k, before: by.track, label: int32(len(b.labels) - 1)}
	i := layer*b.buckets + at + int(b.step[k])
	a.cost = cost - b.mu*b.rest[k]
	b.arrive(i, a)
	if b.rest[k] > 0 {
		a.cost = cost + b.mu*(b.width-b.rest[k])
		b.arrive(i+1, a)
	}
}

func (b *bounder) arrive(i int, a arrival) {
	if b.arrivals[i] == nil {
		b.arrivals[i], b.spareArrivals = reuse(b.spareArrivals)
	}
	b.arrivals[i] = append(b.arrivals[i], a)
}

// reclaim takes lists that are no longer needed among the spare ones.
func reclaim[T any](spare, lists [][]T) [][]T {
	for i, list := range lists {
		if cap(list) > 0 {
			spare = append(spare, list[:0])
		}
		lists[i] = nil
	}
	return spare
}

// reuse takes an empty list from the spare ones, nil where there is none.
func reuse[T any](spare [][]T) (list []T, left [][]T) {
	if n := len(spare); n > 0 {
		return spare[n-1], spare[:n-1]
	}
	return nil, spare
}

// lookAhead computes backwards what the rest costs at least from each bucket.
func (b *bounder) lookAhead() {
	for layer := len(b.pins); layer >= 0; layer-- {
		for at := b.buckets - 1; at >= 0; at-- {
			least, choice := math.Inf(1), none
			if layer == len(b.pins) {
				least = b.end[at]
			}
			for _, node := range b.nodes[layer*b.buckets+at] {
				k, to := node.track, layer
				if b.passes(layer, k) {
					to++
				}
				if c := node.cost + b.prices[k] + b.to(at, k) + b.after(to, at, k); c < least {
					least, choice = c, k
				}
			}
			b.ahead[layer*b.buckets+at], b.choice[layer*b.buckets+at] = least, choice
		}
	}
}

// lookBehind computes forwards what the way to each bucket costs at least.
func (b *bounder) lookBehind() {
	for i := range b.behind {
		b.behind[i] = math.Inf(1)
	}
	b.behind[0] = 0
	for at := range b.starts {
		for layer := range len(b.pins) + 1 {
			i := layer*b.buckets + at
			for _, node := range b.nodes[i] {
				k, to := node.track, layer
				if b.passes(layer, k) {
					to++
				}
				c := b.behind[i] + node.cost + b.prices[k] + b.to(at, k)
				end := to*b.buckets + at + int(b.step[k])
				b.behind[end] = min(b.behind[end], c-b.mu*b.rest[k])
				if b.rest[k] > 0 {
					b.behind[end+1] = min(b.behind[end+1], c+b.mu*(b.width-b.rest[k]))
				}
			}
		}
	}
}

// backward computes what follows each start costs at least, transitions included, and drops the starts that cannot be part of a better
// plan; false where the context ended.
func (b *bounder) backward(ctx context.Context, limit float64) bool {
	b.spareDeparts = reclaim(b.spareDeparts, b.departs)
	reach := int(b.in.longest/b.width) + 2 // buckets that a track that starts in one can end in
	for at := b.buckets - 1; at >= 0; at-- {
		if ctx.Err() != nil {
			return false
		}
		for layer := len(b.pins); layer >= 0; layer-- {
			i := layer*b.buckets + at
			if at+reach < b.buckets {
				b.spareDeparts = reclaim(b.spareDeparts, b.departs[i+reach:i+reach+1])
			}
			if len(b.nodes[i]) == 0 {
				continue
			}
			b.work -= len(b.nodes[i]) * max(b.n, usualCandidates) / usualCandidates
			left := b.nodes[i][:0]
			var departs []departure
			departs, b.spareDeparts = reuse(b.spareDeparts)
			for _, node := range b.nodes[i] {
				k, to := node.track, layer
				if b.passes(layer, k) {
					to++
				}
				own := node.cost + b.prices[k]
				most := limit - b.behind[i] - own - b.to(at, k) // that what follows may cost
				end := to*b.buckets + at + int(b.step[k])
				node.after = b.onward(end, k, most+b.mu*b.rest[k]) - b.mu*b.rest[k]
				if b.rest[k] > 0 {
					early := b.mu * (b.width - b.rest[k])
					node.after = min(node.after, b.onward(end+1, k, min(most, node.after)-early)+early)
				}
				if node.after <= most {
					left = append(left, node)
					departs = append(departs, departure{own + node.after, k})
				}
			}
			slices.SortFunc(departs, func(x, y departure) int { return compareThen(x.cost, y.cost, int(x.track), int(y.track)) })
			b.nodes[i], b.departs[i] = left, departs
		}
	}
	return true
}

// onward is the least cost from the end of track k in a bucket on; +Inf, or anything above most, where it is more than most.
func (b *bounder) onward(i int, k int32, most float64) float64 {
	least := math.Inf(1)
	if i >= len(b.pins)*b.buckets {
		least = b.end[i-len(b.pins)*b.buckets]
	}
	cheapest := b.cheapest[k] // transitions cost the same in both directions
	for _, d := range b.departs[i] {
		if c := d.cost + cheapest; c >= least || c > most {
			break
		}
		if c := d.cost + b.in.jump(k, d.track); c < least && b.mayFollow(k, d.track) {
			least = c
		}
	}
	return least
}

// after is the least cost of what follows track k that starts in a bucket.
func (b *bounder) after(layer, at int, k int32) float64 {
	i := layer*b.buckets + at + int(b.step[k])
	least := b.ahead[i] - b.mu*b.rest[k]
	if b.rest[k] > 0 {
		least = min(least, b.ahead[i+1]+b.mu*(b.width-b.rest[k]))
	}
	return least
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

// distance2 is the least that a point's squared distance can be from one in the box, with w as the weights of the dimensions.
func (x *box) distance2(w, p *point) float64 {
	gap := func(d int, v float64) float64 { return max(x.low[d]-v, v-x.high[d], 0) }
	de, dv, da, di := gap(0, p.e), gap(1, p.v), gap(3, p.a), gap(4, p.i)
	dt := tempoDeltaBetween(x.low[2]-p.t, x.high[2]-p.t)
	return w.e*de*de + w.v*dv*dv + w.t*dt*dt + w.a*da*da + w.i*di*di
}
