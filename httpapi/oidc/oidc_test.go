package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/httpapi/oidc"
	"github.com/rhythmiq/rhythmiq/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is an OpenID Connect provider, as far as it takes to verify tokens.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	extra   []string // further keys, as JSON
	fail    bool
	issuer  string // "": its own URL
	fetches int    // of keys
	now     time.Time
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail {
		http.Error(w, "out of order", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		issuer := p.issuer
		if issuer == "" {
			issuer = p.URL
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "jwks_uri": p.URL + "/keys"})
	case "/keys":
		p.fetches++
		var raw []json.RawMessage
		for _, k := range p.keys {
			b, _ := json.Marshal(k.Public())
			raw = append(raw, b)
		}
		for _, e := range p.extra {
			raw = append(raw, json.RawMessage(e))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": raw})
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *provider) authenticator(t *testing.T, changes ...func(*oidc.Options)) *oidc.Authenticator {
	t.Helper()
	o := oidc.Options{Issuer: p.URL, Audience: "rhythmiq", Client: p.Client(), Now: p.clock}
	for _, c := range changes {
		c(&o)
	}
	a, err := oidc.New(o)
	require.NoError(t, err)
	return a
}

func newKey(t *testing.T, id string, alg jose.SignatureAlgorithm) jose.JSONWebKey {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(t, err)
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(alg), Use: "sig"}
}

type claims = map[string]any

