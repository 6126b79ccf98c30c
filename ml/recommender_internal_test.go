package ml

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/topk"
	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func TestBeats(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	metrics := func(ndcg, recall float64) Metrics { return Metrics{NDCG10: ndcg, Recall20: recall} }
	for name, c := range map[string]struct {
		candidate, live Metrics
		age             time.Duration
		want            bool
		why             string
	}{
		"better":             {metrics(0.2, 0.1), metrics(0.1, 0.2), day, true, "NDCG@10 0.2000 against 0.1000"},
		"worse":              {metrics(0.1, 0.3), metrics(0.2, 0.2), day, false, "NDCG@10 0.1000 against 0.2000"},
		"a tie":              {metrics(0.2, 0.3), metrics(0.2, 0.3), day, false, "Recall@20 0.3000 against 0.3000"},
		"a tie, finds more":  {metrics(0.2, 0.4), metrics(0.2, 0.3), day, true, "Recall@20 0.4000 against 0.3000"},
		"a tie, finds less":  {metrics(0.2, 0.2), metrics(0.2, 0.3), day, false, "Recall@20"},
		"worse than too old": {metrics(0.1, 0.1), metrics(0.2, 0.2), Retention + 1, true, "kept no more"},
		"worse than old":     {metrics(0.1, 0.1), metrics(0.2, 0.2), Retention, false, "NDCG@10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Recommender{keeper: &keeper[served]{log: &Service{now: func() time.Time { return now }}}}
			got, why := r.better(Version{Metrics: c.candidate}, c.live)
			if over := r.over(Version{Until: now.Add(-c.age)}, nil); over != "" {
				got, why = true, over
			}
			require.Equal(t, c.want, got)
			require.Contains(t, why, c.why)
		})
	}
}

func TestMerged(t *testing.T) {
	t.Parallel()
	all := []hearing{{1, 2, 5, 10}, {0, 1, 1000, 3}, {1, 2, -2, 30}, {1, 2, 4, 20}, {0, 1, mostStrength, 1}, {1, 1, -1, 1}}
	require.Equal(t, []hearing{{0, 1, mostStrength, 3}, {1, 1, -1, 1}, {1, 2, 7, 30}}, merged(all))
}

// What was learned from other music than is asked about: what the model does not know comes last, and is not heard.
func TestOnItems(t *testing.T) {
	t.Parallel()
	m := onItems(sums{}, []string{"new", "b", "a"})
	require.Equal(t, []string{"new", "b", "a"}, m.Items())
	scores := make([]float32, 3)
	m.Scores(scores, Heard{Items: []int32{0, 1, 2}, Weights: []float32{100, 2, 3}})
	require.Equal(t, []float32{float32(math.Inf(-1)), 2, 3}, scores)
}

// sums scores each of two items by its weight.
type sums struct{ Model }

func (sums) Items() []string { return []string{"a", "b"} }

