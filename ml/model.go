package ml

import (
	"context"
	"errors"
	"time"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Heard is what one listener has heard.
type Heard struct {
	Listener int       // the row in the data that the model was fitted on; −1 for anybody else, or somebody who has heard more since
	Items    []int32   // the model's columns, ascending
	Weights  []float32 // as in [Data]; as long as Items
}

// Model is a fitted model of taste: it says how well each item suits somebody who has heard some. It is immutable and safe for concurrent use.
type Model interface {
	// Algorithm is the name of the algorithm that made it.
	Algorithm() string
	// Items are the items that it knows, by column. They are the model's.
	Items() []string
	// Scores writes a score for each item into dst, which is as long as Items: the higher, the better it suits. Scores of one call can be
	// compared with each other, those of two not always. What was heard gets a score too. It is deterministic.
	Scores(dst []float32, h Heard)
	// Tensors returns the model for a file, from which the algorithm opens it again. They are the model's.
	Tensors() *safetensors.File
}

// Factored is a Model whose scores are inner products of a listener's vector with those of items, plus nothing: all of them can be found by one search for
// the nearest, and the listener's vector can be kept.
type Factored interface {
	Model
	// Factors returns the items' vectors, row by row, and how long each is. They are the model's.
	Factors() (rows []float32, k int)
	// Vector writes the listener's vector, of length k, into dst.
	Vector(dst []float32, h Heard)
}

// Algorithm fits models of one kind. Algorithms are values without state.
type Algorithm interface {
	// Name is short and lower-case, such as "als".
	Name() string
	// Parameters lists its hyperparameters.
	Parameters() []Parameter
	// Fit fits a model. Missing values are the defaults; wrong ones are one error that names each. It ends soon after ctx does. The same data, values
	// and seed give the same model; unless the algorithm says otherwise, with any number of threads.
	Fit(ctx context.Context, d *Data, v Values, o FitOptions) (Model, error)
	// Open opens a model of its own that was saved.
	Open(f *safetensors.File) (Model, error)
}

// FitOptions are what Fit needs besides data and values; the zero value is fine.
type FitOptions struct {
	Seed     uint64
	Threads  int            // at most so many; 0 means GOMAXPROCS
	Progress func(Progress) // nil, or called now and then, from one goroutine at a time
	// Checkpoints, if set, keep the state between steps, and Fit goes on after the last one of the same data, values and seed, to the same model as
	// without a stop.
	Checkpoints Checkpoints
	Start       Model // nil, or a model of the same algorithm to start from: a warm start
	// Watch, if set, is called by algorithms that go on in steps with the model as it is after steps 1, 2, 4, 8 and so on, but not after the last.
	// The model is good for the time of the call. Where Watch returns false, Fit gives up and its error is [ErrStopped]. Watching does not change
	// the model.
	Watch func(step, steps int, m Model) (goOn bool)
}

// ErrStopped is the error of a fit that its watcher ended.
var ErrStopped = errors.New("ml: the fit was stopped by its watcher")

// Watched calls Watch if it is due after a step, and returns ErrStopped if that ends the fit. model is called if it is needed.
func (o FitOptions) Watched(step, steps int, model func() Model) error {
	if o.Watch == nil || step >= steps || step&(step-1) != 0 || o.Watch(step, steps, model()) {
		return nil
	}
	return ErrStopped
}

// Progress is how far a fit is.
type Progress struct {
	Step, Steps int           // Steps is 0 where it is not known
	Loss        float64       // of this step; NaN where it is not known
	Elapsed     time.Duration // since Fit began
	Left        time.Duration // expected; 0 where it is not known
}

// Checkpoints keep the last state of a fit.
type Checkpoints interface {
	// Save keeps a state in place of the last one. It need not keep each.
	Save(ctx context.Context, f *safetensors.File) error
	// Last returns the last state that was kept, nil for none. One that is damaged is none.
	Last(ctx context.Context) (*safetensors.File, error)
}
