package ml

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	// finalists is how many trials of an algorithm are measured on the second holdout at most.
	finalists = 3
	// confirmWorth is how much of the NDCG@10 of the algorithm's best they must have.
	confirmWorth = 0.95
	// confirmShare is which part of the budget that may take.
	confirmShare = 0.2
	// againSalt makes the second split another than the first.
	againSalt = 0x616761696e
)

// again is a second holdout: a tenth of what each listener has in the data that the trials are fitted on.
type again struct {
	train *Data
	valid *Matrix
}

// confirmed returns the trials of an algorithm that are worth the second holdout, the best first.
func (a *arm) confirmed() []*Trial {
	var all []*Trial
	for _, t := range a.trials {
		if t.Done() && t.Metrics.Listeners > 0 {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b *Trial) int { return cmp.Compare(b.Metrics.NDCG10, a.Metrics.NDCG10) })
	all = slices.DeleteFunc(all, func(t *Trial) bool { return t.Metrics.NDCG10 < confirmWorth*all[0].Metrics.NDCG10 })
	return all[:min(len(all), finalists)]
}

// searched reports whether any algorithm was tried more than once: only then the best of many was chosen by luck, too.
func (s *search) searched() bool {
	return slices.ContainsFunc(s.arms, func(a *arm) bool { return len(a.trials) > 1 })
}

// confirmTime returns how long a trial takes on the second holdout.
func confirmTime(t *Trial) time.Duration { return seconds(headroom * (t.FitSeconds + t.ScoreSeconds)) }

// confirmKeep returns how long the second holdout takes at least, of the best of each algorithm: 0 where it is left out.
func (s *search) confirmKeep() time.Duration {
	if s.OneHoldout || !s.searched() {
		return 0
	}
	sum := time.Duration(0)
	for _, a := range s.parts() {
		sum += confirmTime(a.best)
	}
	if s.Budget > 0 && sum > time.Duration(confirmShare*float64(s.Budget)) {
		return 0
	}
	return sum
}

// confirm fits the best trials of the best algorithms once more, without another tenth of each listener's cells, and measures them by those. What was best of many on the first
// holdout was so by luck, too; from here on an algorithm's best is the one with the greatest mean of both, and so is the best of all. Where times are known, what the
// first holdout has settled stays.
func (s *search) confirm(ctx context.Context) {
	if s.confirmKeep() == 0 {
		return
	}
	train, valid := s.train.split(s.Seed^againSalt, s.Listeners, s.least)
	if valid.Cells() == 0 {
		return
	}
	s.second = &again{train, sample(valid, s.Listeners, s.Seed)}
	end := time.Time{}
	if s.Budget > 0 {
		// The fit of an algorithm's new best follows, if it is another.
		end = time.Now().Add(min(time.Duration(confirmShare*float64(s.Budget)), s.Budget-time.Since(s.start)-s.blendTime()))
	}
	parts := s.parts()
	for place := range finalists { // the best of all algorithms first
		for _, a := range parts {
			if all := a.confirmed(); place < len(all) && (place == 0 || end.IsZero() || time.Until(end) > 2*confirmTime(all[place])) {
				s.measureAgain(ctx, a, all[place])
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
	for _, a := range parts {
		s.settle(ctx, a)
	}
}

// measureAgain measures a trial on the second holdout.
func (s *search) measureAgain(ctx context.Context, a *arm, t *Trial) {
	s.tell(t, nil, Progress{})
	m, err := a.Fit(ctx, s.second.train, t.Values, FitOptions{Seed: s.Seed, Threads: s.Threads, Progress: func(p Progress) { s.tell(t, nil, p) }})
	if err != nil {
		return // it stays without; that it can be fitted it has shown
	}
	if s.rankAgain(ctx, m, t) {
		if a.again == nil {
			a.again = map[int]Model{}
		}
		a.again[t.Number] = m
	}
}

// rankAgain notes what a model that was fitted without the second holdout finds of it.
func (s *search) rankAgain(ctx context.Context, m Model, t *Trial) bool {
	r, err := rank(ctx, m, s.second.train.Heard, s.second.valid, recallDepth, s.Threads)
	if err != nil {
		return false
	}
	metrics := r.metrics()
	t.Second, t.secondGains, t.past = &metrics, r.gains, s.train.Times != nil
	s.all.Trials[t.Number-1] = *t
	return true
}

// settle makes the trial with the greatest mean of both holdouts an algorithm's best, and fits it again if it was another so far.
func (s *search) settle(ctx context.Context, a *arm) {
	best := a.best
	for _, t := range a.confirmed() {
		if t.Second != nil && (best.Second == nil || t.mean() > best.mean()) {
			best = t
		}
	}
	if best != a.best {
		m, err := a.Fit(ctx, s.train, best.Values, FitOptions{Seed: s.Seed, Threads: s.Threads})
		if err != nil {
			return // the old one is good, too
		}
		a.best, a.model = best, m
	}
}

// mean is by which trials are compared: NDCG@10, the mean of both holdouts where there are two.
func (t *Trial) mean() float64 {
	if t.Second == nil {
		return t.Metrics.Score()
	}
	return (t.Metrics.NDCG10 + t.Second.NDCG10) / 2 //nolint:mnd // the mean of two
}
