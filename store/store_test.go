package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func key(sort string) store.Key { return store.Key{Table: store.Users, Sort: sort} }

func put(sort string) store.Write {
	return store.Put(store.Item{Key: key(sort), Body: json.RawMessage(`{"a":1}`)}, store.None)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	v := store.NewVersion()
	require.NotEqual(t, v, store.NewVersion())
	require.Len(t, v.String(), 32)
	back, ok := store.ParseVersion(v.String())
	require.True(t, ok)
	require.Equal(t, v, back)
	for _, bad := range []string{"", "0", "xyz", v.String() + "00", v.String()[2:], strings.Repeat("g", 32)} {
		back, ok = store.ParseVersion(bad)
		require.False(t, ok, bad)
		require.Equal(t, store.Version{}, back)
	}
}

func TestKeyString(t *testing.T) {
	t.Parallel()
	k := store.Key{Table: store.Models, Partition: store.Partition{0xAB, 15: 1}, Sort: "vector#1"}
	require.Equal(t, "models/ab000000000000000000000000000001/vector#1", k.String())
}

func TestConditions(t *testing.T) {
	t.Parallel()
	v, w := store.NewVersion(), store.NewVersion()
	require.True(t, store.None.Holds(v, true) && store.None.Holds(v, false))
	require.True(t, store.Absent.Holds(v, false) && !store.Absent.Holds(v, true))
	require.True(t, store.Present.Holds(v, true) && !store.Present.Holds(v, false))
	is := store.VersionIs(v)
	require.True(t, is.Holds(v, true) && !is.Holds(w, true) && !is.Holds(v, false))
	require.True(t, is.Is(store.VersionIs(w)) && !is.Is(store.None))
	got, ok := is.Version()
	require.True(t, ok)
	require.Equal(t, v, got)
	_, ok = store.Present.Version()
	require.False(t, ok)
}

func TestPut(t *testing.T) {
	t.Parallel()
	item := store.Item{Key: key("a"), Version: store.NewVersion(), ExpiresAt: time.Unix(9, 0), Index: &store.Index{Sort: "x"}, Body: json.RawMessage(`{}`)}
	require.Equal(t, item, store.Put(item, store.Absent).Item())
	require.Equal(t, store.Absent, store.Put(item, store.Absent).Condition)
	item.Version = store.Version{}
	require.NotEqual(t, store.Version{}, store.Put(item, store.Absent).Version)
	d := store.Delete(item.Key, store.Present)
	require.True(t, d.Delete)
	require.Equal(t, item.Key, d.Key)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	conflict := fmt.Errorf("outer: %w", &store.ConflictError{Keys: []store.Key{key("a"), key("b")}})
	require.ErrorIs(t, conflict, store.ErrConflict)
	require.NotErrorIs(t, conflict, store.ErrLimit)
	require.ErrorContains(t, conflict, "users/00000000000000000000000000000000/a, users/")
	require.True(t, store.Has(conflict, key("b")))
	require.False(t, store.Has(conflict, key("c")))
	require.False(t, store.Has(store.ErrConflict, key("a")))
	require.False(t, store.Has(nil, key("a")))
	limit := fmt.Errorf("outer: %w", &store.LimitError{Reason: "too much"})
	require.ErrorIs(t, limit, store.ErrLimit)
	require.NotErrorIs(t, limit, store.ErrConflict)
	require.EqualError(t, limit, "outer: store: over a limit: too much")
}

func TestExpired(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0)
	require.False(t, store.Expired(time.Time{}, at))
	require.False(t, store.Expired(at, at.Add(-1)))
	require.True(t, store.Expired(at, at))
	require.True(t, store.Expired(at, at.Add(time.Hour)))
	require.True(t, store.Item{ExpiresAt: at}.Expired(at))
}

func TestClone(t *testing.T) {
	t.Parallel()
	item := store.Item{Key: key("a"), Body: json.RawMessage(`{}`), Index: &store.Index{Sort: "x"}}
	clone := item.Clone()
	require.Equal(t, item, clone)
	item.Body[0], item.Index.Sort = 'x', "y"
	require.Equal(t, `{}`, string(clone.Body))
	require.Equal(t, "x", clone.Index.Sort)
	require.Nil(t, store.Item{}.Clone().Index)
}

