package ml

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// arm is an algorithm in a search.
type arm struct {
	Algorithm
	fixed    Values
	searched []Parameter
	tried    map[string]bool
	trials   []*Trial
	best     *Trial        // nil for none
	model    Model         // of best
	again    map[int]Model // by trial, those that were fitted without the second holdout
	derived  bool          // made of what others have learned
	curves   [][]TrialStep
	over     bool // nothing more comes of it
}

func newArm(a Algorithm, fixed Values) *arm {
	m := &arm{Algorithm: a, fixed: fixed, tried: map[string]bool{}}
	for _, p := range a.Parameters() {
		if _, is := fixed[p.Name]; !is && (p.Choices != nil && !p.Kept || p.From < p.To) {
			m.searched = append(m.searched, p)
		}
	}
	m.tried[m.key(fixed)] = true
	return m
}

// beaten reports whether a trial takes the place of the algorithm's best: of models of situations, of which the holdout is small, only if it is better by more than a standard error.
func (a *arm) beaten(t *Trial) bool {
	switch {
	case a.best == nil:
		return true
	case t.Metrics.Answers == nil:
		return t.Metrics.Score() > a.best.Metrics.Score()
	}
	mean, standard := meanError(minus(nil, t.gains, a.best.gains))
	return mean > standard
}

// key tells values that mean the same as the same.
func (a *arm) key(v Values) string {
	var all []string
	for _, p := range a.searched {
		if p.Choices != nil {
			all = append(all, v.Choice(a.searched, p.Name))
		} else {
			all = append(all, number(v.Number(a.searched, p.Name)))
		}
	}
	return strings.Join(all, "\t")
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

const (
	drawTries = 30
	drawAnew  = 1.0 / 3 // share of trials that are drawn at random
	drawMove  = 1.0 / 2 // share of hyperparameters that are moved in the others
	drawTurn  = 1.0 / 4 // share of choices that are made anew
	drawFar   = 0.3     // of the searched range: the largest standard deviation of a move
)

// Starter is an [Algorithm] that suits other data with other values than its defaults. A search tries these early.
type Starter interface {
	// Starts returns such values.
	Starts() []Values
}

// start returns the next of an algorithm's values to begin with that was not tried; nil if there is none.
func (a *arm) start() Values {
	from, ok := a.Algorithm.(Starter)
	if !ok || a.best == nil {
		return nil
	}
	for _, more := range from.Starts() {
		v := maps.Clone(more)
		maps.Copy(v, a.fixed)
		if key := a.key(v); !a.tried[key] {
			a.tried[key] = true
			return v
		}
	}
	return nil
}

// propose returns values that were not tried yet; nil if none turn up.
func (a *arm) propose(r *rand.Rand) Values {
	if len(a.searched) == 0 {
		return nil
	}
	for range drawTries {
		v := Values{}
		maps.Copy(v, a.fixed)
		maps.Copy(v, a.best.Values)
		if r.Float64() < drawAnew {
			for _, p := range a.searched {
				v[p.Name] = anywhere(r, p)
			}
		} else {
			a.move(r, v)
		}
		if key := a.key(v); !a.tried[key] {
			a.tried[key] = true
			return v
		}
	}
	return nil
}

func anywhere(r *rand.Rand, p Parameter) string {
	if p.Choices != nil {
		return p.Choices[r.IntN(len(p.Choices))]
	}
	return p.at(r.Float64())
}

// move changes some of the values, most of them a little.
func (a *arm) move(r *rand.Rand, v Values) {
	sure := r.IntN(len(a.searched))
	far := drawFar * r.Float64()
	for i, p := range a.searched {
		x, step := r.Float64(), r.NormFloat64()
		switch {
		case p.Choices != nil:
			if x < drawTurn || i == sure {
				v[p.Name] = p.Choices[r.IntN(len(p.Choices))]
			}
		case x < drawMove || i == sure:
			v[p.Name] = p.at(p.place(v.Number(a.searched, p.Name)) + far*step)
		}
	}
}

// at returns the value at a place of the searched range, 0 to 1. What lies beyond is reflected.
func (p Parameter) at(place float64) string {
	place = math.Abs(math.Mod(place, 2))
	if place > 1 {
		place = 2 - place
	}
	x := p.From + place*(p.To-p.From)
	if p.Log {
		x = p.From * math.Pow(p.To/p.From, place)
	}
	if p.Whole {
		x = math.Round(x)
	}
	x, _ = strconv.ParseFloat(fmt.Sprintf("%.3g", x), 64) // three digits are enough to tell values apart
	return number(max(p.From, min(x, p.To)))
}

// place is the inverse of at, for values inside the range; those outside are at its ends.
func (p Parameter) place(x float64) float64 {
	x = max(p.From, min(x, p.To))
	if p.Log {
		return math.Log(x/p.From) / math.Log(p.To/p.From)
	}
	return (x - p.From) / (p.To - p.From)
}

// parts returns the algorithms whose best models are worth blending, the best first. Under a budget, those are left out that would take more of it than there is for
// a blend.
func (s *search) parts() []*arm {
	top := s.top()
	var parts []*arm
	for _, a := range s.arms {
		if a.best != nil && !a.derived && a.best.Metrics.Score() > 0 && a.best.Metrics.Score() >= blendWorth*top {
			parts = append(parts, a)
		}
	}
	slices.SortStableFunc(parts, func(a, b *arm) int { return cmp.Compare(b.best.mean(), a.best.mean()) })
	if s.Budget == 0 {
		return parts[:min(len(parts), blendMost)]
	}
	left := time.Duration(blendShare * float64(s.Budget))
	inTime := parts[:0]
	for i, a := range parts {
		if took := s.partTime(a); i == 0 || took <= left {
			inTime = append(inTime, a)
			left -= took
		}
	}
	return inTime[:min(len(inTime), blendMost)]
}
