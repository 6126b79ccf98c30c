package vector

// How matrices are laid out for the kernels that score many items.
const (
	// PanelWidth is how many items stand side by side in a panel.
	PanelWidth = 32
	// GroupHeight is how many queries stand side by side in a group.
	GroupHeight = 8
)

// Panels returns how many panels n items fill, the last one perhaps in part.
func Panels(n int) int { return (n + PanelWidth - 1) / PanelWidth }

// PackPanels lays the rows of a row-major matrix, of k factors each, out in panels: factor 0 of 32 rows, factor 1 of
// the same 32, and so on; dst holds Panels(n) · 32 · k elements, zeros where there is no row. A score then needs no
// sum across lanes: each of 32 items has a lane of its own (Goto and van de Geijn, Anatomy of High-Performance Matrix
// Multiplication, ACM TOMS 34(3), 2008, section 5, call it packing).
func PackPanels(dst, rows []float32, k int) {
	if k > 0 {
		pack(dst, rows, len(rows)/k, k, k, PanelWidth)
	}
}

// PackGroup lays up to 8 queries, rows of k factors each, out in a group, as PackPanels does; dst holds 8 · k elements.
func PackGroup(dst, queries []float32, k int) {
	if k > 0 {
		pack(dst, queries, min(GroupHeight, len(queries)/k), k, k, GroupHeight)
	}
}

// pack lays n rows of k factors, each beginning stride after the one before, out in blocks of the width.
func pack(dst, rows []float32, n, stride, k, width int) {
	for at := 0; at < n; at += width {
		block := dst[at*k:][:width*k]
		if n-at < width {
			clear(block)
		}
		for lane := range min(width, n-at) {
			for p, v := range rows[(at+lane)*stride:][:k] {
				block[p*width+lane] = v
			}
		}
	}
}

// ScorePanels sets dst to the scores of as many whole panels as it has room for: its length is a multiple of 32, and
// panels has len(x) · len(dst) elements. The sum goes from the first factor to the last, as in [ScoreGroup], so that
// both give the same bits.
func ScorePanels(dst, x, panels []float32) {
	if len(dst) < PanelWidth || len(x) == 0 {
		clear(dst)
		return
	}
	_ = panels[len(x)*len(dst)-1]
	panel(dst[:len(dst)/PanelWidth*PanelWidth], x, panels)
}

// ScorePanels16 is [ScorePanels] over items in half precision; the sums are in single precision, with the bits that
// ScorePanels gives after [Decode16].
func ScorePanels16(dst, x []float32, panels []uint16) {
	if len(dst) < PanelWidth || len(x) == 0 {
		clear(dst)
		return
	}
	_ = panels[len(x)*len(dst)-1]
	panel16(dst[:len(dst)/PanelWidth*PanelWidth], x, panels)
}

// ScoreGroup sets dst[r·stride+i] to the score of query r of a group (see [PackGroup]) and item i, for all items of
// panels (see [PackPanels]). Rows that the group does not have score 0. dst has 8 · stride elements, and stride is at
// least the number of items.
func ScoreGroup(dst []float32, stride int, group, panels []float32, k int) {
	items := 0
	if k > 0 {
		items = len(panels) / k
	}
	if items < PanelWidth {
		return
	}
	_, _ = dst[(GroupHeight-1)*stride+items-1], group[GroupHeight*k-1]
	for at := 0; at+PanelWidth <= items; at += PanelWidth {
		tile(dst[at:], stride, group, GroupHeight, panels[at*k:], PanelWidth, k, false)
	}
}

// Above sets bit i of mask (bit i%64 of word i/64) where scores[i] is greater than the threshold; never for a NaN.
// scores has 64 for each word.
func Above(mask []uint64, scores []float32, threshold float32) {
	if len(mask) > 0 {
		_ = scores[len(mask)*64-1]
		above(mask, scores, threshold)
	}
}
