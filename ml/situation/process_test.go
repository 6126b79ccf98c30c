package situation

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// With a landmark for each item the process is the one of the textbook (Rasmussen and Williams, algorithm 3.1), which has as many unknowns as answers and knows of no weights.
func TestProcessIsTheExactOne(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(6, 12, 90, 1, 1)
	for i := range d.Answers {
		d.Answers[i].Aside = i%7 == 0
	}
	f := &fitting{e: newEncoder(d)}
	s := f.sample(d)
	v := partVariances
	p, err := fitProcess(t.Context(), f.e, s, false, processOptions{v, 1.4, 1000})
	require.NoError(t, err)

	is := func(same bool) float64 {
		if same {
			return 1
		}
		return 0
	}
	kernel := func(a, b int) float64 {
		x, y := &s.rows[a], &s.rows[b]
		u, i, tag := is(x.listener == y.listener), is(x.item == y.item), is(x.item.tags[0] == y.item.tags[0])
		aside, about := is(s.aside[a] && s.aside[b]), p.alike(x.item.numbers, y.item.numbers)
		return v[inIntercept] + v[inSetting]*aside + v[inSettingListener]*aside*u + v[inListener]*u + v[inItem]*i + v[inTag]*tag + v[inArtist]*is(x.item.artists[0] == y.item.artists[0]) +
			v[inAbout]*about + v[inPair]*u*i + v[inListenerTag]*u*tag + v[inListenerAbout]*u*about
	}
	n := len(s.rows)
	k := make([]float64, n*n)
	for a := range n {
		for b := range n {
			k[a*n+b] = kernel(a, b)
		}
	}
	times := func(x []float64) []float64 {
		out := make([]float64, n)
		for a := range n {
			for b := range n {
				out[a] += k[a*n+b] * x[b]
			}
		}
		return out
	}
	at := make([]float64, n)
	for range 20 {
		root, b, lower := make([]float64, n), make([]float64, n), vector.NewLower(n)
		for i := range n {
			q := logistic(at[i])
			root[i] = math.Sqrt(q * (1 - q))
			b[i] = q*(1-q)*at[i] + s.targets[i] - q
		}
		for i := range n {
			for j := range i + 1 {
				lower.Row(i)[j] = root[i] * k[i*n+j] * root[j]
			}
			lower.Row(i)[i]++
		}
		require.True(t, lower.Factor())
		c := times(b)
		for i := range c {
			c[i] *= root[i]
		}
		lower.Solve(c, 0)
		lower.SolveTransposed(c)
		for i := range c {
			b[i] -= root[i] * c[i]
		}
		at = times(b)
	}
	rows, err := p.design(t.Context(), &s, v)
	require.NoError(t, err)
	weights := make([]float64, len(p.weights))
	for c, w := range p.weights {
		weights[c] = float64(w)
	}
	for i := range n {
		require.InDelta(t, at[i], rows[i].dot(weights), 0.02, "answer %d", i)
		if !s.aside[i] {
			none := s.rows[i]
			none.moment = nil
			require.InDelta(t, rows[i].dot(weights), p.logit(&none), 1e-3, "what is kept says the same as what was fitted")
		}
	}
}

// Landmarks are as many as are needed and no more, and none twice.
func TestPivots(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	x := make([][]float64, 300)
	for i := range x {
		x[i] = []float64{r.NormFloat64(), r.NormFloat64()}
	}
	linear := func(i, j int) float64 { return x[i][0]*x[j][0] + x[i][1]*x[j][1] }
	require.Len(t, pivots(300, 50, r, linear), 2, "two numbers span all")
	square := func(i, j int) float64 { return math.Exp(-(linear(i, i) + linear(j, j) - 2*linear(i, j)) / 0.02) }
	got := pivots(300, 50, r, square)
	require.Len(t, got, 50)
	require.Len(t, slices.Compact(slices.Clone(got)), 50)
	require.Empty(t, pivots(0, 50, r, square))
	require.Equal(t, []int{0}, pivots(1, 50, r, func(int, int) float64 { return 1 }))
	require.Len(t, some(10*pivotsOf), pivotsOf)
}

// A value that is unknown is as like to a landmark as the landmarks are on the mean, so what is unknown moves less than what is known, and nothing where all is.
func TestUnknownIsTheMean(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(6, 12, 300, 2, 1)
	f := &fitting{e: newEncoder(d)}
	s := f.sample(d)
	p, err := fitProcess(t.Context(), f.e, s, true, processOptions{partVariances, 1.4, 20})
	require.NoError(t, err)
	require.Len(t, p.centers, 20)
	noise := &p.e.Readings[0]
	share := p.share()
	for j, landmark := range p.now.points {
		require.True(t, known(landmark, noise), "a landmark knows all")
		mean := 0.0
		for _, other := range p.now.points {
			far, _ := apart(noise, other, landmark)
			mean += math.Exp(-far*share) / 20
		}
		require.InDelta(t, mean, p.unknown[0][j], 1e-12)
		k := make([]float64, 20)
		p.kernels(k, without(landmark, noise))
		require.InDelta(t, mean, k[j]+float64(p.centers[j]), 1e-12, "all else is the same")
		p.kernels(k, landmark)
		require.InDelta(t, 1, k[j]+float64(p.centers[j]), 1e-12)
	}
	sums, k := make([]float64, 20), make([]float64, 20)
	for i := range s.rows {
		if s.rows[i].moment == nil {
			continue
		}
		p.kernels(k, s.rows[i].moment)
		add(sums, k)
	}
	for _, sum := range sums {
		require.InDelta(t, 0, sum, 1e-4, "moments move nothing on the mean")
	}
}

// The gradient of the posterior is 0 at the weights that are found, with the moment, too, whose numbers share the variance of their part.
func TestProcessIsAtItsOptimum(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(6, 12, 300, 2, 1)
	f := &fitting{e: newEncoder(d)}
	s := f.sample(d)
	v := partVariances
	p, err := fitProcess(t.Context(), f.e, s, true, processOptions{v, 1.4, 20})
	require.NoError(t, err)
	rows, err := p.design(t.Context(), &s, v)
	require.NoError(t, err)
	weights, gradient := make([]float64, len(p.weights)), make([]float64, len(p.weights))
	for c, w := range p.weights {
		weights[c] = float64(w)
	}
	for i := range rows {
		logit := rows[i].dot(weights)
		rows[i].addTo(gradient, s.targets[i]-logistic(logit))
		require.InDelta(t, logit, p.logit(&s.rows[i]), 1e-3)
	}
	numbers := float64(amountSize + cycleSize + 3) // and three places
	share := map[int]float64{inMoment: numbers, inMomentAbout: 2 * numbers}
	for part := range parts {
		for c := p.starts[part]; c < p.starts[part+1]; c++ {
			require.InDelta(t, gradient[c], weights[c]*max(1, share[part])/v[part], 0.03, "part %d", part)
		}
	}
}
