package vector

import "math"

// Lower is the lower triangle of a square matrix in double precision, packed by rows: row i has i + 1 numbers. It holds a symmetric matrix, or its Cholesky factor.
type Lower []float64

// NewLower returns a triangle of n rows of zeros.
func NewLower(n int) Lower { return make(Lower, n*(n+1)/2) } //nolint:mnd // a triangle's area

// Row is row i, up to the diagonal.
func (l Lower) Row(i int) []float64 {
	at := i * (i + 1) / 2 //nolint:mnd // likewise
	return l[at : at+i+1 : at+i+1]
}

// Factor replaces a symmetric positive definite matrix by the L for which it is L·Lᵀ. It returns false, with the matrix half done, where it is not positive definite.
func (l Lower) Factor() bool {
	for i := 0; i*(i+1)/2 < len(l); i++ {
		row := l.Row(i)
		for j := range i {
			above := l.Row(j)
			row[j] = (row[j] - Dot64(row[:j], above[:j])) / above[j]
		}
		pivot := row[i] - Dot64(row[:i], row[:i])
		if !(pivot > 0) || math.IsInf(pivot, 0) { // a NaN is not greater than 0
			return false
		}
		row[i] = math.Sqrt(pivot)
	}
	return true
}

// Solve replaces b by the x for which L·x = b. Before from b is 0, and is not read.
func (l Lower) Solve(b []float64, from int) {
	for i := from; i < len(b); i++ {
		row := l.Row(i)
		b[i] = (b[i] - Dot64(row[from:i], b[from:i])) / row[i]
	}
}

// SolveTransposed replaces b by the x for which Lᵀ·x = b.
func (l Lower) SolveTransposed(b []float64) {
	for i := len(b) - 1; i >= 0; i-- {
		row := l.Row(i)
		b[i] /= row[i]
		x := b[i]
		for k, v := range row[:i] {
			b[k] -= v * x
		}
	}
}

// Dot64 is the sum of products in double precision. It adds up in four places, which need not wait for each other.
func Dot64(x, y []float64) float64 {
	var a, b, c, d float64
	for len(x) >= 4 && len(y) >= 4 {
		a, b, c, d = a+x[0]*y[0], b+x[1]*y[1], c+x[2]*y[2], d+x[3]*y[3]
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		a += v * y[i]
	}
	return a + b + c + d
}
