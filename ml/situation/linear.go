package situation

import (
	"context"
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Logistic is ml.Algorithm "logistic": logistic regression with crosses. Its columns are the listener, the item, what is known of the item, and what is known of the
// moment, and of these each with each that tells something: listener × item features, listener × tag, listener × item, moment × item features, moment × tag, moment ×
// listener, moment × item. Each group of columns has a normal prior of its own, so that a listener's own taste, say, is shrunk to what all like as far as it is not
// borne out ("random effects"; the same as ridge regression with crosses, or a Gaussian process with a sum of products of kernels). It is fitted by Newton's method, whose
// steps are found by conjugate gradients.
//
// Sources: Nelder and Wedderburn, "Generalized linear models" (1972); Rasmussen and Williams, "Gaussian processes for machine learning" (2006), section 5.4.3 for sums of
// products; Papke and Wooldridge, "Econometric methods for fractional response variables" (1996), for targets between 0 and 1.
type Logistic struct{}

var _ ml.Algorithm = Logistic{}

// Name implements ml.Algorithm.
func (Logistic) Name() string { return "logistic" }

// Parameters implements ml.Algorithm.
func (Logistic) Parameters() []ml.Parameter {
	return append([]ml.Parameter{
		{Name: "prior", Doc: "how far the weights of listeners, items and their features may go: factor of the variances of their priors", Default: 1, Min: 1e-6, Max: 1e6, From: 0.3, To: 3, Log: true},
		{Name: "tags", Doc: "how far those of listener × tag may go, besides", Default: 2, Min: 0, Max: 1e6, From: 0.1, To: 30, Log: true},
		{Name: "cross", Doc: "how far those of listener × item features and listener × item may go, besides", Default: 1, Min: 0, Max: 1e6, From: 0.3, To: 3, Log: true},
		{Name: "situation", Doc: "how far those of the moment may go: factor of the variances of their priors", Default: 1, Min: 0, Max: 1e6, From: 0.1, To: 3, Log: true},
		{Name: "situation-cross", Doc: "how far those of the moment × anything may go, besides", Default: 1, Min: 0, Max: 1e6, From: 0.1, To: 10, Log: true},
	}, common()...)
}

// Fit implements ml.Algorithm; see the package for what all of its algorithms have in common.
func (a Logistic) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	return fit(ctx, a, d, v, o, func(e *encoder, s sample, situated bool) (predictor, error) {
		variances := blockVariances
		for b := range variances {
			variances[b] *= v.Number(p, "prior")
			switch {
			case b >= atMoment:
				variances[b] = blockVariances[b] * v.Number(p, "situation")
				if b > atMoment {
					variances[b] *= v.Number(p, "situation-cross")
				}
				if !situated {
					variances[b] = 0
				}
			case b == atListenerTag:
				variances[b] *= v.Number(p, "tags")
			case b >= atListenerFeature && b <= atPair:
				variances[b] *= v.Number(p, "cross")
			}
		}
		return fitLinear(ctx, e, s, variances)
	})
}

// Open implements ml.Algorithm.
func (a Logistic) Open(f *safetensors.File) (ml.Model, error) { return open(a.Name(), f, openLinear) }

// The blocks of columns.
const (
	atIntercept = iota
	atListener
	atItem
	atFeature
	atTag
	atArtist
	atListenerFeature
	atListenerTag
	atPair
	atMoment
	atMomentFeature
	atMomentTag
	atListenerMoment
	atItemMoment
	blocks
)

// blockVariances are those of the priors of what each block adds to the log odds, all of its columns together. The proportions were found by cross-validation on two small sets of
// answers, SiTunes and InCarMusic, and are no more than a place for the search to begin.
var blockVariances = [blocks]float64{
	atIntercept: 100, atListener: 1, atItem: 1, atFeature: 0.5, atTag: 0.3, atArtist: 0.3,
	atListenerFeature: 0.6, atListenerTag: 0.3, atPair: 1.5,
	atMoment: 0.3, atMomentFeature: 0.2, atMomentTag: 0.1, atListenerMoment: 0.2, atItemMoment: 0.1,
}

// linear is a fitted logistic regression.
type linear struct {
	layout
	weights []float32
}

// layout says where the columns of each block are.
type layout struct {
	starts                                  [blocks + 1]int
	listeners, items, features, tags, sizes int
	pairs                                   map[int64]int32 // listener and item that were seen together, and their number
	pairList                                []int64
}

