package situation

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Machine is ml.Algorithm "machine": a factorization machine of the second order. Each column (listener, item, tag, artist, number of the item, number of the moment) has a weight and a
// vector, and what two columns say together is the inner product of their vectors: so pairs that were never seen together are told from others. It is fitted by stochastic gradients
// with a step for each number of its own, to the logistic loss, with normal priors.
//
// Sources: Rendle, "Factorization machines" (2010); Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).
type Machine struct{}

var _ ml.Algorithm = Machine{}

// Name implements ml.Algorithm.
func (Machine) Name() string { return "machine" }

// Parameters implements ml.Algorithm.
func (Machine) Parameters() []ml.Parameter {
	return append([]ml.Parameter{
		{Name: "factors", Doc: "length of the vectors", Default: 8, Min: 1, Max: 256, Whole: true, From: 4, To: 16, Log: true},
		{Name: "weights", Doc: "variance of the prior of a weight", Default: 0.5, Min: 1e-6, Max: 1e6, From: 0.1, To: 2, Log: true},
		{Name: "vectors", Doc: "variance of the prior of what two vectors say together", Default: 1.5, Min: 1e-6, Max: 1e6, From: 0.5, To: 6, Log: true},
		{Name: "situation", Doc: "factor of the variances of the columns of the moment", Default: 0.3, Min: 1e-6, Max: 1e6, From: 0.05, To: 2, Log: true},
		{Name: "rate", Doc: "length of the first steps along the gradient", Default: 0.1, Min: 1e-6, Max: 10},
		{Name: "epochs", Doc: "of all answers", Default: 60, Min: 1, Max: 10000, Whole: true},
	}, common()...)
}

// Fit implements ml.Algorithm; see the package for what all of its algorithms have in common.
func (a Machine) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	return fit(ctx, a, d, v, o, func(e *encoder, s sample, situated bool) (predictor, error) {
		return fitMachine(ctx, e, s, situated, machineOptions{
			factors: int(v.Number(p, "factors")), epochs: int(v.Number(p, "epochs")), rate: v.Number(p, "rate"),
			weights: v.Number(p, "weights"), vectors: v.Number(p, "vectors"), situation: v.Number(p, "situation"),
		})
	})
}

// Open implements ml.Algorithm.
func (a Machine) Open(f *safetensors.File) (ml.Model, error) { return open(a.Name(), f, openMachine) }

type machineOptions struct {
	factors, epochs                   int
	rate, weights, vectors, situation float64
}

// fields say where the columns of a factorization machine are.
type fields struct {
	item, tag, artist, feature, moment, end int
}

func newFields(e *encoder) fields {
	f := fields{item: e.Listeners}
	f.tag = f.item + len(e.items)
	f.artist = f.tag + len(e.tags)
	f.feature = f.artist + len(e.artists)
	f.moment = f.feature + len(e.Features)
	f.end = f.moment + e.Size
	return f
}

// read writes the columns of a row that are not 0; the numbers of an item, and of a moment, weigh as much as one column together.
func (f *fields) read(c *columns, r *row, situated bool) {
	c.at, c.x = c.at[:0], c.x[:0]
	if r.listener >= 0 {
		c.add(int(r.listener), 1)
	}
	if r.item.column >= 0 {
		c.add(f.item+int(r.item.column), 1)
	}
	for _, t := range r.item.tags {
		c.add(f.tag+int(t), 1/math.Sqrt(float64(len(r.item.tags))))
	}
	for _, a := range r.item.artists {
		c.add(f.artist+int(a), 1/math.Sqrt(float64(len(r.item.artists))))
	}
	scale := 1 / math.Sqrt(float64(max(1, f.moment-f.feature)))
	for i, x := range r.item.numbers {
		c.add(f.feature+i, x*scale)
	}
	if !situated {
		return
	}
	scale = 1 / math.Sqrt(float64(max(1, f.end-f.moment)))
	for i, x := range r.moment {
		if x != 0 {
			c.add(f.moment+i, x*scale)
		}
	}
}

// machine is a fitted factorization machine.
type machine struct {
	fields
	k       int
	bias    float32
	weights []float32
	vectors []float32 // row by row
}

const machineSalt = 0x666d

