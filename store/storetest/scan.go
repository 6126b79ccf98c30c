package storetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// scanned are a check's own items as a scan has shown them so far. Stores may share their tables, so whatever else a scan shows is of others.
type scanned struct {
	own  map[store.Key]bool // what to look for
	seen map[store.Key]store.Item
	last store.Key
}

func watch(items ...store.Item) *scanned {
	s := &scanned{own: map[store.Key]bool{}, seen: map[store.Key]store.Item{}}
	for _, item := range items {
		s.own[item.Key] = true
	}
	return s
}

// smallPages are read at the start of a scan with the limit in question. What others may have put there is then read in larger ones, which in a
// scan that is to stop half-way are not so large that all of the check's items can be in one.
const (
	smallPages = 150
	stopPage   = 20
)

// scan goes on with a scan from a cursor until it ends, or until stop says so, and returns the cursor of the next page.
func (e *env) scan(s store.Scanner, table store.Table, cursor string, limit int, w *scanned, stop func() bool) string {
	e.Helper()
	for pages := 0; ; pages++ {
		if pages >= smallPages {
			if limit = store.MaxPage; stop != nil {
				limit = stopPage
			}
		}
		page, err := s.Scan(e.ctx(), table, cursor, limit)
		require.NoError(e, err)
		most := limit
		if most == 0 {
			most = store.DefaultPage
		}
		require.LessOrEqual(e, len(page.Items), most)
		for _, item := range page.Items {
			require.Equal(e, table, item.Key.Table)
			require.False(e, item.Expired(e.clock.Now()) && w.own[item.Key], "%v has expired", item.Key)
			if !w.own[item.Key] {
				continue
			}
			_, again := w.seen[item.Key]
			require.False(e, again, "%v twice", item.Key)
			w.seen[item.Key], w.last = item, item.Key
		}
		cursor = page.Next
		if cursor == "" || (stop != nil && stop()) {
			return cursor
		}
	}
}

// scattered puts n items into each table: some alone in their partition, some together, some in the index, some that expire one day.
// It returns them by table.
func (e *env) scattered(n int) map[store.Table][]store.Item {
	e.Helper()
	all := map[store.Table][]store.Item{}
	var (
		writes []store.Write
		p      store.Partition
	)
	for i := range n {
		if i%10 < 5 {
			p = e.partition()
		}
		for _, table := range store.Tables() {
			item := store.Item{Key: store.Key{Table: table, Partition: p, Sort: fmt.Sprintf("%03d/é", i)}, Version: store.NewVersion(), Body: fmt.Appendf(nil, `{"n":%d}`, i)}
			if i%3 == 0 {
				item.Index = &store.Index{Partition: p, Sort: strconv.Itoa(i)}
			}
			if i%4 == 0 {
				item.ExpiresAt = e.clock.second(3600)
			}
			all[table] = append(all[table], item)
			writes = append(writes, store.Put(item, store.None))
		}
	}
	require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
	return all
}

// A scan shows all items of a table and no other's, each once, whole, and no expired one, in pages of any size.
func checkScan(e *env) {
	s, ok := store.As[store.Scanner](e.s)
	if !ok {
		return // it cannot be moved from
	}
	const n = 60
	all := e.scattered(n)
	k := e.key("")
	var expired []store.Item
	for _, table := range store.Tables() {
		for i := range 20 {
			item := all[table][i]
			if i%2 == 0 {
				item.Key.Partition = k.Partition
			}
			item.Key.Sort, item.Version, item.ExpiresAt = fmt.Sprintf("gone %d", i), store.NewVersion(), e.clock.second(5)
			expired = append(expired, item)
			e.apply(store.Put(item, store.None))
		}
	}
	e.clock.advance(e.clock.second(5).Sub(e.clock.Now()))
	for _, table := range store.Tables() {
		for _, limit := range []int{1, 2, 7, 0, n, store.MaxPage} {
			w := watch(append(expired, all[table]...)...)
			e.scan(s, table, "", limit, w, nil)
			require.Len(e, w.seen, n, "%s, limit %d", table, limit)
			for _, item := range all[table] {
				e.same(item, w.seen[item.Key])
			}
		}
	}
	ctx, cancel := e.ended()
	defer cancel()
	page, err := s.Scan(ctx, store.Users, "", 1)
	require.ErrorIs(e, err, ctx.Err())
	require.Empty(e, page.Items)
}

// A cursor is good for its own table only, as often as one likes, and also when the item that it stands on is gone.
func checkScanCursors(e *env) {
	s, ok := store.As[store.Scanner](e.s)
	if !ok {
		return
	}
	all := e.scattered(30)
	some := func(w *scanned) func() bool { return func() bool { return len(w.seen) >= 10 } }
	for _, table := range store.Tables() {
		first := watch(all[table]...)
		cursor := e.scan(s, table, "", 4, first, some(first))
		require.NotEmpty(e, cursor)
		list, err := e.s.List(e.ctx(), store.Query{Table: table, Partition: all[table][29].Key.Partition, Limit: 1})
		require.NoError(e, err)
		for name, bad := range map[string]string{
			"cut":     cursor[:len(cursor)/2],
			"letters": "*" + cursor[1:],
			"garbage": "!",
			"long":    cursor + cursor,
			"List's":  list.Next,
		} {
			if bad == "" {
				continue // a listing that ends after one page has none
			}
			page, err := s.Scan(e.ctx(), table, bad, 4)
			require.ErrorIs(e, err, store.ErrLimit, name)
			require.Equal(e, store.Page{}, page, name)
		}
		for _, other := range store.Tables() {
			if other != table {
				_, err := s.Scan(e.ctx(), other, cursor, 4)
				require.ErrorIs(e, err, store.ErrLimit, "%s's cursor for %s", table, other)
			}
		}
		// Whoever has the cursor gets the rest.
		for _, limit := range []int{3, store.MaxPage} {
			rest := watch(all[table]...)
			e.scan(s, table, cursor, limit, rest, nil)
			require.Len(e, rest.seen, len(all[table])-len(first.seen))
			for key := range first.seen {
				require.NotContains(e, rest.seen, key)
			}
		}
		e.apply(store.Delete(first.last, store.None))
		rest := watch(all[table]...)
		e.scan(s, table, cursor, 3, rest, nil)
		require.Len(e, rest.seen, len(all[table])-len(first.seen))
	}
	for name, bad := range map[string]struct {
		table store.Table
		limit int
	}{"table": {"other", 1}, "no table": {"", 1}, "negative": {store.Users, -1}, "too many": {store.Users, store.MaxPage + 1}} {
		page, err := s.Scan(e.ctx(), bad.table, "", bad.limit)
		require.ErrorIs(e, err, store.ErrLimit, name)
		require.EqualError(e, err, store.CheckScan(bad.table, bad.limit).Error(), name)
		require.Equal(e, store.Page{}, page, name)
	}
}

