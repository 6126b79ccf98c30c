package planner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Order names how a planned set of tracks is sorted.
type Order string

// The orders. OrderArc is that of Solve; the empty Order is OrderArc.
const (
	OrderArc              Order = "arc"
	OrderEnergyAscending  Order = "energy-ascending"
	OrderEnergyDescending Order = "energy-descending"
	OrderTempoAscending   Order = "tempo-ascending"
	OrderTempoDescending  Order = "tempo-descending"
	OrderShuffle          Order = "shuffle"
)

// Valid reports whether o is one of the orders, or empty.
func (o Order) Valid() bool {
	_, ok := orderKeys[o]
	return ok || o == "" || o == OrderArc || o == OrderShuffle
}

// orderKeys are what the sorting orders sort by, ascending.
var orderKeys = map[Order]func(point) float64{
	OrderEnergyAscending:  func(p point) float64 { return p.e },
	OrderEnergyDescending: func(p point) float64 { return -p.e },
	OrderTempoAscending:   func(p point) float64 { return p.t },
	OrderTempoDescending:  func(p point) float64 { return -p.t },
}

// Reorder sorts what Solve planned for the same problem and gives it new start times, targets and costs; there is no
// bound and no baseline. planned is Solution.Tracks; its tracks must be in p.Candidates or p.Prefix, else an *InvalidError
// says so. The prefix and pinned tracks stay where they are, whatever else changes. With stages, tracks are sorted within
// the stage for which they were planned: the music changes at the same time as before, though a shorter track than the planned one
// may then lie there with its middle beyond the stage's end.
//
// Where the order breaks the artist gap, the next track in the order that keeps it comes first; where none does, the track comes
// earlier, as near to its place as it can; where that does not help either, the order wins, and Solution.ArtistGap says what was
// kept. OrderArc lets the local search improve the given order by exchanging tracks. The shuffle is that of p.Seed.
func Reorder(ctx context.Context, p Problem, planned []Placed, order Order) (Solution, error) {
	if err := p.validate(); err != nil {
		return Solution{}, err
	}
	in, seq, stages, err := p.replay(planned, order)
	if err != nil {
		return Solution{}, err
	}
	if order == OrderArc || order == "" {
		l := newLocal(in, p.Effort.withDefaults(p.Duration).Moves)
		l.stages, l.homes = stages, make([]int, len(in.ids))
		for i, k := range seq {
			l.homes[k] = stages[i]
		}
		if l.start(seq) {
			l.permute(ctx)
			seq = l.seq
		}
	} else {
		seq = in.sortSpaced(seq, stages, order, p.Seed)
	}
	in.gap = in.keptGap(seq)
	s := in.place(seq)
	s.Complete = ctx.Err() == nil
	for i, stage := range stages {
		s.Tracks[len(p.Prefix)+i].Stage = stage
	}
	return s, nil
}

// replay makes an instance of just the tracks that were planned, and their sequence and stages in it.
func (p *Problem) replay(planned []Placed, order Order) (in *instance, seq []int32, stages []int, err error) {
	var bad InvalidError
	if !order.Valid() {
		bad.add("order", "must be arc, energy-ascending, energy-descending, tempo-ascending, tempo-descending or shuffle")
	}
	byID := make(map[string]*Candidate, len(p.Candidates))
	for i := range p.Candidates {
		byID[p.Candidates[i].ID] = &p.Candidates[i]
	}
	small := *p
	small.Candidates = nil
	ids := make(map[string]int, len(planned))
	for i, track := range planned {
		field := fmt.Sprintf("planned[%d]", i)
		if i < len(p.Prefix) {
			if track.ID != p.Prefix[i].ID {
				bad.add(field, "is not the track of the prefix")
			}
			continue
		}
		c, ok := byID[track.ID]
		if !ok {
			bad.add(field, "is not a candidate")
			continue
		}
		if _, ok := ids[track.ID]; ok {
			bad.add(field, "stands there twice")
			continue
		}
		if len(p.Stages) > 0 && (track.Stage < 0 || track.Stage >= len(p.Stages)) {
			bad.add(field, "has no stage of the problem")
		}
		ids[track.ID] = i
		again := *c
		again.Stages = AllStages // it was planned for one; the order is kept within that
		small.Candidates = append(small.Candidates, again)
		stages = append(stages, track.Stage)
	}
	if len(planned) < len(p.Prefix) {
		bad.add("planned", "must begin with the prefix")
	}
	small.Pinned = nil
	for position, id := range p.Pinned {
		if i, ok := ids[id]; ok && i == position {
			if small.Pinned == nil {
				small.Pinned = make(map[int]string)
			}
			small.Pinned[position] = id
		}
	}
	if err := bad.orNil(); err != nil {
		return nil, nil, nil, err
	}
	small.Effort.Candidates = len(small.Candidates)
	in = newInstance(&small)
	seq = make([]int32, len(stages))
	for k, id := range in.ids {
		seq[ids[id]-len(p.Prefix)] = int32(k)
	}
	return in, seq, stages, nil
}

