package apitest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
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

// stale answers eventual reads, and every listing of the index, with the state before the last write of each item, as the contract
// permits and as a replica or a cache would: whoever must see the truth has to ask for it. It has no Unwrap, so that nothing goes past it.
type stale struct {
	store.Store
	mu      sync.Mutex
	replica *memstore.Store
	missing map[store.Key]store.Write // what the replica has not seen yet
}

func newStale(inner store.Store, now func() time.Time) *stale {
	return &stale{Store: inner, replica: memstore.New(&memstore.Options{Now: now}), missing: map[store.Key]store.Write{}}
}

func (s *stale) Apply(ctx context.Context, writes ...store.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	for _, w := range writes {
		if err := s.show(w.Key); err != nil {
			return err
		}
		w.Condition = store.None
		s.missing[w.Key] = w
	}
	return nil
}

// show lets the replica see the last write of an item.
func (s *stale) show(key store.Key) error {
	w, ok := s.missing[key]
	if !ok {
		return nil
	}
	delete(s.missing, key)
	return s.replica.Apply(context.Background(), w)
}

// catchUp lets the replica see everything.
func (s *stale) catchUp() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.missing {
		if err := s.show(key); err != nil {
			return err
		}
	}
	return nil
}

func (s *stale) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if r == store.Strong {
		return s.Store.Get(ctx, key, r)
	}
	return s.replica.Get(ctx, key, r)
}

func (s *stale) List(ctx context.Context, q store.Query) (store.Page, error) {
	if q.Read == store.Strong && !q.ByIndex {
		return s.Store.List(ctx, q)
	}
	return s.replica.List(ctx, q)
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