// Between the pages of a scan, items go, come and change: those that stay are seen once each, none is twice, and what was done is seen.
func checkScanUnderChange(e *env) {
	s, ok := store.As[store.Scanner](e.s)
	if !ok {
		return
	}
	for round := range 4 {
		all := e.scattered(40)[store.Interactions]
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var fresh []store.Item
		for i := range 20 {
			item := store.Item{Key: all[i].Key, Version: store.NewVersion(), Body: body(`{}`)}
			if item.Key.Sort = fmt.Sprintf("fresh %d", i); i%2 == 0 {
				item.Key.Partition = e.partition()
			}
			fresh = append(fresh, item)
		}
		w := watch(append(fresh, all...)...)
		cursor := e.scan(s, store.Interactions, "", 1+round, w, func() bool { return len(w.seen) >= 15 })
		require.NotEmpty(e, cursor)
		// Half of what was seen goes, and what the cursor stands on; a quarter of what was not goes, a quarter changes. In some rounds items only come, or
		// only go, so that the one does not make up for the other.
		comes, goes := round%3 != 2, round%3 != 1
		var writes []store.Write
		gone := map[store.Key]bool{w.last: goes}
		changed := map[store.Key]store.Version{}
		for i, item := range all {
			_, seen := w.seen[item.Key]
			switch {
			case i%2 == 0 && (seen || i%4 == 0):
				gone[item.Key] = goes
			case i%4 == 1:
				item.Version = store.NewVersion()
				changed[item.Key] = item.Version
				writes = append(writes, store.Put(item, store.Present))
			}
		}
		before := len(w.seen)
		for _, write := range writes {
			if !gone[write.Key] {
				e.apply(write)
			}
		}
		for key, goes := range gone {
			if goes {
				e.apply(store.Delete(key, store.None))
			}
		}
		if comes {
			for _, item := range fresh {
				e.apply(store.Put(item, store.Absent))
			}
		}
		seenBefore := map[store.Key]bool{}
		for key := range w.seen {
			seenBefore[key] = true
		}
		require.Len(e, seenBefore, before)
		e.scan(s, store.Interactions, cursor, 1+round, w, nil)
		for _, item := range all {
			shown, seen := w.seen[item.Key]
			if gone[item.Key] && !seenBefore[item.Key] {
				require.False(e, seen, "%v was deleted before the page was read", item.Key)
			}
			if !gone[item.Key] {
				require.True(e, seen, "%v was missed", item.Key)
			}
			if v, ok := changed[item.Key]; ok && seen && !seenBefore[item.Key] {
				require.Equal(e, v, shown.Version, "%v as it was before it changed", item.Key)
			}
		}
	}
}

// While others write all the time, a scan shows every item that stays, and none twice.
func checkScanUnderWriters(e *env) {
	s, ok := store.As[store.Scanner](e.s)
	if !ok {
		return
	}
	all := e.scattered(40)[store.Models] // every second one stays
	var comes []store.Key                // these, and the others, go and come again for ever
	for range 40 {
		comes = append(comes, store.Key{Table: store.Models, Partition: e.partition(), Sort: "comes"})
	}
	for i := 0; i < len(all); i += 2 {
		comes = append(comes, all[i].Key)
	}
	stop := make(chan struct{})
	var (
		writers sync.WaitGroup
		written atomic.Int64
	)
	errs := make(chan error, 3)
	for n := range 3 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				write := put(comes[random.IntN(len(comes))])
				if random.IntN(2) == 0 {
					write = store.Delete(write.Key, store.None)
				}
				if err := e.s.Apply(e.ctx(), write); err != nil {
					errs <- err
					return
				}
				written.Add(1)
			}
		})
	}
	end := sync.OnceFunc(func() {
		close(stop)
		writers.Wait()
	})
	defer end()
	// Between two pages each writer comes to its turn, however busy the machine is.
	meanwhile := func() bool {
		for enough := written.Load() + 3; written.Load() < enough && len(errs) == 0; {
			runtime.Gosched()
		}
		return false
	}
	for round := 0; len(errs) == 0 && (round < 6 || written.Load() < 300); round++ {
		w := watch(all...)
		e.scan(s, store.Models, "", 1+round%6*3, w, meanwhile)
		for i, item := range all {
			if _, seen := w.seen[item.Key]; i%2 == 1 {
				require.True(e, seen, "%v was missed", item.Key)
			}
		}
	}
	end()
	require.Empty(e, errs)
}
