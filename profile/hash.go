package profile

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

// HashParams are the costs of argon2id (RFC 9106).
type HashParams struct {
	MemoryKiB uint32 // 8·Threads – 4,194,304
	Time      uint32 // passes over the memory, 1–1,000
	Threads   uint8  // lanes computed in parallel, 1–255
}

// DefaultHash is what the OWASP Password Storage Cheat Sheet recommends at least: 19 MiB, two passes, one lane.
var DefaultHash = HashParams{MemoryKiB: 19 << 10, Time: 2, Threads: 1}

const (
	maxHashMemory = 4 << 20 // KiB
	maxHashTime   = 1000
	saltBytes     = 16
	hashBytes     = 32
)

func (p HashParams) check(f *fault.Fields) {
	if p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > maxHashMemory {
		f.Add("Hash.MemoryKiB", "must be 8 for each thread to %d", maxHashMemory)
	}
	if p.Time < 1 || p.Time > maxHashTime {
		f.Add("Hash.Time", "must be 1 to %d", maxHashTime)
	}
	if p.Threads < 1 {
		f.Add("Hash.Threads", "must be 1 to %d", math.MaxUint8)
	}
}

// passwordHash is a hash with what it was made of.
type passwordHash struct {
	params    HashParams
	salt, sum []byte
}

// String encodes h as the PHC string format asks
// (https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md).
func (h passwordHash) String() string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Time, h.params.Threads, e.EncodeToString(h.salt), e.EncodeToString(h.sum))
}

// parseHash reads what String wrote. It refuses costs out of range, so that a damaged item cannot exhaust the machine.
func parseHash(s string) (passwordHash, error) {
	bad := fmt.Errorf("profile: stored password hash is malformed") // says nothing of the hash
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return passwordHash{}, bad
	}
	var h passwordHash
	p := &h.params
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); err != nil {
		return passwordHash{}, bad
	}
	var f fault.Fields
	if p.check(&f); f.Err() != nil {
		return passwordHash{}, bad
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 {
		return passwordHash{}, bad
	}
	if h.sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.sum) < 16 {
		return passwordHash{}, bad
	}
	return h, nil
}

// hasher hashes passwords, a bounded number at a time.
type hasher struct {
	params   HashParams
	slots    chan struct{} // holds one token for each turn that is taken
	waiting  atomic.Int64
	queue    int64
	observer observe.Observer
	none     passwordHash // no password's hash, for accounts that do not exist
}

func newHasher(o Options) *hasher {
	h := &hasher{
		params:   o.Hash,
		slots:    make(chan struct{}, o.HashConcurrency),
		queue:    int64(o.HashQueue),
		observer: o.Observer,
		none:     passwordHash{params: o.Hash, salt: random(saltBytes), sum: random(hashBytes)},
	}
	return h
}

// turn waits for a turn to hash. waited says whether others were before, so that what the caller
// knew may be old. The caller must call done.
func (h *hasher) turn(ctx context.Context) (waited bool, done func(), err error) {
	done = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return false, done, nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		busy := fault.New(fault.Unavailable, "Too many sign-ups and logins at once. Please try again later.")
		busy.RetryAfter = hashRetry
		return true, nil, busy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return true, done, nil
	case <-ctx.Done():
		return true, nil, fault.Wrap(ctx.Err(), fault.Unavailable, "The request ended while it waited for its turn")
	}
}

const hashRetry = 5 * time.Second

// hash returns a password's hash at the current costs. The caller has a turn.
func (h *hasher) hash(ctx context.Context, password string) passwordHash {
	p := passwordHash{params: h.params, salt: random(saltBytes)}
	p.sum = h.sum(ctx, password, p, hashBytes)
	return p
}

// matches reports whether p is the password's hash. The caller has a turn.
func (h *hasher) matches(ctx context.Context, password string, p passwordHash) bool {
	return subtle.ConstantTimeCompare(h.sum(ctx, password, p, len(p.sum)), p.sum) == 1
}

func (h *hasher) sum(ctx context.Context, password string, p passwordHash, n int) []byte {
	done := observe.Start(ctx, h.observer, "profile.hash-password")
	sum := argon2.IDKey([]byte(password), p.salt, p.params.Time, p.params.MemoryKiB, p.params.Threads, uint32(n))
	done(nil, observe.Value{Name: "waiting", Number: float64(h.waiting.Load())})
	return sum
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}
