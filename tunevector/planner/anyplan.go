package planner

import "math/bits"

// anyPlanSteps is how many partial plans are looked at when any plan will do.
const anyPlanSteps = 20_000

// anyPlan looks for any plan that keeps the hard constraints, depth first: the last resort in a small catalog, where
// the beam may have kept only dead ends. It gives up after a count of steps; nil where there is none or none was found.
func (in *instance) anyPlan() []int32 {
	steps := anyPlanSteps
	var seq []int32
	used := make([]uint64, in.words)
	var extend func(c cursor) bool
	extend = func(c cursor) bool {
		if len(seq) > in.lastPin && in.mayEnd(c.time, c.longest) {
			return true
		}
		if c.time >= in.duration || steps <= 0 {
			return false
		}
		steps--
		next := make([]uint64, in.words)
		if pin, ok := in.pins[len(seq)]; ok {
			set(next, int(pin))
		} else {
			in.allow(next, used, seq, c.time)
		}
		for w, word := range next {
			for ; word != 0; word &= word - 1 {
				k := w<<6 | bits.TrailingZeros64(word)
				seq = append(seq, int32(k))
				if in.spaced(seq, len(seq)-1) {
					set(used, k)
					if extend(cursor{time: c.time + in.seconds[k], longest: max(c.longest, in.seconds[k])}) {
						return true
					}
					unset(used, k)
				}
				seq = seq[:len(seq)-1]
			}
		}
		return false
	}
	if !extend(cursor{time: in.elapsed, longest: in.prefixLongest}) {
		return nil
	}
	return seq
}
