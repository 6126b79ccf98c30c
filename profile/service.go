package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Service is safe for concurrent use.
type Service struct{}

// Options tune a Service; the zero value is a good one.
type Options struct{}

// NewService returns a Service over s.
func NewService(s store.Store, o Options) (*Service, error) { return nil, errors.ErrUnsupported }

// Depend registers what belongs to profiles; call it before the Service is used.
func (s *Service) Depend(d ...Dependent) {}

// Create makes a profile.
func (s *Service) Create(ctx context.Context, r Registration) (Profile, error) {
	return Profile{}, errors.ErrUnsupported
}

// Get returns a profile.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Profile, error) {
	return Profile{}, errors.ErrUnsupported
}

// Update changes a profile. ifMatch, where not zero, must be its version.
func (s *Service) Update(ctx context.Context, id uuid.UUID, c Changes, ifMatch store.Version) (Profile, error) {
	return Profile{}, errors.ErrUnsupported
}

// Delete removes a profile; with cascade also all that belongs to it, else it refuses while something does.
func (s *Service) Delete(ctx context.Context, id uuid.UUID, cascade bool, ifMatch store.Version) error {
	return errors.ErrUnsupported
}

// Resume finishes deletions that were cut off, and returns how many.
func (s *Service) Resume(ctx context.Context) (int, error) { return 0, errors.ErrUnsupported }

// Login checks credentials and opens a session.
func (s *Service) Login(ctx context.Context, c Credentials) (Session, error) {
	return Session{}, errors.ErrUnsupported
}

// Authenticate returns the live session that a token names.
func (s *Service) Authenticate(ctx context.Context, token string) (Session, error) {
	return Session{}, errors.ErrUnsupported
}

// Logout ends a session.
func (s *Service) Logout(ctx context.Context, sess Session) error { return errors.ErrUnsupported }

// Bound returns the profile that an external identity is bound to, or a not-found error.
func (s *Service) Bound(ctx context.Context, i Identity) (uuid.UUID, error) {
	return uuid.UUID{}, errors.ErrUnsupported
}

// CreateAPIKey makes an API key and returns it with its secret, this once.
func (s *Service) CreateAPIKey(ctx context.Context, profileID uuid.UUID) (APIKey, string, error) {
	return APIKey{}, "", errors.ErrUnsupported
}

// APIKeys lists the live keys in order of creation. limit is 1–100; token continues a listing.
func (s *Service) APIKeys(ctx context.Context, profileID uuid.UUID, limit int, token string) ([]APIKey, string, error) {
	return nil, "", errors.ErrUnsupported
}

// DeleteAPIKey withdraws a key.
func (s *Service) DeleteAPIKey(ctx context.Context, profileID, keyID uuid.UUID) error {
	return errors.ErrUnsupported
}

// CheckAPIKey returns nil if secret is a live key of the profile's, else a forbidden error "Invalid API key".
func (s *Service) CheckAPIKey(ctx context.Context, profileID uuid.UUID, secret string) error {
	return errors.ErrUnsupported
}

// Gate returns the write that must be part of every Apply that creates something which belongs to a
// profile: it fails, on [GateKey], where the profile does not exist or is being deleted.
func Gate(profileID uuid.UUID) store.Write {
	return store.Put(store.Item{Key: GateKey(profileID), Body: []byte(`{}`)}, store.Present)
}

// GateKey is the key of a profile's gate.
func GateKey(profileID uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: "gate"}
}

// Open reports, by a strong read, whether the gate is open: the profile exists and is not being deleted.
func Open(ctx context.Context, s store.Store, profileID uuid.UUID) (bool, error) {
	_, err := s.Get(ctx, GateKey(profileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
