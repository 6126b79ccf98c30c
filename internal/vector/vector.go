// Package vector holds the arithmetic that models of taste spend their time in: sums of products of float32 vectors and small
// matrices, and the scoring of many items in 32, 16 and 8 bits. It knows nothing of models, and keeps nothing.
//
// Each function has two twins in assembly, for AVX2 and for AVX-512, beside the one in Go that runs elsewhere (and
// everywhere with the build tag purego). What the processor has is found out once. The twins differ in the last bits,
// since they add in another order and round a product and its sum at once: two results for vectors of n elements are
// within n · 2⁻²³ · Σ|xᵢyᵢ| of each other, unless a product is too small to be a normal float32. NaN and infinities
// come out as such from each. On one machine each function gives the same bits whenever it is called, wherever its
// operands stand in memory, and whatever the number of threads: where work is split, sums are added in an order that
// depends on the sizes alone.
//
// Slices that are too short end in the runtime's panic, as with copy by index; lengths are the caller's to check.
//
// Why not a library: github.com/viterin/vek has a dot as fast as the one for AVX2, but no sum with a multiple (two of its
// functions take two to four times as long), no half precision or bytes, a slower product of matrices, and it takes as
// many threads as there are processors; see vekbench. GODEBUG=cpu.avx512f=off and GODEBUG=cpu.avx2=off show what lesser
// processors do.
//
// Sources. Layout and tiles: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS
// 34(3), 2008; Van Zee and van de Geijn, BLIS, ACM TOMS 41(3), 2015. Instructions: AMD64 Architecture Programmer's
// Manual, volume 4; Intel 64 and IA-32 Software Developer's Manual, volume 2 (VFMADD231PS, VCVTPH2PS, VPDPBUSD,
// VPMADDWD).
package vector

// Dot returns the sum of the products of x and y, which has at least the length of x.
func Dot(x, y []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	_ = y[len(x)-1]
	return dot(x, y[:len(x)])
}

// SumSquares returns the sum of the squares of x.
func SumSquares(x []float32) float32 { return Dot(x, x) }

// Axpy adds alpha · x to y, which has at least the length of x. They are the same slice, or do not overlap.
func Axpy(alpha float32, x, y []float32) {
	if len(x) == 0 {
		return
	}
	_ = y[len(x)-1]
	axpy(alpha, x, y[:len(x)])
}

// Scale multiplies x by alpha.
func Scale(alpha float32, x []float32) {
	if len(x) > 0 {
		scale(alpha, x)
	}
}

// DotRows sets dst[i] to the dot of x and row i of rows, a matrix of len(dst) rows of len(x) in row-major order. What a row
// gives depends on nothing but x and the row: the same bits wherever it stands.
func DotRows(dst, x, rows []float32) {
	n, k := len(dst), len(x)
	if n == 0 {
		return
	}
	if k == 0 {
		clear(dst)
		return
	}
	_ = rows[n*k-1]
	row := func(i int) []float32 {
		i = min(i, n-1)
		return rows[i*k : (i+1)*k]
	}
	var four [4]float32
	for i := 0; i < n; i += 4 {
		dot4(&four, x, row(i), row(i+1), row(i+2), row(i+3))
		copy(dst[i:], four[:])
	}
}

// RankOne adds alpha · x xᵀ to dst, a matrix of len(x) × len(x) in row-major order.
func RankOne(dst []float32, alpha float32, x []float32) {
	for i, v := range x {
		Axpy(alpha*v, x, dst[i*len(x):(i+1)*len(x)])
	}
}
