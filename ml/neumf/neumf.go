// Package neumf learns how listeners and items go together by a small neural network: neural matrix factorization, products of factors beside layers that see
// both a listener's and an item's vector, and one number from both in the end.
//
// In the source a listener's vectors are learned like an item's. Here they are the sum of vectors of what the listener has heard, by the root of how
// many those are: so that whoever has heard anything is served, and nothing of any listener is in the model. What is to be
// foretold is left out of the sum while the network learns it.
//
// From random numbers the steps along the gradient are slow, and where they end is not good: so the products begin at vectors that iALS has found, which takes less time than one epoch, and
// few short steps follow. What the layers add to that depends on the data; do not expect much, see Rendle et al.
//
// The network is so small that everything is in packing it into a few products of matrices; it is written out here on package vector, with Adam, and needs no
// tensor library. Putting 256 pairs of 32 factors through it and back takes 0.8 ms, where gomlx v0.26 with its backend in pure Go took 76 ms in the same minute on the
// same busy machine (BenchmarkPair; that backend calls itself "not very fast", has no kernels of its own, and registers itself by init).
//
// Sources: He, Liao, Zhang, Nie, Hu and Chua, "Neural collaborative filtering" (2017); Kabbur, Ning and Karypis, "FISM: factored item similarity models for
// top-N recommender systems" (2013), for listeners as sums; Kingma and Ba, "Adam: a method for stochastic optimization" (2015); Loshchilov and
// Hutter, "Decoupled weight decay regularization" (2019); Rendle, Krichene, Zhang and Anderson, "Neural collaborative filtering vs. matrix factorization revisited"
// (2020), for what to expect.
package neumf

import (
	"context"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Algorithm is ml.Algorithm "neumf".
type Algorithm struct{}

var _ ml.Algorithm = Algorithm{}

// Name implements ml.Algorithm.
func (Algorithm) Name() string { return "neumf" }

// Parameters implements ml.Algorithm.
func (Algorithm) Parameters() []ml.Parameter {
	return []ml.Parameter{
		{Name: "factors", Doc: "length of the vectors, of those for products and of those for layers", Default: 32, Min: 1, Max: 512, Whole: true, From: 16, To: 64, Log: true},
		{Name: "hidden", Doc: "width of the first layer; the second is half as wide", Default: 32, Min: 2, Max: 1024, Whole: true, From: 16, To: 64, Log: true},
		{Name: "rate", Doc: "length of a step along the gradient", Default: 0.0003, Min: 1e-9, Max: 1, From: 0.0001, To: 0.003, Log: true},
		{Name: "decay", Doc: "how strongly what is learned is kept small, of each step", Default: 0.1, Min: 0, Max: 100, From: 0.01, To: 3, Log: true},
		{Name: "negatives", Doc: "items not heard that are drawn for each that was", Default: 4, Min: 1, Max: 100, Whole: true, From: 2, To: 16, Log: true},
		{Name: "start", Doc: "where the products begin: at the vectors of iALS, or at random", Choices: []string{"als", "random"}, Kept: true},
		{Name: "regularization", Doc: "of that iALS, for each cell of a listener or item", Default: 0.3, Min: 0, Max: 1e9, From: 0.1, To: 10, Log: true},
		{Name: "batch", Doc: "cells of a step, in whole listeners; at most a sixteenth of all", Default: 4096, Min: 1, Max: 1 << 20, Whole: true},
		{Name: "epochs", Doc: "of all listeners", Default: 5, Min: 1, Max: 10000, Whole: true, From: 2, To: 20, Log: true},
	}
}

// options are values read.
type options struct {
	factors, hidden, negatives, batch, epochs int
	rate, decay                               float32
	pretrained                                bool
	regularization                            float64
}

func read(v ml.Values) options {
	p := Algorithm{}.Parameters()
	whole := func(name string) int { return int(v.Number(p, name)) }
	return options{
		factors: whole("factors"), hidden: whole("hidden"), negatives: whole("negatives"), batch: whole("batch"), epochs: whole("epochs"),
		pretrained: v.Choice(p, "start") == "als", regularization: v.Number(p, "regularization"),
		rate: float32(v.Number(p, "rate")), decay: float32(v.Number(p, "decay")),
	}
}

// Fit implements ml.Algorithm. The model is the same with any number of threads; more than four are not used. Checkpoints are kept after each epoch.
func (a Algorithm) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	if err := v.Check(a.Parameters()); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	f := newFit(d, read(v), o)
	return o.Run(ctx, ml.Stepwise{
		Name: a.Name(),
		Key:  func() string { return ml.FitKey(a, d, v, o) }, Steps: f.epochs, Done: &f.done,
		Counts: map[string]*int{"steps": &f.steps}, Numbers: f.state(), Step: f.epoch,
		Model: func() ml.Model { return newModel(d.Items, f.network) },
	})
}
