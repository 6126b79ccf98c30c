package profile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func hostKeys(ids ...string) func(*profile.Options) {
	return func(o *profile.Options) {
		o.Keys = nil
		for _, id := range ids {
			o.Keys = append(o.Keys, profile.SigningKey{ID: id, Secret: secret(id[0])})
		}
	}
}

// sibling is another instance on the same store.
func sibling(t testing.TB, f fixture, change ...func(*profile.Options)) *profile.Service {
	t.Helper()
	o := profile.Options{Now: f.clock.Now, Hash: cheap}
	for _, c := range change {
		c(&o)
	}
	s, err := profile.NewService(f.store, o)
	require.NoError(t, err)
	return s
}

func TestSessionExpires(t *testing.T) {
	f := newFixture(t, func(o *profile.Options) { o.SessionTTL = time.Minute })
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	other := sibling(t, f) // has the token not in memory
	f.clock.Advance(time.Minute - time.Nanosecond)
	for _, s := range []*profile.Service{f.Service, other} {
		_, err := s.Authenticate(t.Context(), x.Token)
		require.NoError(t, err)
	}
	f.clock.Advance(time.Nanosecond)
	for _, s := range []*profile.Service{f.Service, other, sibling(t, f)} {
		_, err := s.Authenticate(t.Context(), x.Token)
		requireFault(t, err, fault.Unauthorized, unauthorized)
	}
	sessions, err := f.Sessions(t.Context(), p.ID)
	require.NoError(t, err)
	require.Empty(t, sessions)
	require.NoError(t, f.Logout(t.Context(), x))
}

func TestSessions(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	var all []profile.Session
	for range 101 {
		x := logIn(t, f.Service, "alice")
		x.Token = ""
		all = append(all, x)
		f.clock.Advance(time.Second)
	}
	got, err := f.Sessions(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, all[1:], got) // the hundred newest, oldest first
	require.NoError(t, f.Logout(t.Context(), all[50]))
	got, err = f.Sessions(t.Context(), p.ID)
	require.NoError(t, err)
	require.Len(t, got, 99)
	require.NotContains(t, got, all[50])
}

// What has expired is not kept, and takes no room from what lives.
func TestExpiredSessionsGo(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	for range 60 {
		logIn(t, f.Service, "alice")
	}
	f.clock.Advance(time.Hour)
	for range 60 {
		logIn(t, f.Service, "alice")
	}
	item, err := f.store.Get(t.Context(), store.Key{Table: store.Users, Partition: p.ID, Sort: "login"}, store.Strong)
	require.NoError(t, err)
	var saved struct{ Sessions []struct{ ID uuid.UUID } }
	require.NoError(t, item.Decode(&saved))
	require.Len(t, saved.Sessions, 60)
}

// An end of one session, and of all by a new password, is seen by other instances at once, also where
// they have the token in memory.
func TestSessionEndsEverywhere(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	other := sibling(t, f)
	a, b := logIn(t, f.Service, "alice"), logIn(t, other, "alice")
	alive := func(x profile.Session) bool {
		_, err1 := f.Authenticate(t.Context(), x.Token)
		_, err2 := other.Authenticate(t.Context(), x.Token)
		require.Equal(t, err1 == nil, err2 == nil)
		return err1 == nil
	}
	require.True(t, alive(a))
	require.True(t, alive(b))
	require.NoError(t, other.Logout(t.Context(), a))
	require.False(t, alive(a))
	require.True(t, alive(b))
	same := password
	_, err := f.Update(t.Context(), p.ID, profile.Changes{Password: &same}, store.Version{})
	require.NoError(t, err)
	require.False(t, alive(b))
	c := logIn(t, f.Service, "alice")
	require.True(t, alive(c))
	require.False(t, alive(b))
}