func TestEncode(t *testing.T) {
	t.Parallel()
	b, err := store.Encode(struct{ A int }{1})
	require.NoError(t, err)
	require.JSONEq(t, `{"A":1}`, string(b))
	_, err = store.Encode(func() {})
	require.ErrorContains(t, err, "store: encode func()")
	var v struct{ A int }
	item := store.Item{Key: key("profile"), Body: b}
	require.NoError(t, item.Decode(&v))
	require.Equal(t, 1, v.A)
	item.Body = json.RawMessage(`{"A":"x"}`)
	require.ErrorContains(t, item.Decode(&v), "/profile: ")
}

func TestHashPartition(t *testing.T) {
	t.Parallel()
	a := store.HashPartition("email", "alice@example.com")
	require.Equal(t, a, store.HashPartition("email", "alice@example.com"))
	for _, other := range [][2]string{{"username", "alice@example.com"}, {"email", "bob@example.com"}, {"emaila", "lice@example.com"}, {"", "emailalice@example.com"}, {"emailalice@example.com", ""}} {
		require.NotEqual(t, a, store.HashPartition(other[0], other[1]))
	}
	// Written into stores: it never changes.
	require.Equal(t, "users/3a00db9169718ca3c1d614b44133671f/", store.Key{Table: store.Users, Partition: a}.String())
}

// The limits that adapters' tests cannot tell apart: which one it was.
func TestCheckWrites(t *testing.T) {
	t.Parallel()
	many := func(n int) (writes []store.Write) {
		for i := range n {
			writes = append(writes, put(strconv.Itoa(i)))
		}
		return writes
	}
	change := func(f func(*store.Write)) []store.Write {
		w := put("a")
		f(&w)
		return []store.Write{w}
	}
	sized := func(n, body int) []store.Write {
		writes := many(n)
		for i := range writes {
			writes[i].Body = json.RawMessage(`{"a":"` + strings.Repeat("x", body-8) + `"}`)
			writes[i].Key.Sort = string(rune('a' + i))
		}
		return writes
	}
	indexed := sized(8, store.MaxBody-1) // the sort keys fill it up
	indexed[0].Index = &store.Index{Sort: "x"}
	for _, tt := range []struct {
		name   string
		writes []store.Write
		says   string
	}{
		{"one", many(1), ""},
		{"most", many(store.MaxWrites), ""},
		{"none", nil, "1 to 100 writes, not 0"},
		{"too many", many(store.MaxWrites + 1), "1 to 100 writes, not 101"},
		{"full", sized(8, store.MaxBody-1), ""},
		{"over by an index", indexed, "the writes hold 2097153 bytes, more than 2097152"},
		{"over", sized(8, store.MaxBody), "the writes hold 2097160 bytes"},
		{"twice among few", append(many(3), put("1")), "/1 is written twice"},
		{"twice among many", append(many(50), put("49")), "/49 is written twice"},
		{"delete", []store.Write{store.Delete(key("a"), store.VersionIs(store.Version{}))}, ""},
		{"table", change(func(w *store.Write) { w.Key.Table = "x" }), `unknown table "x"`},
		{"long", change(func(w *store.Write) { w.Key.Sort = strings.Repeat("x", 1025) }), "a sort key holds 1 to 1024 bytes, not 1025"},
		{"no version", change(func(w *store.Write) { w.Version = store.Version{} }), "a put needs a version"},
		{"body", change(func(w *store.Write) { w.Body = nil }), "/a: the body is no JSON object"},
		{"first second", change(func(w *store.Write) { w.ExpiresAt = time.Unix(1, 0) }), ""},
		{"last second", change(func(w *store.Write) { w.ExpiresAt = time.Unix(253402300799, 0) }), ""},
		{"1970", change(func(w *store.Write) { w.ExpiresAt = time.Unix(0, 0) }), "after 1970"},
		{"10000", change(func(w *store.Write) { w.ExpiresAt = time.Unix(253402300800, 0) }), "before 10000"},
		{"fraction", change(func(w *store.Write) { w.ExpiresAt = time.Unix(100, 1) }), "whole second"},
		{"index", change(func(w *store.Write) { w.Index = &store.Index{Sort: strings.Repeat("x", store.MaxIndexSorts-1)} }), ""},
		{"long index", change(func(w *store.Write) { w.Index = &store.Index{Sort: strings.Repeat("x", store.MaxIndexSorts)} }), "hold 991 bytes together"},
		{"empty index", change(func(w *store.Write) { w.Index = &store.Index{} }), "index sort key"},
		{"NUL index", change(func(w *store.Write) { w.Index = &store.Index{Sort: "\x00"} }), "NUL"},
	} {
		err := store.CheckWrites(tt.writes)
		if tt.says == "" {
			require.NoError(t, err, tt.name)
			continue
		}
		require.ErrorIs(t, err, store.ErrLimit, tt.name)
		require.ErrorContains(t, err, tt.says, tt.name)
	}
}

