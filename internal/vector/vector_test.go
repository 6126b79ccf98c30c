package vector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// levels runs f with each of the levels that this processor has.
func levels(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for l := portable; l <= best; l++ {
		use = l
		t.Run(Level(), f)
	}
	use = best
}

// with returns what f gives at a level.
func with[T any](l level, f func() T) T {
	defer func(was level) { use = was }(use)
	use = l
	return f()
}

// guarded returns a slice of n floats that begins off floats after a boundary of a cache line or so, and is followed,
// within its capacity, by NaN: what is read beyond the end shows in a sum, what is written there in intact.
type guarded struct {
	all  []float32
	off  int
	vals []float32
}

var guard = math.Float32frombits(0x7FC0BEEF)

func newGuarded(n, off int) guarded {
	g := guarded{all: make([]float32, n+off+64), off: off}
	for i := range g.all {
		g.all[i] = guard
	}
	g.vals = g.all[off : off+n]
	return g
}

func (g guarded) fill(r *rand.Rand) guarded {
	for i := range g.vals {
		g.vals[i] = float32(r.NormFloat64())
	}
	return g
}

func (g guarded) intact(t testing.TB) {
	t.Helper()
	for i, v := range g.all {
		if (i < g.off || i >= g.off+len(g.vals)) && math.Float32bits(v) != math.Float32bits(guard) {
			require.Equal(t, math.Float32bits(guard), math.Float32bits(v), "written at %d of %d", i-g.off, len(g.vals))
		}
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func floats(r *rand.Rand, n int) []float32 { return newGuarded(n, 0).fill(r).vals }

// exact returns the sum of the products in double precision, and that of their magnitudes.
func exact(x, y []float32) (sum, size float64) {
	for i, v := range x {
		p := float64(v) * float64(y[i])
		sum += p
		size += math.Abs(p)
	}
	return sum, size
}

// near is the tolerance that the package comment gives for one result beside the exact one.
func near(t testing.TB, x, y []float32, got float32, note ...any) {
	t.Helper()
	sum, size := exact(x, y)
	if most := float64(len(x)+1)*0x1p-24*size + 1e-40; !(math.Abs(sum-float64(got)) <= most) { // for it is asked very often
		require.InDelta(t, sum, got, most, note...)
	}
}

func bitsOf(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

func TestDotOfEachLengthAndAlignment(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := random(1)
		for n := range 301 {
			x, y := newGuarded(n, n%7).fill(r), newGuarded(n, n%5).fill(r)
			near(t, x.vals, y.vals, Dot(x.vals, y.vals), n)
			near(t, x.vals, x.vals, SumSquares(x.vals), n)
			long := newGuarded(n, n%3).fill(r)
			moved := newGuarded(n, n%3+1)
			copy(moved.vals, long.vals)
			require.Equal(t, Dot(long.vals, y.vals), Dot(moved.vals, y.vals), "the same bits wherever it stands")
		}
	})
}

func TestAxpyAndScaleOfEachLengthAndAlignment(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := random(2)
		for n := range 301 {
			alpha := float32(r.NormFloat64())
			x, y := newGuarded(n, n%7).fill(r), newGuarded(n, n%5).fill(r)
			was, old := append([]float32{}, y.vals...), append([]float32{}, x.vals...)
			Axpy(alpha, x.vals, y.vals)
			y.intact(t)
			for i, v := range x.vals {
				want := float64(alpha)*float64(v) + float64(was[i])
				require.InDelta(t, want, y.vals[i], 0x1p-22*(1+math.Abs(want)+math.Abs(float64(alpha)*float64(v))))
			}
			Scale(alpha, x.vals)
			x.intact(t)
			for i, v := range x.vals {
				require.Equal(t, old[i]*alpha, v)
			}
		}
	})
}

func TestDotRows(t *testing.T) {
	levels(t, func(t *testing.T) {
		r := random(3)
		for _, k := range []int{1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 129} {
			for n := range 11 {
				x, rows, dst := newGuarded(k, 1).fill(r), newGuarded(n*k, 3).fill(r), newGuarded(n, 2)
				DotRows(dst.vals, x.vals, rows.vals)
				dst.intact(t)
				for i, v := range dst.vals {
					row := rows.vals[i*k : (i+1)*k]
					near(t, x.vals, row, v)
					var one [1]float32
					DotRows(one[:], x.vals, row)
					require.Equal(t, v, one[0], "the same bits wherever the row stands")
				}
			}
		}
		dst := []float32{1, 2}
		DotRows(dst, nil, nil)
		require.Equal(t, []float32{0, 0}, dst)
		DotRows(nil, dst, nil)
	})
}

