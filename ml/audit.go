package ml

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Finding is an aspect of situations that should not be learned from, and why.
type Finding struct {
	Aspect string `json:"aspect"`
	// Kind is "leak" (it foretells answers implausibly well), "with" (it belongs to one that leaks) or "drift" (it is not the same when the model is asked).
	Kind string `json:"kind"`
	Text string `json:"text"` // in English, with figures
}

// The kinds of findings.
const (
	Leak  = "leak"
	With  = "with"
	Drift = "drift"
)

const (
	auditFolds  = 10
	auditCells  = 8    // of an amount
	auditPrior  = 4    // answers like all that each cell begins with
	auditLeast  = 0.05 // of the entropy of an answer: what says less is no leak, whatever the rest is
	auditErrors = 2    // standard errors that what it says is above 0, at least
	auditFar    = 6    // standard errors between the answers where it has one value and all others, at least
	auditFew    = 50   // answers
	driftLeast  = 0.25 // share of moments that would have to change their value
	driftErrors = 6    // standard deviations of the chi-squared statistic
)

// Audit looks for aspects that should not be learned from.
//
// A leak is an aspect that by itself, whoever listens to whatever, foretells answers (those it was not counted on) better than the listener or the item do, far beyond chance: more than a twentieth of all that there is to know. In life a situation says
// less than a taste: what says more was recorded with the answer, or after it, and will not be there when the model is asked. Columns of 0 and 1 of which always one is 1 belong together, and are found
// together.
//
// A drift is an aspect whose values, or whether it is known, differ widely between the answers and serving: moments in which the model is going to be asked; nil for none that are known.
func Audit(d *Data, serving []Moment) ([]Finding, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	var answers []*Answer
	for i := range d.Answers {
		if a := &d.Answers[i]; !a.Aside {
			answers = append(answers, a)
		}
	}
	if len(answers) < auditFew {
		return nil, nil
	}
	mean := 0.0
	for _, a := range answers {
		mean += a.Liking / float64(len(answers))
	}
	entropy := crossEntropy(mean, mean)
	listener, _ := alone(answers, func(a *Answer) string { return strconv.Itoa(int(a.Listener)) })
	item, _ := alone(answers, func(a *Answer) string { return strconv.Itoa(int(a.Item)) })
	var all []Finding
	found := map[string]bool{}
	add := func(f Finding) {
		if !found[f.Aspect] {
			found[f.Aspect] = true
			all = append(all, f)
		}
	}
	for _, a := range d.Aspects {
		cell := cells(a, answers)
		gain, standard := alone(answers, func(x *Answer) string { return cell(x.Moment) })
		where, far := extremes(answers, cell)
		if gain < auditLeast*entropy || gain < auditErrors*standard || gain < max(listener, item) || far < auditFar {
			continue
		}
		add(Finding{a.Name, Leak, fmt.Sprintf(
			"%s: by itself it foretells answers better (%.3f ± %.3f nats each) than who listens (%.3f) or what is heard (%.3f), which no situation does: %s",
			a.Name, gain, standard, listener, item, where,
		)})
		for _, other := range siblings(a, d.Aspects, answers) {
			add(Finding{other, With, fmt.Sprintf("%s: always one of it, %s and others like it is 1, so it tells what %s is", other, a.Name, a.Name)})
		}
	}
	for _, a := range d.Aspects {
		if moved, beyond := drift(cells(a, answers), answers, serving); beyond && moved > driftLeast {
			add(Finding{a.Name, Drift, fmt.Sprintf("%s: where the model is asked, %.0f %% of the moments have other values than those of the answers", a.Name, 100*moved)})
		}
	}
	return all, nil
}

const unknownCell = "unknown"

