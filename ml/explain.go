package ml

import (
	"cmp"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// Explainer is a Model that can tell by itself which of the heard items speak for another.
type Explainer interface {
	Model
	// Explain returns the heard items that speak most for an item, the most first, at most n, with how much of its score each gives; those that speak against it give
	// less than 0.
	Explain(h Heard, item int32, n int) []Scored
}

// mostExplained is how many of the heard items, the heaviest, may be told as reasons where the model does not tell them itself.
const mostExplained = 32

// Explain returns what tells which of the heard items speak for another: the most first, at most n, with how much of its score each gives. It is for one goroutine, and
// keeps what it has worked out for the next item.
//
// An [Explainer] is asked. Of a [Blend] it is what the parts say, each as much as it counts in the score. For all others an item gives what the score would lose if the item had not been
// heard, the listener's vector or scores being made anew, and only the 32 heaviest are looked at. Where nothing that was heard makes a difference, as for popularity,
// what each gives is 0.
func Explain(m Model, h Heard) func(item int32, n int) []Scored {
	all := explained(m, h)
	return func(item int32, n int) []Scored {
		why := all(item)
		slices.SortStableFunc(why, func(a, b Scored) int { return cmp.Compare(b.Score, a.Score) })
		return why[:max(0, min(n, len(why)))]
	}
}

// explained is Explain with all that is known, in no order.
func explained(m Model, h Heard) func(item int32) []Scored {
	switch m := m.(type) {
	case Explainer:
		return func(item int32) []Scored { return m.Explain(h, item, len(h.Items)) }
	case *Blend:
		return m.explained(h)
	case Factored:
		_, k := m.Factors()
		return leftOut(h, k, m.Vector, func(v []float32, item int32) float32 {
			rows, _ := m.Factors()
			return vector.Dot(v, rows[int(item)*k:(int(item)+1)*k])
		})
	default:
		return leftOut(h, len(m.Items()), m.Scores, func(scores []float32, item int32) float32 { return scores[item] })
	}
}

// leftOut returns what tells how much lower a score would be without each of the heaviest heard items. make makes a listener's state, of so many numbers, and score reads the
// score of an item from it.
func leftOut(h Heard, size int, state func(dst []float32, h Heard), score func(state []float32, item int32) float32) func(item int32) []Scored {
	var with []float32
	var without [][]float32
	order := heaviest(h)
	return func(item int32) []Scored {
		if with == nil {
			with = make([]float32, size)
			state(with, h)
			without = make([][]float32, len(order))
			for n, i := range order {
				without[n] = make([]float32, size)
				state(without[n], Heard{
					Listener: -1, Items: slices.Delete(slices.Clone(h.Items), i, i+1), Weights: slices.Delete(slices.Clone(h.Weights), i, i+1),
				})
			}
		}
		why := make([]Scored, len(order))
		for n, i := range order {
			why[n] = Scored{h.Items[i], score(with, item) - score(without[n], item)}
		}
		return why
	}
}

// heaviest returns the places of the heaviest heard items.
func heaviest(h Heard) []int {
	order := make([]int, len(h.Items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(h.Weights[b], h.Weights[a]) })
	return order[:min(mostExplained, len(order))]
}

// explained adds up what the parts say.
func (b *Blend) explained(h Heard) func(item int32) []Scored {
	parts := make([]func(item int32) []Scored, len(b.parts))
	shares := make([]float64, len(b.parts))
	scores := make([]float32, len(b.Items()))
	for i, m := range b.parts {
		parts[i] = explained(m, h)
		m.Scores(scores, h)
		_, scale := standard(scores, h.Items)
		shares[i] = b.weights[i] * scale
	}
	return func(item int32) []Scored {
		sums := map[int32]float64{}
		for i, part := range parts {
			for _, w := range part(item) {
				sums[w.Item] += shares[i] * float64(w.Score)
			}
		}
		why := make([]Scored, 0, len(sums))
		for _, heard := range h.Items { // in their order, so that it is the same each time
			if sum, said := sums[heard]; said {
				why = append(why, Scored{heard, float32(sum)})
			}
		}
		return why
	}
}
