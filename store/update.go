package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// How Update retries. Among n writers of one item at least one gets through in each round, so that
// 64 attempts are enough for 64 that start at once, and the pauses let far more of them pass each other.
const (
	updateAttempts = 64
	updatePause    = time.Millisecond      // at most, before the second retry; doubled each time …
	updatePauseMax = 64 * time.Millisecond // … up to this
)

// Update changes one item by what change makes of it: it reads the item strongly, calls
// change, and applies the writes that change returns; if the item was changed in the meantime it starts again,
// up to 64 times, with growing random pauses, and then returns the [*ConflictError] wrapped in [ErrUnavailable]: nothing
// was written. change may hence be called several times, gets
// a copy that it may keep, and is told by found whether there is an item; old.Key is set either way.
//
// The write to key gets the condition that the item is still as change saw it; whatever condition it had is
// replaced. It also gets a fresh version if it carries none or that of old, so that change may put old with
// another body. Further writes go into the same Apply with the conditions they came with. If one of those
// fails while the item is unchanged, Update returns the [*ConflictError] at once, since trying again would
// find the same; see [Has]. Where change returns no writes nothing is written. Where it returns writes but
// none to key, the item is not guarded: put it again to hold on to it.
//
// Update returns the item as it stands after the call: what was put, what was found if nothing was written to it,
// the zero Item if it was deleted or is absent. An error of change ends it and is returned as it is.
//
// The writes are made by [Settle], so that an answer which was lost does not make the change twice. After an [ErrUnavailable] that wraps
// no conflict, or the context's error, the outcome is unknown, and calling Update again may.
func Update(ctx context.Context, s Store, key Key, change func(old Item, found bool) ([]Write, error)) (Item, error) {
	return update(ctx, s, key, nil, change)
}

// UpdateFrom is [Update] of an item that was read strongly just now: the first attempt goes from it and reads nothing. Later ones
// read, so that it may be somewhat old; the condition of the write holds it against what is there.
func UpdateFrom(ctx context.Context, s Store, seen Item, change func(old Item, found bool) ([]Write, error)) (Item, error) {
	return update(ctx, s, seen.Key, &seen, change)
}

func update(ctx context.Context, s Store, key Key, seen *Item, change func(old Item, found bool) ([]Write, error)) (Item, error) {
	for attempt := 1; ; attempt++ {
		now, lost, err := updateOnce(ctx, s, key, seen, change)
		seen = nil
		if !lost {
			return now, err
		}
		if attempt == updateAttempts {
			return Item{}, fault.Wrap(err, fault.Unavailable, "Too many changes at once. Please try again.")
		}
		if err := pause(ctx, attempt); err != nil {
			return Item{}, err
		}
	}
}

// updateOnce also reports whether it has lost against another writer of the item.
func updateOnce(ctx context.Context, s Store, key Key, from *Item, change func(Item, bool) ([]Write, error)) (now Item, lost bool, err error) {
	var old Item
	if from != nil {
		old = from.Clone()
	} else {
		old, err = s.Get(ctx, key, Strong)
	}
	found := err == nil
	guard, seen := VersionIs(old.Version), old.Version
	if !found {
		if !errors.Is(err, ErrNotFound) {
			return Item{}, false, err
		}
		old, guard = Item{Key: key}, Absent
	}
	if found {
		now = old.Clone()
	}
	writes, err := change(old, found)
	if err != nil {
		return Item{}, false, err
	}
	if len(writes) == 0 {
		return now, false, nil
	}
	guarded := make([]Write, len(writes))
	copy(guarded, writes)
	for i := range guarded {
		w := &guarded[i]
		if w.Key != key {
			continue
		}
		w.Condition, now = guard, Item{}
		if !w.Delete {
			if w.Version == seen || w.Version == (Version{}) {
				w.Version = NewVersion()
			}
			now = w.Item().Clone()
		}
	}
	if err := Settle(ctx, s, guarded...); err != nil {
		return Item{}, Has(err, key), err
	}
	return now, false, nil
}

// pause waits before the next attempt: not at all after the first, then a random part of a growing time.
func pause(ctx context.Context, attempt int) error {
	if attempt == 1 {
		return ctx.Err()
	}
	doublings := min(attempt-2, 30) // which is far over the maximum, and does not overflow
	return sleep(ctx, rand.N(min(updatePause<<doublings, updatePauseMax)))
}
