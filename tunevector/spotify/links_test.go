package spotify_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

func TestCheckRedirectURI(t *testing.T) {
	for uri, wrong := range map[string]string{
		"https://music.example.com/spotify/callback":  "",
		"http://127.0.0.1:8080/spotify/callback":      "",
		"http://[::1]:8080/spotify/callback":          "",
		"https://127.0.0.1/x?y=z":                     "",
		"":                                            "is required",
		"http://localhost:8080/spotify/callback":      "localhost",
		"https://LOCALHOST/spotify/callback":          "localhost",
		"https://app.localhost/spotify/callback":      "localhost",
		"http://music.example.com/spotify/callback":   "must be https",
		"http://192.168.1.2/spotify/callback":         "must be https",
		"http://127.0.0.1.example.com/":               "must be https",
		"ftp://127.0.0.1/":                            "must be https",
		"https://user:pass@music.example.com/":        "neither user nor fragment",
		"https://music.example.com/#x":                "neither user nor fragment",
		"https://music.example.com/#":                 "neither user nor fragment",
		"/spotify/callback":                           "must be a URL",
		"mailto:ada@example.com":                      "must be a URL",
		"https://%zz/":                                "must be a URL",
		"myapp://callback":                            "must be https",
		"http://0x7f.1/":                              "must be https",
		"http://127.1/":                               "must be https",
		"http://[::ffff:10.0.0.1]/spotify/callback":   "must be https",
		"https:///spotify/callback":                   "must be a URL",
		"http://[fe80::1%25eth0]:8080/":               "must be https",
		"http://127.0.0.2:8080/spotify/callback":      "",
		"https://music.example.com:443/music/spotify": "",
	} {
		err := spotify.CheckRedirectURI(uri)
		if wrong == "" {
			require.NoError(t, err, uri)
			continue
		}
		require.ErrorContains(t, err, wrong, uri)
	}
}

func TestNewLinks(t *testing.T) {
	_, err := spotify.NewLinks(nil, spotify.Options{
		RedirectURI: "http://localhost/", AccountsURL: "http://spotify.example.com", APIURL: "https://api.example.com?x=y", Scopes: []string{"user-top-read", "streaming"},
		NoticeAhead: -1, RefreshRate: -1, PerSecond: -1, Burst: -1, Workers: 1000, Forget: []func(context.Context, uuid.UUID) error{nil},
	})
	wrong := rhythmiq.FieldErrors(err)
	for _, field := range []string{
		"Store", "ClientID", "Cipher", "RedirectURI", "AccountsURL", "APIURL", "Scopes[1]", "NoticeAhead", "RefreshRate", "PerSecond", "Burst", "Workers", "Forget[0]",
	} {
		require.Contains(t, wrong, field)
		delete(wrong, field)
	}
	require.Empty(t, wrong)
	links, err := spotify.NewLinks(memstore.New(nil), spotify.Options{ClientID: "x", RedirectURI: "https://example.com/", Cipher: ring(t, "a")})
	require.NoError(t, err)
	require.Equal(t, "a Spotify link", links.Kind())
	require.NoError(t, links.Close())
	_, err = links.Token(t.Context(), uuid.New())
	require.ErrorIs(t, err, spotify.ErrNotLinked)
	link, err := links.Link(t.Context(), uuid.New())
	require.NoError(t, err)
	require.Equal(t, spotify.Link{State: spotify.None}, link)
	ended, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	_, err = links.Link(ended, uuid.New())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
