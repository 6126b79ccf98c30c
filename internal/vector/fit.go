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

// DotBetween returns the inner product of x and y − z, which have at least the length of x.
func DotBetween(x, y, z []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	_, _ = y[len(x)-1], z[len(x)-1]
	return dotBetween(x, y[:len(x)], z[:len(x)])
}

// PullApart makes a step that brings y nearer to x, and z away from it: x becomes keep · x + pull · (y − z), y keep · y + pull · x and z keep · z − pull · x, each of the old
// ones. y and z have at least the length of x, and no two overlap.
func PullApart(x, y, z []float32, keep, pull float32) {
	if len(x) == 0 {
		return
	}
	_, _ = y[len(x)-1], z[len(x)-1]
	pullApart(x, y[:len(x)], z[:len(x)], keep, pull)
}

// Fetch lets the processor, if it can, fetch rows of k factors that will be wanted soon.
func Fetch(rows []float32, k int, at []int32) {
	if k <= 0 {
		return
	}
	fetch(rows, k, at)
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

// dotBetweenPortable adds in four lanes, as dotPortable does. (The assembly: in up to 64.)
func dotBetweenPortable(x, y, z []float32) float32 {
	y, z = y[:len(x)], z[:len(x)]
	var s [4]float32
	for i, v := range x {
		s[i%4] += float32(v * (y[i] - z[i]))
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

func pullApartPortable(x, y, z []float32, keep, pull float32) {
	y, z = y[:len(x)], z[:len(x)]
	for i, v := range x {
		a, b := y[i], z[i]
		x[i] = float32(keep*v) + float32(pull*(a-b))
		y[i] = float32(keep*a) + float32(pull*v)
		z[i] = float32(keep*b) - float32(pull*v)
	}
}
