package ml

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Foreteller is a Situated that says what was foretold of each answer that it was fitted to, in their order, by predictors and a calibration that had not seen it. That is
// how a small set of answers gives a validation as large as itself, without further fits.
type Foreteller interface {
	Situated
	Held() []Judgment
}

func aspectsOf(all []Finding) []string {
	var names []string
	for _, f := range all {
		names = append(names, f.Aspect)
	}
	return names
}

// hold measures a model by the answers.
func (s *search) hold(m Model, t *Trial) error {
	f, ok := m.(Foreteller)
	if !ok || len(f.Held()) != len(s.train.Answers) {
		return fmt.Errorf("ml: a model of %s does not say what it foretold of answers", m.Algorithm())
	}
	for i, h := range f.Held() {
		if !s.train.Answers[i].Aside {
			t.held = append(t.held, h)
		}
	}
	t.measured(s.likings())
	return nil
}

func (t *Trial) measured(likings []float64) {
	a, gains := measureAnswers(likings, t.held)
	t.Metrics, t.gains = Metrics{Answers: &a}, gains
}

func (s *search) likings() []float64 {
	all := make([]float64, 0, s.all.Held)
	for i := range s.train.Answers {
		if a := &s.train.Answers[i]; !a.Aside {
			all = append(all, a.Liking)
		}
	}
	return all
}

// together tries the best of each algorithm together.
func (s *search) together(ctx context.Context) {
	if s.answered {
		s.blendAnswers()
	} else {
		s.blend(ctx)
	}
}

// blendAnswers is blend for models of situations: their log odds are added up, with weights that are found in the same way, on the log loss. The answers are parted in five, so that each is
// foretold with weights chosen on the others.
func (s *search) blendAnswers() {
	parts := s.parts()
	if len(parts) < 2 { //nolint:mnd // one is no blend
		return
	}
	start := time.Now()
	likings := s.likings()
	held := make([][]Judgment, len(parts))
	for j, a := range parts {
		held[j] = a.best.held
	}
	t := &Trial{Number: len(s.all.Trials) + 1, Algorithm: blendName, Seed: s.Seed, held: make([]Judgment, len(likings))}
	for f := range blendFolds {
		weights := weighAnswers(likings, held, func(i int) bool { return i%blendFolds != f })
		some := make([]Judgment, len(parts))
		for i := f; i < len(likings); i += blendFolds {
			for j := range parts {
				some[j] = held[j][i]
			}
			t.held[i] = blended(some, weights)
		}
	}
	t.measured(likings)
	chosen, models, weights := t.madeOf(parts, weighAnswers(likings, held, func(int) bool { return true }))
	t.ScoreSeconds = time.Since(start).Seconds()
	if len(models) > 1 {
		m, err := blendOf(models, weights)
		if err != nil {
			t.Error = err.Error()
		}
		s.all.Trials = append(s.all.Trials, *t)
		if err == nil {
			s.arms = append(s.arms, &arm{Algorithm: chosen, best: t, model: m})
		}
		s.tell(t, t, Progress{})
	}
}

// sharpened are factors of a mean of log odds: those who err apart from each other are together surer than each of them.
var sharpened = []float64{1, 1.05, 1.1, 1.15, 1.2, 1.3}

// weighAnswers returns the weights of the parts, as some of the answers would have them.
func weighAnswers(likings []float64, held [][]Judgment, in func(i int) bool) []float64 {
	sums, odds := make([]float64, len(likings)), make([][]float64, len(held))
	for j := range held {
		odds[j] = make([]float64, len(likings))
		for i, h := range held[j] {
			odds[j][i] = logOdds(h.Probability)
		}
	}
	counts, best, least := make([]int, len(held)), make([]float64, len(held)), math.Inf(1)
	for n := 1; n <= blendRounds; n++ {
		at, factor, lowest := 0, 0.0, math.Inf(1)
		for j := range held {
			for _, sharp := range sharpened {
				loss := 0.0
				for i, y := range likings {
					if in(i) {
						loss += crossEntropy(y, probability(sharp*(sums[i]+odds[j][i])/float64(n)))
					}
				}
				if loss < lowest {
					at, factor, lowest = j, sharp, loss
				}
			}
		}
		counts[at]++
		for i := range sums {
			sums[i] += odds[at][i]
		}
		if lowest < least {
			least = lowest
			for j, c := range counts {
				best[j] = factor * float64(c) / float64(n)
			}
		}
	}
	return best
}

func probability(logOdds float64) float64 { return 1 / (1 + math.Exp(-logOdds)) }

func logOdds(p float64) float64 {
	p = min(max(p, leastLikely), 1-leastLikely)
	return math.Log(p / (1 - p))
}