func TestCheckQuery(t *testing.T) {
	t.Parallel()
	good := store.Query{Table: store.Users, Prefix: "a", From: "b", To: "c", Limit: store.MaxPage, Read: store.Strong}
	require.NoError(t, store.CheckQuery(good))
	for says, change := range map[string]func(*store.Query){
		"unknown table":   func(q *store.Query) { q.Table = "" },
		"not -1":          func(q *store.Query) { q.Limit = -1 },
		"not 1001":        func(q *store.Query) { q.Limit = 1001 },
		"unknown kind":    func(q *store.Query) { q.Read = 2 },
		"a prefix":        func(q *store.Query) { q.Prefix = "\xff" },
		"a from":          func(q *store.Query) { q.From = "\xff" },
		"a to":            func(q *store.Query) { q.To = strings.Repeat("x", 1025) },
		"of this query":   func(q *store.Query) { q.Cursor = "?" },
		"is not of this ": func(q *store.Query) { q.Cursor = "AAAA" },
	} {
		q := good
		change(&q)
		err := store.CheckQuery(q)
		require.ErrorIs(t, err, store.ErrLimit)
		require.ErrorContains(t, err, says)
	}
	require.Equal(t, store.DefaultPage, store.Query{}.PageLimit())
	require.Equal(t, 7, store.Query{Limit: 7}.PageLimit())
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, from, to, lo, hi string }{
		{"", "", "", "", ""},
		{"", "b", "c", "b", "c"},
		{"b", "", "", "b", "c"},
		{"b", "a", "d", "b", "c"},
		{"b", "ba", "bb", "ba", "bb"},
		{"b", "ba", "", "ba", "c"},
		{"é", "", "", "é", "\xc3\xaa"},
		{"\U0010ffff", "", "", "\U0010ffff", "\xf4\x8f\xbf\xc0"},
	} {
		lo, hi := store.Query{Prefix: tt.prefix, From: tt.from, To: tt.to}.Bounds()
		require.Equal(t, [2]string{tt.lo, tt.hi}, [2]string{lo, hi}, "%+v", tt)
	}
	rapid.Check(t, func(t *rapid.T) {
		s, prefix := rapid.String().Draw(t, "s"), rapid.StringN(1, 3, -1).Draw(t, "prefix")
		lo, hi := store.Query{Prefix: prefix}.Bounds()
		if (s >= lo && s < hi) != strings.HasPrefix(s, prefix) {
			t.Fatalf("%q in [%q, %q)", s, lo, hi)
		}
	})
}

