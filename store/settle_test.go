package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// scripted is a store whose Applies go as a script says; those after its end go well.
type scripted struct {
	store.Store
	script  []step
	applies int
	get     error // of the first reads
	blind   int   // how many
}

// step is an Apply: it is made or not, others change something, and the answer is err where there is one.
type step struct {
	lost  bool // not made
	meant []store.Write
	err   error
}

func (s *scripted) Apply(ctx context.Context, writes ...store.Write) error {
	s.applies++
	if s.applies > len(s.script) {
		return s.Store.Apply(ctx, writes...)
	}
	now := s.script[s.applies-1]
	err := now.err
	if !now.lost {
		if made := s.Store.Apply(ctx, writes...); err == nil || errors.Is(made, store.ErrConflict) && now.err == nil {
			err = made
		}
	}
	if now.meant != nil {
		if err := s.Store.Apply(ctx, now.meant...); err != nil {
			return err
		}
	}
	return err
}

func (s *scripted) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	if s.blind > 0 {
		s.blind--
		return store.Item{}, s.get
	}
	return s.Store.Get(ctx, k, r)
}

func TestSettle(t *testing.T) {
	t.Parallel()
	away := store.ErrUnavailable
	before := put("a") // what is there when it begins
	absent, replace, second := put("new"), put("a"), put("second")
	absent.Condition, replace.Condition, second.Condition = store.Absent, store.VersionIs(before.Version), store.Absent
	remove := store.Delete(key("a"), store.VersionIs(before.Version))
	theirs := func(k string) []store.Write { return []store.Write{put(k)} }
	gone := func(k string) []store.Write { return []store.Write{store.Delete(key(k), store.None)} }
	lost, unanswered := step{lost: true, err: away}, step{err: away}
	const always = 100
	for _, tt := range []struct {
		name    string
		writes  []store.Write
		script  []step
		get     error // of reads, the first …
		blind   int   // … so many
		want    error // nil, or what the error is
		applies int
		left    map[string]store.Version // what is there then; the zero version for nothing
	}{
		{"no fault", []store.Write{absent}, nil, errTest, always, nil, 1, map[string]store.Version{"new": absent.Version}},
		{"a conflict, which needs no looking into", []store.Write{{Key: key("a"), Condition: store.Absent, Version: store.NewVersion(), Body: before.Body}, second}, nil, errTest, always, store.ErrConflict, 1, map[string]store.Version{"a": before.Version, "second": {}}},
		{"over a limit", nil, nil, nil, 0, store.ErrLimit, 1, nil},
		{"an error of the engine's", []store.Write{absent}, []step{{lost: true, err: errTest}}, nil, 0, errTest, 1, map[string]store.Version{"new": {}}},
		{"the request is lost", []store.Write{absent}, []step{lost}, nil, 0, nil, 2, map[string]store.Version{"new": absent.Version}},
		{"the answer is lost", []store.Write{absent, replace}, []step{unanswered}, nil, 0, nil, 1, map[string]store.Version{"new": absent.Version, "a": replace.Version}},
		{"the answer is lost, and the first look fails", []store.Write{absent, replace}, []step{unanswered}, away, 1, nil, 2, map[string]store.Version{"new": absent.Version, "a": replace.Version}},
		{"as a time-out in the store", []store.Write{absent}, []step{{err: context.DeadlineExceeded}}, nil, 0, nil, 1, map[string]store.Version{"new": absent.Version}},
		{"two requests are lost", []store.Write{absent}, []step{lost, lost}, nil, 0, nil, 3, map[string]store.Version{"new": absent.Version}},
		{"two requests are lost, and an answer", []store.Write{absent}, []step{lost, lost, unanswered}, nil, 0, nil, 3, map[string]store.Version{"new": absent.Version}},
		{"two answers are lost, and nothing can be read", []store.Write{absent}, []step{unanswered, unanswered}, away, always, nil, 3, map[string]store.Version{"new": absent.Version}},
		{"all answers are lost, and nothing can be read", []store.Write{absent}, []step{unanswered, unanswered, unanswered}, away, always, away, 3, map[string]store.Version{"new": absent.Version}},
		{"all requests are lost", []store.Write{absent}, []step{lost, lost, lost}, nil, 0, away, 3, map[string]store.Version{"new": {}}},
		{"made, and one of two changed since", []store.Write{replace, second}, []step{{err: away, meant: theirs("a")}}, nil, 0, nil, 1, map[string]store.Version{"second": second.Version}},
		{"made, and one of two changed since, and the first look fails", []store.Write{replace, second}, []step{{err: away, meant: theirs("a")}}, away, 1, nil, 2, map[string]store.Version{"second": second.Version}},
		{"made, and one of two deleted since", []store.Write{replace, absent}, []step{{err: away, meant: gone("a")}}, nil, 0, nil, 1, map[string]store.Version{"a": {}, "new": absent.Version}},
		{"made, and all changed since", []store.Write{replace, absent}, []step{{err: away, meant: append(theirs("a"), gone("new")...)}}, nil, 0, away, 2, map[string]store.Version{"new": {}}},
		{"not made, and somebody else was faster", []store.Write{replace, absent}, []step{{lost: true, err: away, meant: theirs("a")}}, nil, 0, away, 2, map[string]store.Version{"new": {}}},
		{"a conflict that cannot be looked into", []store.Write{replace, absent}, []step{{err: away, meant: theirs("a")}}, away, always, away, 2, nil},
		{"nor by an engine that fails", []store.Write{replace, absent}, []step{{err: away, meant: theirs("a")}}, errTest, always, errTest, 2, nil},
		{"then an error of the engine's", []store.Write{absent}, []step{lost, {lost: true, err: errTest}}, nil, 0, errTest, 2, map[string]store.Version{"new": {}}},
		{"a deletion whose answer is lost", []store.Write{remove}, []step{unanswered}, nil, 0, nil, 1, map[string]store.Version{"a": {}}},
		{"a deletion whose answer is lost, and the first look fails", []store.Write{remove}, []step{unanswered}, away, 1, nil, 2, map[string]store.Version{"a": {}}},
		{"deletions whose request is lost", []store.Write{remove, store.Delete(key("x"), store.None)}, []step{lost}, nil, 0, nil, 2, map[string]store.Version{"a": {}}},
		{"a deletion of what somebody else has changed", []store.Write{remove}, []step{{lost: true, err: away, meant: theirs("a")}}, nil, 0, away, 2, nil},
		{"deletions of which one is not seen to be made", []store.Write{remove, store.Delete(key("x"), store.None)}, []step{{lost: true, err: away, meant: append(theirs("x"), gone("a")...)}}, nil, 0, away, 2, nil},
		{"a deletion beside a put", []store.Write{remove, second}, []step{unanswered}, nil, 0, nil, 1, map[string]store.Version{"a": {}, "second": second.Version}},
		{"a deletion beside a put that was not made", []store.Write{remove, second}, []step{{lost: true, err: away, meant: gone("a")}}, nil, 0, away, 2, map[string]store.Version{"a": {}, "second": {}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Store: memstore.New(nil), script: tt.script, get: tt.get, blind: tt.blind}
			require.NoError(t, s.Store.Apply(t.Context(), before))
			err := store.Settle(t.Context(), s, tt.writes...)
			if tt.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tt.want)
			}
			if tt.want != store.ErrConflict { //nolint:errorlint // of the table
				require.NotErrorIs(t, err, store.ErrConflict, "nobody may take what is not known for a conflict")
			}
			if tt.applies > 1 && tt.want != nil { // whatever came after the first
				require.ErrorIs(t, err, store.ErrUnavailable)
			}
			require.Equal(t, tt.applies, s.applies)
			s.blind = 0
			for sort, want := range tt.left {
				item, err := s.Get(t.Context(), key(sort), store.Strong)
				if want == (store.Version{}) {
					require.ErrorIs(t, err, store.ErrNotFound, sort)
					continue
				}
				require.NoError(t, err, sort)
				require.Equal(t, want, item.Version, sort)
			}
		})
	}
}

