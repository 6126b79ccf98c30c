// Package vekbench times package vector beside github.com/viterin/vek, in turn, in one run:
//
//	cd internal/vector/vekbench && go test -v -run Compare .
//
// GODEBUG=cpu.avx512f=off shows what a processor without AVX-512 does, GODEBUG=cpu.avx2=off what Go alone does.
// Times are the least of 400, so that what else runs on the machine counts little.
package vekbench

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viterin/vek/vek32"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

func floats(n int) []float32 {
	r, x := rand.New(rand.NewPCG(1, uint64(n))), make([]float32, n)
	for i := range x {
		x[i] = r.Float32() - .5
	}
	return x
}

// least returns the least nanoseconds of a call of each f, of many runs of n calls, the fs in turn.
func least(n int, fs ...func()) []float64 {
	best := make([]float64, len(fs))
	for round := range 400 {
		for i, f := range fs {
			start := time.Now()
			for range n {
				f()
			}
			d := float64(time.Since(start).Nanoseconds()) / float64(n)
			if round == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	return best
}

func TestCompare(t *testing.T) {
	t.Log("kernels:", vector.Level())
	var sum float32
	for _, n := range []int{16, 32, 64, 100, 128, 256, 1000, 10000} {
		x, y := floats(n), floats(n + 1)[1:]
		b := least(200_000/(n+50), func() { sum += vector.Dot(x, y) }, func() { sum += vek32.Dot(x, y) })
		t.Logf("dot %d: ours %.1f ns, vek %.1f ns", n, b[0], b[1])
	}
	for _, n := range []int{16, 64, 128, 256, 1000} {
		x, y, z := floats(n), floats(n), floats(n)
		b := least(200_000/(n+50), func() { vector.Axpy(.001, x, y) }, func() { // vek has no such function: two do it
			vek32.MulNumber_Into(z, x, .001)
			vek32.Add_Inplace(y, z)
		})
		t.Logf("axpy %d: ours %.1f ns, vek %.1f ns", n, b[0], b[1])
	}
	for _, s := range [][3]int{{8, 1024, 64}, {64, 64, 64}, {128, 1024, 64}, {128, 1024, 128}, {512, 512, 512}} {
		m, n, k := s[0], s[1], s[2]
		a, b, c := floats(m*k), floats(n*k), make([]float32, m*n)
		r := least(1, func() { vector.Gemm(c, a, b, m, n, k, 1) }, func() { vector.Gemm(c, a, b, m, n, k, 2) },
			func() { vek32.MatMul_Into(c, a, b, k) }) // b as k × n, with a thread for each processor
		f := 2 * float64(m) * float64(n) * float64(k)
		t.Logf("product %d × %d × %d: ours %.1f GFLOP/s, with 2 threads %.1f, vek with all %.1f", m, n, k, f/r[0], f/r[1], f/r[2])
	}
}