func TestPosition(t *testing.T) {
	t.Parallel()
	item := store.Item{Key: store.Key{Partition: store.Partition{1}, Sort: "s"}, Index: &store.Index{Sort: "i"}}
	require.Equal(t, store.Position{Sort: "s"}, item.PositionIn(store.Query{}))
	require.Equal(t, store.Position{Index: "i", Partition: store.Partition{1}, Sort: "s"}, item.PositionIn(store.Query{ByIndex: true}))
	item.Index = nil
	require.Equal(t, store.Position{Sort: "s"}, item.PositionIn(store.Query{ByIndex: true}))
	ascending := []store.Position{{}, {Sort: "a"}, {Sort: "b"}, {Partition: store.Partition{1}}, {Partition: store.Partition{1}, Sort: "a"}, {Index: "a"}, {Index: "a", Sort: "z"}, {Index: "a", Partition: store.Partition{15: 1}}, {Index: "b"}}
	for i, p := range ascending {
		for j, o := range ascending {
			require.Equal(t, i < j, p.Compare(o) < 0)
			require.Equal(t, i == j, p.Compare(o) == 0)
		}
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	_, ok, err := store.DecodeCursor(store.Query{})
	require.NoError(t, err)
	require.False(t, ok)
	rapid.Check(t, func(t *rapid.T) {
		q := store.Query{Table: store.Users, ByIndex: rapid.Bool().Draw(t, "by index"), Descending: rapid.Bool().Draw(t, "descending")}
		p := store.Position{Sort: rapid.String().Draw(t, "sort")}
		if q.ByIndex {
			p.Index = rapid.String().Draw(t, "index")
			copy(p.Partition[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "partition"))
		}
		q.Cursor = store.EncodeCursor(q, p)
		got, ok, err := store.DecodeCursor(q)
		if err != nil || !ok || got != p {
			t.Fatalf("%v, %v, %v", got, ok, err)
		}
		for n := range len(q.Cursor) { // cut off anywhere it is refused, or still a place in this query
			cut := q
			cut.Cursor = q.Cursor[:n]
			if _, _, err := store.DecodeCursor(cut); err != nil && !errors.Is(err, store.ErrLimit) {
				t.Fatal(err)
			}
		}
		q.Partition[3]++
		if _, _, err := store.DecodeCursor(q); !errors.Is(err, store.ErrLimit) {
			t.Fatalf("another query's cursor: %v", err)
		}
	})
}

// A forged cursor leads to nothing outside of its query.
func TestForgedCursor(t *testing.T) {
	t.Parallel()
	for _, q := range []store.Query{{Prefix: "b"}, {From: "b", To: "c"}, {Prefix: "b", ByIndex: true}} {
		for place, fine := range map[string]bool{"a": false, "b": true, "bz": true, "c": false, "d": false} {
			q.Cursor = store.EncodeCursor(q, store.Position{Sort: place, Index: place})
			_, ok, err := store.DecodeCursor(q)
			require.Equal(t, fine, ok, "%+v", q)
			require.Equal(t, fine, err == nil)
		}
	}
}

func TestScanCursor(t *testing.T) {
	t.Parallel()
	key := store.Key{Table: store.Models, Partition: store.Partition{1, 255}, Sort: "sort\x00 ü"}
	cursor := store.EncodeScanCursor(key)
	after, resumed, err := store.DecodeScanCursor(store.Models, cursor)
	require.NoError(t, err)
	require.True(t, resumed)
	require.Equal(t, key, after)
	_, resumed, err = store.DecodeScanCursor(store.Models, "")
	require.NoError(t, err)
	require.False(t, resumed)
	long := store.EncodeScanCursor(store.Key{Table: store.Models, Sort: strings.Repeat("x", store.MaxSort+1)})
	changed := []byte(cursor)
	changed[12] ^= 1
	for _, bad := range []string{"!", "AAAA", cursor[:len(cursor)-1], cursor[:8], string(changed), cursor + "AAAA", store.EncodeScanCursor(store.Key{Table: store.Models}), long} {
		_, resumed, err = store.DecodeScanCursor(store.Models, bad)
		require.ErrorIs(t, err, store.ErrLimit, bad)
		require.False(t, resumed)
	}
	for _, other := range []store.Table{store.Users, store.Interactions, ""} {
		_, _, err = store.DecodeScanCursor(other, cursor)
		require.ErrorIs(t, err, store.ErrLimit)
	}
}

func TestCheckScan(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1, store.MaxPage} {
		require.NoError(t, store.CheckScan(store.Users, limit))
	}
	require.ErrorIs(t, store.CheckScan(store.Users, -1), store.ErrLimit)
	require.ErrorIs(t, store.CheckScan(store.Users, store.MaxPage+1), store.ErrLimit)
	require.ErrorIs(t, store.CheckScan("other", 1), store.ErrLimit)
}

