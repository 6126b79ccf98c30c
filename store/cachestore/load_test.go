package cachestore_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

type answer struct {
	item store.Item
	err  error
}

// asking starts n eventual Gets with a context each, and returns once all wait.
func (w *world) asking(k store.Key, n int) (answers []chan answer, cancels []context.CancelFunc) {
	w.Helper()
	for range n {
		ctx, cancel := context.WithCancel(w.Context())
		a := make(chan answer, 1)
		answers, cancels = append(answers, a), append(cancels, cancel)
		go func() {
			item, err := w.cache.Get(ctx, k, store.Eventual)
			a <- answer{item, err}
		}()
		synctest.Wait() // in this order
	}
	w.Cleanup(func() {
		for _, cancel := range cancels {
			cancel()
		}
	})
	return answers, cancels
}

// held makes the store behind wait with its answers until the channel is closed, or the hook's caller gives up.
func (w *world) held(err error) chan struct{} {
	release := make(chan struct{})
	w.hooks.hook(func(next func() (store.Item, error)) (store.Item, error) {
		<-release
		if err != nil {
			return store.Item{}, err
		}
		return next()
	}, nil)
	return release
}

func TestManyMissesAreOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k, other := key("a"), key("b")
		w.past(put(k, 1))
		w.past(put(k, 1))
		release := w.held(nil)
		answers, _ := w.asking(k, 20)
		others, _ := w.asking(other, 2)
		w.asked(2, 0)
		close(release)
		bodies := map[*byte]bool{}
		for _, a := range answers {
			got := <-a
			require.NoError(t, got.err)
			require.JSONEq(t, `{"n":1}`, string(got.item.Body))
			bodies[&got.item.Body[0]] = true
		}
		require.Len(t, bodies, len(answers), "to each its own")
		for _, a := range others {
			require.ErrorIs(t, (<-a).err, store.ErrNotFound)
		}
		w.asked(0, 0)
		st := w.cache.Stats()
		require.EqualValues(t, 22, st.Misses)
		require.EqualValues(t, 2, st.Loads)
	})
}

// Who gives up leaves alone; the others get their answer.
func TestOneCancellationFailsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		w.past(put(k, 1))
		w.past(put(k, 1))
		release := make(chan struct{})
		w.hooks.Store = waits{w.hooks.Store, release}
		answers, cancels := w.asking(k, 5)
		cancels[3]() // one who waits
		require.ErrorIs(t, (<-answers[3]).err, context.Canceled)
		cancels[0]() // the one who reads
		require.ErrorIs(t, (<-answers[0]).err, context.Canceled)
		synctest.Wait()
		w.asked(2, 0) // one of the others reads now
		close(release)
		for _, i := range []int{1, 2, 4} {
			got := <-answers[i]
			require.NoError(t, got.err)
			require.JSONEq(t, `{"n":1}`, string(got.item.Body))
		}
		w.asked(0, 0)
		require.EqualValues(t, 5, w.cache.Stats().Misses)
	})
}

// waits answers once it is released, and at once with the context's error to those that give up.
type waits struct {
	store.Store
	release chan struct{}
}

func (s waits) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	select {
	case <-s.release:
		return s.Store.Get(ctx, k, r)
	case <-ctx.Done():
		return store.Item{}, ctx.Err()
	}
}

// An error of the store is everybody's, and is not kept.
func TestErrorsAreSharedAndNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		w.past(put(k, 1))
		w.past(put(k, 1))
		release := w.held(store.ErrUnavailable)
		answers, _ := w.asking(k, 5)
		close(release)
		for _, a := range answers {
			got := <-a
			require.ErrorIs(t, got.err, store.ErrUnavailable)
			require.Equal(t, store.Item{}, got.item)
		}
		w.asked(1, 0)
		w.hooks.hook(nil, nil)
		require.Equal(t, 1, w.eventual(k))
		w.asked(1, 0)
	})
}

// A store that panics in one caller's hands answers the others.
func TestPanicOfOneFailsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		w.past(put(k, 1))
		w.past(put(k, 1))
		release := make(chan struct{})
		first := true
		w.hooks.hook(func(next func() (store.Item, error)) (store.Item, error) {
			if !first {
				return next()
			}
			first = false
			<-release
			panic("broken")
		}, nil)
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _ = w.cache.Get(t.Context(), k, store.Eventual)
		}()
		synctest.Wait()
		answers, _ := w.asking(k, 3)
		close(release)
		require.Equal(t, "broken", <-panicked)
		for _, a := range answers {
			require.NoError(t, (<-a).err)
		}
		w.asked(2, 0)
		st := w.cache.Stats()
		require.EqualValues(t, 4, st.Misses)
		require.Zero(t, st.Hits)
	})
}

// Keys that share an id do not wait for each other's loads.
func TestCollidingLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cache.Collide()
		a := key("a")
		b := a
		b.Sort = "b"
		w.past(put(a, 1))
		w.past(put(a, 1))
		release := w.held(nil)
		ofA, _ := w.asking(a, 2)
		ofB, _ := w.asking(b, 2)
		close(release)
		for i := range 2 {
			got := <-ofA[i]
			require.NoError(t, got.err)
			require.Equal(t, a, got.item.Key)
			require.ErrorIs(t, (<-ofB[i]).err, store.ErrNotFound)
		}
		require.Equal(t, 1, w.eventual(a))
		require.Equal(t, absent, w.eventual(b))
	})
}