func newLayout(e *encoder, pairs []int64) layout {
	l := layout{
		listeners: e.Listeners, items: len(e.items), features: len(e.Features), tags: len(e.tags), sizes: e.Size,
		pairs: make(map[int64]int32, len(pairs)), pairList: pairs,
	}
	for i, p := range pairs {
		l.pairs[p] = int32(i)
	}
	for b, n := range [blocks]int{
		atIntercept: 1, atListener: l.listeners, atItem: l.items, atFeature: l.features, atTag: l.tags, atArtist: len(e.artists),
		atListenerFeature: l.listeners * l.features, atListenerTag: l.listeners * l.tags, atPair: len(pairs),
		atMoment: l.sizes, atMomentFeature: l.sizes * l.features, atMomentTag: l.sizes * l.tags, atListenerMoment: l.listeners * l.sizes, atItemMoment: l.items * l.sizes,
	} {
		l.starts[b+1] = l.starts[b] + n
	}
	return l
}

func pairOf(r *row) int64 { return int64(r.listener)<<32 | int64(r.item.column) }

// columns are the columns of a row that are not 0.
type columns struct {
	at       []int32
	x        []float64
	spans    []span
	products []product
}

// span is a run of columns.
type span struct {
	at int // the first
	x  []float64
}

// product is a run of the products of two lists, each of the first with all of the second.
type product struct {
	at   int // the first
	a, b []float64
}

func (p *product) each(f func(at int, a float64)) {
	for j, a := range p.a {
		if a != 0 {
			f(p.at+j*len(p.b), a)
		}
	}
}

func (c *columns) add(at int, x float64) {
	c.at, c.x = append(c.at, int32(at)), append(c.x, x)
}

// read writes the columns of a row. Weights of blocks without a variance are never touched, so these blocks are left out where skip says so.
func (l *layout) read(c *columns, r *row, skip func(block int) bool) {
	c.at, c.x = c.at[:0], c.x[:0]
	s, it := &l.starts, r.item
	u, i := int(r.listener), int(it.column)
	tag := 1 / math.Sqrt(float64(max(len(it.tags), 1)))
	artist := 1 / math.Sqrt(float64(max(len(it.artists), 1)))
	c.add(s[atIntercept], 1)
	if i >= 0 {
		c.add(s[atItem]+i, 1)
	}
	for f, x := range it.numbers {
		c.add(s[atFeature]+f, x)
	}
	for _, t := range it.tags {
		c.add(s[atTag]+int(t), tag)
	}
	for _, a := range it.artists {
		c.add(s[atArtist]+int(a), artist)
	}
	if u >= 0 {
		c.add(s[atListener]+u, 1)
		for f, x := range it.numbers {
			c.add(s[atListenerFeature]+u*l.features+f, x)
		}
		for _, t := range it.tags {
			c.add(s[atListenerTag]+u*l.tags+int(t), tag)
		}
		if n, ok := l.pairs[pairOf(r)]; ok && i >= 0 {
			c.add(s[atPair]+int(n), 1)
		}
	}
	if r.moment == nil || skip(atMoment) {
		return
	}
	for j, m := range r.moment {
		if m == 0 {
			continue
		}
		c.add(s[atMoment]+j, m)
		for f, x := range it.numbers {
			c.add(s[atMomentFeature]+j*l.features+f, m*x)
		}
		for _, t := range it.tags {
			c.add(s[atMomentTag]+j*l.tags+int(t), m*tag)
		}
		if u >= 0 {
			c.add(s[atListenerMoment]+u*l.sizes+j, m)
		}
		if i >= 0 {
			c.add(s[atItemMoment]+i*l.sizes+j, m)
		}
	}
}

// penalties returns the precision of each column's prior: a block's variance is shared by the columns that a row has of it.
func (l *layout) penalties(variances *[blocks]float64) []float64 {
	share := [blocks]int{
		atFeature: l.features, atListenerFeature: l.features, atMoment: l.sizes, atMomentFeature: l.sizes * l.features,
		atMomentTag: l.sizes, atListenerMoment: l.sizes, atItemMoment: l.sizes,
	}
	all := make([]float64, l.starts[blocks])
	for b, v := range variances {
		precision := math.Inf(1)
		if v > 0 {
			precision = float64(max(share[b], 1)) / v
		}
		for c := l.starts[b]; c < l.starts[b+1]; c++ {
			all[c] = precision
		}
	}
	return all
}

// fewCells is up to how many cells of the design are kept; those of larger data are made anew each time.
const fewCells = 1 << 24

// design reads the rows of a sample again and again.
type design struct {
	layout
	s    sample
	skip func(block int) bool
	kept []columns
	buf  columns
}

func (d *design) row(i int) *columns {
	if d.kept != nil {
		return &d.kept[i]
	}
	d.read(&d.buf, &d.s.rows[i], d.skip)
	return &d.buf
}

