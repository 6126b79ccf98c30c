package hnsw

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// builder links items. They come in in groups: those of a group look for their neighbors in the graph as it was before, each by itself, and then the neighbors
// are linked back, each by itself too, so that threads make no difference. A group is small beside what is there already: hardly any item misses one of its own.
type builder struct {
	*Index
	breadth, threads int
}

// link is one from an item on a layer to one that has found it.
type link struct {
	item, to int32
	layer    int8
}

const (
	groupShare = 32   // a group is one of so many of the items that are there
	mostGroup  = 1024 // items
	few        = 8    // items that are not worth a goroutine
)

func (b *builder) build(ctx context.Context, order []int32) error {
	if len(order) == 0 {
		return ctx.Err()
	}
	b.first = order[0]
	for done := 1; done < len(order); {
		n := min(max(1, done/groupShare), mostGroup, len(order)-done)
		group := order[done : done+n]
		// Who reaches higher than all before ends a group, and is where searches begin from then on.
		if i := slices.IndexFunc(group, func(i int32) bool { return b.level[i] > b.level[b.first] }); i >= 0 {
			group = group[:i+1]
		}
		found := make([][]link, len(group))
		b.spread(ctx, len(group), func(w *walker, i int) { found[i] = b.find(w, group[i]) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.join(ctx, slices.Concat(found...))
		if last := group[len(group)-1]; b.level[last] > b.level[b.first] {
			b.first = last
		}
		done += len(group)
	}
	return ctx.Err()
}

// spread calls work for 0 to n−1.
func (b *builder) spread(ctx context.Context, n int, work func(w *walker, i int)) {
	var next atomic.Int64
	run := func() {
		w := b.walkers.Get().(*walker) //nolint:forcetypeassert // nothing else is in it
		defer b.walkers.Put(w)
		w.Index = b.Index
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			work(w, i)
		}
	}
	var wg sync.WaitGroup
	for range min(b.threads, n/few) - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
}

// find links an item to its neighbors, and returns the links that they should have to it.
func (b *builder) find(w *walker, item int32) []link {
	q := b.vector(item)
	at := Hit{b.first, b.near(q, b.first)}
	top := int(b.level[b.first])
	for layer := top; layer > int(b.level[item]); layer-- {
		at = w.climb(q, at, layer)
	}
	var back []link
	for layer := min(top, int(b.level[item])); layer >= 0; layer-- {
		found := w.walk(q, at, b.breadth, layer, nil)
		at = found[0]
		room := b.room(item, layer)
		room[0] = int32(len(b.choose(room[1:1], found, b.m)))
		for _, i := range b.links(item, layer) {
			back = append(back, link{i, item, int8(layer)})
		}
	}
	return back
}

// choose appends to dst up to most of the candidates, which are in order: those that are nearer to the item than to any chosen before, since others can be
// reached by way of that one.
func (b *builder) choose(dst []int32, candidates []Hit, most int) []int32 {
	for _, c := range candidates {
		if len(dst) == most {
			break
		}
		v := b.vector(c.Item)
		if !slices.ContainsFunc(dst, func(i int32) bool { return b.near(v, i) > c.Score }) {
			dst = append(dst, c.Item)
		}
	}
	return dst
}

// join links items back to those that have found them.
func (b *builder) join(ctx context.Context, back []link) {
	slices.SortFunc(back, func(x, y link) int {
		return cmp.Or(cmp.Compare(x.layer, y.layer), cmp.Compare(x.item, y.item), cmp.Compare(x.to, y.to))
	})
	var starts []int
	for i, l := range back {
		if i == 0 || back[i-1].item != l.item || back[i-1].layer != l.layer {
			starts = append(starts, i)
		}
	}
	starts = append(starts, len(back))
	b.spread(ctx, len(starts)-1, func(w *walker, i int) { b.add(w, back[starts[i]:starts[i+1]]) })
}

// add adds links to one item on one layer. Where there is no room for all, it chooses.
func (b *builder) add(w *walker, more []link) {
	item, layer := more[0].item, int(more[0].layer)
	room := b.room(item, layer)
	if n := int(room[0]); n+len(more) < len(room) {
		for i, l := range more {
			room[1+n+i] = l.to
		}
		room[0] += int32(len(more))
		return
	}
	v := b.vector(item)
	w.found = w.found[:0]
	for _, i := range b.links(item, layer) {
		w.found = append(w.found, Hit{i, b.near(v, i)})
	}
	for _, l := range more {
		w.found = append(w.found, Hit{l.to, b.near(v, l.to)})
	}
	slices.SortFunc(w.found, order)
	room[0] = int32(len(b.choose(room[1:1], w.found, len(room)-1)))
}
