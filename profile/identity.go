package profile

import (
	"context"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Bound returns the profile that an external identity is bound to, or a not-found error. The read is strong.
// While a profile is being deleted its identity is bound still, to a profile that is not found.
func (s *Service) Bound(ctx context.Context, i Identity) (uuid.UUID, error) {
	var c claim
	found := false
	if i.valid() {
		var err error
		if _, found, err = s.get(ctx, identityClaim(i), &c); err != nil {
			return uuid.UUID{}, err
		}
	}
	if !found {
		return uuid.UUID{}, fault.New(fault.NotFound, "The external identity has no profile")
	}
	return c.ProfileID, nil
}

// Identity returns the external identity that a profile is bound to, and false where it is bound to none. A
// profile that does not exist is [ErrNotFound].
func (s *Service) Identity(ctx context.Context, profileID uuid.UUID) (Identity, bool, error) {
	r, _, found, err := s.read(ctx, profileID)
	switch {
	case err != nil:
		return Identity{}, false, err
	case !found, r.Deleting:
		return Identity{}, false, ErrNotFound
	case r.Identity == nil:
		return Identity{}, false, nil
	}
	return *r.Identity, true, nil
}
