package vector

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var panelSizes = []struct{ n, k int }{{1, 1}, {5, 3}, {31, 4}, {32, 7}, {33, 8}, {64, 16}, {100, 64}, {70, 100}, {129, 33}}

// A score has the same bits from a panel as from a group, at each place of it, and from half precision as from what
// it decodes to.
func TestScores(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range panelSizes {
			r := random(uint64(s.n))
			items, queries := floats(r, s.n*s.k), floats(r, 5*s.k)
			width := Panels(s.n) * PanelWidth
			panels, halves := newGuarded(width*s.k, 3), make([]uint16, width*s.k+1)[1:]
			PackPanels(panels.vals, items, s.k)
			panels.intact(t)
			Encode16(halves, panels.vals)
			decoded := newGuarded(width*s.k, 1)
			Decode16(decoded.vals, halves)
			decoded.intact(t)
			group, grouped := newGuarded(GroupHeight*s.k, 1), newGuarded(GroupHeight*(width+3), 1)
			PackGroup(group.vals, queries, s.k)
			group.intact(t)
			ScoreGroup(grouped.vals, width+3, group.vals, panels.vals, s.k)
			grouped.intact(t)
			for q := range 5 {
				x, dst := queries[q*s.k:(q+1)*s.k], newGuarded(width, 5)
				ScorePanels(dst.vals, x, panels.vals)
				dst.intact(t)
				for i, v := range dst.vals {
					if i < s.n {
						near(t, x, items[i*s.k:(i+1)*s.k], v)
					} else {
						require.Zero(t, v)
					}
				}
				require.Equal(t, dst.vals, grouped.vals[q*(width+3):][:width])
				half, wide := newGuarded(width, 5), newGuarded(width, 5)
				ScorePanels16(half.vals, x, halves)
				half.intact(t)
				ScorePanels(wide.vals, x, decoded.vals)
				require.Equal(t, wide.vals, half.vals)
			}
			for q := 5; q < GroupHeight; q++ {
				require.Equal(t, make([]float32, width), grouped.vals[q*(width+3):][:width])
			}
		}
	})
}

// The two levels in assembly do the same steps for a score.
func TestScoresOfBothAssembliesAreTheSame(t *testing.T) {
	if best < avx512 {
		t.Skip("this processor has no AVX-512: nothing to compare")
	}
	items, x := floats(random(1), 64*50), floats(random(2), 50)
	panels := make([]float32, len(items))
	PackPanels(panels, items, 50)
	score := func() []float32 {
		dst := make([]float32, 64)
		ScorePanels(dst, x, panels)
		return dst
	}
	require.Equal(t, with(avx2, score), with(avx512, score))
}

func TestScoresInEightBits(t *testing.T) {
	for _, s := range append(panelSizes, struct{ n, k int }{40, MaxFactors8}) {
		r := random(uint64(s.k))
		items, x := floats(r, s.n*s.k), floats(r, s.k)
		if s.k == MaxFactors8 { // the largest sums there are
			for i := range items {
				items[i] = float32(1 - 2*(i/s.k%2))
			}
			for i := range x {
				x[i] = 1
			}
		}
		clear(items[:s.k]) // an item of zeros
		width, stride := Panels(s.n)*PanelWidth, Stride8(s.k)
		panels, scales := make([]uint8, width*stride), make([]float32, width)
		PackPanels8(panels, scales, items, s.k)
		q := NewQuery8(x)
		var first []uint32
		levels(t, func(t *testing.T) {
			dst := newGuarded(width, 3)
			ScorePanels8(dst.vals, q, panels, scales)
			dst.intact(t)
			for i := range width {
				if i == 0 || i >= s.n {
					require.Zero(t, dst.vals[i])
					continue
				}
				// Half a step of the item's each time a factor of the query, half a step of the query's each time one
				// of the item, and one times the other.
				row, most := items[i*s.k:(i+1)*s.k], float64(scales[i])
				sum, _ := exact(x, row)
				var slack float64
				for p := range row {
					slack += most/2*math.Abs(float64(x[p])) + float64(q.scale)/2*math.Abs(float64(row[p])) + most*float64(q.scale)/4
				}
				require.InDelta(t, sum, dst.vals[i], slack*1.0001+1e-6*math.Abs(sum))
			}
			if first == nil {
				first = bitsOf(dst.vals)
			}
			require.Equal(t, first, bitsOf(dst.vals), "the same bits at each level")
		})
	}
	zero := NewQuery8(make([]float32, 5))
	dst := []float32{0: 1, 31: 1}
	ScorePanels8(dst, zero, make([]uint8, 256), make([]float32, 32))
	require.Equal(t, make([]float32, 32), dst)
}

