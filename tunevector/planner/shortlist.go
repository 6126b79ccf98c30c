package planner

import (
	"slices"
)

// shortlistSlices is how many moments of what remains of the arc a shortlist is made for, at least.
const shortlistSlices = 24

// shortlist picks the candidates that are looked at: all of them where the effort allows, else, for moments spread over
// the time that remains, those that cost least there, in turn until the number is reached. Pinned ones are always in it.
func (in *instance) shortlist(p *Problem, played map[string]bool, pinned map[string]int) (chosen []*Candidate, shortlisted bool) {
	all := make([]*Candidate, 0, len(p.Candidates))
	for i := range p.Candidates {
		c := &p.Candidates[i]
		if played[c.ID] {
			continue
		}
		if _, isPinned := pinned[c.ID]; !isPinned && in.guided && c.Stages&(AllStages>>(MaxStages-len(in.stages))) == 0 {
			continue // may play in no stage
		}
		all = append(all, c)
	}
	if len(all) <= p.Effort.Candidates {
		return all, false
	}
	slices.SortFunc(all, func(a, b *Candidate) int { return compare(a.ID, b.ID) })
	picked := make([]*Candidate, 0, p.Effort.Candidates)
	taken := make([]bool, len(all))
	for i, c := range all {
		if _, isPinned := pinned[c.ID]; isPinned {
			taken[i] = true
			picked = append(picked, c)
		}
	}

	points := make([]point, len(all))
	type rate struct {
		scale point
		fixed float64
	}
	rates := make([]rate, len(all)) // a second
	for i, c := range all {
		points[i] = candidatePoint(c)
		scale, _, _, fixed := in.ownCost(c, p.Discovery)
		rates[i] = rate{scale.by(1 / c.Duration), fixed / c.Duration}
	}
	moments := in.moments()
	heaps := make([]cheapest, len(moments))
	costs := make([]scored, 0, len(all))
	for m, t := range moments {
		costs = costs[:0]
		stage, target := in.stageAt(t), in.target(t)
		for i, c := range all {
			if in.guided && !c.Stages.Has(stage) {
				continue
			}
			costs = append(costs, scored{rates[i].scale.of(&points[i], &target) + rates[i].fixed, int32(i)})
		}
		// As many as are picked in all are enough for a moment, even if all others pick the same.
		halve(costs, p.Effort.Candidates, func(a, b scored) bool { return a.less(&b) })
		heaps[m] = slices.Clone(costs[:min(p.Effort.Candidates, len(costs))])
		heaps[m].order()
	}
	for more := true; more && len(picked) < p.Effort.Candidates; {
		more = false
		for m := range heaps {
			if len(heaps[m]) == 0 {
				continue
			}
			more = true
			if i := heaps[m].pop(); !taken[i] && len(picked) < p.Effort.Candidates {
				taken[i] = true
				picked = append(picked, all[i])
			}
		}
	}
	return picked, true
}

// scored is a candidate at a moment.
type scored struct {
	cost float64
	i    int32
}

func (a *scored) less(b *scored) bool { return a.cost < b.cost || a.cost == b.cost && a.i < b.i }

// cheapest are the candidates of a moment as a heap, the cheapest at the root: of each moment only the first few are wanted.
type cheapest []scored

func (h cheapest) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

// pop takes out the cheapest.
func (h *cheapest) pop() int32 {
	s := *h
	i, last := s[0].i, len(s)-1
	s[0] = s[last]
	*h = s[:last]
	h.sink(0)
	return i
}

func (h cheapest) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].less(&h[child]) {
			child++
		}
		if !h[child].less(&h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// moments are times spread over what remains of the plan, some in each stage.
func (in *instance) moments() []float64 {
	var moments []float64
	from := min(in.elapsed, in.duration)
	remaining := in.duration - from
	for _, stage := range in.stages {
		end := stage.End
		if end <= from {
			continue
		}
		n := 1 + int(shortlistSlices*(end-from)/(remaining+1))
		for i := range n {
			moments = append(moments, from+(end-from)*(float64(i)+0.5)/float64(n))
		}
		from = end
	}
	return moments
}
