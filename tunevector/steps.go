package tunevector

import (
	"math"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// locks are how far the tempo of a track may be from the steps, as a share of it: the first within which there is music enough is taken.
// Within 4 % feet and beat go together for a track; beyond 15 % nobody would say so, and tempo is a wish like any other.
var locks = []float64{0.04, 0.08, 0.15}

// lockedTimes is how many times the music must last that is left to plan, lest the lock decide everything.
const lockedTimes = 2.0

// beat is a tempo as steps count it: twice or half of it where that is nearer to the cadence, by what it is off, as a share of the cadence.
func beat(tempo, cadence float64) (felt, off float64) {
	felt, off = tempo, math.Inf(1)
	for _, t := range [...]float64{tempo, 2 * tempo, tempo / 2} {
		if o := math.Abs(t/cadence - 1); o < off {
			felt, off = t, o
		}
	}
	return felt, off
}

// lockTempo leaves only candidates whose beat goes with the steps, half and double time included, where there are enough; what is left
// is told to the planner by the tempo that is felt, so that half and double time are as good. What was pinned stays.
func (c *composition) lockTempo() {
	cadence := c.situation.tempo
	if cadence == 0 || c.def.Mode != AI || c.def.gives()[tempo] {
		return
	}
	pinned := map[string]bool{}
	for _, id := range c.problem.Pinned {
		pinned[id] = true
	}
	for _, within := range locks {
		var locked []planner.Candidate
		seconds := 0.0
		for _, p := range c.problem.Candidates {
			felt, off := beat(p.Features.Tempo, cadence)
			fits := p.Confidence > 0 && off <= within
			if fits {
				p.Features.Tempo = felt
				seconds += p.Duration
			}
			if fits || pinned[p.ID] {
				locked = append(locked, p)
			}
		}
		if seconds >= lockedTimes*(c.seconds()-c.elapsed()) {
			c.unlocked, c.problem.Candidates, c.problem.Shortlisted = c.problem.Candidates, locked, true
			return
		}
	}
}

// unlock takes the lock off where no plan can be had with it, and reports whether there was one.
func (c *composition) unlock() bool {
	if c.unlocked == nil {
		return false
	}
	c.problem.Candidates, c.unlocked = c.unlocked, nil
	return true
}
