// Package ease recommends by how well each item is foretold by all others: the weights of a linear regression of each item on all but itself, found in closed form.
// It is among the most accurate of the simple models where the catalog is not too large.
//
// With X as the matrix of listeners and items and P = (XᵀX + λ)⁻¹ the weight from item i to item j is −Pᵢⱼ ⁄ Pⱼⱼ, and 0 from an item to itself. Where there are fewer
// listeners than items, P = (1 − Xᵀ (XXᵀ + λ)⁻¹ X) ⁄ λ is found from a matrix of listeners (the Woodbury identity); otherwise
// from the matrix of the items heard most.
//
// Source: Steck, "Embarrassingly shallow autoencoders for sparse data" (2019).
package ease

import (
	"context"
	"errors"
	"runtime"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Algorithm is ml.Algorithm "ease".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "ease" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "regularization", Doc: "how strongly weights are kept small; at least 0.00001 of the most that any item (or listener) was heard (or has) is taken", Default: 100, Min: 1e-6, Max: 1e9, From: 10, To: 2000, Log: true},
		{Name: "weight", Doc: "what a weight counts for", Choices: []string{"binary", "log", "raw"}},
		{Name: "neighbors", Doc: "weights kept for each item, those of the greatest magnitude; memory grows with it", Default: 1000, Min: 1, Max: 1e6, Whole: true},
		{Name: "items", Doc: "if there are more listeners than this, so many items take part, those heard most: memory grows with its square, time with its cube", Default: 10000, Min: 1, Max: 40000, Whole: true},
	}
}

// Fit implements ml.Algorithm. The model is the same with any number of threads.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	p := a.Parameters()
	if err := v.Check(p); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	weight := neighbors.Weight(v.Choice(p, "weight"))
	f := &fit{
		heard: d.Heard.With(weight.Of), threads: o.Threads,
		lambda: float32(v.Number(p, "regularization")), most: int(v.Number(p, "items")),
	}
	rows, err := f.solve(ctx)
	if err != nil {
		return nil, err
	}
	near, err := neighbors.Largest(ctx, d.Heard.Columns, int(v.Number(p, "neighbors")), o, rows)
	if err != nil {
		return nil, err
	}
	return neighbors.New(a.Name(), d.Items, near, weight), nil
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) { return neighbors.Open(a.Name(), f) }

// least is the share of the largest element of a matrix that regularization is at least: what single precision can tell from nothing.
const least = 1e-5

// invert replaces a symmetric matrix by its inverse after λ was added to its diagonal.
func invert(ctx context.Context, a []float32, n int, lambda float32, threads int) error {
	for i := range n {
		lambda = max(lambda, least*a[i*n+i])
	}
	for i := range n {
		a[i*n+i] += lambda
	}
	if !vector.Invert(a, n, threads, func() bool { return ctx.Err() != nil }) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("ease: the weights are too different from each other for this regularization")
	}
	return nil
}
