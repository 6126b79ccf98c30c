package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

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
