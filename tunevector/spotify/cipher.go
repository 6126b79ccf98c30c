package spotify

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Cipher seals what must not be read in a store or its backups. [Keyring] has the host hold the keys, [Envelope] a key management service. It is
// safe for concurrent use.
type Cipher interface {
	// Seal encrypts plaintext so that only Open with the same additional data, which is not kept, makes it readable again.
	Seal(ctx context.Context, plaintext, additional []byte) ([]byte, error)
	// Open decrypts what Seal made. What was altered, moved to other additional data, or sealed by a key that is not known, is [ErrUnsealable]; any
	// other error says that this cannot be told at present.
	Open(ctx context.Context, sealed, additional []byte) ([]byte, error)
}

// ErrUnsealable is the error of what cannot be decrypted and never will be with the keys at hand.
var ErrUnsealable = errors.New("spotify: what was sealed cannot be opened: it was altered, or its key is not among those given")

// CipherKey is a key of a [Keyring].
type CipherKey struct {
	ID     string // 1–64 bytes; stands before what is sealed, so that its key is known
	Secret []byte // 32 random bytes, for AES-256
}

// Keyring is a Cipher: AES-256-GCM with a random nonce, the key's id in an authenticated header. To rotate keys without downtime: give all instances the
// new key behind the old one, then put it in front, and drop the old one when it has been behind for ten minutes, as long as flows and accounts that wait to be
// linked live, and [Links.SealedBy] counts nothing under it. Tokens are sealed anew with every refresh: within the hour where the worker runs, and later where Spotify
// cannot be reached. Those whose key was dropped too early are kept, and good again when it is back.
//
// A key may seal 2³² times before nonces are likely to meet (NIST SP 800-38D, 8.3): with 10,000 links, half a century.
type Keyring struct {
	first keyed
	all   map[string]cipher.AEAD
}

var _ Cipher = (*Keyring)(nil)

type keyed struct {
	id   string
	aead cipher.AEAD
}

const (
	cipherKeyBytes = 32
	maxCipherKeyID = 64

	// The first byte of what is sealed says how.
	sealedByKey   = 1 // 1, length of the key's id, id, nonce, ciphertext with tag
	sealedByVault = 2 // 2, length of the wrapped key as two bytes, wrapped key, nonce, ciphertext with tag
)

// NewKeyring returns a Keyring: the first key seals, all of them open. Its error names every key that is wrong.
func NewKeyring(keys ...CipherKey) (*Keyring, error) {
	var f fault.Fields
	k := &Keyring{all: map[string]cipher.AEAD{}}
	if len(keys) == 0 {
		f.Add("keys", "must hold a key")
	}
	for i, key := range keys {
		name := fmt.Sprintf("keys[%d]", i)
		if n := len(key.ID); n < 1 || n > maxCipherKeyID {
			f.Add(name+".ID", "must be 1 to %d bytes long", maxCipherKeyID)
		}
		if _, dup := k.all[key.ID]; dup {
			f.Add(name+".ID", "must be unique")
		}
		if len(key.Secret) != cipherKeyBytes {
			f.Add(name+".Secret", "must be %d bytes long", cipherKeyBytes)
			continue
		}
		aead, err := newAEAD(key.Secret)
		if err != nil {
			return nil, err
		}
		k.all[key.ID] = aead
		if i == 0 {
			k.first = keyed{key.ID, aead}
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return k, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// keyID returns the id of the Keyring's key that has sealed something, "" where none has.
func keyID(sealed []byte) string {
	if len(sealed) < 2 || sealed[0] != sealedByKey || len(sealed) < 2+int(sealed[1]) {
		return ""
	}
	return string(sealed[2 : 2+int(sealed[1])])
}

// Seal implements [Cipher].
func (k *Keyring) Seal(_ context.Context, plaintext, additional []byte) ([]byte, error) {
	header := append([]byte{sealedByKey, byte(len(k.first.id))}, k.first.id...)
	return seal(k.first.aead, header, plaintext, additional), nil
}

// Open implements [Cipher].
func (k *Keyring) Open(_ context.Context, sealed, additional []byte) ([]byte, error) {
	id := keyID(sealed)
	aead, ok := k.all[id]
	if !ok {
		return nil, ErrUnsealable
	}
	header := sealed[:2+len(id)]
	return open(aead, header, sealed[len(header):], additional)
}

// seal returns header and ciphertext. The header is authenticated with the additional data; its length stands in it, so the two cannot be confused.
func seal(aead cipher.AEAD, header, plaintext, additional []byte) []byte {
	return append(header, aead.Seal(nil, nil, plaintext, authenticated(header, additional))...) //nolint:gosec // the nonce is random, and put in front
}

func open(aead cipher.AEAD, header, ciphertext, additional []byte) ([]byte, error) {
	plaintext, err := aead.Open(nil, nil, ciphertext, authenticated(header, additional))
	if err != nil {
		return nil, ErrUnsealable
	}
	return plaintext, nil
}

func authenticated(header, additional []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(additional)), header...), additional...)
}

// newSecret returns random bytes that nobody guesses.
func newSecret() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}
