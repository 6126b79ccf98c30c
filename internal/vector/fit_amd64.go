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

//go:noescape
func dotBetweenAVX512(x, y, z *float32, n int) float32

//go:noescape
func dotBetweenAVX2(x, y, z *float32, n int) float32

//go:noescape
func pullApartAVX512(x, y, z *float32, n int, keep, pull float32)

//go:noescape
func pullApartAVX2(x, y, z *float32, n int, keep, pull float32)

//go:noescape
func fetchRows(rows *float32, k int, at *int32, count int)

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

func dotBetween(x, y, z []float32) float32 {
	switch {
	case use == portable, len(x)%PullWidth != 0:
		return dotBetweenPortable(x, y, z)
	case use == avx512:
		return dotBetweenAVX512(&x[0], &y[0], &z[0], len(x))
	default:
		return dotBetweenAVX2(&x[0], &y[0], &z[0], len(x))
	}
}

func pullApart(x, y, z []float32, keep, pull float32) {
	switch {
	case use == portable, len(x)%PullWidth != 0:
		pullApartPortable(x, y, z, keep, pull)
	case use == avx512:
		pullApartAVX512(&x[0], &y[0], &z[0], len(x), keep, pull)
	default:
		pullApartAVX2(&x[0], &y[0], &z[0], len(x), keep, pull)
	}
}

// fetch reads nothing that the program could see: a row that is not there does no harm.
func fetch(rows []float32, k int, at []int32) {
	if use != portable && len(rows) > 0 && len(at) > 0 {
		fetchRows(&rows[0], k, &at[0], len(at))
	}
}
