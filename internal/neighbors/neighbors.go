// Package neighbors holds what the models of taste have in common that score an item by how near it is to what was heard: the
// matrix of nearness, how its rows are found, and its file.
package neighbors

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Model is an ml.Model: the score of an item is the sum over what was heard of its weight times the nearness of the two.
type Model struct {
	algorithm string
	items     []string
	near      *ml.Matrix // row: a heard item; columns: the items that it speaks for
	weight    Weight
}

var _ ml.Model = (*Model)(nil)

// Weight is what a listener's weight counts for: itself, 1, or log(1 + itself).
type Weight string

// The weights.
const (
	Log    Weight = "log"
	Binary Weight = "binary"
	Raw    Weight = "raw"
)

// Weights lists them, the default first.
func Weights() []string { return []string{string(Log), string(Binary), string(Raw)} }

// New returns a model of items whose nearness is known.
func New(algorithm string, items []string, near *ml.Matrix, w Weight) *Model {
	return &Model{algorithm, items, near, w}
}

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return m.algorithm }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.items }

// Near returns the matrix of nearness. It is the model's.
func (m *Model) Near() *ml.Matrix { return m.near }

// Scores implements ml.Model.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	clear(dst)
	for i, item := range h.Items {
		w := m.weight.Of(h.Weights[i])
		cols, near := m.near.Row(int(item))
		for j, c := range cols {
			dst[c] += w * near[j]
		}
	}
}

const (
	weightKey = "weight"
	// AlgorithmKey is where a file's map says which algorithm made it.
	AlgorithmKey = "algorithm"
)

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	starts := make([]int32, len(m.near.Starts))
	for i, s := range m.near.Starts {
		starts[i] = int32(s)
	}
	n := m.near.Cells()
	return &safetensors.File{
		Meta: map[string]string{AlgorithmKey: m.algorithm, weightKey: string(m.weight)},
		Tensors: []safetensors.Tensor{
			safetensors.Names("items", m.items),
			safetensors.Ints("starts", starts, len(starts)),
			safetensors.Ints("columns", m.near.Cols, n),
			safetensors.Floats("nearness", m.near.Weights, n),
		},
	}
}

// Open opens what Tensors returned.
func Open(algorithm string, f *safetensors.File) (*Model, error) {
	if is := f.Meta[AlgorithmKey]; is != algorithm {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, algorithm)
	}
	w := Weight(f.Meta[weightKey])
	if !slices.Contains(Weights(), string(w)) {
		return nil, fmt.Errorf("%w: no weight %q", safetensors.ErrDamaged, w)
	}
	items, err := f.Names("items")
	if err != nil {
		return nil, err
	}
	starts, err := f.Tensor("starts", safetensors.I32, len(items)+1)
	if err != nil {
		return nil, err
	}
	columns, err := f.Tensor("columns", safetensors.I32, -1)
	if err != nil {
		return nil, err
	}
	near, err := f.Tensor("nearness", safetensors.F32, columns.Shape[0])
	if err != nil {
		return nil, err
	}
	m := &ml.Matrix{Columns: len(items), Starts: make([]int, len(items)+1), Cols: columns.Ints(), Weights: near.Floats()}
	for i, s := range starts.Ints() {
		m.Starts[i] = int(s)
	}
	sorted := slices.IsSorted(m.Starts) && m.Starts[0] == 0 && m.Starts[len(items)] == len(m.Cols)
	if !sorted || slices.ContainsFunc(m.Cols, func(c int32) bool { return c < 0 || int(c) >= len(items) }) {
		return nil, fmt.Errorf("%w: its rows do not fit its columns", safetensors.ErrDamaged)
	}
	return New(algorithm, items, m, w), nil
}

// Of returns what a weight counts for.
func (w Weight) Of(x float32) float32 {
	switch w {
	case Binary:
		return 1
	case Log:
		return log1p(x)
	default:
		return x
	}
}

