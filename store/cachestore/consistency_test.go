package cachestore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// A process sees its own writes, although the eventual reads of the store behind do not show them, and although they had to make room.
func TestOwnWritesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := key("a"), key("b")
	require.Equal(w, absent, w.eventual(a))
	w.asked(1, 0)
	w.apply(put(a, 1), put(b, 2))
	require.Equal(w, 1, w.eventual(a))
	require.Equal(w, 2, w.eventual(b))
	w.apply(put(a, 3), store.Delete(b, store.Present))
	require.Equal(w, 3, w.eventual(a))
	require.Equal(w, absent, w.eventual(b))
	w.asked(0, 0)

	w.cache.Evict()
	require.Equal(w, 3, w.eventual(a))
	require.Equal(w, absent, w.eventual(b))
	w.asked(0, 2)
	w.clock.advance(5 * time.Second)
	require.Equal(w, absent, w.eventual(b), "an absence that is too old is not forgotten either")
	w.asked(0, 1)
}

// A minute after a write of this process, loads are cheap again.
func TestLoadsAreStrongForAMinute(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), newBehind(time.Now, always(0)))
	k := key("a")
	w.apply(put(k, 1))
	w.clock.advance(time.Minute)
	w.cache.Evict()
	require.Equal(w, 1, w.eventual(k))
	w.asked(0, 1)
	w.clock.advance(time.Second)
	w.cache.Evict()
	require.Equal(w, 1, w.eventual(k))
	w.asked(1, 0)
}

// A clock that was set back, and then right again, makes loads neither eventual too early nor strong for ever.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), newBehind(time.Now, always(0)))
	k := key("a")
	w.clock.advance(-time.Hour)
	w.apply(put(k, 1))
	w.cache.Evict()
	require.Equal(w, 1, w.eventual(k))
	w.asked(0, 1)
	w.clock.advance(time.Hour + 2*time.Minute)
	w.cache.Evict()
	require.Equal(w, 1, w.eventual(k))
	w.asked(1, 0)
}

// What this process has deleted may be there again by another's hand, and is looked for soon.
func TestDeletionIsKnownForShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key("a")
	w.apply(put(k, 1))
	w.apply(store.Delete(k, store.None))
	w.past(put(k, 2))
	w.clock.advance(5*time.Second - time.Nanosecond)
	require.Equal(w, absent, w.eventual(k))
	w.asked(0, 0)
	w.clock.advance(time.Nanosecond)
	require.Equal(w, 2, w.eventual(k))
	w.asked(0, 1)
}

// A load that a write overtakes is neither kept nor given to those who ask after the write.
func TestLoadOvertakenByWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		w.past(put(k, 1))
		w.past(put(k, 1))
		for _, unknown := range []bool{false, true} {
			w.cache.Evict()
			w.clock.advance(2 * time.Minute)
			old := w.read(k, store.Strong)
			answer := make(chan struct{})
			w.hooks.hook(func(next func() (store.Item, error)) (store.Item, error) {
				item, err := next()
				<-answer
				return item, err
			}, func(next func() error) error {
				if err := next(); err != nil || !unknown {
					return err
				}
				return store.ErrUnavailable
			})
			got := make(chan int, 1)
			go func() { got <- w.eventual(k) }()
			synctest.Wait()
			err := w.cache.Apply(t.Context(), put(k, old+1))
			require.Equal(t, unknown, errors.Is(err, store.ErrUnavailable))
			w.hooks.hook(nil, nil)
			require.Equal(t, old+1, w.eventual(k), "while the old answer is under way")
			close(answer)
			require.LessOrEqual(t, <-got, old, "began before the write")
			require.Equal(t, old+1, w.eventual(k), "after the old answer has come")
		}
	})
}

// A load may begin and end while a write is under way; the write counts once it is made.
func TestLoadWithinAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		w.past(put(k, 1))
		w.past(put(k, 1))
		answer := make(chan struct{})
		w.hooks.hook(nil, func(next func() error) error {
			err := next()
			<-answer
			return err
		})
		done := make(chan error, 1)
		go func() { done <- w.cache.Apply(t.Context(), put(k, 2)) }()
		synctest.Wait()
		require.Equal(t, 1, w.eventual(k))
		require.Equal(t, 1, w.eventual(k))
		w.asked(1, 0)
		close(answer)
		require.NoError(t, <-done)
		require.Equal(t, 2, w.eventual(k))
	})
}

