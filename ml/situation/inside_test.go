package situation

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func TestScale(t *testing.T) {
	t.Parallel()
	var x []float64
	for i := range 1000 {
		x = append(x, math.Exp(float64(i%100)/10))
	}
	s, worth := newScale(append([]float64(nil), x...))
	require.True(t, worth)
	mean, square := 0.0, 0.0
	for _, v := range x {
		z := s.of(v)
		mean, square = mean+z/1000, square+z*z/1000
	}
	require.InDelta(t, 0, mean, 0.05)
	require.InDelta(t, 1, square, 0.1, "whatever the tail is")
	require.Equal(t, s.of(1), s.of(-5), "what is beyond is like the farthest")
	require.Equal(t, s.of(math.Exp(9.9)), s.of(1e9))
	require.Less(t, s.of(2.05), s.of(2.2))

	_, worth = newScale([]float64{3, 3, 3})
	require.False(t, worth)
	_, worth = newScale(nil)
	require.False(t, worth)
}

// A moment that is unknown is the mean of those that are known, so that it says nothing.
func TestReadingsHaveMeanZero(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(5, 5, 400, 1, 1)
	e := newEncoder(d)
	require.NoError(t, e.check())
	sums := make([]float64, e.Size)
	for _, a := range d.Answers {
		for i, x := range e.moment(a.Moment) {
			sums[i] += x
		}
	}
	for i, sum := range sums {
		require.InDelta(t, 0, sum/400, 1e-9, "number %d", i)
	}
	require.Equal(t, amountSize+cycleSize+3, e.Size)
}

// A design that is too large to be kept gives the same weights.
func TestDesignMadeAnew(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(5, 5, 50, 1, 1)
	f := &fitting{e: newEncoder(d)}
	s := f.sample(d)
	l := newLayout(f.e, nil)
	kept, anew := &design{layout: l, s: s, skip: never}, &design{layout: l, s: s, skip: never}
	kept.keep()
	for i := range s.rows {
		require.Equal(t, *kept.row(i), *anew.row(i))
	}
	require.NotNil(t, kept.kept)
}

// The gradient of the loss is 0 at the weights that are found.
func TestLogisticIsAtItsOptimum(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(8, 10, 300, 2, 1)
	f := &fitting{e: newEncoder(d)}
	s := f.sample(d)
	l, err := fitLinear(context.Background(), f.e, s, blockVariances)
	require.NoError(t, err)
	penalty := l.penalties(&blockVariances)
	gradient := make([]float64, len(l.weights))
	for i := range s.rows {
		var c columns
		l.read(&c, &s.rows[i], never)
		g := s.targets[i] - logistic(l.logit(&s.rows[i]))
		for k, at := range c.at {
			gradient[at] += g * c.x[k]
		}
	}
	for c, g := range gradient {
		require.InDelta(t, g, penalty[c]*float64(l.weights[c]), 0.02, "weight %d", c)
	}
}

func TestSolve3(t *testing.T) {
	t.Parallel()
	full, b := [3][3]float64{{4, 2, 1}, {2, 5, 3}, {1, 3, 6}}, [3]float64{1, -2, 3}
	x := solve3(full, b)
	for i := range 3 {
		require.InDelta(t, b[i], full[i][0]*x[0]+full[i][1]*x[1]+full[i][2]*x[2], 1e-12)
	}
}

