package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// SignIn opens a session for a listener without a password: something else has just proved who they are, such as another service where their account is
// linked to the profile. A profile that does not exist is [ErrNotFound].
func (s *Service) SignIn(ctx context.Context, profileID uuid.UUID) (session Session, err error) {
	defer observe.Watch(ctx, s.observer, "profile.sign-in")(&err)
	seen, err := s.store.Get(ctx, loginKey(profileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return Session{}, ErrNotFound
	}
	if err != nil {
		return Session{}, err
	}
	return s.open(ctx, seen, func(_ *login, found bool) error {
		if !found {
			return ErrNotFound
		}
		return nil
	})
}
