package situation

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Process is ml.Algorithm "gp": a Gaussian process, whose kernel is a sum of products, with a Bernoulli likelihood. What is alike is answered alike.
// Items are by their numbers (a squared exponential kernel), their tags and their artists; listeners, items and pairs of both each by themselves; a
// listener's taste is by listener × item numbers and listener × tag. Moments are by what is known in both of them (a squared exponential kernel, too,
// and one that adds up their aspects): for all, for each listener, and × item numbers (linear in both). A value that is unknown is as like any other as
// they are on the mean. Answers from another setting have an offset, for all and for each listener.
//
// It is found in the space of weights: the kernels of listeners, tags and the like are there exactly, and the squared exponential ones by their
// projection on landmarks, items and moments of the sample (Nyström's method), so that time and memory grow with the answers and not with their cube and
// square. For n answers of L listeners to I items with T tags, and D landmarks, a fit takes about 8·(n·(D + 70) + 8·(L·(2·D + T) + I)) bytes: 130 MB for
// 100,000 answers of 5,000 listeners; and about n·D² operations once, and 10·n·D in each step. What it foretells is the mode of the posterior.
//
// The variances of the parts are hyperparameters that are searched by what is foretold of answers that were held out, as those of the other algorithms.
// Choosing all of them by the marginal likelihood was tried in place of that, and foretold worse.
//
// Sources: Rasmussen and Williams, "Gaussian processes for machine learning" (2006), sections 3.4 for the mode, 4.2.4 for sums of products and 8.1 for
// landmarks; Chen, Epperly, Tropp and Webber, "Randomly pivoted Cholesky" (2025), for which ones; Papke and Wooldridge, "Econometric methods for
// fractional response variables" (1996), for targets between 0 and 1.
type Process struct{}

var _ ml.Algorithm = Process{}

// Name implements ml.Algorithm.
func (Process) Name() string { return "gp" }

// Parameters implements ml.Algorithm.
func (Process) Parameters() []ml.Parameter {
	return append([]ml.Parameter{
		{Name: "prior", Doc: "how far listeners, items and what is known of these may move the log odds: factor of the variances of their parts", Default: 1, Min: 1e-6, Max: 1e6, From: 0.3, To: 3, Log: true},
		{Name: "cross", Doc: "how far a listener's own taste may, besides: listener × item numbers, listener × tag, listener × item", Default: 1, Min: 0, Max: 1e6, From: 0.3, To: 3, Log: true},
		{Name: "length", Doc: "how far the numbers of two items may be apart, on the mean of them in standard deviations, that are still alike", Default: 1.4, Min: 1e-3, Max: 1e3, From: 0.7, To: 2.8, Log: true},
		{Name: "situation", Doc: "how far the moment may move the log odds: factor of the variances of its parts", Default: 1, Min: 0, Max: 1e6, From: 0.1, To: 3, Log: true},
		{Name: "situation-cross", Doc: "how far the moment × listener and × item numbers may, besides", Default: 1, Min: 0, Max: 1e6, From: 0.1, To: 3, Log: true},
		{Name: "landmarks", Doc: "of item numbers, and of moments, at most", Default: 48, Min: 1, Max: 1024, Whole: true},
	}, common()...)
}

// Fit implements ml.Algorithm; see the package for what all of its algorithms have in common.
func (a Process) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	return fit(ctx, a, d, v, o, func(e *encoder, s sample, situated bool) (predictor, error) {
		variances := partVariances
		for part := range variances {
			switch {
			case part >= inMoment:
				variances[part] *= v.Number(p, "situation")
				if part > inMomentKernel {
					variances[part] *= v.Number(p, "situation-cross")
				}
			case part > inSettingListener:
				variances[part] *= v.Number(p, "prior")
				if part >= inPair {
					variances[part] *= v.Number(p, "cross")
				}
			}
		}
		return fitProcess(ctx, e, s, situated, processOptions{variances, v.Number(p, "length"), int(v.Number(p, "landmarks"))})
	})
}

// Open implements ml.Algorithm.
func (a Process) Open(f *safetensors.File) (ml.Model, error) { return open(a.Name(), f, openProcess) }

