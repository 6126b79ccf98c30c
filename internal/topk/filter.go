package topk

import "slices"

// Filter says which items are left out. All three count; the zero Filter lets everything through. None costs a score.
type Filter struct {
	// Excluded are rows, in ascending order: such as what a listener has heard.
	Excluded []int32
	// Deny holds what is left out: such as what all listeners avoid.
	Deny Bitset
	// Allow holds what is let through, and nothing else is; nil: everything. Such as a genre.
	Allow Bitset
}

// Bitset is a set of rows: row i is bit i%64 of word i/64. What lies beyond its end is not in it.
type Bitset []uint64

// NewBitset returns an empty set with room for n rows.
func NewBitset(n int) Bitset { return make(Bitset, (n+63)/64) }

// Add puts a row, which there must be room for, into the set.
func (b Bitset) Add(row int) { b[row/64] |= 1 << (row % 64) }

// Has reports whether a row, which is not negative, is in the set.
func (b Bitset) Has(row int) bool { return b.word(row/64)>>(row%64)&1 == 1 }

func (b Bitset) word(w int) uint64 {
	if w < len(b) {
		return b[w]
	}
	return 0
}

func (f Filter) valid() bool { return slices.IsSorted(f.Excluded) }

// cursor applies a Filter to words of 64 rows, asked for in ascending order.
type cursor struct {
	Filter
	next int // in Excluded: the first that is not before the word asked for last
}

// left returns those bits of a word whose rows are let through.
func (c *cursor) left(word int, bits uint64) uint64 {
	bits &^= c.Deny.word(word)
	if c.Allow != nil {
		bits &= c.Allow.word(word)
	}
	first := int64(word) * 64
	for c.next < len(c.Excluded) && int64(c.Excluded[c.next]) < first {
		c.next++
	}
	for _, row := range c.Excluded[c.next:] {
		if int64(row) >= first+64 {
			break
		}
		bits &^= 1 << (int64(row) - first)
	}
	return bits
}
