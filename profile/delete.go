package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// How often a deletion looks again because the profile or what belongs to it changed, and how long it waits at most in between.
const (
	deleteAttempts = 64
	deletePause    = 10 * time.Millisecond
)

// deletion is the job of a profile that is marked.
const deletion jobs.Kind = "delete-profile"

// Delete removes a profile; with cascade also all that belongs to it, else it refuses while something does, with a
// conflict that names what is left, and changes nothing. ifMatch, where not zero, must be the profile's version.
//
// From the moment that it is decided the profile is not found, nothing can be created that belongs to it, and its
// sessions have ended. If Delete is cut off after that, [Service.Resume] or another Delete finishes it.
func (s *Service) Delete(ctx context.Context, id uuid.UUID, cascade bool, ifMatch store.Version) error {
	if err := s.mark(ctx, id, cascade, ifMatch); err != nil {
		return err
	}
	return s.finish(ctx, id)
}

// mark decides the deletion in one Apply: the profile is marked, the gate closed, the sessions ended, and a job
// noted that finishes the rest. A profile that is marked already is fine.
func (s *Service) mark(ctx context.Context, id uuid.UUID, cascade bool, ifMatch store.Version) error {
	for attempt := 1; ; attempt++ {
		rec, v, found, err := s.read(ctx, id)
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotFound
		case rec.Deleting:
			return nil
		case ifMatch != (store.Version{}) && ifMatch != v:
			return stale()
		}
		gate := store.Present // what is created until the gate is closed is deleted with the rest
		if !cascade {
			if gate, err = s.childless(ctx, id); err != nil {
				return err
			}
		}
		rec.Deleting = true
		err = store.Settle(ctx, s.store,
			put(profileKey(id), rec, store.VersionIs(v)),
			store.Delete(GateKey(id), gate),
			store.Delete(loginKey(id), store.None),
			put(deletion.Key(id), struct{}{}, store.None))
		switch {
		case !errors.Is(err, store.ErrConflict):
			return err
		case attempt == deleteAttempts:
			return fault.Wrap(err, fault.Unavailable, "Too many changes at once. Please try again.")
		}
		if err := wait(ctx, rand.N(deletePause)); err != nil { //nolint:gosec // no secret
			return err
		}
	}
}

// childless returns the condition that closes the gate only if nothing was created since nothing was found.
func (s *Service) childless(ctx context.Context, id uuid.UUID) (store.Condition, error) {
	gate, err := s.store.Get(ctx, GateKey(id), store.Strong)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // not found: closed since the profile was read, the Apply will fail
		return store.None, err
	}
	var left []string
	for _, d := range s.dependents {
		has, err := d.Any(ctx, id)
		if err != nil {
			return store.None, err
		}
		if has {
			left = append(left, d.Kind())
		}
	}
	if len(left) > 0 {
		return store.None, fault.New(fault.Conflict, "Profile still has %s; delete them first or use cascade=true", strings.Join(left, ", "))
	}
	return store.VersionIs(gate.Version), nil
}

// finish deletes everything of a marked profile. It can be stopped anywhere and run again, also concurrently: each step is
// idempotent but the last Apply, which frees the names, and that one is conditional on the profile's version.
func (s *Service) finish(ctx context.Context, id uuid.UUID) error {
	rec, v, found, err := s.read(ctx, id)
	if err != nil {
		return err
	}
	if !found { // somebody else has finished it
		return store.Settle(ctx, s.store, store.Delete(deletion.Key(id), store.None))
	}
	for _, d := range s.dependents {
		if err := d.DeleteAll(ctx, id); err != nil {
			return fmt.Errorf("profile: delete %s: %w", d.Kind(), err)
		}
	}
	if err := s.empty(ctx, id); err != nil {
		return err
	}
	writes := []store.Write{store.Delete(profileKey(id), store.VersionIs(v)), store.Delete(deletion.Key(id), store.None)}
	for _, key := range rec.claims() {
		writes = append(writes, store.Delete(key, store.None)) // still ours, as the profile is still there
	}
	err = store.Settle(ctx, s.store, writes...)
	switch {
	case store.Has(err, profileKey(id)): // somebody else was faster
		return nil
	case err != nil:
		return err
	}
	if err := store.Scrub(ctx, s.store); err != nil && !errors.Is(err, store.ErrUnavailable) { // else the next sweep of the store does it
		return err
	}
	return nil
}

// empty deletes everything in the profile's partition but the record.
func (s *Service) empty(ctx context.Context, id uuid.UUID) error {
	var batch []store.Write
	flush := func() error {
		err := store.Bulk(ctx, s.store, batch...)
		batch = batch[:0]
		return err
	}
	q := store.Query{Table: store.Users, Partition: id, Read: store.Strong}
	for item, err := range store.All(ctx, s.store, q) {
		if err != nil {
			return err
		}
		if item.Key.Sort == profileSort {
			continue
		}
		if batch = append(batch, store.Delete(item.Key, store.None)); len(batch) == store.MaxWrites {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// Resume finishes deletions that were cut off, and returns how many. Several instances may do so at once, and while a
// Delete is under way. One that fails is left for the next Resume and does not keep it from the others; the error
// tells of all that failed.
func (s *Service) Resume(ctx context.Context) (finished int, err error) {
	done := observe.Start(ctx, s.observer, "profile.resume")
	defer func() { done(err, observe.Value{Name: "finished", Number: float64(finished)}) }()
	err = deletion.Resume(ctx, s.store, func(ctx context.Context, id uuid.UUID, _ store.Item) error {
		if err := s.finish(ctx, id); err != nil {
			return err
		}
		finished++
		return nil
	})
	if err != nil {
		return finished, fmt.Errorf("profile: resume: %w", err)
	}
	return finished, nil
}
