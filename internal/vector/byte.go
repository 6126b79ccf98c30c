package vector

import "math"

// Items in eight bits: each row has a scale of its own, the largest magnitude of its factors ⁄ 127, and its factors
// are whole multiples of it, −127 … 127, kept with 128 added since the processor's instruction (VPDPBUSD) multiplies
// unsigned by signed bytes. The query keeps 15 bits (−16,256 … 16,256), as two bytes where the instruction wants
// bytes, so that only the items' rounding costs accuracy. Sums are exact integers.

const (
	mostItem8  = 127
	mostQuery8 = 127 * 128
	bias8      = 128

	// MaxFactors8 is how many factors rows in eight bits may have: with more, a sum might not fit 32 bits.
	MaxFactors8 = 1024
)

// Stride8 is how many bytes a row of k factors takes: k, filled up to whole fours.
func Stride8(k int) int { return (k + 3) &^ 3 }

// PackPanels8 rounds the rows of a row-major matrix, of k factors each, to eight bits and lays them out in panels:
// the factors 0 to 3 of 32 rows, then the next four. dst holds Panels(n) · 32 · Stride8(k) bytes, scales Panels(n) ·
// 32. Where there is no row the scale is 0, and so is the score. Factors are finite.
func PackPanels8(dst []uint8, scales, rows []float32, k int) {
	if k == 0 {
		clear(scales)
		return
	}
	n, stride := len(rows)/k, Stride8(k)
	for i := range dst[:Panels(n)*PanelWidth*stride] {
		dst[i] = bias8
	}
	clear(scales)
	for i := range n {
		row := rows[i*k:][:k]
		most := largest(row)
		if most == 0 {
			continue
		}
		scales[i] = most / mostItem8
		panel := dst[i/PanelWidth*PanelWidth*stride:][:PanelWidth*stride]
		for p, v := range row {
			panel[p/4*4*PanelWidth+i%PanelWidth*4+p%4] = uint8(bias8 + math.RoundToEven(float64(v)/float64(most)*mostItem8))
		}
	}
}

func largest(row []float32) float32 {
	var most float32
	for _, v := range row {
		if v < 0 {
			v = -v
		}
		most = max(most, v)
	}
	return most
}

// Query8 is a query as [ScorePanels8] wants it.
type Query8 struct {
	scale  float32 // what one of wide's steps is worth
	offset int32   // what the items' bias adds to each sum
	wide   []int16 // the factors, −16,256 … 16,256; zeros up to a whole four
	split  []int8  // wide = 128 · high + low, by fours: four highs, then their lows
}

// NewQuery8 returns x, of at most [MaxFactors8] finite factors, as a query.
func NewQuery8(x []float32) *Query8 {
	n := Stride8(len(x))
	q := &Query8{wide: make([]int16, n), split: make([]int8, 2*n)}
	most := largest(x)
	if most == 0 {
		return q
	}
	q.scale = most / mostQuery8
	for i, v := range x {
		w := int32(math.RoundToEven(float64(v) / float64(most) * mostQuery8))
		high := (w + 64) >> 7
		q.wide[i] = int16(w)
		q.split[i/4*8+i%4], q.split[i/4*8+4+i%4] = int8(high), int8(w-high<<7)
		q.offset += bias8 * w
	}
	return q
}

// ScorePanels8 sets dst to the scores of as many whole panels of bytes as it has room for: its length is a multiple
// of 32, scales is as long, and panels has len(dst) · Stride8(k) bytes. The bits are the same at each [Level].
func ScorePanels8(dst []float32, q *Query8, panels []uint8, scales []float32) {
	if len(dst) < PanelWidth || len(q.wide) == 0 {
		clear(dst)
		return
	}
	_, _ = panels[len(dst)*len(q.wide)-1], scales[len(dst)-1]
	panel8(dst[:len(dst)/PanelWidth*PanelWidth], q, panels, scales)
}