// Nearest returns a matrix of n rows in which each holds the k greatest values that row writes for it: row adds to sum, which is all 0 when it is called, and
// appends to touched the columns that it has added to, each at least once. It is called by several goroutines, each with
// arguments of its own, and each row by one of them, so that the result is the same with any number of threads. Values that are not above 0 are left out.
func Nearest(ctx context.Context, n, k int, o ml.FitOptions, row func(i int, sum []float64, touched []int32) []int32) (*ml.Matrix, error) {
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	rows := make([][]ml.Scored, n)
	progress := newReporter(n, o.Progress)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			sum := make([]float64, n)
			var touched []int32
			var found []ml.Scored
			for ctx.Err() == nil {
				from := int(next.Add(block)) - block
				if from >= n {
					return
				}
				for i := from; i < min(n, from+block); i++ {
					touched, found = row(i, sum, touched[:0]), found[:0]
					for _, c := range touched {
						if s := float32(sum[c]); s > 0 {
							found = append(found, ml.Scored{Item: c, Score: s})
						}
						sum[c] = 0
					}
					rows[i] = slices.Clone(best(found, k))
				}
				progress.add(min(n, from+block) - from)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return join(rows, n), nil
}

// block is how many rows a goroutine takes at a time.
const block = 16

// best returns the k greatest, in the order of their columns. Of equal ones the lower column is greater.
func best(found []ml.Scored, k int) []ml.Scored {
	if len(found) > k {
		slices.SortFunc(found, func(a, b ml.Scored) int {
			if c := cmp.Compare(b.Score, a.Score); c != 0 {
				return c
			}
			return cmp.Compare(a.Item, b.Item)
		})
		found = found[:k]
	}
	slices.SortFunc(found, func(a, b ml.Scored) int { return cmp.Compare(a.Item, b.Item) })
	return found
}

func join(rows [][]ml.Scored, columns int) *ml.Matrix {
	m := &ml.Matrix{Columns: columns, Starts: make([]int, len(rows)+1)}
	for i, r := range rows {
		m.Starts[i+1] = m.Starts[i] + len(r)
	}
	m.Cols, m.Weights = make([]int32, 0, m.Starts[len(rows)]), make([]float32, 0, m.Starts[len(rows)])
	for _, r := range rows {
		for _, s := range r {
			m.Cols, m.Weights = append(m.Cols, s.Item), append(m.Weights, s.Score)
		}
	}
	return m
}

// reporter counts rows, and tells of them a hundred times in all.
type reporter struct {
	mu    sync.Mutex
	done  int
	told  int
	n     int
	start time.Time
	tell  func(ml.Progress)
}

func newReporter(n int, tell func(ml.Progress)) *reporter {
	return &reporter{n: n, start: time.Now(), tell: tell}
}

func (r *reporter) add(rows int) {
	if r.tell == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += rows
	if percent := 100 * r.done / r.n; percent > r.told {
		r.told = percent
		elapsed := time.Since(r.start)
		r.tell(ml.Progress{
			Step: r.done, Steps: r.n, Loss: nan, Elapsed: elapsed,
			Left: time.Duration(float64(elapsed) * float64(r.n-r.done) / float64(r.done)),
		})
	}
}

// Explain returns the heard items that speak most for an item, the most first, at most n, with how much of its score each gives.
func (m *Model) Explain(h ml.Heard, item int32, n int) []ml.Scored {
	var why []ml.Scored
	for i, heard := range h.Items {
		cols, near := m.near.Row(int(heard))
		if at, ok := slices.BinarySearch(cols, item); ok {
			why = append(why, ml.Scored{Item: heard, Score: m.weight.Of(h.Weights[i]) * near[at]})
		}
	}
	slices.SortStableFunc(why, func(a, b ml.Scored) int { return cmp.Compare(b.Score, a.Score) })
	return why[:min(n, len(why))]
}
