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

	type scored struct {
		cost float64
		i    int32
	}
	costs := make([]scored, 0, len(all))
	points := make([]point, len(all))
	rates := make([][2]float64, len(all))
	for i, c := range all {
		points[i] = candidatePoint(c)
		scale, _, _, fixed := in.ownCost(c, p.Discovery)
		rates[i] = [2]float64{scale / c.Duration, fixed / c.Duration}
	}
	moments := in.moments()
	each := p.Effort.Candidates // enough for a moment even if all others pick the same
	lists := make([][]scored, len(moments))
	for m, t := range moments {
		costs = costs[:0]
		stage, target := in.stageAt(t), in.target(t)
		for i, c := range all {
			if in.guided && !c.Stages.Has(stage) {
				continue
			}
			costs = append(costs, scored{rates[i][0]*distance2(points[i], target) + rates[i][1], int32(i)})
		}
		slices.SortFunc(costs, func(a, b scored) int {
			if a.cost != b.cost {
				return compare(a.cost, b.cost)
			}
			return compare(a.i, b.i)
		})
		lists[m] = slices.Clone(costs[:min(each, len(costs))])
	}
	for rank := 0; len(picked) < p.Effort.Candidates; rank++ {
		more := false
		for _, list := range lists {
			if rank >= len(list) {
				continue
			}
			more = true
			if i := list[rank].i; !taken[i] && len(picked) < p.Effort.Candidates {
				taken[i] = true
				picked = append(picked, all[i])
			}
		}
		if !more {
			break
		}
	}
	return picked, true
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
