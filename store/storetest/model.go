package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
)

// model is the contract written down as simply as possible: a map, searched and sorted whole at each listing. It shares
// no rule with the stores, nor with the helpers that they share.
type model struct {
	items map[store.Key]store.Item
	now   func() time.Time
}

func newModel(now func() time.Time) *model { return &model{map[store.Key]store.Item{}, now} }

func (m *model) get(k store.Key) (store.Item, bool) {
	item, ok := m.items[k]
	if ok && !item.ExpiresAt.IsZero() && !item.ExpiresAt.After(m.now().Truncate(time.Second)) {
		return store.Item{}, false
	}
	return item, ok
}

// apply makes writes that keep the limits, and returns the keys of those whose condition does not hold.
func (m *model) apply(writes []store.Write) (failed []store.Key) {
	made := false
	for _, w := range writes {
		if item, ok := m.get(w.Key); ok && !w.Delete && item.Version == w.Version {
			made = true
		}
	}
	for _, w := range writes {
		item, ok := m.get(w.Key)
		holds := true
		if v, is := w.Condition.Version(); is {
			holds = ok && item.Version == v
		} else if w.Condition == store.Absent {
			holds = !ok
		} else if w.Condition == store.Present {
			holds = ok
		}
		repeatedPut := !w.Delete && ok && item.Version == w.Version
		repeatedDelete := w.Delete && !ok && made
		if !holds && !repeatedPut && !repeatedDelete {
			failed = append(failed, w.Key)
		}
	}
	if failed != nil {
		return failed
	}
	for _, w := range writes {
		if w.Delete {
			delete(m.items, w.Key)
		} else {
			m.items[w.Key] = w.Item().Clone()
		}
	}
	return nil
}

// list returns everything that q selects.
func (m *model) list(q store.Query) (items []store.Item) {
	for k := range m.items {
		item, ok := m.get(k)
		if !ok || k.Table != q.Table {
			continue
		}
		partition, sort := k.Partition, k.Sort
		if q.ByIndex {
			if item.Index == nil {
				continue
			}
			partition, sort = item.Index.Partition, item.Index.Sort
		}
		if partition == q.Partition && strings.HasPrefix(sort, q.Prefix) && sort >= q.From && (q.To == "" || sort < q.To) {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b store.Item) int {
		if q.ByIndex {
			if c := strings.Compare(a.Index.Sort, b.Index.Sort); c != 0 {
				return c
			}
			if c := slices.Compare(a.Key.Partition[:], b.Key.Partition[:]); c != 0 {
				return c
			}
		}
		return strings.Compare(a.Key.Sort, b.Key.Sort)
	})
	if q.Descending {
		slices.Reverse(items)
	}
	return items
}

// What random sequences of operations are made of: few keys, so that they meet.
var (
	someSorts    = []string{"a", "a\x00", "ab", "b", "b#1", "b#10", "b#2", "\uffff", "🎵"}
	somePrefixes = []string{"a", "b", "b#", "b#1", "é", "🎵", "zz"}
	someIndexes  = []string{"1", "2", "2026-01-01", "2026-01-02", "é"}
)

// checkModel makes random sequences of operations on the store and on the model, and compares all answers.
func checkModel(e *env) {
	rapid.Check(e, func(t *rapid.T) {
		r := &run{T: t, e: e, m: newModel(e.clock.Now), partitions: []store.Partition{e.partition(), e.partition()}, place: e.partition()}
		t.Repeat(map[string]func(*rapid.T){
			"apply":       r.apply,
			"apply again": r.applyAgain,
			"get":         r.get,
			"list":        r.list,
			"time passes": r.timePasses,
			"sweep":       r.sweep,
		})
	})
}

// run is one sequence.
type run struct {
	*rapid.T
	e          *env
	m          *model
	partitions []store.Partition
	place      store.Partition // of the index
	versions   []store.Version // that were ever written
	last       []store.Write
}

func (r *run) key(t *rapid.T) store.Key {
	return store.Key{
		Table:     rapid.SampledFrom(store.Tables()[:2]).Draw(t, "table"),
		Partition: rapid.SampledFrom(r.partitions).Draw(t, "partition"),
		Sort:      rapid.SampledFrom(someSorts).Draw(t, "sort"),
	}
}

func (r *run) condition(t *rapid.T, k store.Key) store.Condition {
	switch rapid.IntRange(0, 5).Draw(t, "condition") {
	case 0:
		return store.Absent
	case 1:
		return store.Present
	case 2:
		if len(r.versions) > 0 {
			return store.VersionIs(rapid.SampledFrom(r.versions).Draw(t, "version"))
		}
	case 3:
		if item, ok := r.m.get(k); ok {
			return store.VersionIs(item.Version)
		}
	}
	return store.None
}

