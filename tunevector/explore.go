package tunevector

import (
	"cmp"
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// How a vector tries what nobody knows yet to suit, so that it learns. By Thompson sampling: the listener is drawn as they might be from what their answers leave
// open, and the tracks that this draw says suit best now gain enough to be planned where they fit. Among the first n tracks of a vector at most ⌊n/8⌋ are
// tries, for every n, those heard included, whatever is planned anew: the first try is the 8th track at the earliest, the second the 16th. So wherever a
// listener stops, exploring has cost them at most 12.5 % of what they heard of the vector. Nothing is tried before there is an answer in a known
// situation, nor without a variable that is opted into.
//
// For this each try has a slot of its own, and may stand from the 8th, 16th, … track on for slot 1, 2, …. The planner knows no positions ahead, but stages: so
// a slot begins at the time at which its first position is expected, and when the plan is there, its positions are counted. A try that is planned keeps
// its position, also where it would be better to have another track there, or it would be planned away before its turn; but it goes once it suits less than
// tryFrom says, as after a change of the situation.
//
// The listener is drawn eight times, and one of these draws chooses. Which one is left to chance, so that the propensity of a track, how likely it was to be chosen, is the share of the draws that would
// have chosen it: exactly, whatever the draws were. It stands in the plan with what else could have been chosen, for as long as the consents that the plan was made under live; see [Service.Tries].
const (
	oneTryOf    = 8
	tryGains    = 0.6 // of taste, −1 to 1
	tasteCounts = 0.3 // of a candidate's taste, beside what its draw gains
	tryFrom     = 0.0 // the least taste that a try may have before
	committee   = 8   // draws, of which one chooses
	tryWaits    = 0.5 // tracks by which a slot begins later than expected, so that few tries come too early
)

// explore chooses the tries among the candidates. Those that were planned before stay where they are, unless they suit too little by now or stand too early.
func (c *composition) explore() {
	expected := int(c.seconds() / max(typicalSeconds, c.meanSeconds()))
	if len(c.keep) > 0 {
		expected = min(expected, len(c.heard)+len(c.keep))
	}
	var free []int // slots, ascending
	for slot := c.triesHeard() + 1; slot <= expected/oneTryOf; slot++ {
		free = append(free, slot)
	}
	c.tries, c.slots = map[string]*tryRecord{}, map[string]int{}
	stands := make(map[string]int, len(c.keep))
	for i, t := range c.keep {
		stands[t.ID] = len(c.heard) + i
	}
	usual := make(map[string]float64, len(c.keep)) // taste of what stands there
	for i := range c.problem.Candidates {
		p := &c.problem.Candidates[i]
		if _, planned := stands[p.ID]; planned {
			usual[p.ID] = p.Taste
		}
	}
	for i, t := range slices.Backward(c.keep) {
		position := len(c.heard) + i
		if taste, there := usual[t.ID]; !t.Try || !there || taste < tryFrom || c.pins(t.ID) || c.problem.Pinned[position] != "" {
			continue
		}
		if n, _ := slices.BinarySearch(free, slotsBy(position)+1); n > 0 { // the last one that has begun there, so that the earlier ones are left to others
			c.tries[t.ID], c.slots[t.ID] = t.Tried, free[n-1]
			free = slices.Delete(free, n-1, n)
			if c.problem.Pinned == nil {
				c.problem.Pinned = map[int]string{}
			}
			if c.def.Order == ByArc { // any other order has the last word
				c.problem.Pinned[position] = t.ID
			}
		}
	}
	if c.now != nil && c.now.handed > 0 && len(free) > 0 {
		c.try(free, stands)
	}
	c.untried = map[string]float64{}
	for i := range c.problem.Candidates {
		if p := &c.problem.Candidates[i]; c.isTry(p.ID) {
			c.untried[p.ID] = p.Taste
			p.Taste = min(p.Taste+tryGains, 1)
		}
	}
	c.stageTries()
}

// slotsBy is how many tries there may be among the tracks up to and with a position.
func slotsBy(position int) int { return (position + 1) / oneTryOf }

// triesHeard is how many of the tracks heard were tries; where that was to be forgotten, how many there may have been.
func (c *composition) triesHeard() int {
	n := c.forgotten / oneTryOf
	for _, t := range c.heard {
		if t.Try {
			n++
		}
	}
	return n
}

// pins reports whether the listener has pinned a track, which is then no try.
func (c *composition) pins(id string) bool {
	return slices.ContainsFunc(c.def.Pinned, func(p Pin) bool { return p.TrackID == id })
}

// stageTries lets tries play only from when their slots are expected to begin, and all else at any time: by stages of the problem, of which only the planner
// knows. Without tries that have to wait there are none. There are at most 51 slots: in a day, of 411 tracks at most as they are expected.
func (c *composition) stageTries() {
	if len(c.slots) == 0 || c.def.Order != ByArc { // another order puts the tracks elsewhere anyway
		return
	}
	var stages []planner.Stage
	stage := map[int]int{} // from which on there is room, by slot
	from, seconds := c.elapsed(), c.meanSeconds()
	for _, slot := range slices.Sorted(maps.Values(c.slots)) {
		if ahead := oneTryOf*slot - 1 - len(c.heard); ahead > 0 {
			begins := min(c.elapsed()+(float64(ahead)+tryWaits)*seconds, c.seconds()-seconds)
			if begins > from {
				stages, from = append(stages, planner.Stage{End: begins}), begins
			}
		}
		stage[slot] = len(stages)
	}
	if len(stages) == 0 {
		return
	}
	stages = append(stages, planner.Stage{End: c.problem.Duration})
	c.problem.Stages = stages
	for i := range c.problem.Candidates {
		p := &c.problem.Candidates[i]
		p.Stages = planner.AllStages
		if slot, is := c.slots[p.ID]; is {
			p.Stages <<= stage[slot]
		}
	}
}

// triesTooMuch reports whether anywhere in a plan more than one track in 8 of those up to there is a try, as where its tracks are longer than was expected, so
// that fewer are there by the time at which a slot begins. Then only those of the tries stay that are not too early, and it has to be planned again.
func (c *composition) triesTooMuch(tracks []planner.Placed) bool {
	heard, stay, tooMuch := c.triesHeard(), map[string]*tryRecord{}, false
	for i := len(c.heard); i < len(tracks); i++ {
		if id := tracks[i].ID; c.isTry(id) && heard+len(stay) < slotsBy(i) {
			stay[id] = c.tries[id]
		} else if c.isTry(id) {
			tooMuch = true
		}
	}
	if tooMuch {
		c.onlyTry(stay)
	}
	return tooMuch
}

// tryNothing gives up all tries where no plan can be had with them, and reports whether there were any.
func (c *composition) tryNothing() bool {
	if len(c.tries) == 0 {
		return false
	}
	c.onlyTry(map[string]*tryRecord{})
	return true
}

// onlyTry keeps these of the tries; the others become tracks like any other.
func (c *composition) onlyTry(stay map[string]*tryRecord) {
	c.tries = stay
	maps.DeleteFunc(c.problem.Pinned, func(_ int, id string) bool { _, tried := c.untried[id]; return tried && !c.isTry(id) })
	for i := range c.problem.Candidates {
		p := &c.problem.Candidates[i]
		if taste, tried := c.untried[p.ID]; tried && !c.isTry(p.ID) {
			p.Taste, p.Stages = taste, planner.AllStages
		}
	}
	if len(stay) == 0 {
		c.problem.Stages = nil
	}
}

// meanSeconds is how long the candidates are on the average.
func (c *composition) meanSeconds() float64 {
	sum := 0.0
	for i := range c.problem.Candidates {
		sum += c.problem.Candidates[i].Duration
	}
	return sum / max(float64(len(c.problem.Candidates)), 1)
}

func (c *composition) isTry(id string) bool {
	_, is := c.tries[id]
	return is
}

// try chooses at most one try for each free slot, and notes how likely each was to be. stands are the positions of what was planned before: of that only
// becomes a try what need not move for it.
func (c *composition) try(free []int, stands map[string]int) {
	open, items := c.tryable()
	budget := len(free)
	r := rand.New(rand.NewPCG(uint64(c.seed), 3))
	var chosen []string
	counts := map[string]int{}
	for member, draw := range c.now.person.Draws(r, committee, c.now.moment, items) {
		all := drawn(open, draw, budget)
		if member == 0 { // the draws are alike, so the first is as much left to chance as any
			chosen = all
		}
		for _, id := range all {
			counts[id]++
		}
	}
	var options []TryOption
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		options = append(options, TryOption{id, float64(counts[id]) / committee})
	}
	for _, id := range chosen { // what gains most first
		if at, planned := stands[id]; !planned || slotsBy(at) >= free[0] {
			c.tries[id], c.slots[id] = &tryRecord{Options: options, Slots: budget}, free[0]
			free = free[1:]
		}
	}
}

