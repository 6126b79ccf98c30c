// Package mltest proves that an algorithm keeps the contract of [ml.Algorithm], and its models that of [ml.Model]. An algorithm passes if its tests call Run:
//
//	func TestContract(t *testing.T) {
//		mltest.Run(t, popular.Algorithm{}, mltest.Options{})
//	}
package mltest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Options say what an algorithm can not do, or what it needs to be quick.
type Options struct {
	Values ml.Values // other than the defaults, for all fits
	// SameThreads: models are the same for the same number of threads only.
	SameThreads bool
	// Popular: its models recommend the same to everybody, and need not be better than popularity.
	Popular bool
	// Exact: an opened model gives exactly the scores of the one that was saved. Else up to Tolerance of the largest.
	Tolerance float64
}

// Run runs every check as a subtest.
func Run(t *testing.T, a ml.Algorithm, o Options) {
	t.Helper()
	s := &suite{a: a, o: o, data: Planted(160, 96, 4, 1)}
	for name, check := range map[string]func(*testing.T){
		"Parameters":  s.parameters,
		"Finds":       s.finds,
		"Repeatable":  s.repeatable,
		"Saves":       s.saves,
		"Refuses":     s.refuses,
		"Stops":       s.stops,
		"Progress":    s.progress,
		"Resumes":     s.resumes,
		"Watched":     s.watched,
		"Explains":    s.explains,
		"Edges":       s.edges,
		"Concurrency": s.concurrency,
	} {
		t.Run(name, check)
	}
}

// Planted returns data in which each listener likes one of groups of items: most of what they heard is of it, and the rest is popular.
func Planted(listeners, items, groups int, seed uint64) *ml.Data {
	r := rand.New(rand.NewPCG(seed, 0))
	var cells []ml.Cell
	for u := range listeners {
		for range 8 + r.IntN(24) {
			x := r.Float64()
			item := int(x * x * float64(items))
			if r.Float64() < 0.8 {
				item = item/groups*groups + u%groups
			}
			cells = append(cells, ml.Cell{Row: int32(u), Col: int32(min(item, items-1)), Weight: float32(1 + r.IntN(5))})
		}
	}
	m, _ := ml.NewMatrix(listeners, items, cells) // all are inside
	d := &ml.Data{Listeners: names("listener", listeners), Items: names("item", items), Heard: m}
	return d
}

func names(kind string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = kind + "-" + strconv.Itoa(i)
	}
	return all
}

// Split takes about one in five cells out of d, at random, and returns what is left and what was taken.
func Split(d *ml.Data, seed uint64) (train *ml.Data, test *ml.Matrix) {
	r := rand.New(rand.NewPCG(seed, 1))
	var kept, taken []ml.Cell
	for u := range d.Heard.Rows() {
		cols, weights := d.Heard.Row(u)
		for i, c := range cols {
			cell := ml.Cell{Row: int32(u), Col: c, Weight: weights[i]}
			if r.IntN(5) == 0 {
				taken = append(taken, cell)
			} else {
				kept = append(kept, cell)
			}
		}
	}
	rows, columns := d.Heard.Rows(), d.Heard.Columns
	heard, _ := ml.NewMatrix(rows, columns, kept)
	test, _ = ml.NewMatrix(rows, columns, taken)
	return &ml.Data{Listeners: d.Listeners, Items: d.Items, Heard: heard}, test
}

type suite struct {
	a    ml.Algorithm
	o    Options
	data *ml.Data
}

func (s *suite) fit(t *testing.T, d *ml.Data, o ml.FitOptions) ml.Model {
	t.Helper()
	m, err := s.a.Fit(context.Background(), d, s.o.Values, o)
	require.NoError(t, err)
	require.Equal(t, s.a.Name(), m.Algorithm())
	require.Equal(t, d.Items, m.Items())
	return m
}

func file(t *testing.T, m ml.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, m.Tensors()))
	return b.Bytes()
}

func heard(d *ml.Data, u int) ml.Heard {
	cols, weights := d.Heard.Row(u)
	return ml.Heard{Listener: u, Items: cols, Weights: weights}
}

func (s *suite) parameters(t *testing.T) {
	require.Regexp(t, `^[a-z0-9]+$`, s.a.Name())
	seen := map[string]bool{}
	for _, p := range s.a.Parameters() {
		require.Regexp(t, `^[a-z0-9-]+$`, p.Name)
		require.False(t, seen[p.Name], "%s is there twice", p.Name)
		seen[p.Name] = true
		require.NotEmpty(t, p.Doc, p.Name)
		if p.Choices != nil {
			for _, c := range p.Choices {
				require.NoError(t, ml.Values{p.Name: c}.Check(s.a.Parameters()))
			}
			continue
		}
		for _, x := range []float64{p.Default, p.Min, p.Max, p.From, p.To} {
			if x == p.From || x == p.To {
				x = min(max(x, p.Min), p.Max)
			}
			text := strconv.FormatFloat(x, 'g', -1, 64)
			require.NoError(t, ml.Values{p.Name: text}.Check(s.a.Parameters()), "%s %s", p.Name, text)
		}
		require.LessOrEqual(t, p.From, p.To, p.Name)
		require.True(t, !p.Log || p.From > 0, p.Name)
	}
	require.NoError(t, s.o.Values.Check(s.a.Parameters()))
}

// A model finds what was planted better than popularity does.
func (s *suite) finds(t *testing.T) {
	train, test := Split(s.data, 3)
	got, err := ml.Evaluate(context.Background(), s.fit(t, train, ml.FitOptions{Seed: 1}), train.Heard, test, 2)
	require.NoError(t, err)
	count := make([]float32, len(train.Items))
	for _, c := range train.Heard.Cols {
		count[c]++
	}
	base, err := ml.Evaluate(context.Background(), fixed{train.Items, count}, train.Heard, test, 2)
	require.NoError(t, err)
	if s.o.Popular {
		require.GreaterOrEqual(t, got.NDCG10, 0.8*base.NDCG10)
		return
	}
	require.Greater(t, got.NDCG10, 1.2*base.NDCG10, "%v beside popularity's %v", got, base)
}

// fixed gives everybody the same scores.
type fixed struct {
	items  []string
	scores []float32
}

func (f fixed) Algorithm() string                { return "fixed" }
func (f fixed) Items() []string                  { return f.items }
func (f fixed) Scores(dst []float32, _ ml.Heard) { copy(dst, f.scores) }
func (f fixed) Tensors() *safetensors.File       { return &safetensors.File{} }

// The same data, values and seed give the same bytes.
func (s *suite) repeatable(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		want := file(t, s.fit(t, s.data, ml.FitOptions{Seed: 7, Threads: threads}))
		again := threads
		if !s.o.SameThreads {
			again = 4 - threads
		}
		require.True(t, bytes.Equal(want, file(t, s.fit(t, s.data, ml.FitOptions{Seed: 7, Threads: again}))), "%d threads, then %d", threads, again)
	}
}

// A model comes back from its file as it was; a file that is cut off or altered does not.
func (s *suite) saves(t *testing.T) {
	m := s.fit(t, s.data, ml.FitOptions{Seed: 2})
	b := file(t, m)
	f, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	opened, err := s.a.Open(f)
	require.NoError(t, err)
	require.Equal(t, m.Items(), opened.Items())
	require.True(t, bytes.Equal(b, file(t, opened)))
	want, got := make([]float32, len(m.Items())), make([]float32, len(m.Items()))
	for u := range 20 {
		h := heard(s.data, u)
		m.Scores(want, h)
		opened.Scores(got, h)
		largest := float64(slices.Max(want))
		for i := range want {
			require.InDelta(t, want[i], got[i], s.o.Tolerance*math.Abs(largest))
		}
	}
	for i := range f.Tensors {
		short := *f
		short.Tensors = slices.Delete(slices.Clone(f.Tensors), i, i+1)
		_, err := s.a.Open(&short)
		require.ErrorIs(t, err, safetensors.ErrDamaged, "without %s", f.Tensors[i].Name)
		if shape := f.Tensors[i].Shape; len(shape) > 0 && shape[0] > 1 && f.Tensors[i].Type != safetensors.U8 {
			cut := f.Tensors[i]
			cut.Shape = append([]int{shape[0] - 1}, shape[1:]...)
			cut.Data = cut.Data[:len(cut.Data)/shape[0]*(shape[0]-1)]
			short.Tensors = slices.Clone(f.Tensors)
			short.Tensors[i] = cut
			_, err = s.a.Open(&short)
			require.ErrorIs(t, err, safetensors.ErrDamaged, "with less of %s", cut.Name)
		}
	}
	_, err = s.a.Open(&safetensors.File{Meta: map[string]string{"algorithm": "another"}, Tensors: f.Tensors})
	require.ErrorIs(t, err, safetensors.ErrDamaged)
}

func (s *suite) refuses(t *testing.T) {
	_, err := s.a.Fit(context.Background(), s.data, ml.Values{"no such thing": "1", "nor that": "2"}, ml.FitOptions{})
	require.ErrorContains(t, err, "no such thing")
	require.ErrorContains(t, err, "nor that")
	bad := *s.data
	bad.Items = bad.Items[1:]
	_, err = s.a.Fit(context.Background(), &bad, s.o.Values, ml.FitOptions{})
	require.Error(t, err)
}