func (p *provider) claims() claims {
	now := p.clock()
	return claims{"iss": p.URL, "aud": "rhythmiq", "sub": "eve", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

// sign returns a token with the usual claims, but for those given.
func (p *provider) sign(t *testing.T, key jose.JSONWebKey, given claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	require.NoError(t, err)
	c := p.claims()
	for name, value := range given {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	token, err := jwt.Signed(signer).Claims(c).Serialize()
	require.NoError(t, err)
	return token
}

func TestAlgorithms(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		p := newProvider(t)
		p.keys = []jose.JSONWebKey{newKey(t, "a", alg), newKey(t, "b", alg)}
		p.extra = []string{`{"kty": "XYZ", "kid": "a"}`, `{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}`, `5`}
		a := p.authenticator(t)
		for _, key := range p.keys {
			got, err := a.Authenticate(t.Context(), p.sign(t, key, nil))
			require.NoError(t, err)
			require.Equal(t, httpapi.Principal{Identity: &profile.Identity{Issuer: p.URL, Subject: "eve"}}, got)
		}
		require.Equal(t, 1, p.fetches)
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.RS512, jose.PS256} {
		p := newProvider(t)
		key := newKey(t, "a", alg)
		p.keys = []jose.JSONWebKey{key}
		_, err := p.authenticator(t).Authenticate(t.Context(), p.sign(t, key, nil))
		require.ErrorIs(t, err, rhythmiq.ErrUnauthorized, alg)
		require.Zero(t, p.fetches, "keys need not be fetched for a signature that is never taken")
	}
}

func TestRefused(t *testing.T) {
	p := newProvider(t)
	key := newKey(t, "a", jose.RS256)
	stranger := newKey(t, "a", jose.RS256)
	encryption := newKey(t, "enc", jose.RS256)
	p.keys = []jose.JSONWebKey{key}
	encryptionOnly := encryption
	encryptionOnly.Use = "enc"
	p.keys = append(p.keys, encryptionOnly)
	a := p.authenticator(t)
	now := p.clock()
	good := p.sign(t, key, nil)
	_, err := a.Authenticate(t.Context(), good)
	require.NoError(t, err)
	payload := func(c claims) string {
		b, err := json.Marshal(c)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + payload(p.claims()) + "."
	hmacKey, err := json.Marshal(key.Public())
	require.NoError(t, err)
	hmac := jose.JSONWebKey{Key: hmacKey, KeyID: "a", Algorithm: string(jose.HS256)}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"nothing":             "",
		"no token":            "a.b",
		"no base64":           "a.!.c",
		"no JSON":             "a." + base64.RawURLEncoding.EncodeToString([]byte("x")) + ".c",
		"another issuer":      p.sign(t, key, claims{"iss": "https://elsewhere.example.com"}),
		"another audience":    p.sign(t, key, claims{"aud": "other"}),
		"no audience":         p.sign(t, key, claims{"aud": nil}),
		"expired":             p.sign(t, key, claims{"exp": now.Add(-time.Minute).Unix()}),
		"no expiry":           p.sign(t, key, claims{"exp": nil}),
		"not yet":             p.sign(t, key, claims{"nbf": now.Add(time.Hour).Unix()}),
		"no subject":          p.sign(t, key, claims{"sub": nil}),
		"a stranger's key":    p.sign(t, stranger, nil),
		"not for signing":     p.sign(t, encryption, nil),
		"no signature":        none,
		"the key as a secret": p.sign(t, hmac, nil),
		"changed":             parts[0] + "." + payload(claims{"iss": p.URL, "aud": "rhythmiq", "sub": "mallory", "exp": now.Add(time.Hour).Unix()}) + "." + parts[2],
		"cut":                 parts[0] + "." + parts[1] + ".",
	} {
		_, err := a.Authenticate(t.Context(), token)
		require.ErrorIs(t, err, rhythmiq.ErrUnauthorized, name)
	}
	require.LessOrEqual(t, p.fetches, 2)
	list := p.sign(t, key, claims{"aud": []string{"other", "rhythmiq"}})
	_, err = a.Authenticate(t.Context(), list)
	require.NoError(t, err)
}

func TestRotation(t *testing.T) {
	p := newProvider(t)
	old, fresh := newKey(t, "old", jose.ES256), newKey(t, "new", jose.ES256)
	p.keys = []jose.JSONWebKey{old}
	a := p.authenticator(t)
	ok := func(key jose.JSONWebKey) error {
		_, err := a.Authenticate(t.Context(), p.sign(t, key, nil))
		return err
	}
	require.NoError(t, ok(old))
	p.set(func() { p.keys = []jose.JSONWebKey{fresh} })
	// Too soon: a flood of tokens with unknown keys must not become a flood of fetches.
	for range 100 {
		require.ErrorIs(t, ok(fresh), rhythmiq.ErrUnauthorized)
	}
	require.Equal(t, 1, p.fetches)
	p.set(func() { p.now = p.now.Add(11 * time.Second) })
	require.NoError(t, ok(fresh))
	require.ErrorIs(t, ok(old), rhythmiq.ErrUnauthorized, "a key that was taken away")
	require.Equal(t, 2, p.fetches)

	// Many at once wait for one fetch.
	newest := newKey(t, "newest", jose.ES256)
	p.set(func() { p.keys, p.now = append(p.keys, newest), p.now.Add(11*time.Second) })
	token := p.sign(t, newest, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := a.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 3, p.fetches)
}

func TestUnreachable(t *testing.T) {
	p := newProvider(t)
	key := newKey(t, "a", jose.RS256)
	p.keys, p.fail = []jose.JSONWebKey{key}, true
	a := p.authenticator(t)
	token := p.sign(t, key, nil)
	for range 3 {
		_, err := a.Authenticate(t.Context(), token)
		require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	}
	p.set(func() { p.fail, p.now = false, p.now.Add(time.Minute) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.Authenticate(gone, token)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	// Who went away has told nothing of the provider.
	_, err = a.Authenticate(t.Context(), token)
	require.NoError(t, err)

	// With keys at hand, the provider is only needed for new ones.
	p.set(func() { p.fail, p.now = true, p.now.Add(time.Minute) })
	_, err = a.Authenticate(t.Context(), token)
	require.NoError(t, err)
	_, err = a.Authenticate(t.Context(), p.sign(t, newKey(t, "b", jose.RS256), nil))
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)

	// A configuration that speaks for somebody else is not believed.
	p.set(func() { p.fail, p.issuer = false, "https://elsewhere.example.com" })
	_, err = p.authenticator(t).Authenticate(t.Context(), token)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
	_, err = p.authenticator(t, func(o *oidc.Options) { o.KeysURL = p.URL + "/keys" }).Authenticate(t.Context(), token)
	require.NoError(t, err)
	_, err = p.authenticator(t, func(o *oidc.Options) { o.KeysURL = "http://127.0.0.1:1/" }).Authenticate(t.Context(), token)
	require.ErrorIs(t, err, rhythmiq.ErrUnavailable)
}

func TestScopes(t *testing.T) {
	p := newProvider(t)
	key := newKey(t, "a", jose.EdDSA)
	p.keys = []jose.JSONWebKey{key}
	a := p.authenticator(t, func(o *oidc.Options) { o.EnforceScopes = true })
	for _, c := range []struct {
		given claims
		want  []string
	}{
		{nil, []string{}},
		{claims{"scope": "openid rhythmiq:read"}, []string{"rhythmiq:read"}},
		{claims{"scp": "rhythmiq:write"}, []string{"rhythmiq:write"}},
		{claims{"scp": []any{"rhythmiq:read", 5, "rhythmiq:write"}}, []string{"rhythmiq:read", "rhythmiq:write"}},
	} {
		got, err := a.Authenticate(t.Context(), p.sign(t, key, c.given))
		require.NoError(t, err)
		require.Equal(t, c.want, got.Scopes)
	}
	_, err := a.Authenticate(t.Context(), p.sign(t, key, claims{"scope": 5}))
	require.ErrorIs(t, err, rhythmiq.ErrUnauthorized)
}

func TestOptions(t *testing.T) {
	_, err := oidc.New(oidc.Options{Issuer: "ftp://x", KeysURL: "keys", Refresh: -1})
	require.Len(t, rhythmiq.FieldErrors(err), 4, err)
	_, err = oidc.New(oidc.Options{Issuer: "https://id.example.com", Audience: "x"})
	require.NoError(t, err)
}

// TestSignUp goes the whole way: a token of the provider's, a profile that it is bound to, and then its resources.
func TestSignUp(t *testing.T) {
	p := newProvider(t)
	key := newKey(t, "a", jose.RS256)
	p.keys = []jose.JSONWebKey{key}
	app, err := rhythmiq.New(rhythmiq.Config{Now: p.clock})
	require.NoError(t, err)
	h, err := httpapi.New(app, httpapi.Options{Authenticators: []httpapi.Authenticator{httpapi.OwnTokens(app), p.authenticator(t)}})
	require.NoError(t, err)
	api := httptest.NewServer(h)
	defer api.Close()
	do := func(method, path, body string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), method, api.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+p.sign(t, key, nil))
		req.Header.Set("Content-Type", "application/json")
		res, err := api.Client().Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		var got map[string]any
		require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
		return res.StatusCode, got
	}
	status, got := do(http.MethodPost, "/profiles", `{"username": "eve", "firstName": "Eve", "lastName": "Lee", "email": "eve@example.com", "phoneNumber": "+1 201-555-0123"}`)
	require.Equal(t, http.StatusCreated, status, got)
	id, _ := got["profileId"].(string)
	status, got = do(http.MethodGet, "/profiles/"+id, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "eve", got["username"])
	p.set(func() { p.fail = true })
	status, _ = do(http.MethodGet, "/profiles/"+id, "")
	require.Equal(t, http.StatusOK, status, "its keys are known")
}

func Example() {
	app, err := rhythmiq.New(rhythmiq.Config{})
	if err != nil {
		panic(err)
	}
	provider, err := oidc.New(oidc.Options{Issuer: "https://id.example.com", Audience: "my-client"})
	if err != nil {
		panic(err)
	}
	// A listener may log in here, or come with a token of the provider's.
	api, err := httpapi.New(app, httpapi.Options{Authenticators: []httpapi.Authenticator{httpapi.OwnTokens(app), provider}})
	if err != nil {
		panic(err)
	}
	http.Handle("/", api)
}