// A file that says what cannot be is refused.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(5, 6, 80, 1, 1)
	for _, a := range Algorithms() {
		m, err := a.Fit(t.Context(), d, ml.Values{"folds": "2"}, ml.FitOptions{})
		require.NoError(t, err)
		file := m.Tensors()
		for what, spoil := range map[string]func(e *encoder){
			"size":     func(e *encoder) { e.Size++ },
			"from":     func(e *encoder) { e.Readings[1].From++ },
			"mean":     func(e *encoder) { e.Readings[1].Mean = nil },
			"period":   func(e *encoder) { e.Readings[1].Period = 0 },
			"words":    func(e *encoder) { e.Readings[2].Words = []string{"z", "b", "a"} },
			"scale":    func(e *encoder) { e.Readings[0].Scale.To = nil },
			"features": func(e *encoder) { e.Scales = e.Scales[1:] },
			"knots":    func(e *encoder) { e.Scales[0].At = nil },
			"nobody":   func(e *encoder) { e.Listeners = -1 },
		} {
			var e encoder
			require.NoError(t, json.Unmarshal([]byte(file.Meta[metaEncoder]), &e))
			spoil(&e)
			text, err := json.Marshal(&e)
			require.NoError(t, err)
			bad := &safetensors.File{Meta: map[string]string{metaAlgorithm: a.Name(), metaEncoder: string(text), metaFacts: file.Meta[metaFacts]}, Tensors: file.Tensors}
			_, err = a.Open(bad)
			require.ErrorIs(t, err, safetensors.ErrDamaged, what)
		}
		for name, change := range map[string]func(x []int32){
			"tags.lengths": func(x []int32) { x[0] = -1 },
			"tags.all":     func(x []int32) { x[0] = 99 },
			"with/nodes":   func(x []int32) { x[0], x[2] = 0, 0 },
			"with/roots":   func(x []int32) { x[0] = -1 },
			"without/nodes": func(x []int32) { // all inner nodes have the same children
				last := int32(len(x)/3 - 2)
				for i := range x {
					if i%3 == 2 && x[i-2] >= 0 {
						x[i] = last
					}
				}
			},
		} {
			bad := &safetensors.File{Meta: file.Meta}
			found := false
			for _, tensor := range file.Tensors {
				if tensor.Name == name {
					x := append([]int32(nil), tensor.Ints()...)
					change(x)
					tensor = safetensors.Ints(name, x, tensor.Shape...)
					found = true
				}
				bad.Tensors = append(bad.Tensors, tensor)
			}
			if found {
				_, err = a.Open(bad)
				require.ErrorIs(t, err, safetensors.ErrDamaged, name)
			}
		}
		for name, change := range map[string]func(x []float32) []float32{
			"without/length": func(x []float32) []float32 { x[0] = 0; return x },
			"with/moments":   func(x []float32) []float32 { x[2] = float32(math.NaN()); return x },
			"with/landmarks": func(x []float32) []float32 { x[1] = float32(math.Inf(1)); return x },
			"with/centers":   func(x []float32) []float32 { return x[1:] },
			"with/weights":   func(x []float32) []float32 { return x[1:] },
		} {
			at := slices.IndexFunc(file.Tensors, func(t safetensors.Tensor) bool { return t.Name == name })
			if at < 0 {
				continue
			}
			bad := &safetensors.File{Meta: file.Meta, Tensors: slices.Clone(file.Tensors)}
			x := change(slices.Clone(bad.Tensors[at].Floats()))
			shape := slices.Clone(bad.Tensors[at].Shape)
			if len(shape) == 1 {
				shape[0] = len(x)
			}
			bad.Tensors[at] = safetensors.Floats(name, x, shape...)
			_, err = a.Open(bad)
			require.ErrorIs(t, err, safetensors.ErrDamaged, name)
		}
		bad := &safetensors.File{Meta: map[string]string{metaAlgorithm: a.Name(), metaEncoder: "{", metaFacts: "{}"}, Tensors: file.Tensors}
		_, err = a.Open(bad)
		require.ErrorIs(t, err, safetensors.ErrDamaged)
	}
}

// What is worked out for a listener and a moment says what is said of each row.
func TestBind(t *testing.T) {
	t.Parallel()
	d := mltest.PlantedAnswers(8, 10, 200, 2, 1)
	for _, a := range Algorithms() {
		fitted, err := a.Fit(t.Context(), d, ml.Values{"folds": "2"}, ml.FitOptions{})
		require.NoError(t, err)
		m, _ := fitted.(*Model)
		unknown := m.item(ml.Item{Tags: []string{"rock", "rock", "polka"}, Features: map[string]float64{"energy": 2}})
		for i := range d.Answers {
			x := &d.Answers[i]
			for _, r := range []row{
				{x.Listener, &m.encoder.items[x.Item], m.moment(x.Moment)},
				{x.Listener, &m.encoder.items[x.Item], nil},
				{-1, &m.encoder.items[x.Item], m.moment(x.Moment)},
				{x.Listener, &unknown, m.moment(x.Moment)},
			} {
				for _, p := range m.parts {
					bound := p.bind(r.listener, r.moment)
					bound(&unknown) // leaves nothing behind
					require.InDelta(t, p.logit(&r), bound(r.item), 1e-9)
				}
			}
		}
	}
}