// forge makes a token as ours are, with a change.
func forge(t testing.TB, x profile.Session, method jwt.SigningMethod, key any, change func(*jwt.Token, jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": "rhythmiq", "sub": x.ProfileID.String(), "jti": x.ID.String(),
		"iat": x.CreatedAt.Unix(), "exp": x.ExpiresAt.Unix(),
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = "a"
	change(token, claims)
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

func TestForgedTokens(t *testing.T) {
	f := newFixture(t, hostKeys("a", "b"))
	alice, bob := create(t, f.Service, "alice"), create(t, f.Service, "bob")
	x := logIn(t, f.Service, "alice")
	none := func(*jwt.Token, jwt.MapClaims) {}
	hs := jwt.SigningMethodHS256

	_, err := f.Authenticate(t.Context(), forge(t, x, hs, secret('a'), none))
	require.NoError(t, err, "the forger is able")
	_, err = f.Authenticate(t.Context(), forge(t, x, hs, secret('b'), func(k *jwt.Token, _ jwt.MapClaims) { k.Header["kid"] = "b" }))
	require.NoError(t, err)

	claim := func(name string, value any) func(*jwt.Token, jwt.MapClaims) {
		return func(_ *jwt.Token, c jwt.MapClaims) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	header := func(name string, value any) func(*jwt.Token, jwt.MapClaims) {
		return func(k *jwt.Token, _ jwt.MapClaims) {
			if k.Header[name] = value; value == nil {
				delete(k.Header, name)
			}
		}
	}
	parts := strings.Split(x.Token, ".")
	loose := []byte(parts[2]) // the same bytes with other unused bits in the last character
	loose[len(loose)-1]++
	for name, token := range map[string]string{
		"empty":              "",
		"nonsense":           "nonsense",
		"dots":               "..",
		"too long":           x.Token + strings.Repeat("A", 1024),
		"no signature":       parts[0] + "." + parts[1] + ".",
		"padded":             x.Token + "=",
		"loosely encoded":    parts[0] + "." + parts[1] + "." + string(loose),
		"alg none":           forge(t, x, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, none),
		"alg HS512":          forge(t, x, jwt.SigningMethodHS512, secret('a'), none),
		"alg said otherwise": forge(t, x, hs, secret('a'), header("alg", "RS256")),
		"another key":        forge(t, x, hs, secret('z'), none),
		"empty key":          forge(t, x, hs, []byte{}, header("kid", "z")),
		"another kid":        forge(t, x, hs, secret('a'), header("kid", "b")),
		"unknown kid":        forge(t, x, hs, secret('a'), header("kid", "z")),
		"no kid":             forge(t, x, hs, secret('a'), header("kid", nil)),
		"kid of a number":    forge(t, x, hs, secret('a'), header("kid", 7)),
		"long kid":           forge(t, x, hs, secret('a'), header("kid", strings.Repeat("a", 65))),
		"another issuer":     forge(t, x, hs, secret('a'), claim("iss", "elsewhere")),
		"no issuer":          forge(t, x, hs, secret('a'), claim("iss", nil)),
		"no expiry":          forge(t, x, hs, secret('a'), claim("exp", nil)),
		"expired":            forge(t, x, hs, secret('a'), claim("exp", f.clock.Now().Unix())),
		"odd expiry":         forge(t, x, hs, secret('a'), claim("exp", 1e300)),
		"expiry of a string": forge(t, x, hs, secret('a'), claim("exp", "tomorrow")),
		"another profile":    forge(t, x, hs, secret('a'), claim("sub", bob.ID.String())),
		"no profile":         forge(t, x, hs, secret('a'), claim("sub", uuid.NewString())),
		"malformed profile":  forge(t, x, hs, secret('a'), claim("sub", "alice")),
		"another session":    forge(t, x, hs, secret('a'), claim("jti", uuid.NewString())),
		"malformed session":  forge(t, x, hs, secret('a'), claim("jti", "")),
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // also when it was seen before
				_, err := f.Authenticate(t.Context(), token)
				requireFault(t, err, fault.Unauthorized, unauthorized)
			}
		})
	}
	got, err := f.Authenticate(t.Context(), x.Token)
	require.NoError(t, err)
	require.Equal(t, alice.ID, got.ProfileID)
}

// A token without an issuing time is one of a host that signs by itself.
func TestTokenWithoutIssuingTime(t *testing.T) {
	f := newFixture(t, hostKeys("a"))
	create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	got, err := f.Authenticate(t.Context(), forge(t, x, jwt.SigningMethodHS256, secret('a'), func(_ *jwt.Token, c jwt.MapClaims) { delete(c, "iat") }))
	require.NoError(t, err)
	require.Zero(t, got.CreatedAt)
}

func kid(t testing.TB, token string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	require.NoError(t, err)
	var h struct{ Kid, Alg, Typ string }
	require.NoError(t, json.Unmarshal(b, &h))
	require.Equal(t, "HS256", h.Alg)
	return h.Kid
}

func savedKeys(t testing.TB, f fixture) int {
	t.Helper()
	key := store.Key{Table: store.Users, Partition: store.HashPartition("signing-keys", "sessions"), Sort: "keys"}
	item, err := f.store.Get(t.Context(), key, store.Strong)
	require.NoError(t, err)
	var saved struct{ Keys []struct{ Secret []byte } }
	require.NoError(t, item.Decode(&saved))
	for _, k := range saved.Keys {
		require.Len(t, k.Secret, 32)
	}
	return len(saved.Keys)
}

func TestKeysRotate(t *testing.T) {
	f := newFixture(t) // 24 h a key, 1 h a token
	create(t, f.Service, "alice")
	other := sibling(t, f)
	a := logIn(t, f.Service, "alice")
	require.Equal(t, kid(t, a.Token), kid(t, logIn(t, other, "alice").Token), "instances agree")

	f.clock.Advance(24*time.Hour - time.Second)
	b := logIn(t, other, "alice")
	require.Equal(t, kid(t, a.Token), kid(t, b.Token))
	f.clock.Advance(time.Second)
	c := logIn(t, other, "alice")
	require.NotEqual(t, kid(t, a.Token), kid(t, c.Token))
	for _, s := range []*profile.Service{f.Service, other, sibling(t, f)} { // one that has not seen the new key, one that has, a new one
		for _, x := range []profile.Session{b, c} {
			_, err := s.Authenticate(t.Context(), x.Token)
			require.NoError(t, err)
		}
	}
	require.Equal(t, kid(t, c.Token), kid(t, logIn(t, f.Service, "alice").Token))
	require.Equal(t, 2, savedKeys(t, f))

	f.clock.Advance(24 * time.Hour) // the first one's last token has long expired
	logIn(t, f.Service, "alice")
	require.Equal(t, 2, savedKeys(t, f))
	f.clock.Advance(100 * 24 * time.Hour)
	logIn(t, f.Service, "alice")
	require.Equal(t, 1, savedKeys(t, f))
}