// Settle ends with its context, and does not ask a store again that was patient itself.
func TestSettleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		applies := 0
		s := &faulty{Store: memstore.New(nil), apply: func() error { applies++; return store.ErrUnavailable }}
		start := time.Now()
		require.Equal(t, store.ErrUnavailable, store.Settle(t.Context(), s, put("a")))
		require.Equal(t, 3, applies)
		require.Less(t, time.Since(start), 120*time.Millisecond)

		ctx, cancel := context.WithCancel(t.Context())
		applies = 0
		s.apply = func() error { applies++; cancel(); return ctx.Err() }
		require.Equal(t, context.Canceled, store.Settle(ctx, s, put("a")))
		require.Equal(t, 1, applies)

		applies = 0
		s.apply = func() error { applies++; time.Sleep(1500 * time.Millisecond); return store.ErrUnavailable }
		require.Equal(t, store.ErrUnavailable, store.Settle(t.Context(), s, put("a")))
		require.Equal(t, 1, applies)
		applies = 0
		s.apply = func() error { applies++; time.Sleep(800 * time.Millisecond); return store.ErrUnavailable }
		require.Equal(t, store.ErrUnavailable, store.Settle(t.Context(), s, put("a")))
		require.Equal(t, 2, applies)
		applies = 0
		s.get = func() error { time.Sleep(800 * time.Millisecond); return store.ErrUnavailable }
		require.Equal(t, store.ErrUnavailable, store.Settle(t.Context(), s, put("a")))
		require.Equal(t, 1, applies, "looking takes time too")
	})
}

