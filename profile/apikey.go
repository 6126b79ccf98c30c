package profile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/store"
)

// apiKeys lists a profile's keys. One item for all of them makes the bound exact, and the order that of creation;
// beside it there is an item for each key, so that checking one is one read whatever their number.
type apiKeys struct {
	Keys []savedAPIKey `json:"keys"`
	Next uint64        `json:"next"` // place of the next key; never given twice
}

type savedAPIKey struct {
	ID        uuid.UUID `json:"id"`
	Place     uint64    `json:"place"`
	Hash      string    `json:"hash"`
	CreatedAt time.Time `json:"createdAt"`
}

// MaxAPIKeys is how many API keys a profile can have.
const MaxAPIKeys = 100

func apiKeysKey(id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: id, Sort: "api-keys"}
}

func apiKeyKey(id uuid.UUID, hash string) store.Key {
	return store.Key{Table: store.Users, Partition: id, Sort: "api-key#" + hash}
}

// hashSecret hashes a key's secret. A fast hash is right here: unlike a password a random UUID has 122 bits that nobody can
// try through, so a slow one or a salt would only cost time in every request.
func hashSecret(secret uuid.UUID) string {
	sum := sha256.Sum256(secret[:])
	return hex.EncodeToString(sum[:])
}

// CreateAPIKey makes an API key and returns it with its secret, this once. A profile that has [MaxAPIKeys] is a
// conflict, one that does not exist a not-found error.
func (s *Service) CreateAPIKey(ctx context.Context, profileID uuid.UUID) (APIKey, string, error) {
	secret := uuid.New()
	saved := savedAPIKey{ID: uuid.New(), Hash: hashSecret(secret), CreatedAt: s.timestamp()}
	err := s.updateKeys(ctx, profileID, func(list *apiKeys) ([]store.Write, error) {
		if len(list.Keys) >= MaxAPIKeys {
			return nil, fault.New(fault.Conflict, "A profile can have at most %d API keys; delete one first", MaxAPIKeys)
		}
		saved.Place = list.Next
		list.Keys = append(list.Keys, saved)
		list.Next++
		return []store.Write{put(apiKeyKey(profileID, saved.Hash), struct{}{}, store.Absent), Gate(profileID)}, nil
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return saved.public(), secret.String(), nil
}

// updateKeys changes the list of keys. change returns what else to write.
func (s *Service) updateKeys(ctx context.Context, id uuid.UUID, change func(*apiKeys) ([]store.Write, error)) error {
	key := apiKeysKey(id)
	_, err := store.Update(ctx, s.store, key, func(old store.Item, found bool) ([]store.Write, error) {
		var list apiKeys
		if found {
			if err := old.Decode(&list); err != nil {
				return nil, err
			}
		}
		writes, err := change(&list)
		if err != nil {
			return nil, err
		}
		return append(writes, put(key, list, store.None)), nil // store.Update sets the condition
	})
	if store.Has(err, GateKey(id)) {
		return ErrNotFound
	}
	return err
}

func (k savedAPIKey) public() APIKey { return APIKey{ID: k.ID, CreatedAt: k.CreatedAt} }

// APIKeys lists the live keys in order of creation. limit is 1–100; token continues a listing, also one whose
// last key was deleted meanwhile. next is empty on the last page. A profile that does not exist is a not-found error.
func (s *Service) APIKeys(ctx context.Context, profileID uuid.UUID, limit int, token string) (listed []APIKey, next string, err error) {
	var f fault.Fields
	from, ok := decodePlace(token)
	page.Check(&f, limit, ok)
	if err := f.Err(); err != nil {
		return nil, "", err
	}
	var list apiKeys
	_, found, err := s.get(ctx, apiKeysKey(profileID), &list)
	if err != nil {
		return nil, "", err
	}
	if !found { // no key was ever made, or there is no profile
		if err := CheckOpen(ctx, s.store, profileID); err != nil {
			return nil, "", err
		}
	}
	for _, k := range list.Keys {
		switch {
		case k.Place < from:
		case len(listed) == limit:
			return listed, encodePlace(k.Place), nil
		default:
			listed = append(listed, k.public())
		}
	}
	return listed, "", nil
}

// A page token is the place of the next page's first key.
func encodePlace(n uint64) string { return page.EncodeToken(strconv.AppendUint(nil, n, 10)) }

func decodePlace(token string) (n uint64, ok bool) {
	if token == "" {
		return 0, true
	}
	b, ok := page.DecodeToken(token)
	n, err := strconv.ParseUint(string(b), 10, 64)
	return n, ok && err == nil
}

// DeleteAPIKey withdraws a key, which is refused from then on. An unknown one is a not-found error.
func (s *Service) DeleteAPIKey(ctx context.Context, profileID, keyID uuid.UUID) error {
	return s.updateKeys(ctx, profileID, func(list *apiKeys) ([]store.Write, error) {
		for i, k := range list.Keys {
			if k.ID == keyID {
				list.Keys = append(list.Keys[:i], list.Keys[i+1:]...)
				return []store.Write{store.Delete(apiKeyKey(profileID, k.Hash), store.None)}, nil
			}
		}
		return nil, fault.New(fault.NotFound, "API key with the specified ID does not exist")
	})
}

// CheckAPIKey returns nil if secret is a live key of the profile's, else a forbidden error "Invalid API key". It is one strong read.
func (s *Service) CheckAPIKey(ctx context.Context, profileID uuid.UUID, secret string) error {
	id, err := uuid.Parse(secret)
	if err != nil || len(secret) != len(id.String()) { // uuid.Parse also takes other ways to write one
		return invalidKey() // without a cause, which would show the secret
	}
	_, err = s.store.Get(ctx, apiKeyKey(profileID, hashSecret(id)), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return invalidKey()
	}
	return err
}

func invalidKey() error { return fault.New(fault.Forbidden, "Invalid API key") }
