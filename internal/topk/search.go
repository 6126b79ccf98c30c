package topk

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

const (
	blockFloats = 64 << 10 // factors of a block: as single precision they fill a quarter of a second-level cache of 1 MiB
	chunkRows   = 1 << 15  // rows that a thread takes at a time, and looks at the context after
	chunkGroups = 16       // groups of queries that a thread takes at a time
	candidates  = 2        // times k, and
	candidates0 = 16       // so many more, are scored again
)

// Search returns the k items that score best for the query and are let through by the filter: the best first, of
// equal scores the lower row; fewer where there are fewer. It uses up to so many threads, at least one; which it is
// makes no difference to the result. An item whose score overflows to −∞, or comes out as a NaN, is not found. The
// error is of kind invalid, or the context's.
func (x *Index) Search(ctx context.Context, query []float32, k int, filter Filter, threads int) ([]Hit, error) {
	var f fault.Fields
	if len(query) != x.k || !within(query, math.MaxFloat32) {
		f.Add("query", "must be %d finite factors", x.k)
	}
	x.checkSearch(&f, k, filter.valid())
	if err := f.Err(); err != nil {
		return nil, err
	}
	k = min(k, x.n)
	if k == 0 {
		return []Hit{}, ctx.Err()
	}
	wanted := x.wanted(k)
	chunks := (x.n + chunkRows - 1) / chunkRows
	threads = max(1, min(threads, chunks))
	each := make([]*best, threads)
	score := x.scorer(query)
	err := spread(ctx, chunks, threads, func(thread int) func(chunk int) {
		b, c, scores := &best{k: wanted}, &cursor{Filter: filter}, make([]float32, x.block())
		each[thread] = b
		return func(chunk int) {
			for at := chunk * chunkRows; at < min(x.n, (chunk+1)*chunkRows); at += len(scores) {
				part := scores[:min(len(scores), x.up(x.n-at), (chunk+1)*chunkRows-at)]
				score(part, at)
				b.scan(part, at, x.n, c)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	hits := each[0].hits
	for _, b := range each[1:] {
		hits = append(hits, b.hits...)
	}
	return x.finish(query, hits, wanted, k), nil
}

// SearchAll returns what [Index.Search] returns for each of the queries, rows of as many factors as items have.
// filter says what is left out for query i; nil: nothing. It is called from several threads.
func (x *Index) SearchAll(ctx context.Context, queries []float32, k int, filter func(i int) Filter, threads int) ([][]Hit, error) {
	var f fault.Fields
	if len(queries)%x.k != 0 || !within(queries, math.MaxFloat32) {
		f.Add("queries", "must be rows of %d finite factors", x.k)
	}
	x.checkSearch(&f, k, true)
	if err := f.Err(); err != nil {
		return nil, err
	}
	if filter == nil {
		filter = func(int) Filter { return Filter{} }
	}
	k = min(k, x.n)
	m := len(queries) / x.k
	all := make([][]Hit, m)
	if k == 0 {
		return all, ctx.Err()
	}
	groups := (m + vector.GroupHeight - 1) / vector.GroupHeight
	threads = max(1, min(threads, groups))
	at := max(1, min(chunkGroups, groups/threads)) * vector.GroupHeight // queries that a thread takes at a time
	var wrong atomic.Bool
	err := spread(ctx, (m+at-1)/at, threads, func(int) func(int) {
		w := newWorker(x, k)
		return func(chunk int) {
			first, last := chunk*at, min(m, (chunk+1)*at)
			if !w.search(ctx, all[first:last], queries[first*x.k:last*x.k], func(i int) Filter { return filter(first + i) }) {
				wrong.Store(true)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if wrong.Load() {
		x.checkSearch(&f, k, false)
		return nil, f.Err()
	}
	return all, nil
}

func (x *Index) checkSearch(f *fault.Fields, k int, filterOK bool) {
	if k < 0 {
		f.Add("k", "must not be negative")
	}
	if !filterOK {
		f.Add("filter", "must exclude rows in ascending order")
	}
}

// spread calls what worker returns for each of n chunks, from so many threads, of which the caller's is one. A thread
// gets its chunks in ascending order. It returns when all have ended: the context's error, if that ended first.
func spread(ctx context.Context, n, threads int, worker func(thread int) func(chunk int)) error {
	var next atomic.Int64
	work := func(thread int) {
		do := worker(thread)
		for ctx.Err() == nil {
			chunk := int(next.Add(1)) - 1
			if chunk >= n {
				return
			}
			do(chunk)
		}
	}
	var wg sync.WaitGroup
	for t := 1; t < threads; t++ {
		wg.Go(func() { work(t) })
	}
	work(0)
	wg.Wait()
	return ctx.Err()
}

// wanted is how many of the first scores' best are kept for k hits.
func (x *Index) wanted(k int) int {
	if x.rescore == 0 {
		return k
	}
	return min(x.n, candidates*k+candidates0)
}

// block is how many items are scored at once: a multiple of 64.
func (x *Index) block() int { return max(1, blockFloats/x.k/64) * 64 }

// up rounds up to a multiple of 64, which the words of a scan are.
func (*Index) up(rows int) int { return (rows + 63) &^ 63 }

// scorer returns what sets dst to the scores of the items from row at on, a multiple of 64. Where there are no more
// items, what dst says is of no meaning.
func (x *Index) scorer(query []float32) func(dst []float32, at int) {
	cut := func(dst []float32, at int) []float32 {
		return dst[:min(len(dst), vector.Panels(x.n-at)*vector.PanelWidth)]
	}
	switch x.precision {
	case INT8:
		weighted := make([]float32, x.k)
		for p, v := range query {
			weighted[p] = v * x.weights[p]
		}
		q := vector.NewQuery8(weighted)
		return func(dst []float32, at int) {
			vector.ScorePanels8(cut(dst, at), q, x.panels8[at*vector.Stride8(x.k):], x.scales[at:])
		}
	case FP16:
		return func(dst []float32, at int) { vector.ScorePanels16(cut(dst, at), query, x.panels16[at*x.k:]) }
	default:
		return func(dst []float32, at int) { vector.ScorePanels(cut(dst, at), query, x.panels[at*x.k:]) }
	}
}

// finish scores candidates again, where the index does that, and returns the best k in their order.
func (x *Index) finish(query []float32, hits []Hit, wanted, k int) []Hit {
	if x.rescore == 0 {
		return sorted(hits, k)
	}
	hits = sorted(hits, wanted) // threads may have found more together
	rows, scores := make([]float32, len(hits)*x.k), make([]float32, len(hits))
	for i, h := range hits {
		at := int(h.Item) * x.k
		if x.rescore == FP16 {
			vector.Decode16(rows[i*x.k:], x.rows16[at:at+x.k])
		} else {
			copy(rows[i*x.k:], x.rows[at:at+x.k])
		}
	}
	vector.DotRows(scores, query, rows)
	for i := range hits {
		hits[i].Score = scores[i]
	}
	return sorted(hits, k)
}

// worker searches for many queries at once, a thread's share at a time.
type worker struct {
	x         *Index
	k, wanted int
	scores    []float32 // of a block, for a group
	wide      []float32 // FP16: a block in single precision
	groups    []float32 // the queries, in groups
	hits      []Hit     // the bests'
	best      []best
	cursors   []cursor
}

func newWorker(x *Index, k int) *worker {
	w := &worker{x: x, k: k, wanted: x.wanted(k), scores: make([]float32, vector.GroupHeight*x.block())}
	if x.precision == FP16 {
		w.wide = make([]float32, x.block()*x.k)
	}
	return w
}

// search sets found to what it finds for each of the queries. It stops early when the context ends, and returns false
// for a filter that is not valid.
func (w *worker) search(ctx context.Context, found [][]Hit, queries []float32, filter func(i int) Filter) bool {
	x := w.x
	if len(w.hits) == 0 { // the first share is the largest
		w.hits, w.cursors = make([]Hit, len(found)*w.wanted), make([]cursor, len(found))
		w.best = make([]best, len(found))
	}
	w.best = w.best[:len(found)]
	results := make([]Hit, 0, len(found)*w.k)
	for i := range found {
		w.cursors[i] = cursor{Filter: filter(i)}
		if !w.cursors[i].valid() {
			return false
		}
		w.best[i] = best{k: w.wanted, hits: w.hits[i*w.wanted : i*w.wanted : (i+1)*w.wanted]}
	}
	score := w.grouped(queries)
	if x.precision == INT8 {
		score = w.one(queries)
	}
	for at := 0; at < x.n && ctx.Err() == nil; at += x.block() {
		score(at, min(x.block(), x.up(x.n-at)))
	}
	for i := range found {
		from := len(results)
		results = append(results, x.finish(queries[i*x.k:(i+1)*x.k], w.best[i].hits, w.wanted, w.k)...)
		found[i] = results[from:len(results):len(results)]
	}
	return true
}

// one scores a block for one query after the other: sums of bytes are fast enough that there is nothing to share.
func (w *worker) one(queries []float32) func(at, rows int) {
	x := w.x
	scorers := make([]func([]float32, int), len(w.best))
	for i := range scorers {
		scorers[i] = x.scorer(queries[i*x.k : (i+1)*x.k])
	}
	return func(at, rows int) {
		for i, score := range scorers {
			score(w.scores[:rows], at)
			w.best[i].scan(w.scores[:rows], at, x.n, &w.cursors[i])
		}
	}
}

// grouped scores a block for eight queries at once.
func (w *worker) grouped(queries []float32) func(at, rows int) {
	x := w.x
	const high = vector.GroupHeight
	size := high * x.k
	groups := (len(w.best) + high - 1) / high
	w.groups = make([]float32, groups*size)
	for g := range groups {
		vector.PackGroup(w.groups[g*size:], queries[g*size:min((g+1)*size, len(queries))], x.k)
	}
	return func(at, rows int) {
		var panels []float32
		if x.precision == FP16 {
			source := x.panels16[at*x.k:]
			source = source[:min(len(source), rows*x.k)]
			panels = w.wide[:len(source)]
			vector.Decode16(panels, source)
		} else {
			panels = x.panels[at*x.k:]
			panels = panels[:min(len(panels), rows*x.k)]
		}
		for g := range groups {
			vector.ScoreGroup(w.scores, x.block(), w.groups[g*size:(g+1)*size], panels, x.k)
			for i := g * high; i < min((g+1)*high, len(w.best)); i++ {
				w.best[i].scan(w.scores[(i-g*high)*x.block():][:rows], at, x.n, &w.cursors[i])
			}
		}
	}
}
