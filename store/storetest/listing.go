package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func asConflict(err error, c **store.ConflictError) bool { return errors.As(err, c) }
func isNotFound(err error) bool                          { return errors.Is(err, store.ErrNotFound) }

// tricky are sort keys whose order by bytes is not that by characters of UTF-16, by letters, by length or by number.
var tricky = []string{
	"!", "#", "/", "0", "1", "10", "2", "A", "B", "Z", "_", "a", "a\x00", "a\x00b", "a\x01", "a ", "a#", "a#1", "a#1#2", "a#10", "a#2", "a/", "aa", "ab", "b", "z",
	"~", "\x7f", "é", "e\u0301", "z\u0301", "ß", "ü", "Ω", "я", "\u07ff", "\u0800", "音", "\ud7ff", "\ue000", "\uffff", "\U00010000", "🎵", "🎵🎵", "\U0010ffff",
}

// Listings come in the order of the bytes, in both directions, for all ranges and prefixes, from partitions and from the index.
func checkOrder(e *env) {
	k, m := e.key(""), newModel(e.clock.Now)
	place := e.partition()
	var writes []store.Write
	for i, s := range tricky {
		w := store.Put(store.Item{Key: with(k, s), Body: fmt.Appendf(nil, `{"n":%d}`, i)}, store.None)
		if i%3 != 0 {
			w.Index = &store.Index{Partition: place, Sort: "x" + strconv.Itoa(i%2) + string([]rune(s)[:1])}
		}
		writes = append(writes, w)
	}
	rand.Shuffle(len(writes), func(i, j int) { writes[i], writes[j] = writes[j], writes[i] })
	e.apply(writes...)
	m.apply(writes)
	hold := func(q store.Query) {
		e.Helper()
		for _, q.Descending = range []bool{false, true} {
			want := m.list(q)
			var wrong string
			e.soon(q.ByIndex, func() bool {
				wrong = differences(want, e.list(q))
				return wrong == ""
			})
			require.Empty(e, wrong, "%+v", q)
		}
	}
	all := store.Query{Table: k.Table, Partition: k.Partition, Limit: store.MaxPage}
	index := store.Query{Table: k.Table, Partition: place, ByIndex: true, Limit: store.MaxPage}
	hold(all)
	hold(index)
	for i, s := range tricky {
		for _, q := range []store.Query{{Prefix: s}, {From: s}, {To: s}, {From: s, To: tricky[(i*7+5)%len(tricky)]}, {Prefix: "a", From: s}, {Prefix: "a", To: s}} {
			q.Table, q.Partition, q.Limit = all.Table, all.Partition, all.Limit
			hold(q)
		}
	}
	for _, s := range []string{"x", "x0", "x1", "x0a", "x1🎵", "y", "w"} {
		for _, q := range []store.Query{{Prefix: s}, {From: s}, {To: s}, {From: s, To: "x1"}, {Prefix: "x1", To: s + "é"}} {
			q.Table, q.Partition, q.ByIndex, q.Limit = index.Table, index.Partition, true, index.Limit
			hold(q)
		}
	}
	hold(store.Query{Table: store.Models, Partition: k.Partition})
}

// numbered puts n items "000", "001" … into a fresh partition, and into a fresh index partition with one index sort key
// for every four, and returns the queries for both, whose order is the same.
func (e *env) numbered(n int) (all, index store.Query) {
	k, place := e.key(""), e.partition()
	var writes []store.Write
	for i := range n {
		w := store.Put(store.Item{Key: with(k, fmt.Sprintf("%03d", i)), Body: body(`{"a":"b"}`)}, store.None)
		w.Index = &store.Index{Partition: place, Sort: fmt.Sprintf("%03d", i/4)}
		writes = append(writes, w)
	}
	require.NoError(e, store.Bulk(e.ctx(), e.s, writes...))
	all = store.Query{Table: k.Table, Partition: k.Partition, Read: store.Strong}
	index = store.Query{Table: k.Table, Partition: place, ByIndex: true}
	e.soon(true, func() bool { return len(e.list(index)) == n })
	return all, index
}

// Pages hold at most what was asked for and, one after the other, everything once.
func checkPaging(e *env) {
	const n = 23
	all, index := e.numbered(n)
	for _, q := range []store.Query{all, index} {
		for _, q.Descending = range []bool{false, true} {
			want := []string{}
			for i := range n {
				if q.Descending {
					i = n - 1 - i
				}
				want = append(want, fmt.Sprintf("%03d", i))
			}
			for _, q.Limit = range []int{1, 2, 5, n - 1, n, n + 1} {
				got, next := []string{}, q
				for pages := 0; ; pages++ {
					require.Less(e, pages, 20*n, "paging does not end")
					page, err := e.s.List(e.ctx(), next)
					require.NoError(e, err)
					require.LessOrEqual(e, len(page.Items), q.Limit)
					got = append(got, sortsOf(page.Items)...)
					if page.Next == "" {
						break
					}
					next.Cursor = page.Next
				}
				require.Equal(e, want, got, "limit %d", q.Limit)
			}
		}
	}
	all, _ = e.numbered(store.DefaultPage + 50)
	page, err := e.s.List(e.ctx(), all)
	require.NoError(e, err)
	require.LessOrEqual(e, len(page.Items), store.DefaultPage)
	require.NotEmpty(e, page.Next)
	require.Len(e, e.list(all), store.DefaultPage+50)
}

