package situation

import (
	"math"
	"math/rand/v2"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// What is one listener's own, beyond what a predictor knows of them: weights of log odds for a constant, for the numbers of items, and for those of the moment. The variances of their priors
// are those of all weights of a kind together, as of blocks of the logistic regression.
const (
	ownConstant = 0.8
	ownFeatures = 0.6
	ownMoment   = 0.2
	ownSteps    = 4 // of Newton's method
)

// own returns how many weights are a listener's own.
func (e *encoder) own() int { return 1 + len(e.Features) + e.Size }

// traits writes what a listener's own weights are multiplied with.
func (e *encoder) traits(dst []float64, r *row) {
	clear(dst)
	dst[0] = 1
	copy(dst[1:], r.item.numbers)
	copy(dst[1+len(e.Features):], r.moment)
}

// precision returns that of the prior of a listener's own weight.
func (e *encoder) precision(k int) float64 {
	switch {
	case k == 0:
		return 1 / ownConstant
	case k <= len(e.Features):
		return float64(len(e.Features)) / ownFeatures
	}
	return float64(e.Size) / ownMoment
}

// person implements ml.Person. What is their own is normal, with a mean and a precision matrix, or only variances.
type person struct {
	m        *Model
	listener int32
	mean     []float64    // nil means 0
	lower    vector.Lower // the Cholesky factor of the precision matrix; nil: see variances
	variance []float64    // nil, with lower nil: nothing is drawn
	usual    []float64    // the mean of the numbers of what they answered to; nil: not known
}

// listenersVariances returns how sure the weights are that are each listener's own, of listeners of the data: the inverse of the diagonal of the precision matrix.
func (m *Model) listenersVariances(s sample) []float32 {
	n := m.own()
	sums := make([]float64, m.Listeners*n)
	x := make([]float64, n)
	for i := range s.rows {
		r := &s.rows[i]
		if r.listener < 0 {
			continue
		}
		p := logistic(m.logit(r))
		m.traits(x, r)
		for k := range x {
			sums[int(r.listener)*n+k] += s.weights[i] * p * (1 - p) * x[k] * x[k]
		}
	}
	all := make([]float32, len(sums))
	for i, sum := range sums {
		all[i] = float32(1 / (sum + m.precision(i%n)))
	}
	return all
}

// logit returns the calibrated log odds of a row.
func (m *Model) logit(r *row) float64 { return m.Calibration.of(judge(m.parts, *r)) }

// Row implements ml.Situated.
func (m *Model) Row(listener int) ml.Person {
	u, n := m.listener(listener), m.own()
	p := &person{m: m, listener: u, variance: make([]float64, n)}
	for k := range p.variance {
		p.variance[k] = 1 / m.precision(k)
		if u >= 0 {
			p.variance[k] = float64(m.variances[int(u)*n+k])
		}
	}
	return p
}

// Person implements ml.Situated. Answers to items that the model does not know are left out. What is their own is the mode of its posterior, and normal around it (Laplace's
// approximation).
func (m *Model) Person(own []ml.Answer) ml.Person {
	n := m.own()
	p := &person{m: m, listener: -1, mean: make([]float64, n), lower: vector.NewLower(n), usual: make([]float64, len(m.Features))}
	type answer struct {
		traits                 []float64
		logit, target, weights float64
	}
	var all []answer
	for i := range own {
		a := &own[i]
		if a.Item < 0 || int(a.Item) >= len(m.items) {
			continue
		}
		r := row{-1, &m.encoder.items[a.Item], m.moment(a.Moment)}
		x := answer{make([]float64, n), m.logit(&r), a.Liking, 1}
		m.traits(x.traits, &r)
		if a.Weight > 0 {
			x.weights = a.Weight
		}
		all = append(all, x)
		for f, z := range r.item.numbers {
			p.usual[f] += z
		}
	}
	for f := range p.usual {
		p.usual[f] /= float64(max(1, len(all)))
	}
	gradient := make([]float64, n)
	for range ownSteps {
		clear(p.lower)
		for k := range n {
			p.lower.Row(k)[k] = m.precision(k)
			gradient[k] = -m.precision(k) * p.mean[k]
		}
		for i := range all {
			a := &all[i]
			at := a.logit
			for k, x := range a.traits {
				at += x * p.mean[k]
			}
			q := logistic(at)
			g, c := a.weights*(a.target-q), a.weights*q*(1-q)
			for k, x := range a.traits {
				if x == 0 {
					continue
				}
				gradient[k] += g * x
				row := p.lower.Row(k)
				for j := range row {
					row[j] += c * x * a.traits[j]
				}
			}
		}
		p.lower.Factor() // it is positive definite by its priors
		p.lower.Solve(gradient, 0)
		p.lower.SolveTransposed(gradient)
		for k := range p.mean {
			p.mean[k] += gradient[k]
		}
	}
	return p
}

// Draw implements ml.Person.
func (p *person) Draw(r *rand.Rand) ml.Person {
	x := make([]float64, p.m.own())
	for k := range x {
		x[k] = r.NormFloat64()
	}
	switch {
	case p.lower != nil:
		p.lower.SolveTransposed(x)
	default:
		for k := range x {
			x[k] *= math.Sqrt(p.at(p.variance, k))
		}
	}
	for k := range x {
		x[k] += p.at(p.mean, k)
	}
	return &person{m: p.m, listener: p.listener, mean: x, usual: p.usual}
}

func (p *person) at(x []float64, k int) float64 {
	if x == nil {
		return 0
	}
	return x[k]
}

// At implements ml.Person.
func (p *person) At(m ml.Moment) ml.Judge {
	n := p.m.own()
	return &asked{person: p, given: m, binding: p.bind(p.m.moment(m)), traits: make([]float64, n), solved: make([]float64, n)}
}