func TestNothingComesOfNothing(t *testing.T) {
	levels(t, func(t *testing.T) {
		require.Zero(t, Dot(nil, nil))
		Axpy(2, nil, nil)
		Scale(2, nil)
		Above(nil, nil, 0)
		Decode16(nil, nil)
		Gemm(nil, nil, nil, 0, 3, 2, 1)
		Gram(nil, nil, 0, nil, 1)
		RankOne(nil, 1, nil)
		PackPanels(nil, nil, 0)
		PackGroup(nil, nil, 0)
		ScoreGroup(nil, 0, nil, nil, 0)
		dst := []float32{1, 2, 3}
		ScorePanels(dst, nil, nil)
		require.Equal(t, make([]float32, 3), dst)
		dst = []float32{1, 2, 3}
		ScorePanels16(dst, nil, nil)
		require.Equal(t, make([]float32, 3), dst)
		dst = []float32{1, 2, 3}
		ScorePanels8(dst, NewQuery8(nil), nil, nil)
		require.Equal(t, make([]float32, 3), dst)
		dst = []float32{1, 2, 3}
		Gemm(dst, nil, nil, 1, 3, 0, 1)
		require.Equal(t, make([]float32, 3), dst)
		dst = []float32{1, 2, 3}
		PackPanels8(nil, dst, nil, 0)
		require.Equal(t, make([]float32, 3), dst)
	})
}

// Lengths are checked by the slices' lengths, not by what their arrays would hold.
func TestSlicesThatAreTooShort(t *testing.T) {
	levels(t, func(t *testing.T) {
		long, short := make([]float32, 64), make([]float32, 65)[:63]
		for name, f := range map[string]func(){
			"dot":          func() { Dot(long, short) },
			"axpy":         func() { Axpy(1, long, short) },
			"rows":         func() { DotRows(make([]float32, 4), make([]float32, 16), short) },
			"rank one":     func() { RankOne(short[:60:63], 1, make([]float32, 8)) },
			"gemm, dst":    func() { Gemm(short, long, long, 8, 8, 8, 1) },
			"gemm, a":      func() { Gemm(long, short, long, 8, 8, 8, 1) },
			"gemm, b":      func() { Gemm(long, long, short, 8, 8, 8, 1) },
			"gram":         func() { Gram(short, long, 8, nil, 1) },
			"panels":       func() { ScorePanels(make([]float32, 32), make([]float32, 2), short) },
			"panels of 16": func() { ScorePanels16(make([]float32, 32), make([]float32, 2), make([]uint16, 63, 64)) },
			"panels of 8":  func() { ScorePanels8(make([]float32, 32), NewQuery8(long), make([]uint8, 63), make([]float32, 32)) },
			"scales": func() {
				ScorePanels8(make([]float32, 32), NewQuery8(long[:4]), make([]uint8, 128), make([]float32, 31, 32))
			},
			"group":          func() { ScoreGroup(make([]float32, 256), 32, short[:15], make([]float32, 64), 2) },
			"group, dst":     func() { ScoreGroup(make([]float32, 255, 256), 32, long, make([]float32, 64), 2) },
			"above":          func() { Above(make([]uint64, 1), short, 0) },
			"decode":         func() { Decode16(short, make([]uint16, 64)) },
			"weights":        func() { Gram(long, long, 8, make([]float32, 7), 1) },
			"encode":         func() { Encode16(make([]uint16, 1), long) },
			"pack a panel":   func() { PackPanels(short, long, 8) },
			"pack of 8 bits": func() { PackPanels8(make([]uint8, 1), make([]float32, 32), long, 8) },
		} {
			require.Panics(t, f, name)
		}
	})
}

// A NaN or an infinity anywhere comes out, and at no level anything else.
func TestNaNAndInfinity(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	levels(t, func(t *testing.T) {
		for _, n := range []int{1, 5, 16, 31, 70, 130} {
			for i := range n {
				x, y := floats(random(uint64(n)), n), make([]float32, n)
				for j := range y {
					y[j] = 1
				}
				row := make([]float32, 1)
				check := func(want func(float64) bool) {
					require.True(t, want(float64(Dot(x, y))))
					require.True(t, want(float64(Dot(y, x))))
					DotRows(row, y, x)
					require.True(t, want(float64(row[0])))
					panels, scores := make([]float32, 32*n), make([]float32, 32)
					PackPanels(panels, x, n)
					ScorePanels(scores, y, panels)
					require.True(t, want(float64(scores[0])))
					to := append([]float32{}, y...)
					Axpy(1, x, to)
					require.True(t, want(float64(to[i])))
				}
				x[i] = nan
				check(math.IsNaN)
				x[i] = inf
				check(func(v float64) bool { return math.IsInf(v, 1) })
				x[(i+n/2)%n] = -inf
				if n > 1 {
					require.True(t, math.IsNaN(float64(Dot(x, y))), "∞ − ∞")
				}
			}
		}
	})
}

