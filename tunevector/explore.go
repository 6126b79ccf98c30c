package tunevector

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// How a vector tries what nobody knows yet to suit, so that it learns. By Thompson sampling: the listener is drawn as they might be from what their answers leave
// open, and the tracks that this draw says suit best now gain enough to be planned where they fit. Of a vector's tracks at most one in 8 is a
// try, those heard included, whatever is planned anew; so exploring costs a listener at most 12.5 % of the tracks. Nothing is tried before there
// is an answer in a known situation, nor without a variable that is opted into.
const (
	oneTryOf    = 8
	tryGains    = 0.6 // of taste, −1 to 1
	tasteCounts = 0.3 // of a candidate's taste, beside what its draw gains
	tryFrom     = 0.0 // the least taste that a try may have before
)

// explore chooses the tries among the candidates. Those that were planned before stay.
func (c *composition) explore() {
	budget := int(c.seconds()/typicalSeconds+0.5) / oneTryOf
	for _, t := range c.heard {
		if t.Try {
			budget--
		}
	}
	c.tries = map[string]bool{}
	for _, t := range c.keep {
		if t.Try && budget > 0 {
			c.tries[t.ID] = true
			budget--
		}
	}
	if c.now != nil && budget > 0 {
		type drawn struct {
			id    string
			gains float64
		}
		judge := c.now.person.Draw(rand.New(rand.NewPCG(uint64(c.seed), 3))).At(c.now.moment)
		var open []drawn
		for i := range c.problem.Candidates {
			p := &c.problem.Candidates[i]
			if p.Taste < tryFrom || p.Confidence <= 0 || c.tries[p.ID] {
				continue
			}
			item, permitted := c.tracks[p.ID].Item()
			if !permitted {
				continue
			}
			if gains := judge.OfNew(item).Probability - c.now.judge.OfNew(item).Probability; gains > 0 {
				open = append(open, drawn{p.ID, gains + tasteCounts*p.Taste})
			}
		}
		slices.SortFunc(open, func(a, b drawn) int { return cmp.Or(cmp.Compare(b.gains, a.gains), cmp.Compare(a.id, b.id)) })
		for _, t := range first(open, budget) {
			c.tries[t.id] = true
		}
	}
	for i := range c.problem.Candidates {
		if p := &c.problem.Candidates[i]; c.tries[p.ID] {
			p.Taste = min(p.Taste+tryGains, 1)
		}
	}
}
