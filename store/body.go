package store

import (
	"bytes"
	"encoding/json"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// What DynamoDB can hold in a document. Source: Amazon DynamoDB Developer Guide, "Service, account, and table quotas"
// (32 levels, of which two are left for how an adapter stores the body) and "Supported data types and naming rules" (numbers).
const (
	MaxDepth     = 30   // objects and arrays in one another, the body itself counted
	MaxDigits    = 38   // significant decimal digits of a number
	MinMagnitude = -130 // the least and the greatest n in d.ddd × 10ⁿ, numbers other than 0
	MaxMagnitude = 125
	MaxName      = 65534 // bytes of a name in an object: one less than DynamoDB's, for adapters that must tell it from names of their own
)

// maxNative bounds what a body holds in DynamoDB's own form, which for small arrays is up to twice its JSON: of 400 KB for an item, the
// longest keys and a version taken off. Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
const maxNative = 400<<10 - 4<<10

// Number returns x as every store can hold it: 0 where it is nearer to 0 than 10^[MinMagnitude], else x itself.
func Number(x float64) float64 {
	if math.Abs(x) < leastNumber {
		return 0
	}
	return x
}

const leastNumber = 1e-130 // 10^MinMagnitude

// CheckBody returns a [*LimitError] unless body is one JSON object in valid UTF-8 of at most [MaxBody] bytes, [MaxDepth] deep, whose numbers have
// at most [MaxDigits] digits and lie in DynamoDB's range, in which no name stands twice in an object or has more than [MaxName] bytes and no
// string escapes half a surrogate pair: what every engine gives back as the same value. It refuses moreover what DynamoDB's own form of
// would not fit into its 400 KB, which can be said only of tens of thousands of arrays. The error says where in the body, not what stands there.
func CheckBody(body json.RawMessage) error {
	if len(body) > MaxBody {
		return limitf("the body holds %d bytes, more than %d", len(body), MaxBody)
	}
	if !utf8.Valid(body) {
		return limitf("the body is no valid UTF-8")
	}
	p := parser{text: body}
	p.space()
	if p.peek() != '{' {
		return limitf("the body is no JSON object")
	}
	p.value(1)
	p.space()
	if p.reason == "" && p.at < len(body) {
		p.fail("text follows the object")
	}
	if p.native > maxNative {
		p.fail("too many arrays and objects for an item of DynamoDB")
	}
	if p.reason != "" {
		return limitf("the body at byte %d: %s", p.at, p.reason)
	}
	return nil
}

// parser walks through JSON without building anything. The first mistake stops it: reason is set, and at stays where it was found.
type parser struct {
	text   []byte
	at     int
	reason string
	native int // bytes so far in DynamoDB's own form
}

const notJSON = "no JSON"

func (p *parser) fail(reason string) {
	if p.reason == "" {
		p.reason = reason
	}
}

// peek returns the next byte, 0 at the end, which JSON holds nowhere.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// take steps over c if it is next.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) value(depth int) {
	p.native++ // as an element of what it is in
	switch c := p.peek(); c {
	case '{', '[':
		if depth > MaxDepth {
			p.fail("nested too deeply")
			return
		}
		p.native += 3
		p.at++
		if c == '{' {
			p.object(depth)
		} else {
			p.array(depth)
		}
	case '"':
		p.str()
	case 't':
		p.literal("true")
	case 'f':
		p.literal("false")
	case 'n':
		p.literal("null")
	default:
		p.number()
	}
}

func (p *parser) literal(word string) {
	if end := p.at + len(word); end > len(p.text) || string(p.text[p.at:end]) != word {
		p.fail(notJSON)
		return
	}
	p.at += len(word)
	p.native++
}

// object reads what follows "{".
func (p *parser) object(depth int) {
	p.space()
	if p.take('}') {
		return
	}
	var names names
	for {
		p.space()
		start := p.at
		escaped := p.str()
		if p.reason != "" {
			return
		}
		if p.at-start > MaxName+len(`""`) { // of an escaped name, more than its bytes are counted
			p.fail("a name is too long")
			return
		}
		if !names.add(p.text[start:p.at], escaped) {
			p.fail("a name stands twice in an object")
			return
		}
		p.native++ // for a name that must be told from the engine's own
		p.space()
		if !p.take(':') {
			p.fail(notJSON)
			return
		}
		p.space()
		p.value(depth + 1)
		p.space()
		if p.reason == "" && p.take(',') {
			continue
		}
		if !p.take('}') {
			p.fail(notJSON)
		}
		return
	}
}

