// Package storetest proves that a store keeps the contract of [store.Store]. An adapter or decorator passes if
// its tests call Run:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
//			return memstore.New(&memstore.Options{Now: now})
//		})
//	}
//
// The checks read strongly wherever the contract lets an eventual read be behind, and wait a while for the index. They write
// into random partitions, so that stores of one engine may share its tables. What is optional ([store.Sweeper], [store.Scanner]) is
// checked where [store.As] finds it, and where it does not the checks of it pass.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Run runs every check as a subtest, each on a store of its own that open returns. The store takes the time from now, which
// stands still until a check moves it; open registers with t.Cleanup what has to be closed.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	t.Helper()
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			now := newClock()
			c.run(&env{TB: t, s: open(t, now.Now), clock: now, patience: 10 * time.Second})
		})
	}
}

type check struct {
	name string
	run  func(*env)
}

func checks() []check {
	return []check{
		{"RoundTrip", checkRoundTrip},
		{"Absent", checkAbsent},
		{"Replace", checkReplace},
		{"Apart", checkApart},
		{"Values", checkValues},
		{"Ownership", checkOwnership},
		{"Conditions", checkConditions},
		{"Conflicts", checkConflicts},
		{"RepeatedWrites", checkRepeated},
		{"RepeatedDeletes", checkRepeatedDeletes},
		{"Limits", checkLimits},
		{"WithinLimits", checkWithinLimits},
		{"QueryLimits", checkQueryLimits},
		{"Order", checkOrder},
		{"Paging", checkPaging},
		{"Cursors", checkCursors},
		{"PagingUnderChange", checkPagingUnderChange},
		{"PagingUnderWriters", checkPagingUnderWriters},
		{"Expiry", checkExpiry},
		{"ExpiryInConditions", checkExpiryInConditions},
		{"ExpiryInPages", checkExpiryInPages},
		{"Sweep", checkSweep},
		{"Index", checkIndex},
		{"IndexMoves", checkIndexMoves},
		{"IndexTies", checkIndexTies},
		{"ContextEnded", checkContextEnded},
		{"ContextEnding", checkContextEnding},
		{"Counters", checkCounters},
		{"RacingPuts", checkRacingPuts},
		{"RacingClaims", checkRacingClaims},
		{"Atomic", checkAtomic},
		{"ReadYourWrites", checkReadYourWrites},
		{"Update", checkUpdate},
		{"Bulk", checkBulk},
		{"Wipe", checkWipe},
		{"Scan", checkScan},
		{"ScanCursors", checkScanCursors},
		{"ScanUnderChange", checkScanUnderChange},
		{"ScanUnderWriters", checkScanUnderWriters},
		{"Model", checkModel},
	}
}

// env is what a check works with.
type env struct {
	rapid.TB
	s        store.Store
	clock    *clock
	patience time.Duration // how long the index may be behind
}

// clock stands still until it is moved. It starts in the present, and between two seconds: an engine that deletes expired items
// by a clock of its own must find nothing to delete that is not expired by this one.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Now().Truncate(time.Second).Add(400 * time.Millisecond).UTC()}
}

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