func (d *design) keep() {
	kept, cells := make([]columns, len(d.s.rows)), 0
	for i := range d.s.rows {
		d.read(&d.buf, &d.s.rows[i], d.skip)
		if cells += len(d.buf.at); cells > fewCells {
			return
		}
		kept[i] = columns{at: slices.Clone(d.buf.at), x: slices.Clone(d.buf.x)}
	}
	d.kept = kept
}

const (
	newtonSteps   = 8
	gradientSteps = 25
	enough        = 1e-3 // of the gradient, or of a step's change of the log odds: where to stop
)

// fitLinear fits a logistic regression to a sample.
func fitLinear(ctx context.Context, e *encoder, s sample, variances [blocks]float64) (*linear, error) {
	d := &design{s: s, skip: func(b int) bool { return variances[b] == 0 }}
	var pairs []int64
	if variances[atPair] > 0 {
		pairs = pairsOf(&s)
	}
	d.layout = newLayout(e, pairs)
	d.keep()
	weights, err := newton(ctx, &s, d.row, d.penalties(&variances))
	if err != nil {
		return nil, err
	}
	return &linear{d.layout, weights}, nil
}

// pairsOf returns the listeners and items that are together in a row, ascending.
func pairsOf(s *sample) []int64 {
	var pairs []int64
	seen := map[int64]bool{}
	for i := range s.rows {
		if p := pairOf(&s.rows[i]); s.rows[i].listener >= 0 && !seen[p] {
			seen[p] = true
			pairs = append(pairs, p)
		}
	}
	slices.Sort(pairs)
	return pairs
}

// newton returns the weights that are likeliest after the rows of a sample were seen, where each has a normal prior of mean 0 and this precision. One whose
// precision is infinite stays 0.
func newton(ctx context.Context, s *sample, row func(i int) *columns, penalty []float64) ([]float32, error) {
	n := len(penalty)
	weights, gradient, diagonal := make([]float64, n), make([]float64, n), make([]float64, n)
	step, residual, scaled, direction, product := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	curve := make([]float64, len(s.rows))
	for range newtonSteps {
		for c := range gradient {
			gradient[c], diagonal[c] = 0, penalty[c]
			if !math.IsInf(penalty[c], 1) {
				gradient[c] = -penalty[c] * weights[c]
			}
		}
		for i := range s.rows {
			x := row(i)
			p := logistic(x.dot(weights))
			curve[i] = s.weights[i] * p * (1 - p)
			x.addTo(gradient, s.weights[i]*(s.targets[i]-p))
			x.addSquaresTo(diagonal, curve[i])
		}
		// Conjugate gradients for the step, with the diagonal as preconditioner.
		clear(step)
		copy(residual, gradient)
		rho := 0.0
		for c := range residual {
			scaled[c] = residual[c] / diagonal[c]
			direction[c] = scaled[c]
			rho += residual[c] * scaled[c]
		}
		first := rho
		for range gradientSteps {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if !(rho > enough*enough*first) {
				break
			}
			for c := range product {
				product[c] = 0
				if direction[c] != 0 {
					product[c] = penalty[c] * direction[c]
				}
			}
			for i := range s.rows {
				x := row(i)
				x.addTo(product, curve[i]*x.dot(direction))
			}
			along := 0.0
			for c := range product {
				along += direction[c] * product[c]
			}
			alpha, next := rho/along, 0.0
			for c := range step {
				step[c] += alpha * direction[c]
				residual[c] -= alpha * product[c]
				scaled[c] = residual[c] / diagonal[c]
				next += residual[c] * scaled[c]
			}
			for c := range direction {
				direction[c] = scaled[c] + next/rho*direction[c]
			}
			rho = next
		}
		farthest := 0.0
		for c := range weights {
			weights[c] += step[c]
			farthest = max(farthest, math.Abs(step[c]))
		}
		if farthest < enough {
			break
		}
	}
	out := make([]float32, n)
	for c, w := range weights {
		out[c] = float32(w)
	}
	return out, nil
}

func (c *columns) dot(weights []float64) float64 {
	sum := 0.0
	for k, at := range c.at {
		sum += weights[at] * c.x[k]
	}
	for _, s := range c.spans {
		w := weights[s.at : s.at+len(s.x)]
		for k, x := range s.x {
			sum += w[k] * x
		}
	}
	for i := range c.products {
		p := &c.products[i]
		p.each(func(at int, a float64) {
			w, part := weights[at:at+len(p.b)], 0.0
			for k, b := range p.b {
				part += w[k] * b
			}
			sum += a * part
		})
	}
	return sum
}

