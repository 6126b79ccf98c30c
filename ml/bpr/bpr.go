// Package bpr fits vectors to listeners and items such that each listener's heard items come before those that they have not heard: Bayesian personalized ranking, by
// stochastic gradient descent over pairs.
//
// Source: Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback" (2009). The items not heard are drawn as often
// as they are heard by anybody.
package bpr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
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
	key := ""
	if o.Checkpoints != nil {
		key = ml.FitKey(a, d, v, o) + "/" + strconv.Itoa(len(f.workers))
		last, err := o.LastCheckpoint(ctx, key)
		if err == nil {
			err = f.resume(last)
		}
		if err != nil {
			return nil, fmt.Errorf("bpr: %w", err)
		}
	}
	start, from := time.Now(), f.done
	for f.done < f.epochs {
		right, err := f.epoch(ctx)
		if err != nil {
			return nil, err
		}
		f.done++
		if o.Checkpoints != nil {
			if err := o.Checkpoints.Save(ctx, f.state(key)); err != nil {
				return nil, fmt.Errorf("bpr: checkpoint: %w", err)
			}
		}
		if o.Progress != nil {
			elapsed := time.Since(start)
			o.Progress(ml.Progress{
				Step: f.done, Steps: f.epochs, Loss: 1 - right, Elapsed: elapsed,
				Left: elapsed * time.Duration(f.epochs-f.done) / time.Duration(f.done-from),
			})
		}
		if err := o.Watched(f.done, f.epochs, func() ml.Model { return newModel(d, f.items, f.options) }); err != nil {
			return nil, err
		}
	}
	return newModel(d, f.items, f.options), nil
}

// fit is the state of Fit. Vectors of items have one number more, their bias, and those of listeners a 1 there.
type fit struct {
	options
	heard            *ml.Matrix
	rows             []int32 // the row of each cell
	listeners, items []float32
	workers          []worker
	seed             uint64
	done             int // epochs
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
	width := f.width()
	r := rand.New(rand.NewPCG(o.Seed, salt))
	random := func(rows int, last float32) []float32 {
		x := make([]float32, rows*width)
		for i := range x {
			if i%width == width-1 {
				x[i] = last
				continue
			}
			x[i] = (r.Float32() - 0.5) / float32(f.factors)
		}
		return x
	}
	f.listeners, f.items = random(len(d.Listeners), 1), random(len(d.Items), 0)
	if m, ok := o.Start.(*Model); ok && m.factors == f.factors {
		at := make(map[string]int, len(m.names))
		for i, item := range m.names {
			at[item] = i
		}
		for i, item := range d.Items {
			if j, ok := at[item]; ok {
				copy(f.items[i*width:(i+1)*width], m.rows[j*width:(j+1)*width])
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

func (f *fit) width() int { return f.factors + 1 }

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

// merge adds the changes of all workers to the items.
func (f *fit) merge() {
	if len(f.workers) == 1 {
		return
	}
	var wg sync.WaitGroup
	step := (len(f.items) + len(f.workers) - 1) / len(f.workers)
	for t := range f.workers {
		wg.Go(func() {
			for i := t * step; i < min((t+1)*step, len(f.items)); i++ {
				old := f.items[i]
				x := old
				for w := range f.workers {
					x += f.workers[w].items[i] - old
				}
				f.items[i] = x
			}
		})
	}
	wg.Wait()
}

// checkEvery is after how many pairs the context is looked at.
const checkEvery = 1 << 14

// draw makes a worker's steps of one round.
func (f *fit) draw(ctx context.Context, w *worker, r *rand.PCG, round int) {
	n := w.to - w.from
	if n == 0 {
		return
	}
	if len(f.workers) > 1 {
		copy(w.items, f.items)
	}
	width := f.width()
	for i := range n*(round+1)/rounds - n*round/rounds {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return
		}
		cell := w.from + below(r, n)
		u, liked := f.rows[cell], f.heard.Cols[cell]
		other := f.heard.Cols[below(r, len(f.heard.Cols))]
		cols, _ := f.heard.Row(int(u))
		if has(cols, other) {
			continue
		}
		w.drawn++
		x := f.listeners[int(u)*width : (int(u)+1)*width]
		y := w.items[int(liked)*width : (int(liked)+1)*width]
		z := w.items[int(other)*width : (int(other)+1)*width]
		if f.step(x, y, z) {
			w.right++
		}
	}
}

// step moves the vectors of a listener, of what they like and of another item along the gradient; it reports whether the two were in order.
func (f *fit) step(x, y, z []float32) bool {
	score := float32(0)
	y, z = y[:len(x)], z[:len(x)]
	for i, v := range x {
		score += v * (y[i] - z[i])
	}
	pull := f.rate / (1 + float32(math.Exp(float64(score))))
	keep := 1 - f.rate*f.regularization
	last := len(x) - 1
	for i, v := range x[:last] {
		a, b := y[i], z[i]
		x[i] = keep*v + pull*(a-b)
		y[i] = keep*a + pull*v
		z[i] = keep*b - pull*v
	}
	y[last] = keep*y[last] + pull
	z[last] = keep*z[last] - pull
	return score > 0
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

func (f *fit) state(key string) *safetensors.File {
	return &safetensors.File{
		Meta: map[string]string{ml.FitKeyName: key, "done": strconv.Itoa(f.done)},
		Tensors: []safetensors.Tensor{
			safetensors.Floats("listeners", f.listeners, len(f.listeners)),
			safetensors.Floats("items", f.items, len(f.items)),
		},
	}
}

// resume goes on from a checkpoint, nil for none.
func (f *fit) resume(last *safetensors.File) error {
	if last == nil {
		return nil
	}
	listeners, err := last.Tensor("listeners", safetensors.F32, len(f.listeners))
	if err != nil {
		return err
	}
	items, err := last.Tensor("items", safetensors.F32, len(f.items))
	if err != nil {
		return err
	}
	if f.done, err = strconv.Atoi(last.Meta["done"]); err != nil {
		return err
	}
	copy(f.listeners, listeners.Floats())
	copy(f.items, items.Floats())
	return nil
}

// fold is step for a listener among items that stay as they are.
func (f *fit) fold(x, y, z []float32) {
	score := float32(0)
	y, z = y[:len(x)], z[:len(x)]
	for i, v := range x {
		score += v * (y[i] - z[i])
	}
	pull := f.rate / (1 + float32(math.Exp(float64(score))))
	keep := 1 - f.rate*f.regularization
	last := len(x) - 1
	for i, v := range x[:last] {
		x[i] = keep*v + pull*(y[i]-z[i])
	}
}
