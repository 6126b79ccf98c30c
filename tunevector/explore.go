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
// open, and the tracks that this draw says suit best now gain enough to be planned where they fit. Of a vector's tracks at most one in 8 is a
// try, those heard included, whatever is planned anew; so exploring costs a listener at most 12.5 % of the tracks. Nothing is tried before there
// is an answer in a known situation, nor without a variable that is opted into.
//
// The listener is drawn eight times, and one of these draws chooses. Which one is left to chance, so that the propensity of a track, how likely it was to be chosen, is the share of the draws that would
// have chosen it: exactly, whatever the draws were. It stands in the plan with what else could have been chosen, for as long as the consents that the plan was made under live; see [Service.Tries].
const (
	oneTryOf    = 8
	tryGains    = 0.6 // of taste, −1 to 1
	tasteCounts = 0.3 // of a candidate's taste, beside what its draw gains
	tryFrom     = 0.0 // the least taste that a try may have before
	committee   = 8   // draws, of which one chooses
)

// explore chooses the tries among the candidates. Those that were planned before stay.
func (c *composition) explore() {
	expected := int(c.seconds() / max(typicalSeconds, c.meanSeconds()))
	if len(c.keep) > 0 {
		expected = min(expected, len(c.heard)+len(c.keep))
	}
	budget := expected / oneTryOf
	for _, t := range c.heard {
		if t.Try {
			budget--
		}
	}
	c.tries = map[string]*tryRecord{}
	for _, t := range c.keep {
		if t.Try && budget > 0 {
			c.tries[t.ID] = t.Tried
			budget--
		}
	}
	if c.now != nil && c.now.handed > 0 && budget > 0 {
		c.try(budget)
	}
	c.untried = map[string]float64{}
	for i := range c.problem.Candidates {
		if p := &c.problem.Candidates[i]; c.isTry(p.ID) {
			c.untried[p.ID] = p.Taste
			p.Taste = min(p.Taste+tryGains, 1)
		}
	}
}

// triesTooMuch reports whether more of a plan than one track in 8 is a try, as where its tracks are longer and so fewer than was expected. Then only the first of the tries stay, and it has to be planned again.
func (c *composition) triesTooMuch(tracks []planner.Placed) bool {
	left := len(tracks) / oneTryOf
	for _, t := range c.heard {
		if t.Try {
			left--
		}
	}
	stay, tooMuch := map[string]*tryRecord{}, false
	for i := len(c.heard); i < len(tracks); i++ {
		if id := tracks[i].ID; c.isTry(id) && len(stay) < left {
			stay[id] = c.tries[id]
		} else if c.isTry(id) {
			tooMuch = true
		}
	}
	if !tooMuch {
		return false
	}
	c.tries = stay
	for i := range c.problem.Candidates {
		p := &c.problem.Candidates[i]
		if taste, tried := c.untried[p.ID]; tried && !c.isTry(p.ID) {
			p.Taste = taste
		}
	}
	return true
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

// try chooses at most so many tries, and notes how likely each was to be.
func (c *composition) try(budget int) {
	open, items := c.tryable()
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
	for _, id := range chosen {
		c.tries[id] = &tryRecord{Options: options, Slots: budget}
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
		if p.Taste < tryFrom || p.Confidence <= 0 || c.isTry(p.ID) {
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
