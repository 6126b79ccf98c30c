package spotify

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Vault is a key management service, such as AWS KMS: its keys never leave it, and it rotates them by itself.
type Vault interface {
	// NewKey returns a fresh key of 32 bytes, plain and encrypted under a key of the service (AWS: GenerateDataKey).
	NewKey(ctx context.Context) (plain, wrapped []byte, err error)
	// Unwrap decrypts a wrapped key (AWS: Decrypt). One that is not the service's is [ErrUnsealable].
	Unwrap(ctx context.Context, wrapped []byte) (plain []byte, err error)
}

// Envelope is a Cipher whose keys are wrapped by a [Vault]: what is sealed carries its wrapped key. One key seals for an hour or a million times, and 1,024
// unwrapped ones are remembered for an hour, so that the vault is asked seldom.
type Envelope struct {
	vault Vault
	now   func() time.Time
	known *lru.Cache[[sha256.Size]byte, unwrapped]

	mu      sync.Mutex // held while a key is made
	current *sealing
}

var _ Cipher = (*Envelope)(nil)

type unwrapped struct {
	aead  cipher.AEAD
	until time.Time
}

// sealing is the key that seals at present.
type sealing struct {
	header []byte
	aead   cipher.AEAD
	until  time.Time
	left   int
}

const (
	envelopeTime  = time.Hour
	envelopeSeals = 1_000_000
	envelopeKnown = 1024
	maxWrapped    = 8 << 10 // AWS's are below 400 bytes
)

// NewEnvelope returns an Envelope over v. now is its clock; nil: time.Now.
func NewEnvelope(v Vault, now func() time.Time) (*Envelope, error) {
	if v == nil {
		return nil, errors.New("spotify: an Envelope needs a Vault")
	}
	if now == nil {
		now = time.Now
	}
	known, err := lru.New[[sha256.Size]byte, unwrapped](envelopeKnown)
	return &Envelope{vault: v, now: now, known: known}, err
}

// Seal implements [Cipher].
func (e *Envelope) Seal(ctx context.Context, plaintext, additional []byte) ([]byte, error) {
	header, aead, err := e.sealing(ctx)
	if err != nil {
		return nil, err
	}
	return seal(aead, header, plaintext, additional), nil
}

// sealing returns the header and the key to seal by.
func (e *Envelope) sealing(ctx context.Context) ([]byte, cipher.AEAD, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.current; c == nil || c.left == 0 || !e.now().Before(c.until) {
		plain, wrapped, err := e.vault.NewKey(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("spotify: a new key: %w", err)
		}
		if len(wrapped) == 0 || len(wrapped) > maxWrapped {
			return nil, nil, fmt.Errorf("spotify: a wrapped key is of %d bytes, not 1 to %d", len(wrapped), maxWrapped)
		}
		aead, err := vaultKey(plain)
		if err != nil {
			return nil, nil, err
		}
		header := append(binary.BigEndian.AppendUint16([]byte{sealedByVault}, uint16(len(wrapped))), wrapped...)
		e.current = &sealing{header: header, aead: aead, until: e.now().Add(envelopeTime), left: envelopeSeals}
		e.known.Add(sha256.Sum256(wrapped), unwrapped{aead, e.current.until})
	}
	e.current.left--
	return append([]byte(nil), e.current.header...), e.current.aead, nil
}

func vaultKey(plain []byte) (cipher.AEAD, error) {
	if len(plain) != cipherKeyBytes {
		return nil, fmt.Errorf("spotify: a key of the vault is of %d bytes, not %d", len(plain), cipherKeyBytes)
	}
	return newAEAD(plain)
}

// Open implements [Cipher].
func (e *Envelope) Open(ctx context.Context, sealed, additional []byte) ([]byte, error) {
	const fixed = 3
	if len(sealed) < fixed || sealed[0] != sealedByVault {
		return nil, ErrUnsealable
	}
	n := fixed + int(binary.BigEndian.Uint16(sealed[1:]))
	if len(sealed) < n {
		return nil, ErrUnsealable
	}
	wrapped, name := sealed[fixed:n], sha256.Sum256(sealed[fixed:n])
	key, ok := e.known.Get(name)
	if !ok || !e.now().Before(key.until) {
		plain, err := e.vault.Unwrap(ctx, wrapped)
		if err != nil {
			return nil, fmt.Errorf("spotify: unwrap a key: %w", err)
		}
		if key.aead, err = vaultKey(plain); err != nil {
			return nil, err
		}
		key.until = e.now().Add(envelopeTime)
		e.known.Add(name, key)
	}
	return open(key.aead, sealed[:n], sealed[n:], additional)
}
