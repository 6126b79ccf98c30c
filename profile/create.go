package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// Create makes a profile. Wrong fields are an invalid error that names all of them; an e-mail address, username or
// external identity that has a profile already is a conflict.
func (s *Service) Create(ctx context.Context, r Registration) (Profile, error) {
	r, err := r.check()
	if err != nil {
		return Profile{}, err
	}
	now := s.timestamp()
	rec := record{
		Username: r.Username, FirstName: r.FirstName, LastName: r.LastName, Email: r.Email,
		PhoneNumber: r.PhoneNumber, CreatedAt: now, UpdatedAt: now, Identity: r.Identity,
	}
	// Looking first saves the hash. It gives nothing away: the answer to a sign-up says the same.
	if err := s.unclaimed(ctx, rec); err != nil {
		return Profile{}, err
	}
	var lg login
	if r.Password != "" {
		if lg.Password, err = s.hashFor(ctx, r.Password, rec); err != nil {
			return Profile{}, err
		}
	}

	id := uuid.New()
	writes := creation(id, rec, lg)
	if err := store.Settle(ctx, s.store, writes...); err != nil {
		return Profile{}, taken(err, rec)
	}
	return rec.profile(id, writes[0].Version), nil
}

// hashFor waits for a turn and hashes the password of a new profile. If it had to wait, it first checks again that the names are
// free, so that a thousand concurrent sign-ups with one e-mail address cost a few hashes and not a thousand.
func (s *Service) hashFor(ctx context.Context, password string, rec record) (string, error) {
	waited, done, err := s.hasher.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	if waited {
		if err := s.unclaimed(ctx, rec); err != nil {
			return "", err
		}
	}
	return s.hasher.hash(ctx, password).String(), nil
}

// creation returns the writes that make a profile, the record's first.
func creation(id uuid.UUID, rec record, lg login) []store.Write {
	writes := []store.Write{
		put(profileKey(id), rec, store.Absent),
		put(loginKey(id), lg, store.Absent),
		put(GateKey(id), struct{}{}, store.Absent),
	}
	for _, key := range rec.claims() {
		writes = append(writes, put(key, claim{id}, store.Absent))
	}
	return writes
}

// unclaimed returns a conflict if any of the names is taken.
func (s *Service) unclaimed(ctx context.Context, rec record) error {
	for _, key := range rec.claims() {
		_, err := s.store.Get(ctx, key, store.Strong)
		if err == nil {
			return taken(&store.ConflictError{Keys: []store.Key{key}}, rec)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// taken says which name a store's conflict is about. It drops the keys of claims: they are hashes of names, which whoever
// reads a log could guess.
func taken(err error, rec record) error {
	switch {
	case !errors.Is(err, store.ErrConflict):
		return err
	case rec.Identity != nil && store.Has(err, identityClaim(*rec.Identity)):
		return fault.Wrap(store.ErrConflict, fault.Conflict, "The external identity already has a profile")
	default:
		return fault.Wrap(store.ErrConflict, fault.Conflict, "Username or email already exists")
	}
}