func (sums) Scores(dst []float32, h Heard) {
	for i, c := range h.Items {
		dst[c] = h.Weights[i]
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	u := &Suited{mean: 1, best: 3}
	for score, want := range map[float32]float64{0: 0, 1: 0, 2: 0.5, 3: 1, 4: 1, float32(math.Inf(-1)): 0} {
		require.InDelta(t, want, u.measure(score), 1e-9)
	}
	require.Zero(t, u.measure(float32(math.NaN())))
	require.Zero(t, (&Suited{mean: 1, best: 1}).measure(1), "all the same")
}

// On a graph as many similar items are found as by looking at all, but for a few.
func TestSimilarOnAGraph(t *testing.T) {
	t.Parallel()
	const n, k = 3000, 8
	r := rand.New(rand.NewPCG(1, 1))
	m := &vectors{k: k, rows: make([]float32, n*k)}
	for i := range m.rows {
		m.rows[i] = float32(r.NormFloat64())
	}
	clear(m.rows[:k]) // of no direction
	for i := range n {
		m.names = append(m.names, strconv.Itoa(i))
	}
	s, err := newServed(Version{}, m, nil, INT8)
	require.NoError(t, err)
	find := func(of int32, f Filter) []Alike {
		all, err := s.alike(t.Context(), s.row(of), 10, s.through(f, []int32{of}))
		require.NoError(t, err)
		return all
	}
	require.Empty(t, find(0, Filter{}))
	var want [][]Alike
	for i := range int32(50) {
		want = append(want, find(i+1, Filter{Exclude: []string{"7"}}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.prepare(ctx, 2, 1), context.Canceled)
	require.Nil(t, s.likeness.Load())
	require.NoError(t, s.prepare(t.Context(), 2, 1))
	require.NotNil(t, s.likeness.Load().graph)
	same := 0
	for i, all := range want {
		got := map[string]bool{}
		for _, a := range find(int32(i+1), Filter{Exclude: []string{"7"}}) {
			require.NotEqual(t, "7", a.TrackID)
			got[a.TrackID] = true
		}
		for _, a := range all {
			if got[a.TrackID] {
				same++
			}
		}
	}
	require.Greater(t, same, 480, "of 500")
	require.Empty(t, find(0, Filter{}))
	require.NoError(t, s.prepare(ctx, 2, 1), "it is there")
}

// However much of the best a filter takes out, the best of the rest are found: of a model of vectors and of one of scores.
func TestBestOfMany(t *testing.T) {
	t.Parallel()
	const n, k = 1000, 4
	r := rand.New(rand.NewPCG(2, 1))
	m := &vectors{k: k, rows: make([]float32, n*k)}
	for i := range m.rows {
		m.rows[i] = float32(r.NormFloat64())
	}
	for i := range n {
		m.names = append(m.names, strconv.Itoa(i))
	}
	for _, model := range []Model{alikes{m}, scored{alikes{m}}} {
		s, err := newServed(Version{}, model, nil, FP32)
		require.NoError(t, err)
		u, err := s.suited(t.Context(), map[string]float64{"7": 1})
		require.NoError(t, err)
		var byScore []string // by all scores
		for _, c := range slices.SortedFunc(slices.Values(columns(n)), func(a, b int32) int { return cmp.Compare(u.score(b), u.score(a)) }) {
			if c != 7 {
				byScore = append(byScore, m.names[c])
			}
		}
		for _, out := range []int{0, 1, 40, 190, 199, 200, 300} {
			best, err := u.Best(t.Context(), 30, Filter{Exclude: byScore[:out]})
			require.NoError(t, err)
			require.Equal(t, byScore[out:][:30], best, "%d are left out", out)
		}
	}
}

func columns(n int32) (all []int32) {
	for c := range n {
		all = append(all, c)
	}
	return all
}

// alikes takes a listener for the vector of what they heard first.
type alikes struct{ *vectors }

func (a alikes) Vector(dst []float32, h Heard) { copy(dst, a.rows[int(h.Items[0])*a.k:]) }

// scored hides that a model is one of vectors.
type scored struct{ of alikes }

func (scored) Algorithm() string          { return "scored" }
func (scored) Tensors() *safetensors.File { return nil }
func (m scored) Items() []string          { return m.of.names }

func (m scored) Scores(dst []float32, h Heard) {
	listener := make([]float32, m.of.k)
	m.of.Vector(listener, h)
	for i := range dst {
		dst[i] = vector.Dot(listener, m.of.rows[i*m.of.k:][:m.of.k])
	}
}

// A precision that cannot hold the vectors is not taken.
func TestPrecisionThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for p, large := range map[Precision]float32{FP16: 1e6, INT8: 1e31} {
		index, err := p.index([]float32{large, 1}, 1)
		require.NoError(t, err, p)
		hits, err := index.Search(t.Context(), []float32{1}, 1, topk.Filter{}, 1)
		require.NoError(t, err)
		require.Equal(t, large, hits[0].Score)
	}
	_, err := FP32.index([]float32{1}, 2)
	require.Error(t, err)
	require.Equal(t, FP32, precisionOf(&vectors{}))
	require.Equal(t, sums{}, Quantized(sums{}, INT8))
	require.Equal(t, INT8, precisionOf(Quantized(&vectors{}, INT8)))
}

// vectors is a model of nothing but items' vectors.
type vectors struct {
	Model
	names []string
	rows  []float32
	k     int
}

func (v *vectors) Items() []string               { return v.names }
func (v *vectors) Factors() ([]float32, int)     { return v.rows, v.k }
func (v *vectors) Vector(dst []float32, _ Heard) { clear(dst) }

// biased are vectors whose last number is a bias.
type biased struct{ *vectors }

func (biased) Biases() int { return 1 }

// How popular an item is says nothing of what it is like.
func TestSimilarWithoutBiases(t *testing.T) {
	t.Parallel()
	v := &vectors{k: 3, names: []string{"a", "like a", "popular as a"}, rows: []float32{1, 0, 9, 2, 0.1, 0, 0.1, 1, 9}}
	for m, want := range map[Model]string{biased{v}: "like a", v: "popular as a"} {
		s, err := newServed(Version{}, m, nil, FP32)
		require.NoError(t, err)
		all, err := s.alike(t.Context(), s.row(0), 1, s.through(Filter{}, []int32{0}))
		require.NoError(t, err)
		require.Equal(t, want, all[0].TrackID)
	}
}

// What is new is placed where items of its tags are: common ones count for all, and each for itself.
func TestPlace(t *testing.T) {
	t.Parallel()
	v := &vectors{k: 2}
	var about []Item
	for i := range 200 {
		item := Item{ID: strconv.Itoa(i), Tags: []string{"all", "a"}}
		row := []float32{3, 1}
		if i%4 == 0 {
			item.Tags, row = []string{"all", "b"}, []float32{3, -5}
		}
		v.names, v.rows, about = append(v.names, item.ID), append(v.rows, row...), append(about, item)
	}
	s, err := newServed(Version{}, v, about, FP32)
	require.NoError(t, err)
	for tag, want := range map[string][]float32{"a": {3, 1}, "b": {3, -5}} {
		got := s.place(Item{Tags: []string{"all", tag}})
		require.InDeltaSlice(t, want, got, 0.3, tag)
	}
	require.Nil(t, s.place(Item{Tags: []string{"unheard of"}}))
}
