package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// ErrNotFound is what every service answers about a profile that does not exist or is being deleted.
var ErrNotFound error = fault.New(fault.NotFound, "Profile with the specified ID does not exist")

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

// CheckOpen returns [ErrNotFound] unless the gate is [Open].
func CheckOpen(ctx context.Context, s store.Store, profileID uuid.UUID) error {
	open, err := Open(ctx, s, profileID)
	if err == nil && !open {
		return ErrNotFound
	}
	return err
}
