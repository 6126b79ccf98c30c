package variable

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Kind is what a message calls variables: with Any and DeleteAll it makes the Service a [profile.Dependent].
func (s *Service) Kind() string { return "variables" }

// Any reports whether the listener has variables.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	all, err := s.all(ctx, profileID)
	return len(all) > 0, err
}

// DeleteAll deletes variables and their readings. It can be called again after a failure, and where there is nothing; what
// a failure left of readings is out of reach already, and [Service.Resume] deletes it too.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) (err error) {
	defer observe.Watch(ctx, s.observer, "variable.delete-all")(&err)
	all, err := s.all(ctx, profileID)
	if err != nil {
		return err
	}
	var over []ending
	for _, v := range all {
		ended, _, err := s.remove(ctx, profileID, v.ID, store.Version{})
		if err != nil && !errors.Is(err, errNoVariable) {
			return fmt.Errorf("variable: delete all: %w", err)
		}
		if ended.Consent == uuid.Nil {
			continue
		}
		if _, err := s.wipe(ctx, ended); err != nil {
			return fmt.Errorf("variable: delete all: %w", err)
		}
		over = append(over, ended)
	}
	if len(over) == 0 {
		return nil
	}
	if err := s.withdraw(ctx); err != nil { // once for all; else their jobs do it
		return fmt.Errorf("variable: delete all: %w", err)
	}
	for _, e := range over {
		if err := s.done(ctx, e); err != nil {
			return fmt.Errorf("variable: delete all: %w", err)
		}
	}
	return nil
}
