package cachestore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 18, 0, 0, 400e6, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// behind is a store whose eventual Gets lag: each shows the state of so many writes ago as lag says.
type behind struct {
	store.Store
	now    func() time.Time
	lag    func(key store.Key, states []state) int
	mu     sync.Mutex
	states map[store.Key][]state
}

// state is what was under a key from then on; the first of a key is its absence.
type state struct {
	from time.Time
	item *store.Item
}

func newBehind(now func() time.Time, lag func(store.Key, []state) int) *behind {
	return &behind{Store: memstore.New(&memstore.Options{Now: now}), now: now, lag: lag, states: map[store.Key][]state{}}
}

func always(n int) func(store.Key, []state) int { return func(store.Key, []state) int { return n } }

func (b *behind) history(k store.Key) []state {
	if b.states[k] == nil {
		b.states[k] = []state{{}}
	}
	return b.states[k]
}

func (b *behind) Apply(ctx context.Context, writes ...store.Write) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	for _, w := range writes {
		s := state{from: b.now()}
		if !w.Delete {
			item := w.Item().Clone()
			s.item = &item
		}
		b.states[w.Key] = append(b.history(w.Key), s)
	}
	return nil
}

func (b *behind) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	item, err := b.Store.Get(ctx, k, r)
	if r == store.Strong || err != nil && !errors.Is(err, store.ErrNotFound) {
		return item, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	states := b.history(k)
	shown := states[max(0, len(states)-1-b.lag(k, states))].item
	if shown == nil || shown.Expired(b.now()) {
		return store.Item{}, store.ErrNotFound
	}
	return shown.Clone(), nil
}

// hooked lets a test step between a cache and its store, and counts.
type hooked struct {
	store.Store
	mu               sync.Mutex
	get              func(next func() (store.Item, error)) (store.Item, error)
	apply            func(next func() error) error
	eventual, strong int
}

func (h *hooked) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	h.mu.Lock()
	hook := h.get
	if r == store.Strong {
		h.strong++
	} else {
		h.eventual++
	}
	h.mu.Unlock()
	next := func() (store.Item, error) { return h.Store.Get(ctx, k, r) }
	if hook == nil {
		return next()
	}
	return hook(next)
}

func (h *hooked) Apply(ctx context.Context, writes ...store.Write) error {
	return h.write(func() error { return h.Store.Apply(ctx, writes...) })
}

// Bulk makes hooked a [store.Bulker], so that nothing is repeated on the way.
func (h *hooked) Bulk(ctx context.Context, writes []store.Write) error {
	return h.write(func() error { return store.Bulk(ctx, h.Store, writes...) })
}

func (h *hooked) write(next func() error) error {
	h.mu.Lock()
	hook := h.apply
	h.mu.Unlock()
	if hook == nil {
		return next()
	}
	return hook(next)
}

func (h *hooked) hook(get func(func() (store.Item, error)) (store.Item, error), apply func(func() error) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.get, h.apply = get, apply
}

// reads returns how many reads there were since it was last asked.
func (h *hooked) reads() (eventual, strong int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.eventual, h.strong = 0, 0 }()
	return h.eventual, h.strong
}

// world is a cache before a store that never shows eventual reads the last write of an item.
type world struct {
	*testing.T
	clock *clock
	hooks *hooked
	cache *cachestore.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := newClock()
	return newWorldBefore(t, c, newBehind(c.Now, always(1)))
}

func newWorldBefore(t *testing.T, c *clock, inner store.Store) *world {
	t.Helper()
	h := &hooked{Store: inner}
	s, err := cachestore.New(h, &cachestore.Options{Now: c.Now})
	require.NoError(t, err)
	return &world{T: t, clock: c, hooks: h, cache: s}
}

func key(sort string) store.Key {
	k := store.Key{Table: store.Users, Sort: sort}
	_, _ = rand.Read(k.Partition[:])
	return k
}

func put(k store.Key, n int) store.Write {
	return store.Put(store.Item{Key: k, Body: fmt.Appendf(nil, `{"n":%d}`, n)}, store.None)
}

func number(item store.Item) (int, error) {
	var body struct{ N int }
	err := item.Decode(&body)
	return body.N, err
}

const absent = -1

func (w *world) apply(writes ...store.Write) {
	w.Helper()
	require.NoError(w, w.cache.Apply(context.Background(), writes...))
}

// past writes as another server does.
func (w *world) past(writes ...store.Write) {
	w.Helper()
	require.NoError(w, w.hooks.Store.Apply(context.Background(), writes...))
}

// eventual returns the number that an eventual Get shows.
func (w *world) eventual(k store.Key) int {
	w.Helper()
	return w.read(k, store.Eventual)
}

func (w *world) read(k store.Key, r store.Read) int {
	w.Helper()
	item, err := w.cache.Get(context.Background(), k, r)
	if errors.Is(err, store.ErrNotFound) {
		require.Equal(w, store.Item{}, item)
		return absent
	}
	require.NoError(w, err)
	require.Equal(w, k, item.Key)
	n, err := number(item)
	require.NoError(w, err)
	return n
}

// asked holds how the store behind was read since the last time.
func (w *world) asked(eventual, strong int) {
	w.Helper()
	e, s := w.hooks.reads()
	require.Equal(w, []int{eventual, strong}, []int{e, s}, "eventual and strong reads of the store behind")
}
