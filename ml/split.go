package ml

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

const (
	splitShare  = 0.1 // of a listener's cells
	splitLeast  = 5   // cells, of those who are split at all
	splitFewer  = 2   // the same where most have fewer than that
	splitEnough = 10  // one in so many has to have splitLeast
	splitSalt   = 0x73706c6974
)

// Split takes a tenth of each listener's cells out of the data, for validation: the newest where times are known, else some at random; at least one, and none
// of those with fewer than five. Where more than most listeners could be split, so many are, drawn at random; most 0 means all. valid has
// the rows and columns of the data. The same seed makes the same split.
func (d *Data) Split(seed uint64, most int) (train *Data, valid *Matrix) {
	return d.split(seed, most, splitLeast)
}

// leastToSplit returns how many cells a listener has to have to be split: fewer where hardly anybody has the usual number, since a few listeners say little of the many.
func (d *Data) leastToSplit() int {
	usual, all := 0, 0
	for u := range d.Heard.Rows() {
		n := d.Heard.Starts[u+1] - d.Heard.Starts[u]
		if n >= splitFewer {
			all++
		}
		if n >= splitLeast {
			usual++
		}
	}
	if usual*splitEnough < all {
		return splitFewer
	}
	return splitLeast
}

func (d *Data) split(seed uint64, most, least int) (train *Data, valid *Matrix) {
	r := rand.New(rand.NewPCG(seed, splitSalt))
	var rows []int
	for u := range d.Heard.Rows() {
		if d.Heard.Starts[u+1]-d.Heard.Starts[u] >= least {
			rows = append(rows, u)
		}
	}
	if most > 0 && len(rows) > most {
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		rows = rows[:most]
		slices.Sort(rows)
	}
	taken := make([]bool, d.Heard.Cells())
	for _, u := range rows {
		from, n := d.Heard.Starts[u], d.Heard.Starts[u+1]-d.Heard.Starts[u]
		order := r.Perm(n)
		if d.Times != nil {
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.Times[from+b], d.Times[from+a]) })
		}
		for _, i := range order[:max(1, int(math.Floor(splitShare*float64(n)+0.5)))] {
			taken[from+i] = true
		}
	}
	heard, times := d.cells(func(c int) bool { return !taken[c] })
	train = &Data{Listeners: d.Listeners, Items: d.Items, Heard: heard, Times: times, About: d.About, Answers: d.Answers, Aspects: d.Aspects}
	valid, _ = d.cells(func(c int) bool { return taken[c] })
	return train, valid
}

// cells returns the matrix and the times of some of the cells.
func (d *Data) cells(in func(cell int) bool) (*Matrix, []int64) {
	m := &Matrix{Columns: d.Heard.Columns, Starts: make([]int, d.Heard.Rows()+1)}
	var times []int64
	if d.Times != nil {
		times = []int64{}
	}
	for u := range d.Heard.Rows() {
		for c := d.Heard.Starts[u]; c < d.Heard.Starts[u+1]; c++ {
			if !in(c) {
				continue
			}
			m.Cols, m.Weights = append(m.Cols, d.Heard.Cols[c]), append(m.Weights, d.Heard.Weights[c])
			if times != nil {
				times = append(times, d.Times[c])
			}
		}
		m.Starts[u+1] = len(m.Cols)
	}
	return m, times
}