// tryable is a candidate that may become a try.
type tryable struct {
	id                 string
	probability, taste float64 // by what is known
}

// tryable returns which of the candidates may, and what a learner may see of them, in the same order.
func (c *composition) tryable() (open []tryable, items []ml.Item) {
	for i := range c.problem.Candidates {
		p := &c.problem.Candidates[i]
		if p.Taste < tryFrom || p.Confidence <= 0 || c.isTry(p.ID) || c.pins(p.ID) {
			continue
		}
		if j := c.now.of(c.tracks[p.ID]); j.permitted {
			open, items = append(open, tryable{p.ID, j.own.Probability, p.Taste}), append(items, j.item)
		}
	}
	return open, items
}

// drawn returns what suits best, by a draw of the listener, of what is not known to suit so well, at most n.
func drawn(open []tryable, draw []float64, n int) []string {
	type drawn struct {
		id    string
		gains float64
	}
	var better []drawn
	for i, t := range open {
		if gains := draw[i] - t.probability; gains > 0 {
			better = append(better, drawn{t.id, gains + tasteCounts*t.taste})
		}
	}
	slices.SortFunc(better, func(a, b drawn) int { return cmp.Or(cmp.Compare(b.gains, a.gains), cmp.Compare(a.id, b.id)) })
	ids := make([]string, 0, n)
	for _, t := range first(better, n) {
		ids = append(ids, t.id)
	}
	return ids
}

