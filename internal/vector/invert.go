package vector

import (
	"sync"
	"sync/atomic"
)

const (
	invertBlock = 256 // rows and columns that are worked on at a time
	packDepth   = 256 // factors packed at a time
)

// Invert replaces a, a symmetric positive definite matrix of n × n of which it reads the lower triangle, by its inverse, with up to so many threads: the same bits
// whatever their number. It returns false, with a spoilt, where a is not positive definite to single precision, or once
// stop (nil: never), which is asked now and then from several threads, is true.
//
// a = L Lᵀ by blocks, V = L⁻ᵀ takes the place of the upper triangle, and V Vᵀ that of the lower: so no second matrix is needed. It takes
// n³/2 products and sums. Source: Du Croz and Higham, Stability of methods for matrix inversion, IMA J. Numer. Anal. 12(1), 1992.
func Invert(a []float32, n, threads int, stop func() bool) bool {
	if n <= 0 {
		return true
	}
	v := &inversion{a: a[:n*n], n: n, threads: max(1, threads), stop: stop}
	for from := 0; from < n; from += invertBlock {
		v.corners = append(v.corners, make([]float32, v.high(from)*v.high(from)))
	}
	return v.decompose() && v.transposedInverse() && v.square()
}

// inversion is the state of Invert.
type inversion struct {
	a       []float32
	n       int
	threads int
	stop    func() bool
	stopped atomic.Bool
	corners [][]float32 // the inverses of L's blocks on the diagonal; at the end the result's
}

// high returns how many rows the block that begins at a row has.
func (v *inversion) high(from int) int { return min(invertBlock, v.n-from) }

// each calls f for the beginnings of blocks from from on below to, several at once, and returns whether nothing stopped it.
func (v *inversion) each(from, to int, f func(at int, s *strips)) bool {
	next := int64(from - invertBlock)
	var wg sync.WaitGroup
	for range min(v.threads, (to-from+invertBlock-1)/invertBlock) {
		wg.Go(func() {
			s := newStrips()
			for {
				at := int(atomic.AddInt64(&next, invertBlock))
				if at >= to {
					return
				}
				if v.stop != nil && v.stop() {
					v.stopped.Store(true)
					return
				}
				f(at, s)
			}
		})
	}
	wg.Wait()
	return !v.stopped.Load()
}

// decompose makes L in the lower triangle, and the inverses of its corners.
func (v *inversion) decompose() bool {
	n, s := v.n, newStrips()
	for j := 0; j < n; j += invertBlock {
		wide := v.high(j)
		corner, inverse := make([]float32, wide*wide), v.corners[j/invertBlock]
		s.subtract(v.a[j*n+j:], n, v.a[j*n:], n, v.a[j*n:], n, wide, wide, j)
		for r := range wide {
			copy(corner[r*wide:(r+1)*wide], v.a[(j+r)*n+j:])
		}
		if !Cholesky(corner, wide) {
			return false
		}
		invertLower(inverse, corner, wide)
		ok := v.each(j+wide, n, func(i int, s *strips) {
			high := v.high(i)
			s.subtract(v.a[i*n+j:], n, v.a[i*n:], n, v.a[j*n:], n, high, wide, j)
			s.times(v.a[i*n+j:], n, inverse, high, wide)
		})
		if !ok {
			return false
		}
	}
	return true
}

// invertLower sets dst, which holds zeros, to the inverse of a lower triangle.
func invertLower(dst, l []float32, n int) {
	for i := range n {
		row := dst[i*n : i*n+i]
		for p := range i {
			Axpy(-l[i*n+p], dst[p*n:p*n+p+1], row)
		}
		Scale(1/l[i*n+i], row)
		dst[i*n+i] = 1 / l[i*n+i]
	}
}

// transposedInverse makes V in the upper triangle, corners included: V(j,i) = −(Σ V(j,p) L(i,p)ᵀ) L(i,i)⁻ᵀ, p from j to before i.
func (v *inversion) transposedInverse() bool {
	n := v.n
	for i := 0; i < n; i += invertBlock {
		high, inverse := v.high(i), v.corners[i/invertBlock]
		for r := range high {
			for c := range high {
				v.a[(i+r)*n+i+c] = inverse[c*high+r]
			}
		}
		ok := v.each(0, i, func(j int, s *strips) {
			tall := v.high(j)
			for r := range tall {
				clear(v.a[(j+r)*n+i:][:high])
			}
			s.subtract(v.a[j*n+i:], n, v.a[j*n+j:], n, v.a[i*n+j:], n, tall, high, i-j)
			s.times(v.a[j*n+i:], n, inverse, tall, high)
		})
		if !ok {
			return false
		}
	}
	return true
}

// square makes V Vᵀ, the inverse, in the lower triangle, and then in the upper one.
func (v *inversion) square() bool {
	n := v.n
	ok := v.each(0, n, func(i int, s *strips) {
		high, corner := v.high(i), v.corners[i/invertBlock]
		clear(corner)
		s.subtract(corner, high, v.a[i*n+i:], n, v.a[i*n+i:], n, high, high, n-i)
		Scale(-1, corner)
		for j := 0; j < i; j += invertBlock {
			for r := range high {
				clear(v.a[(i+r)*n+j:][:v.high(j)])
			}
			s.subtract(v.a[i*n+j:], n, v.a[i*n+i:], n, v.a[j*n+i:], n, high, v.high(j), n-i)
			for r := range high {
				Scale(-1, v.a[(i+r)*n+j:][:v.high(j)])
			}
		}
	})
	if !ok {
		return false
	}
	return v.each(0, n, func(i int, _ *strips) {
		high, corner := v.high(i), v.corners[i/invertBlock]
		for r := range high {
			for c := range r + 1 {
				v.a[(i+r)*n+i+c], v.a[(i+c)*n+i+r] = corner[r*high+c], corner[r*high+c]
			}
		}
		for j := i + high; j < n; j++ {
			for r := range high {
				v.a[(i+r)*n+j] = v.a[j*n+i+r]
			}
		}
	})
}

// strips is the scratch of one thread.
type strips struct {
	panels, group, part []float32
}

func newStrips() *strips {
	return &strips{panels: make([]float32, invertBlock*packDepth), group: make([]float32, GroupHeight*packDepth), part: make([]float32, invertBlock*invertBlock)}
}

// subtract takes a bᵀ off dst, where dst is high × wide, at most a block, and a and b have k columns: parts of matrices whose rows begin so far from each other.
func (s *strips) subtract(dst []float32, ldd int, a []float32, lda int, b []float32, ldb, high, wide, k int) {
	for p := 0; p < k; p += packDepth {
		deep := min(packDepth, k-p)
		pack(s.panels, b[p:], wide, ldb, deep, PanelWidth)
		for i := 0; i < high; i += GroupHeight {
			rows := min(GroupHeight, high-i)
			pack(s.group, a[i*lda+p:], rows, lda, deep, GroupHeight)
			Scale(-1, s.group[:GroupHeight*deep])
			for t := 0; t < wide; t += PanelWidth {
				edge(dst[i*ldd+t:], ldd, rows, min(PanelWidth, wide-t), s.group, s.panels[t*deep:], deep, true)
			}
		}
	}
}

// times replaces a block by itself times the transpose of b, of wide × wide.
func (s *strips) times(dst []float32, ldd int, b []float32, high, wide int) {
	for r := range high {
		row := dst[r*ldd:][:wide]
		copy(s.part[r*wide:], row)
		clear(row)
		Scale(-1, s.part[r*wide:(r+1)*wide])
	}
	s.subtract(dst, ldd, s.part, wide, b, wide, high, wide, wide)
}
