// Package topk finds the items that score best for a query, exactly: it scores all of them, and keeps the k best. A
// score is the sum of the products of a query's and an item's factors. It knows nothing of listeners or tracks; an
// item is its row number.
//
// An [Index] is made once from the items' factors and holds them in 32, 16 or 8 bits, laid out as the kernels of
// package vector read them. Scores of a block are compared with the k-th best so far, many at once, and only what is
// above it, and not filtered out, goes into a heap. Of equal scores the lower row wins, so the result is the same
// whatever the number of threads, and the same for a query by itself as for one of many.
//
//	index, err := topk.New(factors, 64, topk.Options{Precision: topk.FP16})
//	hits, err := index.Search(ctx, listener, 10, topk.Filter{Excluded: heard}, 2)
//
// Sources: blocked exact search with heaps is what faiss's flat indexes do (Johnson, Douze and Jégou, Billion-scale
// similarity search with GPUs, IEEE Trans. Big Data 7(3), 2021; Douze et al., The Faiss library, arXiv:2401.08281);
// the second look at the candidates of a coarser store is known as refinement there.
package topk

import (
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// Precision is in how many bits an item's factors are kept.
type Precision uint8

// The precisions. An index in INT8 divides each factor by its root mean square over all items, so that none is
// rounded more than another, and keeps whole multiples of a scale for each item, see [vector.PackPanels8].
const (
	FP32 Precision = iota + 1
	FP16
	INT8
)

// String returns the precision's name in lower case, such as "fp16".
func (p Precision) String() string {
	return [...]string{"default", "fp32", "fp16", "int8"}[min(p, INT8)]
}

// Options of an [Index].
type Options struct {
	// Precision is FP32, FP16 or INT8; 0 means FP32.
	Precision Precision
	// Rescore is in which precision, FP32 or FP16, the best candidates of an INT8 index are scored again: its scores
	// are rounded enough to take the wrong item for the tenth best now and then. 0: not at all. FP32 keeps the slice
	// that New was given, which must not change from then on; FP16 keeps a copy, of two bytes a factor.
	Rescore Precision
}

// Hit is an item that was found.
type Hit struct {
	Item  int32 // its row
	Score float32
}

// better reports whether a comes before b.
func (a Hit) better(b Hit) bool {
	return a.Score > b.Score || a.Score == b.Score && a.Item < b.Item
}

// Index is immutable and safe for concurrent use.
type Index struct {
	n, k      int
	precision Precision
	rescore   Precision

	panels   []float32 // of the one that precision says
	panels16 []uint16
	panels8  []uint8
	scales   []float32 // INT8: of each item
	weights  []float32 // INT8: what a query's factors are multiplied with first

	rows   []float32 // of the one that rescore says, row by row
	rows16 []uint16
}

// New returns an index over the items, rows of so many factors each. It copies them (but see [Options.Rescore]). The
// error, of kind invalid, says what is wrong with them: factors that are not finite, or too large (FP16 ends at
// 65,504, INT8 at 10³⁰); more than 1,024 a row for INT8.
func New(items []float32, factors int, o Options) (*Index, error) {
	if o.Precision == 0 {
		o.Precision = FP32
	}
	if err := check(items, factors, o); err != nil {
		return nil, err
	}
	x := &Index{n: len(items) / factors, k: factors, precision: o.Precision, rescore: o.Rescore}
	lanes := vector.Panels(x.n) * vector.PanelWidth
	switch x.precision {
	case INT8:
		x.panels8, x.scales = vector.Large[uint8](lanes*vector.Stride8(factors)), make([]float32, lanes)
		x.pack8(items)
	case FP16:
		x.panels16 = vector.Large[uint16](lanes * factors)
		scratch := make([]float32, vector.PanelWidth*factors)
		for at := 0; at < len(items); at += len(scratch) {
			vector.PackPanels(scratch, items[at:min(at+len(scratch), len(items))], factors)
			vector.Encode16(x.panels16[at:], scratch)
		}
	default:
		x.panels = vector.Large[float32](lanes * factors)
		vector.PackPanels(x.panels, items, factors)
	}
	switch o.Rescore {
	case FP32:
		x.rows = items
	case FP16:
		x.rows16 = make([]uint16, len(items))
		vector.Encode16(x.rows16, items)
	default: // not at all
	}
	return x, nil
}

// pack8 rounds the items to eight bits. Without the division by its root mean square a factor of small spread, of
// which trained models have many, would be rounded to the steps that the one of the largest spread needs.
func (x *Index) pack8(items []float32) {
	spread := make([]float64, x.k)
	for i, v := range items {
		spread[i%x.k] += float64(v) * float64(v)
	}
	var most float64
	for p, sum := range spread {
		spread[p] = math.Sqrt(sum / float64(x.n))
		most = max(most, spread[p])
	}
	x.weights = make([]float32, x.k)
	for p, s := range spread {
		if s > 0 {
			x.weights[p] = float32(s / most)
		}
	}
	scratch := make([]float32, vector.PanelWidth*x.k)
	for row := 0; row < x.n; row += vector.PanelWidth {
		part := items[row*x.k : min(x.n, row+vector.PanelWidth)*x.k]
		for i, v := range part {
			scratch[i] = 0
			if s := spread[i%x.k]; s > 0 {
				scratch[i] = float32(float64(v) / s * most)
			}
		}
		vector.PackPanels8(x.panels8[row*vector.Stride8(x.k):], x.scales[row:row+vector.PanelWidth], scratch[:len(part)], x.k)
	}
}

// most8 is how large a factor may be for INT8: times the root of the number of items, it is still a float32.
const most8 = 1e30

func check(items []float32, factors int, o Options) error {
	var f fault.Fields
	if o.Precision > INT8 {
		f.Add("precision", "must be FP32, FP16 or INT8")
	}
	if o.Rescore != 0 && (o.Precision != INT8 || o.Rescore > FP16) {
		f.Add("rescore", "must be FP32 or FP16, and only with INT8")
	}
	if factors < 1 || o.Precision == INT8 && factors > vector.MaxFactors8 {
		f.Add("factors", "must be at least 1, and at most %d for INT8", vector.MaxFactors8)
	} else if len(items)%factors != 0 || len(items)/factors > math.MaxInt32 {
		f.Add("items", "must be whole rows of %d factors, at most %d", factors, math.MaxInt32)
	}
	most := float32(math.MaxFloat32)
	if o.Precision == FP16 || o.Rescore == FP16 {
		most = vector.MaxFloat16
	} else if o.Precision == INT8 {
		most = most8
	}
	if !within(items, most) {
		f.Add("items", "must be finite, and within ±%v", most)
	}
	return f.Err()
}

// within reports whether no value is a NaN or of a greater magnitude.
func within(values []float32, most float32) bool {
	return !slices.ContainsFunc(values, func(v float32) bool { return !(v <= most && v >= -most) })
}

// Len returns how many items there are.
func (x *Index) Len() int { return x.n }

// Factors returns how many factors an item has.
func (x *Index) Factors() int { return x.k }

// Bytes returns how much memory the index takes, with what it keeps for scoring again.
func (x *Index) Bytes() int64 {
	return 4*int64(len(x.panels)+len(x.scales)+len(x.weights)+len(x.rows)) + 2*int64(len(x.panels16)+len(x.rows16)) + int64(len(x.panels8))
}
