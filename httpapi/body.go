package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
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
	for _, path := range tree.repeated[:min(len(tree.repeated), maxWrong)] {
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

// decode reads the body into a T. All that is wrong is named at once: with what JSON can tell, what validate, which may be nil,
// says of what is left where that is taken away. It is asked only where something is wrong, and must not change anything.
func decode[T any](c *call, s *shape, validate func(T) error) (T, error) {
	return decodePatch(c, s, validate, nil)
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
	err = remarshal(o, &v)
	switch {
	case err != nil && len(wrong) == 0:
		return v, unreadable(err)
	case err == nil && len(wrong) > 0 && validate != nil:
		wrong.Join(validate(v))
	}
	return v, wrong.Err()
}

// unreadable is the error of a body that a type of the domain does not take, whose own error is the better one.
func unreadable(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "The request body could not be read")
}
