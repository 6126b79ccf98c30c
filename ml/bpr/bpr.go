// Package bpr fits vectors to listeners and items such that each listener's heard items come before those that they have not heard: Bayesian personalized ranking, by
// stochastic gradient descent over pairs.
//
// Source: Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback" (2009). The items not heard are drawn as often
// as they are heard by anybody.
package bpr

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// Algorithm is ml.Algorithm "bpr".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "bpr" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "factors", Doc: "length of the vectors", Default: 64, Min: 1, Max: 1024, Whole: true, From: 16, To: 128, Log: true},
		{Name: "rate", Doc: "length of a step along the gradient", Default: 0.01, Min: 1e-9, Max: 10, From: 0.002, To: 0.1, Log: true},
		{Name: "regularization", Doc: "how strongly vectors are kept short", Default: 0.003, Min: 0, Max: 10, From: 0.0003, To: 0.05, Log: true},
		{Name: "epochs", Doc: "in each as many pairs are drawn as there are cells", Default: 100, Min: 1, Max: 10000, Whole: true, From: 30, To: 300, Log: true},
	}
}

type options struct {
	factors, epochs      int
	rate, regularization float32
}

func read(v ml.Values) options {
	p := Algorithm{}.Parameters()
	return options{
		factors: int(v.Number(p, "factors")), epochs: int(v.Number(p, "epochs")),
		rate: float32(v.Number(p, "rate")), regularization: float32(v.Number(p, "regularization")),
	}
}

// Fit implements ml.Algorithm. The model is the same for the same number of threads: each has the listeners of its own and, between the moments at which their changes are
// added up, items of its own. Checkpoints are kept after each epoch.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	if err := v.Check(a.Parameters()); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	f := newFit(d, read(v), o)
	return o.Run(ctx, ml.Stepwise{
		Name:  a.Name(),
		Key:   func() string { return ml.FitKey(a, d, v, o) + "/" + strconv.Itoa(len(f.workers)) },
		Steps: f.epochs, Done: &f.done,
		Numbers: []ml.Numbers{{Name: "listeners", X: f.listeners}, {Name: "items", X: f.items}},
		Step: func(ctx context.Context) (float64, error) {
			right, err := f.epoch(ctx)
			return 1 - right, err
		},
		Model: func() ml.Model { return f.model(d) },
	})
}

// fit is the state of Fit. Vectors are filled up with zeros to a width that the kernels take: that part of a row stays 0 in each step.
type fit struct {
	options
	heard     *ml.Matrix
	rows      []int32 // the row of each cell
	maybe     filter  // says which cells there are not
	width     int
	listeners []float32
	items     []float32 // the vectors, row by row, and behind them the biases
	biases    int       // where these begin
	workers   []worker
	seed      uint64
	done      int // epochs
}

// worker has the cells of some listeners.
type worker struct {
	from, to int
	items    []float32 // a copy, changed
	right    int       // pairs that were in order before they were drawn
	drawn    int
}

const (
	// rounds is how often in an epoch the workers' changes are added up.
	rounds     = 32
	mostCopies = 8
	salt       = 0x627072
)

func newFit(d *ml.Data, opt options, o ml.FitOptions) *fit {
	f := &fit{options: opt, heard: d.Heard, seed: o.Seed, rows: make([]int32, d.Heard.Cells())}
	for u := range d.Heard.Rows() {
		for c := d.Heard.Starts[u]; c < d.Heard.Starts[u+1]; c++ {
			f.rows[c] = int32(u)
		}
	}
	f.maybe = newFilter(d.Heard)
	f.width = (f.factors + vector.PullWidth - 1) / vector.PullWidth * vector.PullWidth
	f.biases = len(d.Items) * f.width
	r := rand.New(rand.NewPCG(o.Seed, salt))
	random := func(rows, extra int) []float32 {
		x := make([]float32, rows*f.width+extra)
		for i := range rows {
			for j := range f.factors {
				x[i*f.width+j] = (r.Float32() - 0.5) / float32(f.factors)
			}
		}
		return x
	}
	f.listeners, f.items = random(len(d.Listeners), 0), random(len(d.Items), len(d.Items))
	if m, ok := o.Start.(*Model); ok && m.factors == f.factors {
		at := make(map[string]int, len(m.names))
		for i, item := range m.names {
			at[item] = i
		}
		for i, item := range d.Items {
			if j, ok := at[item]; ok {
				row := m.rows[j*(m.factors+1) : (j+1)*(m.factors+1)]
				copy(f.items[i*f.width:], row[:f.factors])
				f.items[f.biases+i] = row[f.factors]
			}
		}
	}
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	threads = max(1, min(threads, mostCopies, d.Heard.Rows()))
	cut := 0
	for t := range threads {
		from := cut
		for want := f.heard.Cells() * (t + 1) / threads; cut < f.heard.Cells() && (cut < want || f.rows[cut] == f.rows[max(cut-1, 0)]); {
			cut++
		}
		f.workers = append(f.workers, worker{from: from, to: cut})
	}
	if threads > 1 {
		for t := range f.workers {
			f.workers[t].items = make([]float32, len(f.items))
		}
	} else {
		f.workers[0].items = f.items
	}
	return f
}

// model returns the model of the items' vectors as they are: with a bias as one number more.
func (f *fit) model(d *ml.Data) *Model {
	k := f.factors
	rows := make([]float32, 0, len(d.Items)*(k+1))
	for i := range d.Items {
		rows = append(rows, f.items[i*f.width:i*f.width+k]...)
		rows = append(rows, f.items[f.biases+i])
	}
	return newModel(d, rows, f.options)
}

