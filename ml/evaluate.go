package ml

import (
	"context"
	"fmt"
	"math"
	"slices"
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
	Listeners int     `json:"listeners"` // who had something to find
	NDCG10    float64 `json:"ndcg10"`    // normalized discounted cumulative gain of the first 10, relevance 0 or 1
	Recall20  float64 `json:"recall20"`  // share of what was to be found that is among the first 20
	Coverage  float64 `json:"coverage"`  // share of the items that are among anybody's first 10
	// The standard errors of the means over listeners: how far they would wander with other listeners of the same kind.
	NDCG10Error   float64 `json:"ndcg10Error"`
	Recall20Error float64 `json:"recall20Error"`
	// Answers are of a model of situations, which is measured by answers, and of nothing else here. nil: it is none.
	Answers *AnswerMetrics `json:"answers,omitempty"`
}

// Score is what models are chosen by: NDCG@10, or by how much answers are foretold better than by always saying the mean, in nats. The higher, the better.
func (m Metrics) Score() float64 {
	if m.Answers != nil {
		return m.Answers.Gain
	}
	return m.NDCG10
}

// none reports whether nothing was measured.
func (m Metrics) none() bool { return m.Listeners == 0 && m.Answers == nil }

// String is short, for logs and terminals.
func (m Metrics) String() string {
	if m.Answers != nil {
		return m.Answers.String()
	}
	return fmt.Sprintf("NDCG@10 %.4f ± %.4f, Recall@20 %.4f ± %.4f, coverage %.3f, %d listeners",
		m.NDCG10, m.NDCG10Error, m.Recall20, m.Recall20Error, m.Coverage, m.Listeners)
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
	r, err := rank(ctx, m, train, test, recallDepth, threads)
	if err != nil {
		return Metrics{}, err
	}
	return r.metrics(), nil
}

// ranking is what a model recommends to the listeners of a test, and what that is worth.
type ranking struct {
	rows    []int      // the listeners with something to find
	top     [][]Scored // of each, the best first
	gains   []float64  // NDCG@10 of each
	recalls []float64  // Recall@20 of each
	items   int
}

func rank(ctx context.Context, m Model, train, test *Matrix, depth, threads int) (*ranking, error) {
	if train.Rows() != test.Rows() || train.Columns > test.Columns {
		return nil, fmt.Errorf("ml: evaluate on %d × %d after %d × %d", test.Rows(), test.Columns, train.Rows(), train.Columns)
	}
	r := &ranking{items: train.Columns}
	for u := range test.Rows() {
		if test.Starts[u] < test.Starts[u+1] {
			r.rows = append(r.rows, u)
		}
	}
	return r, Recommend(ctx, m, train, r.rows, depth, threads, func(u int, top []Scored) error {
		want, _ := test.Row(u)
		r.add(slices.Clone(top), want)
		return nil
	})
}

func (r *ranking) add(top []Scored, want []int32) {
	gain, recall := rate(top[:min(recallDepth, len(top))], want)
	r.top, r.gains, r.recalls = append(r.top, top), append(r.gains, gain), append(r.recalls, recall)
}

func (r *ranking) metrics() Metrics {
	out := Metrics{Listeners: len(r.rows)}
	out.NDCG10, out.NDCG10Error = meanError(r.gains)
	out.Recall20, out.Recall20Error = meanError(r.recalls)
	seen, n := make([]bool, r.items), 0
	for _, top := range r.top {
		for _, t := range top[:min(gainDepth, len(top))] {
			if !seen[t.Item] {
				seen[t.Item] = true
				n++
			}
		}
	}
	out.Coverage = float64(n) / float64(max(1, r.items))
	return out
}

// meanError returns the mean of x and its standard error; 0 of too few.
func meanError(x []float64) (mean, standard float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 { //nolint:mnd // one has no spread
		return mean, 0
	}
	square := 0.0
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(square / float64(len(x)-1) / float64(len(x)))
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
