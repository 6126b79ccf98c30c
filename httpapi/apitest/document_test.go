package apitest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answers is a server that answers everything alike.
type answers struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

// TestValidator shows that an API which does not keep to its document is found out.
func TestValidator(t *testing.T) {
	d := loadDocument(t)
	const profile = "/profiles/8f14e45f-ceea-467f-9a3c-0b3c7a1d2e5f"
	const good = `{"profileId":"8f14e45f-ceea-467f-9a3c-0b3c7a1d2e5f","username":"ann","firstName":"Ann","lastName":"Lee","email":"ann@example.com",` +
		`"phoneNumber":"+12015550123","createdAt":"2026-03-01T18:00:00Z","updatedAt":"2026-03-01T18:00:00Z"}`
	usual := func() http.Header {
		return http.Header{
			"Content-Type": {"application/json"}, "Etag": {`"00000000000000000000000000000000"`}, "X-Request-Id": {"x"},
			"Cache-Control": {"private, no-cache"}, "Vary": {"Authorization"},
		}
	}
	for _, c := range []struct {
		name, method, path, sent string
		answer                   answers
		change                   func(http.Header)
		ok                       bool
	}{
		{name: "as it should be", method: http.MethodGet, path: profile, answer: answers{status: 200, body: good}, ok: true},
		{name: "no answer", method: http.MethodGet, path: profile, answer: answers{err: errors.New("gone")}},
		{name: "a field too many", method: http.MethodGet, path: profile, answer: answers{status: 200, body: strings.Replace(good, "{", `{"password":"x",`, 1)}},
		{name: "a field too few", method: http.MethodGet, path: profile, answer: answers{status: 200, body: `{}`}},
		{name: "no UUID", method: http.MethodGet, path: profile, answer: answers{status: 200, body: strings.ReplaceAll(good, "8f14e45f-", "8f14e45f")}},
		{name: "no UUID of that length", method: http.MethodGet, path: profile, answer: answers{status: 200, body: strings.ReplaceAll(good, "8f14e45f-", "xxxxxxxx-")}},
		{name: "another status", method: http.MethodGet, path: profile, answer: answers{status: 202, body: good}},
		{name: "another type", method: http.MethodGet, path: profile, answer: answers{status: 200, body: good}, change: func(h http.Header) { h.Set("Content-Type", "text/plain") }},
		{name: "no ETag", method: http.MethodGet, path: profile, answer: answers{status: 200, body: good}, change: func(h http.Header) { h.Del("ETag") }},
		{name: "a public answer", method: http.MethodGet, path: profile, answer: answers{status: 200, body: good}, change: func(h http.Header) { h.Set("Cache-Control", "public") }},
		{name: "no Cache-Control", method: http.MethodGet, path: "/healthz", answer: answers{status: 200, body: `{"status":"ok"}`}, change: func(h http.Header) { h.Del("Cache-Control") }},
		{name: "a 304 with a body", method: http.MethodGet, path: profile, answer: answers{status: 304, body: good}},
		{name: "a wrong request taken", method: http.MethodPut, path: profile, sent: `{"email":"x"}`, answer: answers{status: 200, body: good}},
		{name: "a path that is not there", method: http.MethodGet, path: "/x", answer: answers{status: 404, body: `{"message":"x"}`}, ok: true},
		{name: "HEAD of one", method: http.MethodHead, path: "/x", answer: answers{status: 404}, ok: true},
		{name: "OPTIONS", method: http.MethodOptions, path: profile, answer: answers{status: 204}, ok: true},
		{name: "200 where nothing is", method: http.MethodGet, path: "/x", answer: answers{status: 200, body: good}},
		{name: "404 without a message", method: http.MethodGet, path: "/x", answer: answers{status: 404, body: `{}`}},
		{name: "404 without a name", method: http.MethodGet, path: "/x", answer: answers{status: 404, body: `{"message":"x"}`}, change: func(h http.Header) { h.Del("X-Request-Id") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.answer.header = usual()
			if c.change != nil {
				c.change(c.answer.header)
			}
			v := &validator{document: d, base: "http://api.example.com/v1", next: c.answer}
			v.tune()
			req, err := http.NewRequestWithContext(t.Context(), c.method, v.base+c.path, strings.NewReader(c.sent))
			require.NoError(t, err)
			if c.sent != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			res, err := v.RoundTrip(req)
			if !c.ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		})
	}
	require.True(t, d.seen["GetProfile 200"])
	require.Contains(t, d.unseen(), "GetProfile 404")
}
