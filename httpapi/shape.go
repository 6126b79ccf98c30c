package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/strict"
)

// shape says which JSON is taken, as far as types go; ranges are the services' business. encoding/json alone would take null for anything, unknown
// and repeated fields, and names in the wrong case.
type shape struct {
	kind   kind
	null   bool              // null is taken too
	given  bool              // neither "" nor 0 is taken, which services would take for nothing given
	fields map[string]*shape // of an object
	items  *shape            // of a list
	needed []string          // fields of an object that must be there, where the domain could not tell that they are not
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
// a whole number written as 1.0 as 1, and without what is wrong in it. ok is false where all of it is wrong.
func (s *shape) check(path string, v any, f *fault.Fields) (read any, ok bool) {
	if v == nil {
		if !s.null {
			f.Add(path, "Must not be null")
		}
		return nil, s.null
	}
	wrong := ""
	switch s.kind {
	case text:
		if t, ok := v.(string); !ok {
			wrong = "Must be a string"
		} else if s.given && t == "" {
			wrong = "Must not be empty"
		}
	case boolean:
		if _, ok := v.(bool); !ok {
			wrong = "Must be true or false"
		}
	case number:
		wrong = checkNumber(v)
	case integer:
		v, wrong = checkInteger(v)
		if s.given && v == json.Number("0") {
			wrong = "Must not be 0"
		}
	case identifier:
		if t, ok := v.(string); !ok || !isID(t) {
			wrong = "Must be a UUID"
		}
	case instant:
		wrong = checkTime(v)
	case list:
		wrong = s.checkList(path, v, f)
	case object:
		wrong = s.checkObject(path, v, f)
	}
	if wrong != "" {
		f.Add(path, "%s", wrong)
	}
	return v, wrong == ""
}

// empty is a value of the shape in the place of an item of a list that is not of it.
func (s *shape) empty() any {
	if s.kind == object {
		return map[string]any{}
	}
	return ""
}

// maxWrong bounds how many fields an answer names, lest a small request make a large one.
const maxWrong = 1000

func isID(s string) bool {
	_, ok := strict.UUID(s)
	return ok
}

func checkNumber(v any) (wrong string) {
	n, ok := v.(json.Number)
	if !ok {
		return "Must be a number"
	}
	if x, err := n.Float64(); err != nil || math.IsInf(x, 0) {
		return "Must be a number that is not as large"
	}
	return ""
}

// maxInteger is the largest whole number that every JSON reader takes exactly.
const maxInteger = 1<<53 - 1

func checkInteger(v any) (read any, wrong string) {
	n, ok := v.(json.Number)
	if !ok {
		return v, "Must be a whole number"
	}
	x, err := n.Float64()
	switch {
	case err != nil || math.Abs(x) > maxInteger:
		return v, "Must be a whole number that is not as large"
	case x != math.Trunc(x) || !exact(n.String(), x):
		return v, "Must be a whole number"
	}
	return json.Number(strconv.FormatInt(int64(x), 10)), ""
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

func checkTime(v any) (wrong string) {
	s, _ := v.(string)
	t, ok := strict.Time(s)
	if !ok {
		return "Must be a time as in RFC 3339, such as 2026-03-01T18:00:00Z"
	}
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return "Must be a time in the years 0000 to 9999 in UTC"
	}
	return ""
}

func (s *shape) checkList(path string, v any, f *fault.Fields) (wrong string) {
	l, ok := v.([]any)
	if !ok {
		return "Must be a list"
	}
	for i, item := range l {
		if len(*f) >= maxWrong {
			break
		}
		if l[i], ok = s.items.check(indexed(path, i), item, f); !ok {
			l[i] = s.items.empty()
		}
	}
	return ""
}

func (s *shape) checkObject(path string, v any, f *fault.Fields) (wrong string) {
	o, ok := v.(map[string]any)
	if !ok {
		return "Must be an object"
	}
	for name, value := range o {
		if len(*f) >= maxWrong {
			break
		}
		field := join(path, name)
		known := s.fields[name]
		if known == nil {
			f.Add(field, "Unknown field")
			delete(o, name)
			continue
		}
		if o[name], ok = known.check(field, value, f); !ok {
			delete(o, name)
		}
	}
	for _, name := range s.needed {
		if _, ok := o[name]; !ok {
			f.Add(join(path, name), "Is required")
		}
	}
	return ""
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