// addTo adds a multiple of the columns to sums.
func (c *columns) addTo(sums []float64, factor float64) {
	for k, at := range c.at {
		sums[at] += factor * c.x[k]
	}
	for _, s := range c.spans {
		w := sums[s.at : s.at+len(s.x)]
		for k, x := range s.x {
			w[k] += factor * x
		}
	}
	for i := range c.products {
		p := &c.products[i]
		p.each(func(at int, a float64) {
			w := sums[at : at+len(p.b)]
			for k, b := range p.b {
				w[k] += factor * a * b
			}
		})
	}
}

// addSquaresTo adds a multiple of the squares of the columns to sums.
func (c *columns) addSquaresTo(sums []float64, factor float64) {
	for k, at := range c.at {
		sums[at] += factor * c.x[k] * c.x[k]
	}
	for _, s := range c.spans {
		w := sums[s.at : s.at+len(s.x)]
		for k, x := range s.x {
			w[k] += factor * x * x
		}
	}
	for i := range c.products {
		p := &c.products[i]
		p.each(func(at int, a float64) {
			w := sums[at : at+len(p.b)]
			for k, b := range p.b {
				w[k] += factor * a * a * b * b
			}
		})
	}
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func never(int) bool { return false }

// logit implements predictor.
func (l *linear) logit(r *row) float64 {
	var c columns
	l.read(&c, r, never)
	sum := 0.0
	for k, at := range c.at {
		sum += float64(l.weights[at]) * c.x[k]
	}
	return sum
}

// bind implements predictor.
func (l *linear) bind(listener int32, moment []float64) func(*item) float64 {
	s, u := &l.starts, int(listener)
	w := func(at int) float64 { return float64(l.weights[at]) }
	constant := w(s[atIntercept])
	features, tags := make([]float64, l.features), make([]float64, l.tags)
	for f := range features {
		features[f] = w(s[atFeature] + f)
	}
	for t := range tags {
		tags[t] = w(s[atTag] + t)
	}
	if u >= 0 {
		constant += w(s[atListener] + u)
		for f := range features {
			features[f] += w(s[atListenerFeature] + u*l.features + f)
		}
		for t := range tags {
			tags[t] += w(s[atListenerTag] + u*l.tags + t)
		}
	}
	for j, m := range moment {
		if m == 0 {
			continue
		}
		constant += m * w(s[atMoment]+j)
		if u >= 0 {
			constant += m * w(s[atListenerMoment]+u*l.sizes+j)
		}
		for f := range features {
			features[f] += m * w(s[atMomentFeature]+j*l.features+f)
		}
		for t := range tags {
			tags[t] += m * w(s[atMomentTag]+j*l.tags+t)
		}
	}
	return func(it *item) float64 {
		sum := constant
		for f, x := range it.numbers {
			sum += x * features[f]
		}
		part := 0.0
		for _, t := range it.tags {
			part += tags[t]
		}
		sum += part / math.Sqrt(float64(max(len(it.tags), 1)))
		part = 0
		for _, a := range it.artists {
			part += w(s[atArtist] + int(a))
		}
		sum += part / math.Sqrt(float64(max(len(it.artists), 1)))
		i := int(it.column)
		if i < 0 {
			return sum
		}
		sum += w(s[atItem] + i)
		if u >= 0 && len(l.pairs) > 0 {
			if n, ok := l.pairs[pairOf(&row{listener: listener, item: it})]; ok {
				sum += w(s[atPair] + int(n))
			}
		}
		if moment != nil {
			own := l.weights[s[atItemMoment]+i*l.sizes:][:l.sizes]
			for j, m := range moment {
				sum += m * float64(own[j])
			}
		}
		return sum
	}
}

// save implements predictor.
func (l *linear) save(f *safetensors.File, prefix string) {
	pairs := make([]int32, 0, 2*len(l.pairList))
	for _, p := range l.pairList {
		pairs = append(pairs, int32(p>>32), int32(p))
	}
	f.Tensors = append(f.Tensors, safetensors.Floats(prefix+"weights", l.weights, len(l.weights)), safetensors.Ints(prefix+"pairs", pairs, len(l.pairList), 2))
}

func openLinear(e *encoder, f *safetensors.File, prefix string) (predictor, error) {
	pairs, err := f.Tensor(prefix+"pairs", safetensors.I32, -1, 2)
	if err != nil {
		return nil, err
	}
	numbers := pairs.Ints()
	list := make([]int64, len(numbers)/2)
	for i := range list {
		list[i] = int64(numbers[2*i])<<32 | int64(numbers[2*i+1])
	}
	l := &linear{layout: newLayout(e, list)}
	weights, err := f.Tensor(prefix+"weights", safetensors.F32, l.starts[blocks])
	if err != nil {
		return nil, err
	}
	l.weights = weights.Floats()
	return l, nil
}
