package als

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// system returns vectors, their Gram matrix, and what a listener has heard.
func system(k, n int, most float32) (y, gram []float32, cols []int32, more []float32) {
	r := rand.New(rand.NewPCG(uint64(k), uint64(n)))
	y, gram = make([]float32, 200*k), make([]float32, k*k)
	for i := range y {
		y[i] = float32(r.NormFloat64()) / 4
	}
	vector.Gram(gram, y, k, nil, 1)
	for i := range n {
		cols, more = append(cols, int32(i*200/n)), append(more, most*r.Float32())
	}
	return y, gram, cols, more
}

// The solution in single precision is that in double, and many steps of descent come to it too.
func TestSolve(t *testing.T) {
	t.Parallel()
	for _, k := range []int{1, 12, 64, 130} {
		for _, n := range []int{1, 30, 200} {
			y, gram, cols, more := system(k, n, 20)
			s := newSolver(k, gram)
			want, got, near := make([]float32, k), make([]float32, k), make([]float32, k)
			s.solveDouble(want, y, cols, more, 3)
			s.solve(got, y, cols, more, 3)
			require.InDeltaSlice(t, want, got, 1e-4)
			s.descend(near, y, cols, more, 3, 4*k+20)
			require.InDeltaSlice(t, want, near, 1e-3)
		}
	}
}

// Where single precision does not do, double is taken.
func TestSolveOfWhatIsHard(t *testing.T) {
	t.Parallel()
	const k = 24
	y, gram, cols, more := system(k, 10, 1e8)
	s := newSolver(k, gram)
	want, got := make([]float32, k), make([]float32, k)
	s.solveDouble(want, y, cols, more, 1e-3)
	s.solve(got, y, cols, more, 1e-3)
	require.Equal(t, want, got)
	// Not positive definite: what was heard counts for less than what was not, by far.
	for i := range more {
		more[i] = -1e6
	}
	s.solve(got, y, cols, more, 0)
	for _, v := range got {
		require.False(t, math.IsNaN(float64(v)))
	}
}

// More rows than are gathered at a time.
func TestSolveOfMany(t *testing.T) {
	t.Parallel()
	const k = 16
	y, gram, _, _ := system(k, 1, 1)
	var cols []int32
	for i := range 2*gathered + 100 {
		cols = append(cols, int32(i%200))
	}
	more := make([]float32, len(cols))
	for i := range more {
		more[i] = float32(i % 7)
	}
	s := newSolver(k, gram)
	want, got := make([]float32, k), make([]float32, k)
	s.solveDouble(want, y, cols, more, 3)
	s.solve(got, y, cols, more, 3)
	require.InDeltaSlice(t, want, got, 1e-4)
}
