//go:build !purego

package vector

// pullRows is how many rows the kernels below take at once.
const pullRows = 8

//go:noescape
func pullAVX512(dst, p, rows *float32, cols *int32, weights *float32, shift float32, groups, k int, ahead bool)

//go:noescape
func pullAVX2(dst, p, rows *float32, cols *int32, weights *float32, shift float32, groups, k int, ahead bool)

//go:noescape
func combineAVX512(dst, weights, rows *float32, groups, k int)

//go:noescape
func combineAVX2(dst, weights, rows *float32, groups, k int)

func pull(dst, p, rows []float32, cols []int32, weights []float32, shift float32, first bool) {
	if use == portable {
		pullPortable(dst, p, rows, cols, weights, shift)
		return
	}
	if len(dst)%PullWidth != 0 {
		pullByRow(dst, p, rows, cols, weights, shift)
		return
	}
	kernel := pullAVX2
	if use == avx512 {
		kernel = pullAVX512
	}
	whole := len(cols) / pullRows
	if whole > 0 {
		kernel(&dst[0], &p[0], &rows[0], &cols[0], &weights[0], shift, whole, len(dst), first)
	}
	if rest := cols[whole*pullRows:]; len(rest) > 0 {
		pullByRow(dst, p, rows, rest, weights[whole*pullRows:], shift)
	}
}

func combine(dst, weights, rows []float32) {
	if use == portable {
		combinePortable(dst, weights, rows)
		return
	}
	whole := 0
	if len(dst)%PullWidth == 0 {
		whole = len(weights) / pullRows
	}
	switch {
	case whole == 0:
	case use == avx512:
		combineAVX512(&dst[0], &weights[0], &rows[0], whole, len(dst))
	default:
		combineAVX2(&dst[0], &weights[0], &rows[0], whole, len(dst))
	}
	done := whole * pullRows
	combineByRow(dst, weights[done:], rows[done*len(dst):])
}
