package cachestore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestReadThrough(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	k := key("profile")
	w.past(put(k, 1))
	for range 3 {
		require.Equal(w, 1, w.eventual(k))
	}
	w.asked(1, 0)
	w.past(put(k, 2))
	require.Equal(w, 1, w.eventual(k), "from the cache")
	w.clock.advance(300*time.Second - time.Nanosecond)
	require.Equal(w, 1, w.eventual(k), "up to TTL")
	w.asked(0, 0)
	w.clock.advance(time.Nanosecond)
	require.Equal(w, 2, w.eventual(k), "from TTL on")
	w.asked(1, 0)
}

func TestAbsenceIsKeptForShorter(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	k := key("profile")
	for range 3 {
		require.Equal(w, absent, w.eventual(k))
	}
	w.asked(1, 0)
	w.past(put(k, 1))
	w.clock.advance(5*time.Second - time.Nanosecond)
	require.Equal(w, absent, w.eventual(k))
	w.asked(0, 0)
	w.clock.advance(time.Nanosecond)
	require.Equal(w, 1, w.eventual(k))
	w.asked(1, 0)
}

// Where TTL is shorter than an absence is kept by default, absences follow it.
func TestShortTTL(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	var err error
	w.cache, err = cachestore.New(w.hooks, &cachestore.Options{Now: w.clock.Now, TTL: time.Second})
	require.NoError(t, err)
	k := key("profile")
	require.Equal(w, absent, w.eventual(k))
	w.past(put(k, 1))
	require.Equal(w, absent, w.eventual(k))
	w.clock.advance(time.Second)
	require.Equal(w, 1, w.eventual(k))
}

// Keys that differ in one part only are kept beside one another.
func TestKeysApart(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	a := key("a")
	b, c, d := a, a, a
	b.Sort, c.Table, d.Partition[15] = "b", store.Models, a.Partition[15]+1
	keys := []store.Key{a, b, c, d}
	for range 2 {
		for n, k := range keys {
			if w.cache.Stats().Loads < uint64(len(keys)) {
				w.past(put(k, n))
			}
			require.Equal(w, n, w.eventual(k))
		}
	}
	w.asked(len(keys), 0)
}

// The age of what is kept counts from before it was read or written.
func TestAgeCountsFromBefore(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	read, written := key("read"), key("written")
	w.past(put(read, 1))
	slowly := func() { w.clock.advance(200 * time.Second) }
	w.hooks.hook(func(next func() (store.Item, error)) (store.Item, error) {
		defer slowly()
		return next()
	}, func(next func() error) error {
		defer slowly()
		return next()
	})
	require.Equal(w, 1, w.eventual(read))
	w.past(put(read, 2))
	w.clock.advance(100 * time.Second)
	w.hooks.hook(nil, nil)
	require.Equal(w, 2, w.eventual(read))

	w.hooks.hook(nil, func(next func() error) error {
		defer slowly()
		return next()
	})
	w.apply(put(written, 1))
	w.past(put(written, 2))
	w.clock.advance(100 * time.Second)
	require.Equal(w, 2, w.eventual(written))
}

func TestStrongReadsGoPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key("session")
	w.apply(put(k, 1))
	require.Equal(w, 1, w.eventual(k))
	w.asked(0, 0)
	w.past(put(k, 2))
	require.Equal(w, 1, w.eventual(k))
	require.Equal(w, 2, w.read(k, store.Strong))
	w.asked(0, 1)

	// What it found is no longer denied, although the eventual reads of the store behind would.
	require.Equal(w, 2, w.eventual(k))
	w.asked(0, 1)
	require.Equal(w, 2, w.eventual(k))
	require.Equal(w, 2, w.read(k, store.Strong))
	require.Equal(w, 2, w.eventual(k), "still kept")
	w.asked(0, 1)

	w.past(store.Delete(k, store.None))
	require.Equal(w, absent, w.read(k, store.Strong))
	require.Equal(w, absent, w.eventual(k))
	w.past(put(k, 3))
	require.Equal(w, 3, w.read(k, store.Strong))
	require.Equal(w, 3, w.eventual(k))
}

