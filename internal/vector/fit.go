package vector

// PullWidth is what the number of factors of the rows must be a multiple of for [Pull] and [Combine] to run as one kernel: others are
// done row by row. Whoever fits vectors fills them up with zeros.
const PullWidth = 16

// Pull adds to dst the rows of a matrix that cols names, each times weight · (row · p + shift) + shift, where · between vectors is their inner product. The
// rows have the length of dst and of p. With a weight of c − 1 for a confidence c and a shift of 0 the sum is what the heard items add
// to the product of the normal equations' matrix and p, and with a shift of −1 the same less the right side: all that a step of the conjugate gradient
// method reads of them, in one pass (Takács, Pilászy and Tikk, Applications of the conjugate gradient method for implicit feedback collaborative filtering,
// RecSys 2011). first says that the rows have not been read just before, and are better fetched ahead.
func Pull(dst, p, rows []float32, cols []int32, weights []float32, shift float32, first bool) {
	k := len(dst)
	if len(cols) == 0 || k == 0 {
		return
	}
	n := len(rows) / k
	_, _ = p[k-1], weights[len(cols)-1]
	for _, c := range cols {
		if uint(c) >= uint(n) {
			_ = rows[(int(c)+1)*k-1] // panics
		}
	}
	pull(dst, p[:k], rows, cols, weights[:len(cols)], shift, first)
}

// Combine adds to dst the sum of as many rows as there are weights, each times its own: rows is in row-major order, of rows of the length of dst. For a symmetric
// matrix that is its product with the weights.
func Combine(dst, weights, rows []float32) {
	k := len(dst)
	if len(weights) == 0 || k == 0 {
		return
	}
	_ = rows[len(weights)*k-1]
	combine(dst, weights, rows)
}

// pullPortable goes from row to row: a dot, then an axpy. (The assembly: eight rows at once, whose products with p are added up in other lanes, and
// which come to dst in two sums of four each.)
func pullPortable(dst, p, rows []float32, cols []int32, weights []float32, shift float32) {
	k := len(dst)
	for i, c := range cols {
		row := rows[int(c)*k:][:k]
		axpyPortable(float32(weights[i]*(dotPortable(row, p)+shift))+shift, row, dst)
	}
}

func combinePortable(dst, weights, rows []float32) {
	k := len(dst)
	for i, w := range weights {
		axpyPortable(w, rows[i*k:][:k], dst)
	}
}

// pullByRow is pull for rows that no kernel takes.
func pullByRow(dst, p, rows []float32, cols []int32, weights []float32, shift float32) {
	k := len(dst)
	for i, c := range cols {
		row := rows[int(c)*k:][:k]
		axpy(weights[i]*(dot(row, p)+shift)+shift, row, dst)
	}
}

func combineByRow(dst, weights, rows []float32) {
	k := len(dst)
	for i, w := range weights {
		axpy(w, rows[i*k:][:k], dst)
	}
}
