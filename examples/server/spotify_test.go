package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// A listener links their account at a Spotify beside the server, signs in by it, also after a restart, and unlinks it.
func TestSpotify(t *testing.T) {
	fake := spotifytest.New(spotifytest.Options{RotateRefreshTokens: true})
	fake.Add(spotifytest.Account{ID: "ada", DisplayName: "Ada"})
	songs := fake.AddTracks(
		spotifytest.Track{Name: "Xylomancy", Artists: []string{"Zzyzx Ensemble"}, Milliseconds: 240_000}, spotifytest.Track{Name: "Ouija", Artists: []string{"Qwlghm"}, Milliseconds: 200_000},
	)
	fake.SetLibrary("ada", spotifytest.Library{Saved: songs, Top: songs, TopArtists: []string{"Zzyzx Ensemble"}})
	fake.Start()
	defer fake.Close()
	dir := t.TempDir()
	secret, keys := filepath.Join(dir, "secret"), filepath.Join(dir, "keys")
	require.NoError(t, os.WriteFile(secret, []byte(fake.ClientSecret()+"\n"), 0o600))
	require.NoError(t, os.WriteFile(keys, []byte("# the newest first\nk1 "+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))+"\n\n"), 0o600))
	args := []string{
		"-db", filepath.Join(dir, "rhythmiq.db"), "-spotify-client-id", fake.ClientID(), "-spotify-client-secret-file", secret,
		"-spotify-keys", keys, "-spotify-base-url", fake.URL(),
	}
	s := start(t, args...)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client.Jar = jar
	status, _ := call(t, s.client, http.MethodPost, s.base+"/profiles", "", `{"username":"ada","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","phoneNumber":"+442079460000","password":"correct horse battery"}`)
	require.Equal(t, 201, status)
	_, session := call(t, s.client, http.MethodPost, s.base+"/sessions", "", `{"username":"ada","password":"correct horse battery"}`)
	token, me := session["token"].(string), "/profiles/"+session["profileId"].(string)+"/spotify-link"
	status, begun := call(t, s.client, http.MethodPost, s.base+me, token, `{"scopes":["playlist-modify-private"]}`)
	require.Equal(t, 201, status, begun)
	status, ended := browse(t, s.client, begun["authorizeUrl"].(string))
	require.Equal(t, 200, status, ended)
	require.Equal(t, "linked", ended["outcome"])
	_, link := call(t, s.client, http.MethodGet, s.base+me, token, "")
	require.Equal(t, "linked", link["state"])
	profile := strings.TrimSuffix(me, "/spotify-link")
	_, liked := call(t, s.client, http.MethodGet, s.base+profile+"/preferences", token, "")
	require.Equal(t, "Zzyzx Ensemble", liked["preferences"].([]any)[0].(map[string]any)["value"])
	status, made := call(t, s.client, http.MethodPost, s.base+profile+"/tune-vectors", token,
		`{"name":"Mine","mode":"ai","durationMinutes":30,"pinned":[{"position":1,"trackId":"`+songs[0]+`"}]}`)
	require.Equal(t, 201, status, made)
	vector := s.base + profile + "/tune-vectors/" + made["tuneVectorId"].(string)
	status, written := call(t, s.client, http.MethodPost, vector+"/spotify-playlist", token, "")
	require.Equal(t, 200, status, written)
	require.Contains(t, fake.Playlists("ada")[0].URIs, "spotify:track:"+songs[0])
	require.Zero(t, s.stop(), s.stderr.String())
	require.NotContains(t, s.stderr.String(), fake.ClientSecret())

	// While nothing is served, or while it is: which key seals what.
	others := filepath.Join(dir, "others")
	line := func(id string, fill byte) string {
		return id + " " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) + "\n"
	}
	sealed := func(given ...string) string {
		var stdout, stderr lockedBuffer
		require.Zero(t, run(t.Context(), append([]string{"-spotify-sealed-by", "-db", filepath.Join(dir, "rhythmiq.db")}, given...), &stdout, &stderr), stderr.String())
		return stdout.String()
	}
	require.Equal(t, "k1                          1  the first of those given: seals what is new\n", sealed("-spotify-keys", keys))
	require.NoError(t, os.WriteFile(others, []byte(line("k2", 8)+line("k1", 7)+line("k0", 6)), 0o600))
	require.Equal(t, `k2                          0  the first of those given: seals what is new
k1                          1  still needed
k0                          0  may be dropped, once it has not been the first one anywhere for ten minutes
`, sealed("-spotify-keys", others))
	require.Equal(t, "k1                          1  not among the keys given\n", sealed())

	was := s.base
	s = start(t, args...)
	s.client.Jar = jar
	require.Contains(t, sealed("-spotify-keys", keys), "k1                          1 ")
	status, ended = browse(t, s.client, s.base+"/sign-in/spotify")
	require.Equal(t, 200, status, ended)
	require.Equal(t, "signed-in", ended["outcome"])
	status, _ = call(t, s.client, http.MethodDelete, s.base+me, ended["token"].(string), "")
	require.Equal(t, 200, status)
	status, made = call(t, s.client, http.MethodGet, s.base+strings.TrimPrefix(vector, was), ended["token"].(string), "")
	require.Equal(t, 200, status)
	require.NotContains(t, fmt.Sprint(made), songs[0], "unlinked, it plays the catalog's music")
	require.Zero(t, s.stop(), s.stderr.String())
}

