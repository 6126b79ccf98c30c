package als

import (
	"strconv"
	"testing"
)

// BenchmarkSolve finds the vector of one listener who has heard a hundred items, exactly: in single precision, and as the reference in double.
func BenchmarkSolve(b *testing.B) {
	for _, k := range []int{64, 128, 256} {
		y, gram, cols, more := system(k, 100, 20)
		s, x := newSolver(k, gram), make([]float32, k)
		b.Run(strconv.Itoa(k), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.solve(x, y, cols, more, 3)
			}
		})
		b.Run("reference/"+strconv.Itoa(k), func(b *testing.B) {
			for b.Loop() {
				s.solveDouble(x, y, cols, more, 3)
			}
		})
	}
}