// A cursor is good for the query that it came from only.
func checkCursors(e *env) {
	all, index := e.numbered(9)
	cursor := func(q store.Query) string {
		e.Helper()
		page, err := e.s.List(e.ctx(), q)
		require.NoError(e, err)
		require.NotEmpty(e, page.Next)
		return page.Next
	}
	all.Limit, index.Limit = 3, 3
	for _, q := range []store.Query{all, index} {
		q.Cursor = cursor(q)
		for name, change := range map[string]func(*store.Query){
			"direction": func(q *store.Query) { q.Descending = true },
			"partition": func(q *store.Query) { q.Partition[7]++ },
			"table":     func(q *store.Query) { q.Table = store.Interactions },
			"index":     func(q *store.Query) { q.ByIndex = !q.ByIndex },
			"prefix":    func(q *store.Query) { q.Prefix = "0" },
			"from":      func(q *store.Query) { q.From = "0" },
			"to":        func(q *store.Query) { q.To = "1" },
			"cut":       func(q *store.Query) { q.Cursor = q.Cursor[:4] },
			"letters":   func(q *store.Query) { q.Cursor = "*" + q.Cursor[1:] },
		} {
			other := q
			change(&other)
			_, err := e.s.List(e.ctx(), other)
			require.ErrorIs(e, err, store.ErrLimit, name)
		}
		q.Limit, q.Read = 1, store.Eventual // of no matter
		page, err := e.s.List(e.ctx(), q)
		require.NoError(e, err)
		require.LessOrEqual(e, len(page.Items), 1)
		require.Len(e, e.list(q), 6)
	}
}

// Between two pages, items go, come and change: those that stay are seen once each, and none twice.
func checkPagingUnderChange(e *env) {
	for _, byIndex := range []bool{false, true} {
		for _, descending := range []bool{false, true} {
			all, index := e.numbered(20)
			q, part := all, all.Partition
			if byIndex {
				q = index
			}
			q.Descending, q.Limit = descending, 5
			at := func(i int) store.Key {
				if descending {
					i = 19 - i
				}
				return store.Key{Table: q.Table, Partition: part, Sort: fmt.Sprintf("%03d", i)}
			}
			page, err := e.s.List(e.ctx(), q)
			require.NoError(e, err)
			require.Len(e, page.Items, 5)
			seen := sortsOf(page.Items)
			e.apply(store.Delete(at(0), store.None), store.Delete(at(4), store.None)) // behind, and the one that the cursor stands on
			e.apply(store.Delete(at(5), store.None), store.Delete(at(11), store.None))
			changed := e.item(at(7))
			changed.Version = store.NewVersion()
			e.apply(store.Put(changed, store.Present))
			fresh := e.item(at(2))
			fresh.Key.Sort += "+" // behind: after 002 upwards, and 017 downwards
			fresh.Version = store.NewVersion()
			e.apply(store.Put(fresh, store.Absent))
			e.soon(byIndex, func() bool {
				return len(e.list(store.Query{Table: q.Table, Partition: q.Partition, ByIndex: byIndex})) == 17
			})
			q.Cursor = page.Next
			seen = append(seen, sortsOf(e.list(q))...)
			want := []string{}
			for i := range 20 {
				if i != 5 && i != 11 {
					want = append(want, at(i).Sort)
				}
			}
			require.Equal(e, want, seen, "by index %v, descending %v", byIndex, descending)
		}
	}
}

// While others write all the time, a listing shows every item that stays, in order, and none twice.
func checkPagingUnderWriters(e *env) {
	all, _ := e.numbered(40) // the odd ones stay
	stop := make(chan struct{})
	var writers sync.WaitGroup
	errs := make(chan error, 3)
	for w := range 3 {
		writers.Go(func() {
			for i := w; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := store.Key{Table: all.Table, Partition: all.Partition, Sort: fmt.Sprintf("%03d", i*2%40)}
				write := put(k)
				if i%5 == 0 {
					write = store.Delete(k, store.None)
				}
				if err := e.s.Apply(e.ctx(), write); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var wrong string
	for i := range 30 {
		q := all
		q.Limit, q.Descending = 1+i%7, i%2 == 1
		items, err := e.pages(q)
		if wrong = wrongUnderWriters(items, q.Descending); err != nil {
			wrong = err.Error()
		}
		if wrong != "" {
			break
		}
	}
	close(stop)
	writers.Wait()
	require.Empty(e, wrong)
	require.Empty(e, errs)
}

func wrongUnderWriters(items []store.Item, descending bool) string {
	odd := 0
	for i, item := range items {
		if n, _ := strconv.Atoi(item.Key.Sort); n%2 == 1 {
			odd++
		}
		if i > 0 && (items[i-1].Key.Sort < item.Key.Sort) == descending {
			return fmt.Sprintf("%s after %s", item.Key.Sort, items[i-1].Key.Sort)
		}
		if i > 0 && items[i-1].Key == item.Key {
			return item.Key.Sort + " twice"
		}
	}
	if odd != 20 {
		return fmt.Sprintf("%d of the 20 items that stay", odd)
	}
	return ""
}
