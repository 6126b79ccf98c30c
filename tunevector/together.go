package tunevector

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// together does what does not wait for one another side by side, and returns when all of it is over: with the first error, for which the others are called
// off. A panic, as of the host's provider of music, comes out of together, so that whoever guards the caller against that guards these, too.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	panics := make([]any, len(parts))
	for i, part := range parts {
		group.Go(func() error {
			defer func() { panics[i] = recover() }()
			return part(ctx)
		})
	}
	err := group.Wait()
	again(panics)
	return err
}

// beside is together for what is short and cannot fail.
func beside(parts ...func()) {
	var group sync.WaitGroup
	panics := make([]any, len(parts))
	for i, part := range parts {
		group.Go(func() {
			defer func() { panics[i] = recover() }()
			part()
		})
	}
	group.Wait()
	again(panics)
}

// again panics as somebody else did.
func again(panics []any) {
	for _, p := range panics {
		if p != nil {
			panic(p) //nolint:forbidigo // it is another's, and goes where it would have gone
		}
	}
}

// inTurn does what together does, one after the other.
func inTurn(ctx context.Context, parts ...func(context.Context) error) error {
	for _, part := range parts {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}
