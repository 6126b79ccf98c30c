package planner

// Song path tools look at each track's distance from the target alone: greedy without the transition, by the same cost.
func TargetGreedyCost(p Problem) float64 {
	p.Effort = p.Effort.withDefaults(p.Duration)
	in := newInstance(&p)
	seq := in.greedy(0)
	if seq == nil {
		return 0
	}
	return in.exactCost(seq)
}
