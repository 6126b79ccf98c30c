// Package localtrainer fits models in the host's own process, one at a time and on some of its processors.
//
//	trainer, err := localtrainer.New(blobs, localtrainer.Options{})
package localtrainer

import (
	"context"
	"fmt"
	"runtime"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
)

// Trainer is an ml.ModelTrainer. It is safe for concurrent use.
type Trainer struct {
	blobs   ml.Blobs
	threads int
	turn    chan struct{} // holds a token while a job is trained
}

var _ ml.ModelTrainer = (*Trainer)(nil)

// Options of a Trainer; the zero value is a good one.
type Options struct {
	// Threads is how many threads a job takes at most; 0 means half of GOMAXPROCS, so that requests are answered in the meantime. Models of algorithms that are the
	// same for the same number of threads only (see their documentation) are not resumed to the same bytes where this is changed.
	Threads int
}

// New returns a Trainer that keeps checkpoints and models in b.
func New(b ml.Blobs, o Options) (*Trainer, error) {
	var f fault.Fields
	if b == nil {
		f.Add("blobs", "are required")
	}
	if o.Threads < 0 {
		f.Add("Threads", "must not be negative")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	if o.Threads == 0 {
		o.Threads = max(1, runtime.GOMAXPROCS(0)/2) //nolint:mnd // half
	}
	return &Trainer{blobs: b, threads: o.Threads, turn: make(chan struct{}, 1)}, nil
}

// Train implements ml.ModelTrainer. Of several jobs the others wait for their turn.
func (t *Trainer) Train(ctx context.Context, j ml.Job, progress func(ml.Progress)) (ml.Artifact, error) {
	if err := j.Check(); err != nil {
		return ml.Artifact{}, err
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return ml.Artifact{}, ctx.Err()
	}
	if a, done, err := j.Done(ctx, t.blobs); done || err != nil {
		return a, err
	}
	m, err := j.Algorithm.Fit(ctx, j.Data, j.Values, ml.FitOptions{
		Seed: j.Seed, Threads: t.threads, Progress: progress, Start: j.Start, Checkpoints: ml.NewCheckpoints(t.blobs, j.CheckpointName()),
	})
	if err != nil {
		return ml.Artifact{}, fmt.Errorf("localtrainer: %w", err)
	}
	a, err := j.Write(ctx, t.blobs, m)
	if err != nil {
		return ml.Artifact{}, fmt.Errorf("localtrainer: %w", err)
	}
	// What is left of the checkpoint if this fails is cleared away with the model.
	_ = t.blobs.Remove(ctx, j.CheckpointName())
	return a, nil
}