func fitMachine(ctx context.Context, e *encoder, s sample, situated bool, o machineOptions) (*machine, error) {
	f, k := newFields(e), o.factors
	rows, counts := make([]columns, len(s.rows)), make([]float64, f.end)
	mean := 0.0
	for i := range s.rows {
		f.read(&rows[i], &s.rows[i], situated)
		for j, c := range rows[i].at {
			counts[c] += rows[i].x[j] * rows[i].x[j]
		}
		mean += s.targets[i] / float64(len(s.rows))
	}
	mean = min(max(mean, 0.01), 0.99) //nolint:mnd // where all say the same
	bias := math.Log(mean / (1 - mean))
	r := rand.New(rand.NewPCG(s.seed, machineSalt))
	weights, vectors := make([]float64, f.end), make([]float64, f.end*k)
	weightSquares, vectorSquares := make([]float64, f.end), make([]float64, f.end*k)
	for i := range vectors {
		vectors[i] = 0.1 * r.NormFloat64() / math.Sqrt(float64(k)) //nolint:mnd // away from 0, where all gradients are 0
	}
	// The prior of a column is parted among the answers that touch it.
	weightDecay, vectorDecay := make([]float64, f.end), make([]float64, f.end)
	for c := range counts {
		factor := 1.0
		if c >= f.moment {
			factor = o.situation
		}
		weightDecay[c] = 1 / (o.weights * factor * max(counts[c], 1e-9))          //nolint:mnd // no division by 0
		vectorDecay[c] = float64(k) / (o.vectors * factor * max(counts[c], 1e-9)) //nolint:mnd // likewise
	}
	sums, biasSquares := make([]float64, k), 1e-9
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	for range o.epochs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			x := &rows[i]
			clear(sums)
			at := bias
			for j, c := range x.at {
				at += weights[c] * x.x[j]
				v := vectors[int(c)*k : int(c)*k+k]
				for l := range v {
					z := v[l] * x.x[j]
					sums[l] += z
					at -= z * z / 2
				}
			}
			for _, sum := range sums {
				at += sum * sum / 2
			}
			g := s.weights[i] * (logistic(at) - s.targets[i])
			biasSquares += g * g
			bias -= o.rate * g / math.Sqrt(biasSquares)
			for j, c := range x.at {
				xj := x.x[j]
				square := xj * xj
				gw := g*xj + square*weightDecay[c]*weights[c]
				weightSquares[c] += gw * gw
				weights[c] -= o.rate * gw / math.Sqrt(weightSquares[c]+1e-9) //nolint:mnd // no division by 0
				decay := square * vectorDecay[c]
				v, squares := vectors[int(c)*k:int(c)*k+k], vectorSquares[int(c)*k:int(c)*k+k]
				for l := range v {
					gv := g*xj*(sums[l]-v[l]*xj) + decay*v[l]
					squares[l] += gv * gv
					v[l] -= o.rate * gv / math.Sqrt(squares[l]+1e-9) //nolint:mnd // likewise
				}
			}
		}
	}
	m := &machine{fields: f, k: k, bias: float32(bias), weights: make([]float32, f.end), vectors: make([]float32, f.end*k)}
	for c := range weights {
		if counts[c] == 0 { // never seen: what it began with means nothing
			continue
		}
		m.weights[c] = float32(weights[c])
		for l := range k {
			m.vectors[c*k+l] = float32(vectors[c*k+l])
		}
	}
	return m, nil
}

// logit implements predictor.
func (m *machine) logit(r *row) float64 {
	var c columns
	m.read(&c, r, true)
	sums, at := make([]float64, m.k), float64(m.bias)
	for j, column := range c.at {
		at += float64(m.weights[column]) * c.x[j]
		for l, v := range m.vectors[int(column)*m.k : int(column+1)*m.k] {
			z := float64(v) * c.x[j]
			sums[l] += z
			at -= z * z / 2
		}
	}
	for _, sum := range sums {
		at += sum * sum / 2
	}
	return at
}

// bind implements predictor.
func (m *machine) bind(listener int32, moment []float64) func(*item) float64 {
	nothing := &item{column: -1}
	var c columns
	fixed := make([]float64, m.k)
	add := func(sums []float64) (straight, squares float64) {
		for j, column := range c.at {
			straight += float64(m.weights[column]) * c.x[j]
			for l, v := range m.vectors[int(column)*m.k : int(column+1)*m.k] {
				z := float64(v) * c.x[j]
				sums[l] += z
				squares += z * z
			}
		}
		return straight, squares
	}
	m.read(&c, &row{listener, nothing, moment}, true)
	constant, spare := add(fixed)
	sums := make([]float64, m.k)
	return func(it *item) float64 {
		m.read(&c, &row{-1, it, nil}, false)
		copy(sums, fixed)
		straight, squares := add(sums)
		at := float64(m.bias) + constant + straight - (spare+squares)/2
		for _, sum := range sums {
			at += sum * sum / 2
		}
		return at
	}
}

// save implements predictor.
func (m *machine) save(f *safetensors.File, prefix string) {
	f.Tensors = append(f.Tensors, safetensors.Floats(prefix+"bias", []float32{m.bias}, 1),
		safetensors.Floats(prefix+"weights", m.weights, m.end), safetensors.Floats(prefix+"vectors", m.vectors, m.end, m.k))
}

func openMachine(e *encoder, f *safetensors.File, prefix string) (predictor, error) {
	m := &machine{fields: newFields(e)}
	bias, err := f.Tensor(prefix+"bias", safetensors.F32, 1)
	if err != nil {
		return nil, err
	}
	weights, err := f.Tensor(prefix+"weights", safetensors.F32, m.end)
	if err != nil {
		return nil, err
	}
	vectors, err := f.Tensor(prefix+"vectors", safetensors.F32, m.end, -1)
	if err != nil {
		return nil, err
	}
	m.bias, m.weights, m.vectors, m.k = bias.Floats()[0], weights.Floats(), vectors.Floats(), vectors.Shape[1]
	return m, nil
}
