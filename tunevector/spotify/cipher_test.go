package spotify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

// vault is a key management service with one key.
type vault struct {
	made, unwrapped int
	plain, wrapped  func([]byte) []byte // change what comes out; nil: nothing is changed
	err             error
}

func (v *vault) NewKey(context.Context) (plain, wrapped []byte, err error) {
	v.made++
	plain = bytes.Repeat([]byte{byte(v.made)}, 32)
	wrapped = append([]byte("wrapped"), plain...)
	if v.plain != nil {
		plain = v.plain(plain)
	}
	if v.wrapped != nil {
		wrapped = v.wrapped(wrapped)
	}
	return plain, wrapped, v.err
}

func (v *vault) Unwrap(_ context.Context, wrapped []byte) ([]byte, error) {
	v.unwrapped++
	plain, ok := bytes.CutPrefix(wrapped, []byte("wrapped"))
	if !ok {
		return nil, spotify.ErrUnsealable
	}
	if v.plain != nil {
		plain = v.plain(plain)
	}
	return plain, v.err
}

func ciphers(t *testing.T) map[string]spotify.Cipher {
	t.Helper()
	e, err := spotify.NewEnvelope(&vault{}, nil)
	require.NoError(t, err)
	return map[string]spotify.Cipher{"keyring": ring(t, "new", "old"), "envelope": e}
}

// What is sealed opens to what it was, only with what it was sealed with, and not at all once it was altered.
func TestCiphers(t *testing.T) {
	for name, c := range ciphers(t) {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			plain := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "plain")
			additional := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "additional")
			sealed, err := c.Seal(context.Background(), plain, additional)
			require.NoError(t, err)
			again, err := c.Seal(context.Background(), plain, additional)
			require.NoError(t, err)
			require.NotEqual(t, sealed, again)
			opened, err := c.Open(context.Background(), sealed, additional)
			require.NoError(t, err)
			require.Equal(t, string(plain), string(opened))
			if len(plain) > 8 {
				require.NotContains(t, string(sealed), string(plain))
			}

			_, err = c.Open(context.Background(), sealed, append(additional, 0))
			require.ErrorIs(t, err, spotify.ErrUnsealable)
			i := rapid.IntRange(0, len(sealed)-1).Draw(t, "byte")
			altered := bytes.Clone(sealed)
			altered[i] ^= rapid.ByteRange(1, 255).Draw(t, "change")
			_, err = c.Open(context.Background(), altered, additional)
			require.Error(t, err)
			_, err = c.Open(context.Background(), sealed[:i], additional)
			require.Error(t, err)
		}))
	}
}

func FuzzOpen(f *testing.F) {
	e, err := spotify.NewEnvelope(&vault{}, nil)
	require.NoError(f, err)
	r := ring(f, "a")
	for _, c := range []spotify.Cipher{e, r} {
		sealed, err := c.Seal(f.Context(), []byte("plain"), []byte("x"))
		require.NoError(f, err)
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		for _, c := range []spotify.Cipher{e, r} {
			if plain, err := c.Open(t.Context(), sealed, []byte("y")); err == nil {
				t.Errorf("forged: %q", plain)
			}
		}
	})
}

func TestNewKeyring(t *testing.T) {
	_, err := spotify.NewKeyring()
	require.Equal(t, map[string]string{"keys": "must hold a key"}, rhythmiq.FieldErrors(err))
	good := make([]byte, 32)
	_, err = spotify.NewKeyring(spotify.CipherKey{ID: "a", Secret: good}, spotify.CipherKey{ID: "a", Secret: good[1:]}, spotify.CipherKey{Secret: good})
	require.Equal(t, map[string]string{
		"keys[1].ID": "must be unique", "keys[1].Secret": "must be 32 bytes long", "keys[2].ID": "must be 1 to 64 bytes long",
	}, rhythmiq.FieldErrors(err))
}

func TestEnvelopeAsksSeldom(t *testing.T) {
	v, c := &vault{}, newClock()
	e, err := spotify.NewEnvelope(v, c.Now)
	require.NoError(t, err)
	seal := func(what string) []byte {
		sealed, err := e.Seal(t.Context(), []byte(what), nil)
		require.NoError(t, err)
		return sealed
	}
	first := seal("one")
	seal("two")
	require.Equal(t, 1, v.made)
	_, err = e.Open(t.Context(), first, nil)
	require.NoError(t, err)
	require.Zero(t, v.unwrapped)
	c.advance(time.Hour)
	seal("three")
	require.Equal(t, 2, v.made)
	for range 2 {
		plain, err := e.Open(t.Context(), first, nil)
		require.NoError(t, err)
		require.Equal(t, "one", string(plain))
	}
	require.Equal(t, 1, v.unwrapped)

	v.err = errors.New("throttled")
	c.advance(time.Hour)
	_, err = e.Seal(t.Context(), nil, nil)
	require.ErrorIs(t, err, v.err)
	_, err = e.Open(t.Context(), first, nil)
	require.ErrorIs(t, err, v.err)
	require.NotErrorIs(t, err, spotify.ErrUnsealable)
	v.err = nil
	v.plain = func(b []byte) []byte { return b[1:] }
	_, err = e.Seal(t.Context(), nil, nil)
	require.Error(t, err)
	_, err = e.Open(t.Context(), first, nil)
	require.Error(t, err)
	v.plain, v.wrapped = nil, func([]byte) []byte { return nil }
	_, err = e.Seal(t.Context(), nil, nil)
	require.Error(t, err)
	_, err = spotify.NewEnvelope(nil, nil)
	require.Error(t, err)
}

func ExampleNewKeyring() {
	secret := bytes.Repeat([]byte{7}, 32) // of yours: 32 random bytes
	keys, err := spotify.NewKeyring(spotify.CipherKey{ID: "2026-11", Secret: secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	sealed, _ := keys.Seal(ctx, []byte("a refresh token"), []byte("whose it is"))
	plain, err := keys.Open(ctx, sealed, []byte("whose it is"))
	fmt.Println(string(plain), err)
	_, err = keys.Open(ctx, sealed, []byte("somebody else"))
	fmt.Println(err)
	// Output:
	// a refresh token <nil>
	// spotify: what was sealed cannot be opened: it was altered, or its key is not among those given
}