type processOptions struct {
	variances [parts]float64
	length    float64
	landmarks int
}

// The parts of the kernel, each with columns of its own.
const (
	inIntercept = iota
	inSetting
	inSettingListener
	inListener
	inItem
	inTag
	inArtist
	inAbout
	inPair
	inListenerTag
	inListenerAbout
	inMoment       // its aspects added up
	inMomentKernel // all of them together
	inListenerMoment
	inMomentAbout // products of numbers
	parts
)

// partVariances are those of what each part adds to the log odds. They are round numbers that were set once, in the proportions of a first try on
// SiTunes, for a place where the search begins: between listeners, items and pairs about as much as between yes and no, and a fifth to a third of that
// between moments.
var partVariances = [parts]float64{
	inIntercept: 100, inSetting: 3, inSettingListener: 0.5,
	inListener: 1, inItem: 1, inTag: 0.3, inArtist: 0.3, inAbout: 1,
	inPair: 1.5, inListenerTag: 0.5, inListenerAbout: 1,
	inMoment: 0.3, inMomentKernel: 0.3, inListenerMoment: 0.2, inMomentAbout: 0.2,
}

const (
	momentLength = 1    // of the kernel of moments, as of items, in standard deviations on the mean over aspects
	pivotsOf     = 4096 // candidates for landmarks
	leastPivot   = 1e-3 // of what is left of the kernel by the landmarks so far: where there are enough
	pivotJitter  = 1e-5 // added to the kernel of landmarks, so that it has a root
	processSalt  = 0x6770
)

// process is a fitted Gaussian process, or its columns before it is.
type process struct {
	e        *encoder
	starts   [parts + 1]int
	pairs    map[int64]int32
	pairList []int64
	weights  []float32
	length   float32
	about    *projection // of items, by their numbers
	now      *projection // of moments; nil: of none
	centers  []float32   // the mean of the kernel of the sample's moments with each landmark
	unknown  [][]float64 // of each aspect, and landmark: how like an unknown value is
}

// projection is what a kernel is in terms of landmarks.
type projection struct {
	points [][]float64  // the landmarks: numbers of items, or of moments
	root   vector.Lower // the Cholesky factor of their kernel
}

func (p *projection) size() int {
	if p == nil {
		return 0
	}
	return len(p.points)
}

// features makes kernels with landmarks columns, of which the inner products are the projected kernel.
func (p *projection) features(kernels []float64) { p.root.Solve(kernels, 0) }

// counts makes weights of columns what each kernel with a landmark counts.
func (p *projection) counts(weights []float64) { p.root.SolveTransposed(weights) }

// finish finds the root of a kernel of landmarks.
func (p *projection) finish(kernel func(i, j int) float64) {
	n := p.size()
	p.root = vector.NewLower(n)
	for i := range n {
		row := p.root.Row(i)
		for j := range row {
			row[j] = kernel(i, j)
		}
		row[i] += pivotJitter
	}
	p.root.Factor()
}

// alike is the kernel of two items: 1 for the same.
func (p *process) alike(a, b []float64) float64 {
	sum := 0.0
	for k, x := range a {
		sum += (x - b[k]) * (x - b[k])
	}
	return math.Exp(-sum / (2 * float64(p.length) * float64(p.length) * float64(max(1, len(a)))))
}

// share of an aspect in how far moments are apart.
func (p *process) share() float64 {
	n := 0
	for i := range p.e.Readings {
		if p.e.Readings[i].Size > 0 {
			n++
		}
	}
	return 1 / (2 * momentLength * momentLength * float64(max(1, n)))
}

// apart is how far an aspect of two moments is, 2 on the mean for independent ones; false where one of them is unknown.
func apart(r *reading, a, b []float64) (float64, bool) {
	if !known(a, r) || !known(b, r) {
		return 0, false
	}
	size := r.Size
	switch r.Kind {
	case ml.Amount:
		size = 1 // how far it is from usual is told by the number
	case ml.Cycle:
		size = 2 // once around
	case ml.Category:
	}
	sum := 0.0
	for k := r.From; k < r.From+size; k++ {
		sum += (a[k] - b[k]) * (a[k] - b[k])
	}
	return sum / float64(size), true
}

