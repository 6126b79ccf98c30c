package planner

import (
	"context"
	"math/bits"
	"slices"
)

// partial is an unfinished plan: a track behind another.
type partial struct {
	parent  int32 // in beam.kept, −1 for the first
	track   int32 // none for the empty plan
	length  int32 // tracks so far
	time    float64
	cost    float64
	rank    float64 // cost less what is usual up to time: what partial plans of about the same time are compared by
	set     uint64  // hash of the tracks, whatever their order
	longest float64
}

// finished is a plan that may end where it ends.
type finished struct {
	parent, track int32
	cost          float64
}

// beam is a beam search over elapsed time: partial plans wait in buckets of about a quarter of a track, of each
// bucket the best few are continued. Plans of the same tracks with the same last one compete, as only the cheaper can be better.
type beam struct {
	in       *instance
	width    int
	byLength bool // buckets by the number of tracks instead of time, for pins that are hard to reach
	slices   []slice
	span     float64 // seconds of a slice
	bucket   float64 // seconds of a bucket
	buckets  [][]partial
	kept     []partial
	best     []finished // ascending by cost
	allowed  []uint64
	furthest float64
	spare    [][]partial
}

// slice is what is known about a stretch of time before the search.
type slice struct {
	near  []uint64 // the candidates that cost least there
	usual float64  // what plans usually cost up to its beginning
	rate  float64  // and per second within
}

// trackRate is what a track costs per second.
type trackRate struct {
	track int32
	rate  float64
}

const (
	beamSlices = 48
	// nearby is how many candidates are looked at from each partial plan.
	nearby = 96
	// keptPlans is how many finished plans are handed to the local search.
	keptPlans = 6
)

func newBeam(in *instance, width, near int) *beam {
	b := &beam{in: in, width: width, allowed: make([]uint64, in.words)}
	remaining := max(in.duration-in.elapsed, 0)
	b.span = max(remaining/beamSlices, 1e-9)
	b.bucket = max(median(in.seconds)/4, remaining/4096, 1e-9)
	n := len(in.ids)
	scratch, there := make([]float64, 0, n), make([]trackRate, 0, n)
	masks := make([]uint64, beamSlices*in.words)
	b.slices = make([]slice, beamSlices)
	usual := 0.0
	for s := range b.slices {
		t := in.elapsed + (float64(s)+0.5)*b.span
		// A slice may touch several stages: who may play in any of them is near.
		from, to := t-b.span/2, t+b.span/2
		first, last := StageAt(in.stages, from, in.briefest), StageAt(in.stages, to, in.longest)
		target := in.target(t)
		mask := masks[s*in.words : (s+1)*in.words]
		rated := false
		for stage := first; stage <= last; stage++ {
			scratch, there = scratch[:0], there[:0]
			for k := range n {
				if has(in.inStage[stage], k) && StageAt(in.stages, from, in.seconds[k]) <= stage && stage <= StageAt(in.stages, to, in.seconds[k]) {
					rate := (in.scale[k].of(&in.points[k], &target) + in.fixed[k]) / in.seconds[k]
					there = append(there, trackRate{int32(k), rate})
					scratch = append(scratch, rate)
				}
			}
			if len(scratch) == 0 {
				continue
			}
			limit := nth(scratch, min(near, len(scratch))-1)
			for _, c := range there {
				if c.rate <= limit {
					set(mask, int(c.track))
				}
			}
			if !rated {
				b.slices[s].rate, rated = nth(scratch, min(8, len(scratch))-1), true
			}
		}
		b.slices[s].near = mask
		b.slices[s].usual = usual
		usual += b.slices[s].rate * b.span
	}
	return b
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return referenceSeconds
	}
	return nth(slices.Clone(values), len(values)/2)
}

// nth is the n-th smallest value (from 0); it reorders the values. It is [halve] with its comparison written out, since calling one
// here takes a plan 6 % longer.
func nth(values []float64, n int) float64 {
	lo, hi := 0, len(values)-1
	for lo < hi {
		pivot := values[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return values[n]
		}
	}
	return values[n]
}

func (b *beam) sliceAt(t float64) *slice {
	return &b.slices[min(max(int((t-b.in.elapsed)/b.span), 0), beamSlices-1)]
}

func (b *beam) rank(cost, t float64) float64 {
	s := min(max(int((t-b.in.elapsed)/b.span), 0), beamSlices-1)
	return cost - b.slices[s].usual - b.slices[s].rate*(t-b.in.elapsed-float64(s)*b.span)
}

// run searches, and reports whether it came to its end before the context did.
func (b *beam) run(ctx context.Context) bool {
	b.furthest = b.in.elapsed
	b.kept = make([]partial, 0, 1024)
	b.push(0, partial{parent: -1, track: none, time: b.in.elapsed, longest: b.in.prefixLongest})
	for at := 0; at < len(b.buckets); at++ {
		if ctx.Err() != nil {
			return false
		}
		for _, s := range b.buckets[at] {
			b.kept = append(b.kept, s)
			b.expand(int32(len(b.kept)-1), at)
		}
		b.spare = append(b.spare, b.buckets[at][:0])
		b.buckets[at] = nil
	}
	return true
}

