package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Ways are what lets a listener in who has linked no account: by themselves, as neither can be taken away.
type Ways struct {
	Password bool
	Identity *Identity // nil for none
}

// WaysIn returns, by strong reads, what lets a listener in beside [Service.SignIn], or [ErrNotFound]. Whoever is about to take away what that relies on asks first:
// a listener whom nothing else lets in would be locked out.
func WaysIn(ctx context.Context, s store.Store, profileID uuid.UUID) (Ways, error) {
	var lg login
	var r record
	for _, part := range []struct {
		key  store.Key
		body any
	}{{loginKey(profileID), &lg}, {profileKey(profileID), &r}} {
		item, err := s.Get(ctx, part.key, store.Strong)
		if errors.Is(err, store.ErrNotFound) {
			return Ways{}, ErrNotFound
		}
		if err == nil {
			err = item.Decode(part.body)
		}
		if err != nil || lg.Password != "" { // of which most have one: then nothing else is asked
			return Ways{Password: lg.Password != ""}, err
		}
	}
	return Ways{Identity: r.Identity}, nil
}

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