func (r *run) write(t *rapid.T) store.Write {
	k := r.key(t)
	c := r.condition(t, k)
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		return store.Delete(k, c)
	}
	item := store.Item{Key: k, Version: store.NewVersion(), Body: fmt.Appendf(nil, `{"n":%d}`, len(r.versions))}
	if rapid.Bool().Draw(t, "indexed") {
		item.Index = &store.Index{Partition: r.place, Sort: rapid.SampledFrom(someIndexes).Draw(t, "index")}
	}
	if n := rapid.IntRange(-1, 6).Draw(t, "expiry"); n > 0 {
		item.ExpiresAt = r.e.clock.second(n)
	}
	r.versions = append(r.versions, item.Version)
	return store.Put(item, c)
}

func (r *run) apply(t *rapid.T) {
	n := rapid.SampledFrom([]int{1, 1, 1, 2, 3, 5}).Draw(t, "writes")
	seen := map[store.Key]bool{}
	r.last = nil
	for range n {
		if w := r.write(t); !seen[w.Key] {
			seen[w.Key] = true
			r.last = append(r.last, w)
		}
	}
	r.applyAgain(t)
}

func (r *run) applyAgain(t *rapid.T) {
	if r.last == nil {
		t.Skip("nothing yet")
	}
	err := r.e.s.Apply(r.e.ctx(), r.last...)
	want := r.m.apply(r.last)
	var got []store.Key
	if c := (*store.ConflictError)(nil); err != nil && !asConflict(err, &c) {
		t.Fatalf("apply: %v", err)
	} else if c != nil {
		got = c.Keys
	}
	if !slices.Equal(got, want) {
		t.Fatalf("conflicts: got %v, want %v", got, want)
	}
	for _, w := range r.last {
		r.hold(t, w.Key)
	}
}

func (r *run) get(t *rapid.T) { r.hold(t, r.key(t)) }

// hold compares what is under a key.
func (r *run) hold(t *rapid.T, k store.Key) {
	got, err := r.e.s.Get(r.e.ctx(), k, store.Strong)
	want, ok := r.m.get(k)
	switch {
	case !ok && !isNotFound(err):
		t.Fatalf("get of an absent item: %v, %v", got, err)
	case ok && err != nil:
		t.Fatalf("get: %v", err)
	case ok && difference(want, got) != "":
		t.Fatalf("get: %s", difference(want, got))
	}
}

func (r *run) list(t *rapid.T) {
	q := store.Query{
		Table:      rapid.SampledFrom(store.Tables()[:2]).Draw(t, "table"),
		Partition:  rapid.SampledFrom(r.partitions).Draw(t, "partition"),
		ByIndex:    rapid.Bool().Draw(t, "by index"),
		Descending: rapid.Bool().Draw(t, "descending"),
		Limit:      rapid.IntRange(0, 5).Draw(t, "limit"),
	}
	prefixes, bounds := somePrefixes, someSorts
	if q.ByIndex {
		q.Partition = r.place
		prefixes, bounds = []string{"2", "2026-01-0", "é", "zz"}, append([]string{"2026-01", "20261"}, someIndexes...)
	}
	for _, bound := range []struct {
		of     *string
		values []string
	}{{&q.Prefix, prefixes}, {&q.From, bounds}, {&q.To, bounds}} {
		if rapid.IntRange(0, 3).Draw(t, "bounded") == 0 { // most listings are to find something
			*bound.of = rapid.SampledFrom(bound.values).Draw(t, "bound")
		}
	}
	want := r.m.list(q)
	var wrong string
	r.e.soon(q.ByIndex, func() bool {
		got, err := r.e.pages(q)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		wrong = differences(want, got)
		return wrong == ""
	})
	if wrong != "" {
		t.Fatalf("list %+v: %s", q, wrong)
	}
}

func (r *run) timePasses(t *rapid.T) {
	r.e.clock.advance(time.Duration(rapid.IntRange(1, 3000).Draw(t, "milliseconds")) * time.Millisecond)
}

func (r *run) sweep(t *rapid.T) {
	if s, ok := store.As[store.Sweeper](r.e.s); ok {
		if _, err := s.Sweep(r.e.ctx()); err != nil {
			t.Fatalf("sweep: %v", err)
		}
	}
}

// differences says in what two listings differ; "" if they do not.
func differences(want, got []store.Item) string {
	for i := range min(len(want), len(got)) {
		if d := difference(want[i], got[i]); d != "" {
			return fmt.Sprintf("item %d of %d: %s", i, len(want), d)
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d items instead of %d", len(got), len(want))
	}
	return ""
}
