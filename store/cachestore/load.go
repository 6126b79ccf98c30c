package cachestore

import (
	"context"
	"errors"

	"github.com/rhythmiq/rhythmiq/store"
)

// miss loads key, or waits for whoever does. The first of several callers reads, with its own context, on its own goroutine; where that
// context ends before the answer is there, the others go on: one of them reads next. An error of the store is everybody's.
func (s *Store) miss(ctx context.Context, key store.Key, p place) (store.Item, error) {
	c := &s.shard(p).counts
	for waited := false; ; waited = true {
		rec, l, own := s.join(&key, p)
		switch {
		case rec != nil:
			if !waited {
				return s.hit(p, rec, key)
			}
			// loaded for us by somebody who came after the one that we waited for
			return rec.answer(key)
		case !waited:
			c.misses.Add(1)
		}
		if own {
			return s.run(ctx, p, l)
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return store.Item{}, ctx.Err()
		}
		switch {
		case l.lost:
		case l.err != nil:
			return store.Item{}, l.err
		default:
			return l.rec.answer(key)
		}
	}
}

// run reads the store behind for l.
func (s *Store) run(ctx context.Context, p place, l *load) (store.Item, error) {
	c := &s.shard(p).counts
	c.loads.Add(1)
	read := store.Eventual
	if l.strong {
		c.strongLoads.Add(1)
		read = store.Strong
	}
	l.lost = true // unless the read returns
	defer s.finish(p, l)
	item, err := s.inner.Get(ctx, l.key, read)
	switch {
	case err == nil && !item.Expired(s.now()):
		l.rec = newRecord(p, &item, l.begun.add(s.ttl))
	case err == nil || errors.Is(err, store.ErrNotFound):
		l.rec = newAbsent(p, l.key.Sort, l.begun.add(s.negativeTTL))
		item, err = store.Item{}, store.ErrNotFound
	default:
		l.err = err
	}
	l.lost = l.rec == nil && ctx.Err() != nil
	return item, err
}

// answer is what a Get returns that finds r.
func (r *record) answer(key store.Key) (store.Item, error) {
	if r.absent {
		return store.Item{}, store.ErrNotFound
	}
	return r.item(key), nil
}
