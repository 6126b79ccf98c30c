package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// shape says which JSON is taken, as far as types go; ranges are the services' business. encoding/json alone would take null for anything, unknown
// and repeated fields, and names in the wrong case.
type shape struct {
	kind   kind
	null   bool              // null is taken too
	given  bool              // neither "" nor 0 is taken, which services would take for nothing given
	fields map[string]*shape // of an object
	items  *shape            // of a list
}

type kind uint8

const (
	text kind = iota
	number
	integer
	boolean
	identifier // a UUID
	instant    // a time as in RFC 3339
	object
	list
)

func fields(m map[string]*shape) *shape { return &shape{kind: object, fields: m} }
func listOf(s *shape) *shape            { return &shape{kind: list, items: s} }

// orNull is s with null taken.
func orNull(s *shape) *shape {
	n := *s
	n.null = true
	return &n
}

var (
	aText     = &shape{kind: text}
	aWord     = &shape{kind: text, given: true}
	aCount    = &shape{kind: integer, given: true}
	aNumber   = &shape{kind: number}
	anInteger = &shape{kind: integer}
	aBoolean  = &shape{kind: boolean}
	aUUID     = &shape{kind: identifier}
	aTime     = &shape{kind: instant}
)

// check notes every difference between a value and the shape, and returns the value in the form that decoding takes:
// a whole number written as 1.0 as 1.
func (s *shape) check(path string, v any, f *fault.Fields) any {
	if v == nil {
		if !s.null {
			f.Add(path, "Must not be null")
		}
		return nil
	}
	switch s.kind {
	case text:
		if t, ok := v.(string); !ok {
			f.Add(path, "Must be a string")
		} else if s.given && t == "" {
			f.Add(path, "Must not be empty")
		}
	case boolean:
		if _, ok := v.(bool); !ok {
			f.Add(path, "Must be true or false")
		}
	case number:
		checkNumber(path, v, f)
	case integer:
		n := checkInteger(path, v, f)
		if s.given && n == json.Number("0") {
			f.Add(path, "Must not be 0")
		}
		return n
	case identifier:
		if t, ok := v.(string); !ok || !isID(t) {
			f.Add(path, "Must be a UUID")
		}
	case instant:
		checkTime(path, v, f)
	case list:
		s.checkList(path, v, f)
	case object:
		s.checkObject(path, v, f)
	}
	return v
}

// maxWrong bounds how many fields an answer names, lest a small request make a large one.
const maxWrong = 1000

func isID(s string) bool {
	_, ok := parseID(s)
	return ok
}

func checkNumber(path string, v any, f *fault.Fields) {
	n, ok := v.(json.Number)
	if !ok {
		f.Add(path, "Must be a number")
		return
	}
	if x, err := n.Float64(); err != nil || math.IsInf(x, 0) {
		f.Add(path, "Must be a number that is not as large")
	}
}

// maxInteger is the largest whole number that every JSON reader takes exactly.
const maxInteger = 1<<53 - 1

func checkInteger(path string, v any, f *fault.Fields) any {
	n, ok := v.(json.Number)
	if !ok {
		f.Add(path, "Must be a whole number")
		return v
	}
	x, err := n.Float64()
	switch {
	case err != nil || math.Abs(x) > maxInteger:
		f.Add(path, "Must be a whole number that is not as large")
	case x != math.Trunc(x) || !exact(n.String(), x):
		f.Add(path, "Must be a whole number")
	default:
		return json.Number(strconv.FormatInt(int64(x), 10))
	}
	return v
}

// exact reports whether a number was read without rounding, as 1.00000000000000000001 is not.
func exact(s string, x float64) bool {
	if len(s) > 64 || strings.ContainsAny(s, "eE") && len(s) > 24 {
		return false
	}
	if _, exp, ok := strings.Cut(strings.ToLower(s), "e"); ok {
		if e, err := strconv.Atoi(exp); err != nil || e < -400 || e > 400 { // would make a large fraction
			return false
		}
	}
	r, ok := new(big.Rat).SetString(s)
	return ok && r.IsInt() && r.Cmp(new(big.Rat).SetFloat64(x)) == 0
}

func checkTime(path string, v any, f *fault.Fields) {
	s, ok := v.(string)
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); !ok || err != nil || strings.Contains(s, ",") { // Go takes ISO 8601's comma too
		f.Add(path, "Must be a time as in RFC 3339, such as 2026-03-01T18:00:00Z")
	} else if y := t.UTC().Year(); y < 0 || y > 9999 {
		f.Add(path, "Must be a time in the years 0000 to 9999 in UTC")
	}
}

func (s *shape) checkList(path string, v any, f *fault.Fields) {
	l, ok := v.([]any)
	if !ok {
		f.Add(path, "Must be a list")
		return
	}
	for i, item := range l {
		if len(*f) >= maxWrong {
			return
		}
		l[i] = s.items.check(indexed(path, i), item, f)
	}
}

func (s *shape) checkObject(path string, v any, f *fault.Fields) {
	o, ok := v.(map[string]any)
	if !ok {
		f.Add(path, "Must be an object")
		return
	}
	for name, value := range o {
		if len(*f) >= maxWrong {
			return
		}
		field := join(path, name)
		if known := s.fields[name]; known != nil {
			o[name] = known.check(field, value, f)
		} else {
			f.Add(field, "Unknown field")
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// parsed is a JSON text: objects are map[string]any, arrays []any, numbers json.Number.
type parsed struct {
	value    any
	repeated []string // paths of names that an object has twice
}

const maxDepth = 32

var (
	errDepth = errors.New("more than 32 levels")
	errUTF8  = errors.New("not UTF-8")
)

// parseJSON reads one JSON text.
func parseJSON(b []byte) (parsed, error) {
	if !utf8.Valid(b) {
		return parsed{}, errUTF8
	}
	var whole json.RawMessage
	if err := json.Unmarshal(b, &whole); err != nil {
		return parsed{}, err
	}
	// From here on the syntax is known to be right, and tokens come without errors.
	d := json.NewDecoder(bytes.NewReader(whole))
	d.UseNumber()
	var p parsed
	var err error
	p.value, err = p.read(d, "", 0)
	return p, err
}

func (p *parsed) read(d *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, _ := d.Token()
	switch t {
	case json.Delim('{'):
		return p.readObject(d, path, depth)
	case json.Delim('['):
		return p.readList(d, path, depth)
	default:
		return t, nil
	}
}

func (p *parsed) readObject(d *json.Decoder, path string, depth int) (any, error) {
	o := map[string]any{}
	for d.More() {
		t, _ := d.Token()
		name, _ := t.(string)
		field := join(path, name)
		if _, twice := o[name]; twice {
			p.repeated = append(p.repeated, field)
		}
		v, err := p.read(d, field, depth+1)
		if err != nil {
			return nil, err
		}
		o[name] = v
	}
	_, _ = d.Token()
	return o, nil
}

func (p *parsed) readList(d *json.Decoder, path string, depth int) (any, error) {
	l := []any{}
	for d.More() {
		v, err := p.read(d, indexed(path, len(l)), depth+1)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
	_, _ = d.Token()
	return l, nil
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// remarshal reads a tree into v.
func remarshal(tree, v any) error {
	b, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// merge applies a merge patch (RFC 7396) to a target, which it may change.
func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(t, name)
		} else {
			t[name] = merge(t[name], value)
		}
	}
	return t
}
