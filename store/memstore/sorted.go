package memstore

import (
	"slices"
	"sort"
	"strings"

	"github.com/rhythmiq/rhythmiq/store"
)

// maxChunk is how many records a chunk holds: 4 KiB of pointers, which is what an insertion moves at most.
const maxChunk = 512

// sorted is an ordered list of records in chunks, none of them empty. For the many small partitions
// it costs little more than a slice, and in one of a million records a change moves a few kilobytes.
type sorted struct{ chunks [][]*record }

// order compares a record with what is looked for: negative if the record comes before it, 0 if it is it.
type order func(*record) int

func bySort(s string) order {
	return func(r *record) int { return strings.Compare(r.sort(), s) }
}

func byPosition(p store.Position) order {
	return func(r *record) int { return r.position().Compare(p) }
}

// byIndexSort is for the bounds of a range; it meets all records of one index sort key.
func byIndexSort(s string) order {
	return func(r *record) int { return strings.Compare(r.place.sort, s) }
}

// at is a place in a list: before the record i of chunk c. The end is (len(chunks), 0).
type at struct{ c, i int }

// find returns the first place whose record is not before what is looked for.
func (l sorted) find(o order) at {
	c := sort.Search(len(l.chunks), func(c int) bool {
		chunk := l.chunks[c]
		return o(chunk[len(chunk)-1]) >= 0
	})
	if c == len(l.chunks) {
		return at{c, 0}
	}
	chunk := l.chunks[c]
	return at{c, sort.Search(len(chunk), func(i int) bool { return o(chunk[i]) >= 0 })}
}

// end is the place after the last record.
func (l sorted) end() at { return at{len(l.chunks), 0} }

// next returns the record after a place and the place after that record; nil at the end.
func (l sorted) next(a at) (*record, at) {
	if a.c == len(l.chunks) {
		return nil, a
	}
	r := l.chunks[a.c][a.i]
	if a.i++; a.i == len(l.chunks[a.c]) {
		a = at{a.c + 1, 0}
	}
	return r, a
}

// prev returns the record before a place and the place before that record; nil at the start.
func (l sorted) prev(a at) (*record, at) {
	if a.i == 0 {
		if a.c == 0 {
			return nil, a
		}
		a = at{a.c - 1, len(l.chunks[a.c-1])}
	}
	a.i--
	return l.chunks[a.c][a.i], a
}

// get returns the record with a sort key, or nil.
func (l sorted) get(s string) *record {
	a := l.find(bySort(s))
	if a.c == len(l.chunks) || l.chunks[a.c][a.i].sort() != s {
		return nil
	}
	return l.chunks[a.c][a.i]
}

// set puts r at the place that o leads to, in the stead of the record that is there.
func (l *sorted) set(o order, r *record) {
	a := l.find(o)
	if a.c == len(l.chunks) {
		l.push(r)
		return
	}
	chunk := l.chunks[a.c]
	if o(chunk[a.i]) == 0 {
		chunk[a.i] = r
		return
	}
	if len(chunk) == maxChunk {
		half := slices.Clone(chunk[maxChunk/2:])
		clear(chunk[maxChunk/2:])
		l.chunks[a.c] = chunk[:maxChunk/2]
		l.chunks = slices.Insert(l.chunks, a.c+1, half)
		if a.i > maxChunk/2 {
			a = at{a.c + 1, a.i - maxChunk/2}
		}
	}
	l.chunks[a.c] = slices.Insert(l.chunks[a.c], a.i, r)
}

// push appends r. A full last chunk is left full, so that what comes in order is packed.
func (l *sorted) push(r *record) {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == maxChunk {
		l.chunks = append(l.chunks, []*record{r})
		return
	}
	l.chunks[last] = append(l.chunks[last], r)
}

// remove takes out the record that o leads to, if it is there.
func (l *sorted) remove(o order) {
	a := l.find(o)
	if a.c == len(l.chunks) || o(l.chunks[a.c][a.i]) != 0 {
		return
	}
	if len(l.chunks[a.c]) == 1 {
		l.chunks = slices.Delete(l.chunks, a.c, a.c+1)
		return
	}
	l.chunks[a.c] = slices.Delete(l.chunks[a.c], a.i, a.i+1)
}
