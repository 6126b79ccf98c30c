package als

import (
	"sync"
)

// gramBlock is how many rows are added up before the sums are: the order, and so the result, is the same with any number of threads.
const gramBlock = 4096

// gramOf returns the k×k matrix of inner products of the columns of y.
func gramOf(y []float32, k, threads int) []float32 {
	n := len(y) / k
	blocks := (n + gramBlock - 1) / gramBlock
	sums := make([][]float32, blocks)
	var wg sync.WaitGroup
	free := make(chan struct{}, threads)
	for b := range blocks {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			sums[b] = make([]float32, k*k)
			for i := b * gramBlock; i < min(n, (b+1)*gramBlock); i++ {
				row := y[i*k : (i+1)*k]
				for j, v := range row {
					axpy(v, row, sums[b][j*k:(j+1)*k])
				}
			}
		})
	}
	wg.Wait()
	total := make([]float64, k*k)
	for _, s := range sums {
		for i, v := range s {
			total[i] += float64(v)
		}
	}
	gram := make([]float32, k*k)
	for i, v := range total {
		gram[i] = float32(v)
	}
	return gram
}

// solver solves the least squares of one row at a time. With y as the columns' vectors, c as confidences and λ as regularization the
// row's vector x is where (YᵀY + Σ (cᵢ−1) yᵢyᵢᵀ + λ) x = Σ cᵢ yᵢ.
type solver struct {
	k        int
	gram     []float32
	r, p, ap []float32
	full     []float64 // for exact solutions
}

func newSolver(k int, gram []float32) *solver {
	return &solver{k: k, gram: gram, r: make([]float32, k), p: make([]float32, k), ap: make([]float32, k)}
}

// times writes A p into dst.
func (s *solver) times(dst, p, y []float32, cols []int32, c []float32, lambda float32) {
	k := s.k
	for i := range k {
		dst[i] = dot(s.gram[i*k:(i+1)*k], p) + lambda*p[i]
	}
	for i, col := range cols {
		row := y[int(col)*k : (int(col)+1)*k]
		axpy((c[i]-1)*dot(row, p), row, dst)
	}
}

// descend makes steps of the conjugate gradient method from x on.
func (s *solver) descend(x, y []float32, cols []int32, c []float32, lambda float32, steps int) {
	if len(cols) == 0 {
		clear(x) // nothing speaks for any direction
		return
	}
	k := s.k
	s.times(s.ap, x, y, cols, c, lambda)
	for i := range s.r {
		s.r[i] = -s.ap[i]
	}
	for i, col := range cols {
		axpy(c[i], y[int(col)*k:(int(col)+1)*k], s.r)
	}
	copy(s.p, s.r)
	rs := dot(s.r, s.r)
	for range steps {
		if rs < tiny {
			return
		}
		s.times(s.ap, s.p, y, cols, c, lambda)
		pap := dot(s.p, s.ap)
		if !(pap > 0) {
			return // not positive definite: confidences below 1 without regularization
		}
		step := rs / pap
		axpy(step, s.p, x)
		axpy(-step, s.ap, s.r)
		next := dot(s.r, s.r)
		turn := next / rs
		for i := range s.p {
			s.p[i] = s.r[i] + turn*s.p[i]
		}
		rs = next
	}
}

// tiny is the square of a residual that is none.
const tiny = 1e-20

func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + (s2 + s3)
}

func axpy(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += alpha * v
	}
}
