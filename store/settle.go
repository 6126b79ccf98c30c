package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// How Settle repeats. A store that was patient itself, as one behind a network is, has used up the time, and is not asked again.
const (
	settleAttempts = 3
	settlePause    = 40 * time.Millisecond   // at most, before looking and each repetition
	settleTime     = 1500 * time.Millisecond // after which nothing more begins; an attempt over a network that hangs takes a second
)

// Settle is Apply for callers who want to know. Where the outcome is unknown it looks, by strong reads, whether the writes were
// made, and if that is not to be seen repeats the very same writes, at most twice and not for long. Its errors are those of Apply, so that
//
//   - nil means that the writes were made, once;
//   - a [*ConflictError] means that nothing was written;
//   - [ErrUnavailable] or the context's error means that the outcome is still unknown.
//
// Writes were made if one of the puts' items has its write's version. Where there are deletes only, nobody can tell whose
// they were: they count as made if all of the items are absent. If nothing is to be seen, the writes were never made, or others
// have changed all of the items since. So a repetition that fails a condition does not prove a conflict: the outcome is unknown then.
//
// A repetition writes again what has no condition, or [Present], whoever has changed it since. And an attempt that a
// store has given up is taken to be over: Settle cannot know of one that is still on its way.
func Settle(ctx context.Context, s Store, writes ...Write) error {
	first, err := repeat(ctx, func() error { return s.Apply(ctx, writes...) }, func() bool {
		seen, _ := made(ctx, s, writes) // what cannot be seen may still be repeated
		return seen
	})
	if err == nil || first == nil || unknown(err) {
		return err
	}
	if !errors.Is(err, ErrConflict) {
		return unsettled(err)
	}
	if seen, err := made(ctx, s, writes); seen || err != nil {
		return unsettled(err)
	}
	return unsettled(first) // and not the conflict, for which callers would take it
}

// unsettled tells that an outcome is unknown, because of cause; nil if that is nil.
func unsettled(cause error) error {
	if cause == nil {
		return nil
	}
	return fault.Wrap(cause, fault.Unavailable, "It is not known whether a change was made. Please look before you try again.")
}

// repeat calls f until its outcome is known, from its answer or because it is seen, at most settleAttempts times. It returns the first error
// that left the outcome unknown, nil if none did, and the last one, nil if the outcome is good.
func repeat(ctx context.Context, f func() error, seen func() bool) (first, last error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		last = f()
		if !unknown(last) {
			return first, last
		}
		if first == nil {
			first = last
		}
		if time.Since(began) >= settleTime || sleep(ctx, rand.N(settlePause)) != nil {
			return first, last
		}
		if seen() {
			return first, nil
		}
		if attempt == settleAttempts || time.Since(began) >= settleTime {
			return first, last
		}
	}
}

// unknown reports whether err leaves open what became of a write.
func unknown(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// made reports whether it can be seen that writes were made.
func made(ctx context.Context, s Store, writes []Write) (bool, error) {
	deleted := true // there are no puts, and all of the items are absent
	for _, w := range writes {
		item, err := s.Get(ctx, w.Key, Strong)
		switch {
		case err == nil && !w.Delete && item.Version == w.Version:
			return true, nil
		case err != nil && !errors.Is(err, ErrNotFound):
			return false, err
		}
		deleted = deleted && w.Delete && err != nil
	}
	return deleted, nil
}

// sleep waits for d, or fails as soon as ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
