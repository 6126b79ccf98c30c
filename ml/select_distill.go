package ml

import (
	"context"
	"time"
)

// Distiller is an Algorithm that makes smaller models of larger ones. Package distill has one.
type Distiller interface {
	Algorithm
	// Of returns the algorithm that fits a teacher with values and makes a student of it, and the values with which it makes one of so many factors.
	Of(teacher Algorithm, v Values, factors int) (Algorithm, Values)
	// Student makes a student of so many factors. d are the teacher's.
	Student(ctx context.Context, teacher Factored, d *Data, factors int, o FitOptions) (Model, error)
}

// leastStudent is how many factors a student has at least.
const leastStudent = 4

// studentSizes returns what a teacher's factors are divided by.
func studentSizes() []int { return []int{2, 4, 8} } //nolint:mnd // a half, a quarter, an eighth

// distill tries smaller models that are made of the best one that is factored.
func (s *search) distill(ctx context.Context) {
	var of *arm
	for _, a := range s.parts() {
		if f, ok := a.model.(Factored); ok && s.Distill != nil && len(f.Items()) > 0 {
			of = a
			break
		}
	}
	if of == nil {
		return
	}
	teacher := of.model.(Factored) //nolint:forcetypeassert // it was found as one
	_, k := teacher.Factors()
	took := seconds(of.best.ScoreSeconds)
	for _, part := range studentSizes() {
		factors := k / part
		if ctx.Err() != nil || factors < leastStudent || s.Budget > 0 && s.limit(false) < 2*took {
			return
		}
		start := time.Now()
		algorithm, values := s.Distill.Of(of.Algorithm, of.best.Values, factors)
		t := &Trial{Number: len(s.all.Trials) + 1, Algorithm: algorithm.Name(), Values: values, Seed: s.Seed, Teacher: of.best.Number}
		s.tell(t, nil, Progress{})
		o := FitOptions{Seed: s.Seed, Threads: s.Threads}
		m, err := s.Distill.Student(ctx, teacher, s.train, factors, o)
		t.FitSeconds = of.best.FitSeconds + time.Since(start).Seconds()
		if err == nil {
			err = s.measure(ctx, m, t)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Error = err.Error()
		}
		t.Loss = of.best.Metrics.NDCG10 - t.Metrics.NDCG10
		s.all.Trials = append(s.all.Trials, *t)
		if err == nil {
			s.arms = append(s.arms, &arm{Algorithm: algorithm, best: t, model: m, derived: true})
			if again, ok := of.again[of.best.Number].(Factored); ok {
				if m, err := s.Distill.Student(ctx, again, s.second.train, factors, o); err == nil {
					s.rankAgain(ctx, m, t)
				}
			}
		}
		s.tell(t, t, Progress{})
		took = time.Since(start)
	}
}
