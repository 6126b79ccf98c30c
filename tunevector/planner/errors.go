package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// InvalidError names every field of the input that is wrong, with what is wrong about it.
type InvalidError struct {
	Fields map[string]string
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("planner: invalid input")
	for i, field := range slices.Sorted(maps.Keys(e.Fields)) {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + field + " " + e.Fields[field])
	}
	return b.String()
}

func (e *InvalidError) add(field, message string) {
	if e.Fields == nil {
		e.Fields = make(map[string]string)
	}
	if _, ok := e.Fields[field]; !ok {
		e.Fields[field] = message
	}
}

func (e *InvalidError) orNil() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// InfeasibleError says that no plan can keep the hard constraints, and what is missing.
type InfeasibleError struct {
	// Stage is the index of the stage that runs out of music, and StageName its name; Stage is −1 where the vector has no
	// stages, or where it is not a stage that fails.
	Stage     int
	StageName string
	// MissingSeconds is how much music was missing where the search came furthest; 0 where it is not music that is missing, but
	// tracks short enough to end near the duration.
	MissingSeconds float64
	// Pin is the position of the last pinned track where there is a plan without what is pinned, else −1.
	Pin int
}

func (e *InfeasibleError) Error() string {
	switch {
	case e.Pin >= 0:
		return fmt.Sprintf("planner: no plan has the pinned track at position %d", e.Pin)
	case e.MissingSeconds == 0:
		return "planner: every track is too long to end near the duration"
	case e.Stage >= 0:
		return fmt.Sprintf("planner: stage %d (%s) is short of %.0f seconds of music", e.Stage, e.StageName, e.MissingSeconds)
	default:
		return fmt.Sprintf("planner: short of %.0f seconds of music", e.MissingSeconds)
	}
}

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }
