package hnsw

import (
	"cmp"
	"slices"
)

// Search returns n items near to the query that skip does not say yes to, the nearest first, of equally near ones the lower row; fewer where it finds fewer. breadth is how many are
// kept in sight, at least n: more of them find more, and take more time. skip may be nil. A query of another length than the items, or that is not
// finite or all zeros, has nothing near.
func (x *Index) Search(query []float32, n, breadth int, skip func(item int32) bool) []Hit {
	q := make([]float32, x.k)
	if len(query) != x.k || !direct(q, query) {
		return nil
	}
	return x.search(q, n, breadth, skip)
}

// Similar returns n items near to one, without itself, as [Index.Search] does.
func (x *Index) Similar(item int32, n, breadth int, skip func(item int32) bool) []Hit {
	if item < 0 || int(item) >= x.n || x.level[item] < 0 {
		return nil
	}
	return x.search(x.vector(item), n, breadth, func(i int32) bool { return i == item || skip != nil && skip(i) })
}

func (x *Index) search(q []float32, n, breadth int, skip func(int32) bool) []Hit {
	if x.first < 0 || n <= 0 {
		return nil
	}
	w := x.walkers.Get().(*walker) //nolint:forcetypeassert // nothing else is in it
	defer x.walkers.Put(w)
	w.Index = x
	at := Hit{x.first, x.near(q, x.first)}
	for layer := int(x.level[x.first]); layer > 0; layer-- {
		at = w.climb(q, at, layer)
	}
	found := w.walk(q, at, max(n, breadth), 0, skip)
	return slices.Clone(found[:min(n, len(found))])
}

// better reports whether a is nearer than b.
func (a Hit) better(b Hit) bool { return a.Score > b.Score || a.Score == b.Score && a.Item < b.Item }

// walker is the scratch of one search at a time.
type walker struct {
	*Index
	seen  []uint32 // when an item was seen last
	now   uint32
	open  []Hit // a heap: what to go on from, the nearest on top
	found []Hit // a heap: the nearest so far, the farthest on top
}

// climb goes from item to nearer item on a layer as long as there are any.
func (w *walker) climb(q []float32, at Hit, layer int) Hit {
	for {
		from := at.Item
		for _, i := range w.links(from, layer) {
			if h := (Hit{i, w.near(q, i)}); h.better(at) {
				at = h
			}
		}
		if at.Item == from {
			return at
		}
	}
}

// walk returns the nearest items that it finds on a layer, with so many in sight, the nearest first. They are good until the next walk.
func (w *walker) walk(q []float32, from Hit, breadth, layer int, skip func(int32) bool) []Hit {
	w.now++
	if w.now == 0 { // once around
		clear(w.seen)
		w.now = 1
	}
	w.open, w.found = append(w.open[:0], from), w.found[:0]
	w.seen[from.Item] = w.now
	if skip == nil || !skip(from.Item) {
		w.found = append(w.found, from)
	}
	for len(w.open) > 0 {
		at := w.open[0]
		w.open = pop(w.open, Hit.better)
		if len(w.found) == breadth && w.found[0].better(at) {
			break
		}
		for _, i := range w.links(at.Item, layer) {
			if w.seen[i] == w.now {
				continue
			}
			w.seen[i] = w.now
			h := Hit{i, w.near(q, i)}
			full := len(w.found) == breadth
			if full && w.found[0].better(h) {
				continue
			}
			w.open = push(w.open, h, Hit.better)
			if skip != nil && skip(i) {
				continue
			}
			if full {
				w.found = pop(w.found, worse)
			}
			w.found = push(w.found, h, worse)
		}
	}
	slices.SortFunc(w.found, order)
	return w.found
}

func worse(a, b Hit) bool { return b.better(a) }

func order(a, b Hit) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Item, b.Item))
}

// push adds to a heap whose first is before all others.
func push(heap []Hit, h Hit, before func(a, b Hit) bool) []Hit {
	heap = append(heap, h)
	i := len(heap) - 1
	for i > 0 && before(h, heap[(i-1)/2]) {
		heap[i] = heap[(i-1)/2]
		i = (i - 1) / 2
	}
	heap[i] = h
	return heap
}

// pop takes the first from a heap.
func pop(heap []Hit, before func(a, b Hit) bool) []Hit {
	n := len(heap) - 1
	h := heap[n]
	heap = heap[:n]
	for i := 0; n > 0; {
		child := 2*i + 1
		if child+1 < n && before(heap[child+1], heap[child]) {
			child++
		}
		if child >= n || !before(heap[child], h) {
			heap[i] = h
			break
		}
		heap[i] = heap[child]
		i = child
	}
	return heap
}
