package httpapi

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

const mergePatch = "application/merge-patch+json"

// readBody reads the body of operations that have one.
func (c *call) readBody() error {
	if c.route.body == 0 {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, c.route.body))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &statusError{http.StatusRequestEntityTooLarge, "The request body is over 1048576 bytes"}
	case err != nil && c.ctx.Err() != nil:
		return c.ctx.Err()
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "The request body could not be read")
	}
	c.raw = body
	if len(body) == 0 && c.r.Header["Content-Type"] == nil {
		return nil // nothing that could be of a wrong type
	}
	return c.checkMediaType()
}

func (c *call) checkMediaType() error {
	given, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	charset := params["charset"]
	coding := c.r.Header.Get("Content-Encoding")
	switch {
	case err != nil,
		given != "application/json" && (!c.route.merge || given != mergePatch),
		charset != "" && !strings.EqualFold(charset, "utf-8"),
		coding != "" && !strings.EqualFold(coding, "identity"),
		len(c.r.Header["Content-Type"]) > 1:
	default:
		return nil
	}
	if c.route.merge {
		return &statusError{http.StatusUnsupportedMediaType, "The request body must be application/json or " + mergePatch}
	}
	return &statusError{http.StatusUnsupportedMediaType, "The request body must be application/json"}
}

var errNoObject = fault.New(fault.Invalid, "The request body must be a JSON object")

// parse reads the body as a JSON object, and notes names that stand in it twice.
func (c *call) parse() (map[string]any, fault.Fields, error) {
	if len(c.raw) == 0 {
		return nil, nil, errNoObject
	}
	tree, err := parseJSON(c.raw)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "Malformed JSON: %v", err)
	}
	o, ok := tree.value.(map[string]any)
	if !ok {
		return nil, nil, errNoObject
	}
	var f fault.Fields
	for _, path := range tree.repeated {
		f.Add(path, "Must not be given twice")
	}
	return o, f, nil
}

// wellFormed says what is wrong with a body of any shape.
func (c *call) wellFormed() error {
	_, wrong, err := c.parse()
	if err != nil {
		return err
	}
	return wrong.Err()
}

// object reads the body as a JSON object of a shape.
func (c *call) object(s *shape) (map[string]any, fault.Fields, error) {
	o, wrong, err := c.parse()
	if err == nil {
		s.check("", o, &wrong)
	}
	return o, wrong, err
}

// decode reads the body into a T. All that is wrong is named at once: with what JSON can tell, that of the fields which
// are well-formed is named that validate finds, which may be nil.
func decode[T any](c *call, s *shape, validate func(T) error) (T, error) {
	var v T
	o, wrong, err := c.object(s)
	if err != nil {
		return v, err
	}
	return finish(o, wrong, validate)
}

// finish decodes what of o is well-formed.
func finish[T any](o map[string]any, wrong fault.Fields, validate func(T) error) (T, error) {
	var v T
	for field := range wrong {
		delete(o, root(field))
	}
	if err := remarshal(o, &v); err != nil {
		return v, unreadable(err)
	}
	if len(wrong) == 0 {
		return v, nil
	}
	return v, withRules(wrong, func() error {
		if validate == nil {
			return nil
		}
		return validate(v)
	})
}

// unreadable is the error of a body that a type of the domain does not take, whose own error is the better one.
func unreadable(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "The request body could not be read")
}

// withRules adds what validate finds of fields that are not wrong already.
func withRules(wrong fault.Fields, validate func() error) error {
	roots := map[string]bool{}
	for field := range wrong {
		roots[root(field)] = true
	}
	if e, ok := fault.As(validate()); ok {
		for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
			if !roots[root(field)] {
				wrong.Add(field, "%s", e.Fields[field])
			}
		}
	}
	return wrong.Err()
}

// root is the field of the body itself in a path such as "stages[1].minutes".
func root(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// decodePatch reads a merge patch into changes: null is the field's value where nothing is said of it.
func decodePatch[T any](c *call, s *shape, validate func(T) error, defaults map[string]any) (T, error) {
	var v T
	o, wrong, err := c.object(s)
	if err != nil {
		return v, err
	}
	for field, value := range o {
		if value == nil {
			o[field] = defaults[field]
		}
	}
	return finish(o, wrong, validate)
}
