package situation

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// predictor is what an algorithm fits: the log odds of a row, not yet calibrated. It is immutable and safe for concurrent use.
type predictor interface {
	logit(r *row) float64
	// bind returns logit for one listener and moment, with what does not depend on the item worked out. It is for one goroutine.
	bind(listener int32, moment []float64) func(*item) float64
	save(f *safetensors.File, prefix string)
}

// sample is what a predictor is fitted to.
type sample struct {
	rows    []row
	targets []float64 // 0–1
	weights []float64
	aside   []bool // of each row: it is from another setting
	seed    uint64
}

// trainer fits a predictor, with the moments or without.
type trainer func(e *encoder, s sample, situated bool) (predictor, error)

const (
	byRow  = "row"
	byPair = "pair"
)

// common are the hyperparameters that all algorithms have.
func common() []ml.Parameter {
	return []ml.Parameter{
		{Name: "degree", Doc: "share of the degree of an answer, where it is known, in what is learned from it; the rest is its yes or no", Default: 0.5, Min: 0, Max: 1},
		{Name: "folds", Doc: "of the answers, for calibration", Default: 5, Min: 2, Max: 100, Whole: true},
		{Name: "apart", Doc: "what of the answers is never in two folds: nothing but the answer, or all of a listener to an item; what is asked for later should be alike", Choices: []string{byRow, byPair}},
	}
}

// calibration makes log odds of what the predictors say: Offset + Base · b + Effect · s, of the predictor without moments, and of what the moment changes for the other one.
type calibration struct {
	Offset float64 `json:"offset"`
	Base   float64 `json:"base"`
	Effect float64 `json:"effect"`
}

func (c calibration) of(base, effect float64) float64 {
	return c.Offset + c.Base*base + c.Effect*effect
}

const foldSalt = 0x666f6c64

// fit fits two predictors, without moments and with, to all answers, and finds out on answers that they were not fitted to how to read them.
func fit(ctx context.Context, a ml.Algorithm, d *ml.Data, v ml.Values, o ml.FitOptions, train trainer) (ml.Model, error) {
	p := a.Parameters()
	if err := v.Check(p); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if len(d.Answers) < 2 { //nolint:mnd // one to learn from, one to see
		return nil, errFew
	}
	f := &fitting{train: train, degree: v.Number(p, "degree"), e: newEncoder(d), folds: min(int(v.Number(p, "folds")), len(d.Answers)), seed: o.Seed}
	f.all = f.sample(d)
	f.part(d, v.Choice(p, "apart") == byPair)
	f.base, f.effect = make([]float32, len(d.Answers)), make([]float32, len(d.Answers))
	var m ml.Model
	_, err := o.Run(ctx, ml.Stepwise{
		Name: a.Name(), Key: func() string { return ml.FitKey(a, d, v, o) }, Steps: f.folds, Done: &f.done,
		Numbers: []ml.Numbers{{Name: "base", X: f.base}, {Name: "effect", X: f.effect}},
		Step:    f.step,
		// What a watcher sees has not seen one fold.
		Model: func() ml.Model { return f.model(a.Name(), d) },
	})
	if err == nil {
		_, err = f.step(ctx)
	}
	if err == nil {
		m = f.model(a.Name(), d)
	}
	return m, err
}

var errFew = errors.New("situation: at least two answers are needed")

// fitting is the state of fit.
type fitting struct {
	train  trainer
	e      *encoder
	all    sample
	likes  []float64 // of each answer
	aside  []bool    // of each answer
	fold   []int     // of each answer
	folds  int
	degree float64
	done   int
	seed   uint64
	base   []float32 // of each answer, by predictors that have not seen it
	effect []float32
	last   [2]predictor
}

func (f *fitting) sample(d *ml.Data) sample {
	s := sample{rows: make([]row, len(d.Answers)), targets: make([]float64, len(d.Answers)), weights: make([]float64, len(d.Answers)), seed: f.seed}
	f.likes, f.aside = make([]float64, len(d.Answers)), make([]bool, len(d.Answers))
	for i := range d.Answers {
		a := &d.Answers[i]
		s.rows[i] = row{a.Listener, &f.e.items[a.Item], f.e.moment(a.Moment)}
		s.targets[i], s.weights[i], f.likes[i], f.aside[i] = a.Liking, 1, a.Liking, a.Aside
		if a.Degree != nil {
			s.targets[i] = (1-f.degree)*a.Liking + f.degree**a.Degree
		}
		if a.Weight > 0 {
			s.weights[i] = a.Weight
		}
	}
	s.aside = f.aside
	return s
}

