package httpapi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// An Idempotency-Key makes a POST safe to repeat: the first answer is kept for a day and given again.
//
// What is kept can be read only by who sends the same key and the same body again: the answer is sealed (AES-256-GCM)
// under a key that is derived from both, and the name it is kept under is a hash. So the store holds no session token,
// no API key and no trace of a body, not even a hash to try guesses on, and a body is known to be another one by not opening
// the seal. Where body or answer hold a secret (route.secret) the derivation is slow, since an idempotency key may be short. It
// is as strong as what callers choose: the OpenAPI document asks for keys that are hard to guess.
//
// A key belongs to its caller (the profile, else the external identity; callers without a token share one name space) and to the
// path. The first request claims it. If the process dies before it has an answer, the claim lapses after claimLease and a
// repetition is carried out anew; the same holds for an answer that was lost on its way to the store.
const (
	keepAnswers = 24 * time.Hour
	claimLease  = time.Minute
	// How long a duplicate waits for the first request before it is told to come back.
	duplicateWait = 2 * time.Second
	firstPause    = 10 * time.Millisecond
	maxIdemKey    = 64
)

// kept is an item's body.
type kept struct {
	Done   bool   `json:"done"`
	Sealed []byte `json:"sealed"`
}

// keptAnswer is what is sealed: all of an answer that does not depend on the request it is sent to.
type keptAnswer struct {
	Status     int    `json:"status"`
	Body       []byte `json:"body"`
	ETag       string `json:"etag,omitempty"`
	Location   string `json:"location,omitempty"`
	Cookie     string `json:"cookie,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"`
}

var (
	errIdemKey = &fault.Error{
		Kind: fault.Invalid, Message: fault.ValidationFailed,
		Fields: map[string]string{"Idempotency-Key": "Must be 1 to 64 visible ASCII characters"},
	}
	errOtherBody = fault.New(fault.Conflict, "This Idempotency-Key was used with another body")
	errRunning   = &fault.Error{
		Kind: fault.Conflict, Message: "The first request with this Idempotency-Key is still being carried out", RetryAfter: time.Second,
	}
)

// once carries a request out, or gives the answer that was given to it before.
func (h *Handler) once(c *call, keys []string) answer {
	if len(keys) != 1 || !isIdemKey(keys[0]) {
		return c.failure(errIdemKey)
	}
	s, err := h.newSeal(c, keys[0])
	if err != nil {
		return c.failure(err)
	}
	for {
		a, err := s.first(c)
		if err == nil {
			return a
		}
		if !errors.Is(err, store.ErrConflict) {
			return c.failure(err)
		}
		a, err = s.await(c.ctx)
		if errors.Is(err, store.ErrNotFound) {
			continue // the first request got nowhere
		}
		if err != nil {
			return c.failure(err)
		}
		return a
	}
}

