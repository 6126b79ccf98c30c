package ml

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Parameter describes one hyperparameter of an algorithm: for its documentation, for flags, and for the search.
type Parameter struct {
	Name string // lower-case, such as "factors"
	Doc  string // one line, with the unit and what more of it does
	// Choices are the values of a choice, the first being the default. Without any the parameter is a number.
	Choices []string
	Default float64
	Min     float64 // the least value
	Max     float64 // the greatest value
	Whole   bool    // whole numbers only
	// From and To bound the search, which takes values evenly on a logarithmic scale where Log; both 0: it is not searched.
	From, To float64
	Log      bool
	// Kept is of a choice that is not searched.
	Kept bool
}

// Values are hyperparameters by name, as text: numbers as strconv writes them, choices as they are. What is missing has its default.
type Values map[string]string

// Check returns an error that names each value that is unknown or wrong, or nil.
func (v Values) Check(parameters []Parameter) error {
	var f fault.Fields
	for name, text := range v {
		i := slices.IndexFunc(parameters, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			f.Add(name, "is no parameter of this algorithm")
			continue
		}
		p := parameters[i]
		if p.Choices != nil {
			if !slices.Contains(p.Choices, text) {
				f.Add(name, "must be one of %s", strings.Join(p.Choices, ", "))
			}
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || math.IsNaN(x) || x < p.Min || x > p.Max:
			f.Add(name, "must be a number from %v to %v", p.Min, p.Max)
		case p.Whole && x != math.Trunc(x):
			f.Add(name, "must be a whole number")
		}
	}
	return f.Err()
}

// Number returns a number that Check has let pass.
func (v Values) Number(parameters []Parameter, name string) float64 {
	if text, ok := v[name]; ok {
		x, _ := strconv.ParseFloat(text, 64) // checked
		return x
	}
	for _, p := range parameters {
		if p.Name == name {
			return p.Default
		}
	}
	return math.NaN() // no such parameter: a mistake that tests of the algorithm find
}

// Choice returns a choice that Check has let pass.
func (v Values) Choice(parameters []Parameter, name string) string {
	if text, ok := v[name]; ok {
		return text
	}
	for _, p := range parameters {
		if p.Name == name && len(p.Choices) > 0 {
			return p.Choices[0]
		}
	}
	return ""
}
