package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet is a provider's keys, as go-oidc's verifier asks for them. go-oidc's own key set fetches on a goroutine that
// outlives the request which caused it, and as often as tokens name unknown keys; this one does neither.
type keySet struct {
	o       Options
	keys    atomic.Pointer[[]jose.JSONWebKey]
	turn    chan struct{} // held by who fetches; what follows belongs to them
	fetched time.Time     // the last time, successful or not; zero: never
	failed  error         // how it ended
	keysURL string
}

func newKeySet(o Options) *keySet {
	return &keySet{o: o, turn: make(chan struct{}, 1), keysURL: o.KeysURL}
}

// outcome is the key of a context's *error, which is told that keys could not be fetched.
type outcome struct{}

var errUnsigned = errors.New("oidc: no key of the issuer has signed this")

// VerifySignature returns the payload of a token that one of the keys has signed.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, err
	}
	known := k.keys.Load()
	if payload, ok := verify(signed, known); ok {
		return payload, nil
	}
	fresh, err := k.refresh(ctx, known)
	if err != nil {
		if out, ok := ctx.Value(outcome{}).(*error); ok {
			*out = err
		}
		return nil, err
	}
	if payload, ok := verify(signed, fresh); ok && fresh != known {
		return payload, nil
	}
	return nil, errUnsigned
}

func verify(signed *jose.JSONWebSignature, keys *[]jose.JSONWebKey) ([]byte, bool) {
	if keys == nil || len(signed.Signatures) != 1 {
		return nil, false
	}
	header := signed.Signatures[0].Header
	for i := range *keys {
		key := &(*keys)[i]
		switch {
		case header.KeyID != "" && key.KeyID != header.KeyID,
			key.Algorithm != "" && key.Algorithm != header.Algorithm,
			key.Use != "" && key.Use != "sig":
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// refresh fetches the keys, unless somebody has since before was read, or it is too soon. Those who ask meanwhile wait for the one who
// fetches.
func (k *keySet) refresh(ctx context.Context, before *[]jose.JSONWebKey) (*[]jose.JSONWebKey, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if now := k.keys.Load(); now != before {
		return now, nil
	}
	if since := k.o.Now().Sub(k.fetched); !k.fetched.IsZero() && since >= 0 && since < k.o.Refresh {
		if before == nil {
			return nil, k.failed
		}
		return before, nil
	}
	keys, err := k.fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, err // says nothing of the provider: the next one tries again
	}
	k.fetched, k.failed = k.o.Now(), err
	if err != nil {
		return nil, err
	}
	k.keys.Store(&keys)
	return &keys, nil
}

func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	if k.keysURL == "" {
		var config struct {
			Issuer  string `json:"issuer"`
			KeysURL string `json:"jwks_uri"`
		}
		if err := k.get(ctx, strings.TrimSuffix(k.o.Issuer, "/")+"/.well-known/openid-configuration", &config); err != nil {
			return nil, err
		}
		if config.Issuer != k.o.Issuer || !isURL(config.KeysURL) {
			return nil, errors.New("the configuration is not this issuer's")
		}
		k.keysURL = config.KeysURL
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.get(ctx, k.keysURL, &set); err != nil {
		return nil, err
	}
	keys := []jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// Keys of a type that is not known here are no concern (RFC 7517, 5), and a symmetric one is no key for anybody.
		if json.Unmarshal(raw, &key) == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

const maxDocument = 1 << 20

func (k *keySet) get(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := k.o.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxDocument)).Decode(v)
}