func TestGemm(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range []struct{ m, n, k int }{
			{1, 1, 1}, {1, 33, 5}, {8, 32, 64}, {9, 31, 3}, {17, 65, 128}, {23, 70, 513}, {3, 300, 1100}, {40, 1100, 70},
		} {
			r := random(uint64(s.m))
			a, b, dst := newGuarded(s.m*s.k, 1).fill(r), newGuarded(s.n*s.k, 3).fill(r), newGuarded(s.m*s.n, 5)
			Gemm(dst.vals, a.vals, b.vals, s.m, s.n, s.k, 1)
			dst.intact(t)
			for i := range s.m {
				for j := range s.n {
					near(t, a.vals[i*s.k:(i+1)*s.k], b.vals[j*s.k:(j+1)*s.k], dst.vals[i*s.n+j])
				}
			}
			for threads := 2; threads < 5; threads++ {
				again := make([]float32, s.m*s.n)
				Gemm(again, a.vals, b.vals, s.m, s.n, s.k, threads)
				require.Equal(t, dst.vals, again, "%d threads", threads)
			}
		}
	})
}

func TestGram(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, s := range []struct{ n, k int }{{0, 3}, {1, 1}, {5, 2}, {100, 8}, {300, 33}, {2500, 40}, {20000, 9}} {
			r := random(uint64(s.k))
			a, weights := newGuarded(s.n*s.k, 1).fill(r), floats(r, s.n)
			for _, w := range [][]float32{nil, weights} {
				dst := newGuarded(s.k*s.k, 1)
				Gram(dst.vals, a.vals, s.k, w, 1)
				dst.intact(t)
				for i := range s.k {
					for j := range s.k {
						var sum, size float64
						for row := range s.n {
							p := float64(a.vals[row*s.k+i]) * float64(a.vals[row*s.k+j])
							if w != nil {
								p *= float64(w[row])
							}
							sum += p
							size += math.Abs(p)
						}
						require.InDelta(t, sum, dst.vals[i*s.k+j], float64(min(s.n, gramRows)+2)*0x1p-24*size+1e-30)
						require.Equal(t, dst.vals[i*s.k+j], dst.vals[j*s.k+i])
					}
				}
				for threads := 2; threads < 7; threads += 2 {
					again := make([]float32, s.k*s.k)
					Gram(again, a.vals, s.k, w, threads)
					require.Equal(t, dst.vals, again, "%d threads", threads)
				}
			}
		}
	})
}

func TestRankOne(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, k := range []int{1, 3, 17, 64} {
			x, dst := floats(random(4), k), newGuarded(k*k, 1).fill(random(5))
			was := append([]float32{}, dst.vals...)
			RankOne(dst.vals, .5, x)
			dst.intact(t)
			for i := range k {
				for j := range k {
					require.InDelta(t, float64(was[i*k+j])+.5*float64(x[i])*float64(x[j]), dst.vals[i*k+j], 1e-5)
				}
			}
		}
	})
}

func TestCholesky(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, k := range []int{1, 2, 5, 16, 33, 64, 128, 200} {
			r := random(uint64(k))
			rows, a := floats(r, 3*k*k), make([]float32, k*k)
			Gram(a, rows, k, nil, 1)
			for i := range k {
				a[i*k+i] += float32(k) // as regularization does: the condition number is at most 15 or so
			}
			want, b := floats(r, k), make([]float32, k)
			DotRows(b, want, a)
			l := append([]float32{}, a...)
			require.True(t, Cholesky(l, k))
			SolveCholesky(l, b)
			for i := range k {
				require.InDelta(t, want[i], b[i], 2e-4)
				for j := i + 1; j < k; j++ {
					require.Equal(t, a[i*k+j], l[i*k+j], "above the diagonal it is left alone")
				}
			}
		}
	})
}

func TestCholeskyOfWhatIsNotPositiveDefinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	levels(t, func(t *testing.T) {
		for _, a := range [][]float32{
			{0}, {-1}, {nan}, {inf}, {1, 2, 2, 1}, {1, 1, 1, 1}, {1, 0, nan, 1}, {1, 0, inf, 1}, {1, 0, 0, 0},
		} {
			require.False(t, Cholesky(a, int(math.Sqrt(float64(len(a))))), "%v", a)
		}
		require.True(t, Cholesky(nil, 0))
		require.True(t, Cholesky([]float32{4, nan, 2, 2}, 2), "the upper triangle is not read")
	})
}

