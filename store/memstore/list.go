package memstore

import (
	"context"

	"github.com/rhythmiq/rhythmiq/store"
)

// List implements [store.Store]. Every page is full but the last, and the index is never behind.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeCursor(q)
	if err != nil {
		return store.Page{}, err
	}
	found, more := s.scan(q, after, resumed)
	page := store.Page{Items: make([]store.Item, len(found))}
	for i, r := range found {
		owner := q.Partition
		if q.ByIndex {
			owner = r.place.owner
		}
		page.Items[i] = r.item(q.Table, owner)
	}
	if more {
		page.Next = store.EncodeCursor(q, page.Items[len(found)-1].PositionIn(q))
	}
	return page, nil
}

// scan returns the records of a page and whether there are more of them.
func (s *Store) scan(q store.Query, after store.Position, resumed bool) (found []*record, more bool) {
	var list sorted
	if q.ByIndex {
		s.index.RLock()
		defer s.index.RUnlock()
		list = s.index.partitions[tableNumber(q.Table)][q.Partition]
	} else {
		sh := &s.shards[shardOf(q.Table, q.Partition)]
		sh.RLock()
		defer sh.RUnlock()
		list = sh.partitions[q.Partition]
	}
	step := list.next
	if q.Descending {
		step = list.prev
	}
	now, limit, inside := s.now().Unix(), q.PageLimit(), within(q)
	a := start(list, q, after, resumed)
	for {
		var r *record
		if r, a = step(a); r == nil || !inside(r) {
			return found, false
		}
		switch {
		case r.expired(now):
		case len(found) == limit:
			return found, true
		default:
			found = append(found, r)
		}
	}
}

// start returns the place from which a page is read in the direction of q.
func start(list sorted, q store.Query, after store.Position, resumed bool) at {
	exact, bound := func(p store.Position) order { return bySort(p.Sort) }, bySort
	if q.ByIndex {
		exact, bound = byPosition, byIndexSort
	}
	lo, hi := q.Bounds()
	switch {
	case resumed:
		a := list.find(exact(after))
		if r, past := list.next(a); !q.Descending && r != nil && exact(after)(r) == 0 {
			return past
		}
		return a
	case !q.Descending:
		return list.find(bound(lo))
	case hi == "":
		return list.end()
	default:
		return list.find(bound(hi))
	}
}

// within reports whether a record has not yet left the range of q in its direction.
func within(q store.Query) func(*record) bool {
	lo, hi := q.Bounds()
	key := (*record).sort
	if q.ByIndex {
		key = func(r *record) string { return r.place.sort }
	}
	if q.Descending {
		return func(r *record) bool { return key(r) >= lo }
	}
	return func(r *record) bool { return hi == "" || key(r) < hi }
}
