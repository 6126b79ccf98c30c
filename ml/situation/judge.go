package situation

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
)

// asked implements ml.Judge.
type asked struct {
	*person
	given ml.Moment
	binding
	hidden []*binding // of each aspect: the same where it is unknown; nil until they are asked for
	traits []float64
	solved []float64
}

// binding is what the predictors say of one listener in one moment.
type binding struct {
	moment           []float64
	base, full, none func(*item) float64
}

func (p *person) bind(moment []float64) binding {
	b := binding{moment: moment, base: p.m.parts[0].bind(p.listener, nil)}
	if moment != nil {
		b.full, b.none = p.m.parts[1].bind(p.listener, moment), p.m.parts[1].bind(p.listener, nil)
	}
	return b
}

// of is judge.
func (b *binding) of(it *item) (base, effect float64) {
	if base = b.base(it); b.moment != nil {
		effect = b.full(it) - b.none(it)
	}
	return base, effect
}

// Of implements ml.Judge. A column that there is not is an item of which nothing is known.
func (j *asked) Of(column int32) ml.Judgment { return j.judge(j.item(column)) }

// OfNew implements ml.Judge.
func (j *asked) OfNew(about ml.Item) ml.Judgment {
	it := j.m.item(about)
	return j.judge(&it)
}

// Spread implements ml.Judge.
func (j *asked) Spread(column int32) float64 { return j.spread(j.item(column)) }

// SpreadOfNew implements ml.Judge.
func (j *asked) SpreadOfNew(about ml.Item) float64 {
	it := j.m.item(about)
	return j.spread(&it)
}

func (j *asked) item(column int32) *item {
	if column < 0 || int(column) >= len(j.m.encoder.items) {
		return &item{column: -1, numbers: make([]float64, len(j.m.Features))}
	}
	return &j.m.encoder.items[column]
}

func (j *asked) judge(it *item) ml.Judgment {
	base, effect := j.of(it)
	with, without := j.m.Calibration.of(base, effect), j.m.Calibration.of(base, 0)
	if j.mean != nil {
		j.m.traits(j.traits, &row{item: it, moment: j.moment})
		here := 1 + len(j.m.Features)
		for k, x := range j.traits {
			with += x * j.mean[k]
			if k < here {
				without += x * j.mean[k]
			}
		}
	}
	return ml.Judgment{Probability: logistic(with), Without: logistic(without)}
}

// spread returns the standard deviation of the log odds of an item.
func (j *asked) spread(it *item) float64 {
	j.m.traits(j.traits, &row{item: it, moment: j.moment})
	sum := 0.0
	if j.lower != nil {
		copy(j.solved, j.traits)
		j.lower.Solve(j.solved, 0)
		for _, x := range j.solved {
			sum += x * x
		}
		return math.Sqrt(sum)
	}
	for k, x := range j.traits {
		sum += x * x * j.at(j.variance, k)
	}
	return math.Sqrt(sum)
}

// logit returns the log odds of an item as the moment is, or another one.
func (j *asked) logit(it *item, b *binding) float64 {
	sum := j.m.Calibration.of(b.of(it))
	if j.mean != nil {
		j.m.traits(j.traits, &row{item: it, moment: b.moment})
		for k, x := range j.traits {
			sum += x * j.mean[k]
		}
	}
	return sum
}

const (
	leastReason  = 0.05 // log odds: what is worth telling
	featureShare = 0.25 // of an aspect's effect: what a feature must be behind to be told
	leastUnlike  = 0.3  // standard deviations of a feature from the usual
)

// Reasons implements ml.Judge.
func (j *asked) Reasons(column int32, n int) []string { return j.reasons(j.item(column), n) }

// ReasonsForNew implements ml.Judge.
func (j *asked) ReasonsForNew(about ml.Item, n int) []string {
	it := j.m.item(about)
	return j.reasons(&it, n)
}

