package als

import (
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// solver solves the least squares of one row at a time. With y as the columns' vectors, c as confidences and λ as regularization the
// row's vector x is where (YᵀY + Σ (cᵢ−1) yᵢyᵢᵀ + λ) x = Σ cᵢ yᵢ. Where confidences are asked for, it is c−1.
type solver struct {
	k        int
	gram     []float32
	r, p, ap []float32
	single   []float32 // for exact solutions
	gathered []float32
	double   vector.Lower // for those that single precision does not do, with
	right    []float64
}

func newSolver(k int, gram []float32) *solver {
	return &solver{k: k, gram: gram, r: make([]float32, k), p: make([]float32, k), ap: make([]float32, k)}
}

// times writes A x, less the right side if shift is −1 and not 0, into dst.
func (s *solver) times(dst, x, y []float32, cols []int32, more []float32, lambda, shift float32, first bool) {
	clear(dst)
	vector.Combine(dst, x, s.gram)
	vector.Axpy(lambda, x, dst)
	vector.Pull(dst, x, y, cols, more, shift, first)
}

// descend makes steps of the conjugate gradient method from x on.
func (s *solver) descend(x, y []float32, cols []int32, more []float32, lambda float32, steps int) {
	if len(cols) == 0 {
		clear(x) // nothing speaks for any direction
		return
	}
	s.times(s.r, x, y, cols, more, lambda, -1, true)
	vector.Scale(-1, s.r)
	copy(s.p, s.r)
	rs := vector.SumSquares(s.r)
	for i := range steps {
		if !(rs >= tiny) {
			return
		}
		s.times(s.ap, s.p, y, cols, more, lambda, 0, false)
		pap := vector.Dot(s.p, s.ap)
		if !(pap > 0) {
			return // not positive definite: confidences below 1 without regularization
		}
		step := rs / pap
		vector.Axpy(step, s.p, x)
		if i == steps-1 {
			return
		}
		vector.Axpy(-step, s.ap, s.r)
		next := vector.SumSquares(s.r)
		vector.Scale(next/rs, s.p)
		vector.Axpy(1, s.r, s.p)
		rs = next
	}
}

// tiny is the square of a residual that is none.
const tiny = 1e-20
