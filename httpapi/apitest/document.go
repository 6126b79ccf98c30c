package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/httpapi"
)

// document is the OpenAPI document, and which of its answers were seen.
type document struct {
	spec *openapi3.T
	mu   sync.Mutex
	seen map[string]bool // "GetProfile 200"
}

func loadDocument(t *testing.T) *document {
	t.Helper()
	loader := openapi3.NewLoader()
	spec, err := loader.LoadFromData(httpapi.Document())
	require.NoError(t, err)
	require.NoError(t, spec.Validate(t.Context()))
	return &document{spec: spec, seen: map[string]bool{}}
}

// options of every validation.
func options() *openapi3filter.Options {
	id := openapi3.NewCallbackValidator(func(s string) error {
		if len(s) != 36 {
			return fmt.Errorf("%q is no UUID", s)
		}
		return uuid.Validate(s)
	})
	return &openapi3filter.Options{
		IncludeResponseStatus: true, ExcludeWriteOnlyValidations: true, SkipSettingDefaults: true,
		AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{"uuid": id})},
	}
}

// find returns the operation that answers a request.
func (d *document) find(method, path string) (*routers.Route, map[string]string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	parts := strings.Split(path, "/")
	for pattern, item := range d.spec.Paths.Map() {
		params, ok := match(strings.Split(pattern, "/"), parts)
		if op := item.GetOperation(method); ok && op != nil {
			return &routers.Route{Spec: d.spec, Path: pattern, PathItem: item, Method: method, Operation: op}, params
		}
	}
	return nil, nil
}

func match(pattern, parts []string) (map[string]string, bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	params := map[string]string{}
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, "{"):
			params[strings.Trim(p, "{}")] = parts[i]
		case p != parts[i]:
			return nil, false
		}
	}
	return params, true
}

// unseen lists the answers that the document names and nobody got.
func (d *document) unseen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for op, statuses := range d.operations() {
		for _, status := range statuses {
			if name := fmt.Sprintf("%s %d", op, status); !d.seen[name] {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// operations returns the statuses that the document names for each operation.
func (d *document) operations() map[string][]int {
	all := map[string][]int{}
	for _, item := range d.spec.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				n, _ := strconv.Atoi(status)
				all[op.OperationID] = append(all[op.OperationID], n)
			}
		}
	}
	return all
}

// validator holds every request and answer against the document.
type validator struct {
	document *document
	base     string
	next     http.RoundTripper
}

// tune lets many requests at once keep their connections.
func (v *validator) tune() {
	if t, ok := v.next.(*http.Transport); ok {
		t.MaxIdleConnsPerHost = 64
		t.MaxConnsPerHost = 64
	}
}

// RoundTrip returns an error where the document is not kept.
func (v *validator) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := v.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(res.Body)
	if closed := res.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(got))
	if err := v.check(req, sent, res, got); err != nil {
		return nil, fmt.Errorf("%s %s: status %d with %s is not as the document says: %w", req.Method, req.URL.Path, res.StatusCode, got, err)
	}
	return res, nil
}

func (v *validator) check(req *http.Request, sent []byte, res *http.Response, got []byte) error {
	path := strings.TrimPrefix(req.URL.Scheme+"://"+req.URL.Host+req.URL.Path, v.base)
	route, params := v.document.find(req.Method, path)
	if route == nil || req.Method == http.MethodHead && res.StatusCode == http.StatusMethodNotAllowed { // a GET that acts has no HEAD
		return unrouted(res, got)
	}
	asked := req.Clone(req.Context())
	asked.Body = io.NopCloser(bytes.NewReader(sent))
	asked.ContentLength = int64(len(sent))
	asked.URL.Path = path
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route, Options: options()}
	if res.StatusCode < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("a request was taken that should not be: %w", err)
		}
	}
	if err := always(route, res, got); err != nil {
		return err
	}
	checks := options()
	if mediaType := res.Header.Get("Content-Type"); !strings.HasSuffix(mediaType, "json") && res.StatusCode == http.StatusOK {
		if route.Operation.Responses.Value("200").Value.Content.Get(mediaType) == nil {
			return fmt.Errorf("media type %q is not named", mediaType)
		}
		checks.ExcludeResponseBody = true // there is no schema for it
	}
	if err := openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(got)), Options: checks,
	}); err != nil {
		return err
	}
	v.document.mu.Lock()
	defer v.document.mu.Unlock()
	v.document.seen[fmt.Sprintf("%s %d", route.Operation.OperationID, res.StatusCode)] = true
	return nil
}

// always checks what the library leaves out, or what holds for every answer.
func always(route *routers.Route, res *http.Response, got []byte) error {
	name := strconv.Itoa(res.StatusCode)
	described := route.Operation.Responses.Value(name)
	if described == nil {
		return fmt.Errorf("status %s is not named", name)
	}
	for header, h := range described.Value.Headers {
		if h.Value.Required && res.Header.Get(header) == "" {
			return fmt.Errorf("there is no header %s", header)
		}
	}
	if res.StatusCode == http.StatusNotModified && len(got) > 0 {
		return fmt.Errorf("a body with %s", name)
	}
	if c := res.Header.Get("Cache-Control"); c == "" {
		return fmt.Errorf("there is no Cache-Control")
	}
	return nil
}

// unrouted checks answers that no operation gives.
func unrouted(res *http.Response, got []byte) error {
	if res.Header.Get("X-Request-Id") == "" {
		return fmt.Errorf("there is no X-Request-Id")
	}
	switch res.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusTooManyRequests:
	default:
		return fmt.Errorf("no operation answers here")
	}
	if res.Request.Method == http.MethodHead {
		return nil
	}
	var e struct {
		Message string `json:"message"`
	}
	d := json.NewDecoder(bytes.NewReader(got))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Message == "" {
		return fmt.Errorf("no message: %w", err)
	}
	return nil
}
