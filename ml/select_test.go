package ml_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func small() []ml.Algorithm {
	return []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}, als.Algorithm{}}
}

// timeless is a Selection without what the clock has a part in.
func timeless(t *testing.T, s *ml.Selection) string {
	t.Helper()
	c := *s
	c.Seconds, c.Trials = 0, slices.Clone(s.Trials)
	for i := range c.Trials {
		c.Trials[i].FitSeconds, c.Trials[i].ScoreSeconds = 0, 0
	}
	text, err := json.MarshalIndent(c, "", " ")
	require.NoError(t, err)
	return string(text)
}

func TestSelectIsRepeatableAndFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(160, 96, 4, 1)
	o := ml.SelectOptions{Algorithms: small(), Trials: 14, Seed: 3, Threads: 2}
	var told []ml.SelectProgress
	o.Progress = func(p ml.SelectProgress) { told = append(told, p) }
	s, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	o.Threads, o.Progress = 1, nil
	again, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.Equal(t, timeless(t, s), timeless(t, again))
	o.Seed = 4
	other, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.NotEqual(t, timeless(t, s), timeless(t, other))

	require.GreaterOrEqual(t, len(s.Trials), 14)
	for i, a := range small() {
		require.Equal(t, a.Name(), s.Trials[i].Algorithm, "the defaults come first, in the order given")
		require.Empty(t, s.Trials[i].Values)
	}
	seen := map[string]bool{}
	for i, x := range s.Trials {
		require.Equal(t, i+1, x.Number)
		key := x.Algorithm + fmt.Sprint(x.Values)
		require.False(t, seen[key], "%s is tried twice", key)
		seen[key] = true
	}
	require.Equal(t, "as many trials as were allowed", s.Ended)
	best := s.Trials[s.Best]
	require.NotEqual(t, "popular", best.Algorithm)
	require.Greater(t, best.Metrics.NDCG10, 1.2*s.Trials[0].Metrics.NDCG10)
	require.Contains(t, s.Reason, best.Algorithm)
	ended := 0
	for _, p := range told {
		if p.Ended != nil {
			ended++
			require.Equal(t, ended, p.Trial)
		}
	}
	require.Equal(t, len(s.Trials), ended)

	// The chosen model is what was measured, and can be fitted again.
	a, v := s.Chosen()
	m, err := a.Fit(t.Context(), d, v, ml.FitOptions{Seed: best.Seed})
	require.NoError(t, err)
	require.Equal(t, best.Algorithm, m.Algorithm())
	if s.Model() != nil && best.Parts == nil {
		train, valid := d.Split(3, 0)
		got, err := ml.Evaluate(t.Context(), s.Model(), train.Heard, valid, 1)
		require.NoError(t, err)
		require.Equal(t, best.Metrics, got)
	}
}

func TestSelectBlends(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(300, 96, 4, 2)
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{
		Algorithms: []ml.Algorithm{rp3beta.Algorithm{}, itemknn.Algorithm{}, als.Algorithm{}}, Trials: 3, Seed: 1,
		Fixed: map[string]ml.Values{"als": {"factors": "8", "regularization": "1"}},
	})
	require.NoError(t, err)
	require.Equal(t, ml.Values{"factors": "8", "regularization": "1"}, s.Trials[2].Values)
	i := slices.IndexFunc(s.Trials, func(x ml.Trial) bool { return x.Algorithm == "blend" })
	require.Equal(t, 3, i, s)
	blend := s.Trials[i]
	sum, bytes := 0.0, int64(0)
	for _, p := range blend.Parts {
		sum += p.Weight
		bytes += s.Trials[p.Trial-1].Bytes
	}
	require.InDelta(t, 1, sum, 1e-9)
	require.Equal(t, bytes, blend.Bytes)
	require.Equal(t, s.Trials[0].Metrics.Listeners, blend.Metrics.Listeners)
	require.Contains(t, s.String(), "of trial")
	s, err = ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: small(), Trials: 3, NoBlend: true})
	require.NoError(t, err)
	require.Len(t, s.Trials, 3)
}

// The best of a search are measured on a second holdout, and chosen by both.
func TestSelectConfirmsFinalists(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(300, 96, 4, 2)
	o := ml.SelectOptions{Algorithms: []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}, rp3beta.Algorithm{}}, Trials: 16, Seed: 1}
	s, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	of := map[string]int{}
	mean := func(x *ml.Trial) float64 { return (x.Metrics.NDCG10 + x.Second.NDCG10) / 2 }
	for i := range s.Trials {
		x := &s.Trials[i]
		if x.Second == nil {
			continue
		}
		of[x.Algorithm]++
		require.Positive(t, x.Second.Listeners)
		require.NotEqual(t, x.Metrics, *x.Second)
		require.LessOrEqual(t, mean(x), mean(&s.Trials[s.Best])+0.005, "none is better by more than nothing")
	}
	for _, name := range []string{"itemknn", "rp3beta"} {
		require.Positive(t, of[name], s)
		require.LessOrEqual(t, of[name], 3, s)
	}
	require.Equal(t, 3, max(of["itemknn"], of["rp3beta"]), s)
	best := s.Trials[s.Best]
	require.NotNil(t, best.Second)
	require.Contains(t, s.Reason, fmt.Sprintf("and %.4f of a second holdout", best.Second.NDCG10))
	require.Contains(t, s.String(), fmt.Sprintf("  %.4f  ", best.Second.NDCG10))
	if b := slices.IndexFunc(s.Trials, func(x ml.Trial) bool { return x.Algorithm == "blend" }); b >= 0 {
		require.NotNil(t, s.Trials[b].Second, "a blend is measured on both, too")
	}
	// What a finalist is measured by is what it did not see.
	train, _ := d.Split(1, 0)
	a, v := s.Chosen()
	if best.Parts == nil {
		require.Equal(t, best.Values, v)
		_, err = a.Fit(t.Context(), train, v, ml.FitOptions{Seed: best.Seed})
		require.NoError(t, err)
	}

	o.OneHoldout = true
	s, err = ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	for _, x := range s.Trials {
		require.Nil(t, x.Second)
	}
	// Tried once each, nothing was best by luck.
	s, err = ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: o.Algorithms, Trials: 3, Seed: 1})
	require.NoError(t, err)
	for _, x := range s.Trials {
		require.Nil(t, x.Second)
	}
}

// An algorithm's best is another if the first was so by luck only: it is that on both holdouts which is chosen, fitted again.
func TestSelectIsNotTakenInByLuck(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(200, 96, 4, 2)
	train, valid := d.Split(1, 0)
	var fits []string
	lucky := script{name: "lucky", params: []ml.Parameter{{Name: "luck", Choices: []string{"none", "some"}}}, fit: func(_ context.Context, on *ml.Data, v ml.Values, _ ml.FitOptions) (ml.Model, error) {
		fits = append(fits, v["luck"])
		m := oracle{name: "lucky", items: on.Items, valid: d.Heard, share: 0.66}
		if v["luck"] == "some" { // it knows the first holdout, and nothing else
			m.valid, m.share = valid, 0.7
		}
		return m, nil
	}}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{lucky}, Trials: 2, Seed: 1, NoBlend: true})
	require.NoError(t, err)
	require.Greater(t, s.Trials[1].Metrics.NDCG10, s.Trials[0].Metrics.NDCG10)
	require.NotNil(t, s.Trials[0].Second, s)
	require.Less(t, s.Trials[1].Second.NDCG10, s.Trials[0].Second.NDCG10)
	require.Equal(t, 0, s.Best, s)
	require.Equal(t, oracle{name: "lucky", items: train.Items, valid: d.Heard, share: 0.66}, s.Model(), "fitted again")
	require.Equal(t, []string{"", "some", "some", "", ""}, fits, "two on the first holdout, the best first on the second, and the new best again")
}

// Smaller models are made of the best factored one, and told of with what they lose.
func TestSelectDistills(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(300, 96, 4, 2)
	o := ml.SelectOptions{
		Algorithms: []ml.Algorithm{popular.Algorithm{}, als.Algorithm{}}, Trials: 4, Seed: 1, NoBlend: true, Distill: distill.Algorithm{},
		Fixed: map[string]ml.Values{"als": {"factors": "40", "regularization": "2", "weight": "binary"}},
	}
	s, err := ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	var factors []string
	for i, x := range s.Trials {
		if x.Algorithm != "distill" {
			require.Zero(t, x.Teacher)
			continue
		}
		factors = append(factors, x.Values["factors"])
		teacher := s.Trials[x.Teacher-1]
		require.Equal(t, "als", teacher.Algorithm)
		require.InDelta(t, teacher.Metrics.NDCG10-x.Metrics.NDCG10, x.Loss, 1e-12)
		require.Less(t, x.Bytes, teacher.Bytes)
		require.Greater(t, x.FitSeconds, teacher.FitSeconds)
		require.NotNil(t, x.Second)
		require.Contains(t, x.Note(), fmt.Sprintf("made of trial %d", x.Teacher))
		require.Equal(t, i+1, x.Number)
		require.Equal(t, "40", x.Values["teacher-factors"])
	}
	require.Equal(t, []string{"20", "10", "5"}, factors, s)
	best := s.Trials[s.Best]
	require.Equal(t, "distill", best.Algorithm, "four groups need no forty factors: %v", s)
	a, v := s.Chosen()
	train, valid := d.Split(1, 0)
	m, err := a.Fit(t.Context(), train, v, ml.FitOptions{Seed: best.Seed})
	require.NoError(t, err)
	got, err := ml.Evaluate(t.Context(), m, train.Heard, valid, 1)
	require.NoError(t, err)
	require.InDelta(t, best.Metrics.NDCG10, got.NDCG10, 1e-9, "fitted again it is the same")
	require.Equal(t, s.Model().Tensors(), m.Tensors())

	// A blend is made of what was fitted, not of what was made of that.
	o.NoBlend, o.Algorithms = false, []ml.Algorithm{itemknn.Algorithm{}, als.Algorithm{}}
	s, err = ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(s.Trials, func(x ml.Trial) bool { return x.Algorithm == "distill" }))
	for _, x := range s.Trials {
		for _, part := range x.Parts {
			require.NotEqual(t, "distill", s.Trials[part.Trial-1].Algorithm)
		}
	}
	o.NoBlend = true

	// Nothing of no factors is made smaller, and what cannot be is told of.
	o.Algorithms, o.Fixed = []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}}, nil
	s, err = ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(s.Trials, func(x ml.Trial) bool { return x.Algorithm == "distill" }))
	o.Algorithms, o.Distill = []ml.Algorithm{als.Algorithm{}}, clumsy{}
	s, err = ml.Select(t.Context(), d, o)
	require.NoError(t, err)
	require.Equal(t, "it fell", s.Trials[len(s.Trials)-1].Error)
}

// clumsy makes no student.
type clumsy struct{ distill.Algorithm }

func (clumsy) Student(context.Context, ml.Factored, *ml.Data, int, ml.FitOptions) (ml.Model, error) {
	return nil, errors.New("it fell")
}

// script is an algorithm whose models and failures are as told.
type script struct {
	popular.Algorithm
	name   string
	params []ml.Parameter
	fit    func(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error)
}

func (s script) Name() string               { return s.name }
func (s script) Parameters() []ml.Parameter { return s.params }
func (s script) Fit(ctx context.Context, d *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
	return s.fit(ctx, d, v, o)
}

// oracle knows what is to be found, and puts it first for a share of the listeners.
type oracle struct {
	name  string
	items []string
	valid *ml.Matrix
	share float64
	bytes int
}

func (m oracle) Algorithm() string { return m.name }
func (m oracle) Items() []string   { return m.items }
func (m oracle) Scores(dst []float32, h ml.Heard) {
	for i := range dst {
		dst[i] = -float32(i)
	}
	if float64(h.Listener) < m.share*float64(m.valid.Rows()) {
		cols, _ := m.valid.Row(h.Listener)
		for _, c := range cols {
			dst[c] = 1
		}
	}
}

