package ml

import (
	"cmp"
	"fmt"
	"slices"
)

// Matrix is a sparse matrix in compressed rows: row i has the columns Cols[Starts[i]:Starts[i+1]], ascending, with the
// weights at the same places. It takes 8 bytes a cell. Whoever has one does not change it.
type Matrix struct {
	Columns int
	Starts  []int // one more than there are rows
	Cols    []int32
	Weights []float32
}

// Cell is one entry of a Matrix.
type Cell struct {
	Row, Col int32
	Weight   float32
}

// NewMatrix returns the matrix of cells, which it reorders. The weights of cells at one place are added up. A cell outside is an error.
func NewMatrix(rows, columns int, cells []Cell) (*Matrix, error) {
	for _, c := range cells {
		if c.Row < 0 || int(c.Row) >= rows || c.Col < 0 || int(c.Col) >= columns {
			return nil, fmt.Errorf("ml: the cell at row %d, column %d is outside of %d × %d", c.Row, c.Col, rows, columns)
		}
	}
	slices.SortFunc(cells, func(a, b Cell) int {
		if c := cmp.Compare(a.Row, b.Row); c != 0 {
			return c
		}
		return cmp.Compare(a.Col, b.Col)
	})
	m := &Matrix{Columns: columns, Starts: make([]int, rows+1), Cols: make([]int32, 0, len(cells)), Weights: make([]float32, 0, len(cells))}
	for i, c := range cells {
		if i > 0 && c.Row == cells[i-1].Row && c.Col == cells[i-1].Col {
			m.Weights[len(m.Weights)-1] += c.Weight
			continue
		}
		m.Cols = append(m.Cols, c.Col)
		m.Weights = append(m.Weights, c.Weight)
		m.Starts[c.Row+1]++
	}
	for i := range rows {
		m.Starts[i+1] += m.Starts[i]
	}
	return m, nil
}

// Rows returns how many rows there are.
func (m *Matrix) Rows() int { return len(m.Starts) - 1 }

// Cells returns how many cells are stored.
func (m *Matrix) Cells() int { return len(m.Cols) }

// Row returns the columns of a row, ascending, and their weights. They are parts of the matrix.
func (m *Matrix) Row(i int) (cols []int32, weights []float32) {
	from, to := m.Starts[i], m.Starts[i+1]
	return m.Cols[from:to:to], m.Weights[from:to:to]
}

// Transposed returns the matrix with rows and columns exchanged.
func (m *Matrix) Transposed() *Matrix {
	t := &Matrix{Columns: m.Rows(), Starts: make([]int, m.Columns+1), Cols: make([]int32, m.Cells()), Weights: make([]float32, m.Cells())}
	for _, c := range m.Cols {
		t.Starts[c+1]++
	}
	for i := range m.Columns {
		t.Starts[i+1] += t.Starts[i]
	}
	next := slices.Clone(t.Starts)
	for r := range m.Rows() {
		cols, weights := m.Row(r)
		for i, c := range cols {
			t.Cols[next[c]], t.Weights[next[c]] = int32(r), weights[i]
			next[c]++
		}
	}
	return t
}

// With returns a matrix of the same places with other weights, made from the old ones.
func (m *Matrix) With(weight func(float32) float32) *Matrix {
	w := make([]float32, len(m.Weights))
	for i := range w {
		w[i] = weight(m.Weights[i])
	}
	return &Matrix{Columns: m.Columns, Starts: m.Starts, Cols: m.Cols, Weights: w}
}
