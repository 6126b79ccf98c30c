package bpr

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Model is ml.Factored of BPR. It holds the items' vectors and nothing of any listener: whose vector is asked for is fitted to what they have heard, the items
// staying as they are.
type Model struct {
	options
	names []string
	rows  []float32 // one number more than factors each: the bias
	drawn []int32   // columns, each as often as it was heard, in proportion: from which the items not heard are drawn
}

var _ ml.Biased = (*Model)(nil)

// drawnItems is how many columns a model keeps to draw from.
const (
	drawnItems = 1 << 14
	drawnName  = "drawn"
)

func newModel(d *ml.Data, rows []float32, o options) *Model {
	m := &Model{options: o, names: d.Items, rows: rows, drawn: make([]int32, min(drawnItems, d.Heard.Cells()))}
	byItem := d.Heard.Transposed()
	item := int32(0)
	for i := range m.drawn {
		at := i * byItem.Cells() / len(m.drawn)
		for byItem.Starts[item+1] <= at {
			item++
		}
		m.drawn[i] = item
	}
	return m
}

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return Algorithm{}.Name() }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.names }

// Factors implements ml.Factored.
func (m *Model) Factors() (rows []float32, k int) { return m.rows, m.factors + 1 }

// Biases implements ml.Biased.
func (*Model) Biases() int { return 1 }

// mostSteps bounds how many steps a listener's vector is fitted by, and foldAtOnce is how many pairs are drawn before their steps are made, so that their vectors are fetched together.
const (
	mostSteps  = 4000
	foldAtOnce = 16
	heardBits  = 1 << 13
)

// Vector implements ml.Factored. As many pairs are drawn as in a fit of all, and with longer steps where that would be too many.
func (m *Model) Vector(dst []float32, h ml.Heard) {
	clear(dst)
	dst[m.factors] = 1
	if len(h.Items) == 0 || len(m.drawn) == 0 {
		return
	}
	r := rand.NewPCG(salt, uint64(len(h.Items)))
	whole := len(h.Items) * m.epochs
	steps := min(whole, mostSteps)
	f := folding{x: dst[:m.factors], size: 1, rate: min(m.rate*float32(whole)/float32(steps), longestStep)}
	f.keep = 1 - f.rate*m.regularization
	var liked, others [foldAtOnce]int32
	var maybe [heardBits / 64]uint64 // what is not in it was not heard; most of what is was
	for _, c := range h.Items {
		maybe[c%heardBits/64] |= 1 << (c % 64)
	}
	for done := 0; done < steps; {
		n := 0
		for ; n < foldAtOnce && done < steps; done++ {
			other := m.drawn[below(r, len(m.drawn))]
			if maybe[other%heardBits/64]>>(other%64)&1 == 0 || !has(h.Items, other) {
				liked[n], others[n] = h.Items[done%len(h.Items)], other
				n++
			}
		}
		vector.Fetch(m.rows, m.factors+1, others[:n]) // those that were liked are near
		for i := range n {
			f.step(m.row(liked[i]), m.row(others[i]))
		}
	}
	vector.Scale(f.size, f.x)
}

func (m *Model) row(i int32) []float32 {
	width := m.factors + 1
	return m.rows[int(i)*width : (int(i)+1)*width]
}

// folding is a listener's vector while it is fitted among items that stay as they are: size times x. So a step that keeps most of it need not touch all.
type folding struct {
	x                []float32
	size, rate, keep float32
}

// leastSize is how small size may become before x is made as small: beyond that numbers would be lost.
const leastSize = 1e-3

// step moves the vector along the gradient for a pair. The last number of y and z is the item's bias.
func (f *folding) step(y, z []float32) {
	k := len(f.x)
	o := options{rate: f.rate}
	pull := o.pull(f.size*vector.DotBetween(f.x, y, z) + (y[k] - z[k]))
	if f.size *= f.keep; f.size < leastSize {
		vector.Scale(f.size, f.x)
		f.size = 1
	}
	vector.Axpy(pull/f.size, y[:k], f.x)
	vector.Axpy(-pull/f.size, z[:k], f.x)
}

const longestStep = 0.1

// Scores implements ml.Model.
func (m *Model) Scores(dst []float32, h ml.Heard) {
	width := m.factors + 1
	v := make([]float32, width)
	m.Vector(v, h)
	vector.DotRows(dst, v, m.rows)
}

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	return &safetensors.File{
		Meta: map[string]string{
			"algorithm": m.Algorithm(), drawnName: strconv.Itoa(len(m.drawn)), "epochs": strconv.Itoa(m.epochs),
			"regularization": strconv.FormatFloat(float64(m.regularization), 'g', -1, 32), "rate": strconv.FormatFloat(float64(m.rate), 'g', -1, 32),
		},
		Tensors: []safetensors.Tensor{
			safetensors.Names("items", m.names),
			safetensors.Floats("factors", m.rows, len(m.names), m.factors+1),
			safetensors.Ints(drawnName, m.drawn, len(m.drawn)),
		},
	}
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) {
	if is := f.Meta["algorithm"]; is != a.Name() {
		return nil, fmt.Errorf("%w: a model of %q, not of %q", safetensors.ErrDamaged, is, a.Name())
	}
	v := ml.Values{"regularization": f.Meta["regularization"], "rate": f.Meta["rate"], "epochs": f.Meta["epochs"]}
	if err := v.Check(a.Parameters()); err != nil {
		return nil, fmt.Errorf("%w: %w", safetensors.ErrDamaged, err)
	}
	items, err := f.Names("items")
	if err != nil {
		return nil, err
	}
	rows, err := f.Tensor("factors", safetensors.F32, len(items), -1)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(f.Meta[drawnName])
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%w: no number of items to draw from", safetensors.ErrDamaged)
	}
	drawn, err := f.Tensor(drawnName, safetensors.I32, n)
	if err != nil {
		return nil, err
	}
	m := &Model{options: read(v), names: items, rows: rows.Floats(), drawn: drawn.Ints()}
	m.factors = rows.Shape[1] - 1
	for _, c := range m.drawn {
		if c < 0 || int(c) >= len(items) || m.factors < 1 {
			return nil, fmt.Errorf("%w: an item that is none", safetensors.ErrDamaged)
		}
	}
	return m, nil
}
