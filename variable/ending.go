package variable

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
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

// Jobs are spread over a few partitions, which they share with those of other packages, so that no partition takes all writes and a look through all of them is short.
const (
	jobPartitions = 16
	jobPrefix     = "wipe-readings#"
)

func jobPartition(n byte) store.Partition {
	return store.HashPartition("jobs", strconv.Itoa(int(n%jobPartitions)))
}

func (e ending) key() store.Key {
	return store.Key{Table: store.Users, Partition: jobPartition(e.Consent[len(e.Consent)-1]), Sort: jobPrefix + e.Consent.String()}
}

func (e ending) write() (store.Write, error) {
	body, err := store.Encode(e)
	return store.Put(store.Item{Key: e.key(), Body: body}, store.None), err
}

// end finishes what the end of a consent entails, as far as ctx allows: what fails of the wiping is left to Resume, since the
// readings are out of reach already; what fails of the hook is the caller's error, and left to Resume too.
func (s *Service) end(ctx context.Context, e ending, c Change) error {
	_, wipeErr := s.wipe(ctx, e)
	if err := s.hook(ctx, c); err != nil {
		return err
	}
	if wipeErr == nil {
		_ = s.done(ctx, e) // a job too many does nothing
	}
	return nil
}

// wipe deletes the readings of a consent that has ended.
func (s *Service) wipe(ctx context.Context, e ending) (n int, err error) {
	start := time.Now()
	n, err = store.Wipe(ctx, s.store, store.Interactions, e.Consent, "")
	s.observe.Observe(ctx, observe.Event{
		Operation: "variable.wipe", Status: observe.Status(err), Duration: time.Since(start),
		Values: []observe.Value{{Name: "readings", Number: float64(n)}},
	})
	return n, err
}

func (s *Service) done(ctx context.Context, e ending) error {
	return s.store.Apply(ctx, store.Delete(e.key(), store.None))
}

// Resume finishes wiping readings whose consent has ended, tells the hook of those ends that it did not take in yet, and returns how
// many readings it deleted. What fails does not keep it from the rest; all errors are joined.
func (s *Service) Resume(ctx context.Context) (deleted int, err error) {
	var failed []error
	for n := range byte(jobPartitions) {
		q := store.Query{Table: store.Users, Partition: jobPartition(n), Prefix: jobPrefix, Read: store.Strong}
		for item, err := range store.All(ctx, s.store, q) {
			if err != nil {
				failed = append(failed, err)
				break
			}
			n, err := s.resume(ctx, item)
			deleted += n
			if err != nil {
				failed = append(failed, err)
			}
		}
		if ctx.Err() != nil {
			return deleted, ctx.Err()
		}
	}
	if len(failed) > 0 {
		return deleted, fmt.Errorf("variable: resume: %w", errors.Join(failed...))
	}
	return deleted, nil
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
	err = s.hook(ctx, Change{ProfileID: e.ProfileID, Variable: Variable{ID: e.VariableID, Type: e.Type}, OptedOut: e.Consent})
	if err != nil && !errors.Is(err, fault.ErrNotFound) { // a profile that is gone needs not be told
		return n, err
	}
	return n, s.done(ctx, e)
}