func (m oracle) Tensors() *safetensors.File {
	return &safetensors.File{Tensors: []safetensors.Tensor{safetensors.Ints("x", make([]int32, m.bytes/4), m.bytes/4)}}
}

// sized is a script that is tried with two sizes.
type sized struct{ script }

func (sized) Starts() []ml.Values { return []ml.Values{{"size": "400"}} }

// A smaller trial of the same algorithm that is no different from its best is chosen with its model, though that was not the one kept.
func TestSelectHasTheModelOfASmallerTrial(t *testing.T) {
	t.Parallel()
	d, valid := mltest.Split(mltest.Planted(100, 60, 4, 1), 1)
	for name, c := range map[string]struct {
		fails int // the fit that fails, from 1 on
		want  int // bytes of the model
	}{"fitted again": {0, 400}, "cannot be fitted again": {3, 1000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fits := 0
			params := []ml.Parameter{{Name: "size", Default: 1000, Min: 4, Max: 1000, From: 4, To: 1000, Whole: true}}
			a := sized{script{name: "sized", params: params, fit: func(_ context.Context, _ *ml.Data, v ml.Values, _ ml.FitOptions) (ml.Model, error) {
				if fits++; fits == c.fails {
					return nil, errors.New("it fell")
				}
				return oracle{"sized", d.Items, valid, 0.8, int(v.Number(params, "size"))}, nil
			}}}
			s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{a}, Trials: 2, Valid: valid, NoBlend: true, OneHoldout: true})
			require.NoError(t, err)
			require.NotNil(t, s.Model(), s.Reason)
			require.EqualValues(t, c.want, s.Trials[s.Best].Bytes)
			require.Len(t, s.Model().Tensors().Tensors[0].Data, c.want)
			_, values := s.Chosen()
			require.Equal(t, s.Trials[s.Best].Values, values)
		})
	}
}

func TestSelectPrefersTheSmallerOfEquals(t *testing.T) {
	t.Parallel()
	d, valid := mltest.Split(mltest.Planted(100, 60, 4, 1), 1)
	knows := func(name string, share float64, bytes int) ml.Algorithm {
		return script{name: name, fit: func(context.Context, *ml.Data, ml.Values, ml.FitOptions) (ml.Model, error) {
			return oracle{name, d.Items, valid, share, bytes}, nil
		}}
	}
	for name, c := range map[string]struct {
		others []ml.Algorithm
		want   string
	}{
		"much better":            {[]ml.Algorithm{knows("worse", 0.3, 4)}, "large"},
		"equal and smaller":      {[]ml.Algorithm{knows("small", 0.8, 400)}, "small"},
		"equal, hardly smaller":  {[]ml.Algorithm{knows("small", 0.8, 600)}, "large"},
		"the smallest of equals": {[]ml.Algorithm{knows("small", 0.8, 400), knows("tiny", 0.8, 40), knows("worse", 0.5, 4)}, "tiny"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ml.Select(t.Context(), d, ml.SelectOptions{
				Algorithms: append([]ml.Algorithm{knows("large", 0.8, 1000)}, c.others...), Trials: 9, Valid: valid, NoBlend: true,
			})
			require.NoError(t, err)
			require.Equal(t, c.want, s.Trials[s.Best].Algorithm, s.Reason)
			require.Equal(t, "given", s.Split)
			require.Equal(t, "nothing new to try", s.Ended)
			require.Equal(t, c.want, s.Model().Algorithm())
			if c.want != "large" {
				require.Contains(t, s.Reason, "no different from the first, large")
			}
		})
	}
}

