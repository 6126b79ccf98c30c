package ml

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	different        = 0.005  // NDCG@10; less means little
	differentAnswers = 0.0005 // nats an answer
	smaller          = 2      // times as many bytes of the better one speak for another that is no different
)

// choose sets what was chosen, and why, with its model. Where there was a second holdout, only those that were measured on it can be.
func (s *search) choose(ctx context.Context) {
	order := s.all.ranked()
	if s.answered {
		order = slices.DeleteFunc(order, func(i int) bool { return !s.stands(s.all.Trials[i].Number) })
	}
	if s.second != nil {
		both := slices.DeleteFunc(slices.Clone(order), func(i int) bool { return s.all.Trials[i].Second == nil })
		if len(both) > 0 {
			order = s.all.byBoth(both)
		}
	}
	if len(order) == 0 {
		s.all.Reason = "No trial came to an end."
		return
	}
	trials := s.all.Trials
	top, best := order[0], order[0]
	for _, i := range order[1:] {
		if t := &trials[i]; smaller*t.Bytes <= trials[top].Bytes && t.Bytes < trials[best].Bytes && same(&trials[top], t) {
			best = i
		}
	}
	var model Model
	best, model = s.fitted(ctx, best, top, order)
	chosen := &trials[best]
	s.all.Best, s.all.values, s.all.held, s.all.model = best, maps.Clone(chosen.Values), chosen.held, model
	for _, a := range s.arms {
		if a.Name() == chosen.Algorithm {
			s.all.algorithm = a.Algorithm
		}
	}
	s.all.Reason = s.reason(top, order)
}

// stands reports whether a trial is the best of its algorithm.
func (s *search) stands(number int) bool {
	return slices.ContainsFunc(s.arms, func(a *arm) bool { return a.best != nil && a.best.Number == number })
}

// fitted returns the best trial with its model. Of each algorithm only the model of its best trial was kept; another trial is fitted once more, if there is time for that. Else the top is taken, or what comes
// next of those whose models are there.
func (s *search) fitted(ctx context.Context, best, top int, order []int) (int, Model) {
	if m := s.modelOf(ctx, &s.all.Trials[best], true); m != nil {
		return best, m
	}
	for _, i := range append([]int{top}, order...) {
		if m := s.modelOf(ctx, &s.all.Trials[i], false); m != nil {
			return i, m
		}
	}
	return best, nil
}

// modelOf returns the model of a trial; nil if it was not kept and is not, or cannot be, fitted again.
func (s *search) modelOf(ctx context.Context, t *Trial, again bool) Model {
	var by *arm
	for _, a := range s.arms {
		if a.best != nil && a.best.Number == t.Number {
			return a.model
		}
		if a.Name() == t.Algorithm && !a.derived {
			by = a
		}
	}
	left := s.Budget - time.Since(s.start)
	if by == nil || !again || ctx.Err() != nil || s.Budget > 0 && seconds(headroom*t.FitSeconds) > left {
		return nil
	}
	m, err := by.Fit(ctx, s.train, t.Values, FitOptions{Seed: s.Seed, Threads: s.Threads})
	if err != nil {
		return nil // it could be before; whatever is wrong now, there are others
	}
	return m
}

// ranked returns the indexes of trials that were measured, the best first.
func (s *Selection) ranked() []int {
	var order []int
	for i := range s.Trials {
		if s.Trials[i].Done() && !s.Trials[i].Metrics.none() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Trials[b].Metrics.Score(), s.Trials[a].Metrics.Score()) })
	return order
}

// same reports whether b is no different from a, which has no smaller score.
func same(a, b *Trial) bool {
	mean, standard := gap(a, b)
	if a.Metrics.Answers != nil {
		return mean <= min(standard, differentAnswers)
	}
	return mean <= min(standard, different)
}

// byBoth returns trials that were measured on both holdouts, the best on the first of them first, in the order of their means. Those that the first holdout
// has settled to be worse than its best come last.
func (s *Selection) byBoth(order []int) []int {
	var open, settled []int
	for _, i := range order {
		if clearly(&s.Trials[order[0]], &s.Trials[i]) {
			settled = append(settled, i)
		} else {
			open = append(open, i)
		}
	}
	for _, part := range [][]int{open, settled} {
		slices.SortStableFunc(part, func(a, b int) int { return cmp.Compare(s.Trials[b].mean(), s.Trials[a].mean()) })
	}
	return append(open, settled...)
}

