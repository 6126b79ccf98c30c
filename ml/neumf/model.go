package neumf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Model is ml.Model of NeuMF. It holds nothing of any listener.
type Model struct {
	*network
	names   []string
	product []float32 // of each item the k factors for products
	first   []float32 // of each item what it adds to the first layer, h1
	scratch sync.Pool
}

var _ ml.Explainer = (*Model)(nil)

// block is how many items are scored at once.
const block = 256

func newModel(items []string, w *network) *Model {
	n, k := len(items), w.k
	m := &Model{network: w, names: items, product: make([]float32, n*k), first: make([]float32, n*w.h1)}
	part := make([]float32, n*k)
	for i := range n {
		row := w.vectors[i*2*k : (i+1)*2*k]
		copy(m.product[i*k:], row[:k])
		copy(part[i*k:], row[k:])
	}
	half := make([]float32, w.h1*k) // of w₁: what items go through
	for j := range w.h1 {
		copy(half[j*k:(j+1)*k], w.w1[j*2*k+k:])
	}
	vector.Gemm(m.first, part, half, n, w.h1, k, 1)
	m.scratch.New = func() any {
		return &scratch{
			sum: make([]float32, 2*k), p: make([]float32, 2*k), shift: make([]float32, w.h1),
			r1: make([]float32, block*w.h1), r2: make([]float32, block*w.h2),
		}
	}
	return m
}

// scratch is what Scores works in.
type scratch struct {
	sum, p, shift, r1, r2 []float32
}

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return Algorithm{}.Name() }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.names }

// Scores implements ml.Model. Weights make no difference.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	s := m.scratch.Get().(*scratch) //nolint:forcetypeassert // nothing else is in it
	defer m.scratch.Put(s)
	k, h1, h2 := m.k, m.h1, m.h2
	m.sum(s.sum, h.Items)
	m.listen(s.p, s.sum, len(h.Items))
	for j, b := range m.b1 {
		s.shift[j] = b + vector.Dot(s.p[k:], m.w1[j*2*k:j*2*k+k])
	}
	for j, o := range m.out[:k] {
		s.p[j] *= o
	}
	vector.DotRows(dst, s.p[:k], m.product)
	for at := 0; at < len(dst); at += block {
		n := min(block, len(dst)-at)
		r1 := s.r1[:n*h1]
		copy(r1, m.first[at*h1:])
		relu(r1, s.shift)
		vector.Gemm(s.r2, r1, m.w2, n, h2, h1, 1)
		relu(s.r2[:n*h2], m.b2)
		for i := range n {
			dst[at+i] += m.bias[0] + vector.Dot(m.out[k:], s.r2[i*h2:(i+1)*h2])
		}
	}
}

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	n := len(m.names)
	return &safetensors.File{
		Meta: map[string]string{"algorithm": m.Algorithm(), "hidden": strconv.Itoa(m.h1)},
		Tensors: []safetensors.Tensor{
			safetensors.Names("items", m.names),
			safetensors.Floats(names[0], m.heard, n, 2*m.k),
			safetensors.Floats(names[1], m.vectors, n, 2*m.k),
			safetensors.Floats(names[2], m.dense, len(m.dense)),
		},
	}
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) {
	if is := f.Meta["algorithm"]; is != a.Name() {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, a.Name())
	}
	items, err := f.Names("items")
	if err != nil {
		return nil, err
	}
	heard, err := f.Tensor(names[0], safetensors.F32, len(items), -1)
	if err != nil {
		return nil, err
	}
	v := ml.Values{"factors": strconv.Itoa(heard.Shape[1] / 2), "hidden": f.Meta["hidden"]} //nolint:mnd // two parts
	if err := v.Check(a.Parameters()); err != nil || heard.Shape[1]%2 != 0 {
		return nil, fmt.Errorf("%w: no network has %d numbers for an item and a layer of %q", safetensors.ErrDamaged, heard.Shape[1], f.Meta["hidden"])
	}
	o := read(v)
	w := &network{k: o.factors, h1: o.hidden, h2: o.hidden / 2, heard: heard.Floats()}
	vectors, err := f.Tensor(names[1], safetensors.F32, len(items), 2*w.k)
	if err != nil {
		return nil, err
	}
	dense, err := f.Tensor(names[2], safetensors.F32, denseSize(w.k, w.h1, w.h2))
	if err != nil {
		return nil, err
	}
	w.vectors, w.dense = vectors.Floats(), dense.Floats()
	w.layers = split(w.dense, w.k, w.h1, w.h2)
	return newModel(items, w), nil
}

// Explain implements ml.Explainer: what a heard item gives is what the score would lose if it had not been heard.
func (m *Model) Explain(h ml.Heard, item int32, n int) []ml.Scored {
	if len(h.Items) == 0 {
		return nil
	}
	k := m.k
	s := newPass(m.network, len(h.Items)+1) // the last pair with all
	s.n = len(h.Items) + 1
	sum, less := make([]float32, 2*k), make([]float32, 2*k)
	m.sum(sum, h.Items)
	for i := range s.n {
		copy(s.q[i*2*k:], m.vectors[int(item)*2*k:(int(item)+1)*2*k])
		if i == len(h.Items) {
			m.listen(s.p[i*2*k:], sum, len(h.Items))
			continue
		}
		copy(less, sum)
		vector.Axpy(-1, m.heard[int(h.Items[i])*2*k:(int(h.Items[i])+1)*2*k], less)
		m.listen(s.p[i*2*k:], less, len(h.Items)-1)
	}
	s.forward(m.network)
	why := make([]ml.Scored, len(h.Items))
	for i, heard := range h.Items {
		why[i] = ml.Scored{Item: heard, Score: s.scores[len(h.Items)] - s.scores[i]}
	}
	slices.SortStableFunc(why, func(a, b ml.Scored) int { return cmp.Compare(b.Score, a.Score) })
	return why[:min(n, len(why))]
}
