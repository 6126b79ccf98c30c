package ml

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/internal/topk"
)

// recommendBlock is how many listeners are worked on at a time: so many lists are kept until they are told.
const recommendBlock = 1024

// Recommend tells of each of the rows of heard, in order, the n items that suit best, best first, without those heard. Its columns are the model's. rows nil
// means all. each is called from one goroutine at a time; top is good for the time of the call. An error of each ends it and is returned.
func Recommend(ctx context.Context, m Model, heard *Matrix, rows []int, n, threads int, each func(row int, top []Scored) error) error {
	if items := len(m.Items()); items != heard.Columns {
		return fmt.Errorf("ml: recommend from %d items to who heard of %d", items, heard.Columns)
	}
	threads = threadsOr(threads)
	if rows == nil {
		rows = make([]int, heard.Rows())
		for u := range rows {
			rows[u] = u
		}
	}
	find, err := finder(ctx, m, heard, n, threads)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		part := rows[:min(recommendBlock, len(rows))]
		rows = rows[len(part):]
		tops, err := find(part)
		if err != nil {
			return err
		}
		for i, u := range part {
			if err := each(u, tops[i]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// finder returns what finds the best items of some listeners.
func finder(ctx context.Context, m Model, heard *Matrix, n, threads int) (func(rows []int) ([][]Scored, error), error) {
	listener := func(u int) Heard {
		cols, weights := heard.Row(u)
		return Heard{Listener: u, Items: cols, Weights: weights}
	}
	tops := make([][]Scored, recommendBlock)
	f, ok := m.(Factored)
	if !ok || heard.Columns == 0 {
		scores := make([][]float32, threads)
		return func(rows []int) ([][]Scored, error) {
			parallel(ctx, len(rows), threads, func(thread, i int) {
				if scores[thread] == nil {
					scores[thread] = make([]float32, heard.Columns)
				}
				h := listener(rows[i])
				m.Scores(scores[thread], h)
				tops[i] = Top(tops[i], scores[thread], h.Items, n)
			})
			return tops, ctx.Err()
		}, nil
	}
	factors, k := f.Factors()
	index, err := precisionOf(m).index(factors, k)
	if err != nil {
		return nil, fmt.Errorf("ml: the model of %s cannot be searched: %w", m.Algorithm(), err)
	}
	queries := make([]float32, recommendBlock*k)
	return func(rows []int) ([][]Scored, error) {
		parallel(ctx, len(rows), threads, func(_, i int) { f.Vector(queries[i*k:(i+1)*k], listener(rows[i])) })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		hits, err := index.SearchAll(ctx, queries[:len(rows)*k], n, func(i int) topk.Filter {
			cols, _ := heard.Row(rows[i])
			return topk.Filter{Excluded: cols}
		}, threads)
		if err != nil {
			return nil, err
		}
		for i := range hits {
			tops[i] = tops[i][:0]
			for _, h := range hits[i] {
				tops[i] = append(tops[i], Scored(h))
			}
		}
		return tops, nil
	}, nil
}

// threadsOr returns how many threads 0 means.
func threadsOr(threads int) int {
	if threads <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return threads
}

// parallel calls work for 0 to n−1, until ctx ends.
func parallel(ctx context.Context, n, threads int, work func(thread, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for t := range min(threads, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(t, i)
			}
		})
	}
	wg.Wait()
}