// An instance whose sessions live longer does not sign with a key that will be gone before they are.
func TestKeysOutliveTokens(t *testing.T) {
	f := newFixture(t)
	create(t, f.Service, "alice")
	short := logIn(t, f.Service, "alice")
	other := sibling(t, f, func(o *profile.Options) { o.SessionTTL = 48 * time.Hour })
	long := logIn(t, other, "alice")
	require.NotEqual(t, kid(t, short.Token), kid(t, long.Token))
	f.clock.Advance(25 * time.Hour)
	logIn(t, f.Service, "alice") // rotates
	f.clock.Advance(23*time.Hour - time.Second)
	_, err := sibling(t, f).Authenticate(t.Context(), long.Token)
	require.NoError(t, err)
}

func TestHostKeys(t *testing.T) {
	f := newFixture(t, hostKeys("old"))
	create(t, f.Service, "alice")
	a := logIn(t, f.Service, "alice")
	require.Equal(t, "old", kid(t, a.Token))
	rotated := sibling(t, f, hostKeys("new", "old"))
	b := logIn(t, rotated, "alice")
	require.Equal(t, "new", kid(t, b.Token))
	_, err := rotated.Authenticate(t.Context(), a.Token)
	require.NoError(t, err)
	_, err = f.Authenticate(t.Context(), b.Token)
	requireFault(t, err, fault.Unauthorized, unauthorized)
	_, err = sibling(t, f, hostKeys("new")).Authenticate(t.Context(), a.Token)
	requireFault(t, err, fault.Unauthorized, unauthorized)
	f.clock.Advance(59 * time.Minute)
	_, err = rotated.Authenticate(t.Context(), b.Token)
	require.NoError(t, err)
}

// The store is not asked for keys that are known, and for unknown ones once.
func TestAuthenticateReads(t *testing.T) {
	f, counted, s := withFaults(t)
	create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	reads := func(token string) int {
		counted.calls = 0
		_, _ = s.Authenticate(t.Context(), token)
		return counted.calls
	}
	require.Equal(t, 2, reads(x.Token)) // the keys, the session
	for range 3 {
		require.Equal(t, 1, reads(x.Token))
	}
	y := logIn(t, f.Service, "alice")
	require.Equal(t, 1, reads(y.Token))
	require.Equal(t, 1, reads(x.Token))
	require.Equal(t, 0, reads(x.Token+"x"))
	bogus := forge(t, x, jwt.SigningMethodHS256, secret('a'), func(*jwt.Token, jwt.MapClaims) {})
	require.Equal(t, 1, reads(bogus))
}

func TestDamagedSessions(t *testing.T) {
	f := newFixture(t)
	p := create(t, f.Service, "alice")
	x := logIn(t, f.Service, "alice")
	key := store.Key{Table: store.Users, Partition: p.ID, Sort: "login"}
	require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{"sessions":7}`)}, store.None)))
	_, err := f.Authenticate(t.Context(), x.Token)
	require.Error(t, err)
	require.Equal(t, fault.None, fault.KindOf(err))
	require.Error(t, f.Logout(t.Context(), x))

	keys := store.Key{Table: store.Users, Partition: store.HashPartition("signing-keys", "sessions"), Sort: "keys"}
	require.NoError(t, f.store.Apply(t.Context(), store.Put(store.Item{Key: keys, Body: []byte(`{"keys":7}`)}, store.None)))
	_, err = sibling(t, f).Authenticate(t.Context(), x.Token)
	require.Equal(t, fault.None, fault.KindOf(err))
	create(t, f.Service, "bob")
	_, err = sibling(t, f).Login(t.Context(), profile.Credentials{Username: "bob", Password: password})
	require.Error(t, err)
	require.Equal(t, fault.None, fault.KindOf(err))
}

func FuzzAuthenticate(f *testing.F) {
	fx := newFixture(f, hostKeys("a"))
	create(f, fx.Service, "alice")
	x := logIn(f, fx.Service, "alice")
	f.Add(x.Token)
	for _, claims := range []string{`{}`, `{"exp":1e400}`, `{"exp":-1}`, `{"sub":7}`, `[]`, `null`} {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		f.Add(fmt.Sprintf("%s.%s.%s", part(`{"alg":"HS256","kid":"a"}`), part(claims), part("x")))
		f.Add(fmt.Sprintf("%s.%s.", part(`{"alg":"none"}`), part(claims)))
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := fx.Authenticate(t.Context(), token)
		if token == x.Token {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, fault.ErrUnauthorized)
	})
}
