package preference

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Kind is what a message calls preferences: with Any and DeleteAll it makes the Service a [profile.Dependent].
func (s *Service) Kind() string { return "preferences" }

// Any reports whether the listener has set preferences. What was learned keeps no profile from being deleted; it goes with it.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	l, _, err := s.read(ctx, profileID, store.Strong)
	return len(l) > 0, err
}

// DeleteAll deletes set, imported and learned preferences. It can be called again after a failure, and where there is nothing.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) (err error) {
	defer observe.Watch(ctx, s.observer, "preference.delete-all")(&err)
	// Not as one, which would cost double: whatever is left is deleted by the next call.
	writes := []store.Write{store.Delete(listKey(profileID), store.None), store.Delete(learnedKey(profileID), store.None)}
	for _, source := range s.sources {
		writes = append(writes, store.Delete(ImportedKey(profileID, source), store.None), store.Delete(rejectedKey(profileID, source), store.None))
	}
	err = store.Bulk(ctx, s.store, writes...)
	if err != nil {
		return fmt.Errorf("preference: delete all: %w", err)
	}
	return nil
}