// A strong read that fails says nothing about what is kept.
func TestStrongReadThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key("profile")
	w.apply(put(k, 1))
	w.hooks.hook(func(func() (store.Item, error)) (store.Item, error) { return store.Item{}, store.ErrUnavailable }, nil)
	_, err := w.cache.Get(context.Background(), k, store.Strong)
	require.ErrorIs(w, err, store.ErrUnavailable)
	require.Equal(w, 1, w.eventual(k))
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, loaded := range []bool{false, true} {
		t.Run(fmt.Sprintf("loaded %v", loaded), func(t *testing.T) {
			t.Parallel()
			c := newClock()
			w := newWorldBefore(t, c, memstore.New(&memstore.Options{Now: c.Now}))
			k := key("session")
			p := put(k, 1)
			p.ExpiresAt = c.Now().Truncate(time.Second).Add(10 * time.Second).In(time.FixedZone("", 3600))
			write := w.apply
			if loaded {
				write = w.past
			}
			write(p)
			for range 2 {
				item, err := w.cache.Get(context.Background(), k, store.Eventual)
				require.NoError(t, err)
				require.Equal(t, p.ExpiresAt.UTC(), item.ExpiresAt)
			}
			c.advance(p.ExpiresAt.Sub(c.Now()) - time.Nanosecond)
			require.Equal(w, 1, w.eventual(k))
			c.advance(time.Nanosecond)
			require.Equal(w, absent, w.eventual(k))
			p.ExpiresAt, p.Version = c.Now().Truncate(time.Second).Add(time.Second), store.NewVersion()
			w.apply(p)
			require.Equal(w, 1, w.eventual(k))
		})
	}
}

// An item that has expired by the cache's clock is absent, even if the store behind goes by a slower one.
func TestExpiryGoesByTheClockOfTheCache(t *testing.T) {
	t.Parallel()
	slow := newClock()
	w := newWorldBefore(t, newClock(), memstore.New(&memstore.Options{Now: slow.Now}))
	k := key("session")
	p := put(k, 1)
	p.ExpiresAt = slow.Now().Truncate(time.Second).Add(10 * time.Second)
	w.past(p)
	w.clock.advance(time.Minute)
	for range 2 {
		require.Equal(w, absent, w.eventual(k))
	}
	w.asked(1, 0)
}

// What goes in and comes out is the caller's.
func TestOwnership(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	ctx := context.Background()
	for _, written := range []bool{true, false} {
		k := key("profile")
		p := put(k, 1)
		p.Index = &store.Index{Partition: k.Partition, Sort: "x"}
		want := p.Item().Clone()
		if written {
			w.apply(p)
		} else {
			w.past(p)
		}
		for i := range p.Body {
			p.Body[i] = ' '
		}
		p.Index.Sort = "y"
		for range 3 {
			item, err := w.cache.Get(ctx, k, store.Eventual)
			require.NoError(t, err)
			require.Equal(t, want, item)
			for i := range item.Body {
				item.Body[i] = ' '
			}
			item.Index.Sort = "z"
		}
	}
	w.asked(1, 0)
}

// Keys that share an id take turns; none is shown what is another's.
func TestCollision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cache.Collide()
	a := key("a")
	b, c := a, a
	b.Sort, c.Table = "b", store.Models
	w.apply(put(a, 1), put(b, 2), put(c, 3))
	for range 2 {
		require.Equal(w, 1, w.eventual(a))
		require.Equal(w, 2, w.eventual(b))
		require.Equal(w, 3, w.eventual(c))
		require.Equal(w, 3, w.eventual(c))
	}
	w.apply(store.Delete(b, store.None))
	require.Equal(w, 1, w.eventual(a))
	require.Equal(w, absent, w.eventual(b))
	require.Equal(w, 3, w.eventual(c))
}

func TestWhatNoStoreTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	for _, k := range []store.Key{{}, {Table: "others", Sort: "a"}, {Table: store.Users}} {
		for range 2 {
			_, err := w.cache.Get(ctx, k, store.Eventual)
			require.ErrorIs(t, err, store.ErrLimit)
			_, err = w.cache.Get(ctx, k, store.Strong)
			require.ErrorIs(t, err, store.ErrLimit)
			require.ErrorIs(t, w.cache.Apply(ctx, put(k, 1)), store.ErrLimit)
			require.ErrorIs(t, w.cache.Bulk(ctx, []store.Write{put(k, 1)}), store.ErrLimit)
		}
	}
	k := key("a")
	w.apply(put(k, 1))
	_, err := w.cache.Get(ctx, k, store.Strong+1)
	require.ErrorIs(t, err, store.ErrLimit)
	wrong := put(k, 2)
	wrong.Version = store.Version{}
	require.ErrorIs(t, w.cache.Apply(ctx, wrong), store.ErrLimit)
	w.hooks.reads()
	require.Equal(w, 1, w.eventual(k), "still kept")
	w.asked(0, 0)
}

func TestEndedContexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key("a")
	w.apply(put(k, 1))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.cache.Get(ended, k, store.Eventual)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, w.cache.Apply(ended, put(k, 2)), context.Canceled)
	require.ErrorIs(t, w.cache.Bulk(ended, []store.Write{put(k, 2)}), context.Canceled)
	require.Equal(w, 1, w.eventual(k), "still kept")
	w.asked(0, 0)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	inner := memstore.New(nil)
	for _, o := range []*cachestore.Options{nil, {}, {TTL: time.Second}, {NegativeTTL: 300 * time.Second}, {MaxBytes: 1 << 20}} {
		_, err := cachestore.New(inner, o)
		require.NoError(t, err)
	}
	for _, tt := range []struct {
		options cachestore.Options
		fields  []string
	}{
		{cachestore.Options{TTL: -1}, []string{"TTL"}},
		{cachestore.Options{NegativeTTL: -1}, []string{"NegativeTTL"}},
		{cachestore.Options{NegativeTTL: 301 * time.Second}, []string{"NegativeTTL"}},
		{cachestore.Options{TTL: time.Second, NegativeTTL: 2 * time.Second}, []string{"NegativeTTL"}},
		{cachestore.Options{MaxBytes: 1<<20 - 1}, []string{"MaxBytes"}},
		{cachestore.Options{MaxBytes: -1, TTL: -1, NegativeTTL: -2}, []string{"MaxBytes", "NegativeTTL", "TTL"}},
	} {
		s, err := cachestore.New(inner, &tt.options)
		require.Nil(t, s)
		require.ErrorIs(t, err, fault.ErrInvalid)
		var e *fault.Error
		require.ErrorAs(t, err, &e)
		var fields []string
		for f := range e.Fields {
			fields = append(fields, f)
		}
		require.ElementsMatch(t, tt.fields, fields)
	}
	_, err := cachestore.New(nil, nil)
	require.Error(t, err)
}

// A TTL that never ends does not wrap around.
func TestEndlessTTL(t *testing.T) {
	t.Parallel()
	c := newClock()
	s, err := cachestore.New(memstore.New(nil), &cachestore.Options{Now: c.Now, TTL: 1<<63 - 1})
	require.NoError(t, err)
	c.advance(time.Hour)
	k := key("a")
	require.NoError(t, s.Apply(context.Background(), put(k, 1)))
	c.advance(time.Hour)
	_, err = s.Get(context.Background(), k, store.Eventual)
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Stats().Hits)
}

// powers has all that a store can have.
type powers struct {
	*memstore.Store
	bulks int
}

var errPowers = errors.New("a power")

func (p *powers) Bulk(ctx context.Context, writes []store.Write) error {
	p.bulks++
	return p.Apply(ctx, writes...)
}

func (p *powers) Sweep(context.Context) (int, error) { return 0, errPowers }
func (p *powers) Close() error                       { return errPowers }
func (p *powers) Scan(context.Context, store.Table, string, int) (store.Page, error) {
	return store.Page{}, errPowers
}

