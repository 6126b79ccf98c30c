// Package hnsw finds the items nearest to another, or to a vector, among very many, without looking at all: it walks a graph of near items. Near is what has
// nearly the same direction, by the cosine. What it finds is most of the nearest; package topk finds exactly those, and in 8 bits is as quick among a hundred thousand items; package ml takes a graph from 200,000 on. For inner products,
// with which the longest vectors are near to all, topk in 8 bits has been quicker than a graph.
//
// An [Index] is made once from the items' vectors. It holds a copy of them.
//
//	index, err := hnsw.New(ctx, factors, 64, hnsw.Options{Seed: 1})
//	hits := index.Similar(item, 10, 100, nil)
//
// Sources: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small world graphs" (2018), algorithms 1, 2, 4
// and 5.
package hnsw

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// Options of an [Index]; the zero value is fine.
type Options struct {
	// Links is how many an item gets at first, and half of how many it may have: more of them find more, and take more memory. 4 to 128; 0 means 16.
	Links int
	// Breadth is among how many candidates these are chosen: more of them find more, and take more time. At least Links; 0 means 100, or Links if that is more.
	Breadth int
	Seed    uint64
	Threads int // at most so many; 0 means GOMAXPROCS. It makes no difference to the index
}

// Hit is an item that was found.
type Hit struct {
	Item  int32 // its row
	Score float32
}

// Index is immutable and safe for concurrent use.
type Index struct {
	n, k    int
	vectors []float32 // of length 1 each, or 0
	m       int
	base    []int32 // of each item how many links and then those, on the lowest layer
	upper   []int32 // the same of each layer above, for items that reach so high
	above   []int   // where those of an item begin
	level   []int8  // the highest layer of each item; −1 for those that are near to none
	first   int32   // where a search begins, on the highest layer; −1: there is nothing
	walkers sync.Pool
}

const (
	defaultLinks   = 16
	defaultBreadth = 100
	leastLinks     = 4
	mostLinks      = 128
	highest        = 32 // layers: with links of 4 the chance of an item to reach it is 4⁻³²
	salt           = 0x686e7377
)

// New returns an index over the items, rows of so many factors each. The error, of kind invalid, says what is wrong with them or the options; or it is the context's.
func New(ctx context.Context, rows []float32, factors int, o Options) (*Index, error) {
	if o.Links == 0 {
		o.Links = defaultLinks
	}
	if o.Breadth == 0 {
		o.Breadth = max(defaultBreadth, o.Links)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if err := check(rows, factors, o); err != nil {
		return nil, err
	}
	x := &Index{n: len(rows) / factors, k: factors, m: o.Links, first: -1}
	x.take(rows)
	order := x.draw(o.Seed)
	x.walkers.New = func() any { return &walker{seen: make([]uint32, x.n)} }
	return x, (&builder{Index: x, breadth: o.Breadth, threads: o.Threads}).build(ctx, order)
}

func check(rows []float32, factors int, o Options) error {
	var f fault.Fields
	if o.Links < leastLinks || o.Links > mostLinks {
		f.Add("links", "must be from %d to %d", leastLinks, mostLinks)
	}
	if o.Breadth < o.Links {
		f.Add("breadth", "must be at least as many as links")
	}
	switch {
	case factors < 1:
		f.Add("factors", "must be at least 1")
	case len(rows)%factors != 0 || len(rows)/factors > math.MaxInt32:
		f.Add("rows", "must be whole rows of %d factors, at most %d", factors, math.MaxInt32)
	}
	if slices.ContainsFunc(rows, func(v float32) bool { return !(math.Abs(float64(v)) <= math.MaxFloat32) }) {
		f.Add("rows", "must be finite")
	}
	return f.Err()
}

// length returns the length of a vector, which may be beyond a float32 when squared.
func length(v []float32) float64 {
	sum := 0.0
	for _, a := range v {
		sum += float64(a) * float64(a)
	}
	return math.Sqrt(sum)
}

// take keeps the items' vectors divided by their lengths, such that the nearest are those of the greatest inner product.
func (x *Index) take(rows []float32) {
	x.vectors = make([]float32, len(rows))
	for i := range int32(x.n) {
		direct(x.vector(i), rows[int(i)*x.k:(int(i)+1)*x.k])
	}
}

// direct sets dst to a vector divided by its length, or to zeros, and reports whether it has one.
func direct(dst, v []float32) bool {
	l := length(v)
	if !(l > 0) || math.IsInf(l, 1) {
		clear(dst)
		return false
	}
	for i, a := range v {
		dst[i] = float32(float64(a) / l)
	}
	return true
}

func (x *Index) vector(i int32) []float32 { return x.vectors[int(i)*x.k : (int(i)+1)*x.k] }

func (x *Index) near(a []float32, i int32) float32 { return vector.Dot(a, x.vector(i)) }

// draw sets how high each item reaches, makes room for its links, and returns the items in the order in which they come in: at random, since neighbors in
// the catalog are often alike.
func (x *Index) draw(seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, salt))
	x.level, x.above = make([]int8, x.n), make([]int, x.n)
	order := make([]int32, 0, x.n)
	room := 0
	for i := range x.n {
		if vector.SumSquares(x.vector(int32(i))) == 0 {
			x.level[i] = -1
			continue
		}
		x.level[i] = int8(min(highest, -math.Log(1-r.Float64())/math.Log(float64(x.m))))
		x.above[i] = room
		room += int(x.level[i]) * (x.m + 1)
		order = append(order, int32(i))
	}
	x.base, x.upper = make([]int32, x.n*(2*x.m+1)), make([]int32, room)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// room returns where the links of an item on a layer are kept: their number, and then they.
func (x *Index) room(i int32, layer int) []int32 {
	if layer == 0 {
		w := 2*x.m + 1
		return x.base[int(i)*w : (int(i)+1)*w]
	}
	at := x.above[i] + (layer-1)*(x.m+1)
	return x.upper[at : at+x.m+1]
}

// links returns the links of an item on a layer.
func (x *Index) links(i int32, layer int) []int32 {
	r := x.room(i, layer)
	return r[1 : 1+r[0]]
}

// Len returns how many items there are.
func (x *Index) Len() int { return x.n }

// Bytes returns how much memory the index takes.
func (x *Index) Bytes() int64 {
	return 4*int64(len(x.vectors)+len(x.base)+len(x.upper)) + 8*int64(len(x.above)) + int64(len(x.level))
}
