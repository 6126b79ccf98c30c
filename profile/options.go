package profile

import (
	"runtime"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

// Options tune a Service; the zero value is a good one, and so is a zero in any field.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer // nil: nothing is observed

	// Hash is what a password's hash costs. Passwords that were hashed at other costs are hashed
	// anew when their owner logs in. Zero: DefaultHash.
	Hash HashParams
	// HashConcurrency is how many passwords are hashed at a time (1–1,024), and so bounds the memory
	// that hashing takes to as many times Hash.MemoryKiB. 0: GOMAXPROCS.
	HashConcurrency int
	// HashQueue is how many more callers may wait for their turn (1–1,000,000); who comes after them
	// is told to come back later. 0: 1,024.
	HashQueue int

	// SessionTTL is how long a session lives, 1 s – 30 days, in whole seconds. 0: 1 h.
	SessionTTL time.Duration
	// KeyRotation is how long one key signs tokens, 1 min – 1 year and at least a hundredth of
	// SessionTTL. 0: 24 h.
	KeyRotation time.Duration
	// Keys sign tokens in the place of keys made and kept in the store: the first one signs, all of
	// them verify. To rotate them a host puts a new one in front and drops the last one a SessionTTL later.
	Keys []SigningKey
	// TokenCache is how many verified tokens are remembered (1–10,000,000; about 300 bytes each). 0: 16,384.
	TokenCache int

	// LoginFailures is how many logins to one account may fail within a minute before that account
	// answers "too many" (1–1,000,000). 0: 10.
	LoginFailures int
	// AddressFailures is the same for one network address (an IPv6 /64), over all accounts. 0: 300.
	AddressFailures int
}

// SigningKey is a key that signs session tokens (HMAC-SHA-256).
type SigningKey struct {
	ID     string // 1–64 characters; stands in the token's "kid"
	Secret []byte // at least 32 bytes, random
}

const (
	maxKeyID     = 64
	minKeySecret = 32
	day          = 24 * time.Hour
	keysPerTTL   = 100 // bounds how many signing keys are alive at once
)

// withDefaults fills in what is not set and says what is wrong with the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Observer = observe.Or(o.Observer)
	if o.Hash == (HashParams{}) {
		o.Hash = DefaultHash
	}
	if o.SessionTTL == 0 {
		o.SessionTTL = time.Hour
	}
	if o.KeyRotation == 0 {
		o.KeyRotation = day
	}

	var f fault.Fields
	o.Hash.check(&f)
	for _, n := range []struct {
		name         string
		value        *int
		preset, most int
	}{
		{"HashConcurrency", &o.HashConcurrency, runtime.GOMAXPROCS(0), 1024},
		{"HashQueue", &o.HashQueue, 1024, 1_000_000},
		{"TokenCache", &o.TokenCache, 1 << 14, 10_000_000},
		{"LoginFailures", &o.LoginFailures, 10, 1_000_000},
		{"AddressFailures", &o.AddressFailures, 300, 1_000_000},
	} {
		if *n.value == 0 {
			*n.value = n.preset
		}
		if *n.value < 1 || *n.value > n.most {
			f.Add(n.name, "must be 1 to %d", n.most)
		}
	}
	switch {
	case o.SessionTTL < time.Second, o.SessionTTL > 30*day, o.SessionTTL%time.Second != 0:
		f.Add("SessionTTL", "must be whole seconds from 1 s to 30 days")
	case o.KeyRotation < o.SessionTTL/keysPerTTL:
		f.Add("KeyRotation", "must be at least a hundredth of SessionTTL")
	}
	if o.KeyRotation < time.Minute || o.KeyRotation > 366*day {
		f.Add("KeyRotation", "must be 1 minute to 1 year")
	}
	o.checkKeys(&f)
	return o, f.Err()
}

func (o Options) checkKeys(f *fault.Fields) {
	seen := map[string]bool{}
	for i, k := range o.Keys {
		switch n := len(k.ID); {
		case n < 1, n > maxKeyID:
			f.Add(indexed("Keys", i, "ID"), "must be 1 to %d characters long", maxKeyID)
		case seen[k.ID]:
			f.Add(indexed("Keys", i, "ID"), "must be unique")
		}
		seen[k.ID] = true
		if len(k.Secret) < minKeySecret {
			f.Add(indexed("Keys", i, "Secret"), "must be at least %d bytes long", minKeySecret)
		}
	}
}
