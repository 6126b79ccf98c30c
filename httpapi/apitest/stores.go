package apitest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/store"
)

var errSecret = errors.New("a secret that nobody must be shown")

// faulty fails on demand.
type faulty struct {
	store.Store
	err atomic.Pointer[error]
}

func (f *faulty) set(err error) {
	if err == nil {
		f.err.Store(nil)
		return
	}
	f.err.Store(&err)
}

func (f *faulty) failing() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if err := f.failing(); err != nil {
		return store.Item{}, err
	}
	return f.Store.Get(ctx, key, r)
}

func (f *faulty) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := f.failing(); err != nil {
		return store.Page{}, err
	}
	return f.Store.List(ctx, q)
}

func (f *faulty) Apply(ctx context.Context, writes ...store.Write) error {
	if err := f.failing(); err != nil {
		return err
	}
	return f.Store.Apply(ctx, writes...)
}

// stale answers eventual reads with the state before the last write of each item, as the contract permits
// and as a replica or a cache would: whoever must see the truth has to ask for it.
type stale struct {
	store.Store
	mu     sync.Mutex
	before map[store.Key]*store.Item // nil: there was none
}

func (s *stale) Apply(ctx context.Context, writes ...store.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	olds := make([]*store.Item, len(writes))
	for i, w := range writes {
		if item, err := s.Store.Get(ctx, w.Key, store.Strong); err == nil {
			olds[i] = &item
		}
	}
	if err := s.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	for i, w := range writes {
		s.before[w.Key] = olds[i]
	}
	return nil
}

func (s *stale) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if r == store.Strong {
		return s.Store.Get(ctx, key, r)
	}
	s.mu.Lock()
	old, known := s.before[key]
	s.mu.Unlock()
	switch {
	case !known:
		return s.Store.Get(ctx, key, r)
	case old == nil:
		return store.Item{}, store.ErrNotFound
	default:
		return old.Clone(), nil
	}
}

func (s *stale) List(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := s.Store.List(ctx, q)
	if err != nil || q.Read == store.Strong {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []store.Item
	for _, item := range page.Items {
		old, known := s.before[item.Key]
		switch {
		case !known:
			items = append(items, item)
		case old != nil:
			items = append(items, old.Clone())
		}
	}
	page.Items = items
	return page, nil
}

// recorder remembers every key that was put but those of models, which are of many listeners together.
type recorder struct {
	store.Store
	mu   sync.Mutex
	keys map[store.Key]bool
}

func (r *recorder) Apply(ctx context.Context, writes ...store.Write) error {
	r.mu.Lock()
	for _, w := range writes {
		if !w.Delete && w.Key.Table != store.Models {
			r.keys[w.Key] = true
		}
	}
	r.mu.Unlock()
	return r.Store.Apply(ctx, writes...)
}

// left returns those of the keys that are still there, and forgets all of them.
func (r *recorder) left(ctx context.Context) (keys []store.Key, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.keys {
		switch _, err := r.Get(ctx, key, store.Strong); {
		case err == nil:
			keys = append(keys, key)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	clear(r.keys)
	return keys, nil
}