// tryRecord is what is stored with a try.
type tryRecord struct {
	Options []TryOption `json:"o"`
	Slots   int         `json:"n"`
}

// TryOption is a track that could have been chosen as a try, and how likely that was.
type TryOption struct {
	TrackID    string  `json:"t"`
	Propensity float64 `json:"p"` // above 0 to 1
}

// Tried is a track that was planned to learn whether it suits, and what came of it.
type Tried struct {
	TuneVectorID uuid.UUID
	TrackID      string
	Propensity   float64     // how likely it was to be chosen, above 0 to 1
	Reward       float64     // 1 if what the listener did with it says more for it than against it, else 0
	At           time.Time   // of the last of that
	Options      []TryOption // all that could be chosen, in the order of their ids, this one among them
	Slots        int         // how many were to be chosen at most
}

// Tries are the tries of a listener that they have answered to, vector by vector: what was chosen by chance, how likely that was, and from the log what came of it. From them
// [ml.ReplayChoices] tells what another way of choosing would have got, see [Tried.Replayed]. Tries of plans whose consents have ended are not among them. A try for which the planner found no place, or which was not reached, is not
// either: what is estimated is the reward of those that are heard.
func (s *Service) Tries(ctx context.Context, profileID uuid.UUID) ([]Tried, error) {
	consents, err := s.variables.Consents(ctx, profileID)
	if err != nil || len(consents) == 0 {
		return nil, err
	}
	type heard struct {
		vector uuid.UUID
		track  string
	}
	strengths, last := map[heard]float64{}, map[heard]time.Time{}
	for i, err := range s.learning.Interactions(ctx, profileID, time.Time{}, time.Time{}, false) {
		if err != nil {
			return nil, err
		}
		if i.TuneVectorID != uuid.Nil {
			h := heard{i.TuneVectorID, i.TrackID}
			strengths[h] += i.Strength()
			last[h] = i.At
		}
	}
	var all []Tried
	for stored, err := range s.vectors(ctx, profileID) {
		if err != nil {
			return nil, err
		}
		if stored.Played == 0 {
			continue
		}
		id := stored.id
		_, v, plan, err := s.read(ctx, profileID, id, store.Strong)
		if fault.KindOf(err) == fault.NotFound {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		if !v.live(consents) {
			continue
		}
		for _, t := range v.heard(plan) {
			h := heard{id, t.ID}
			if t.Tried == nil || math.Abs(strengths[h]) < saysSomething {
				continue
			}
			tried := Tried{TuneVectorID: id, TrackID: t.ID, At: last[h], Options: t.Tried.Options, Slots: t.Tried.Slots}
			if strengths[h] > 0 {
				tried.Reward = 1
			}
			for _, o := range t.Tried.Options {
				if o.TrackID == t.ID {
					tried.Propensity = o.Propensity
				}
			}
			all = append(all, tried)
		}
	}
	return all, nil
}

// Replayed is the try as a choice that another way of choosing is judged by. chance is how likely that would have a track among its tries, whose sum over the options must not be above Slots; foretold is the reward that a model expects of a
// track, nil for no model; listener is a number of the listener's own.
func (t *Tried) Replayed(chance, foretold func(trackID string) float64, listener int) ml.Replayed {
	r := ml.Replayed{Propensity: t.Propensity, Reward: t.Reward, Chance: chance(t.TrackID), Cluster: listener}
	if foretold == nil {
		return r
	}
	r.Foretold = foretold(t.TrackID)
	for _, o := range t.Options {
		r.Expected += chance(o.TrackID) * foretold(o.TrackID) / float64(t.Slots)
	}
	return r
}
