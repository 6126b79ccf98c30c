package profile

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// What is kept, all of it in the table users:
//
//	<profile>/profile          the record
//	<profile>/gate             exists as long as children may be created
//	<profile>/login            the password's hash and the live sessions; exists as long as the gate does
//	<profile>/api-keys         the list of API keys
//	<profile>/api-key#<hash>   one for each key, for looking it up
//	<hash of a name>/claim     one each for the e-mail, the username and the external identity
//	<jobs>/delete-profile#<profile>   a deletion that is not finished (package jobs)
//	<signing keys>/keys        what session tokens are signed with

// record is a profile as it is kept.
type record struct {
	Username    string    `json:"username"`
	FirstName   string    `json:"firstName"`
	LastName    string    `json:"lastName"`
	Email       string    `json:"email"`
	PhoneNumber string    `json:"phoneNumber"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
	Identity    *Identity `json:"identity,omitempty"`
	Deleting    bool      `json:"deleting,omitempty"` // the profile is gone for everybody but the deletion
}

func (r record) profile(id uuid.UUID, v store.Version) Profile {
	return Profile{
		ID: id, Username: r.Username, FirstName: r.FirstName, LastName: r.LastName, Email: r.Email,
		PhoneNumber: r.PhoneNumber, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: v,
	}
}

// claims returns the keys of all that is unique about the profile.
func (r record) claims() []store.Key {
	keys := []store.Key{emailClaim(r.Email), usernameClaim(r.Username)}
	if r.Identity != nil {
		keys = append(keys, identityClaim(*r.Identity))
	}
	return keys
}

// claim is the body of a claim.
type claim struct {
	ProfileID uuid.UUID `json:"profileId"`
}

const profileSort = "profile"

func profileKey(id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: id, Sort: profileSort}
}

func claimKey(namespace, name string) store.Key {
	return store.Key{Table: store.Users, Partition: store.HashPartition(namespace, name), Sort: "claim"}
}

func emailClaim(email string) store.Key       { return claimKey("email", fold(email)) }
func usernameClaim(username string) store.Key { return claimKey("username", fold(username)) }

func identityClaim(i Identity) store.Key {
	// The length keeps issuer and subject apart.
	name := binary.BigEndian.AppendUint64(nil, uint64(len(i.Issuer)))
	name = append(name, i.Issuer...)
	return claimKey("identity", string(append(name, i.Subject...)))
}

// put returns the write that keeps body under key.
func put(key store.Key, body any, c store.Condition) store.Write {
	b, _ := store.Encode(body) // all of ours can be encoded; an Apply would refuse an empty body
	return store.Put(store.Item{Key: key, Body: b}, c)
}

// read returns the record, and false if there is none.
func (s *Service) read(ctx context.Context, id uuid.UUID) (record, store.Version, bool, error) {
	var r record
	v, found, err := s.get(ctx, profileKey(id), &r)
	return r, v, found, err
}

// get reads an item strongly into body, and reports whether there is one.
func (s *Service) get(ctx context.Context, key store.Key, body any) (store.Version, bool, error) {
	item, err := s.store.Get(ctx, key, store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return store.Version{}, false, nil
	}
	if err != nil {
		return store.Version{}, false, err
	}
	return item.Version, true, item.Decode(body)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