func TestOptionalInterfaces(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := &powers{Store: memstore.New(nil)}
	s, err := cachestore.New(p, nil)
	require.NoError(t, err)
	sweeper, ok := store.As[store.Sweeper](s)
	require.True(t, ok)
	_, err = sweeper.Sweep(ctx)
	require.ErrorIs(t, err, errPowers)
	closer, ok := store.As[store.Closer](s)
	require.True(t, ok)
	require.ErrorIs(t, closer.Close(), errPowers)
	scanner, ok := store.As[store.Scanner](s)
	require.True(t, ok)
	_, err = scanner.Scan(ctx, store.Users, "", 0)
	require.ErrorIs(t, err, errPowers)

	// Bulk is seen by the cache, and made by what the store behind has for it.
	k := key("a")
	require.NoError(t, s.Apply(ctx, put(k, 1)))
	require.NoError(t, store.Bulk(ctx, s, put(k, 2)))
	require.Equal(t, 1, p.bulks)
	item, err := s.Get(ctx, k, store.Eventual)
	require.NoError(t, err)
	require.JSONEq(t, `{"n":2}`, string(item.Body))
	require.EqualValues(t, 1, s.Stats().Hits)
}

func TestListsPassThrough(t *testing.T) {
	t.Parallel()
	w := newWorldBefore(t, newClock(), memstore.New(nil))
	k := key("a")
	w.apply(put(k, 1))
	require.Equal(w, 1, w.eventual(k))
	w.past(put(k, 2))
	page, err := w.cache.List(context.Background(), store.Query{Table: k.Table, Partition: k.Partition})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.JSONEq(t, `{"n":2}`, string(page.Items[0].Body))
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Zero(t, w.cache.Stats())
	require.Zero(t, w.cache.Stats().HitRatio())
	a, b, c := key("a"), key("b"), key("c")
	w.past(put(a, 1), put(b, 2))
	w.past(put(a, 1), put(b, 2))
	for range 4 {
		w.eventual(a) // a miss, and three hits
	}
	w.eventual(c)
	w.eventual(c) // a miss, and a negative hit
	w.read(key("d"), store.Strong)
	st := w.cache.Stats()
	require.Greater(t, st.Bytes, uint64(2*192))
	require.Less(t, st.Bytes, uint64(2*300))
	st.Bytes = 0
	require.Equal(t, cachestore.Stats{Hits: 3, NegativeHits: 1, Misses: 2, Loads: 2, Entries: 2}, st)
	require.InDelta(t, 4.0/6, st.HitRatio(), 1e-9)
	w.apply(put(b, 3))
	w.cache.Evict()
	require.Equal(w, 3, w.eventual(b))
	st = w.cache.Stats()
	require.EqualValues(t, 3, st.Loads)
	require.EqualValues(t, 1, st.StrongLoads)
	require.Equal(t, 1, st.Entries)
}

// An item's place in the index counts too.
func TestIndexHasWeight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := put(key("a"), 1)
	w.apply(p)
	plain := w.cache.Stats().Bytes
	p.Index = &store.Index{Partition: p.Key.Partition, Sort: strings.Repeat("x", 500)}
	w.apply(p)
	require.EqualValues(t, 500+32, w.cache.Stats().Bytes-plain)
}

// The bytes stay within the bound whatever is read and written, and what was evicted is counted.
func TestBounded(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	c := newClock()
	s, err := cachestore.New(memstore.New(nil), &cachestore.Options{Now: c.Now, MaxBytes: most})
	require.NoError(t, err)
	ctx := context.Background()
	big := make([]byte, 10_000)
	for i := range big {
		big[i] = ' '
	}
	body := append([]byte(`{"n":1}`), big...)
	for n := range 300 {
		k := key(strconv.Itoa(n))
		require.NoError(t, s.Apply(ctx, store.Put(store.Item{Key: k, Body: body}, store.None)))
		require.NoError(t, s.Apply(ctx, store.Put(store.Item{Key: k, Body: body}, store.None)))
		_, err := s.Get(ctx, k, store.Eventual)
		require.NoError(t, err)
		require.LessOrEqual(t, s.Stats().Bytes, uint64(most))
	}
	st := s.Stats()
	require.Greater(t, st.Bytes, uint64(most/2))
	require.Greater(t, st.Evictions, uint64(100))
	require.InDelta(t, st.Entries, st.Bytes/10_000, 10)
}
