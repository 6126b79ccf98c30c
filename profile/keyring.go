package profile

import (
	"context"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// keyring holds the keys that sign session tokens.
//
// Unless the host gave them they are in the store, in one item that all instances share: whoever finds the newest
// key too old to sign adds one, on the condition that nobody else has. A key verifies until the last token that it
// signed has expired. An instance that meets a key it does not know reads the item again. Whoever
// can read the store can read the keys; a token alone is worth nothing though without a live session in the same store.
type keyring struct {
	store    store.Store // nil where the host gave the keys
	now      func() time.Time
	ttl      time.Duration // of the tokens
	rotation time.Duration
	current  atomic.Pointer[keySet]

	loading chan struct{} // held while the item is read
	began   atomic.Uint64 // readings begun
}

// keySet is the keys as they were read; it does not change.
type keySet struct {
	reading uint64 // which reading brought it
	keys    []signingKey
}

// signingKey is a key as it is kept.
type signingKey struct {
	ID        string `json:"id"`
	Secret    []byte `json:"secret"`
	SignUntil int64  `json:"signUntil"` // Unix seconds
	TTL       int64  `json:"ttl"`       // of the tokens it may sign, in seconds
}

type savedKeys struct {
	Keys []signingKey `json:"keys"` // oldest first
}

// keySkew is how far apart the clocks of instances may be without a good token being refused.
const keySkew = 5 * time.Minute

var errNoKey = errors.New("profile: no such signing key")

func newKeyring(s store.Store, o Options) *keyring {
	k := &keyring{store: s, now: o.Now, ttl: o.SessionTTL, rotation: o.KeyRotation, loading: make(chan struct{}, 1)}
	set := &keySet{}
	if len(o.Keys) > 0 {
		k.store = nil
		for i := len(o.Keys) - 1; i >= 0; i-- { // the newest last, as in the store
			set.keys = append(set.keys, signingKey{ID: o.Keys[i].ID, Secret: append([]byte(nil), o.Keys[i].Secret...)})
		}
	}
	k.current.Store(set)
	return k
}

func keysKey() store.Key {
	return store.Key{Table: store.Users, Partition: store.HashPartition("signing-keys", "sessions"), Sort: "keys"}
}

// signer returns the key that signs now.
func (k *keyring) signer(ctx context.Context) (SigningKey, error) {
	keys := k.current.Load().keys
	if k.store == nil || k.signs(keys) {
		return keys[len(keys)-1].public(), nil
	}
	var made []signingKey
	_, err := store.Update(ctx, k.store, keysKey(), func(old store.Item, found bool) ([]store.Write, error) {
		var saved savedKeys
		if found {
			if err := old.Decode(&saved); err != nil {
				return nil, err
			}
		}
		if made = saved.Keys; k.signs(made) {
			return nil, nil
		}
		made = append(k.alive(made), signingKey{
			ID: hex.EncodeToString(random(8)), Secret: random(minKeySecret),
			SignUntil: k.now().Add(k.rotation).Unix(), TTL: int64(k.ttl / time.Second),
		})
		return []store.Write{put(keysKey(), savedKeys{made}, store.None)}, nil // store.Update sets the condition
	})
	if err != nil {
		return SigningKey{}, err
	}
	k.current.Store(&keySet{keys: made})
	return made[len(made)-1].public(), nil
}

func (k signingKey) public() SigningKey { return SigningKey{ID: k.ID, Secret: k.Secret} }

// signs reports whether the last of keys may sign now, and its tokens may live as long as ours.
func (k *keyring) signs(keys []signingKey) bool {
	if len(keys) == 0 {
		return false
	}
	last := keys[len(keys)-1]
	return k.now().Unix() < last.SignUntil && last.TTL >= int64(k.ttl/time.Second)
}

// alive returns those of keys whose tokens have not all expired.
func (k *keyring) alive(keys []signingKey) []signingKey {
	var alive []signingKey
	for _, key := range keys {
		if time.Unix(key.SignUntil+key.TTL, 0).Add(keySkew).After(k.now()) {
			alive = append(alive, key)
		}
	}
	return alive
}

// verifier returns the key of an id, or errNoKey.
func (k *keyring) verifier(ctx context.Context, id string) (SigningKey, error) {
	if id == "" || len(id) > maxKeyID {
		return SigningKey{}, errNoKey
	}
	began := k.began.Load()
	if key, ok := k.current.Load().find(id); ok || k.store == nil {
		return key, missing(ok)
	}
	// Another instance may have made it. Readings go one at a time, and one that began after this call did
	// serves it as well, so that tokens with invented keys cost no more than one read at any moment.
	select {
	case k.loading <- struct{}{}:
		defer func() { <-k.loading }()
	case <-ctx.Done():
		return SigningKey{}, ctx.Err()
	}
	set := k.current.Load()
	if key, ok := set.find(id); ok || set.reading > began {
		return key, missing(ok)
	}
	fresh := &keySet{reading: k.began.Add(1)}
	item, err := k.store.Get(ctx, keysKey(), store.Strong)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return SigningKey{}, err
	default:
		var saved savedKeys
		if err := item.Decode(&saved); err != nil {
			return SigningKey{}, err
		}
		fresh.keys = k.alive(saved.Keys)
	}
	k.current.Store(fresh)
	key, ok := fresh.find(id)
	return key, missing(ok)
}

func (s *keySet) find(id string) (SigningKey, bool) {
	for _, key := range s.keys {
		if key.ID == id {
			return key.public(), true
		}
	}
	return SigningKey{}, false
}

func missing(found bool) error {
	if found {
		return nil
	}
	return errNoKey
}
