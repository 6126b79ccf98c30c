package ml

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/hnsw"
	"github.com/rhythmiq/rhythmiq/internal/topk"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// Alike is a track that is like another.
type Alike struct {
	TrackID string
	Score   float64 // above 0, at most 1: how alike; for comparing tracks of one answer
}

// Biased is a [Factored] model whose vectors end with numbers that say how popular an item is, and nothing of what it is like.
type Biased interface {
	Factored
	// Biases returns how many these are.
	Biases() int
}

const (
	// mostAlike is how many tracks are found at most.
	mostAlike = 200
	// graphFrom is from how many items on a graph is walked: from there on it is quicker than looking at all in 8 bits, at a recall@10 of .99 (go test ./internal/hnsw -bench .).
	graphFrom    = 200_000
	graphBreadth = 200 // at least, and graphWider times as many as are wanted
	graphWider   = 4
	graphSeed    = 1
)

// Similar returns the tracks that are most like one ("more like this"), the most first, at most n and 200: those that the same listeners play. For a factored model like is whose vector has
// nearly the same direction, by the cosine; for any other, what suits somebody better for having heard the track and nothing else. A track that the model does not know, since hardly anybody has
// heard it, is placed among the others by its artists, tags and features, if the model is factored. Nothing is returned where no model is live, or it can
// tell nothing.
//
// It never waits for a training or a swap. The first call looks at all items; [Recommender.Poll] then makes what finds them more quickly, for the calls after it: from 200,000 items on a graph, which finds about 99 of
// 100 of them, and takes minutes to make for a million.
func (r *Recommender) Similar(ctx context.Context, trackID string, n int, f Filter) ([]Alike, error) {
	if r == nil || n <= 0 {
		return nil, ctx.Err()
	}
	s := r.live.Load()
	if s == nil {
		return nil, ctx.Err()
	}
	r.asked.Store(true)
	n = min(n, mostAlike)
	c, known := s.columns[trackID]
	if !known {
		item, err := r.log.about(ctx, []string{trackID})
		if err != nil || len(item) == 0 {
			return nil, err
		}
		return s.alike(ctx, s.place(item[0]), n, s.through(f, nil))
	}
	through := s.through(f, []int32{c})
	if s.factored == nil {
		return s.gained(c, n, through), ctx.Err()
	}
	return s.alike(ctx, s.row(c), n, through)
}

// row returns the vector of an item.
func (s *served) row(c int32) []float32 {
	rows, k := s.factored.Factors()
	return rows[int(c)*k : (int(c)+1)*k]
}

// direction sets dst to a vector without its biases and of length 1, and reports whether it has one.
func (s *served) direction(dst, v []float32) bool {
	copy(dst, v)
	if b, ok := s.factored.(Biased); ok {
		clear(dst[len(dst)-b.Biases():])
	}
	length := math.Sqrt(float64(vector.SumSquares(dst)))
	if !(length > 0) || math.IsInf(length, 1) {
		return false
	}
	vector.Scale(float32(1/length), dst)
	return true
}

// gained returns what suits better for one item having been heard.
func (s *served) gained(c int32, n int, t through) []Alike {
	before, after := make([]float32, len(s.columns)), make([]float32, len(s.columns))
	s.model.Scores(before, Heard{Listener: -1})
	s.model.Scores(after, Heard{Listener: -1, Items: []int32{c}, Weights: []float32{1}})
	vector.Axpy(-1, before, after)
	return s.named(t.top(after, n), 0)
}

// named returns what scores above 0, with its names: as a share of the best, or of most if that is above 0.
func (s *served) named(top []Scored, most float32) []Alike {
	if most == 0 && len(top) > 0 {
		most = top[0].Score
	}
	all := make([]Alike, 0, len(top))
	for _, t := range top {
		if t.Score > 0 {
			all = append(all, Alike{s.model.Items()[t.Item], min(1, float64(t.Score)/float64(most))})
		}
	}
	return all
}

// alike returns the items whose vectors have nearly the direction of one.
func (s *served) alike(ctx context.Context, v []float32, n int, t through) ([]Alike, error) {
	if v == nil {
		return nil, ctx.Err()
	}
	q := make([]float32, len(v))
	if !s.direction(q, v) {
		return nil, ctx.Err()
	}
	if t.only != nil {
		return s.named(s.compare(q, t.only, &t, n), 1), ctx.Err()
	}
	quick := s.likeness.Load()
	switch {
	case quick == nil:
		return s.named(s.compare(q, nil, &t, n), 1), ctx.Err()
	case quick.graph != nil:
		hits := quick.graph.Search(q, n, max(graphBreadth, graphWider*n), func(c int32) bool { return !t.lets(c) })
		top := make([]Scored, len(hits))
		for i, h := range hits {
			top[i] = Scored(h)
		}
		return s.named(top, 1), ctx.Err()
	}
	hits, err := quick.all.Search(ctx, q, 2*n+16, t.Filter, 1) //nolint:mnd // as topk does before it scores again
	if err != nil {
		return nil, err
	}
	some := make([]int32, len(hits))
	for i, h := range hits {
		some[i] = h.Item
	}
	return s.named(s.compare(q, some, &t, n), 1), ctx.Err()
}

// compare returns the n of some items, nil for all, whose directions are the nearest to q, by looking at each.
func (s *served) compare(q []float32, some []int32, t *through, n int) []Scored {
	own := make([]float32, len(q))
	near := func(c int32) float32 {
		if !s.direction(own, s.row(c)) {
			return 0
		}
		return vector.Dot(q, own)
	}
	if some == nil {
		scores := make([]float32, len(s.columns))
		for c := range int32(len(scores)) {
			scores[c] = near(c)
		}
		return t.top(scores, n)
	}
	var found []Scored
	for _, c := range some {
		if t.lets(c) {
			found = append(found, Scored{c, near(c)})
		}
	}
	slices.SortFunc(found, func(a, b Scored) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Item, b.Item)) })
	return found[:min(n, len(found))]
}

// likeness finds items of nearly the same direction: by looking at all, or by walking a graph.
type likeness struct {
	all   *topk.Index // in 8 bits
	graph *hnsw.Index
}

// prepare makes what finds similar items quickly, if anybody has asked for any and it is not there yet.
func (s *served) prepare(ctx context.Context, threads, graphFrom int) error {
	if s == nil || s.factored == nil || s.likeness.Load() != nil || len(s.columns) == 0 {
		return nil
	}
	rows, k := s.factored.Factors()
	units := make([]float32, len(rows))
	for c := range int32(len(s.columns)) {
		if at := units[int(c)*k : (int(c)+1)*k]; !s.direction(at, s.row(c)) {
			clear(at)
		}
	}
	var l likeness
	var err error
	if len(s.columns) >= graphFrom || k > vector.MaxFactors8 {
		l.graph, err = hnsw.New(ctx, units, k, hnsw.Options{Seed: graphSeed, Threads: threads})
	} else {
		l.all, err = topk.New(units, k, topk.Options{Precision: topk.INT8})
	}
	if err == nil {
		s.likeness.Store(&l)
	}
	return err
}
