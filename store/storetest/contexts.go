package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func (e *env) ended() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	return ctx, cancel
}

// A call whose context has ended changes nothing and returns the context's error.
func checkContextEnded(e *env) {
	k := e.key("a")
	e.apply(put(k))
	before := e.item(k)
	canceled, cancel := e.ended()
	defer cancel()
	late, cancel := context.WithDeadline(e.ctx(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{canceled, late} {
		for range 20 { // a store that leaves it to chance is caught
			_, err := e.s.Get(ctx, k, store.Strong)
			require.ErrorIs(e, err, ctx.Err())
			page, err := e.s.List(ctx, store.Query{Table: k.Table, Partition: k.Partition})
			require.ErrorIs(e, err, ctx.Err())
			require.Empty(e, page.Items)
			require.ErrorIs(e, e.s.Apply(ctx, put(k)), ctx.Err())
			require.ErrorIs(e, e.s.Apply(ctx, put(with(k, "b")), store.Delete(k, store.None)), ctx.Err())
			require.ErrorIs(e, store.Bulk(ctx, e.s, put(with(k, "b"))), ctx.Err())
		}
	}
	e.same(before, e.item(k))
	e.sorts(store.Query{Table: k.Table, Partition: k.Partition}, "a")
}

// A context that ends during an Apply leaves all of it or nothing, and the same writes can be made again.
func checkContextEnding(e *env) {
	var wg sync.WaitGroup
	type outcome struct {
		writes []store.Write
		err    error
	}
	outcomes := make(chan outcome, 200)
	for range 8 {
		wg.Go(func() {
			for range 25 {
				a, b := e.key("a"), e.key("b")
				ctx, cancel := context.WithTimeout(e.ctx(), rand.N(2*time.Millisecond))
				writes := []store.Write{
					store.Put(store.Item{Key: a, Body: body(`{}`)}, store.Absent),
					store.Put(store.Item{Key: b, Body: body(`{}`)}, store.Absent),
				}
				err := e.s.Apply(ctx, writes...)
				cancel()
				outcomes <- outcome{writes, err}
			}
		})
	}
	wg.Wait()
	close(outcomes)
	for o := range outcomes {
		a, b := o.writes[0].Key, o.writes[1].Key
		if o.err == nil {
			require.True(e, e.present(a))
			require.True(e, e.present(b))
			continue
		}
		if !errors.Is(o.err, store.ErrUnavailable) {
			require.ErrorIs(e, o.err, context.DeadlineExceeded)
		}
		require.Equal(e, e.present(a), e.present(b))
		e.apply(o.writes...) // whatever became of it
		e.same(o.writes[0].Item(), e.item(a))
		e.same(o.writes[1].Item(), e.item(b))
	}
}