// Every half, both ways, at each level.
func TestHalves(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	wide := make([]float32, len(all))
	levels(t, func(t *testing.T) {
		clear(wide)
		for from := 0; from < len(all); { // pieces of many lengths
			n := min(1+from%37, len(all)-from)
			Decode16(wide[from:from+n:from+n], all[from:from+n])
			from += n
		}
		for h, f := range wide {
			want := FromFloat16(uint16(h))
			if want != want {
				require.True(t, math.IsNaN(float64(f)), "%#x", h)
				require.Equal(t, uint16(h)|0x200, ToFloat16(f))
				continue
			}
			if math.Float32bits(want) != math.Float32bits(f) || ToFloat16(f) != uint16(h) {
				require.Fail(t, "not the same half", "%#x: %v, %v, %#x", h, want, f, ToFloat16(f))
			}
		}
	})
	for f, want := range map[float32]uint16{
		0: 0, 1: 0x3C00, -2: 0xC000, MaxFloat16: 0x7BFF, 65519: 0x7BFF, 65520: 0x7C00, 1e30: 0x7C00, -1e30: 0xFC00,
		0x1p-14: 0x400, 0x1p-24: 1, 0x1p-25: 0, 0x1.8p-25: 1, 0x1p-30: 0, 1 + 0x1p-11: 0x3C00, 1 + 0x3p-11: 0x3C02, 0x1.ff8p-15: 0x3FF, 0x1.ffcp-15: 0x400,
	} {
		require.Equal(t, want, ToFloat16(f), "%v", f)
	}
}

// Halves are in the order of what they stand for: so rounding to the nearest is the nearest of the neighbors.
func TestToFloat16IsTheNearest(t *testing.T) {
	r := random(6)
	for range 100_000 {
		f := float32(r.NormFloat64() * math.Exp2(float64(r.IntN(45)-27)))
		h := ToFloat16(f)
		if h&0x7FFF == 0x7C00 {
			require.GreaterOrEqual(t, math.Abs(float64(f)), 65520.0)
			continue
		}
		d := math.Abs(float64(FromFloat16(h)) - float64(f))
		for _, other := range []uint16{h + 1, h - 1} {
			if o := FromFloat16(other); o == o && other&0x8000 == h&0x8000 {
				e := math.Abs(float64(o) - float64(f))
				if d > e || d == e && h&1 != 0 {
					require.Fail(t, "not the nearest", "%v: %#x", f, h)
				}
			}
		}
	}
}

func TestAbove(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	levels(t, func(t *testing.T) {
		scores := newGuarded(3*64, 1).fill(random(7))
		copy(scores.vals[10:], []float32{nan, inf, -inf, .5, math.Nextafter32(.5, 1), float32(math.Copysign(0, -1))})
		for _, threshold := range []float32{.5, 0, -inf, inf, nan, 2} {
			mask := []uint64{1, 2, 3, 4}
			Above(mask[:3], scores.vals, threshold)
			require.Equal(t, uint64(4), mask[3])
			for i, v := range scores.vals {
				require.Equal(t, v > threshold, mask[i/64]>>(i%64)&1 == 1, "%d: %v > %v", i, v, threshold)
			}
		}
	})
}

func TestDetect(t *testing.T) {
	require.Equal(t, best, detect())
	require.Equal(t, best, use)
	require.True(t, slices.Contains([]string{"portable", "avx2", "avx512"}, Level()))
}
