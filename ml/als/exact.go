package als

import "github.com/rhythmiq/rhythmiq/internal/vector"

const (
	// gathered is how many vectors are copied side by side at a time, for their products.
	gathered = 1024
	// widest is by how much the pivots of a decomposition in single precision may differ. Their ratio is about the matrix's condition number: with
	// this one a solution is good to about three digits at worst, and five as a rule.
	widest = 1e4
)

// solve writes the exact solution into x, by Cholesky's decomposition: in single precision if that will do, else in double.
func (s *solver) solve(x, y []float32, cols []int32, more []float32, lambda float32) {
	clear(x)
	if len(cols) == 0 {
		return
	}
	k, wide := s.k, vector.Panels(s.k)*vector.PanelWidth
	if s.single == nil {
		s.single = make([]float32, k*k+wide*wide)
	}
	a, part := s.single[:k*k], s.single[k*k:]
	clear(part)
	for from := 0; from < len(cols); from += gathered {
		to := min(len(cols), from+gathered)
		if short := (to-from)*2*wide - len(s.gathered); short > 0 {
			s.gathered = append(s.gathered, make([]float32, short)...)
		}
		right, left := s.gathered[:(to-from)*wide], s.gathered[(to-from)*wide:][:(to-from)*wide]
		for i, col := range cols[from:to] {
			row := right[i*wide : (i+1)*wide]
			clear(row[copy(row, y[int(col)*k:(int(col)+1)*k]):])
			vector.Axpy(1, row[:k], x)
			weighted := left[i*wide : (i+1)*wide]
			copy(weighted, row)
			vector.Scale(more[from+i], weighted)
			vector.Axpy(1, weighted[:k], x)
		}
		vector.GramAdd(part, left, right, wide)
	}
	for i := range k {
		row := a[i*k : i*k+i+1]
		copy(row, s.gram[i*k:])
		vector.Axpy(1, part[i*wide:][:i+1], row)
		row[i] += lambda
	}
	if vector.Cholesky(a, k) && narrow(a, k) {
		vector.SolveCholesky(a, x)
		return
	}
	s.solveDouble(x, y, cols, more, lambda)
}

// narrow reports whether the pivots of a decomposition, which it has on its diagonal, are near enough to each other.
func narrow(l []float32, k int) bool {
	least, most := l[0], l[0]
	for i := range k {
		least, most = min(least, l[i*k+i]), max(most, l[i*k+i])
	}
	return most*most <= widest*least*least
}

func (s *solver) solveDouble(x, y []float32, cols []int32, more []float32, lambda float32) {
	k := s.k
	if s.double == nil {
		s.double, s.right = vector.NewLower(k), make([]float64, k)
	}
	a, b := s.double, s.right
	clear(b)
	for i := range k {
		line := a.Row(i)
		for j := range line {
			line[j] = float64(s.gram[i*k+j])
		}
		line[i] += float64(lambda)
	}
	for n, col := range cols {
		row, w := y[int(col)*k:(int(col)+1)*k], float64(more[n])
		for i := range k {
			v := w * float64(row[i])
			line := a.Row(i)
			for j := range line {
				line[j] += v * float64(row[j])
			}
			b[i] += float64(row[i]) + v
		}
	}
	if !a.Factor() {
		clear(x)
		s.descend(x, y, cols, more, lambda, 2*k) // not positive definite: as near as can be
		return
	}
	a.Solve(b, 0)
	a.SolveTransposed(b)
	for i := range x {
		x[i] = float32(b[i])
	}
}
