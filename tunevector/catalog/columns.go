package catalog

import (
	"encoding/binary"
	"hash/maphash"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// texts keeps many strings in a few large ones. A string is known by a reference of 4 bytes: the chunk it
// is in and where in it, at which its length stands before it. Reference 0 is the empty string.
type texts struct {
	chunks []string
	open   []byte // the chunk being filled
}

const (
	chunkBits = 20
	maxChunks = 1 << (32 - chunkBits)
	// maxText is the longest field that is taken for one, in bytes; a longer one is a sign of a broken file.
	maxText = 1 << 16
)

var errTooLarge = fault.New(fault.Invalid, "the catalog is too large: more than 4 GiB in one column")

// add keeps s, of at most maxText bytes.
func (t *texts) add(s string) (uint32, error) {
	if len(t.chunks) == 0 && len(t.open) == 0 {
		t.open = append(t.open, 0)
	}
	if s == "" {
		return 0, nil
	}
	if len(t.open)+binary.MaxVarintLen32+len(s) > 1<<chunkBits {
		if len(t.chunks) == maxChunks-1 {
			return 0, errTooLarge
		}
		t.seal()
	}
	ref := uint32(len(t.chunks)<<chunkBits | len(t.open))
	t.open = binary.AppendUvarint(t.open, uint64(len(s)))
	t.open = append(t.open, s...)
	return ref, nil
}

// seal makes the open chunk a string of exactly its size.
func (t *texts) seal() {
	if len(t.open) > 0 {
		t.chunks = append(t.chunks, string(t.open))
		t.open = t.open[:0]
	}
}

// finish seals for good.
func (t *texts) finish() {
	t.seal()
	t.open = nil
}

func (t *texts) get(ref uint32) string {
	if ref == 0 {
		return ""
	}
	chunk, at := int(ref>>chunkBits), int(ref&(1<<chunkBits-1))
	if chunk == len(t.chunks) {
		n, width := binary.Uvarint(t.open[at:])
		return string(t.open[at+width:][:n])
	}
	s := t.chunks[chunk][at:]
	n, width := 0, 0
	for shift := 0; ; shift += 7 {
		b := s[width]
		width++
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return s[width:][:n]
		}
	}
}

// lists keeps lists of names, each name and each list once. List 0 is the empty one.
type lists struct {
	names  []string
	flat   []uint32
	starts []uint32 // list i is flat[starts[i]:starts[i+1]]

	// While loading only.
	numbers map[string]uint32
	known   map[string]uint32
	key     []byte
	ids     []uint32
}

func newLists() lists {
	return lists{starts: []uint32{0, 0}, numbers: map[string]uint32{}, known: map[string]uint32{"": 0}}
}

// of returns the numbers of the names in a list.
func (l *lists) of(list uint32) []uint32 { return l.flat[l.starts[list]:l.starts[list+1]] }

// len is how many lists there are.
func (l *lists) len() int { return len(l.starts) - 1 }

// strings returns the names in a list, in a slice of their own; nil for the empty list.
func (l *lists) strings(list uint32) []string {
	numbers := l.of(list)
	room := make([]string, len(numbers))
	return l.take(numbers, &room)
}

// take cuts the names of numbers off room, which has enough, in a slice that cannot grow into what is left; nil for none.
func (l *lists) take(numbers []uint32, room *[]string) []string {
	if len(numbers) == 0 {
		return nil
	}
	out := (*room)[:len(numbers):len(numbers)]
	*room = (*room)[len(numbers):]
	for i, n := range numbers {
		out[i] = l.names[n]
	}
	return out
}

// add returns the list of these names, which are not empty; a repeated name counts once.
func (l *lists) add(names []string) uint32 {
	l.ids = l.ids[:0]
	for _, name := range names {
		n, ok := l.numbers[name]
		if !ok {
			name = strings.Clone(name) // it may be a part of a whole row
			n = uint32(len(l.names))
			l.names = append(l.names, name)
			l.numbers[name] = n
		}
		l.ids = appendNew(l.ids, n)
	}
	return l.intern()
}

// union returns the list of what is in a, and then in b.
func (l *lists) union(a, b uint32) uint32 {
	if a == b || b == 0 {
		return a
	}
	l.ids = append(l.ids[:0], l.of(a)...)
	for _, n := range l.of(b) {
		l.ids = appendNew(l.ids, n)
	}
	return l.intern()
}

func appendNew(ids []uint32, n uint32) []uint32 {
	for _, id := range ids { // lists are short
		if id == n {
			return ids
		}
	}
	return append(ids, n)
}

// intern returns the list of l.ids.
func (l *lists) intern() uint32 {
	l.key = l.key[:0]
	for _, n := range l.ids {
		l.key = binary.LittleEndian.AppendUint32(l.key, n)
	}
	if list, ok := l.known[string(l.key)]; ok {
		return list
	}
	list := uint32(l.len())
	l.flat = append(l.flat, l.ids...)
	l.starts = append(l.starts, uint32(len(l.flat)))
	l.known[string(l.key)] = list
	return list
}

// finish drops what only loading needs.
func (l *lists) finish() {
	l.numbers, l.known, l.key, l.ids = nil, nil, nil, nil
	l.names, l.flat, l.starts = exact(l.names), exact(l.flat), exact(l.starts)
}

// exact returns s in memory of exactly its size.
func exact[T any](s []T) []T {
	if len(s) == cap(s) {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

// idTable finds tracks by id: open addressing over track numbers, so that ids are kept once, in their column.
type idTable struct {
	slots []uint32 // a track number plus 1; 0 is free
	seed  maphash.Seed
}

// find returns the number of the track whose id (read by idOf) is id.
func (t *idTable) find(id string, idOf func(uint32) string) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := maphash.String(t.seed, id) & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if n := t.slots[at] - 1; idOf(n) == id {
			return n, true
		}
	}
	return 0, false
}

// add notes the n-th track, whose id is not there yet.
func (t *idTable) add(n uint32, idOf func(uint32) string) {
	if uint64(n)*4 >= uint64(len(t.slots))*3 { // kept at most three quarters full
		t.slots = make([]uint32, max(16, 2*len(t.slots)))
		if len(t.slots) == 16 {
			t.seed = maphash.MakeSeed()
		}
		for old := range n {
			t.put(old, idOf(old))
		}
	}
	t.put(n, idOf(n))
}

func (t *idTable) put(n uint32, id string) {
	mask := uint64(len(t.slots) - 1)
	at := maphash.String(t.seed, id) & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = n + 1
}