// second returns the whole second that is n seconds after the present one.
func (c *clock) second(n int) time.Time {
	return c.Now().Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

func (e *env) ctx() context.Context { return context.Background() }

// partition returns a fresh one.
func (e *env) partition() (p store.Partition) {
	_, _ = rand.Read(p[:])
	return p
}

// key returns a key in the table of users, in a fresh partition.
func (e *env) key(sort string) store.Key {
	return store.Key{Table: store.Users, Partition: e.partition(), Sort: sort}
}

func with(k store.Key, sort string) store.Key {
	k.Sort = sort
	return k
}

func body(s string) json.RawMessage { return json.RawMessage(s) }

// put returns an unconditional put of a small body.
func put(k store.Key) store.Write {
	return store.Put(store.Item{Key: k, Body: body(`{"n":1}`)}, store.None)
}

func (e *env) apply(writes ...store.Write) {
	e.Helper()
	require.NoError(e, e.s.Apply(e.ctx(), writes...))
}

// item returns what is under k.
func (e *env) item(k store.Key) store.Item {
	e.Helper()
	item, err := e.s.Get(e.ctx(), k, store.Strong)
	require.NoError(e, err, "get %v", k)
	return item
}

func (e *env) present(k store.Key) bool {
	e.Helper()
	_, err := e.s.Get(e.ctx(), k, store.Strong)
	if err != nil {
		require.ErrorIs(e, err, store.ErrNotFound)
	}
	return err == nil
}

// conflict holds that err is a conflict on exactly these keys in this order.
func (e *env) conflict(err error, keys ...store.Key) {
	e.Helper()
	require.ErrorIs(e, err, store.ErrConflict)
	var c *store.ConflictError
	require.ErrorAs(e, err, &c)
	require.Equal(e, keys, c.Keys)
}

// list reads all pages of q strongly.
func (e *env) list(q store.Query) []store.Item {
	e.Helper()
	items, err := e.pages(q)
	require.NoError(e, err)
	return items
}

func (e *env) pages(q store.Query) ([]store.Item, error) {
	q.Read = store.Strong
	var items []store.Item
	for item, err := range store.All(e.ctx(), e.s, q) {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// sorts waits until a listing has these sort keys: at once in a partition, with patience in the index.
func (e *env) sorts(q store.Query, want ...string) {
	e.Helper()
	if want == nil {
		want = []string{}
	}
	var got []string
	e.soon(q.ByIndex, func() bool {
		got = sortsOf(e.list(q))
		return reflect.DeepEqual(got, want)
	})
	require.Equal(e, want, got)
}

func sortsOf(items []store.Item) []string {
	sorts := make([]string, len(items))
	for i, item := range items {
		sorts[i] = item.Key.Sort
	}
	return sorts
}

// soon asks until done says yes, for as long as patience lasts; once where there is nothing to wait for.
func (e *env) soon(wait bool, done func() bool) {
	for end := time.Now().Add(e.patience); !done() && wait && time.Now().Before(end); {
		<-time.After(5 * time.Millisecond)
	}
}

// same holds that two items are the same: bodies as JSON values, everything else exactly.
func (e *env) same(want, got store.Item) {
	e.Helper()
	require.Empty(e, difference(want, got))
}

// difference says in what two items differ; "" if they do not.
func difference(want, got store.Item) string {
	switch {
	case want.Key != got.Key:
		return "key: " + got.Key.String() + " instead of " + want.Key.String()
	case want.Version != got.Version:
		return "version of " + got.Key.String()
	case !want.ExpiresAt.Equal(got.ExpiresAt) || want.ExpiresAt.IsZero() != got.ExpiresAt.IsZero():
		return "expiry: " + got.ExpiresAt.String() + " instead of " + want.ExpiresAt.String()
	case got.ExpiresAt.Location() != time.UTC:
		return "expiry not in UTC"
	case !reflect.DeepEqual(want.Index, got.Index):
		return "index of " + got.Key.String()
	case !sameJSON(want.Body, got.Body):
		return "body: " + string(got.Body) + " instead of " + string(want.Body)
	}
	return ""
}

// sameJSON compares two JSON values, numbers exactly by their value.
func sameJSON(a, b json.RawMessage) bool {
	va, errA := decode(a)
	vb, errB := decode(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

func decode(b json.RawMessage) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return normal(v)
}

var errNumber = errors.New("no number")

// normal replaces numbers by their exact value in lowest terms.
func normal(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return nil, errNumber
		}
		return "number " + r.String(), nil
	case []any:
		for i := range v {
			if v[i], err = normal(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = normal(v[k]); err != nil {
				return nil, err
			}
		}
	case string:
		return "string " + v, nil
	}
	return v, nil
}
