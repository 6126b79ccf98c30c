package profile

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Service is safe for concurrent use. It starts no goroutine.
//
// Several Services may work on one store, in one process or in many. They share everything through the store but two
// limits, which each Service counts for itself: failed logins of an account or an address (n instances let through n times
// as many), and passwords hashed at a time.
type Service struct {
	store      store.Store
	now        func() time.Time
	observer   observe.Observer
	hasher     *hasher
	keys       *keyring
	tokens     *tokenCache
	accounts   *throttle
	addresses  *throttle
	ttl        time.Duration
	dependents []Dependent
}

// NewService returns a Service over s. Its error names every option that is wrong.
func NewService(s store.Store, o Options) (*Service, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if s == nil {
		var f fault.Fields
		f.Add("Store", "is required")
		return nil, f.Err()
	}
	return &Service{
		store:     s,
		now:       o.Now,
		observer:  o.Observer,
		hasher:    newHasher(o),
		keys:      newKeyring(s, o),
		tokens:    newTokenCache(o.TokenCache),
		accounts:  newThrottle(o.LoginFailures),
		addresses: newThrottle(o.AddressFailures),
		ttl:       o.SessionTTL,
	}, nil
}

// Depend registers what belongs to profiles; call it before the Service is used. Deletion goes through them in this order.
func (s *Service) Depend(d ...Dependent) { s.dependents = append(s.dependents, d...) }

// Get returns a profile, or [ErrNotFound]. The read is strong, so that a deleted profile is gone at once.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Profile, error) {
	r, v, found, err := s.read(ctx, id)
	if err != nil {
		return Profile{}, err
	}
	if !found || r.Deleting {
		return Profile{}, ErrNotFound
	}
	return r.profile(id, v), nil
}

// timestamp is the present as profiles keep it.
func (s *Service) timestamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
