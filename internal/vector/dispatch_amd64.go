//go:build !purego

package vector

import "golang.org/x/sys/cpu"

func detect() level {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA || !x.HasF16C:
		return portable
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL || !x.HasAVX512VNNI:
		return avx2
	}
	return avx512
}

// The kernels proper. None keeps its pointers. Their callers below see to it that what they point at is long enough, and
// there is at least one element.

//go:noescape
func dotAVX512(x, y *float32, n int) float32

//go:noescape
func dotAVX2(x, y *float32, n int) float32

//go:noescape
func dot4AVX512(dst *[4]float32, x, r0, r1, r2, r3 *float32, n int)

//go:noescape
func dot4AVX2(dst *[4]float32, x, r0, r1, r2, r3 *float32, n int)

//go:noescape
func axpyAVX512(alpha float32, x, y *float32, n int)

//go:noescape
func axpyAVX2(alpha float32, x, y *float32, n int)

//go:noescape
func scaleAVX512(alpha float32, x *float32, n int)

//go:noescape
func scaleAVX2(alpha float32, x *float32, n int)

//go:noescape
func tileAVX512(dst *float32, ldd int, a *float32, lda int, b *float32, ldb, k int, add bool)

//go:noescape
func tileAVX2(dst *float32, ldd int, a *float32, lda int, b *float32, ldb, k int, add bool)

//go:noescape
func panelAVX512(dst, x, panels *float32, k, count int)

//go:noescape
func panelAVX2(dst, x, panels *float32, k, count int)

//go:noescape
func panel16AVX512(dst, x *float32, panels *uint16, k, count int)

//go:noescape
func panel16AVX2(dst, x *float32, panels *uint16, k, count int)

//go:noescape
func panel8AVX512(dst *float32, x *int8, offset int32, scale float32, panels *uint8, scales *float32, groups, count int)

//go:noescape
func panel8AVX2(dst *float32, x *int16, offset int32, scale float32, panels *uint8, scales *float32, groups, count int)

//go:noescape
func decode16AVX512(dst *float32, src *uint16, n int)

//go:noescape
func decode16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func aboveAVX512(mask *uint64, scores *float32, words int, threshold float32)

//go:noescape
func aboveAVX2(mask *uint64, scores *float32, words int, threshold float32)

func dot(x, y []float32) float32 {
	switch use {
	case avx512:
		return dotAVX512(&x[0], &y[0], len(x))
	case avx2:
		return dotAVX2(&x[0], &y[0], len(x))
	default:
		return dotPortable(x, y)
	}
}

func dot4(dst *[4]float32, x, r0, r1, r2, r3 []float32) {
	switch use {
	case avx512:
		dot4AVX512(dst, &x[0], &r0[0], &r1[0], &r2[0], &r3[0], len(x))
	case avx2:
		dot4AVX2(dst, &x[0], &r0[0], &r1[0], &r2[0], &r3[0], len(x))
	default:
		dot4Portable(dst, x, r0, r1, r2, r3)
	}
}

func axpy(alpha float32, x, y []float32) {
	switch use {
	case avx512:
		axpyAVX512(alpha, &x[0], &y[0], len(x))
	case avx2:
		axpyAVX2(alpha, &x[0], &y[0], len(x))
	default:
		axpyPortable(alpha, x, y)
	}
}

func scale(alpha float32, x []float32) {
	switch use {
	case avx512:
		scaleAVX512(alpha, &x[0], len(x))
	case avx2:
		scaleAVX2(alpha, &x[0], len(x))
	default:
		scalePortable(alpha, x)
	}
}

func tile(dst []float32, ldd int, a []float32, lda int, b []float32, ldb, k int, add bool) {
	switch use {
	case avx512:
		tileAVX512(&dst[0], ldd, &a[0], lda, &b[0], ldb, k, add)
	case avx2:
		tileAVX2(&dst[0], ldd, &a[0], lda, &b[0], ldb, k, add)
	default:
		tilePortable(dst, ldd, a, lda, b, ldb, k, add)
	}
}

func panel(dst, x, panels []float32) {
	switch use {
	case avx512:
		panelAVX512(&dst[0], &x[0], &panels[0], len(x), len(dst)/PanelWidth)
	case avx2:
		panelAVX2(&dst[0], &x[0], &panels[0], len(x), len(dst)/PanelWidth)
	default:
		panelPortable(dst, x, panels)
	}
}

func panel16(dst, x []float32, panels []uint16) {
	switch use {
	case avx512:
		panel16AVX512(&dst[0], &x[0], &panels[0], len(x), len(dst)/PanelWidth)
	case avx2:
		panel16AVX2(&dst[0], &x[0], &panels[0], len(x), len(dst)/PanelWidth)
	default:
		panel16Portable(dst, x, panels)
	}
}

func panel8(dst []float32, q *Query8, panels []uint8, scales []float32) {
	groups, count := len(q.wide)/4, len(dst)/PanelWidth
	switch use {
	case avx512:
		panel8AVX512(&dst[0], &q.split[0], q.offset, q.scale, &panels[0], &scales[0], groups, count)
	case avx2:
		panel8AVX2(&dst[0], &q.wide[0], q.offset, q.scale, &panels[0], &scales[0], groups, count)
	default:
		panel8Portable(dst, q, panels, scales)
	}
}

func decode16(dst []float32, src []uint16) {
	whole := len(src) &^ 7 // what avx2 can do
	switch {
	case use == avx512:
		decode16AVX512(&dst[0], &src[0], len(src))
	case use == avx2 && whole > 0:
		decode16AVX2(&dst[0], &src[0], whole)
		decode16Portable(dst[whole:], src[whole:])
	default:
		decode16Portable(dst, src)
	}
}

func above(mask []uint64, scores []float32, threshold float32) {
	switch use {
	case avx512:
		aboveAVX512(&mask[0], &scores[0], len(mask), threshold)
	case avx2:
		aboveAVX2(&mask[0], &scores[0], len(mask), threshold)
	default:
		abovePortable(mask, scores, threshold)
	}
}