func FuzzDecodeCursor(f *testing.F) {
	q := store.Query{Table: store.Users, ByIndex: true}
	f.Add(store.EncodeCursor(q, store.Position{Index: "i", Sort: "s"}), true)
	f.Add(store.EncodeCursor(store.Query{Table: store.Users}, store.Position{Sort: "s"}), false)
	f.Add("AAAAAA", true)
	f.Fuzz(func(t *testing.T, cursor string, byIndex bool) {
		q := store.Query{Table: store.Users, ByIndex: byIndex, Cursor: cursor}
		p, ok, err := store.DecodeCursor(q)
		if err != nil {
			require.ErrorIs(t, err, store.ErrLimit)
			require.False(t, ok)
			return
		}
		q.Cursor = store.EncodeCursor(q, p)
		again, _, err := store.DecodeCursor(q)
		require.Equal(t, cursor != "", ok)
		if ok {
			require.NoError(t, err)
			require.Equal(t, p, again)
		}
	})
}

// decorator stands before a store.
type decorator struct{ store.Store }

func (d decorator) Unwrap() store.Store { return d.Store }

// opaque hides what it stands before.
type opaque struct{ store.Store }

func TestAs(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	for _, outer := range []store.Store{s, decorator{s}, decorator{decorator{s}}} {
		got, ok := store.As[store.Sweeper](outer)
		require.True(t, ok)
		require.Same(t, s, got)
	}
	for _, outer := range []store.Store{nil, opaque{s}, decorator{opaque{s}}, decorator{nil}} {
		_, ok := store.As[store.Sweeper](outer)
		require.False(t, ok)
	}
	_, ok := store.As[store.Closer](s)
	require.False(t, ok)
}

// faulty fails when it is told to.
type faulty struct {
	store.Store
	get, list, apply func() error
	applied          [][]store.Write
}

func failed(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (f *faulty) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	if err := failed(f.get); err != nil {
		return store.Item{}, err
	}
	return f.Store.Get(ctx, k, r)
}

func (f *faulty) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := failed(f.list); err != nil {
		return store.Page{}, err
	}
	return f.Store.List(ctx, q)
}

func (f *faulty) Apply(ctx context.Context, writes ...store.Write) error {
	if err := failed(f.apply); err != nil {
		return err
	}
	f.applied = append(f.applied, writes)
	return f.Store.Apply(ctx, writes...)
}

var errTest = errors.New("test")

