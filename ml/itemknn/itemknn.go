// Package itemknn recommends what the listeners of what one has heard have also heard: each item's nearest neighbors, by the cosine of
// the angle between the columns of listeners, or of columns weighted by BM25, which lets very busy listeners and very popular items count less.
//
// Sources: Sarwar et al., "Item-based collaborative filtering recommendation algorithms" (2001); Robertson and Zaragoza, "The probabilistic relevance
// framework: BM25 and beyond" (2009), with items as documents and listeners as terms.
package itemknn

import (
	"context"
	"math"

	"github.com/rhythmiq/rhythmiq/internal/neighbors"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Algorithm is ml.Algorithm "itemknn".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "itemknn" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "similarity", Doc: "how nearness is measured", Choices: []string{"cosine", "bm25"}},
		{Name: "neighbors", Doc: "items kept for each, itself counted", Default: 500, Min: 1, Max: 1e6, Whole: true, From: 20, To: 1000, Log: true},
		{Name: "weight", Doc: "what a weight counts for", Choices: neighbors.Weights()},
		{Name: "k1", Doc: "bm25: how far a weight counts before it is enough", Default: 10, Min: 0, Max: 1e6, From: 0.5, To: 200, Log: true},
		{Name: "b", Doc: "bm25: how much less popular items count, 0 not at all", Default: 0.1, Min: 0, Max: 1, From: 0, To: 1},
		{Name: "shrink", Doc: "cosine: added to the product of the lengths, so that few common listeners count less", Default: 0, Min: 0, Max: 1e6, From: 0, To: 50},
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
	items := d.Heard.With(weight.Of).Transposed()
	norms := make([]float64, items.Rows())
	if v.Choice(p, "similarity") == "bm25" {
		items = bm25(items, v.Number(p, "k1"), v.Number(p, "b"))
	} else {
		for i := range norms {
			_, w := items.Row(i)
			for _, x := range w {
				norms[i] += float64(x) * float64(x)
			}
			norms[i] = math.Sqrt(norms[i])
		}
	}
	shrink, cosine := v.Number(p, "shrink"), v.Choice(p, "similarity") == "cosine"
	listeners := items.Transposed()
	near, err := neighbors.Nearest(ctx, items.Rows(), int(v.Number(p, "neighbors")), o, func(i int, sum []float64, touched []int32) []int32 {
		users, weights := items.Row(i)
		for u, user := range users {
			others, w := listeners.Row(int(user))
			x := float64(weights[u])
			for j, other := range others {
				if sum[other] == 0 {
					touched = append(touched, other)
				}
				sum[other] += x * float64(w[j])
			}
		}
		if cosine {
			for _, other := range touched {
				sum[other] /= norms[i]*norms[other] + shrink
			}
		}
		return touched
	})
	if err != nil {
		return nil, err
	}
	return neighbors.New(a.Name(), d.Items, near, weight), nil
}

// bm25 weights a matrix whose rows are items.
func bm25(items *ml.Matrix, k1, b float64) *ml.Matrix {
	heard := make([]float64, items.Columns) // items of each listener
	length := make([]float64, items.Rows())
	mean := 0.0
	for i := range length {
		users, w := items.Row(i)
		for u, user := range users {
			heard[user]++
			length[i] += float64(w[u])
		}
		mean += length[i] / float64(len(length))
	}
	out := &ml.Matrix{Columns: items.Columns, Starts: items.Starts, Cols: items.Cols, Weights: make([]float32, items.Cells())}
	n := math.Log(float64(items.Rows()))
	for i := range length {
		norm := 1 - b + b*length[i]/mean
		for c := items.Starts[i]; c < items.Starts[i+1]; c++ {
			x := float64(items.Weights[c])
			rare := max(0, n-math.Log1p(heard[items.Cols[c]])) // nobody's word counts against
			out.Weights[c] = float32(x * (k1 + 1) / (k1*norm + x) * rare)
		}
	}
	return out
}

// Open implements ml.Algorithm.
func (a Algorithm) Open(f *safetensors.File) (ml.Model, error) { return neighbors.Open(a.Name(), f) }
