package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// body is a JSON object.
type body = map[string]any

// raw is a body of a media type.
type raw struct {
	text      string
	mediaType string // "": application/json
}

// answer is what came back.
type answer struct {
	*http.Response
	text []byte
}

// send sends a request. content is nil, a raw, or something that is sent as JSON.
func (l *listener) send(ctx context.Context, method, path string, content any) (*result, error) {
	var in io.Reader = http.NoBody
	mediaType := ""
	switch content := content.(type) {
	case nil:
	case raw:
		in, mediaType = strings.NewReader(content.text), content.mediaType
		if mediaType == "" {
			mediaType = "application/json"
		}
	default:
		b, err := json.Marshal(content)
		if err != nil {
			return nil, err
		}
		in, mediaType = bytes.NewReader(b), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, l.base+path, in)
	if err != nil {
		return nil, err
	}
	for name, values := range l.header {
		req.Header[name] = values
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	res, err := l.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return &result{answer{res, b}, method + " " + path}, err
}

// do is send for the test's own goroutine.
func (l *listener) do(t testing.TB, method, path string, content any) *result {
	t.Helper()
	r, err := l.send(t.Context(), method, path, content)
	require.NoError(t, err, "%s %s", method, path)
	return r
}

// status is send for any goroutine; it returns 0 where the document was not kept.
func (l *listener) status(t testing.TB, method, path string, content any) int {
	t.Helper()
	r, err := l.send(t.Context(), method, path, content)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return 0
	}
	return r.StatusCode
}

func (l *listener) get(t testing.TB, path string) *result {
	t.Helper()
	return l.do(t, http.MethodGet, path, nil)
}

func (l *listener) post(t testing.TB, path string, content any) *result {
	t.Helper()
	return l.do(t, http.MethodPost, path, content)
}

func (l *listener) patch(t testing.TB, path string, content any) *result {
	t.Helper()
	return l.do(t, http.MethodPatch, path, content)
}

func (l *listener) del(t testing.TB, path string) *result {
	t.Helper()
	return l.do(t, http.MethodDelete, path, nil)
}

// result is an answer and what was asked.
type result struct {
	answer
	asked string
}

func (r *result) is(t testing.TB, status int) *result {
	t.Helper()
	require.Equal(t, status, r.StatusCode, "%s answers %s", r.asked, r.shown())
	return r
}

// shown is the body for messages of failed tests.
func (r *result) shown() string { return string(r.answer.text) }

// says checks status and message.
func (r *result) says(t testing.TB, status int, message string) *result {
	t.Helper()
	r.is(t, status)
	require.Equal(t, message, r.text(t, "message"), r.asked)
	return r
}

// wrong checks that exactly these fields are named, and what is said of them; "" for anything.
func (r *result) wrong(t testing.TB, fields map[string]string) *result {
	t.Helper()
	r.says(t, http.StatusBadRequest, "Validation failed")
	var got struct{ Errors map[string]string }
	r.into(t, &got)
	for field, want := range fields {
		if _, ok := got.Errors[field]; ok && want == "" {
			fields[field] = got.Errors[field]
		}
	}
	require.Equal(t, fields, got.Errors, r.asked)
	return r
}

func (r *result) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.answer.text, v), "%s answers %s", r.asked, r.shown())
}

func (r *result) object(t testing.TB) body {
	t.Helper()
	var b body
	r.into(t, &b)
	return b
}

func (r *result) text(t testing.TB, field string) string {
	t.Helper()
	s, ok := r.object(t)[field].(string)
	require.True(t, ok, "%s answers %s, which has no %s", r.asked, r.shown(), field)
	return s
}

func (r *result) etag() string { return r.Header.Get("ETag") }

// list returns the objects of a list.
func (r *result) list(t testing.TB, field string) []body {
	t.Helper()
	l, ok := r.object(t)[field].([]any)
	require.True(t, ok, "%s answers %s, which has no list %s", r.asked, r.shown(), field)
	out := make([]body, len(l))
	for i, v := range l {
		out[i], ok = v.(body)
		require.True(t, ok)
	}
	return out
}
