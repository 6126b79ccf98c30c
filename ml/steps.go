package ml

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Stepwise is a fit that goes on in steps. What an algorithm says of its state here is all that a checkpoint keeps.
type Stepwise struct {
	Name    string        // the algorithm's, for errors
	Key     func() string // identifies the fit: [FitKey], and whatever else its steps depend on; asked for only where there are checkpoints
	Steps   int
	Done    *int            // how many steps have been made; Run counts
	Counts  map[string]*int // other numbers of the state, by a name that is not "done"
	Numbers []Numbers       // the rest of the state
	// Step makes a step and returns its loss, NaN where it is not known.
	Step func(context.Context) (loss float64, err error)
	// Model returns the model as it is.
	Model func() Model
}

// Numbers are a named part of a fit's state. A checkpoint is read into them.
type Numbers struct {
	Name string
	X    []float32
}

const doneName = "done"

// Run makes the steps that are left: it goes on from the last checkpoint of the same fit, keeps one after each step, tells of progress, and lets the
// watcher end it.
func (o FitOptions) Run(ctx context.Context, s Stepwise) (Model, error) {
	key := ""
	if o.Checkpoints != nil {
		key = s.Key()
		last, err := o.LastCheckpoint(ctx, key)
		if err == nil && last != nil {
			err = s.resume(last)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	start, from := time.Now(), *s.Done
	for *s.Done < s.Steps {
		loss, err := s.Step(ctx)
		if err != nil {
			return nil, err
		}
		*s.Done++
		if o.Checkpoints != nil {
			if err := o.Checkpoints.Save(ctx, s.state(key)); err != nil {
				return nil, fmt.Errorf("%s: checkpoint: %w", s.Name, err)
			}
		}
		if o.Progress != nil {
			elapsed := time.Since(start)
			o.Progress(Progress{
				Step: *s.Done, Steps: s.Steps, Loss: loss, Elapsed: elapsed,
				Left: elapsed * time.Duration(s.Steps-*s.Done) / time.Duration(*s.Done-from),
			})
		}
		if err := o.Watched(*s.Done, s.Steps, s.Model); err != nil {
			return nil, err
		}
	}
	return s.Model(), nil
}

func (s *Stepwise) state(key string) *safetensors.File {
	f := &safetensors.File{Meta: map[string]string{FitKeyName: key, doneName: strconv.Itoa(*s.Done)}}
	for name, n := range s.Counts {
		f.Meta[name] = strconv.Itoa(*n)
	}
	for _, n := range s.Numbers {
		f.Tensors = append(f.Tensors, safetensors.Floats(n.Name, n.X, len(n.X)))
	}
	return f
}

// resume takes the state of a checkpoint over.
func (s *Stepwise) resume(f *safetensors.File) error {
	for _, n := range s.Numbers {
		t, err := f.Tensor(n.Name, safetensors.F32, len(n.X))
		if err != nil {
			return err
		}
		copy(n.X, t.Floats())
	}
	counts := map[string]*int{doneName: s.Done}
	maps.Copy(counts, s.Counts)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n, err := strconv.Atoi(f.Meta[name])
		if err != nil {
			return fmt.Errorf("the number %q of a checkpoint: %w", name, err)
		}
		*counts[name] = n
	}
	return nil
}