// same is the kernel of two moments; unlike says of an aspect how like an unknown value is.
func (p *process) same(a, b []float64, share float64, unlike func(aspect int) float64) float64 {
	sum, factor := 0.0, 1.0
	for i := range p.e.Readings {
		r := &p.e.Readings[i]
		if r.Size == 0 {
			continue
		}
		if far, known := apart(r, a, b); known {
			sum += far
		} else {
			factor *= unlike(i)
		}
	}
	return factor * math.Exp(-sum*share)
}

// finish makes what is not in a file from what is, so that a model that was opened is the same to the bit.
func (p *process) finish() {
	p.about.finish(func(i, j int) float64 { return p.alike(p.about.points[i], p.about.points[j]) })
	if p.now == nil {
		return
	}
	share := p.share()
	at := p.now.points
	p.unknown = make([][]float64, len(p.e.Readings))
	for a := range p.unknown {
		p.unknown[a] = make([]float64, len(at))
		r := &p.e.Readings[a]
		for j := range at {
			sum, n := 0.0, 0.0
			for i := range at {
				if r.Size == 0 {
					continue
				}
				if far, known := apart(r, at[i], at[j]); known {
					sum, n = sum+math.Exp(-far*share), n+1
				}
			}
			p.unknown[a][j] = 1
			if n > 0 {
				p.unknown[a][j] = sum / n
			}
		}
	}
	p.now.finish(func(i, j int) float64 {
		return p.same(at[i], at[j], share, func(int) float64 { return 1 }) // what no landmark knows tells none from another
	})
}

// kernels writes the kernel of a moment with each landmark, beside its mean.
func (p *process) kernels(dst, moment []float64) {
	share := p.share()
	for j, at := range p.now.points {
		dst[j] = p.same(moment, at, share, func(a int) float64 { return p.unknown[a][j] })
	}
	for j := range p.centers {
		dst[j] -= float64(p.centers[j])
	}
}

// of returns the weights of a part, or of one listener's.
func (p *process) of(part, from int) []float64 {
	n := p.width(part)
	all := make([]float64, n)
	for k, w := range p.weights[p.starts[part]+from*n:][:n] {
		all[k] = float64(w)
	}
	return all
}

// width is how many columns a part has for one row, or one listener.
func (p *process) width(part int) int {
	switch part {
	case inAbout, inListenerAbout:
		return p.about.size()
	case inTag, inListenerTag:
		return len(p.e.tags)
	case inMomentKernel, inListenerMoment:
		return p.now.size()
	case inMoment:
		if p.now == nil {
			return 0
		}
		return p.e.Size
	case inMomentAbout:
		return p.width(inMoment) * len(p.e.Features)
	}
	return 1
}

// lay says where the columns of each part are.
func (p *process) lay() {
	p.pairs = make(map[int64]int32, len(p.pairList))
	for i, pair := range p.pairList {
		p.pairs[pair] = int32(i)
	}
	for part := range parts {
		n := p.width(part)
		switch part {
		case inSettingListener, inListener, inListenerTag, inListenerAbout, inListenerMoment:
			n *= p.e.Listeners
		case inItem:
			n = len(p.e.items)
		case inArtist:
			n = len(p.e.artists)
		case inPair:
			n = len(p.pairList)
		}
		p.starts[part+1] = p.starts[part] + n
	}
}

// pivots chooses landmarks among n candidates, at most most: each with the chance of what the ones before leave of its kernel.
func pivots(n, most int, r *rand.Rand, kernel func(i, j int) float64) []int {
	left, total := make([]float64, n), 0.0
	for i := range left {
		left[i] = kernel(i, i)
		total += left[i]
	}
	first := total
	var chosen []int
	var columns [][]float64
	for len(chosen) < min(n, most) && total > leastPivot*first {
		at, x := 0, r.Float64()*total
		for i, l := range left {
			if l > 0 {
				at = i
				if x -= l; x < 0 {
					break
				}
			}
		}
		column, scale := make([]float64, n), 1/math.Sqrt(left[at])
		total = 0
		for i := range column {
			sum := kernel(i, at)
			for _, c := range columns {
				sum -= c[i] * c[at]
			}
			column[i] = sum * scale
			left[i] = max(0, left[i]-column[i]*column[i])
		}
		left[at] = 0
		for _, l := range left {
			total += l
		}
		columns, chosen = append(columns, column), append(chosen, at)
	}
	slices.Sort(chosen)
	return chosen
}

