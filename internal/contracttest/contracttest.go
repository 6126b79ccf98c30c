// Package contracttest holds requests to Spotify's Web API, and the answers of a stand-in, against the published description of that API. The description is no part of this
// project: see [Env].
package contracttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Env names the file: openapi.yaml of github.com/sonallux/spotify-web-api, version 2026.5.31. What needs it is skipped without it.
const Env = "RHYTHMIQ_SPOTIFY_CONTRACT"

// Contract is the description of the Web API.
type Contract struct {
	spec *openapi3.T

	mu   sync.Mutex
	seen map[string]bool
}

// FromEnv reads the file that [Env] names; nil where it names none.
func FromEnv(t testing.TB) *Contract {
	t.Helper()
	path := os.Getenv(Env)
	if path == "" {
		return nil
	}
	spec, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return New(spec)
}

// Need is FromEnv for a test that is about the contract, and is skipped without it.
func Need(t testing.TB) *Contract {
	t.Helper()
	c := FromEnv(t)
	if c == nil {
		t.Skip("SKIPPED, NOT TESTED: " + Env + " names no description of Spotify's Web API")
	}
	return c
}

// New returns the contract of a description whose paths begin after /v1.
func New(spec *openapi3.T) *Contract { return &Contract{spec: spec, seen: map[string]bool{}} }

// Seen reports whether an answer such as "GET /me/tracks 200" was held against the contract.
func (c *Contract) Seen(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[what]
}

// Transport asks next, and returns an error in the place of the answer where request or answer are not as the contract says. What is no request to the Web API
// passes. A nil Contract lets everything pass.
func (c *Contract) Transport(next http.RoundTripper) http.RoundTripper {
	if c == nil {
		return next
	}
	return &checked{c, next}
}

type checked struct {
	contract *Contract
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (k *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return k.next.RoundTrip(r)
	}
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := k.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(got))
	if err := k.contract.check(r, sent, res, got); err != nil {
		return nil, fmt.Errorf("%s %s: status %d with %s is not as the contract says: %w", r.Method, r.URL.Path, res.StatusCode, got, err)
	}
	return res, nil
}

var (
	errNoOperation = errors.New("there is no such operation")
	errNoStatus    = errors.New("the status is not named")
)

// check holds a request and its answer against the contract.
func (c *Contract) check(r *http.Request, sent []byte, res *http.Response, got []byte) error {
	route, params := c.find(r.Method, strings.TrimPrefix(r.URL.Path, "/v1"))
	if route == nil {
		return errNoOperation
	}
	if res.StatusCode >= http.StatusBadRequest { // that an id is unknown, or a server down, is not said of each operation
		return c.checkFailure(got)
	}
	asked := r.Clone(r.Context())
	asked.Body, asked.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true}
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		return fmt.Errorf("a request was taken that should not be: %w", err)
	}
	described := route.Operation.Responses.Status(res.StatusCode)
	if described == nil {
		return errNoStatus
	}
	options.ExcludeResponseBody = len(described.Value.Content) == 0 && len(got) == 0
	err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(got)), Options: options,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprintf("%s %s %d", r.Method, route.Path, res.StatusCode)] = true
	return nil
}

// checkFailure holds the body of a failure against the one form that the contract has for it.
func (c *Contract) checkFailure(got []byte) error {
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		return err
	}
	return c.spec.Components.Responses["Forbidden"].Value.Content.Get("application/json").Schema.Value.VisitJSON(v)
}

// find returns the operation that answers a request: of several the one with fewer parameters in its path.
func (c *Contract) find(method, path string) (*routers.Route, map[string]string) {
	parts := strings.Split(path, "/")
	var found *routers.Route
	var values map[string]string
	for pattern, item := range c.spec.Paths.Map() {
		op, segments := item.GetOperation(method), strings.Split(pattern, "/")
		if op == nil || len(segments) != len(parts) {
			continue
		}
		params, fits := map[string]string{}, true
		for i, s := range segments {
			switch {
			case strings.HasPrefix(s, "{"):
				params[strings.Trim(s, "{}")] = parts[i]
			case s != parts[i]:
				fits = false
			}
		}
		if fits && (found == nil || len(params) < len(values)) {
			found, values = &routers.Route{Spec: c.spec, Path: pattern, PathItem: item, Method: method, Operation: op}, params
		}
	}
	return found, values
}
