// Package rp3beta recommends by a random walk of three steps, from an item to one of its listeners, to an item of theirs, that makes
// popular items less likely to be where it ends.
//
// Source: Paudel, Christoffel, Newell and Bernstein, "Updatable, accurate, diverse, and scalable recommendations for interactive applications" (2017).
package rp3beta

import (
	"context"
	"math"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Algorithm is ml.Algorithm "rp3beta".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "rp3beta" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "beta", Doc: "how much less popular items count: their number of listeners to this power divides", Default: 0.3, Min: 0, Max: 3, From: 0, To: 1},
		{Name: "alpha", Doc: "power of each step's probability; under 1 makes steps more alike", Default: 1, Min: 0, Max: 3, From: 0.4, To: 1.6},
		{Name: "neighbors", Doc: "items kept for each, itself counted", Default: 200, Min: 1, Max: 1e6, Whole: true, From: 20, To: 1000, Log: true},
		{Name: "weight", Doc: "what a weight counts for", Choices: []string{"binary", "log", "raw"}},
	}
}

// Fit implements ml.Algorithm.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	if err := v.Check(p); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	weight := neighbors.Weight(v.Choice(p, "weight"))
	alpha, beta := v.Number(p, "alpha"), v.Number(p, "beta")
	heard := d.Heard.With(weight.Of)
	items := steps(heard.Transposed(), alpha)
	listeners := steps(heard, alpha)
	popular := make([]float64, items.Rows())
	for i := range popular {
		popular[i] = math.Pow(float64(items.Starts[i+1]-items.Starts[i]), beta)
	}
	near, err := neighbors.Nearest(ctx, items.Rows(), int(v.Number(p, "neighbors")), o, func(i int, sum []float64, touched []int32) []int32 {
		users, there := items.Row(i)
		for u, user := range users {
			others, back := listeners.Row(int(user))
			x := float64(there[u])
			for j, other := range others {
				if sum[other] == 0 {
					touched = append(touched, other)
				}
				sum[other] += x * float64(back[j]) / popular[other]
			}
		}
		return touched
	})
	if err != nil {
		return nil, err
	}
	return neighbors.New(a.Name(), d.Items, near, weight), nil
}

// steps returns the probabilities of a step from each row, to the power alpha.
func steps(m *ml.Matrix, alpha float64) *ml.Matrix {
	out := &ml.Matrix{Columns: m.Columns, Starts: m.Starts, Cols: m.Cols, Weights: make([]float32, m.Cells())}
	for i := range m.Rows() {
		_, w := m.Row(i)
		sum := 0.0
		for _, x := range w {
			sum += float64(x)
		}
		for c := range w {
			out.Weights[m.Starts[i]+c] = float32(math.Pow(float64(w[c])/sum, alpha))
		}
	}
	return out
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) { return neighbors.Open(a.Name(), f) }
