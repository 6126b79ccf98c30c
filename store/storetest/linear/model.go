package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The contract once more, as a state machine written from the comment on store.Store and not from the code of store.Decide, so that a
// mistake there does not excuse itself here.

// version numbers the versions of a history in the order in which they were made up. 0 is none: the item is absent.
type version int

// state is the version of each item.
type state [keys]version

type condition uint8

const (
	none condition = iota
	absent
	present
	versionIs
)

// write is a store.Write in the terms of the model.
type write struct {
	key       int
	put       version // 0 for a delete
	condition condition
	of        version // what versionIs asks for
}

type outcome uint8

const (
	made     outcome = iota
	conflict         // nothing was written
	unknown          // made at any time after the call, also after its return, or never
)

// call is one call of Get (writes is nil) or Apply and what came of it. It is porcupine's input and output in one.
type call struct {
	client  int
	from    int64 // nanoseconds since the history began
	to      int64
	key     int     // of Get
	read    version // what Get returned
	writes  []write
	outcome outcome
	failed  []int // the keys of the conflict, in the order of the writes
	err     error // the answer, for the picture
}

// step is what the contract says: whether the call can have come out so in state s, and the state after it.
func step(s state, c *call) (bool, state) {
	if c.writes == nil {
		return s[c.key] == c.read, s
	}
	failed := failing(s, c.writes)
	switch c.outcome {
	case made:
		if len(failed) > 0 {
			return false, s
		}
	case conflict:
		return slices.Equal(failed, c.failed) && len(failed) > 0, s
	case unknown:
		// Where it cannot be made it is a conflict whose answer was lost. That it was never made is the same as
		// that it was made after everything else: its interval has no end.
		if len(failed) > 0 {
			return true, s
		}
	}
	for _, w := range c.writes {
		s[w.key] = w.put
	}
	return true, s
}

// failing returns the keys of the writes whose conditions do not hold.
func failing(s state, writes []write) (failed []int) {
	repeated := slices.ContainsFunc(writes, func(w write) bool { return w.put != 0 && s[w.key] == w.put })
	for _, w := range writes {
		now := s[w.key]
		holds := false
		switch w.condition {
		case none:
			holds = true
		case absent:
			holds = now == 0
		case present:
			holds = now != 0
		case versionIs:
			holds = now == w.of && now != 0
		}
		own := w.put != 0 && now == w.put          // the item already has this write's version
		gone := w.put == 0 && now == 0 && repeated // an absent item is deleted again
		if !holds && !own && !gone {
			failed = append(failed, w.key)
		}
	}
	return failed
}

func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, input, _ any) (bool, any) {
			ok, next := step(s.(state), input.(*call))
			return ok, next
		},
		Hash: func(s any) uint64 {
			h := uint64(14695981039346656037) // FNV-1a over whole numbers
			for _, v := range s.(state) {
				h = (h ^ uint64(v)) * 1099511628211
			}
			return h
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
		DescribeState:     func(s any) string { return fmt.Sprint(s) },
	}
}

func (v version) String() string {
	if v == 0 {
		return "absent"
	}
	return fmt.Sprintf("v%d", int(v))
}

// name calls the items a, b and c.
func name(key int) string { return string(rune('a' + key)) }

func (s state) String() string {
	parts := make([]string, len(s))
	for k, v := range s {
		parts[k] = name(k) + "=" + v.String()
	}
	return strings.Join(parts, " ")
}

func (w write) String() string {
	verb := "delete " + name(w.key)
	if w.put != 0 {
		verb = fmt.Sprintf("put %s=%v", name(w.key), w.put)
	}
	switch w.condition {
	case absent:
		return verb + " if absent"
	case present:
		return verb + " if present"
	case versionIs:
		return fmt.Sprintf("%s if %v", verb, w.of)
	case none:
	}
	return verb
}

func (c *call) String() string {
	if c.writes == nil {
		return fmt.Sprintf("get %s: %v", name(c.key), c.read)
	}
	parts := make([]string, len(c.writes))
	for i, w := range c.writes {
		parts[i] = w.String()
	}
	text := strings.Join(parts, ", ") + ": "
	switch c.outcome {
	case made:
		text += "made"
	case conflict:
		lost := make([]string, len(c.failed))
		for i, k := range c.failed {
			lost[i] = name(k)
		}
		text += "conflict on " + strings.Join(lost, ", ")
	case unknown:
		text += "unknown"
	}
	if c.err != nil && c.outcome != conflict {
		text += " (" + c.err.Error() + ")"
	}
	return text
}
