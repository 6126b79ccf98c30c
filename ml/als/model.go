package als

import (
	"fmt"
	"math"
	"strconv"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Model is ml.Factored of iALS. It holds the items' vectors and nothing of any listener: whose vector is asked for is computed from what they have heard.
type Model struct {
	options
	items []string
	rows  []float32
	k     int
	gram  []float32

	solvers sync.Pool
}

var _ ml.Factored = (*Model)(nil)

func newModel(items []string, rows []float32, o options) *Model {
	m := &Model{options: o, items: items, rows: rows, k: o.factors, gram: gramOf(rows, o.factors, 1)}
	m.solvers.New = func() any { return newSolver(m.k, m.gram) }
	return m
}

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return Algorithm{}.Name() }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.items }

// Factors implements ml.Factored.
func (m *Model) Factors() (rows []float32, k int) { return m.rows, m.k }

// Vector implements ml.Factored: the exact solution of the least squares.
func (m *Model) Vector(dst []float32, h ml.Heard) {
	s := m.solvers.Get().(*solver) //nolint:forcetypeassert // nothing else is in it
	defer m.solvers.Put(s)
	c := make([]float32, len(h.Weights))
	for i, w := range h.Weights {
		c[i] = m.certain(w)
	}
	s.solve(dst, m.rows, h.Items, c, m.regularize(len(h.Items)))
}

// Scores implements ml.Model.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	v := make([]float32, m.k)
	m.Vector(v, h)
	for i := range dst {
		dst[i] = dot(m.rows[i*m.k:(i+1)*m.k], v)
	}
}

// solve writes the exact solution into x, by Cholesky's decomposition.
func (s *solver) solve(x, y []float32, cols []int32, c []float32, lambda float32) {
	clear(x)
	if len(cols) == 0 {
		return
	}
	k := s.k
	if s.full == nil {
		s.full = make([]float64, k*k+k)
	}
	a, b := s.full[:k*k], s.full[k*k:]
	for i, v := range s.gram {
		a[i] = float64(v)
	}
	clear(b)
	for i := range k {
		a[i*k+i] += float64(lambda)
	}
	for n, col := range cols {
		row := y[int(col)*k : (int(col)+1)*k]
		for i := range k {
			v := float64(c[n]-1) * float64(row[i])
			for j := range i + 1 {
				a[i*k+j] += v * float64(row[j])
			}
			b[i] += float64(c[n]) * float64(row[i])
		}
	}
	if !cholesky(a, b, k) {
		s.descend(x, y, cols, c, lambda, 2*k) // not positive definite: as near as can be
		return
	}
	for i := range x {
		x[i] = float32(b[i])
	}
}

// cholesky replaces b by the solution of a x = b, where a is symmetric, positive definite, and read below its diagonal. It is false where a is not.
func cholesky(a, b []float64, k int) bool {
	for i := range k {
		for j := range i + 1 {
			sum := a[i*k+j]
			for n := range j {
				sum -= a[i*k+n] * a[j*k+n]
			}
			if i > j {
				a[i*k+j] = sum / a[j*k+j]
				continue
			}
			if !(sum > 0) {
				return false
			}
			a[i*k+i] = math.Sqrt(sum)
		}
	}
	for i := range k {
		for n := range i {
			b[i] -= a[i*k+n] * b[n]
		}
		b[i] /= a[i*k+i]
	}
	for i := k - 1; i >= 0; i-- {
		for n := i + 1; n < k; n++ {
			b[i] -= a[n*k+i] * b[n]
		}
		b[i] /= a[i*k+i]
	}
	return true
}

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	confidence := "times"
	if m.plus {
		confidence = "plus"
	}
	return &safetensors.File{
		Meta: map[string]string{
			neighbors.AlgorithmKey: m.Algorithm(), "alpha": number(m.alpha), "regularization": number(m.regularization),
			"frequency": number(m.frequency), "confidence": confidence, "weight": string(m.weight),
		},
		Tensors: []safetensors.Tensor{
			safetensors.Names("items", m.items),
			safetensors.Floats("factors", m.rows, len(m.items), m.k),
		},
	}
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) {
	if is := f.Meta[neighbors.AlgorithmKey]; is != a.Name() {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, a.Name())
	}
	items, err := f.Names("items")
	if err != nil {
		return nil, err
	}
	rows, err := f.Tensor("factors", safetensors.F32, len(items), -1)
	if err != nil {
		return nil, err
	}
	v := ml.Values{"factors": strconv.Itoa(rows.Shape[1])}
	for _, name := range []string{"alpha", "regularization", "frequency", "confidence", "weight"} {
		v[name] = f.Meta[name]
	}
	if err := v.Check(a.Parameters()); err != nil {
		return nil, fmt.Errorf("%w: %w", safetensors.ErrDamaged, err)
	}
	return newModel(items, rows.Floats(), read(v)), nil
}
