package main

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/ml"
)

// The synthetic set: anybody can make the same from these numbers, in any language with 64-bit integers and IEEE doubles. Draw n takes three uniform numbers a, b
// and c, the 3n-th and those after it. The listener is ⌊L·a^1.5⌋, so that some hear much more than others. With a
// probability of 0.7 the item is one of the listener's group (their numbers agree modulo 50), otherwise one of all, and low numbers are popular in either: ⌊I·c²⌋. Each twentieth draw is
// for testing, and counts if the pair is not in the training set; there a pair's weight is how often it was drawn.
const (
	setListeners = 100_000
	setItems     = 50_000
	setGroups    = 50
	setDraws     = 11_300_000
	setSeed      = 7
	setTest      = 20
)

// uniform is splitmix64 as a function of the counter n: in 0 to 1.
func uniform(seed, n uint64) float64 {
	z := seed + (n+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11) * 0x1p-53
}

func draw(n uint64) (listener, item int32) {
	a, b, c := uniform(setSeed, 3*n), uniform(setSeed, 3*n+1), uniform(setSeed, 3*n+2)
	c2 := c * c
	listener = int32(setListeners * float64(a*math.Sqrt(a)))
	item = int32(setItems * c2)
	if b < 0.7 {
		item = setGroups*int32(setItems/setGroups*c2) + listener%setGroups
	}
	return listener, item
}

// synthetic returns the training and the test set of so many draws.
func synthetic(draws int) (train, test *ml.Matrix) {
	train, test = collect(draws, false), collect(draws, true)
	fresh := &ml.Matrix{Columns: setItems, Starts: make([]int, setListeners+1)}
	for u := range setListeners {
		known, _ := train.Row(u)
		cols, _ := test.Row(u)
		for _, c := range cols {
			if _, found := slices.BinarySearch(known, c); !found {
				fresh.Cols, fresh.Weights = append(fresh.Cols, c), append(fresh.Weights, 1)
			}
		}
		fresh.Starts[u+1] = len(fresh.Cols)
	}
	return train, fresh
}

// collect makes a matrix of the draws that are, or are not, for testing.
func collect(draws int, forTest bool) *ml.Matrix {
	each := func(f func(listener, item int32)) {
		for n := range draws {
			if (n%setTest == setTest-1) == forTest {
				f(draw(uint64(n)))
			}
		}
	}
	starts := make([]int, setListeners+1)
	each(func(u, _ int32) { starts[u+1]++ })
	for u := range setListeners {
		starts[u+1] += starts[u]
	}
	next, all := slices.Clone(starts), make([]int32, starts[setListeners])
	each(func(u, i int32) {
		all[next[u]] = i
		next[u]++
	})
	m := &ml.Matrix{Columns: setItems, Starts: make([]int, setListeners+1), Cols: make([]int32, 0, len(all)), Weights: make([]float32, 0, len(all))}
	for u := range setListeners {
		row := all[starts[u]:starts[u+1]]
		slices.Sort(row)
		for i, c := range row {
			if i > 0 && c == row[i-1] {
				m.Weights[len(m.Weights)-1]++
				continue
			}
			m.Cols, m.Weights = append(m.Cols, c), append(m.Weights, 1)
		}
		m.Starts[u+1] = len(m.Cols)
	}
	return m
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

// share calls f for all below n, from so many goroutines.
func share(n, threads int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, threads) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
}