func TestSelectGoesOnAfterFailures(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	broken := script{name: "broken", fit: func(context.Context, *ml.Data, ml.Values, ml.FitOptions) (ml.Model, error) {
		return nil, errors.New("no\nluck")
	}}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{broken, popular.Algorithm{}}, Trials: 9})
	require.NoError(t, err)
	require.Equal(t, "no\nluck", s.Trials[0].Error)
	require.Equal(t, "popular", s.Trials[s.Best].Algorithm)
	require.Equal(t, "nothing new to try", s.Ended, "popular has three weights")
	board := s.Leaderboard()
	require.Equal(t, 0, board[len(board)-1])
	require.Contains(t, s.String(), "failed: no luck")

	s, err = ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{broken}, Trials: 9})
	require.ErrorContains(t, err, "broken: no\nluck")
	require.Equal(t, -1, s.Best)
	require.Nil(t, s.Model())
	require.Contains(t, s.String(), "No trial")

	// A model whose factors are no numbers cannot be measured, which is a failure like others.
	nan := script{name: "nan", fit: func(ctx context.Context, d *ml.Data, _ ml.Values, o ml.FitOptions) (ml.Model, error) {
		m, err := als.Algorithm{}.Fit(ctx, d, nil, o)
		if err == nil {
			rows, _ := m.(ml.Factored).Factors()
			rows[0] = float32(math.NaN())
		}
		return m, err
	}}
	s, err = ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{nan}, Trials: 1})
	require.ErrorContains(t, err, "cannot be searched")
	require.Len(t, s.Trials, 1)
}

// steady is fitted in eight steps, and its models are as good as its parameter says, from the first on.
func steady(d *ml.Data, valid *ml.Matrix, reached map[string]int) script {
	p := []ml.Parameter{{Name: "share", Doc: "of listeners", Default: 0.9, Max: 1, To: 1}}
	return script{name: "steady", params: p, fit: func(ctx context.Context, _ *ml.Data, v ml.Values, o ml.FitOptions) (ml.Model, error) {
		m := oracle{"steady", d.Items, valid, v.Number(p, "share"), 8}
		for step := 1; step <= 8; step++ {
			reached[v["share"]] = step
			if err := o.Watched(step, 8, func() ml.Model { return m }); err != nil {
				return nil, err
			}
		}
		return m, ctx.Err()
	}}
}

func TestSelectGivesUpHopelessTrials(t *testing.T) {
	t.Parallel()
	d, valid := mltest.Split(mltest.Planted(100, 60, 4, 1), 1)
	reached := map[string]int{}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{steady(d, valid, reached)}, Trials: 20, Valid: valid})
	require.NoError(t, err)
	given := 0
	for _, x := range s.Trials {
		require.Equal(t, 2, x.Steps[0].Step, "nothing is said in the first quarter")
		if x.Done() {
			require.Equal(t, 8, reached[x.Values["share"]])
			continue
		}
		given++
		last := x.Steps[len(x.Steps)-1].Step
		require.Equal(t, last, reached[x.Values["share"]])
		require.Contains(t, x.Stopped, fmt.Sprintf("after step %d of 8", last))
		require.Less(t, x.Steps[0].NDCG10, s.Trials[s.Best].Metrics.NDCG10)
	}
	require.Greater(t, given, 2)
	require.Less(t, given, 17)
	require.Greater(t, s.Trials[s.Best].Metrics.NDCG10, s.Trials[0].Metrics.NDCG10, "the search is of use")
	require.Contains(t, s.String(), "given up: NDCG@10")
}

func TestSelectKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	slow := script{name: "slow", params: als.Algorithm{}.Parameters(), fit: func(ctx context.Context, _ *ml.Data, _ ml.Values, _ ml.FitOptions) (ml.Model, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	const budget = 600 * time.Millisecond
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: []ml.Algorithm{popular.Algorithm{}, slow, itemknn.Algorithm{}}, Budget: budget})
	require.NoError(t, err)
	require.Equal(t, "the budget", s.Ended)
	require.Contains(t, s.Trials[1].Stopped, "took longer than the 0.")
	require.Equal(t, "itemknn", s.Trials[2].Algorithm, "half of the budget was left for it")
	require.Equal(t, 1, strings.Count(s.String(), "slow"), "it is not tried again")
	require.Greater(t, s.Seconds, budget.Seconds()/2)
}