// Fit ends with its context, before and while it works.
func (s *suite) stops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.a.Fit(ctx, s.data, s.o.Values, ml.FitOptions{})
	require.ErrorIs(t, err, context.Canceled)
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	told := 0
	_, err = s.a.Fit(ctx, s.data, s.o.Values, ml.FitOptions{Threads: 1, Progress: func(p ml.Progress) {
		told++
		if p.Steps == 0 || p.Step < p.Steps {
			cancel()
		}
	}})
	if ctx.Err() != nil {
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, told, 3, "it goes on after its context's end")
	}
}

func (s *suite) progress(t *testing.T) {
	var all []ml.Progress
	s.fit(t, s.data, ml.FitOptions{Threads: 2, Progress: func(p ml.Progress) { all = append(all, p) }})
	for i, p := range all {
		require.Positive(t, p.Step)
		require.LessOrEqual(t, p.Step, max(p.Step, p.Steps))
		require.GreaterOrEqual(t, p.Elapsed, 0*p.Elapsed)
		if i > 0 {
			require.Greater(t, p.Step, all[i-1].Step)
		}
	}
}

// kept keeps checkpoints in memory, and calls after each.
type kept struct {
	mu    sync.Mutex
	last  []byte
	saved int
	after func(n int)
}

func (k *kept) Save(_ context.Context, f *safetensors.File) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b bytes.Buffer
	if err := safetensors.Write(&b, f); err != nil {
		return err
	}
	k.last = b.Bytes()
	k.saved++
	if k.after != nil {
		k.after(k.saved)
	}
	return nil
}

func (k *kept) Last(context.Context) (*safetensors.File, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		return nil, nil //nolint:nilnil // as the interface says
	}
	return safetensors.Read(bytes.NewReader(k.last), int64(len(k.last)))
}

// A fit that is stopped after any checkpoint goes on to the same model.
func (s *suite) resumes(t *testing.T) {
	whole := &kept{}
	want := file(t, s.fit(t, s.data, ml.FitOptions{Seed: 5, Threads: 2, Checkpoints: whole}))
	require.True(t, bytes.Equal(want, file(t, s.fit(t, s.data, ml.FitOptions{Seed: 5, Threads: 2}))), "keeping checkpoints changes the model")
	for stop := 1; stop <= min(whole.saved, 5); stop++ {
		ctx, cancel := context.WithCancel(context.Background())
		k := &kept{after: func(n int) {
			if n == stop {
				cancel()
			}
		}}
		_, err := s.a.Fit(ctx, s.data, s.o.Values, ml.FitOptions{Seed: 5, Threads: 2, Checkpoints: k})
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		k.after = nil
		require.True(t, bytes.Equal(want, file(t, s.fit(t, s.data, ml.FitOptions{Seed: 5, Threads: 2, Checkpoints: k}))), "stopped after checkpoint %d", stop)
		// One of another fit is not gone on from.
		other := file(t, s.fit(t, s.data, ml.FitOptions{Seed: 6, Threads: 2}))
		require.True(t, bytes.Equal(other, file(t, s.fit(t, s.data, ml.FitOptions{Seed: 6, Threads: 2, Checkpoints: k}))), "another seed goes on from a checkpoint")
	}
}

// A watcher sees models after steps 1, 2, 4 and so on, does not change the model, and can end the fit.
func (s *suite) watched(t *testing.T) {
	var steps []int
	scores := make([]float32, len(s.data.Items))
	o := ml.FitOptions{Seed: 5, Threads: 2}
	want := file(t, s.fit(t, s.data, o))
	o.Watch = func(step, all int, m ml.Model) bool {
		require.Less(t, step, all)
		require.Equal(t, s.a.Name(), m.Algorithm())
		m.Scores(scores, heard(s.data, 0))
		steps = append(steps, step)
		return true
	}
	require.True(t, bytes.Equal(want, file(t, s.fit(t, s.data, o))), "being watched changes the model")
	for i, step := range steps {
		require.Equal(t, 1<<i, step)
	}
	if len(steps) == 0 {
		return // it does not go on in steps
	}
	o.Watch = func(step, _ int, _ ml.Model) bool { return step < steps[len(steps)-1] }
	_, err := s.a.Fit(context.Background(), s.data, s.o.Values, o)
	require.ErrorIs(t, err, ml.ErrStopped)
}

