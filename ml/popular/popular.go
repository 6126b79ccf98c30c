// Package popular recommends to everybody what most listeners have heard: what every other model has to beat.
package popular

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Algorithm is ml.Algorithm "popular".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "popular" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "weight", Doc: "what a weight counts for", Choices: []string{"binary", "log", "raw"}},
	}
}

// Fit implements ml.Algorithm.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, _ ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	if err := v.Check(p); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	weight := neighbors.Weight(v.Choice(p, "weight"))
	sums := make([]float64, len(d.Items))
	for i, c := range d.Heard.Cols {
		sums[c] += float64(weight.Of(d.Heard.Weights[i]))
	}
	m := &Model{items: d.Items, scores: make([]float32, len(sums))}
	for i, s := range sums {
		m.scores[i] = float32(s)
	}
	return m, ctx.Err()
}

// Model is ml.Model of popularity.
type Model struct {
	items  []string
	scores []float32
}

var _ ml.Explainer = (*Model)(nil)

// Algorithm implements ml.Model.
func (m *Model) Algorithm() string { return Algorithm{}.Name() }

// Items implements ml.Model.
func (m *Model) Items() []string { return m.items }

// Scores implements ml.Model. They are the same for everybody.
func (m *Model) Scores(dst []float32, _ ml.Heard) { copy(dst, m.scores) }

// Explain implements ml.Explainer: nothing of what somebody has heard speaks for anything.
func (*Model) Explain(ml.Heard, int32, int) []ml.Scored { return nil }

// Tensors implements ml.Model.
func (m *Model) Tensors() *safetensors.File {
	return &safetensors.File{
		Meta:    map[string]string{neighbors.AlgorithmKey: m.Algorithm()},
		Tensors: []safetensors.Tensor{safetensors.Names("items", m.items), safetensors.Floats("scores", m.scores, len(m.scores))},
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
	scores, err := f.Tensor("scores", safetensors.F32, len(items))
	if err != nil {
		return nil, err
	}
	return &Model{items, scores.Floats()}, nil
}
