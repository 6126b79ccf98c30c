package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

type count struct {
	N int `json:"n"`
}

// together runs n functions at the same time and returns their errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var start, wg sync.WaitGroup
	start.Add(1)
	for i := range n {
		wg.Go(func() {
			start.Wait()
			errs[i] = f(i)
		})
	}
	start.Done()
	wg.Wait()
	return errs
}

// increment adds one to a counter, from nothing too, and lets others in between its read and its write.
func increment(ctx context.Context, s store.Store, k store.Key) (store.Item, error) {
	return store.Update(ctx, s, k, func(old store.Item, found bool) ([]store.Write, error) {
		<-time.After(50 * time.Microsecond)
		var c count
		if found {
			if err := old.Decode(&c); err != nil {
				return nil, err
			}
		}
		c.N++
		var err error
		old.Body, err = store.Encode(c)
		return []store.Write{store.Put(old, store.None)}, err
	})
}

// No increment is lost among concurrent writers.
func checkCounters(e *env) {
	const writers, each = 6, 15
	k := e.key("counter")
	for _, err := range together(writers, func(int) error {
		for range each {
			if _, err := increment(e.ctx(), e.s, k); err != nil {
				return err
			}
		}
		return nil
	}) {
		require.NoError(e, err)
	}
	var c count
	require.NoError(e, e.item(k).Decode(&c))
	require.Equal(e, writers*each, c.N)
}

// Of racing writes to one item, as many get through as can: one of those that ask for absence or a version, one delete.
func checkRacingPuts(e *env) {
	const racers = 12
	for round := range 8 {
		k := e.key("a")
		condition := store.Absent
		if round%2 == 1 {
			e.apply(put(k))
			condition = store.VersionIs(e.item(k).Version)
		}
		writes := make([]store.Write, racers)
		for i := range writes {
			writes[i] = store.Put(store.Item{Key: k, Body: fmt.Appendf(nil, `{"racer":%d}`, i)}, condition)
			if round == 3 {
				writes[i] = store.Delete(k, condition)
			}
		}
		won := -1
		for i, err := range together(racers, func(i int) error { return e.s.Apply(e.ctx(), writes[i]) }) {
			if err == nil {
				require.Negative(e, won, "two winners")
				won = i
				continue
			}
			e.conflict(err, k)
		}
		require.GreaterOrEqual(e, won, 0, "no winner")
		if round == 3 {
			require.False(e, e.present(k))
			continue
		}
		e.same(writes[won].Item(), e.item(k))
	}
}

// Of racing Applies that share a claim one wins, and the others leave nothing of theirs behind.
func checkRacingClaims(e *env) {
	const racers = 12
	claim := e.key("claim")
	own := make([]store.Key, racers)
	for i := range own {
		own[i] = e.key("profile")
	}
	won := -1
	for i, err := range together(racers, func(i int) error {
		writes := []store.Write{
			store.Put(store.Item{Key: own[i], Body: body(`{}`)}, store.Absent),
			store.Put(store.Item{Key: claim, Body: body(`{}`)}, store.Absent),
		}
		if i%2 == 1 {
			writes[0], writes[1] = writes[1], writes[0]
		}
		return e.s.Apply(e.ctx(), writes...)
	}) {
		if err == nil {
			require.Negative(e, won, "two winners")
			won = i
			continue
		}
		e.conflict(err, claim)
	}
	require.GreaterOrEqual(e, won, 0, "no winner")
	for i, k := range own {
		require.Equal(e, i == won, e.present(k))
	}
}

// Whoever has seen one write of an Apply sees the others too.
func checkAtomic(e *env) {
	const rounds = 60 // at least, and as many reads
	a, b := e.key("a"), e.key("b")
	b.Table = store.Models
	n := func(k store.Key) (int, error) {
		item, err := e.s.Get(e.ctx(), k, store.Strong)
		if errors.Is(err, store.ErrNotFound) {
			return 0, nil
		}
		var c count
		if err == nil {
			err = item.Decode(&c)
		}
		return c.N, err
	}
	var done atomic.Bool
	var reads atomic.Int64
	errs := together(4, func(i int) error {
		defer done.Store(true) // an error ends it for all
		if i == 0 {
			for r := 1; (r <= rounds || reads.Load() < rounds) && !done.Load(); r++ {
				value := fmt.Appendf(nil, `{"n":%d}`, r)
				if err := e.s.Apply(e.ctx(), store.Put(store.Item{Key: a, Body: value}, store.None), store.Put(store.Item{Key: b, Body: value}, store.None)); err != nil {
					return err
				}
			}
			return nil
		}
		first, second := a, b
		if i%2 == 0 {
			first, second = b, a
		}
		for !done.Load() {
			x, err := n(first)
			if err != nil {
				return err
			}
			y, err := n(second)
			if err != nil {
				return err
			}
			reads.Add(1)
			if y < x {
				return fmt.Errorf("%v is at %d after %v was at %d", second, y, first, x)
			}
		}
		return nil
	})
	for _, err := range errs {
		require.NoError(e, err)
	}
}

// A strong read sees what was acknowledged before it began, whoever wrote it, and never goes back.
func checkReadYourWrites(e *env) {
	k := e.key("a")
	e.apply(put(k))
	const rounds = 60 // at least, and as many reads
	var acknowledged, reads atomic.Int64
	var done atomic.Bool
	for _, err := range together(3, func(i int) error {
		defer done.Store(true) // an error ends it for all
		if i == 0 {
			for n := int64(2); (n <= rounds || reads.Load() < rounds) && !done.Load(); n++ {
				if err := e.s.Apply(e.ctx(), store.Put(store.Item{Key: k, Body: fmt.Appendf(nil, `{"n":%d}`, n)}, store.Present)); err != nil {
					return err
				}
				acknowledged.Store(n)
				var own count
				if item, err := e.s.Get(e.ctx(), k, store.Strong); err != nil {
					return err
				} else if err := item.Decode(&own); err != nil || own.N != int(n) {
					return fmt.Errorf("read %d after one's own %d", own.N, n)
				}
			}
			return nil
		}
		for last := int64(0); !done.Load(); {
			least := max(last, acknowledged.Load())
			item, err := e.s.Get(e.ctx(), k, store.Strong)
			if i == 2 {
				var page store.Page
				page, err = e.s.List(e.ctx(), store.Query{Table: k.Table, Partition: k.Partition, Read: store.Strong})
				if err == nil && len(page.Items) != 1 {
					err = fmt.Errorf("%d items", len(page.Items))
				}
				if err == nil {
					item = page.Items[0]
				}
			}
			if err != nil {
				return err
			}
			var c count
			if err := item.Decode(&c); err != nil {
				return err
			}
			if last = int64(c.N); last < least {
				return fmt.Errorf("read %d after %d", last, least)
			}
			reads.Add(1)
		}
		return nil
	}) {
		require.NoError(e, err)
	}
}
