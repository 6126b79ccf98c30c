package bpr

import (
	"math/bits"

	"github.com/rhythmiq/rhythmiq/ml"
)

// filter tells most of the cells that a matrix does not have from those that it has, by one look into memory, where a search in a long row takes several: a set
// of bits, of which each cell has set one (Bloom, Space/time trade-offs in hash coding with allowable errors, CACM 13(7), 1970, with one function). It takes 1 to 2 bytes a cell.
type filter struct {
	bits  []uint64
	shift int
}

// spare is how many bits there are for a cell at least: one in so many cells that are not there looks as if it were.
const spare = 8

func newFilter(m *ml.Matrix) filter {
	log := max(6, bits.Len(uint(m.Cells()*spare)))
	f := filter{bits: make([]uint64, 1<<(log-6)), shift: 64 - log}
	for u := range m.Rows() {
		cols, _ := m.Row(u)
		for _, c := range cols {
			at := f.at(int32(u), c)
			f.bits[at/64] |= 1 << (at % 64)
		}
	}
	return f
}

// at is where the bit of a cell is: the upper bits of a product with 2⁶⁴ divided by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
func (f filter) at(row, col int32) uint64 {
	x := uint64(uint32(row))<<32 | uint64(uint32(col))
	x ^= x >> 29
	return x * 0x9E3779B97F4A7C15 >> f.shift
}

// has is false for cells that are not there only.
func (f filter) has(row, col int32) bool {
	at := f.at(row, col)
	return f.bits[at/64]>>(at%64)&1 == 1
}
