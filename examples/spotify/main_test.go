package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

// The line that is printed names an app that accounts can be linked with, and what they hold; and it ends when it is told to.
func TestRun(t *testing.T) {
	for _, who := range []string{"ada", "ben"} {
		t.Run(who, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			out, in := io.Pipe()
			var stderr bytes.Buffer
			status := make(chan int, 1)
			go func() {
				status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-as", who}, in, &stderr)
				_ = in.Close()
			}()
			buffer := make([]byte, 4096)
			n, err := out.Read(buffer) // it is one write
			require.NoError(t, err, stderr.String())
			guide := string(buffer[:n])
			line := regexp.MustCompile(`RHYTHMIQ_SPOTIFY_CLIENT_SECRET=(\S+) go run ./examples/server -store memory -spotify-client-id (\S+) -spotify-base-url (http://127\.0\.0\.1:\d+)\n`).FindStringSubmatch(guide)
			require.NotNil(t, line, guide)

			app := oauth2.Config{
				ClientID: line[2], ClientSecret: line[1], RedirectURL: "http://127.0.0.1:8080/spotify/callback", Scopes: spotify.DefaultScopes(),
				Endpoint: oauth2.Endpoint{AuthURL: line[3] + "/authorize", TokenURL: line[3] + "/api/token"},
			}
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			with := context.WithValue(t.Context(), oauth2.HTTPClient, client)
			verifier := oauth2.GenerateVerifier()
			back, err := url.Parse(get(t, client, app.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), nil).Get("Location"))
			require.NoError(t, err)
			token, err := app.Exchange(with, back.Query().Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)

			var me struct {
				ID string `json:"id"`
			}
			var saved, lists, shows struct {
				Total int `json:"total"`
			}
			listener := app.Client(with, token)
			get(t, listener, line[3]+"/v1/me", &me)
			require.Equal(t, who, me.ID)
			get(t, listener, line[3]+"/v1/me/tracks", &saved)
			require.Equal(t, 90, saved.Total)
			get(t, listener, line[3]+"/v1/me/playlists", &lists)
			require.Equal(t, 2, lists.Total)
			get(t, listener, line[3]+"/v1/me/shows", &shows)
			require.Equal(t, 1, shows.Total)
			stop()
			require.Zero(t, <-status, stderr.String())
		})
	}
}

// get reads an answer into v, if that is not nil.
func get(t *testing.T, c *http.Client, at string, v any) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	require.NoError(t, err)
	res, err := c.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	if v != nil {
		require.NoError(t, json.NewDecoder(res.Body).Decode(v))
	}
	return res.Header
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-as", "cy"}, 2, "-as must be ada or ben"},
		{[]string{"more"}, 2, "nothing else is taken"},
		{[]string{"-port", "1"}, 2, "flag provided but not defined"},
		{[]string{"-addr", "127.0.0.1:none"}, 1, "spotify: listen tcp"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, c.status, run(t.Context(), c.args, &stdout, &stderr), strings.Join(c.args, " "))
		require.Contains(t, stderr.String(), c.says)
		require.Empty(t, stdout.String())
	}
}
