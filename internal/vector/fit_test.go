package vector

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// pulled is what Pull adds, in double precision, and the sizes of what it adds up.
func pulled(p, rows []float32, cols []int32, weights []float32, shift float64) (sums, sizes []float64) {
	k := len(p)
	sums, sizes = make([]float64, k), make([]float64, k)
	for i, c := range cols {
		row := rows[int(c)*k:][:k]
		d, size := exact(row, p)
		w := float64(weights[i])
		coef, most := w*(d+shift)+shift, math.Abs(w)*(size+math.Abs(shift))+math.Abs(shift)
		for j, v := range row {
			sums[j] += coef * float64(v)
			sizes[j] += most * math.Abs(float64(v))
		}
	}
	return sums, sizes
}

func TestPullAndCombine(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, k := range []int{1, 5, 8, 16, 17, 32, 48, 64, 96, 128, 144, 256} {
			for _, n := range []int{0, 1, 7, 8, 9, 16, 24, 31, 50} {
				r := random(uint64(1000*k + n))
				rows, p := newGuarded(40*k, n%5).fill(r), newGuarded(k, 1).fill(r)
				weights, cols := newGuarded(n, 2).fill(r), make([]int32, n, n+40)
				for i := range cols {
					cols[i] = int32(r.IntN(40))
				}
				for i := range cols[n:cap(cols)] {
					cols[n : n+40][i] = 1 << 30 // what is read beyond the end is far away
				}
				for _, shift := range []float32{0, -1} {
					dst := newGuarded(k, 3).fill(r)
					was := append([]float32{}, dst.vals...)
					Pull(dst.vals, p.vals, rows.vals, cols, weights.vals, shift, shift != 0)
					dst.intact(t)
					sums, sizes := pulled(p.vals, rows.vals, cols, weights.vals, float64(shift))
					for j := range sums {
						require.InDelta(t, float64(was[j])+sums[j], dst.vals[j], float64(n+k+4)*0x1p-23*(sizes[j]+math.Abs(float64(was[j]))))
					}
					again := newGuarded(k, 4)
					copy(again.vals, was)
					Pull(again.vals, p.vals, rows.vals, cols, weights.vals, shift, shift == 0)
					require.Equal(t, dst.vals, again.vals, "fetched ahead or not")
				}
				if n > 40 {
					continue
				}
				dst := newGuarded(k, 3).fill(r)
				was := append([]float32{}, dst.vals...)
				Combine(dst.vals, weights.vals, rows.vals)
				dst.intact(t)
				for j := range was {
					sum, size := float64(was[j]), math.Abs(float64(was[j]))
					for i, w := range weights.vals {
						v := float64(w) * float64(rows.vals[i*k+j])
						sum += v
						size += math.Abs(v)
					}
					require.InDelta(t, sum, dst.vals[j], float64(n+2)*0x1p-23*size)
				}
			}
		}
	})
}

func TestPullOfWhatIsNotThere(t *testing.T) {
	levels(t, func(t *testing.T) {
		long, short := make([]float32, 64), make([]float32, 65)[:63]
		eight, cols := make([]float32, 8), []int32{0, 1, 2, 3, 0, 1, 2, 3, 2}
		for name, f := range map[string]func(){
			"a row too far":        func() { Pull(long[:16], long, long, []int32{3, 4}, eight, 0, true) },
			"a part of a row":      func() { Pull(long[:16], long, short, []int32{3}, eight, 0, true) },
			"a column below 0":     func() { Pull(long[:16], long, long, []int32{-1}, eight, 0, true) },
			"too few weights":      func() { Pull(long[:16], long, long, cols, eight, 0, true) },
			"p":                    func() { Pull(long[:16], long[:15:15], long, cols, long, 0, true) },
			"combine: rows":        func() { Combine(long[:16], eight[:4], short) },
			"combine: rows of all": func() { Combine(long, eight[:2], long) },
		} {
			require.Panics(t, f, name)
		}
		dst := []float32{1, 2}
		Pull(dst, nil, nil, nil, nil, 0, true)
		Pull(nil, nil, nil, []int32{1}, nil, 0, true)
		Combine(dst, nil, nil)
		Combine(nil, eight, nil)
		require.Equal(t, []float32{1, 2}, dst)
	})
}

// BenchmarkPull is a step of the conjugate gradient method over a hundred rows, beside the same by dots and axpys.
func BenchmarkPull(b *testing.B) {
	for _, k := range []int{64, 128} {
		r := random(uint64(k))
		rows, p, weights, cols := floats(r, 2000*k), floats(r, k), floats(r, 100), make([]int32, 100)
		for i := range cols {
			cols[i] = int32(i * 20)
		}
		dst := make([]float32, k)
		for l := portable; l <= best; l++ {
			with(l, func() any {
				b.Run(fmt.Sprintf("%d/%s", k, Level()), func(b *testing.B) {
					use = l
					for b.Loop() {
						Pull(dst, p, rows, cols, weights, 0, false)
					}
				})
				return nil
			})
		}
		b.Run(fmt.Sprintf("%d/reference", k), func(b *testing.B) {
			for b.Loop() {
				pullByRow(dst, p, rows, cols, weights, 0)
			}
		})
	}
}

