package cachestore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
)

const (
	modelTTL      = 100 * time.Second
	modelNegative = 5 * time.Second
	modelLag      = 30 * time.Second // at most, of the eventual reads of the store behind
)

// server is a process with a cache, before the store that it shares with another.
type server struct {
	hooks *hooked
	cache *cachestore.Store
	least map[store.Key]int // number of the state from which on its eventual reads may show a key: that of its last acknowledged write
}

// model holds what two servers may show against the history of the store.
type model struct {
	clock   *clock
	engine  *behind
	servers [2]*server
	keys    []store.Key
	next    int
}

func newModel(t *rapid.T) *model {
	c := newClock()
	m := &model{clock: c, keys: []store.Key{key("a"), key("b"), key("c")}}
	m.engine = newBehind(c.Now, func(_ store.Key, states []state) int {
		most := 0 // states that an eventual read may be behind: the first must have been there modelLag ago
		for i := len(states) - 1; i > 0 && !states[i].from.Before(c.Now().Add(-modelLag)); i-- {
			most++
		}
		return rapid.IntRange(0, most).Draw(t, "lag")
	})
	for i := range m.servers {
		h := &hooked{Store: m.engine}
		s, err := cachestore.New(h, &cachestore.Options{Now: c.Now, TTL: modelTTL, NegativeTTL: modelNegative})
		require.NoError(t, err)
		m.servers[i] = &server{hooks: h, cache: s, least: map[store.Key]int{}}
	}
	return m
}

func (m *model) key(t *rapid.T) store.Key { return rapid.SampledFrom(m.keys).Draw(t, "key") }

func (m *model) server(t *rapid.T) *server {
	return m.servers[rapid.IntRange(0, len(m.servers)-1).Draw(t, "server")]
}

func (m *model) write(t *rapid.T, k store.Key) store.Write {
	m.next++
	w := put(k, m.next)
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		return store.Delete(k, store.None)
	case 2:
		w.ExpiresAt = m.clock.Now().Truncate(time.Second).Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "lives")) * time.Second)
	}
	return w
}

// acknowledged notes that a server has been told that its write was made.
func (m *model) acknowledged(s *server, writes []store.Write) {
	for _, w := range writes {
		s.least[w.Key] = len(m.engine.history(w.Key)) - 1
	}
}

// Apply by a server: well, with an outcome that it does not learn, or into a conflict.
func (m *model) Apply(t *rapid.T) {
	s := m.server(t)
	keys := rapid.Permutation(m.keys).Draw(t, "keys")[:rapid.IntRange(1, 2).Draw(t, "n")]
	writes := make([]store.Write, len(keys))
	for i, k := range keys {
		writes[i] = m.write(t, k)
	}
	fate := rapid.IntRange(0, 6).Draw(t, "fate")
	write := func() error { return s.cache.Apply(context.Background(), writes...) }
	if rapid.Bool().Draw(t, "bulk") {
		write = func() error { return s.cache.Bulk(context.Background(), writes) }
	} else if fate == 2 {
		writes[0].Condition = store.VersionIs(store.NewVersion())
	}
	s.hooks.hook(nil, func(next func() error) error {
		if fate == 0 {
			return store.ErrUnavailable
		}
		if err := next(); err != nil || fate != 1 {
			return err
		}
		return context.DeadlineExceeded
	})
	err := write()
	s.hooks.hook(nil, nil)
	if err == nil {
		m.acknowledged(s, writes)
	}
}

// Past writes by neither of the servers.
func (m *model) Past(t *rapid.T) {
	require.NoError(t, m.engine.Apply(context.Background(), m.write(t, m.key(t))))
}