func TestSelectReturnsWhatIsKnownWhenItIsStopped(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := ml.Select(ctx, d, ml.SelectOptions{Algorithms: small(), Trials: 50, Progress: func(p ml.SelectProgress) {
		if p.Trial == 3 && p.Fit.Step > 0 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, s.Trials, 3)
	require.Equal(t, "stopped from outside", s.Trials[2].Stopped)
	require.Equal(t, "stopped from outside", s.Ended)
	require.Equal(t, "itemknn", s.Trials[s.Best].Algorithm)
}

func TestSelectRefuses(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	valid, err := ml.NewMatrix(3, 2, nil)
	require.NoError(t, err)
	_, err = ml.Select(t.Context(), d, ml.SelectOptions{
		Algorithms: []ml.Algorithm{als.Algorithm{}, als.Algorithm{}}, Listeners: -1, Valid: valid,
		Fixed: map[string]ml.Values{"als": {"factors": "none"}, "other": nil},
	})
	e, ok := fault.As(err)
	require.True(t, ok)
	for _, field := range []string{"Algorithms", "Budget", "Listeners", "Valid", "Fixed[als].factors", "Fixed[other]"} {
		require.Contains(t, e.Fields, field)
	}
	require.Len(t, e.Fields, 6)
	for _, o := range []ml.SelectOptions{{Trials: -1}, {Budget: -1, Trials: 1}} {
		o.Algorithms, o.Valid = small(), d.Heard
		_, err = ml.Select(t.Context(), d, o)
		require.ErrorContains(t, err, "Budget: or Trials must be above 0")
	}
	narrow, err := ml.NewMatrix(60, 39, nil)
	require.NoError(t, err)
	_, err = ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: small(), Trials: 1, Valid: narrow})
	require.ErrorContains(t, err, "Valid: is 60 × 39")
	_, err = ml.Select(t.Context(), d, ml.SelectOptions{Trials: 1})
	require.ErrorContains(t, err, "Algorithms: are required")
	_, err = ml.Select(t.Context(), &ml.Data{}, ml.SelectOptions{Algorithms: small(), Trials: 1})
	require.ErrorContains(t, err, "without a matrix")
	few, err := ml.NewMatrix(1, 1, []ml.Cell{{Weight: 1}})
	require.NoError(t, err)
	_, err = ml.Select(t.Context(), &ml.Data{Listeners: []string{"a"}, Items: []string{"b"}, Heard: few}, ml.SelectOptions{Algorithms: small(), Trials: 1})
	require.ErrorContains(t, err, "nothing to choose")
}

func TestSelectMeasuresOnFewerListeners(t *testing.T) {
	t.Parallel()
	d, valid := mltest.Split(mltest.Planted(100, 60, 4, 1), 1)
	for _, v := range []*ml.Matrix{nil, valid} {
		s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: small(), Trials: 3, Valid: v, Listeners: 30})
		require.NoError(t, err)
		require.Equal(t, 30, s.Trials[0].Metrics.Listeners)
	}
}

func TestSelectSplitsByTime(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	d.Times = make([]int64, d.Heard.Cells())
	for i := range d.Times {
		d.Times[i] = int64(i + 1)
	}
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: small(), Trials: 2, NoBlend: true})
	require.NoError(t, err)
	require.Contains(t, s.Split, "the newest")
}

func TestSelectIsStoppedWhileItBlends(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stops := script{name: "stops"}
	stops.fit = func(ctx context.Context, d *ml.Data, _ ml.Values, o ml.FitOptions) (ml.Model, error) {
		m, err := itemknn.Algorithm{}.Fit(ctx, d, nil, o)
		if err != nil {
			return nil, err
		}
		seen := map[int]bool{}
		return listening{m, func(listener int) {
			if seen[listener] { // for the second time: it was measured, and is being blended
				cancel()
			}
			seen[listener] = true
		}}, nil
	}
	s, err := ml.Select(ctx, d, ml.SelectOptions{Algorithms: []ml.Algorithm{itemknn.Algorithm{}, stops}, Trials: 2, Threads: 1})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, s.Trials, 2, "and no blend")
	require.Equal(t, 0, s.Best)
}

// listening tells whose scores are asked for.
type listening struct {
	ml.Model
	tell func(listener int)
}

func (l listening) Scores(dst []float32, h ml.Heard) {
	l.tell(h.Listener)
	l.Model.Scores(dst, h)
}