func (j *asked) reasons(it *item, n int) []string {
	if j.moment == nil || n <= 0 {
		return nil
	}
	type effect struct {
		r      *reading
		hidden *binding
		x      float64
	}
	var all []effect
	if j.hidden == nil {
		j.hidden = make([]*binding, len(j.m.Readings))
	}
	full := j.logit(it, &j.binding)
	for i := range j.m.Readings {
		r := &j.m.Readings[i]
		if !known(j.moment, r) {
			continue
		}
		if j.hidden[i] == nil {
			b := j.bind(without(j.moment, r))
			j.hidden[i] = &b
		}
		if x := full - j.logit(it, j.hidden[i]); x >= leastReason {
			all = append(all, effect{r, j.hidden[i], x})
		}
	}
	slices.SortStableFunc(all, func(a, b effect) int { return cmp.Compare(b.x, a.x) })
	var told []string
	for _, e := range all[:min(n, len(all))] {
		told = append(told, j.like(it, e.hidden, e.x)+": "+j.now(e.r))
	}
	return told
}

func known(moment []float64, r *reading) bool {
	return slices.ContainsFunc(moment[r.From:r.From+r.Size], func(x float64) bool { return x != 0 })
}

// without returns a moment with one aspect unknown.
func without(moment []float64, r *reading) []float64 {
	m := slices.Clone(moment)
	clear(m[r.From : r.From+r.Size])
	return m
}

// now tells the value of an aspect.
func (j *asked) now(r *reading) string {
	say := func(key, otherwise string) string {
		if text := r.Say[key]; text != "" {
			return text
		}
		return otherwise
	}
	switch r.Kind {
	case ml.Category:
		word := j.given.Words[r.Name]
		return say(word, fmt.Sprintf("%s is %s", r.Name, word))
	case ml.Cycle:
		return say("now", "the "+r.Name+" it is")
	case ml.Amount:
	}
	if j.moment[r.From] < 0 {
		return say("low", r.Name+" is low")
	}
	return say("high", r.Name+" is high")
}

// like tells what it is in an item that an aspect speaks for: the feature that makes most of its effect.
func (j *asked) like(it *item, hidden *binding, effect float64) string {
	best, most := -1, featureShare*effect
	for f, z := range it.numbers {
		usual := 0.0
		if j.usual != nil {
			usual = j.usual[f]
		}
		if _, told := comparisons[j.m.Features[f]]; !told || math.Abs(z-usual) < leastUnlike {
			continue
		}
		other := *it
		other.numbers = slices.Clone(it.numbers)
		other.numbers[f] = usual
		if x := effect - (j.logit(&other, &j.binding) - j.logit(&other, hidden)); x > most {
			best, most = f, x
		}
	}
	if best < 0 {
		return "suits you now"
	}
	usual := 0.0
	if j.usual != nil {
		usual = j.usual[best]
	}
	word := comparisons[j.m.Features[best]][0]
	if it.numbers[best] > usual {
		word = comparisons[j.m.Features[best]][1]
	}
	if j.hour() {
		return word + " than your usual at this hour"
	}
	return word + " than your usual"
}

// hour reports whether the moment tells the time of the day.
func (j *asked) hour() bool {
	return slices.ContainsFunc(j.m.Readings, func(r reading) bool { return r.Kind == ml.Cycle && r.Period == 24 && r.Size > 0 && known(j.moment, &r) })
}

// comparisons tell less and more of a feature of items. Features that are not here are learned from, and not told.
var comparisons = map[string][2]string{
	"energy":           {"calmer", "more energetic"},
	"valence":          {"darker", "brighter"},
	"tempo":            {"slower", "faster"},
	"acousticness":     {"less acoustic", "more acoustic"},
	"instrumentalness": {"more sung", "more instrumental"},
	"loudness":         {"softer", "louder"},
	"danceability":     {"less danceable", "more danceable"},
	"speechiness":      {"with fewer words", "with more words"},
	"popularity":       {"less known", "better known"},
	"duration":         {"shorter", "longer"},
}