func (m *model) Wait(t *rapid.T) {
	m.clock.advance(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
}

func (m *model) Evict(t *rapid.T) { m.server(t).cache.Evict() }

func (m *model) Strong(t *rapid.T) {
	s, k := m.server(t), m.key(t)
	states := m.engine.history(k)
	item, err := s.cache.Get(context.Background(), k, store.Strong)
	now := states[len(states)-1].item
	if now == nil || now.Expired(m.clock.Now()) {
		require.ErrorIs(t, err, store.ErrNotFound)
		return
	}
	require.NoError(t, err)
	require.Equal(t, now.Version, item.Version)
}

// Eventual holds an eventual read against the history: what it shows was there at most TTL (and what the store lags) ago, is not before the
// server's last acknowledged write, and has not expired.
func (m *model) Eventual(t *rapid.T) {
	s, k := m.server(t), m.key(t)
	item, err := s.cache.Get(context.Background(), k, store.Eventual)
	now := m.clock.Now()
	window := modelTTL + modelLag
	shows := func(x *store.Item) bool { return x != nil && x.Version == item.Version && !x.Expired(now) }
	if err != nil {
		require.ErrorIs(t, err, store.ErrNotFound)
		window = modelNegative + modelLag
		shows = func(x *store.Item) bool { return x == nil || x.Expired(now) }
	}
	states := m.engine.history(k)
	for i := len(states) - 1; i >= s.least[k]; i-- {
		if shows(states[i].item) {
			return
		}
		if states[i].from.Before(now.Add(-window)) {
			break // what was there before had gone by then
		}
	}
	require.Fail(t, "an eventual read shows what it may not", "%v %v", item, err)
}

// Eventual reads are nearly all that is asked for, so they come several times.
func (m *model) EventualAgain(t *rapid.T) { m.Eventual(t) }
func (m *model) EventualThen(t *rapid.T)  { m.Eventual(t) }

// Check runs after each step: what has ended leaves nothing behind.
func (m *model) Check(t *rapid.T) {
	for _, s := range m.servers {
		require.Zero(t, s.cache.UnderWay())
	}
}

func TestNothingIsShownThatMayNotBe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { t.Repeat(rapid.StateMachineActions(newModel(t))) })
}

// Many writers and readers of a few items of one server, on a store whose eventual reads lag: no read that begins after a write
// was acknowledged shows the state before.
func TestConcurrentWritersAndReaders(t *testing.T) {
	t.Parallel()
	const keys, writers, rounds = 3, 3, 40
	w := newWorldBefore(t, newClock(), newBehind(time.Now, always(2)))
	ctx := t.Context()
	var done atomic.Bool
	var acknowledged [keys]atomic.Int64
	var all [keys]store.Key
	for i := range all {
		all[i] = key(fmt.Sprint("key ", i))
	}
	w.hooks.hook(nil, func(next func() error) error {
		err := next()
		<-time.After(50 * time.Microsecond) // made, and its answer under way
		return err
	})
	var tasks []func() error
	for i, k := range all {
		for range writers {
			tasks = append(tasks, func() error {
				for range rounds {
					item, err := store.Update(ctx, w.cache, k, func(old store.Item, found bool) ([]store.Write, error) {
						n := 0
						if found {
							var err error
							if n, err = number(old); err != nil {
								return nil, err
							}
						}
						return []store.Write{put(k, n+1)}, nil
					})
					if err != nil {
						return err
					}
					n, err := number(item)
					if err != nil {
						return err
					}
					for was := acknowledged[i].Load(); was < int64(n) && !acknowledged[i].CompareAndSwap(was, int64(n)); {
						was = acknowledged[i].Load()
					}
				}
				return nil
			})
		}
		tasks = append(tasks, func() error {
			for n := 0; !done.Load(); n++ {
				if n%64 == 0 {
					w.cache.Evict()
				}
				least := acknowledged[i].Load()
				item, err := w.cache.Get(ctx, k, store.Eventual)
				switch {
				case errors.Is(err, store.ErrNotFound):
					if least > 0 {
						return fmt.Errorf("%v is absent after %d was acknowledged", k, least)
					}
				case err != nil:
					return err
				default:
					if n, err := number(item); err != nil || int64(n) < least {
						return fmt.Errorf("%v shows %d after %d was acknowledged: %w", k, n, least, err)
					}
				}
			}
			return nil
		})
	}
	errs := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() {
			err := task()
			if err != nil {
				done.Store(true)
			}
			errs <- err
		}()
	}
	writing := keys * writers
	var failures []error
	for range tasks {
		if err := <-errs; err != nil {
			failures = append(failures, err)
		}
		if writing--; writing == 0 {
			done.Store(true)
		}
	}
	require.Empty(t, failures)
	for i, k := range all {
		require.EqualValues(t, writers*rounds, acknowledged[i].Load())
		require.Equal(t, writers*rounds, w.eventual(k))
	}
	require.Zero(t, w.cache.UnderWay())
	require.Positive(t, w.cache.Stats().Hits)
	require.Positive(t, w.cache.Stats().StrongLoads)
}
