package preference

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// What is told of wrong fields.
const (
	typeImmutable = "Type cannot be changed; delete the preference and create a new one"
	tempoFormat   = "Tempo must be beats per minute between 20 and 300, such as 120, or a range such as 90-110"
)

func checkType(f *fault.Fields, t Type) {
	switch {
	case t == "":
		f.Add("type", "Type is required")
	case !slices.Contains(Types(), t):
		f.Add("type", "Type must be one of %s", typeList())
	}
}

func typeList() string {
	names := make([]string, len(Types()))
	for i, t := range Types() {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

// checkValue notes what is wrong with a value of type t; what only a type can say is left out where t is none.
func checkValue(f *fault.Fields, t Type, value string) {
	switch {
	case strings.TrimSpace(value) == "":
		f.Add("value", "Value is required")
	case !utf8.ValidString(value):
		f.Add("value", "Value must be valid UTF-8")
	case utf8.RuneCountInString(value) > MaxValue:
		f.Add("value", "Value must be at most %d characters long", MaxValue)
	case t == Tempo && canonical(t, value) == "":
		f.Add("value", tempoFormat)
	}
}

func checkWeight(f *fault.Fields, weight *float64) {
	if weight != nil && !(math.Abs(*weight) <= 1) { // also NaN
		f.Add("weight", "Weight must be between -1 and 1")
	}
}

// checkIndex notes an index that is not 0…last.
func checkIndex(f *fault.Fields, index *int, last int) {
	if index == nil {
		return
	}
	switch {
	case *index >= 0 && *index <= last:
	case last <= 0:
		f.Add("index", "Index must be 0")
	default:
		f.Add("index", "Index must be between 0 and %d", last)
	}
}

// checkWeights notes what is wrong with Options.Weights.
func checkWeights(f *fault.Fields, weights map[Type]float64) {
	for t, w := range weights {
		field := fmt.Sprintf("weights[%s]", t)
		switch {
		case !slices.Contains(Types(), t):
			f.Add(field, "Type must be one of %s", typeList())
		case !(w >= 0 && w <= maxTypeWeight): // also NaN
			f.Add(field, "Weight must be between 0 and %d", maxTypeWeight)
		}
	}
}
