package preference

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Tempo bounds in beats per minute.
const (
	MinTempo = 20
	MaxTempo = 300
)

// canonical returns the form in which values of a type are compared: without surrounding space, case-folded as Unicode
// has it, composed (NFC); a tempo as the range it means, so that " 120 " and "120-120" are one.
// It is "" for what is no value of the type at all.
func canonical(t Type, value string) string {
	if t == Tempo {
		low, high, ok := parseTempo(value)
		if !ok {
			return ""
		}
		return formatTempo(low, high)
	}
	return fold(value)
}

// fold is canonical for words. ASCII, which most values are, needs no tables.
func fold(s string) string {
	s = strings.TrimSpace(s)
	ascii, lower := true, true
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		lower = lower && (c < 'A' || c > 'Z')
	}
	switch {
	case ascii && lower:
		return s
	case ascii:
		return strings.ToLower(s)
	}
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
}

var tempoPattern = regexp.MustCompile(`^([1-9][0-9]{1,2})(?:\s*-\s*([1-9][0-9]{1,2}))?$`)

// parseTempo reads "120" or "90-110".
func parseTempo(value string) (low, high int, ok bool) {
	m := tempoPattern.FindStringSubmatch(strings.TrimSpace(value))
	if m == nil {
		return 0, 0, false
	}
	low, _ = strconv.Atoi(m[1]) // digits, by the pattern
	high = low
	if m[2] != "" {
		high, _ = strconv.Atoi(m[2])
	}
	return low, high, low >= MinTempo && low <= high && high <= MaxTempo
}

func formatTempo(low, high int) string {
	if low == high {
		return strconv.Itoa(low)
	}
	return fmt.Sprintf("%d-%d", low, high)
}