// browse has a browser go to a URL, and wherever it is sent from there.
func browse(t *testing.T, c *http.Client, url string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	res, err := c.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var v map[string]any
	require.NoError(t, json.Unmarshal(b, &v), string(b))
	return res.StatusCode, v
}

func TestSpotifyFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	memory := []string{"-store", "memory", "-addr", "127.0.0.1:0", "-spotify-client-id", "x"}
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-spotify-base-url", "https://example.com"}, 2, "-spotify-base-url goes with -spotify-client-id"},
		{append(memory, "-spotify-redirect-uri", "http://localhost:8080/spotify/callback"), 2, "-spotify-redirect-uri must not be at localhost, which Spotify refuses"},
		{append(memory, "-spotify-features", "deezer, guesses"), 2, `-spotify-features knows reccobeats and deezer, and not "guesses"`},
		{append(memory, "-spotify-market", "sweden"), 1, "Market: must be a country"},
		{append(memory, "-spotify-refresh-rate", "0"), 2, "-spotify-refresh-rate must be above 0"},
		{append(memory, "-spotify-rate", "NaN"), 2, "-spotify-rate must be above 0"},
		{append(memory, "-spotify-client-secret-file", filepath.Join(dir, "none")), 1, "no such file"},
		{append(memory, "-spotify-keys", filepath.Join(dir, "none")), 1, "no such file"},
		{append(memory, "-spotify-keys", file("a", "k1 !")), 1, "spotify keys: line 1 is not an id, a space, and base64"},
		{append(memory, "-spotify-keys", file("b", "k1 AAAA")), 1, "must be 32 bytes long"},
		{append(memory, "-spotify-base-url", "http://example.com"), 1, "AccountsURL: must be https"},
		{[]string{"-db", filepath.Join(dir, "db"), "-addr", "127.0.0.1:0", "-spotify-client-id", "x"}, 1, "needs keys that seal tokens"},
		{[]string{"-store", "memory", "-addr", ":0", "-spotify-client-id", "x"}, 1, "-spotify-redirect-uri is required where -addr is not a loopback address"},
		{[]string{"-export", "a", "-spotify-client-id", "x"}, 2, "-spotify-client-id is for serving"},
		{[]string{"-export", "a", "-spotify-sealed-by"}, 2, "-export and -spotify-sealed-by are 2 commands"},
		{[]string{"-spotify-sealed-by", "-spotify-market", "SE"}, 2, "-spotify-market is for serving, and -spotify-sealed-by serves nothing"},
		{[]string{"-spotify-sealed-by", "-store", "memory"}, 2, "-spotify-sealed-by needs a store that lasts, and the store is memory"},
		{[]string{"-spotify-sealed-by", "-db", filepath.Join(dir, "nowhere")}, 1, "no such file"},
	} {
		t.Setenv(secretVariable, "")
		t.Setenv(keysVariable, "")
		var stderr lockedBuffer
		require.Equal(t, c.status, run(t.Context(), c.args, io.Discard, &stderr), stderr.String())
		require.Contains(t, stderr.String(), c.says)
	}
}