func TestSplit(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	train, valid := d.Split(1, 0)
	require.Equal(t, d.Heard.Cells(), train.Heard.Cells()+valid.Cells())
	require.NoError(t, train.Check())
	again, _ := d.Split(1, 0)
	require.Equal(t, train, again)
	other, _ := d.Split(2, 0)
	require.NotEqual(t, train, other)
	for u := range d.Listeners {
		all, _ := d.Heard.Row(u)
		held, _ := valid.Row(u)
		want := 0
		if len(all) >= 5 {
			want = max(1, int(0.1*float64(len(all))+0.5))
		}
		require.Len(t, held, want)
	}
	_, valid = d.Split(1, 7)
	rows := 0
	for u := range d.Listeners {
		rows += min(1, valid.Starts[u+1]-valid.Starts[u])
	}
	require.Equal(t, 7, rows)

	d.Times = make([]int64, d.Heard.Cells())
	for i := range d.Times {
		d.Times[i] = int64((i * 7919) % 1009)
	}
	train, _ = d.Split(1, 0)
	require.NoError(t, train.Check())
	for u := range d.Listeners {
		newest := slices.Clone(d.Times[d.Heard.Starts[u]:d.Heard.Starts[u+1]])
		slices.Sort(newest)
		kept := slices.Clone(train.Times[train.Heard.Starts[u]:train.Heard.Starts[u+1]])
		slices.Sort(kept)
		require.Equal(t, newest[:len(kept)], kept, "the newest are taken")
	}
}

func TestRecommendTellsInOrder(t *testing.T) {
	t.Parallel()
	d := mltest.Planted(60, 40, 4, 1)
	m, err := als.Algorithm{}.Fit(t.Context(), d, ml.Values{"factors": "8"}, ml.FitOptions{})
	require.NoError(t, err)
	next := 0
	require.NoError(t, ml.Recommend(t.Context(), m, d.Heard, nil, 5, 0, func(u int, top []ml.Scored) error {
		require.Equal(t, next, u)
		next++
		cols, weights := d.Heard.Row(u)
		scores := make([]float32, 40)
		m.Scores(scores, ml.Heard{Listener: u, Items: cols, Weights: weights})
		want := ml.Top(nil, scores, cols, 5)
		require.Len(t, top, len(want))
		for i := range want {
			require.InDelta(t, want[i].Score, top[i].Score, 1e-5)
		}
		return nil
	}))
	require.Equal(t, 60, next)
	full := errors.New("full")
	require.ErrorIs(t, ml.Recommend(t.Context(), m, d.Heard, []int{3}, 5, 1, func(int, []ml.Scored) error { return full }), full)
	wide, err := ml.NewMatrix(60, 41, nil)
	require.NoError(t, err)
	require.Error(t, ml.Recommend(t.Context(), m, wide, nil, 5, 1, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range []ml.Model{m, oracle{"oracle", d.Items, d.Heard, 1, 4}} {
		require.ErrorIs(t, ml.Recommend(ctx, m, d.Heard, nil, 5, 1, nil), context.Canceled)
	}
}

func TestTrialSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 23e6: "23.0 MB", 4e9: "4.0 GB", 7e15: "7000.0 TB"} {
		x := ml.Trial{Bytes: bytes}
		require.Equal(t, want, x.Size())
	}
}

// Where hardly anybody has five items, those with two are split too, rather than measuring by a few of many.
func TestSelectSplitsTheFew(t *testing.T) {
	t.Parallel()
	var b ml.Builder
	for u := range 60 {
		for i := range 3 {
			b.Add(fmt.Sprint("l", u), fmt.Sprint("i", (u*7+i)%20), 1, 0)
		}
	}
	for i := range 10 {
		b.Add("much", fmt.Sprint("i", i), 1, 0)
	}
	d, err := b.Data()
	require.NoError(t, err)
	s, err := ml.Select(t.Context(), d, ml.SelectOptions{Algorithms: small(), Trials: 3})
	require.NoError(t, err)
	require.Equal(t, 61, s.Trials[0].Metrics.Listeners)
	require.Equal(t, 61, s.Held)
}