// Bulk repeats as well, in Applies and by the store's own Bulk.
func TestBulkRepeats(t *testing.T) {
	t.Parallel()
	inner := memstore.New(nil)
	s := &scripted{Store: opaque{inner}, script: []step{{lost: true, err: store.ErrUnavailable}, {err: store.ErrUnavailable}}}
	require.NoError(t, store.Bulk(t.Context(), s, put("a"), put("b")))
	require.Equal(t, 3, s.applies)
	_, err := inner.Get(t.Context(), key("b"), store.Strong)
	require.NoError(t, err)

	b := &flaky{Store: inner, fail: 1}
	require.NoError(t, store.Bulk(t.Context(), b, put("a")))
	require.Equal(t, 2, b.calls)
	b = &flaky{Store: inner, fail: 9}
	require.ErrorIs(t, store.Bulk(t.Context(), b, put("a")), store.ErrUnavailable)
	require.Equal(t, 3, b.calls)
}

// flaky fails in its first few Bulks.
type flaky struct {
	store.Store
	calls, fail int
}

func (f *flaky) Bulk(context.Context, []store.Write) error {
	if f.calls++; f.calls <= f.fail {
		return store.ErrUnavailable
	}
	return nil
}

// lossy loses requests and answers at random.
type lossy struct {
	store.Store
	mu     sync.Mutex
	random *rand.Rand
	rate   float64
}

func (l *lossy) Apply(ctx context.Context, writes ...store.Write) error {
	l.mu.Lock()
	request, answer := l.random.Float64() < l.rate, l.random.Float64() < l.rate
	l.mu.Unlock()
	if request {
		return store.ErrUnavailable
	}
	if err := l.Store.Apply(ctx, writes...); !answer {
		return err
	}
	return store.ErrUnavailable
}

// Writers who count up one item under faults: what Update says it made was made, once, and what it says it did not make was not.
func TestUpdateCountsUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s := &lossy{Store: memstore.New(nil), random: rand.New(rand.NewPCG(seed, 0)), rate: 0.3}
			type count struct {
				N  int             `json:"n"`
				By map[string]bool `json:"by"`
			}
			var (
				mu      sync.Mutex
				wg      sync.WaitGroup
				made    = map[string]bool{}
				unknown = map[string]bool{}
			)
			for writer := range 8 {
				wg.Go(func() {
					for n := range 10 {
						name := fmt.Sprint(writer, " ", n)
						_, err := store.Update(t.Context(), s, key("count"), func(old store.Item, found bool) ([]store.Write, error) {
							c := count{By: map[string]bool{}}
							if found {
								if err := old.Decode(&c); err != nil {
									return nil, err
								}
							}
							c.N++
							c.By[name] = true
							body, err := json.Marshal(c)
							return []store.Write{store.Put(store.Item{Key: old.Key, Body: body}, store.None)}, err
						})
						mu.Lock()
						if err == nil {
							made[name] = true
						} else if !store.Has(err, key("count")) {
							unknown[name] = true
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			item, err := s.Get(t.Context(), key("count"), store.Strong)
			require.NoError(t, err)
			var c count
			require.NoError(t, item.Decode(&c))
			require.Len(t, c.By, c.N, "no change was made twice")
			for name := range made {
				require.True(t, c.By[name], "lost")
			}
			for name := range c.By {
				require.True(t, made[name] || unknown[name], "made, but denied")
			}
			require.NotEmpty(t, made)
			require.NotEmpty(t, unknown)
		})
	}
}
