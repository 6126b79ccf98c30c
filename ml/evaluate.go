package ml

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Scored is an item, by column, and how well it suits.
type Scored struct {
	Item  int32
	Score float32
}

// Top appends to dst[:0] the n best of scores, best first, without the columns in leave (ascending). Of equal scores the lower column is better. NaN
// is worse than all.
func Top(dst []Scored, scores []float32, leave []int32, n int) []Scored {
	best := dst[:0]
	if n <= 0 {
		return best
	}
	for i, s := range scores {
		for len(leave) > 0 && int(leave[0]) < i {
			leave = leave[1:]
		}
		if len(leave) > 0 && int(leave[0]) == i {
			continue
		}
		if len(best) == n && !better(s, best[n-1].Score) {
			continue
		}
		at := len(best)
		if at == n {
			at--
		} else {
			best = append(best, Scored{})
		}
		for ; at > 0 && better(s, best[at-1].Score); at-- {
			best[at] = best[at-1]
		}
		best[at] = Scored{int32(i), s}
	}
	return best
}

func better(a, b float32) bool {
	return a > b || (b != b && a == a)
}

// Metrics say how well a model finds what listeners went on to hear, on the whole catalog, each listener counting the same.
type Metrics struct {
	Listeners int     // who had something to find
	NDCG10    float64 // normalized discounted cumulative gain of the first 10, relevance 0 or 1
	Recall20  float64 // share of what was to be found that is among the first 20
	Coverage  float64 // share of the items that are among anybody's first 10
}

// String is short, for logs and terminals.
func (m Metrics) String() string {
	return fmt.Sprintf("NDCG@10 %.4f, Recall@20 %.4f, coverage %.3f, %d listeners", m.NDCG10, m.Recall20, m.Coverage, m.Listeners)
}

const (
	gainDepth   = 10
	recallDepth = 20
)

// Evaluate measures a model that was fitted on train by what test has beyond it: matrices of the same listeners and, by column, the model's items; test may
// have more columns, of items that the model does not know and hence cannot find. What a listener has in train is not recommended. Source of
// the formulas: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with binary relevance and an ideal of
// min(10, what is to be found).
func Evaluate(ctx context.Context, m Model, train, test *Matrix, threads int) (Metrics, error) {
	if train.Rows() != test.Rows() || train.Columns > test.Columns {
		return Metrics{}, fmt.Errorf("ml: evaluate on %d × %d after %d × %d", test.Rows(), test.Columns, train.Rows(), train.Columns)
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	rows := test.Rows()
	gains, recalls := make([]float64, rows), make([]float64, rows) // added up in order, so that threads do not matter
	seen := make([]atomic.Bool, train.Columns)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			scores := make([]float32, train.Columns)
			var top []Scored
			for ctx.Err() == nil {
				u := int(next.Add(1)) - 1
				if u >= rows {
					return
				}
				want, _ := test.Row(u)
				if len(want) == 0 {
					continue
				}
				cols, weights := train.Row(u)
				m.Scores(scores, Heard{Listener: u, Items: cols, Weights: weights})
				top = Top(top, scores, cols, recallDepth)
				gains[u], recalls[u] = rate(top, want)
				for _, t := range top[:min(gainDepth, len(top))] {
					seen[t.Item].Store(true)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return Metrics{}, ctx.Err()
	}
	var out Metrics
	for u := range rows {
		if test.Starts[u] == test.Starts[u+1] {
			continue
		}
		out.Listeners++
		out.NDCG10 += gains[u]
		out.Recall20 += recalls[u]
	}
	for i := range seen {
		if seen[i].Load() {
			out.Coverage++
		}
	}
	out.NDCG10 /= float64(max(1, out.Listeners))
	out.Recall20 /= float64(max(1, out.Listeners))
	out.Coverage /= float64(max(1, len(seen)))
	return out, nil
}

// rate returns NDCG@10 and Recall@20 of a ranking.
func rate(top []Scored, want []int32) (gain, recall float64) {
	hits := 0
	for i, t := range top {
		if _, found := slices.BinarySearch(want, t.Item); !found {
			continue
		}
		hits++
		if i < gainDepth {
			gain += 1 / math.Log2(float64(i+2))
		}
	}
	ideal := 0.0
	for i := range min(gainDepth, len(want)) {
		ideal += 1 / math.Log2(float64(i+2))
	}
	return gain / ideal, float64(hits) / float64(len(want))
}