// part parts the answers in folds of about the same size.
func (f *fitting) part(d *ml.Data, pairs bool) {
	f.fold = make([]int, len(d.Answers))
	r := rand.New(rand.NewPCG(f.seed, foldSalt))
	if !pairs {
		for n, i := range r.Perm(len(f.fold)) {
			f.fold[i] = n % f.folds
		}
		return
	}
	groups := map[int64][]int{}
	var order []int64
	for i := range f.all.rows {
		p := pairOf(&f.all.rows[i])
		if groups[p] == nil {
			order = append(order, p)
		}
		groups[p] = append(groups[p], i)
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for n, p := range order {
		for _, i := range groups[p] {
			f.fold[i] = n % f.folds
		}
	}
}

// step fits without one fold and asks for it; in the last step with all.
func (f *fitting) step(ctx context.Context) (float64, error) {
	s := sample{seed: f.seed + uint64(f.done)}
	var held []int
	for i := range f.all.rows {
		if f.fold[i] == f.done {
			held = append(held, i)
			continue
		}
		s.rows, s.targets, s.weights = append(s.rows, f.all.rows[i]), append(s.targets, f.all.targets[i]), append(s.weights, f.all.weights[i])
		s.aside = append(s.aside, f.aside[i])
	}
	for k := range f.last {
		var err error
		if f.last[k], err = f.train(f.e, s, k == 1); err != nil {
			return 0, err
		}
	}
	if f.done == f.folds {
		return math.NaN(), ctx.Err()
	}
	loss := 0.0
	for _, i := range held {
		base, effect := judge(f.last, f.all.rows[i])
		f.base[i], f.effect[i] = float32(base), float32(effect)
		loss -= likelihood(f.all.targets[i], base+effect) / float64(len(held))
	}
	return loss, ctx.Err()
}

// judge returns what the predictors without and with moments say.
func judge(p [2]predictor, r row) (base, effect float64) {
	none := r
	none.moment = nil
	base = p[0].logit(&none)
	if r.moment != nil {
		effect = p[1].logit(&r) - p[1].logit(&none)
	}
	return base, effect
}

// likelihood is the logarithm of that of a liking, by log odds.
func likelihood(liking, logit float64) float64 {
	// log σ(x) = −log(1 + e^−x), without overflow
	softplus := max(logit, 0) + math.Log1p(math.Exp(-math.Abs(logit)))
	return liking*logit - softplus
}

const (
	calibrationSteps = 20
	calibrationPrior = 4    // precision
	effectBefore     = 0.5  // what is expected of effects before any was seen
	effectWorth      = 1.92 // nats, over all answers: half of what chi-squared with one degree of freedom is above in 5 % of cases
)

// calibrate fits a calibration to the answers that in lets pass, by Newton's method; the effect counts from 0 up. It is 0 unless the answers are so much likelier with it that chance alone would make them so in
// one case of twenty (the test of Wilks, "The large-sample distribution of the likelihood ratio", 1938).
func (f *fitting) calibrate(in func(i int) bool) calibration {
	some := func(i int) bool { return in(i) && !f.aside[i] }
	with, without := f.newton(some, true), f.newton(some, false)
	if with.Effect <= 0 || f.likely(some, with)-f.likely(some, without) < effectWorth {
		return without
	}
	return with
}

// likely returns the logarithm of the likelihood of the answers that in lets pass.
func (f *fitting) likely(in func(i int) bool, c calibration) float64 {
	sum := 0.0
	for i, liking := range f.likes {
		if in(i) {
			sum += f.all.weights[i] * likelihood(liking, c.of(float64(f.base[i]), float64(f.effect[i])))
		}
	}
	return sum
}

func (f *fitting) newton(in func(i int) bool, effects bool) calibration {
	const n = 3
	before := [n]float64{0, 1, effectBefore}
	precision := [n]float64{1e-3, calibrationPrior, calibrationPrior}
	x := before
	if !effects {
		x[2], before[2], precision[2] = 0, 0, 1e12
	}
	for range calibrationSteps {
		var g [n]float64
		var h [n][n]float64
		for k := range n {
			g[k], h[k][k] = precision[k]*(before[k]-x[k]), precision[k]
		}
		for i := range f.likes {
			if !in(i) {
				continue
			}
			row := [n]float64{1, float64(f.base[i]), float64(f.effect[i])}
			p := logistic(x[0] + x[1]*row[1] + x[2]*row[2])
			w := f.all.weights[i]
			for k := range n {
				g[k] += w * (f.likes[i] - p) * row[k]
				for j := range n {
					h[k][j] += w * p * (1 - p) * row[k] * row[j]
				}
			}
		}
		step := solve3(h, g)
		far := 0.0
		for k := range n {
			x[k] += max(-2, min(step[k], 2)) //nolint:mnd // a step is not trusted farther
			far = max(far, math.Abs(step[k]))
		}
		if far < 1e-9 { //nolint:mnd // exact enough
			break
		}
	}
	return calibration{x[0], x[1], x[2]}
}

// solve3 solves h · x = g by elimination, for a matrix that is positive definite.
func solve3(h [3][3]float64, g [3]float64) [3]float64 {
	for k := range 3 {
		for i := k + 1; i < 3; i++ {
			r := h[i][k] / h[k][k]
			for j := k; j < 3; j++ {
				h[i][j] -= r * h[k][j]
			}
			g[i] -= r * g[k]
		}
	}
	var x [3]float64
	for k := 2; k >= 0; k-- {
		x[k] = g[k]
		for j := k + 1; j < 3; j++ {
			x[k] -= h[k][j] * x[j]
		}
		x[k] /= h[k][k]
	}
	return x
}