// some returns which of n are candidates.
func some(n int) []int {
	k := min(n, pivotsOf)
	all := make([]int, k)
	for i := range all {
		all[i] = i * n / k
	}
	return all
}

// fitProcess fits a process to a sample.
func fitProcess(ctx context.Context, e *encoder, s sample, situated bool, o processOptions) (*process, error) {
	p := &process{e: e, length: float32(o.length), about: &projection{}}
	if o.variances[inPair] > 0 {
		p.pairList = pairsOf(&s)
	}
	r := rand.New(rand.NewPCG(s.seed, processSalt))
	p.markItems(o.landmarks, r)
	if situated {
		p.markMoments(&s, o.landmarks, r)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p.lay()
	p.finish()
	rows, err := p.design(ctx, &s, o.variances)
	if err != nil {
		return nil, err
	}
	penalty := make([]float64, p.starts[parts])
	for part, v := range o.variances {
		precision := math.Inf(1)
		if v > 0 {
			precision = 1 / v
		}
		if part == inMoment || part == inMomentAbout {
			precision *= float64(max(1, p.width(part)))
		}
		for c := p.starts[part]; c < p.starts[part+1]; c++ {
			penalty[c] = precision
		}
	}
	if p.weights, err = newton(ctx, &s, func(i int) *columns { return &rows[i] }, penalty); err != nil {
		return nil, err
	}
	return p, nil
}

// markItems chooses the landmarks of items.
func (p *process) markItems(most int, r *rand.Rand) {
	from := some(len(p.e.items))
	for _, i := range pivots(len(from), most, r, func(i, j int) float64 { return p.alike(p.e.items[from[i]].numbers, p.e.items[from[j]].numbers) }) {
		p.about.points = append(p.about.points, p.e.items[from[i]].numbers)
	}
}

// markMoments chooses the landmarks of moments.
func (p *process) markMoments(s *sample, most int, r *rand.Rand) {
	var from []int
	for i := range s.rows {
		if s.rows[i].moment != nil {
			from = append(from, i)
		}
	}
	if len(from) == 0 {
		return
	}
	of := some(len(from))
	moments := make([][]float64, len(of))
	for i, k := range of {
		moments[i] = make([]float64, p.e.Size)
		for j, x := range s.rows[from[k]].moment {
			moments[i][j] = float64(float32(x)) // as it is in a file
		}
	}
	p.complete(moments, r)
	share, likeness := p.share(), func(int) float64 { return 1 }
	p.now = &projection{}
	for _, i := range pivots(len(of), most, r, func(i, j int) float64 { return p.same(moments[i], moments[j], share, likeness) }) {
		p.now.points = append(p.now.points, moments[i])
	}
	p.finish() // what kernels needs
	means, k := make([]float64, p.now.size()), make([]float64, p.now.size())
	for _, i := range from {
		p.kernels(k, s.rows[i].moment)
		for j := range k {
			means[j] += k[j] / float64(len(from))
		}
	}
	p.centers = make([]float32, len(means))
	for j, m := range means {
		p.centers[j] = float32(m)
	}
}

// complete gives moments, where an aspect is unknown, that of another one: so that the kernel of two landmarks is that of two moments that might have been,
// and has a root.
func (p *process) complete(moments [][]float64, r *rand.Rand) {
	for i := range p.e.Readings {
		reading := &p.e.Readings[i]
		var have, lack []int
		for k, m := range moments {
			if known(m, reading) {
				have = append(have, k)
			} else {
				lack = append(lack, k)
			}
		}
		if len(have) == 0 {
			continue
		}
		for _, k := range lack {
			copy(moments[k][reading.From:reading.From+reading.Size], moments[have[r.IntN(len(have))]][reading.From:])
		}
	}
}

// design returns the columns of each row of a sample.
func (p *process) design(ctx context.Context, s *sample, variances [parts]float64) ([]columns, error) {
	abouts := make(map[*item][]float64)
	rows := make([]columns, len(s.rows))
	for i := range rows {
		if i%pivotsOf == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r, c := &s.rows[i], &rows[i]
		p.read(c, r, i < len(s.aside) && s.aside[i])
		put := func(part, from int, x []float64) {
			if variances[part] > 0 && len(x) > 0 {
				c.spans = append(c.spans, span{p.starts[part] + from*len(x), x})
			}
		}
		about := abouts[r.item]
		if about == nil {
			about = make([]float64, p.about.size())
			for j, at := range p.about.points {
				about[j] = p.alike(r.item.numbers, at)
			}
			p.about.features(about)
			abouts[r.item] = about
		}
		u := int(r.listener)
		put(inAbout, 0, about)
		if u >= 0 {
			put(inListenerAbout, u, about)
		}
		if p.now == nil || r.moment == nil {
			continue
		}
		now := make([]float64, p.now.size())
		p.kernels(now, r.moment)
		p.now.features(now)
		put(inMoment, 0, r.moment)
		put(inMomentKernel, 0, now)
		if variances[inMomentAbout] > 0 {
			c.products = append(c.products, product{p.starts[inMomentAbout], r.moment, r.item.numbers})
		}
		if u >= 0 {
			put(inListenerMoment, u, now)
		}
	}
	return rows, nil
}

// read writes the columns of a row but for those by landmarks.
func (p *process) read(c *columns, r *row, aside bool) {
	s, it, u := &p.starts, r.item, int(r.listener)
	c.add(s[inIntercept], 1)
	if aside {
		c.add(s[inSetting], 1)
		if u >= 0 {
			c.add(s[inSettingListener]+u, 1)
		}
	}
	if u >= 0 {
		c.add(s[inListener]+u, 1)
	}
	if it.column >= 0 {
		c.add(s[inItem]+int(it.column), 1)
	}
	tag, artist := evenly(it.tags), evenly(it.artists)
	for _, t := range it.tags {
		c.add(s[inTag]+int(t), tag)
		if u >= 0 {
			c.add(s[inListenerTag]+u*len(p.e.tags)+int(t), tag)
		}
	}
	for _, a := range it.artists {
		c.add(s[inArtist]+int(a), artist)
	}
	if n, ok := p.pairs[pairOf(r)]; ok && u >= 0 && it.column >= 0 {
		c.add(s[inPair]+int(n), 1)
	}
}

func evenly(names []int32) float64 { return 1 / math.Sqrt(float64(max(len(names), 1))) }

// logit implements predictor.
func (p *process) logit(r *row) float64 { return p.bind(r.listener, r.moment)(r.item) }

// bind implements predictor.
func (p *process) bind(listener int32, moment []float64) func(*item) float64 {
	u := int(listener)
	w := func(part, at int) float64 { return float64(p.weights[p.starts[part]+at]) }
	constant, about, tags := w(inIntercept, 0), p.of(inAbout, 0), p.of(inTag, 0)
	if u >= 0 {
		constant += w(inListener, u)
		add(about, p.of(inListenerAbout, u))
		add(tags, p.of(inListenerTag, u))
	}
	p.about.counts(about)
	var numbers []float64 // what those of an item count
	if p.now != nil && moment != nil {
		now, kernels := p.of(inMomentKernel, 0), make([]float64, p.now.size())
		if u >= 0 {
			add(now, p.of(inListenerMoment, u))
		}
		p.now.counts(now)
		p.kernels(kernels, moment)
		for j, k := range kernels {
			constant += k * now[j]
		}
		numbers = make([]float64, len(p.e.Features))
		for j, m := range moment {
			constant += m * w(inMoment, j)
			for k := range numbers {
				numbers[k] += m * w(inMomentAbout, j*len(numbers)+k)
			}
		}
	}
	return func(it *item) float64 {
		sum := constant
		for j, x := range about {
			sum += x * p.alike(it.numbers, p.about.points[j])
		}
		for k, x := range numbers {
			sum += x * it.numbers[k]
		}
		part := 0.0
		for _, t := range it.tags {
			part += tags[t]
		}
		sum += part * evenly(it.tags)
		part = 0
		for _, a := range it.artists {
			part += w(inArtist, int(a))
		}
		sum += part * evenly(it.artists)
		if it.column < 0 {
			return sum
		}
		sum += w(inItem, int(it.column))
		if n, ok := p.pairs[pairOf(&row{listener: listener, item: it})]; ok && u >= 0 {
			sum += w(inPair, int(n))
		}
		return sum
	}
}

func add(to, x []float64) {
	for k := range to {
		to[k] += x[k]
	}
}

// save implements predictor.
func (p *process) save(f *safetensors.File, prefix string) {
	pairs := make([]int32, 0, 2*len(p.pairList)) //nolint:mnd // a listener and an item
	for _, pair := range p.pairList {
		pairs = append(pairs, int32(pair>>32), int32(pair))
	}
	put := func(name string, rows [][]float64, width int) {
		all := make([]float32, 0, len(rows)*width)
		for _, x := range rows {
			for _, v := range x {
				all = append(all, float32(v))
			}
		}
		f.Tensors = append(f.Tensors, safetensors.Floats(prefix+name, all, len(rows), width))
	}
	f.Tensors = append(f.Tensors, safetensors.Floats(prefix+"weights", p.weights, len(p.weights)), safetensors.Ints(prefix+"pairs", pairs, len(p.pairList), 2), //nolint:mnd // likewise
		safetensors.Floats(prefix+"length", []float32{p.length}, 1), safetensors.Floats(prefix+"centers", p.centers, len(p.centers)))
	put("landmarks", p.about.points, len(p.e.Features))
	now := p.now
	if now == nil {
		now = &projection{}
	}
	put("moments", now.points, p.e.Size)
}

func openProcess(e *encoder, f *safetensors.File, prefix string) (predictor, error) {
	p := &process{e: e, about: &projection{}}
	pairs, err := f.Tensor(prefix+"pairs", safetensors.I32, -1, 2) //nolint:mnd // a listener and an item
	if err != nil {
		return nil, err
	}
	for numbers := pairs.Ints(); len(numbers) > 0; numbers = numbers[2:] {
		p.pairList = append(p.pairList, int64(numbers[0])<<32|int64(numbers[1]))
	}
	length, err := f.Tensor(prefix+"length", safetensors.F32, 1)
	if err != nil {
		return nil, err
	}
	if p.length = length.Floats()[0]; !(p.length > 0) {
		return nil, damaged("a kernel of no length")
	}
	centers, err := f.Tensor(prefix+"centers", safetensors.F32, -1)
	if err != nil {
		return nil, err
	}
	p.centers = centers.Floats()
	take := func(name string, n, width int) (rows [][]float64) {
		if err != nil {
			return nil
		}
		var t safetensors.Tensor
		if t, err = f.Tensor(prefix+name, safetensors.F32, n, width); err != nil {
			return nil
		}
		all := t.Floats()
		for i := range t.Shape[0] {
			x := make([]float64, width)
			for k := range x {
				if x[k] = float64(all[i*width+k]); math.IsNaN(x[k]) || math.IsInf(x[k], 0) {
					err = damaged("a landmark that is no number")
				}
			}
			rows = append(rows, x)
		}
		return rows
	}
	p.about.points = take("landmarks", -1, len(e.Features))
	now := &projection{points: take("moments", len(p.centers), e.Size)}
	if err != nil {
		return nil, err
	}
	if len(p.centers) > 0 {
		p.now = now
	}
	p.lay()
	weights, err := f.Tensor(prefix+"weights", safetensors.F32, p.starts[parts])
	if err != nil {
		return nil, err
	}
	p.weights = weights.Floats()
	p.finish()
	return p, nil
}
