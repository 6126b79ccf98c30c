//go:build !amd64 || purego

package vector

func detect() level { return portable }

func dot(x, y []float32) float32 { return dotPortable(x, y) }

func dot4(dst *[4]float32, x, r0, r1, r2, r3 []float32) { dot4Portable(dst, x, r0, r1, r2, r3) }

func axpy(alpha float32, x, y []float32) { axpyPortable(alpha, x, y) }

func scale(alpha float32, x []float32) { scalePortable(alpha, x) }

func tile(dst []float32, ldd int, a []float32, lda int, b []float32, ldb, k int, add bool) {
	tilePortable(dst, ldd, a, lda, b, ldb, k, add)
}

func panel(dst, x, panels []float32) { panelPortable(dst, x, panels) }

func panel16(dst, x []float32, panels []uint16) { panel16Portable(dst, x, panels) }

func panel8(dst []float32, q *Query8, panels []uint8, scales []float32) {
	panel8Portable(dst, q, panels, scales)
}

func decode16(dst []float32, src []uint16) { decode16Portable(dst, src) }

func above(mask []uint64, scores []float32, threshold float32) {
	abovePortable(mask, scores, threshold)
}
