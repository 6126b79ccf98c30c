package bpr

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

// A listener's vector is what the steps come to when each is made as it is written down, one after the other.
func TestVectorStepByStep(t *testing.T) {
	t.Parallel()
	const items, k = 300, 21
	r := rand.New(rand.NewPCG(1, 1))
	for _, o := range []options{{epochs: 3, rate: 0.05, regularization: 0.01}, {epochs: 400, rate: 0.05, regularization: 3}, {epochs: 100, rate: 0.01, regularization: 0.003}} {
		o.factors = k
		m := &Model{options: o, rows: make([]float32, items*(k+1))}
		for i := range m.rows {
			m.rows[i] = float32(r.NormFloat64())
		}
		for range 1000 {
			m.drawn = append(m.drawn, int32(r.IntN(items)))
		}
		h := ml.Heard{Listener: -1}
		for i := range 40 {
			h.Items, h.Weights = append(h.Items, int32(i*7)), append(h.Weights, 1)
		}
		got := make([]float32, k+1)
		m.Vector(got, h)

		draws := rand.NewPCG(salt, 40)
		whole := 40 * o.epochs
		steps := min(whole, mostSteps)
		rate := math.Min(float64(o.rate)*float64(whole)/float64(steps), longestStep)
		want := make([]float64, k)
		for i := range steps {
			liked, other := h.Items[i%40], m.drawn[below(draws, len(m.drawn))]
			if has(h.Items, other) {
				continue
			}
			y, z := m.rows[int(liked)*(k+1):], m.rows[int(other)*(k+1):]
			score := float64(y[k]) - float64(z[k])
			for j, x := range want {
				score += x * (float64(y[j]) - float64(z[j]))
			}
			pull := rate / (1 + math.Exp(score))
			for j := range want {
				want[j] = want[j]*(1-rate*float64(o.regularization)) + pull*(float64(y[j])-float64(z[j]))
			}
		}
		require.InDelta(t, 1, got[k], 0)
		for j, x := range want {
			require.InDelta(t, x, got[j], 2e-3*(1+math.Abs(x)), "factor %d with %+v", j, o)
		}
	}
}
