package preference

import (
	"fmt"
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

// parseTempo reads "120" or "90-110", with space around the numbers.
func parseTempo(value string) (low, high int, ok bool) {
	from, to, isRange := strings.Cut(value, "-")
	low, ok = parseBPM(from)
	high = low
	if isRange && ok {
		high, ok = parseBPM(to)
	}
	return low, high, ok && low >= MinTempo && low <= high && high <= MaxTempo
}

// parseBPM reads a whole number without sign and leading zeros.
func parseBPM(s string) (int, bool) {
	s = strings.TrimSpace(s)
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s
}

func formatTempo(low, high int) string {
	if low == high {
		return strconv.Itoa(low)
	}
	return fmt.Sprintf("%d-%d", low, high)
}