// Two writes of a key may be answered in another order than they were made.
func TestWritesAnsweredInAnotherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := key("a")
		for _, firstAsks := range []bool{false, true} {
			answer := make(chan struct{})
			w.hooks.hook(nil, func(next func() error) error {
				err := next()
				<-answer
				return err
			})
			done := make(chan error, 1)
			go func() { done <- w.cache.Apply(t.Context(), put(k, 1)) }()
			synctest.Wait() // it is made, and its answer under way
			w.hooks.hook(nil, nil)
			w.apply(put(k, 2))
			if firstAsks {
				require.Equal(t, 2, w.eventual(k))
			}
			close(answer)
			require.NoError(t, <-done)
			require.Equal(t, 2, w.eventual(k))
			w.hooks.reads()
			w.apply(put(k, 3))
			require.Equal(t, 3, w.eventual(k))
			w.asked(0, 0) // a write alone is kept again
		}
	})
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		made bool
		err  error
	}{
		{"made, unavailable", true, store.ErrUnavailable},
		{"not made, unavailable", false, store.ErrUnavailable},
		{"made, context", true, context.DeadlineExceeded},
		{"not made, context", false, context.Canceled},
		{"made, an error of no kind", true, errors.New("broken")},
		{"made, unavailable by conflicts", true, errors.Join(store.ErrUnavailable, &store.ConflictError{})},
	} {
		for name, write := range map[string]func(*world, ...store.Write) error{
			"Apply": func(w *world, writes ...store.Write) error { return w.cache.Apply(context.Background(), writes...) },
			"Bulk":  func(w *world, writes ...store.Write) error { return w.cache.Bulk(context.Background(), writes) },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				a, b := key("a"), key("b")
				w.apply(put(a, 1), put(b, 1))
				calls := 0
				w.hooks.hook(nil, func(next func() error) error {
					calls++
					if tt.made {
						require.NoError(t, next())
					}
					return tt.err
				})
				require.ErrorIs(t, write(w, put(a, 2), store.Delete(b, store.None)), tt.err)
				require.Equal(t, 1, calls, "whether it is repeated is the caller's to say")
				inA, inB := 1, 1
				if tt.made {
					inA, inB = 2, absent
				}
				require.Equal(t, inA, w.eventual(a))
				require.Equal(t, inB, w.eventual(b))
				w.asked(0, 2)
			})
		}
	}
}

// A store that panics leaves nothing behind.
func TestPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key("a")
	w.apply(put(k, 1))
	w.hooks.hook(
		func(func() (store.Item, error)) (store.Item, error) { panic("get") },
		func(next func() error) error {
			require.NoError(t, next())
			panic("apply")
		},
	)
	require.PanicsWithValue(t, "apply", func() { w.apply(put(k, 2)) })
	require.PanicsWithValue(t, "get", func() { w.eventual(k) })
	w.hooks.hook(nil, nil)
	require.Equal(t, 2, w.eventual(k))
	w.apply(put(k, 3))
	w.hooks.reads()
	require.Equal(t, 3, w.eventual(k))
	w.asked(0, 0)
}

// A conflict proves that what is kept of the keys that it names is out of date, and nothing of the others.
func TestConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := key("a"), key("b")
	w.apply(put(a, 1), put(b, 1))
	w.past(put(a, 2))
	w.past(put(b, 2))
	require.Equal(w, 1, w.eventual(a))
	conditional := put(a, 3)
	conditional.Condition = store.Absent
	require.ErrorIs(w, w.cache.Apply(context.Background(), conditional, put(b, 3)), store.ErrConflict)
	w.hooks.reads()
	require.Equal(w, 2, w.eventual(a))
	w.asked(0, 1)
	require.Equal(w, 1, w.eventual(b))
	w.asked(0, 0)
}

// Bulk keeps what it writes of which something was kept, and no more; either way its rows are seen at once.
func TestBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known, gone, fresh := key("known"), key("gone"), key("fresh")
	w.apply(put(known, 1), put(gone, 1))
	w.past(put(fresh, 0))
	require.NoError(t, store.Bulk(context.Background(), w.cache, put(known, 2), put(fresh, 2), store.Delete(gone, store.None)))
	require.Equal(w, 2, w.eventual(known))
	require.Equal(w, absent, w.eventual(gone))
	w.asked(0, 0)
	require.Equal(w, 2, w.eventual(fresh))
	w.asked(0, 1)
}

// Of a Bulk that stops half-way nobody knows what was written.
func TestBulkThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := key("")
	var first, second []store.Write
	for i := range 150 {
		k := base
		k.Sort = string(rune('Ā' + i))
		first, second = append(first, put(k, 1)), append(second, put(k, 2))
	}
	require.NoError(t, w.cache.Bulk(context.Background(), first))
	for _, x := range first {
		require.Equal(t, 1, w.eventual(x.Key))
	}
	w.hooks.hook(nil, func(func() error) error {
		w.past(second[:store.MaxWrites]...)
		return store.ErrUnavailable
	})
	require.ErrorIs(t, w.cache.Bulk(context.Background(), second), store.ErrUnavailable)
	for i, x := range second {
		want := 2
		if i >= store.MaxWrites {
			want = 1
		}
		require.Equal(t, want, w.eventual(x.Key))
	}
	w.hooks.hook(nil, nil)
	require.NoError(t, w.cache.Bulk(context.Background(), second))
	w.hooks.reads()
	for _, x := range second {
		require.Equal(t, 2, w.eventual(x.Key))
	}
	w.asked(0, 0)
}
