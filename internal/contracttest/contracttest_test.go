package contracttest_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/contracttest"
)

// small is a contract of the same form as the one that it is for.
const small = `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"},
"components": {"responses": {"Forbidden": {"description": "", "content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}}}}},
"paths": {
  "/me/{what}": {"get": {"parameters": [{"name": "what", "in": "path", "required": true, "schema": {"type": "string"}}], "responses": {"200": {"description": ""}}}},
  "/me/tracks": {"get": {"parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}}],
    "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object", "required": ["items"]}}}}}}},
  "/me/library": {"put": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}, "responses": {"200": {"description": ""}}}}}}`

// says is a server that always says the same.
type says struct {
	status int
	body   string
	err    error
}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: s.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

func TestTransport(t *testing.T) {
	spec, err := openapi3.NewLoader().LoadFromData([]byte(small))
	require.NoError(t, err)
	c := contracttest.New(spec)
	for _, x := range []struct {
		method, path, sent string
		next               says
		wrong              string
	}{
		{"GET", "/v1/me/tracks?limit=50", "", says{200, `{"items": []}`, nil}, ""},
		{"GET", "/v1/me/tracks", "", says{200, `{}`, nil}, `property "items" is missing`},
		{"GET", "/v1/me/tracks?limit=51", "", says{200, `{"items": []}`, nil}, "a request was taken that should not be"},
		{"GET", "/v1/me/tracks?limit=51", "", says{400, `{"error": {}}`, nil}, ""},
		{"GET", "/v1/me/tracks", "", says{403, `{}`, nil}, `property "error" is missing`},
		{"GET", "/v1/me/tracks", "", says{500, `<html>`, nil}, "invalid character"},
		{"GET", "/v1/me/tracks", "", says{204, ``, nil}, "the status is not named"},
		{"GET", "/v1/me/other", "", says{200, ``, nil}, ""},
		{"PUT", "/v1/me/library", `{"a": 1}`, says{200, ``, nil}, ""},
		{"PUT", "/v1/me/library", `[]`, says{200, ``, nil}, "a request was taken that should not be"},
		{"GET", "/v1/nowhere/at/all", "", says{404, `{"error": {}}`, nil}, "there is no such operation"},
		{"POST", "/api/token", "", says{200, `anything`, nil}, ""},
		{"GET", "/v1/me/tracks", "", says{err: io.ErrUnexpectedEOF}, "unexpected EOF"},
	} {
		req, err := http.NewRequest(x.method, "https://spotify.test"+x.path, strings.NewReader(x.sent))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := c.Transport(x.next).RoundTrip(req)
		if x.wrong != "" {
			require.ErrorContains(t, err, x.wrong, "%+v", x)
			continue
		}
		require.NoError(t, err, "%+v", x)
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, x.next.body, string(got))
	}
	require.True(t, c.Seen("GET /me/tracks 200"))
	require.False(t, c.Seen("GET /me/tracks 204"))
	none := (*contracttest.Contract)(nil)
	require.Equal(t, http.RoundTripper(says{}), none.Transport(says{}))
}

func TestEnvironment(t *testing.T) {
	t.Setenv(contracttest.Env, "")
	require.Nil(t, contracttest.FromEnv(t))
	path := filepath.Join(t.TempDir(), "openapi.json")
	require.NoError(t, os.WriteFile(path, []byte(small), 0o600))
	t.Setenv(contracttest.Env, path)
	require.NotNil(t, contracttest.Need(t))
}

func ExampleContract_Transport() {
	// A test holds all that goes to a Spotify in memory, and comes back, against the contract, where that is at hand:
	//
	//	client := &http.Client{Transport: contracttest.FromEnv(t).Transport(fake)}
}