// epoch draws as many pairs as there are cells, and returns the share of those that were in order.
func (f *fit) epoch(ctx context.Context) (right float64, err error) {
	for t := range f.workers {
		f.workers[t].right, f.workers[t].drawn = 0, 0
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for t := range f.workers {
			wg.Go(func() {
				f.draw(ctx, &f.workers[t], rand.NewPCG(f.seed^salt<<32, uint64(f.done)<<32|uint64(round)<<16|uint64(t)), round)
			})
		}
		wg.Wait()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		f.merge()
	}
	good, all := 0, 0
	for t := range f.workers {
		good, all = good+f.workers[t].right, all+f.workers[t].drawn
	}
	return float64(good) / float64(max(1, all)), nil
}

// mergePart is how many numbers are added up at a time: so many of each worker's fit into a first-level cache.
const mergePart = 2048

// merge adds the changes of all workers to the items: what they have come to together, less what was there before once for each but one.
func (f *fit) merge() {
	n := len(f.workers)
	if n == 1 {
		return
	}
	var wg sync.WaitGroup
	for t := range n {
		wg.Go(func() {
			to := len(f.items) * (t + 1) / n
			for from := len(f.items) * t / n; from < to; from += mergePart {
				part := f.items[from:min(from+mergePart, to)]
				vector.Scale(float32(1-n), part)
				for w := range f.workers {
					vector.Axpy(1, f.workers[w].items[from:from+len(part)], part)
				}
			}
		})
	}
	wg.Wait()
}

const (
	// checkEvery is after how many pairs the context is looked at.
	checkEvery = 1 << 14
	// atOnce is how many pairs are drawn before their steps are made, so that the memory's answers to all of them are awaited together, and ahead
	// is for how many of them the vectors are fetched while the steps of others are made.
	atOnce = 256
	ahead  = 8
)

// pairs are listeners, what they like, and other items.
type pairs struct {
	cells, draws             [atOnce]int
	listeners, liked, others [atOnce]int32
}

// draw makes a worker's steps of one round.
func (f *fit) draw(ctx context.Context, w *worker, r *rand.PCG, round int) {
	n := w.to - w.from
	if n == 0 {
		return
	}
	if len(f.workers) > 1 {
		copy(w.items, f.items)
	}
	var p pairs
	for done, all := 0, n*(round+1)/rounds-n*round/rounds; done < all; done += atOnce {
		if done%checkEvery == 0 && ctx.Err() != nil {
			return
		}
		found := f.choose(&p, w, r, min(atOnce, all-done))
		w.drawn += found
		for from := 0; from < found; from += ahead {
			if from == 0 {
				f.fetch(&p, w, 0, min(ahead, found))
			}
			f.fetch(&p, w, min(from+ahead, found), min(from+2*ahead, found))
			for i := from; i < min(from+ahead, found); i++ {
				if f.step(w, int(p.listeners[i]), int(p.liked[i]), int(p.others[i])) {
					w.right++
				}
			}
		}
	}
}

// choose draws n pairs, and returns how many are left without those whose other item is heard too.
func (f *fit) choose(p *pairs, w *worker, r *rand.PCG, n int) int {
	for i := range n {
		p.cells[i] = w.from + below(r, w.to-w.from)
		p.draws[i] = below(r, len(f.heard.Cols))
	}
	for i, cell := range p.cells[:n] {
		p.listeners[i], p.liked[i], p.others[i] = f.rows[cell], f.heard.Cols[cell], f.heard.Cols[p.draws[i]]
	}
	found := 0
	for i := range n {
		listener, other := p.listeners[i], p.others[i]
		if f.maybe.has(listener, other) {
			if cols, _ := f.heard.Row(int(listener)); has(cols, other) {
				continue
			}
		}
		p.listeners[found], p.liked[found], p.others[found] = listener, p.liked[i], other
		found++
	}
	return found
}

func (f *fit) fetch(p *pairs, w *worker, from, to int) {
	vector.Fetch(f.listeners, f.width, p.listeners[from:to])
	vector.Fetch(w.items, f.width, p.liked[from:to])
	vector.Fetch(w.items, f.width, p.others[from:to])
}

// step moves the vectors of a listener, of what they like and of another item along the gradient; it reports whether the two were in order.
func (f *fit) step(w *worker, listener, liked, other int) bool {
	x := f.listeners[listener*f.width : (listener+1)*f.width]
	y, z := w.items[liked*f.width:(liked+1)*f.width], w.items[other*f.width:(other+1)*f.width]
	a, b := &w.items[f.biases+liked], &w.items[f.biases+other]
	score := vector.DotBetween(x, y, z) + (*a - *b)
	pull := f.pull(score)
	keep := 1 - f.rate*f.regularization
	vector.PullApart(x, y, z, keep, pull)
	*a = keep**a + pull
	*b = keep**b - pull
	return score > 0
}

// pull is how far a pair of this difference of scores is drawn.
func (o *options) pull(score float32) float32 {
	return o.rate / (1 + float32(math.Exp(float64(score))))
}

// below returns a random number from 0 on below n, which is under 2³².
func below(r *rand.PCG, n int) int {
	return int((r.Uint64() >> 32 * uint64(n)) >> 32)
}

// has reports whether a is among the ascending columns.
func has(cols []int32, a int32) bool {
	lo, hi := 0, len(cols)
	for lo < hi {
		mid := (lo + hi) / 2
		if cols[mid] < a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(cols) && cols[lo] == a
}