// Listeners and items without anything, and strangers, are no trouble.
func (s *suite) edges(t *testing.T) {
	for name, cells := range map[string][]ml.Cell{
		"one cell":     {{Row: 1, Col: 1, Weight: 3}},
		"few":          {{Row: 0, Col: 0, Weight: 1}, {Row: 1, Col: 1, Weight: 2}, {Row: 1, Col: 3, Weight: 1}, {Row: 2, Col: 0, Weight: 1e6}},
		"tiny weights": {{Row: 0, Col: 0, Weight: 1e-20}, {Row: 1, Col: 0, Weight: 1e-20}, {Row: 1, Col: 2, Weight: 1e-20}},
		"huge weights": {{Row: 0, Col: 0, Weight: 1e9}, {Row: 1, Col: 0, Weight: 1e9}, {Row: 1, Col: 2, Weight: 1e9}},
		"all the same": {{Row: 0, Col: 2, Weight: 1}, {Row: 1, Col: 2, Weight: 1}, {Row: 2, Col: 2, Weight: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ml.NewMatrix(3, 4, cells)
			require.NoError(t, err)
			d := &ml.Data{Listeners: names("l", 3), Items: names("i", 4), Heard: m}
			model := s.fit(t, d, ml.FitOptions{Seed: 1})
			for u := range 3 {
				finite(t, model, heard(d, u))
			}
			finite(t, model, ml.Heard{Listener: -1})
			finite(t, model, ml.Heard{Listener: -1, Items: []int32{0, 1, 2, 3}, Weights: []float32{1, 2, 3, 4}})
		})
	}
}

func finite(t *testing.T, m ml.Model, h ml.Heard) {
	t.Helper()
	scores := make([]float32, len(m.Items()))
	for i := range scores {
		scores[i] = float32(math.NaN())
	}
	m.Scores(scores, h)
	for i, x := range scores {
		require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0), "the score of item %d is %v", i, x)
	}
	if f, ok := m.(ml.Factored); ok {
		rows, k := f.Factors()
		require.Len(t, rows, k*len(scores))
		v := make([]float32, k)
		f.Vector(v, h)
		for i := range scores {
			sum := 0.0
			for j := range v {
				sum += float64(v[j]) * float64(rows[i*k+j])
			}
			require.InDelta(t, scores[i], sum, 1e-3*(1+math.Abs(sum)), "item %d", i)
		}
	}
}

// What was heard that speaks for an item is told: in what was planted it is of the item's own group, and without the first of it the score is lower than without the
// last.
func (s *suite) explains(t *testing.T) {
	const listeners, groups = 60, 4
	m := s.fit(t, s.data, ml.FitOptions{Seed: 1})
	scores, less := make([]float32, len(m.Items())), make([]float32, len(m.Items()))
	told, own, right := 0, 0, 0
	for u := range listeners {
		h := heard(s.data, u)
		m.Scores(scores, h)
		item := ml.Top(nil, scores, h.Items, 1)[0].Item
		explain := ml.Explain(m, h)
		why := explain(item, len(h.Items))
		require.Equal(t, why[:min(2, len(why))], explain(item, 2), "the same when it is asked again, cut short")
		require.Empty(t, explain(item, 0))
		seen := map[int32]bool{}
		for i, w := range why {
			require.Contains(t, h.Items, w.Item, "a reason that was not heard")
			require.False(t, seen[w.Item], "item %d is a reason twice", w.Item)
			seen[w.Item] = true
			require.True(t, i == 0 || w.Score <= why[i-1].Score, "the most comes first")
			require.False(t, math.IsNaN(float64(w.Score)) || math.IsInf(float64(w.Score), 0))
			require.True(t, !s.o.Popular || w.Score == 0, "popularity has no reasons")
		}
		if len(why) == 0 || !(why[0].Score > 0) {
			continue
		}
		told++
		if int(why[0].Item)%groups == int(item)%groups {
			own++
		}
		without := func(i int32) float32 {
			at := slices.Index(h.Items, i)
			m.Scores(less, ml.Heard{Listener: -1, Items: slices.Delete(slices.Clone(h.Items), at, at+1), Weights: slices.Delete(slices.Clone(h.Weights), at, at+1)})
			return less[item]
		}
		if without(why[0].Item) <= without(why[len(why)-1].Item) {
			right++
		}
	}
	require.Empty(t, ml.Explain(m, ml.Heard{Listener: -1})(0, 3), "nothing was heard")
	if s.o.Popular {
		require.Zero(t, told)
		return
	}
	require.Greater(t, told, listeners*9/10, "listeners to whom a recommendation is explained")
	require.Greater(t, own, told*3/4, "reasons of the item's own group")
	require.Greater(t, right, told*3/4, "reasons without which the score is lower")
}

// Models can be used by many at once, and give each the same as alone.
func (s *suite) concurrency(t *testing.T) {
	m := s.fit(t, s.data, ml.FitOptions{Seed: 1})
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for g := range errs {
		wg.Go(func() {
			scores, again := make([]float32, len(m.Items())), make([]float32, len(m.Items()))
			for u := range 30 {
				m.Scores(scores, heard(s.data, u))
				m.Scores(again, heard(s.data, u))
				if !slices.Equal(scores, again) {
					errs[g] = fmt.Errorf("listener %d gets other scores the second time", u)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}
