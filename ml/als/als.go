// Package als fits vectors to listeners and items whose inner products say who likes what: implicit alternating least squares ("iALS"). All that a listener has not heard
// counts as a weak no, and what was heard as a yes, the stronger the more. It is among the best and quickest of the simple models; the vectors of new listeners are found
// in closed form.
//
// Sources: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008); Takács, Pilászy and Tikk, "Applications of the
// conjugate gradient method for implicit feedback collaborative filtering" (2011); Rendle et al., "Revisiting the performance of iALS on item recommendation benchmarks" (2022),
// for the regularization that grows with frequency.
package als

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// Algorithm is ml.Algorithm "als".
type Algorithm struct{}

var (
	_ ml.Algorithm = Algorithm{}
	_ ml.Starter   = Algorithm{}
)

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "als" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "factors", Doc: "length of the vectors", Default: 64, Min: 1, Max: 1024, Whole: true, From: 32, To: 256, Log: true},
		{Name: "alpha", Doc: "how much more certain what was heard is than what was not", Default: 2, Min: 0, Max: 1e6, From: 0.5, To: 50, Log: true},
		{Name: "regularization", Doc: "how strongly vectors are kept short", Default: 50, Min: 0, Max: 1e9, From: 0.5, To: 200, Log: true},
		{Name: "frequency", Doc: "power of the number of cells of a row that regularization is multiplied by: 0 not at all, 1 in full", Default: 0, Min: 0, Max: 1, From: 0, To: 1},
		{Name: "confidence", Doc: "of a cell: alpha times its weight, or 1 plus that; of what was not heard: 1", Choices: []string{"times", "plus"}},
		{Name: "weight", Doc: "what a weight counts for", Choices: neighbors.Weights()},
		{Name: "iterations", Doc: "of all listeners and all items", Default: 15, Min: 1, Max: 1000, Whole: true},
		{Name: "steps", Doc: "of the conjugate gradient method for each row in each iteration", Default: 3, Min: 1, Max: 100, Whole: true},
	}
}

// Starts implements ml.Starter: regularization that grows with frequency fits data of any size and density.
func (Algorithm) Starts() []ml.Values {
	return []ml.Values{{"frequency": "1", "regularization": "0.3"}}
}

// options are values read.
type options struct {
	factors, iterations, steps int
	alpha, regularization      float64
	frequency                  float64
	plus                       bool
	weight                     neighbors.Weight
}

func read(v ml.Values) options {
	p := Algorithm{}.Parameters()
	return options{
		factors: int(v.Number(p, "factors")), iterations: int(v.Number(p, "iterations")), steps: int(v.Number(p, "steps")),
		alpha: v.Number(p, "alpha"), regularization: v.Number(p, "regularization"), frequency: v.Number(p, "frequency"),
		plus: v.Choice(p, "confidence") == "plus", weight: neighbors.Weight(v.Choice(p, "weight")),
	}
}

// certain returns the confidence of a weight, less the 1 that all that was not heard has.
func (o *options) certain(w float32) float32 {
	c := float32(o.alpha) * o.weight.Of(w)
	if !o.plus {
		c--
	}
	return c
}

// regularize returns the regularization of a row of n cells.
func (o *options) regularize(n int) float32 {
	if o.frequency == 0 {
		return float32(o.regularization)
	}
	return float32(o.regularization * math.Pow(float64(max(n, 1)), o.frequency))
}

// Fit implements ml.Algorithm. The model is the same with any number of threads. Checkpoints are kept after each iteration.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	if err := v.Check(a.Parameters()); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	f := newFit(d, read(v), o)
	return o.Run(ctx, ml.Stepwise{
		Name: a.Name(),
		Key:  func() string { return ml.FitKey(a, d, v, o) }, Steps: f.iterations, Done: &f.done,
		Numbers: []ml.Numbers{{Name: "listeners", X: f.listeners}, {Name: "items", X: f.items}},
		Step: func(ctx context.Context) (float64, error) {
			if err := f.half(ctx, f.heard, f.listeners, f.items); err != nil {
				return 0, err
			}
			return math.NaN(), f.half(ctx, f.heardBy, f.items, f.listeners)
		},
		Model: func() ml.Model { return f.model(d.Items) },
	})
}

// fit is the state of Fit. Its vectors are filled up with zeros to a width that the kernels take: that part of a row stays 0 in each step.
type fit struct {
	options
	threads          int
	width            int
	heard, heardBy   *ml.Matrix // confidences less 1, by listener and by item
	listeners, items []float32  // vectors, row by row
	done             int        // iterations
}

func newFit(d *ml.Data, opt options, o ml.FitOptions) *fit {
	f := &fit{options: opt, threads: o.Threads, heard: d.Heard.With(opt.certain)}
	f.width = (f.factors + vector.PullWidth - 1) / vector.PullWidth * vector.PullWidth
	if f.threads <= 0 {
		f.threads = runtime.GOMAXPROCS(0)
	}
	f.heardBy = f.heard.Transposed()
	r := rand.New(rand.NewPCG(o.Seed, 0x616c73))
	random := func(rows int) []float32 {
		x := make([]float32, rows*f.width)
		for row := 0; row < len(x); row += f.width {
			for i := range f.factors {
				x[row+i] = firstSize * r.Float32()
			}
		}
		return x
	}
	f.listeners, f.items = random(len(d.Listeners)), random(len(d.Items))
	if m, ok := o.Start.(*Model); ok && m.k == f.factors {
		at := make(map[string]int, len(m.items))
		for i, item := range m.items {
			at[item] = i
		}
		for i, item := range d.Items {
			if j, ok := at[item]; ok {
				copy(f.items[i*f.width:], m.rows[j*m.k:(j+1)*m.k])
			}
		}
	}
	return f
}

// model returns the model of the items' vectors as they are.
func (f *fit) model(items []string) *Model {
	rows := make([]float32, len(items)*f.factors)
	for i := range items {
		copy(rows[i*f.factors:(i+1)*f.factors], f.items[i*f.width:])
	}
	return newModel(items, rows, f.options, f.threads)
}

// firstSize is below what random numbers of vectors begin.
const firstSize = 0.01

// A goroutine takes so many rows at a time, or fewer if they have so many cells: some listeners have heard a hundred times as much as others.
const (
	mostRows  = 256
	mostCells = 1 << 14
)

// half fits the vectors x of the rows of m to those of its columns, y.
func (f *fit) half(ctx context.Context, m *ml.Matrix, x, y []float32) error {
	k := f.width
	gram := make([]float32, k*k)
	vector.Gram(gram, y, k, nil, f.threads)
	var mu sync.Mutex
	next := 0
	take := func() (from, to int) {
		mu.Lock()
		defer mu.Unlock()
		from = next
		for next < m.Rows() && next-from < mostRows && (next == from || m.Starts[next+1]-m.Starts[from] <= mostCells) {
			next++
		}
		return from, next
	}
	var wg sync.WaitGroup
	for range f.threads {
		wg.Go(func() {
			s := newSolver(k, gram)
			for ctx.Err() == nil {
				from, to := take()
				if from == to {
					return
				}
				for u := from; u < to; u++ {
					cols, more := m.Row(u)
					s.descend(x[u*k:(u+1)*k], y, cols, more, f.regularize(len(cols)), f.steps)
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