func (b *beam) expand(self int32, at int) {
	in := b.in
	s := b.kept[self]
	b.furthest = max(b.furthest, s.time)
	if int(s.length) > in.lastPin && in.mayEnd(s.time, s.longest) {
		b.finish(finished{self, none, s.cost + in.lengthCost(s.time)})
	}
	if s.time >= in.duration {
		return
	}
	here := b.sliceAt(s.time)
	pin, pinned := in.pins[int(s.length)]
	b.allow(s, here, pin, pinned)
	for w, word := range b.allowed {
		for ; word != 0; word &= word - 1 {
			k := int32(w<<6 | bits.TrailingZeros64(word))
			next := partial{parent: self, track: k, length: s.length + 1, time: s.time + in.seconds[k]}
			next.cost = s.cost + in.own(k, s.time) + in.jump(s.track, k)
			next.rank = b.rank(next.cost, next.time)
			next.longest = max(s.longest, in.seconds[k])
			next.set = s.set + scramble(uint64(k))
			to := int(next.length)
			if !b.byLength {
				to = max(at+1, int((next.time-in.elapsed)/b.bucket))
			}
			b.push(to, next)
		}
	}
}

// allow fills b.allowed with the candidates that may follow s.
func (b *beam) allow(s partial, here *slice, pin int32, pinned bool) {
	in := b.in
	clear(b.allowed)
	if pinned {
		set(b.allowed, int(pin))
	} else {
		for w := range b.allowed {
			b.allowed[w] = in.free[w] & here.near[w]
		}
		in.keepSuiting(b.allowed, s.time)
		// What is pinned further on wants its space too.
		for ahead := int(s.length) + 1; ahead < int(s.length)+in.gap && ahead <= in.lastPin; ahead++ {
			if pin, ok := in.pins[ahead]; ok {
				without(b.allowed, in.conflicts(pin))
			}
		}
	}
	back := 1
	for i := s; i.track != none; back++ {
		if back < in.gap {
			without(b.allowed, in.conflicts(i.track))
		} else {
			unset(b.allowed, int(i.track))
		}
		if i.parent < 0 {
			break
		}
		i = b.kept[i.parent]
	}
	for ; back < in.gap; back++ {
		if row := in.afterPrefix[back-int(s.length)-1]; row != nil {
			without(b.allowed, row)
		}
	}
}

func without(bits, remove []uint64) {
	for w := range bits {
		bits[w] &^= remove[w]
	}
}

// scramble is a hash of a small number (the finalizer of SplitMix64, Steele et al. 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// push puts a partial plan into a bucket, a heap whose root is the worst, if it is among the best there.
func (b *beam) push(to int, s partial) {
	for to >= len(b.buckets) {
		b.buckets = append(b.buckets, nil)
	}
	heap := b.buckets[to]
	if len(heap) == b.width && !worse(&heap[0], &s) {
		return
	}
	for i := range heap {
		if heap[i].set == s.set && heap[i].track == s.track {
			if worse(&heap[i], &s) {
				heap[i] = s
				sink(heap, i)
			}
			return
		}
	}
	if len(heap) == b.width {
		heap[0] = s
		sink(heap, 0)
		return
	}
	if heap == nil {
		if n := len(b.spare); n > 0 {
			heap, b.spare = b.spare[n-1], b.spare[:n-1]
		} else {
			heap = make([]partial, 0, b.width)
		}
	}
	heap = append(heap, s)
	for i := len(heap) - 1; i > 0 && worse(&heap[i], &heap[(i-1)/2]); i = (i - 1) / 2 {
		heap[i], heap[(i-1)/2] = heap[(i-1)/2], heap[i]
	}
	b.buckets[to] = heap
}

// worse reports whether a is worse than b; of equals the later ID is.
func worse(a, b *partial) bool {
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	return a.track > b.track
}

func sink(heap []partial, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && worse(&heap[child+1], &heap[child]) {
			child++
		}
		if !worse(&heap[child], &heap[i]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

func (b *beam) finish(f finished) {
	if len(b.best) == keptPlans {
		if f.cost >= b.best[keptPlans-1].cost {
			return
		}
		b.best = b.best[:keptPlans-1]
	}
	at, _ := slices.BinarySearchFunc(b.best, f, func(a, b finished) int { return compare(a.cost, b.cost) })
	b.best = slices.Insert(b.best, at, f)
}

// sequence is the tracks of a finished plan in order.
func (b *beam) sequence(f finished) []int32 {
	var seq []int32
	for i := f.parent; i >= 0; i = b.kept[i].parent {
		if b.kept[i].track != none {
			seq = append(seq, b.kept[i].track)
		}
	}
	slices.Reverse(seq)
	return seq
}