// settles is how many standard errors are no matter of chance.
const settles = 2

// clearly reports whether the first holdout alone settles that a is better than b: where the second lies further in the past, and may ask for what the present
// does not. Else both say as much, and what was best of many on the first was so by luck, too.
func clearly(a, b *Trial) bool {
	if !a.past {
		return false
	}
	mean, standard := meanError(minus(nil, a.gains, b.gains))
	return mean > settles*standard
}

// minus appends to d the differences of gains.
func minus(d, a, b []float64) []float64 {
	for i := range a {
		d = append(d, a[i]-b[i])
	}
	return d
}

// gap returns by how much the score of a is above that of b, and the standard error of that: on both holdouts where both were measured on the second and the first does not
// settle it.
func gap(a, b *Trial) (mean, standard float64) {
	differences := minus(make([]float64, 0, len(a.gains)+len(a.secondGains)), a.gains, b.gains)
	if a.Second != nil && b.Second != nil && !clearly(a, b) && !clearly(b, a) {
		differences = minus(differences, a.secondGains, b.secondGains)
	}
	return meanError(differences)
}

// reason says why the best was chosen: beside the top if that is another, and beside the best of each other algorithm.
func (s *search) reason(top int, order []int) string {
	t := &s.all.Trials[s.all.Best]
	var b strings.Builder
	figure := func(t *Trial) string {
		if a := t.Metrics.Answers; a != nil {
			return fmt.Sprintf("%.4f ± %.4f nats an answer better than always saying the mean, AUC %.4f, over %d answers", a.Gain, a.GainError, a.AUC, a.Answers)
		}
		return fmt.Sprintf("NDCG@10 %.4f ± %.4f over %d listeners%s", t.Metrics.NDCG10, t.Metrics.NDCG10Error, t.Metrics.Listeners, onSecond(t))
	}
	what := "finds most"
	if t.Metrics.Answers != nil {
		what = "foretells best"
	}
	fmt.Fprintf(&b, "%s (trial %d%s) %s: %s.", t.Algorithm, t.Number, describe(t, ": ", ""), what, figure(t))
	if top != s.all.Best {
		b.Reset()
		other := &s.all.Trials[top]
		mean, standard := gap(other, t)
		fmt.Fprintf(&b, "%s (trial %d%s), %s, is no different from the first, %s (trial %d): that has %.4f ± %.4f more, and is %.1f times as large.",
			t.Algorithm, t.Number, describe(t, ": ", ""), figure(t), other.Algorithm, other.Number, mean, standard, float64(other.Bytes)/float64(max(1, t.Bytes)))
	}
	said := map[string]bool{t.Algorithm: true, s.all.Trials[top].Algorithm: true}
	for _, i := range order {
		other := &s.all.Trials[i]
		if said[other.Algorithm] {
			continue
		}
		said[other.Algorithm] = true
		mean, standard := gap(t, other)
		verdict := "behind"
		if same(t, other) {
			verdict = "behind, which is no difference"
		}
		fmt.Fprintf(&b, " %s has %.4f, %.4f ± %.4f %s.", other.Algorithm, other.Metrics.Score(), mean, standard, verdict)
	}
	return b.String()
}

// onSecond says what a finalist found of the second holdout.
func onSecond(t *Trial) string {
	if t.Second == nil {
		return ""
	}
	return fmt.Sprintf(", and %.4f of a second holdout", t.Second.NDCG10)
}

// failures lists why trials did not come to an end.
func (s *search) failures() string {
	var all []string
	for _, t := range s.all.Trials {
		all = append(all, t.Algorithm+": "+t.Error+t.Stopped)
	}
	return strings.Join(all, "; ")
}

// describe returns the values of a trial in order, or the parts of a blend, between two texts; nothing for defaults.
func describe(t *Trial, before, after string) string {
	var all []string
	for _, p := range t.Parts {
		all = append(all, fmt.Sprintf("%.2f of trial %d", p.Weight, p.Trial))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Values)) {
		all = append(all, name+" "+t.Values[name])
	}
	if len(all) == 0 {
		return ""
	}
	return before + strings.Join(all, ", ") + after
}
