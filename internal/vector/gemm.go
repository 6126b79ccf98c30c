package vector

import "sync"

// How much is done at a time: of b as much is packed as fits in a part of a second-level cache.
const (
	gemmDepth = 512      // factors
	gemmFloat = 64 << 10 // floats of b
	gramRows  = 1024     // rows whose products are added up in single precision
	gramParts = 16       // parts that threads can take, at most
)

// Gemm sets dst, of m × n, to a bᵀ, where a is m × k and b is n × k, all in row-major order, with up to so many threads. Each
// element is the sum over k from the first product to the last: the same bits whatever the sizes and the number of threads.
func Gemm(dst, a, b []float32, m, n, k, threads int) {
	if m <= 0 || n <= 0 {
		return
	}
	_ = dst[m*n-1]
	if k <= 0 {
		clear(dst[:m*n])
		return
	}
	_, _ = a[m*k-1], b[n*k-1]
	share((m+GroupHeight-1)/GroupHeight, threads, func(from, to int) {
		first, last := from*GroupHeight, min(to*GroupHeight, m)
		gemm(dst[first*n:last*n], a[first*k:last*k], b, n, k)
	})
}

// share calls f for consecutive ranges of n that together are the whole, one for each thread, and waits for them.
func share(n, threads int, f func(from, to int)) {
	threads = max(1, min(threads, n))
	if threads == 1 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	for t := range threads {
		wg.Go(func() { f(n*t/threads, n*(t+1)/threads) })
	}
	wg.Wait()
}

func gemm(dst, a, b []float32, n, k int) {
	m, depth := len(a)/k, min(k, gemmDepth)
	columns := min(Panels(n), max(1, gemmFloat/depth/PanelWidth)) * PanelWidth
	panels, group := make([]float32, columns*depth), make([]float32, GroupHeight*depth)
	for j := 0; j < n; j += columns {
		wide := min(columns, n-j)
		for p := 0; p < k; p += depth {
			deep := min(depth, k-p)
			pack(panels, b[j*k+p:], wide, k, deep, PanelWidth)
			for i := 0; i < m; i += GroupHeight {
				high := min(GroupHeight, m-i)
				pack(group, a[i*k+p:], high, k, deep, GroupHeight)
				for t := 0; t < wide; t += PanelWidth {
					edge(dst[i*n+j+t:], n, high, min(PanelWidth, wide-t), group, panels[t*deep:], deep, p > 0)
				}
			}
		}
	}
}

// edge is tile for what may be less than a whole one: high × wide of 8 × 32.
func edge(dst []float32, ldd, high, wide int, group, panel []float32, k int, add bool) {
	if high == GroupHeight && wide == PanelWidth {
		tile(dst, ldd, group, GroupHeight, panel, PanelWidth, k, add)
		return
	}
	var whole [GroupHeight * PanelWidth]float32
	if add {
		for r := range high {
			copy(whole[r*PanelWidth:], dst[r*ldd:r*ldd+wide])
		}
	}
	tile(whole[:], PanelWidth, group, GroupHeight, panel, PanelWidth, k, add)
	for r := range high {
		copy(dst[r*ldd:r*ldd+wide], whole[r*PanelWidth:])
	}
}

// Gram sets dst, of k × k, to aᵀ a, where a is a row-major matrix of rows of k: the sum over the rows of row rowᵀ,
// each times its weight where weights is not nil. Products of 1,024 rows are added in single precision, these sums in
// double: so the error of an element stays near 1,024 · 2⁻²⁴ of the sum of its products' magnitudes at worst, however
// many rows there are, and is a hundredth of that as a rule. The order depends on the number of rows only, so the
// bits are the same whatever the number of threads.
func Gram(dst, a []float32, k int, weights []float32, threads int) {
	if k <= 0 {
		return
	}
	n := len(a) / k
	if weights != nil {
		weights = weights[:n:n]
	}
	_ = dst[k*k-1]
	wide := Panels(k) * PanelWidth
	blocks := (n + gramRows - 1) / gramRows
	parts := max(1, min(gramParts, blocks))
	sums := make([][]float64, parts)
	share(parts, threads, func(from, to int) {
		g := newGrammar(k, wide)
		for part := from; part < to; part++ {
			sums[part] = make([]float64, wide*wide)
			for row := blocks * part / parts * gramRows; row < min(n, blocks*(part+1)/parts*gramRows); row += gramRows {
				last := min(n, row+gramRows)
				if weights == nil {
					g.add(sums[part], a[row*k:last*k], nil)
				} else {
					g.add(sums[part], a[row*k:last*k], weights[row:last])
				}
			}
		}
	})
	for i := range k {
		for j := i; j < k; j++ {
			var sum float64
			for _, s := range sums {
				sum += s[i*wide+j]
			}
			dst[i*k+j], dst[j*k+i] = float32(sum), float32(sum)
		}
	}
}

// GramAdd adds leftᵀ right to dst, of k × k, on and below the diagonal; what becomes of the rest is not said. left and right are row-major matrices of rows of k, a multiple of 32:
// right, and right with its rows times weights. The sums are in single precision, row after row. It takes no memory of its own.
func GramAdd(dst, left, right []float32, k int) {
	n := 0
	if k > 0 {
		n = len(right) / k
	}
	if n == 0 {
		return
	}
	_, _ = dst[k*k-1], left[n*k-1]
	for i := 0; i < k; i += GroupHeight {
		for j := 0; j <= i; j += PanelWidth {
			tile(dst[i*k+j:], k, left[i:], k, right[j:], k, n, true)
		}
	}
}

// grammar is the scratch of one thread.
type grammar struct {
	k, wide  int
	plain    []float32 // rows, filled up with zeros to whole panels
	weighted []float32 // the same, times their weights
	tile     [GroupHeight * PanelWidth]float32
}

func newGrammar(k, wide int) *grammar { return &grammar{k: k, wide: wide} }

// add adds the rows' products to sum: the tiles that have a part on or above the diagonal.
func (g *grammar) add(sum []float64, rows, weights []float32) {
	n := len(rows) / g.k
	if len(g.plain) < n*g.wide {
		g.plain = make([]float32, n*g.wide)
	}
	for i := range n {
		copy(g.plain[i*g.wide:], rows[i*g.k:(i+1)*g.k])
	}
	left := g.plain
	if weights != nil {
		if len(g.weighted) < n*g.wide {
			g.weighted = make([]float32, n*g.wide)
		}
		left = g.weighted
		for i, w := range weights {
			row := left[i*g.wide : (i+1)*g.wide]
			copy(row, g.plain[i*g.wide:])
			Scale(w, row)
		}
	}
	for i := 0; i < g.k; i += GroupHeight {
		for j := i / PanelWidth * PanelWidth; j < g.k; j += PanelWidth {
			tile(g.tile[:], PanelWidth, left[i:], g.wide, g.plain[j:], g.wide, n, false)
			for r := range GroupHeight {
				at := sum[(i+r)*g.wide+j:][:PanelWidth]
				for c, v := range g.tile[r*PanelWidth : (r+1)*PanelWidth] {
					at[c] += float64(v)
				}
			}
		}
	}
}
