package capacity

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/rhythmiq/rhythmiq/store"
)

// What dynamostore keeps of an item beside the fields of its body, which are attributes of their own.
const (
	keyBytes     = len("pk") + 16 + len("sk")                 // and the sort key
	versionBytes = len("_v") + 16                             // binary
	callBytes    = len("_c") + 8                              // binary; not of bulk rows, which are those of the table of interactions
	ttlName      = len("_ttl")                                // and a number of seconds
	indexBytes   = len("_xp") + 16 + len("_xs") + len("\x00") // and the index's sort key …
	indexOwner   = 2 * 16                                     // … and the item's partition in hexadecimal and its sort key
)

// Size returns the bytes of an item as dynamostore keeps it: names and values of all attributes.
func Size(i store.Item) int {
	n := keyBytes + len(i.Key.Sort) + versionBytes
	if i.Key.Table != store.Interactions {
		n += callBytes
	}
	if !i.ExpiresAt.IsZero() {
		n += ttlName + numberSize(strconv.FormatInt(i.ExpiresAt.Unix(), 10))
	}
	if i.Index != nil {
		n += indexBytes + len(i.Index.Sort) + indexOwner + len(i.Key.Sort)
	}
	d := json.NewDecoder(bytes.NewReader(i.Body))
	d.UseNumber()
	var body map[string]any
	if d.Decode(&body) != nil {
		return n // no store takes such a body
	}
	for name, value := range body {
		n += len(name) + valueSize(value)
	}
	return n
}

// What DynamoDB adds for a list or a map, and for each element of one.
const (
	containerBytes = 3
	elementBytes   = 1
)

// valueSize returns the bytes of a value without its name.
func valueSize(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case json.Number:
		return numberSize(v.String())
	case []any:
		n := containerBytes
		for _, e := range v {
			n += elementBytes + valueSize(e)
		}
		return n
	case map[string]any:
		n := containerBytes
		for name, e := range v {
			n += elementBytes + len(name) + valueSize(e)
		}
		return n
	default: // true, false, null
		return 1
	}
}

// numberSize returns the bytes of a number: one for every two significant digits, one more, and one for a sign. The guide says "approximately";
// that the digits go in pairs from the decimal point on, so that there may be half a pair at both ends, is what DynamoDB Local counts.
func numberSize(text string) int {
	text, negative := strings.CutPrefix(text, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	power, _ := strconv.Atoi(exponent) // "" is 0
	power += len(whole)                // 0.digits × 10^power
	digits := strings.TrimRight(whole+fraction, "0")
	for strings.HasPrefix(digits, "0") {
		digits, power = digits[1:], power-1
	}
	if digits == "" {
		return 1
	}
	n := len(digits)
	if power%2 != 0 {
		n++ // half a pair at the beginning
	}
	n = (n+1)/2 + 1
	if negative {
		n++
	}
	return n
}