func TestLower(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 7, 40} {
		r := rand.New(rand.NewPCG(5, uint64(n)))
		rows := make([]float64, 2*n*n)
		for i := range rows {
			rows[i] = r.NormFloat64()
		}
		a := NewLower(n)
		for i := range n {
			require.Len(t, a.Row(i), i+1)
			for j := range i + 1 {
				for k := range 2 * n {
					a.Row(i)[j] += rows[k*n+i] * rows[k*n+j]
				}
			}
			a.Row(i)[i]++
		}
		times := func(x []float64) []float64 {
			b := make([]float64, n)
			for i := range n {
				for j := range n {
					b[i] += a.Row(max(i, j))[min(i, j)] * x[j]
				}
			}
			return b
		}
		l := slices.Clone(a)
		require.True(t, l.Factor())
		for i := range n { // it is the factor
			for j := range i + 1 {
				sum := 0.0
				for k := range j + 1 {
					sum += l.Row(i)[k] * l.Row(j)[k]
				}
				require.InDelta(t, a.Row(i)[j], sum, 1e-9)
			}
		}
		want := make([]float64, n)
		for i := range want {
			want[i] = r.NormFloat64()
		}
		b := times(want)
		l.Solve(b, 0)
		l.SolveTransposed(b)
		require.InDeltaSlice(t, want, b, 1e-9)
		// What is 0 before a place need not be looked at.
		for from := range n {
			part, whole := make([]float64, n), make([]float64, n)
			copy(part[from:], want[from:])
			copy(whole[from:], want[from:])
			l.Solve(part, from)
			l.Solve(whole, 0)
			require.InDeltaSlice(t, whole, part, 1e-12)
		}
	}
	for _, a := range []Lower{{0}, {-1}, {math.NaN()}, {math.Inf(1)}, {1, 2, 1}, {1, 1, 1}, {1, math.NaN(), 1}} {
		require.False(t, a.Factor())
	}
}

// What the package comment promises of one level beside another, for any lengths and sizes.
func TestLevelsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		one := rapid.Float32Range(-1e15, 1e15)
		x, y := rapid.SliceOfN(one, n, n).Draw(t, "x"), rapid.SliceOfN(one, n, n).Draw(t, "y")
		_, size := exact(x, y)
		for l := portable; l <= best; l++ {
			want, got := with(portable, func() float32 { return Dot(x, y) }), with(l, func() float32 { return Dot(x, y) })
			require.LessOrEqual(t, math.Abs(float64(want)-float64(got)), float64(n)*0x1p-23*size+float64(n)*0x1p-126, "level %d", l)
		}
	})
}

func FuzzDot(f *testing.F) {
	f.Add([]byte{}, uint8(0))
	f.Add([]byte("0123456789abcdef0123456789abcdef"), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, off uint8) {
		n := len(b) / 8
		x, y := newGuarded(n, int(off%16)), newGuarded(n, int(off/16))
		whole := true
		for i := range n {
			x.vals[i] = math.Float32frombits(uint32(b[8*i]) | uint32(b[8*i+1])<<8 | uint32(b[8*i+2])<<16 | uint32(b[8*i+3])<<24)
			y.vals[i] = math.Float32frombits(uint32(b[8*i+4]) | uint32(b[8*i+5])<<8 | uint32(b[8*i+6])<<16 | uint32(b[8*i+7])<<24)
			p := math.Abs(float64(x.vals[i]) * float64(y.vals[i]))
			whole = whole && p < 1e30
		}
		want := float64(with(portable, func() float32 { return Dot(x.vals, y.vals) }))
		for l := portable; l <= best; l++ {
			got := float64(with(l, func() float32 { return Dot(x.vals, y.vals) }))
			if whole && n < 1e6 {
				_, size := exact(x.vals, y.vals)
				require.LessOrEqual(t, math.Abs(got-want), float64(n)*0x1p-23*size+float64(n)*0x1p-126)
			} else if math.IsNaN(want) {
				require.True(t, math.IsNaN(got) || math.IsInf(got, 0), "an overflow on the way may end in either")
			}
		}
	})
}

func Example() {
	items := []float32{ // three items of two factors
		1, 0,
		0, 1,
		1, 1,
	}
	scores := make([]float32, 3)
	DotRows(scores, []float32{2, 3}, items)
	gram := make([]float32, 4)
	Gram(gram, items, 2, nil, 1)
	fmt.Println(scores, gram)
	// Output: [2 3 5] [2 1 1 2]
}

func TestLarge(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 1 << 20, 3<<20 + 7} {
		x, halves, bytes := Large[float32](n), Large[uint16](n), Large[uint8](n)
		for i := range n {
			if x[i] != 0 || halves[i] != 0 || bytes[i] != 0 {
				require.Fail(t, "not zero", "%d of %d", i, n)
			}
			x[i] = 1
		}
		require.Len(t, x, n)
	}
}