func TestUpdate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: memstore.New(nil)}
	// From nothing; the item is found the next time, and nothing is written where nothing is asked for.
	made, err := store.Update(ctx, s, key("a"), func(old store.Item, found bool) ([]store.Write, error) {
		require.False(t, found)
		require.Equal(t, store.Item{Key: key("a")}, old)
		old.Body = json.RawMessage(`{"a":1}`)
		return []store.Write{{Key: old.Key, Body: old.Body}}, nil // not even a version
	})
	require.NoError(t, err)
	got, err := store.Update(ctx, s, key("a"), func(old store.Item, found bool) ([]store.Write, error) {
		require.True(t, found)
		require.Equal(t, made, old)
		old.Body[0] = 'x' // it is the function's own
		return nil, nil
	})
	require.NoError(t, err)
	require.Equal(t, made, got)
	got, err = store.Update(ctx, s, key("b"), func(store.Item, bool) ([]store.Write, error) { return nil, nil })
	require.NoError(t, err)
	require.Equal(t, store.Item{}, got)
	require.Len(t, s.applied, 1)

	// A put of old gets a version of its own; one with another version keeps it; other writes are as they were.
	writes := []store.Write{put("x"), {}}
	got, err = store.Update(ctx, s, key("a"), func(old store.Item, _ bool) ([]store.Write, error) {
		writes[1] = store.Put(old, store.Absent)
		return writes, nil
	})
	require.NoError(t, err)
	require.NotEqual(t, made.Version, got.Version)
	require.Equal(t, writes[0], s.applied[1][0])
	require.Equal(t, made.Version, writes[1].Version) // the caller's slice is not touched
	want := put("a")
	got, err = store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) { return []store.Write{want}, nil })
	require.NoError(t, err)
	require.Equal(t, want.Item(), got)

	// Other items only: what was found stands.
	got, err = store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) { return []store.Write{put("y")}, nil })
	require.NoError(t, err)
	require.Equal(t, want.Item(), got)

	got, err = store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) {
		return []store.Write{store.Delete(key("a"), store.Absent)}, nil
	})
	require.NoError(t, err)
	require.Equal(t, store.Item{}, got)
	_, err = s.Get(ctx, key("a"), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestUpdateErrors(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: memstore.New(nil)}
	calls := 0
	again := func(store.Item, bool) ([]store.Write, error) { calls++; return []store.Write{put("a")}, nil }

	_, err := store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) { return nil, errTest })
	require.Equal(t, errTest, err)
	nested := &store.ConflictError{Keys: []store.Key{key("a")}} // of something that change itself has tried
	_, err = store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) { calls++; return nil, nested })
	require.Equal(t, nested, err)
	require.Equal(t, 1, calls)
	calls = 0
	s.get = func() error { return store.ErrUnavailable }
	_, err = store.Update(ctx, s, key("a"), again)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Zero(t, calls)
	s.get = nil
	s.apply = func() error { return store.ErrUnavailable }
	_, err = store.Update(ctx, s, key("a"), again)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, 1, calls)
	// A conflict on another item is not for Update to solve.
	s.apply = func() error { return &store.ConflictError{Keys: []store.Key{key("claim")}} }
	_, err = store.Update(ctx, s, key("a"), again)
	require.True(t, store.Has(err, key("claim")))
	require.Equal(t, 2, calls)
}

func TestUpdateFrom(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: memstore.New(nil)}
	made, err := store.Update(ctx, s, key("a"), func(store.Item, bool) ([]store.Write, error) { return []store.Write{put("a")}, nil })
	require.NoError(t, err)
	var seen []store.Version
	change := func(old store.Item, found bool) ([]store.Write, error) {
		require.True(t, found)
		seen = append(seen, old.Version)
		old.Body[1] = 'x' // is its to change
		return []store.Write{put("a")}, nil
	}
	body := string(made.Body)
	now, err := store.UpdateFrom(ctx, s, made, change)
	require.NoError(t, err)
	require.Equal(t, body, string(made.Body))
	require.Equal(t, []store.Version{made.Version}, seen)
	// Once more from what was seen then: it finds that it is behind, and reads.
	seen = nil
	_, err = store.UpdateFrom(ctx, s, made, change)
	require.NoError(t, err)
	require.Equal(t, []store.Version{made.Version, now.Version}, seen)
}

// Retries pause, within bounds, and end with the context.
func TestUpdateRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &faulty{Store: memstore.New(nil)}
		calls, lose := 0, 3
		change := func(store.Item, bool) ([]store.Write, error) { calls++; return []store.Write{put("a")}, nil }
		s.apply = func() error {
			if calls > lose {
				return nil
			}
			return &store.ConflictError{Keys: []store.Key{key("claim"), key("a")}}
		}
		start := time.Now()
		_, err := store.Update(t.Context(), s, key("a"), change)
		require.NoError(t, err)
		require.Equal(t, 4, calls)
		require.Less(t, time.Since(start), 4*time.Millisecond)

		calls, lose = 0, 1000
		start = time.Now()
		_, err = store.Update(t.Context(), s, key("a"), change)
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.True(t, store.Has(err, key("a")))
		require.Equal(t, 64, calls)
		require.Greater(t, time.Since(start), 100*time.Millisecond)
		require.Less(t, time.Since(start), 64*64*time.Millisecond)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start = time.Now()
		_, err = store.Update(ctx, s, key("a"), change)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 20*time.Millisecond, time.Since(start))

		calls = 0
		ctx, cancel = context.WithCancel(t.Context())
		s.apply = func() error { cancel(); return &store.ConflictError{Keys: []store.Key{key("a")}} }
		_, err = store.Update(ctx, s, key("a"), change)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, calls)
	})
}

