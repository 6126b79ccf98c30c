package neumf

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

// The gradient is what small changes of what is learned do to the loss.
func TestGradient(t *testing.T) {
	t.Parallel()
	heard, err := ml.NewMatrix(2, 6, []ml.Cell{{Row: 0, Col: 1, Weight: 1}, {Row: 0, Col: 2, Weight: 1}, {Row: 0, Col: 4, Weight: 1}, {Row: 1, Col: 3, Weight: 1}})
	require.NoError(t, err)
	d := &ml.Data{Listeners: []string{"a", "b"}, Items: []string{"0", "1", "2", "3", "4", "5"}, Heard: heard}
	f := newFit(d, options{factors: 3, hidden: 6, negatives: 3}, ml.FitOptions{Seed: 3})
	for i := range f.heard { // large enough for changes to be seen in single precision
		f.heard[i] *= 8
		f.vectors[i] *= 8
	}
	p := &f.parts[0]
	loss := func() float64 {
		turn(f.turned[0], f.w1, f.h1, 2*f.k)
		turn(f.turned[1], f.w2, f.h2, f.h1)
		p.loss, p.pairs = 0, 0
		clear(p.dense)
		for r := range p.rows {
			p.rows[r].reset()
		}
		f.learn(p, 0)
		f.learn(p, 1)
		return p.loss
	}
	loss()
	want := [3][]float64{}
	for r := range 2 {
		for item := range d.Items {
			for _, g := range p.rows[r].row(int32(item)) {
				want[r] = append(want[r], float64(g))
			}
		}
	}
	for _, g := range p.dense {
		want[2] = append(want[2], float64(g))
	}
	const step = 1e-2
	far, all := 0, 0
	for r, x := range f.all() {
		for i, old := range x {
			x[i] = old + step
			up := loss()
			x[i] = old - step
			down := loss()
			x[i] = old
			all++
			// Where a relu bends between the two, they say something else.
			if math.Abs((up-down)/(2*step)-want[r][i]) > 0.01*(0.1+math.Abs(want[r][i])) {
				far++
			}
		}
	}
	require.Less(t, far, all/20, "of %d", all)
}
