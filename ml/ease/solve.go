package ease

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
)

// fit is the state of Fit.
type fit struct {
	heard   *ml.Matrix
	threads int
	lambda  float32
	most    int // items in the primal form
}

// solve does what is done for all items together. What it returns makes, for a thread, what fills in the weights from one item to all others.
func (f *fit) solve(ctx context.Context) (func() func(i int, values []float32), error) {
	if f.heard.Rows() <= min(f.most, f.heard.Columns) {
		return f.dual(ctx)
	}
	return f.primal(ctx)
}

// dual goes by way of the listeners: with M = (XXᵀ + λ)⁻¹ and Q = Xᵀ M X the weight from i to j is Qᵢⱼ ⁄ (1 − Qⱼⱼ).
func (f *fit) dual(ctx context.Context) (func() func(i int, values []float32), error) {
	items, n := f.heard.Transposed(), f.heard.Rows()
	m, err := products(ctx, f.heard, items, f.threads)
	if err == nil {
		err = invert(ctx, m, n, f.lambda, f.threads)
	}
	if err != nil {
		return nil, err
	}
	rest := make([]float64, items.Rows()) // 1 − Q's diagonal
	err = each(ctx, items.Rows(), f.threads, func(i int) {
		users, weights := items.Row(i)
		sum := 0.0
		for a, u := range users {
			row, part := m[int(u)*n:(int(u)+1)*n], 0.0
			for b, v := range users {
				part += float64(weights[b]) * float64(row[v])
			}
			sum += float64(weights[a]) * part
		}
		rest[i] = 1 - sum
	})
	return func() func(int, []float32) {
		t := make([]float32, n)
		return func(i int, values []float32) {
			clear(t)
			users, weights := items.Row(i)
			for a, u := range users {
				vector.Axpy(weights[a], m[int(u)*n:(int(u)+1)*n], t)
			}
			for j := range values {
				if j == i || !(rest[j] > 0) {
					continue
				}
				users, weights := items.Row(j)
				sum := 0.0
				for b, v := range users {
					sum += float64(weights[b]) * float64(t[v])
				}
				values[j] = float32(sum / rest[j])
			}
		}
	}, err
}

// primal goes by way of the items heard most.
func (f *fit) primal(ctx context.Context) (func() func(i int, values []float32), error) {
	columns, at := f.chosen()
	some := restricted(f.heard, columns, at)
	n := len(columns)
	p, err := products(ctx, some.Transposed(), some, f.threads)
	if err == nil {
		err = invert(ctx, p, n, f.lambda, f.threads)
	}
	if err != nil {
		return nil, err
	}
	return func() func(int, []float32) {
		return func(i int, values []float32) {
			if at[i] < 0 {
				return
			}
			row := p[int(at[i])*n : (int(at[i])+1)*n]
			for j, column := range columns {
				if int(column) != i {
					values[column] = -row[j] / p[j*n+j]
				}
			}
		}
	}, nil
}

// chosen returns the columns of the items heard by most, ascending, and where in them each column is: −1 for nowhere. Nobody's items are none.
func (f *fit) chosen() (columns, at []int32) {
	counts := make([]int32, f.heard.Columns)
	for _, c := range f.heard.Cols {
		counts[c]++
	}
	for c, n := range counts {
		if n > 0 {
			columns = append(columns, int32(c))
		}
	}
	slices.SortStableFunc(columns, func(a, b int32) int { return cmp.Compare(counts[b], counts[a]) })
	columns = columns[:min(f.most, len(columns))]
	slices.Sort(columns)
	at = make([]int32, f.heard.Columns)
	for c := range at {
		at[c] = -1
	}
	for i, c := range columns {
		at[c] = int32(i)
	}
	return columns, at
}

// restricted returns a matrix of some columns only.
func restricted(m *ml.Matrix, columns, at []int32) *ml.Matrix {
	some := &ml.Matrix{Columns: len(columns), Starts: make([]int, m.Rows()+1)}
	for u := range m.Rows() {
		cols, weights := m.Row(u)
		for i, c := range cols {
			if at[c] >= 0 {
				some.Cols, some.Weights = append(some.Cols, at[c]), append(some.Weights, weights[i])
			}
		}
		some.Starts[u+1] = len(some.Cols)
	}
	return some
}

// products returns the inner products of the rows of a sparse matrix, whose transpose is t, with each other.
func products(ctx context.Context, m, t *ml.Matrix, threads int) ([]float32, error) {
	n := m.Rows()
	out := make([]float32, n*n)
	return out, each(ctx, n, threads, func(i int) {
		row := out[i*n : (i+1)*n]
		cols, weights := m.Row(i)
		for a, c := range cols {
			others, w := t.Row(int(c))
			for b, j := range others {
				row[j] += weights[a] * w[b]
			}
		}
	})
}

// each calls f for 0 to n−1, from so many goroutines, until the context ends.
func each(ctx context.Context, n, threads int, f func(i int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