func TestAll(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: memstore.New(nil)}
	for i := range 7 {
		require.NoError(t, s.Apply(ctx, put(strconv.Itoa(i))))
	}
	q := store.Query{Table: store.Users, Limit: 3}
	seq := store.All(ctx, s, q)
	for range 2 { // it can be run again
		var got []string
		for item, err := range seq {
			require.NoError(t, err)
			got = append(got, item.Key.Sort)
		}
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, got)
	}
	for item, err := range seq { // and be left
		require.NoError(t, err)
		require.Equal(t, "0", item.Key.Sort)
		break
	}
	calls := 0
	s.list = func() error {
		if calls++; calls == 2 {
			return errTest
		}
		return nil
	}
	var got string
	var last error
	for item, err := range seq {
		got, last = got+item.Key.Sort, err
	}
	require.Equal(t, "012", got)
	require.Equal(t, errTest, last)
}

func TestBulk(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: opaque{memstore.New(nil)}}
	require.NoError(t, store.Bulk(ctx, s))
	var writes []store.Write
	for i := range 250 {
		writes = append(writes, put(strconv.Itoa(i)))
	}
	require.NoError(t, store.Bulk(ctx, s, writes...))
	require.Equal(t, []int{100, 100, 50}, sizes(s.applied))

	s.applied = nil
	large := json.RawMessage(`{"a":"` + strings.Repeat("x", store.MaxBody-8) + `"}`)
	for i := range 20 {
		writes[i].Body = large
	}
	require.NoError(t, store.Bulk(ctx, s, writes[:30]...))
	require.Equal(t, []int{7, 7, 16}, sizes(s.applied))

	s.applied = nil
	first, last := put("same"), put("same")
	require.NoError(t, store.Bulk(ctx, s, put("a"), first, put("b"), last))
	require.Equal(t, []int{3}, sizes(s.applied))
	require.Equal(t, last, s.applied[0][1])

	s.applied = nil
	conditional := put("x")
	conditional.Condition = store.Absent
	require.ErrorIs(t, store.Bulk(ctx, s, put("a"), conditional), store.ErrLimit)
	require.ErrorIs(t, store.Bulk(ctx, s, put("a"), put("")), store.ErrLimit)
	require.ErrorIs(t, store.CheckBulk([]store.Write{put("a"), put("a")}), store.ErrLimit)
	require.Empty(t, s.applied)
	s.apply = func() error { return errTest }
	require.Equal(t, errTest, store.Bulk(ctx, s, put("a")))
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, store.Bulk(canceled, s), context.Canceled)
}

func TestBulkWhile(t *testing.T) {
	t.Parallel()
	errTaking := errors.New("taking back")
	for name, c := range map[string]struct {
		lives      bool
		look       error // what lives answers
		write      error // what the first Apply answers, once it is made
		takeBack   error // what the second one does
		want       error
		wantStored bool
	}{
		"lives":               {lives: true, wantStored: true},
		"ended":               {},
		"ended, half written": {write: errTest},
		"not written":         {lives: true, write: errTest, want: errTest, wantStored: true},
		"not known":           {look: errTest, want: errTest, wantStored: true},
		"nothing known":       {look: errTaking, write: errTest, want: errTest, wantStored: true},
		"not taken back":      {takeBack: errTaking, want: errTaking, wantStored: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			inner := memstore.New(nil)
			s := &faulty{Store: opaque{inner}}
			calls := 0
			s.apply = func() error {
				if calls++; calls > 1 {
					return c.takeBack
				}
				require.NoError(t, inner.Apply(t.Context(), put("a")))
				return c.write
			}
			lived, err := store.BulkWhile(ctx, s, []store.Write{put("a")}, func(ctx context.Context) (bool, error) {
				cancel() // the caller does not wait for it
				require.NoError(t, ctx.Err())
				_, bounded := ctx.Deadline()
				require.True(t, bounded)
				return c.lives, c.look
			})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.lives, lived)
			_, err = inner.Get(t.Context(), key("a"), store.Strong)
			require.Equal(t, c.wantStored, err == nil)
		})
	}
}