// array reads what follows "[".
func (p *parser) array(depth int) {
	p.space()
	if p.take(']') {
		return
	}
	for {
		p.space()
		p.value(depth + 1)
		p.space()
		if p.reason == "" && p.take(',') {
			continue
		}
		if !p.take(']') {
			p.fail(notJSON)
		}
		return
	}
}

// str reads a string and reports whether it holds an escape.
func (p *parser) str() (escaped bool) {
	start := p.at
	if !p.take('"') {
		p.fail(notJSON)
		return false
	}
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.native += p.at - start - 1
			p.at++
			return escaped
		case c < ' ':
			p.fail(notJSON)
			return escaped
		case c == '\\':
			escaped = true
			p.at++
			if !p.escape() {
				return escaped
			}
		default:
			p.at++
		}
	}
	p.fail(notJSON)
	return escaped
}

// escape reads what follows a backslash.
func (p *parser) escape() bool {
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at++
		return true
	case 'u':
		p.at++
	default:
		p.fail(notJSON)
		return false
	}
	r, ok := p.hex4()
	if ok && utf16.IsSurrogate(r) {
		var low rune
		if p.take('\\') && p.take('u') {
			low, ok = p.hex4()
		}
		if ok && utf16.DecodeRune(r, low) == utf8.RuneError {
			p.fail("half a surrogate pair")
			return false
		}
	}
	if !ok {
		p.fail(notJSON)
	}
	return ok
}

func (p *parser) hex4() (r rune, ok bool) {
	for range 4 {
		c := p.peek()
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
		p.at++
	}
	return r, true
}

// number reads a number. Its first digit other than 0 stands for d × 10ⁿ, where n is the magnitude.
func (p *parser) number() {
	start := p.at
	p.take('-')
	whole := p.digits()
	if len(whole) == 0 || (whole[0] == '0' && len(whole) > 1) {
		p.fail(notJSON)
		return
	}
	var fraction []byte
	if p.take('.') {
		if fraction = p.digits(); len(fraction) == 0 {
			p.fail(notJSON)
			return
		}
	}
	exponent, ok := p.exponent()
	if !ok {
		p.fail(notJSON)
		return
	}
	first, last, n := -1, -1, 0 // of the digits that are not 0, counted through whole and fraction
	for _, digits := range [...][]byte{whole, fraction} {
		for _, d := range digits {
			if d != '0' {
				last = n
				if first < 0 {
					first = n
				}
			}
			n++
		}
	}
	p.native += 2 // the exponent, and half of a pair of digits where they are odd or straddle the point
	if p.text[start] == '-' {
		p.native++
	}
	if first < 0 {
		return // zero
	}
	p.native += (last - first + 1) / 2
	magnitude := len(whole) - 1 - first + exponent
	if last-first >= MaxDigits || magnitude < MinMagnitude || magnitude > MaxMagnitude {
		p.at = start
		p.fail("a number that has too many digits or is out of range")
	}
}

func (p *parser) digits() []byte {
	start := p.at
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.text[start:p.at]
}

// farOut is beyond all exponents that a body of MaxBody bytes can bring back into range.
const farOut = 4 * MaxBody

// exponent reads the exponent of a number, if one follows, and cuts it off at farOut.
func (p *parser) exponent() (n int, ok bool) {
	if !p.take('e') && !p.take('E') {
		return 0, true
	}
	negative := p.take('-')
	if !negative {
		p.take('+')
	}
	digits := p.digits()
	for _, d := range digits {
		n = min(n*10+int(d-'0'), farOut)
	}
	if negative {
		n = -n
	}
	return n, len(digits) > 0
}

// names are those of one object so far.
type names struct {
	few  [fewNames][]byte
	n    int                 // how many of few
	many map[string]struct{} // takes over when few is full
}

// fewNames is up to where comparing with each is cheaper than a map.
const fewNames = 16

// add reports whether a name, given with its quotes, is new. A name with escapes is compared as what it stands for.
func (n *names) add(quoted []byte, escaped bool) bool {
	name := quoted[1 : len(quoted)-1]
	if escaped {
		var plain string
		_ = json.Unmarshal(quoted, &plain) // it has just been read as a string
		name = []byte(plain)
	}
	if n.many != nil {
		return n.addToMany(name)
	}
	for _, other := range n.few[:n.n] {
		if bytes.Equal(name, other) {
			return false
		}
	}
	if n.n < fewNames {
		n.few[n.n] = name
		n.n++
		return true
	}
	n.many = make(map[string]struct{}, 4*fewNames)
	for _, other := range n.few {
		n.many[string(other)] = struct{}{}
	}
	return n.addToMany(name)
}

func (n *names) addToMany(name []byte) bool {
	before := len(n.many)
	n.many[string(name)] = struct{}{}
	return len(n.many) > before
}