// sortSpaced sorts with the largest artist gap that a sorted sequence keeps: one that cannot be kept may spoil a smaller one.
func (in *instance) sortSpaced(seq []int32, stages []int, order Order, seed uint64) []int32 {
	asked := in.gap
	defer func() { in.gap = asked }()
	var best []int32
	most := 0
	for gap := asked; gap > most; gap-- {
		in.gap = gap
		sorted := in.sort(seq, stages, order, seed)
		in.gap = asked
		if kept := in.keptGap(sorted); kept > most {
			best, most = sorted, kept
		}
	}
	return best
}

// sort sorts within runs of the same stage, around pinned tracks.
func (in *instance) sort(seq []int32, stages []int, order Order, seed uint64) []int32 {
	keys := make([]float64, len(in.ids))
	random := rand.New(rand.NewPCG(seed, 3))
	for k := range keys {
		if key := orderKeys[order]; key != nil {
			keys[k] = key(in.points[k])
		} else {
			keys[k] = random.Float64()
		}
	}
	sorted := slices.Clone(seq)
	for from := 0; from < len(seq); {
		to := from + 1
		for to < len(seq) && stages[to] == stages[from] {
			to++
		}
		var run []int32
		for i := from; i < to; i++ {
			if has(in.free, int(seq[i])) {
				run = append(run, seq[i])
			}
		}
		slices.SortFunc(run, func(a, b int32) int { return compareThen(keys[a], keys[b], int(a), int(b)) })
		for i := from; i < to; i++ {
			if !has(in.free, int(seq[i])) {
				continue
			}
			next := -1
			for j, k := range run {
				sorted[i] = k
				if in.spaced(sorted, i) && in.spacedAhead(sorted, i) {
					next = j
					break
				}
			}
			if next < 0 {
				next = 0
				sorted[i] = run[0]
				in.moveForward(sorted, from, i)
			}
			run = slices.Delete(run, next, next+1)
		}
		from = to
	}
	return sorted
}

// moveForward puts the track at i, which is too near to others, in the last place before it, but not before from, where all keep their
// distance; what lies between moves back, around pinned tracks. Where there is no such place it changes nothing.
func (in *instance) moveForward(seq []int32, from, i int) {
	trial := slices.Clone(seq[:i+1])
	at := i
	for j := i - 1; j >= from; j-- {
		if !has(in.free, int(seq[j])) {
			continue
		}
		trial[at], trial[j] = trial[j], trial[at]
		at = j
		kept := true
		for m := j; m <= i && kept; m++ {
			kept = in.spaced(trial, m) && (!has(in.free, int(trial[m])) || in.spacedAhead(trial, m))
		}
		if kept {
			copy(seq, trial)
			return
		}
	}
}

// spacedAhead reports whether the track at i keeps its distance from what is pinned behind it.
func (in *instance) spacedAhead(seq []int32, i int) bool {
	for ahead := 1; ahead < in.gap; ahead++ {
		if pin, ok := in.pins[i+ahead]; ok && in.conflicting(pin, seq[i]) {
			return false
		}
	}
	return true
}

// keptGap is the largest artist gap up to that asked for which the sequence keeps.
func (in *instance) keptGap(seq []int32) int {
	asked := in.gap
	defer func() { in.gap = asked }()
	for ; in.gap > 1; in.gap-- {
		kept := true
		for i := range seq {
			kept = kept && in.spaced(seq, i)
		}
		if kept {
			break
		}
	}
	return in.gap
}
