package linear

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The contract once more, as a state machine written from the comment on store.Store and not from the code of store.Decide, so that a
// mistake there does not excuse itself here.

// version numbers the versions of a history in the order in which they were made up. 0 is none: the item is absent.
type version uint16

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

// step is what the contract says: the states that there may be after the call in state s, none if it cannot have come out so.
func step(s state, c *call) []state {
	if c.writes == nil {
		if s[c.key] != c.read {
			return nil
		}
		return []state{s}
	}
	failed := failing(s, c.writes)
	switch c.outcome {
	case made:
		if len(failed) > 0 {
			return nil
		}
	case conflict:
		if len(failed) == 0 || !slices.Equal(failed, c.failed) {
			return nil
		}
		return []state{s}
	case unknown:
		if len(failed) > 0 {
			return []state{s} // a conflict whose answer was lost
		}
		return []state{s, after(s, c.writes)}
	}
	return []state{after(s, c.writes)}
}

func after(s state, writes []write) state {
	for _, w := range writes {
		s[w.key] = w.put
	}
	return s
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

// model follows all states that there may be at once, so that porcupine need not try an Apply of unknown outcome both ways: what it
// takes for one state is a set of them, as their sorted bytes in a string.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return pack([]state{{}}) },
		Step: func(s, input, _ any) (bool, any) {
			var next []state
			for _, before := range unpack(s.(string)) {
				next = append(next, step(before, input.(*call))...)
			}
			return len(next) > 0, pack(next)
		},
		Hash: func(s any) uint64 {
			h := fnv.New64a()
			_, _ = io.WriteString(h, s.(string)) // never fails
			return h.Sum64()
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
		DescribeState: func(s any) string {
			var texts []string
			for _, one := range unpack(s.(string)) {
				texts = append(texts, one.String())
			}
			return strings.Join(texts, ", or ")
		},
	}
}

// packed is how many bytes a state has in a string.
const packed = 2 * keys

func pack(states []state) string {
	texts := make([]string, len(states))
	for i, s := range states {
		var b []byte
		for _, v := range s {
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		}
		texts[i] = string(b)
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "")
}

func unpack(text string) []state {
	states := make([]state, 0, len(text)/packed)
	for b := []byte(text); len(b) > 0; b = b[packed:] {
		var s state
		for k := range s {
			s[k] = version(binary.BigEndian.Uint16(b[2*k:]))
		}
		states = append(states, s)
	}
	return states
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