func sizes(applied [][]store.Write) (n []int) {
	for _, writes := range applied {
		n = append(n, len(writes))
	}
	return n
}

// bulker takes many writes at once.
type bulker struct {
	store.Store
	got []store.Write
}

func (b *bulker) Bulk(_ context.Context, writes []store.Write) error {
	b.got = append(b.got, writes...)
	return errTest
}

func TestBulker(t *testing.T) {
	t.Parallel()
	b := &bulker{Store: memstore.New(nil)}
	writes := []store.Write{put("a"), put("b")}
	require.Equal(t, errTest, store.Bulk(context.Background(), decorator{b}, writes...))
	require.Equal(t, writes, b.got)
}

// What a failure leaves of a Wipe is wiped by the next one.
func TestWipe(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &faulty{Store: memstore.New(nil)}
	var writes []store.Write
	for i := range 250 {
		writes = append(writes, put(fmt.Sprintf("a%03d", i)))
	}
	require.NoError(t, store.Bulk(ctx, s, append(writes, put("b"))...))
	calls := 0
	s.apply = func() error {
		if calls++; calls == 2 {
			return errTest
		}
		return nil
	}
	n, err := store.Wipe(ctx, s, store.Users, store.Partition{}, "a")
	require.Equal(t, errTest, err)
	require.Equal(t, 100, n)
	s.list = func() error { return errTest }
	n, err = store.Wipe(ctx, s, store.Users, store.Partition{}, "a")
	require.Equal(t, errTest, err)
	require.Zero(t, n)
	s.list = nil
	n, err = store.Wipe(ctx, s, store.Users, store.Partition{}, "a")
	require.NoError(t, err)
	require.Equal(t, 150, n)
	page, err := s.List(ctx, store.Query{Table: store.Users})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
}

func TestDecide(t *testing.T) {
	t.Parallel()
	own, other := put("a"), put("b")
	own.Condition, other.Condition = store.Absent, store.Absent
	gone, there := store.Delete(key("gone"), store.Present), store.Delete(key("there"), store.Absent)
	there.Version = store.NewVersion() // of no meaning in a delete
	states := map[store.Key]store.Version{key("a"): own.Version, key("there"): there.Version}
	for _, tt := range []struct {
		writes []store.Write
		failed []store.Key
	}{
		{[]store.Write{own}, nil},
		{[]store.Write{other}, nil},
		{[]store.Write{gone}, []store.Key{gone.Key}},
		{[]store.Write{there}, []store.Key{there.Key}},
		{[]store.Write{other, gone, there}, []store.Key{gone.Key, there.Key}},
		{[]store.Write{gone, own}, nil},
		{[]store.Write{gone, own, there}, []store.Key{there.Key}},
		{[]store.Write{there, own, gone}, []store.Key{there.Key}},
	} {
		err := store.Decide(tt.writes, func(k store.Key) (store.Version, bool) { v, ok := states[k]; return v, ok })
		if tt.failed == nil {
			require.NoError(t, err)
			continue
		}
		var conflict *store.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, tt.failed, conflict.Keys)
	}
}

func TestDecideAsksOnceForEachInOrder(t *testing.T) {
	t.Parallel()
	writes := []store.Write{put("a"), store.Delete(key("b"), store.None), put("c")}
	var asked []store.Key
	require.NoError(t, store.Decide(writes, func(k store.Key) (store.Version, bool) {
		asked = append(asked, k)
		return store.Version{}, false
	}))
	require.Equal(t, []store.Key{key("a"), key("b"), key("c")}, asked)
}
