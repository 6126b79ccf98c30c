package rhythmiq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
)

const (
	// passEvery is the mean pause between two passes. It varies by ±10 %, so that instances that were started together
	// do not all work at the same moments.
	passEvery = time.Minute
	// sweepPasses is how many passes of Run there are for one sweep. A sweep reads the whole store, and expired
	// items are absent to readers without it.
	sweepPasses = 10
	// latePasses is how many there are for one look at what was planned while a consent ended, which has time.
	latePasses = 10
)

// task is something that is done in the background.
type task struct {
	name   string
	passes int // Run does it in every passes-th pass
	do     func(ctx context.Context) error
	long   bool // it may take minutes: Run does not wait for it with the others
}

func (a *App) tasks() []task {
	tasks := []task{
		{name: "finish deletions", passes: 1, do: func(ctx context.Context) error {
			_, err := a.Profiles.Resume(ctx)
			return err
		}},
		{name: "wipe readings", passes: 1, do: func(ctx context.Context) error {
			_, err := a.Variables.Resume(ctx)
			return err
		}},
		{name: "withhold what was planned late", passes: latePasses, do: a.TuneVectors.Resume},
		{name: "let go of answers", passes: 1, do: a.TuneVectors.Tidy},
		{name: "count popularity", passes: 1, do: a.Learning.Refresh}, // counts at most once an hour
		{name: "sweep the store", passes: sweepPasses, do: a.sweepStore},
	}
	if a.Models != nil {
		tasks = append(tasks,
			task{name: "look for models", passes: 1, do: a.Models.Poll},
			task{name: "train models", passes: 1, do: a.Models.RetrainIfDue, long: true})
	}
	if a.Situations != nil {
		tasks = append(tasks,
			task{name: "look for models of situations", passes: 1, do: a.Situations.Poll},
			task{name: "train models of situations", passes: 1, do: a.Situations.RetrainIfDue, long: true})
	}
	if a.Situations == nil && a.blobs != nil { // from when, or where, there are models of situations
		tasks = append(tasks, task{name: "delete models of situations", passes: 1, do: func(ctx context.Context) error { return ml.ExpireSituations(ctx, a.Learning, a.blobs) }})
	}
	if a.Spotify != nil {
		tasks = append(tasks, task{name: "refresh tokens of Spotify", passes: 1, do: a.Spotify.Work, long: true})
	}
	return tasks
}

// Run does what must happen in the background (unfinished deletions, wiping, popularity, models of taste and of situations, tokens of linked accounts, expired items) until ctx
// ends, and returns nil then. What fails is logged and tried again in about a minute. Everything stays correct without it, and several instances can
// run it over one store.
func (a *App) Run(ctx context.Context) error {
	tasks := a.tasks()
	do := func(t task) {
		if err := t.do(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "background work failed, will try again", "task", t.name, "error", err)
		}
	}
	var long sync.WaitGroup
	defer long.Wait()
	busy := make([]chan struct{}, len(tasks)) // each holds a token while its task goes on, if that is a long one
	for i := range tasks {
		busy[i] = make(chan struct{}, 1)
	}
	for pass := 0; ctx.Err() == nil; pass++ {
		for i, t := range tasks {
			if pass%t.passes != 0 {
				continue
			}
			if !t.long {
				do(t)
				continue
			}
			select {
			case busy[i] <- struct{}{}:
				long.Go(func() {
					do(t)
					<-busy[i]
				})
			default: // it goes on
			}
		}
		rest(ctx, passEvery*9/10+rand.N(passEvery/5)) //nolint:gosec // no secret
	}
	return nil
}

// rest waits for d or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Sweep does one pass of what Run does, for hosts that have no background. All of it is tried even if some fails; the
// error joins what did.
func (a *App) Sweep(ctx context.Context) error {
	var errs []error
	for _, t := range a.tasks() {
		if err := t.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("rhythmiq: %s: %w", t.name, err))
		}
	}
	return errors.Join(errs...)
}

// sweepStore deletes expired items in stores that do not do so by themselves.
func (a *App) sweepStore(ctx context.Context) error {
	s, ok := store.As[store.Sweeper](a.store)
	if !ok {
		return nil
	}
	done := observe.Start(ctx, a.observer, "store.sweep")
	n, err := s.Sweep(ctx)
	done(err, observe.Value{Name: "expired", Number: float64(n)})
	return err
}
