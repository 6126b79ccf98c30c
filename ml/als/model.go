package als

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/internal/vector"
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

func newModel(items []string, rows []float32, o options, threads int) *Model {
	m := &Model{options: o, items: items, rows: rows, k: o.factors, gram: make([]float32, o.factors*o.factors)}
	vector.Gram(m.gram, rows, m.k, nil, threads)
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
	more := make([]float32, len(h.Weights))
	for i, w := range h.Weights {
		more[i] = m.certain(w)
	}
	s.solve(dst, m.rows, h.Items, more, m.regularize(len(h.Items)))
}

// Scores implements ml.Model.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	v := make([]float32, m.k)
	m.Vector(v, h)
	vector.DotRows(dst, v, m.rows)
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
	return newModel(items, rows.Floats(), read(v), 1), nil
}