func TestInvert(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 31, 255, 256, 257, 520} {
			r := random(uint64(n))
			rows, a := floats(r, 2*n*n), newGuarded(n*n, 3)
			Gram(a.vals, rows, n, nil, 1)
			for i := range n {
				a.vals[i*n+i] += float32(n) // the condition number is below 10
			}
			was := append([]float32{}, a.vals...)
			for i := range n {
				for j := i + 1; j < n; j++ {
					a.vals[i*n+j] = guard // the upper triangle is not read
				}
			}
			again := append([]float32{}, a.vals...)
			require.True(t, Invert(a.vals, n, 1, nil))
			a.intact(t)
			one := make([]float32, n*n)
			Gemm(one, a.vals, was, n, n, n, 2)
			for i := range n {
				for j := range n {
					want := 0.0
					if i == j {
						want = 1
					}
					require.InDelta(t, want, one[i*n+j], 1e-5*math.Sqrt(float64(n)), "%d: %d, %d", n, i, j)
					require.Equal(t, a.vals[i*n+j], a.vals[j*n+i])
				}
			}
			require.True(t, Invert(again, n, 3, nil))
			require.Equal(t, a.vals, again, "3 threads")
		}
	})
	require.True(t, Invert(nil, 0, 1, nil))
}

func TestInvertOfWhatHasNoInverse(t *testing.T) {
	const n = 600
	a := make([]float32, n*n)
	require.False(t, Invert(a, n, 2, nil))
	identity := func() {
		clear(a)
		for i := range n {
			a[i*n+i] = 1
		}
	}
	identity()
	a[500*n+500] = -1
	require.False(t, Invert(a, n, 2, nil))
	for stops := range 13 {
		identity()
		asked := 0
		ok := Invert(a, n, 1, func() bool { asked++; return asked > stops })
		require.Equal(t, asked <= stops, ok)
		require.Equal(t, stops == 12, ok, "%d", asked)
	}
}

func TestDotBetweenAndPullApart(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 5, 16, 17, 32, 48, 64, 128, 144} {
			r := random(uint64(n))
			x, y, z := newGuarded(n, 1).fill(r), newGuarded(n, 2).fill(r), newGuarded(n, 3).fill(r)
			var sum, size float64
			for i, v := range x.vals {
				p := float64(v) * (float64(y.vals[i]) - float64(z.vals[i]))
				sum += p
				size += math.Abs(p)
			}
			require.InDelta(t, sum, DotBetween(x.vals, y.vals, z.vals), float64(n+2)*0x1p-23*size)
			a, b, c := append([]float32{}, x.vals...), append([]float32{}, y.vals...), append([]float32{}, z.vals...)
			PullApart(x.vals, y.vals, z.vals, .9, .25)
			for _, g := range []guarded{x, y, z} {
				g.intact(t)
			}
			for i := range n {
				require.InDelta(t, .9*a[i]+.25*(b[i]-c[i]), x.vals[i], 1e-6)
				require.InDelta(t, .9*b[i]+.25*a[i], y.vals[i], 1e-6)
				require.InDelta(t, .9*c[i]-.25*a[i], z.vals[i], 1e-6)
			}
			Fetch(x.vals, n, []int32{0, 1 << 30, -1})
		}
		Fetch(nil, 3, []int32{1})
		long := make([]float32, 32)
		require.Panics(t, func() { DotBetween(long, long, long[:31]) })
		require.Panics(t, func() { PullApart(long, long[:31], long, 1, 1) })
	})
}

func TestGramAdd(t *testing.T) {
	levels(t, func(t *testing.T) {
		for _, k := range []int{32, 64, 96} {
			for _, n := range []int{0, 1, 5, 40} {
				r := random(uint64(k + n))
				left, right, dst := newGuarded(n*k, 1).fill(r), newGuarded(n*k, 2).fill(r), newGuarded(k*k, 3).fill(r)
				was := append([]float32{}, dst.vals...)
				GramAdd(dst.vals, left.vals, right.vals, k)
				dst.intact(t)
				for i := range k {
					for j := range i + 1 {
						sum, size := float64(was[i*k+j]), math.Abs(float64(was[i*k+j]))
						for p := range n {
							v := float64(left.vals[p*k+i]) * float64(right.vals[p*k+j])
							sum += v
							size += math.Abs(v)
						}
						require.InDelta(t, sum, dst.vals[i*k+j], float64(n+1)*0x1p-23*size)
					}
				}
			}
		}
		GramAdd(nil, nil, nil, 0)
		long := make([]float32, 32*32)
		require.Panics(t, func() { GramAdd(long, long[:32], long[:64], 32) })
		require.Panics(t, func() { GramAdd(long[:1000], long, long, 32) })
	})
}
