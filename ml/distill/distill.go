// Package distill makes a smaller model out of a larger one: the same tastes with fewer factors, which take less memory and less time to search. It is
// for models that are inner products, ml.Factored.
//
//	student, err := distill.Student(ctx, teacher, data, 32, ml.FitOptions{Seed: 1})
//
// The scores that a teacher gives to listeners are a matrix, vectors of listeners times vectors of items. Among all matrices of a lower rank the nearest one is
// where the vectors are projected on a certain subspace, which is found from the two matrices of second moments alone. The student's items are the
// teacher's in an orthonormal basis of it, and a listener's vector is solved for in the subspace as iALS solves for it in full.
//
// Source: Eckart and Young, "The approximation of one matrix by another of lower rank" (1936).
package distill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/mat"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

const (
	// mostListeners bounds how many listeners the subspace is found for: those of a sample say where most of the tastes lie.
	mostListeners = 2048
	salt          = 0x64697374
)

// Student returns the model of so many factors, at most the teacher's, that is nearest to the teacher for the listeners of d, whose columns are the teacher's
// items. Of many listeners a sample is taken, drawn with the seed. The same teacher, data and seed give the same student with any number of threads.
func Student(ctx context.Context, teacher ml.Factored, d *ml.Data, factors int, o ml.FitOptions) (*Model, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	rows, k := teacher.Factors()
	switch {
	case factors < 1:
		return nil, fmt.Errorf("distill: %d factors, must be at least 1", factors)
	case !slices.Equal(teacher.Items(), d.Items):
		return nil, errors.New("distill: the teacher knows other items than the data")
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	sample := draw(d, o.Seed)
	listeners := make([]float32, len(sample)*k)
	parallel(ctx, len(sample), o.Threads, func(i int) { teacher.Vector(listeners[i*k:(i+1)*k], heard(d, sample[i])) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	basis, err := subspace(moments(listeners, k, o.Threads), moments(rows, k, o.Threads), k, min(factors, k))
	if err != nil {
		return nil, err
	}
	small := project(rows, basis, k, min(factors, k))
	if f := teacher.Tensors(); f.Meta[algorithmKey] == solved {
		return open(withFactors(f, small, len(d.Items), min(factors, k)))
	}
	return fold(ctx, teacher, d, sample, small, min(factors, k), o.Threads)
}

// draw returns some of the listeners who have heard anything, in order.
func draw(d *ml.Data, seed uint64) []int {
	var all []int
	for u := range d.Heard.Rows() {
		if d.Heard.Starts[u] < d.Heard.Starts[u+1] {
			all = append(all, u)
		}
	}
	if len(all) > mostListeners {
		r := rand.New(rand.NewPCG(seed, salt))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:mostListeners]
		slices.Sort(all)
	}
	return all
}

func heard(d *ml.Data, u int) ml.Heard {
	cols, weights := d.Heard.Row(u)
	return ml.Heard{Listener: u, Items: cols, Weights: weights}
}

// moments returns the k×k matrix of inner products of the columns of rows.
func moments(rows []float32, k, threads int) *mat.SymDense {
	sums := make([]float32, k*k)
	vector.Gram(sums, rows, k, nil, threads)
	m := mat.NewSymDense(k, nil)
	for i := range k {
		for j := i; j < k; j++ {
			m.SetSym(i, j, float64(sums[i*k+j]))
		}
	}
	return m
}

// subspace returns an orthonormal basis, k×small row by row, of the subspace that vectors are best projected on, given the moments of listeners' vectors and of
// items' vectors. With C = RR for the listeners and G for the items the scores' squares are those of R·Itemsᵀ, whose best approximation
// keeps the first eigenvectors U of RGR; listeners' vectors that give it are in the span of R·U.
func subspace(listeners, items *mat.SymDense, k, small int) (*mat.Dense, error) {
	root, err := rootOf(listeners, k)
	if err != nil {
		return nil, err
	}
	var half, full mat.Dense
	half.Mul(root, items)
	full.Mul(&half, root)
	sym := mat.NewSymDense(k, nil)
	for i := range k {
		for j := i; j < k; j++ {
			sym.SetSym(i, j, (full.At(i, j)+full.At(j, i))/2)
		}
	}
	_, vectors, err := eigen(sym)
	if err != nil {
		return nil, err
	}
	var span, q mat.Dense
	span.Mul(root, vectors.Slice(0, k, k-small, k)) // the greatest are last
	var qr mat.QR
	qr.Factorize(&span)
	qr.QTo(&q)
	return mat.DenseCopyOf(q.Slice(0, k, 0, small)), nil
}

// rootOf returns the symmetric square root of a matrix of moments.
func rootOf(m *mat.SymDense, k int) (*mat.Dense, error) {
	values, vectors, err := eigen(m)
	if err != nil {
		return nil, err
	}
	roots := mat.NewDiagDense(k, nil)
	for i, x := range values {
		roots.SetDiag(i, math.Sqrt(max(x, 0)))
	}
	var half, root mat.Dense
	half.Mul(vectors, roots)
	root.Mul(&half, vectors.T())
	return &root, nil
}

func eigen(m *mat.SymDense) ([]float64, *mat.Dense, error) {
	var e mat.EigenSym
	if !finite(m) || !e.Factorize(m, true) {
		return nil, nil, errors.New("distill: the teacher's vectors are too large, or not numbers")
	}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	return e.Values(nil), &vectors, nil
}

func finite(m *mat.SymDense) bool {
	n := m.SymmetricDim()
	for i := range n {
		for j := i; j < n; j++ {
			if x := m.At(i, j); math.IsNaN(x) || math.IsInf(x, 0) {
				return false
			}
		}
	}
	return true
}

// project returns the rows in a basis.
func project(rows []float32, basis *mat.Dense, k, small int) []float32 {
	n := len(rows) / k
	out := make([]float32, n*small)
	sum := make([]float64, small)
	for i := range n {
		clear(sum)
		for p, v := range rows[i*k : (i+1)*k] {
			for j, b := range basis.RawRowView(p) {
				sum[j] += float64(v) * b
			}
		}
		for j, s := range sum {
			out[i*small+j] = float32(s)
		}
	}
	return out
}

// withFactors returns a model's file with other vectors of items.
func withFactors(f *safetensors.File, rows []float32, n, k int) *safetensors.File {
	tensors := slices.Clone(f.Tensors)
	for i := range tensors {
		if tensors[i].Name == factorsName {
			tensors[i] = safetensors.Floats(factorsName, rows, n, k)
		}
	}
	return &safetensors.File{Meta: f.Meta, Tensors: tensors}
}

// alphas and regularizations, in multiples of the mean of the items' moments, are tried where the teacher does not say how listeners' vectors are solved for.
var (
	alphas          = []float64{2, 10, 50}
	regularizations = []float64{0.001, 0.01, 0.1}
)

const (
	judges     = 256 // listeners who judge what is tried
	judgeDepth = 10
)

// fold returns the student whose ten best are most often the teacher's, among some ways to solve for listeners' vectors.
func fold(ctx context.Context, teacher ml.Model, d *ml.Data, sample []int, rows []float32, k, threads int) (*Model, error) {
	sample = sample[:min(judges, len(sample))]
	want := make([][]ml.Scored, len(sample))
	tops := func(m ml.Model, set func(i int, top []ml.Scored)) {
		parallel(ctx, len(sample), threads, func(i int) {
			scores, h := make([]float32, len(d.Items)), heard(d, sample[i])
			m.Scores(scores, h)
			set(i, ml.Top(nil, scores, h.Items, judgeDepth))
		})
	}
	tops(teacher, func(i int, top []ml.Scored) { want[i] = top })
	size := float64(vector.SumSquares(rows)) / float64(k)
	if !(size > 0) {
		size = 1
	}
	var best *Model
	most := int64(-1)
	for _, alpha := range alphas {
		for _, regularization := range regularizations {
			m, err := open(&safetensors.File{
				Meta: map[string]string{
					algorithmKey: solved, "alpha": text(alpha), "regularization": text(max(size*regularization, 1e-6)), "frequency": "0",
					"confidence": "plus", "weight": "binary",
				},
				Tensors: []safetensors.Tensor{safetensors.Names("items", d.Items), safetensors.Floats(factorsName, rows, len(d.Items), k)},
			})
			if err != nil {
				return nil, err
			}
			var same atomic.Int64
			tops(m, func(i int, top []ml.Scored) { same.Add(common(top, want[i])) })
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if same.Load() > most {
				best, most = m, same.Load()
			}
		}
	}
	return best, nil
}

// common returns how many items two lists have in common.
func common(a, b []ml.Scored) (n int64) {
	for _, x := range a {
		if slices.ContainsFunc(b, func(y ml.Scored) bool { return y.Item == x.Item }) {
			n++
		}
	}
	return n
}

func text(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// parallel calls work for 0 to n−1, until ctx ends.
func parallel(ctx context.Context, n, threads int, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(threads, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(i)
			}
		})
	}
	wg.Wait()
}
