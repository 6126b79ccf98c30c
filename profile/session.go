package profile

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

const (
	tokenIssuer = "rhythmiq"
	maxToken    = 1024 // bytes; ours are about 330
)

// sign returns the session's token: a JWT (RFC 7519) that names the session and nothing else about the listener.
func (s *Service) sign(ctx context.Context, x Session) (string, error) {
	key, err := s.keys.signer(ctx)
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer: tokenIssuer, Subject: x.ProfileID.String(), ID: x.ID.String(),
		IssuedAt: jwt.NewNumericDate(x.CreatedAt), ExpiresAt: jwt.NewNumericDate(x.ExpiresAt),
	})
	t.Header["kid"] = key.ID
	return t.SignedString(key.Secret)
}

// verified is what a token says whose signature was found good.
type verified struct {
	session Session
	live    atomic.Pointer[liveness] // where it was found last; nil for nowhere yet
}

// liveness says that a session is in a state of the login item.
type liveness struct {
	version store.Version
	expires int64 // Unix seconds
}

// tokenCache remembers verified tokens by their hash, so that no token lies in memory and only good ones take room.
type tokenCache struct {
	entries *lru.Cache[[sha256.Size]byte, *verified]
}

func newTokenCache(size int) *tokenCache {
	c, _ := lru.New[[sha256.Size]byte, *verified](size) // fails only for a size below one
	return &tokenCache{c}
}

// Authenticate returns the live session that a token names. Every other token is one and the same
// unauthorized error. That the session lives is read strongly on every call; the signature is checked once for as long as the
// token is remembered.
//
// There is no leeway: the same service, or one whose clock is kept in step with it, has set the expiry, and a session
// is at most seconds shorter where the clocks differ.
func (s *Service) Authenticate(ctx context.Context, token string) (Session, error) {
	if token == "" || len(token) > maxToken {
		return Session{}, unauthorized(nil)
	}
	sum := sha256.Sum256([]byte(token))
	v, known := s.tokens.entries.Get(sum)
	if !known {
		var err error
		if v, err = s.verify(ctx, token); err != nil {
			return Session{}, err
		}
	}
	now := s.now()
	if !now.Before(v.session.ExpiresAt) {
		return Session{}, unauthorized(nil)
	}
	item, err := s.store.Get(ctx, loginKey(v.session.ProfileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return Session{}, unauthorized(nil)
	}
	if err != nil {
		return Session{}, err
	}
	// A version is never used twice: the session is in this state of the item if it was when last asked.
	live := v.live.Load()
	if live == nil || live.version != item.Version {
		var lg login
		if err := item.Decode(&lg); err != nil {
			return Session{}, err
		}
		live = &liveness{version: item.Version, expires: lg.expiry(v.session.ID)}
		v.live.Store(live)
	}
	if live.expires <= now.Unix() {
		return Session{}, unauthorized(nil)
	}
	if !known {
		s.tokens.entries.Add(sum, v)
	}
	return v.session, nil
}

// expiry returns when a session expires in Unix seconds, 0 where there is none.
func (l login) expiry(id uuid.UUID) int64 {
	for _, x := range l.Sessions {
		if x.ID == id {
			return x.Expires
		}
	}
	return 0
}

// verify checks a token's signature and returns what it says. Only HS256 by one of our keys counts, whatever the token
// says of itself.
func (s *Service) verify(ctx context.Context, token string) (*verified, error) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(tokenIssuer),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.now), jwt.WithStrictDecoding())
	var (
		claims  jwt.RegisteredClaims
		failure error // to read the keys
	)
	_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, err := s.keys.verifier(ctx, kid)
		if err != nil {
			if !errors.Is(err, errNoKey) {
				failure = err
			}
			return nil, err
		}
		return key.Secret, nil
	})
	if failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, unauthorized(err)
	}
	id, err := uuid.Parse(claims.ID)
	if err != nil {
		return nil, unauthorized(err)
	}
	profileID, err := uuid.Parse(claims.Subject)
	if err != nil {
		return nil, unauthorized(err)
	}
	v := &verified{session: Session{ID: id, ProfileID: profileID, ExpiresAt: claims.ExpiresAt.UTC()}}
	if claims.IssuedAt != nil {
		v.session.CreatedAt = claims.IssuedAt.UTC()
	}
	return v, nil
}

// Logout ends a session. Ending one that has ended is no error.
func (s *Service) Logout(ctx context.Context, sess Session) error {
	key := loginKey(sess.ProfileID)
	_, err := store.Update(ctx, s.store, key, func(old store.Item, found bool) ([]store.Write, error) {
		if !found {
			return nil, nil
		}
		var lg login
		if err := old.Decode(&lg); err != nil {
			return nil, err
		}
		kept := make([]savedSession, 0, len(lg.Sessions))
		for _, x := range lg.Sessions {
			if x.ID != sess.ID {
				kept = append(kept, x)
			}
		}
		if len(kept) == len(lg.Sessions) {
			return nil, nil
		}
		lg.Sessions = kept
		return []store.Write{put(key, lg, store.None)}, nil // store.Update sets the condition
	})
	return err
}

// Sessions returns the live sessions of a profile, oldest first and without their tokens, or [ErrNotFound].
func (s *Service) Sessions(ctx context.Context, profileID uuid.UUID) ([]Session, error) {
	var lg login
	_, found, err := s.get(ctx, loginKey(profileID), &lg)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNotFound
	}
	var sessions []Session
	for _, x := range lg.alive(s.now()) {
		sessions = append(sessions, Session{
			ID: x.ID, ProfileID: profileID, CreatedAt: time.Unix(x.Created, 0).UTC(), ExpiresAt: time.Unix(x.Expires, 0).UTC(),
		})
	}
	return sessions, nil
}

// unauthorized is the one answer to every token that is not good. The cause never holds the token.
func unauthorized(cause error) error {
	return fault.Wrap(cause, fault.Unauthorized, "Unauthorized access. Please provide a valid token.")
}