func isIdemKey(s string) bool {
	if s == "" || len(s) > maxIdemKey {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// seal keeps the answer to one request.
type seal struct {
	h    *Handler
	key  store.Key
	aead cipher.AEAD
}

// The cost of a slow key: argon2id as OWASP recommends at least (2023), 19 MiB and 2 passes. slowKeys are derived at a time, and at
// most slowQueue callers have theirs derived or wait for it.
const (
	slowPasses  = 2
	slowKiB     = 19 << 10
	slowThreads = 1
	slowKeys    = 2
	slowQueue   = 256
	keyBytes    = 32
)

func (h *Handler) newSeal(c *call, idemKey string) (*seal, error) {
	name := c.scope() + "\x00" + c.r.URL.Path + "\x00" + idemKey
	partition := store.HashPartition("idempotency", name)
	secret := make([]byte, 0, len(name)+1+len(c.raw))
	secret = append(append(append(secret, name...), 0), c.raw...)
	var key []byte
	var err error
	if c.route.secret {
		key, err = h.slowKey(c.ctx, secret, partition[:])
	} else {
		key, err = hkdf.Key(sha256.New, secret, partition[:], "rhythmiq/idempotency", keyBytes)
	}
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &seal{h, store.Key{Table: store.Users, Partition: partition, Sort: "answer"}, aead}, nil
}

var errSealQueue = &fault.Error{Kind: fault.Unavailable, Message: messageUnavailable, RetryAfter: time.Second}

// slowKey derives a key, or fails where too many wait for theirs already.
func (h *Handler) slowKey(ctx context.Context, secret, salt []byte) ([]byte, error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > slowQueue {
		return nil, errSealQueue
	}
	select {
	case h.sealing <- struct{}{}:
		defer func() { <-h.sealing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey(secret, salt, slowPasses, slowKiB, slowThreads, keyBytes), nil
}

// scope names the caller, as far as they are known.
func (c *call) scope() string {
	switch {
	case c.who.ProfileID != uuid.Nil:
		return "profile " + c.who.ProfileID.String()
	case c.who.Identity != nil:
		return "identity " + c.who.Identity.Issuer + "\x00" + c.who.Identity.Subject
	default:
		return "anybody"
	}
}

func (s *seal) put(ctx context.Context, done bool, content []byte, keep time.Duration, cond store.Condition) (store.Version, error) {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	body, err := store.Encode(kept{Done: done, Sealed: s.aead.Seal(nonce, nonce, content, additional(done))})
	if err != nil {
		return store.Version{}, err
	}
	w := store.Put(store.Item{Key: s.key, ExpiresAt: s.h.o.Now().Add(keep).UTC().Truncate(time.Second), Body: body}, cond)
	return w.Version, store.Settle(ctx, s.h.app.Store(), w)
}

func (s *seal) open(k kept) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(k.Sealed) < n {
		return nil, errOtherBody
	}
	content, err := s.aead.Open(nil, k.Sealed[:n], k.Sealed[n:], additional(k.Done))
	if err != nil {
		return nil, errOtherBody
	}
	return content, nil
}

// additional is sealed along, so that a claim cannot pass for an answer.
func additional(done bool) []byte {
	if done {
		return []byte("answer")
	}
	return []byte("claim")
}

// claim makes this the first request, or fails with a conflict.
func (s *seal) claim(ctx context.Context) (store.Version, error) {
	return s.put(ctx, false, nil, claimLease, store.Absent)
}

// await waits for the answer to the first request.
func (s *seal) await(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, duplicateWait)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		item, err := s.h.app.Store().Get(ctx, s.key, store.Strong)
		if err != nil {
			return answer{}, running(err)
		}
		var k kept
		if err := item.Decode(&k); err != nil {
			return answer{}, err
		}
		content, err := s.open(k)
		if err != nil {
			return answer{}, err
		}
		if k.Done {
			return readAnswer(content)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return answer{}, errRunning
		}
	}
}

// running tells a wait that has ended from other errors.
func running(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errRunning
	}
	return err
}

func readAnswer(content []byte) (answer, error) {
	var k keptAnswer
	if err := json.Unmarshal(content, &k); err != nil {
		return answer{}, err
	}
	return answer{status: k.Status, body: k.Body, etag: k.ETag, location: k.Location, cookie: k.Cookie, retryAfter: k.RetryAfter}, nil
}

// first claims the key and carries the request out, or fails, with a conflict where it is not the first one. It goes on
// where the client has gone: who gives up waiting and sends the same again is to find an answer, and not that nobody knows.
func (s *seal) first(c *call) (answer, error) {
	if err := c.ctx.Err(); err != nil {
		return answer{}, err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), claimLease)
	defer cancel()
	claim, err := s.claim(after)
	if err != nil {
		return answer{}, err
	}
	asked := c.ctx
	defer func() { c.ctx = asked }()
	c.ctx, cancel = context.WithTimeout(after, claimLease/2)
	defer cancel()
	return s.carryOut(after, c, claim), nil
}

// carryOut executes the first request and keeps its answer. An answer that says nothing of the
// request itself is not kept, and the claim is given back: the next one may fare better.
func (s *seal) carryOut(after context.Context, c *call, claim store.Version) answer {
	settled := false
	defer func() {
		if !settled {
			// If this fails too, the claim lapses.
			_ = store.Settle(after, s.h.app.Store(), store.Delete(s.key, store.VersionIs(claim)))
		}
	}()
	a := s.h.execute(c)
	if !final(a.status) {
		return a
	}
	content, err := json.Marshal(keptAnswer{a.status, a.body, a.etag, a.location, a.cookie, a.retryAfter})
	if err != nil {
		return c.failure(err)
	}
	// What was done is done: that its answer could not be kept is no reason to say otherwise, nor to free the key before the lease is over.
	_, _ = s.put(after, true, content, keepAnswers, store.VersionIs(claim))
	settled = true
	return a
}

// final reports whether an answer would be the same if the request was repeated at once.
func final(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return status < http.StatusInternalServerError
}
