package vector

import "math"

// Cholesky replaces the lower triangle of a, a symmetric positive definite matrix of k × k in row-major order, by
// that of L, where a = L Lᵀ, and leaves the rest. It returns false, with a half done, where a is not positive
// definite, or not to single precision.
//
// The sums are in single precision. What [SolveCholesky] makes of the result is exact for a matrix that differs from
// a by about k · 2⁻²⁴ of its size at most, so a solution's relative error is within about k · 2⁻²⁴ times a's
// condition number (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 10.4), as a rule far
// within: enough for a regularized factor of a few hundred.
func Cholesky(a []float32, k int) bool {
	for i := range k {
		row := a[i*k : i*k+i+1]
		for j := range i {
			row[j] = (row[j] - Dot(row[:j], a[j*k:j*k+j])) / a[j*k+j]
		}
		pivot := row[i] - SumSquares(row[:i])
		if !(pivot > 0) || math.IsInf(float64(pivot), 0) { // a NaN is not greater than 0
			return false
		}
		row[i] = float32(math.Sqrt(float64(pivot)))
	}
	return true
}

// SolveCholesky replaces b by the x for which L Lᵀ x = b, where l holds what [Cholesky] made.
func SolveCholesky(l, b []float32) {
	k := len(b)
	for i := range k {
		b[i] = (b[i] - Dot(b[:i], l[i*k:i*k+i])) / l[i*k+i]
	}
	for i := k - 1; i >= 0; i-- {
		b[i] /= l[i*k+i]
		Axpy(-b[i], l[i*k:i*k+i], b[:i])
	}
}