// cells returns what parts moments by an aspect in a few cells.
func cells(a Aspect, answers []*Answer) func(Moment) string {
	if a.Kind == Category {
		return func(m Moment) string {
			if w, ok := m.Words[a.Name]; ok {
				return w
			}
			return unknownCell
		}
	}
	var values []float64
	for _, x := range answers {
		if v, ok := x.Moment.Numbers[a.Name]; ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	var edges []float64
	if distinct := slices.Compact(slices.Clone(values)); len(distinct) <= auditCells {
		edges = distinct
	} else {
		for c := range auditCells {
			edges = append(edges, values[c*len(values)/auditCells])
		}
		edges = slices.Compact(edges)
	}
	return func(m Moment) string {
		v, ok := m.Numbers[a.Name]
		if !ok {
			return unknownCell
		}
		at, found := slices.BinarySearch(edges, v)
		if !found {
			at = max(0, at-1)
		}
		if len(edges) == 0 {
			return unknownCell
		}
		return fmt.Sprintf("%.4g", edges[at])
	}
}

// alone returns by how many nats an answer is foretold better by the cell that it is in than by the mean of all, from answers of other folds, and the standard error.
func alone(answers []*Answer, cell func(*Answer) string) (gain, standard float64) {
	type tally struct{ n, yes float64 }
	folds := make([]map[string]tally, auditFolds)
	all, total := map[string]tally{}, tally{}
	names := make([]string, len(answers))
	sums := make([]tally, auditFolds)
	for f := range folds {
		folds[f] = map[string]tally{}
	}
	for i, a := range answers {
		names[i] = cell(a)
		f := i % auditFolds
		for _, m := range []map[string]tally{folds[f], all} {
			t := m[names[i]]
			m[names[i]] = tally{t.n + 1, t.yes + a.Liking}
		}
		sums[f] = tally{sums[f].n + 1, sums[f].yes + a.Liking}
		total = tally{total.n + 1, total.yes + a.Liking}
	}
	gains := make([]float64, len(answers))
	for i, a := range answers {
		f := i % auditFolds
		mean := (total.yes - sums[f].yes) / (total.n - sums[f].n)
		in, out := all[names[i]], folds[f][names[i]]
		p := (in.yes - out.yes + auditPrior*mean) / (in.n - out.n + auditPrior)
		gains[i] = crossEntropy(a.Liking, mean) - crossEntropy(a.Liking, p)
	}
	return meanError(gains)
}

// extremes tells of the cell that differs most from the rest, and by how many standard errors.
func extremes(answers []*Answer, cell func(Moment) string) (text string, far float64) {
	n, yes := map[string]float64{}, map[string]float64{}
	total, liked := float64(len(answers)), 0.0
	for _, a := range answers {
		c := cell(a.Moment)
		n[c]++
		yes[c] += a.Liking
		liked += a.Liking
	}
	mean := liked / total
	far = -1
	for c := range n {
		rest := total - n[c]
		if rest == 0 {
			continue
		}
		here, there := yes[c]/n[c], (liked-yes[c])/rest
		if x := math.Abs(here-there) * math.Sqrt(n[c]*rest/total/max(mean*(1-mean), leastLikely)); x > far || x == far && c < text {
			far = x
			text = fmt.Sprintf("%s: %.0f %% of %.0f are liked, and of the other %.0f %.0f %%", c, 100*here, n[c], rest, 100*there)
		}
	}
	return text, far
}

// siblings returns the other aspects of 0 and 1 of which, with a, always exactly one is 1.
func siblings(a Aspect, all []Aspect, answers []*Answer) []string {
	is := func(name string, i int) (one, binary bool) {
		x, ok := answers[i].Moment.Numbers[name]
		return x == 1, ok && (x == 0 || x == 1)
	}
	taken := make([]bool, len(answers))
	take := func(name string) bool {
		for i := range answers {
			one, binary := is(name, i)
			if !binary || one && taken[i] {
				return false
			}
		}
		for i := range answers {
			one, _ := is(name, i)
			taken[i] = taken[i] || one
		}
		return true
	}
	if a.Kind != Amount || !take(a.Name) {
		return nil
	}
	// Neighbors first: columns that belong together stand together.
	at := slices.IndexFunc(all, func(b Aspect) bool { return b.Name == a.Name })
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(x, y Aspect) int {
		far := func(b Aspect) int {
			return max(at-slices.IndexFunc(all, func(c Aspect) bool { return c.Name == b.Name }), slices.IndexFunc(all, func(c Aspect) bool { return c.Name == b.Name })-at)
		}
		return far(x) - far(y)
	})
	var names []string
	for _, b := range order {
		if b.Kind == Amount && b.Name != a.Name && take(b.Name) {
			names = append(names, b.Name)
			if !slices.Contains(taken, false) {
				return names
			}
		}
	}
	return nil
}

// drift returns what share of moments would have to change their cell for the answers' and serving to be alike, and whether that is beyond chance.
func drift(cell func(Moment) string, answers []*Answer, serving []Moment) (moved float64, beyond bool) {
	if len(serving) == 0 {
		return 0, false
	}
	here, there := map[string]float64{}, map[string]float64{}
	names := map[string]bool{}
	for _, a := range answers {
		c := cell(a.Moment)
		here[c]++
		names[c] = true
	}
	for _, m := range serving {
		c := cell(m)
		there[c]++
		names[c] = true
	}
	n, k := float64(len(answers)), float64(len(serving))
	statistic := 0.0
	for _, c := range slices.Sorted(maps.Keys(names)) { // in order, so that rounding is the same
		moved += math.Abs(here[c]/n-there[c]/k) / 2 //nolint:mnd // each is counted on both sides
		share := (here[c] + there[c]) / (n + k)
		statistic += (here[c]-n*share)*(here[c]-n*share)/(n*share) + (there[c]-k*share)*(there[c]-k*share)/(k*share)
	}
	freedom := float64(len(names) - 1)
	return moved, statistic > freedom+driftErrors*math.Sqrt(2*freedom)+driftErrors //nolint:mnd // the variance is twice the degrees of freedom
}

// WithoutAspects returns the data without these aspects of situations; d is not changed.
func (d *Data) WithoutAspects(names ...string) *Data {
	out := *d
	out.Aspects = slices.DeleteFunc(slices.Clone(d.Aspects), func(a Aspect) bool { return slices.Contains(names, a.Name) })
	out.Answers = slices.Clone(d.Answers)
	for i := range out.Answers {
		for _, name := range names {
			if _, n := out.Answers[i].Moment.Numbers[name]; !n {
				if _, w := out.Answers[i].Moment.Words[name]; !w {
					continue
				}
			}
			out.Answers[i].Moment = out.Answers[i].Moment.Without(name)
		}
	}
	return &out
}
