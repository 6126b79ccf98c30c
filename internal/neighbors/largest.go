package neighbors

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Largest returns a matrix of n rows in which each holds the k values of the greatest magnitude, whatever their sign, that row writes for it; of equal ones the lower
// columns, and no zeros. values are all 0 when row is called. It is called by several goroutines as in [Nearest].
func Largest(ctx context.Context, n, k int, o ml.FitOptions, worker func() (row func(i int, values []float32))) (*ml.Matrix, error) {
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	rows := make([][]ml.Scored, n)
	progress := newReporter(n, o.Progress)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			row, values := worker(), make([]float32, n)
			var s selector
			for ctx.Err() == nil {
				from := int(next.Add(block)) - block
				if from >= n {
					return
				}
				for i := from; i < min(n, from+block); i++ {
					clear(values)
					row(i, values)
					rows[i] = s.largest(values, k)
				}
				progress.add(min(n, from+block) - from)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return join(rows, n), nil
}

// selector finds the largest of many values in one pass and a small sort, by counting the upper halves of their magnitudes' bits, which
// are in the order of the magnitudes.
type selector struct {
	counts [1 << 15]int32
	border []uint32 // the lower halves of those in the bucket where the border is
}

func (s *selector) largest(values []float32, k int) []ml.Scored {
	clear(s.counts[:])
	for _, v := range values {
		s.counts[magnitude(v)>>16]++
	}
	room, bucket := k, len(s.counts)-1
	for ; bucket >= 0 && int(s.counts[bucket]) <= room; bucket-- {
		room -= int(s.counts[bucket])
	}
	// All above the bucket are among the largest, and of the bucket there is room for some: those above least, and so many equal to it.
	least, equal := uint32(0), 0
	if bucket >= 0 {
		s.border = s.border[:0]
		for _, v := range values {
			if m := magnitude(v); int(m>>16) == bucket {
				s.border = append(s.border, m)
			}
		}
		slices.Sort(s.border)
		least = s.border[len(s.border)-room-1] // not one of them, unless it is equal to some
		for _, m := range s.border[len(s.border)-room:] {
			if m == least {
				equal++
			}
		}
	}
	found := make([]ml.Scored, 0, min(k, len(values)))
	for i, v := range values {
		m := magnitude(v)
		if m == 0 || m < least || m == least && equal == 0 {
			continue
		}
		if m == least {
			equal--
		}
		found = append(found, ml.Scored{Item: int32(i), Score: v})
	}
	return found
}

// magnitude returns the bits of a value without its sign.
func magnitude(v float32) uint32 { return math.Float32bits(v) &^ (1 << 31) }
