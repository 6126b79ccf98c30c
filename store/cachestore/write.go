package cachestore

import (
	"context"
	"errors"
	"slices"

	"github.com/rhythmiq/rhythmiq/store"
)

// Apply implements [store.Store]. What it has put is kept, what it has deleted is known to be absent for NegativeTTL.
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := s.begin(writes)
	defer w.end()
	w.err = s.inner.Apply(ctx, writes...)
	w.returned = true
	return w.err
}

// Bulk implements [store.Bulker], by that of the store behind or, if it has none, by [store.Bulk] on it. Of what it has put it keeps that of
// which something was kept before: rows that are written in bulk are rarely read one by one.
func (s *Store) Bulk(ctx context.Context, writes []store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := s.begin(writes)
	w.bulk = true
	defer w.end()
	if b, ok := store.As[store.Bulker](s.inner); ok {
		w.err = b.Bulk(ctx, writes) // not by store.Bulk, which would repeat what our caller repeats
	} else {
		w.err = store.Bulk(ctx, s.inner, writes...)
	}
	w.returned = true
	return w.err
}

// writing is an Apply or a Bulk that is under way.
type writing struct {
	store    *Store
	writes   []store.Write
	places   []place // of writes; the table is tables where it is none
	begun    moment
	bulk     bool
	returned bool // from the store behind, with err
	err      error
}

func (s *Store) begin(writes []store.Write) *writing {
	w := &writing{store: s, writes: writes, places: make([]place, len(writes)), begun: s.moment(s.now())}
	for i := range writes {
		p, ok := s.place(&writes[i].Key)
		if !ok {
			p.table = tables
		}
		w.places[i] = p
		if ok {
			s.shard(p).begin(p)
		}
	}
	return w
}

// outcome says which keys were changed, or may have been, and whether it is known that all were written.
func (w *writing) outcome() (changed func(store.Key) bool, made bool) {
	all := func(store.Key) bool { return true }
	none := func(store.Key) bool { return false }
	var conflict *store.ConflictError
	switch {
	case !w.returned: // it panicked
		return all, false
	case w.err == nil:
		return all, true
	case errors.Is(w.err, store.ErrUnavailable):
		return all, false
	case errors.Is(w.err, store.ErrLimit):
		return none, false
	case errors.As(w.err, &conflict): // by somebody else
		return func(k store.Key) bool { return slices.Contains(conflict.Keys, k) }, false
	default:
		return all, false
	}
}

// end takes over what came of the writes, before their caller hears of it.
func (w *writing) end() {
	changed, made := w.outcome()
	for i := range w.writes {
		p := w.places[i]
		if p.table == tables {
			continue
		}
		var rec *record
		if made {
			rec = w.record(i)
		}
		w.store.end(p, changed(w.writes[i].Key), rec)
	}
}

// record returns what is to be kept of a write that was made, nil for nothing.
func (w *writing) record(i int) *record {
	p, write := w.places[i], &w.writes[i]
	if w.bulk {
		if _, kept := w.store.cache.GetEntryQuietly(p.id); !kept {
			return nil
		}
	}
	if write.Delete {
		return newAbsent(p, write.Key.Sort, w.begun.add(w.store.negativeTTL))
	}
	item := write.Item()
	return newRecord(p, &item, w.begun.add(w.store.ttl))
}
