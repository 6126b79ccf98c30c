package variable

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// ending is a consent that has ended: a job, written in the same Apply that takes the consent away, and deleted once
// the readings are wiped and the hook was told.
type ending struct {
	ProfileID  uuid.UUID `json:"profileId"`
	VariableID uuid.UUID `json:"variableId"`
	Type       Type      `json:"type"`
	Consent    uuid.UUID `json:"consent"`
}

// wiping is the job of an ending; it is about the consent.
const wiping jobs.Kind = "wipe-readings"

func (e ending) key() store.Key { return wiping.Key(e.Consent) }

func (e ending) write() (store.Write, error) {
	body, err := store.Encode(e)
	return store.Put(store.Item{Key: e.key(), Body: body}, store.None), err
}

// end finishes what the end of a consent entails, as far as ctx allows: what fails of the wiping is left to Resume, since the
// readings are out of reach already; what fails of the hook is the caller's error, and left to Resume too.
func (s *Service) end(ctx context.Context, e ending, c Change) error {
	_, wipeErr := s.wipe(ctx, e)
	if err := cmp.Or(s.hook(ctx, c), s.withdraw(ctx)); err != nil {
		return err
	}
	if wipeErr == nil {
		_ = s.done(ctx, e) // a job too many is done again
	}
	return nil
}

// wipe deletes the readings of a consent that has ended.
func (s *Service) wipe(ctx context.Context, e ending) (n int, err error) {
	s.patterns.Remove(e.Consent)
	done := observe.Start(ctx, s.observer, "variable.wipe")
	n, err = store.Wipe(ctx, s.store, store.Interactions, e.Consent, "")
	done(err, observe.Value{Name: "readings", Number: float64(n)})
	return n, err
}

// done ends the job, once nothing of what was derived from the readings is left either.
func (s *Service) done(ctx context.Context, e ending) error {
	if err := store.Scrub(ctx, s.store); err != nil {
		return err
	}
	return store.Settle(ctx, s.store, store.Delete(e.key(), store.None))
}

// Resume finishes wiping readings whose consent has ended, tells the hook of those ends that it did not take in yet, and returns how
// many readings it deleted. What fails is left for the next Resume and does not keep it from the rest; the error tells of all that failed.
func (s *Service) Resume(ctx context.Context) (deleted int, err error) {
	s.letGo()
	err = wiping.Resume(ctx, s.store, func(ctx context.Context, _ uuid.UUID, job store.Item) error {
		n, err := s.resume(ctx, job)
		deleted += n
		return err
	})
	if err != nil {
		return deleted, fmt.Errorf("variable: resume: %w", err)
	}
	return deleted, nil
}

// letGo lets go of the patterns in memory whose day is over: those of a consent that has ended elsewhere are never asked for again.
func (s *Service) letGo() {
	now := s.now()
	for _, consent := range s.patterns.Keys() {
		if p, there := s.patterns.Peek(consent); there && !now.Before(p.until) {
			s.patterns.Remove(consent)
		}
	}
}

func (s *Service) resume(ctx context.Context, job store.Item) (int, error) {
	var e ending
	if err := job.Decode(&e); err != nil {
		return 0, err
	}
	n, err := s.wipe(ctx, e)
	if err != nil {
		return n, err
	}
	if err := s.withdraw(ctx); err != nil {
		return n, err
	}
	err = s.hook(ctx, Change{ProfileID: e.ProfileID, Variable: Variable{ID: e.VariableID, Type: e.Type}, OptedOut: e.Consent})
	if err != nil && !errors.Is(err, fault.ErrNotFound) { // a profile that is gone needs not be told
		return n, err
	}
	return n, s.done(ctx, e)
}
