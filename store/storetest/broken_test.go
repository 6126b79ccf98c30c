package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Stores that are broken on purpose: no files of failures, no long search for the smallest one.
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "100ms"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// recorder takes the place of a *testing.T and remembers whether a check failed.
type recorder struct {
	rapid.TB
	mu     sync.Mutex
	failed bool
	text   strings.Builder
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "recorder" }
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	fmt.Fprintf(&r.text, format+"\n", args...)
}
func (r *recorder) Error(args ...any)                 { r.Errorf("%s", fmt.Sprint(args...)) }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); r.FailNow() }
func (r *recorder) Fatal(args ...any)                 { r.Error(args...); r.FailNow() }
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Log(...any)                        {}
func (r *recorder) Fail()                             { r.Errorf("failed") }
func (r *recorder) FailNow()                          { r.Fail(); runtime.Goexit() }
func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// failing runs checks, all or those named, on stores that open returns, and returns the names of those that fail.
func failing(t *testing.T, open func(now func() time.Time) store.Store, only ...string) (names []string) {
	t.Helper()
	for _, c := range checks() {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		r := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			now := newClock()
			c.run(&env{TB: r, s: open(now.Now), clock: now, patience: 20 * time.Millisecond})
		}()
		<-done
		if r.failed {
			names = append(names, c.name)
		}
	}
	return names
}

func sound(now func() time.Time) store.Store { return memstore.New(&memstore.Options{Now: now}) }

func TestSoundStorePasses(t *testing.T) {
	t.Parallel()
	require.Empty(t, failing(t, sound))
	// A decorator that hides nothing and one that hides Sweep and Bulk pass as well.
	require.Empty(t, failing(t, func(now func() time.Time) store.Store { return &broken{Store: sound(now)} }))
}

// broken is a store that does one thing wrong.
type broken struct {
	store.Store
	get   func(ctx context.Context, k store.Key, r store.Read) (store.Item, error)
	list  func(ctx context.Context, q store.Query) (store.Page, error)
	apply func(ctx context.Context, writes []store.Write) error
}

func (b *broken) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	if b.get != nil {
		return b.get(ctx, k, r)
	}
	return b.Store.Get(ctx, k, r)
}

func (b *broken) List(ctx context.Context, q store.Query) (store.Page, error) {
	if b.list != nil {
		return b.list(ctx, q)
	}
	return b.Store.List(ctx, q)
}

func (b *broken) Apply(ctx context.Context, writes ...store.Write) error {
	if b.apply != nil {
		return b.apply(ctx, writes)
	}
	return b.Store.Apply(ctx, writes...)
}

// each returns a copy of writes, each changed by f.
func each(writes []store.Write, f func(*store.Write)) []store.Write {
	writes = slices.Clone(writes)
	for i := range writes {
		f(&writes[i])
	}
	return writes
}

// onItems breaks what reads return.
func onItems(s store.Store, f func(*store.Item)) *broken {
	return &broken{
		get: func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
			item, err := s.Get(ctx, k, r)
			if err == nil {
				f(&item)
			}
			return item, err
		},
		list: func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			for i := range page.Items {
				f(&page.Items[i])
			}
			return page, err
		},
		apply: func(ctx context.Context, writes []store.Write) error { return s.Apply(ctx, writes...) },
	}
}

func onApply(s store.Store, apply func(ctx context.Context, writes []store.Write) error) *broken {
	return &broken{Store: s, apply: apply}
}

func onList(s store.Store, list func(ctx context.Context, q store.Query) (store.Page, error)) *broken {
	return &broken{Store: s, list: list}
}

// brokenStores are mistakes that adapters make, each with checks that must find it.
var brokenStores = []struct {
	name   string
	caught []string
	open   func(now func() time.Time) store.Store
}{
	{"ignores conditions", []string{"Conditions", "Conflicts", "RacingPuts", "Counters", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.Condition = store.None })...)
		})
	}},
	{"takes Present for None", []string{"Conditions", "Conflicts", "ExpiryInConditions"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) {
				if w.Condition == store.Present {
					w.Condition = store.None
				}
			})...)
		})
	}},
	{"decides before it writes", []string{"Counters"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if err := store.CheckWrites(writes); err != nil {
				return err
			}
			err := store.Decide(writes, func(k store.Key) (store.Version, bool) {
				item, err := s.Get(ctx, k, store.Strong)
				return item.Version, err == nil
			})
			if err != nil {
				return err
			}
			runtime.Gosched()
			<-time.After(100 * time.Microsecond)
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.Condition = store.None })...)
		})
	}},
	{"never forgets what has expired", []string{"Expiry", "ExpiryInConditions", "ExpiryInPages", "Sweep", "Model"}, func(now func() time.Time) store.Store {
		start := now()
		return memstore.New(&memstore.Options{Now: func() time.Time { return start }})
	}},
	{"hides what has expired from reads only", []string{"ExpiryInConditions", "Model"}, func(now func() time.Time) store.Store {
		start := now()
		s := memstore.New(&memstore.Options{Now: func() time.Time { return start }})
		return &broken{
			Store: s,
			get: func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
				item, err := s.Get(ctx, k, r)
				if err == nil && item.Expired(now()) {
					return store.Item{}, store.ErrNotFound
				}
				return item, err
			},
			list: func(ctx context.Context, q store.Query) (store.Page, error) {
				page, err := s.List(ctx, q)
				page.Items = slices.DeleteFunc(page.Items, func(i store.Item) bool { return i.Expired(now()) })
				return page, err
			},
		}
	}},
	{"expires a second late", []string{"Expiry"}, func(now func() time.Time) store.Store {
		return sound(func() time.Time { return now().Add(-time.Second) })
	}},
	{"expires with the fraction of a second", []string{"Expiry"}, func(now func() time.Time) store.Store {
		return sound(func() time.Time { return now().Add(time.Second - 1) })
	}},
	{"forgets expiry", []string{"RoundTrip", "Expiry"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.ExpiresAt = time.Time{} })...)
		})
	}},
	{"returns local times", []string{"RoundTrip"}, func(now func() time.Time) store.Store {
		return onItems(sound(now), func(i *store.Item) {
			if !i.ExpiresAt.IsZero() {
				i.ExpiresAt = i.ExpiresAt.In(time.FixedZone("", 3600))
			}
		})
	}},
	{"has no index", []string{"Index", "IndexMoves", "IndexTies", "RoundTrip", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.Index = nil })...)
		})
	}},
	{"leaves items in the index", []string{"IndexMoves", "Model"}, func(now func() time.Time) store.Store {
		s, places := sound(now), sync.Map{}
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) {
				if w.Index != nil {
					places.Store(w.Key, w.Index)
				} else if x, ok := places.Load(w.Key); ok && !w.Delete {
					w.Index = x.(*store.Index)
				}
			})...)
		})
	}},
	{"returns the index without the body", []string{"Index", "IndexTies", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			for i := range page.Items {
				if q.ByIndex {
					page.Items[i].Body = json.RawMessage(`{"no":"body"}`)
				}
			}
			return page, err
		})
	}},
	{"orders by letters", []string{"Order"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			slices.SortStableFunc(page.Items, func(a, b store.Item) int {
				return strings.Compare(strings.ToLower(a.Key.Sort), strings.ToLower(b.Key.Sort))
			})
			return page, err
		})
	}},
	{"ignores the direction", []string{"Order", "Paging", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			q.Descending = false
			return s.List(ctx, q)
		})
	}},
	{"orders ties as they come", []string{"IndexTies"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			if q.ByIndex {
				slices.SortStableFunc(page.Items, func(a, b store.Item) int {
					c := strings.Compare(a.Index.Sort, b.Index.Sort)
					if q.Descending {
						c = -c
					}
					if c == 0 {
						c = bytes.Compare(a.Version[:], b.Version[:])
					}
					return c
				})
			}
			return page, err
		})
	}},
	{"ignores the upper bound", []string{"Order", "Index", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			q.To = ""
			return s.List(ctx, q)
		})
	}},
	{"ignores the prefix", []string{"Order", "RoundTrip", "Wipe", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			q.Prefix = ""
			return s.List(ctx, q)
		})
	}},
	{"pages by offset", []string{"PagingUnderChange"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			if err := store.CheckQuery(q); err != nil {
				return store.Page{}, err
			}
			offset, whole := 0, q
			if after, ok, _ := store.DecodeCursor(q); ok {
				_, _ = fmt.Sscan(after.Sort, &offset)
			}
			whole.Cursor, whole.Limit = "", store.MaxPage
			page, err := s.List(ctx, whole)
			end := min(offset+q.PageLimit(), len(page.Items))
			next := ""
			if end < len(page.Items) {
				next = store.EncodeCursor(q, store.Position{Sort: strconv.Itoa(end), Index: "0"})
			}
			return store.Page{Items: page.Items[min(offset, end):end], Next: next}, err
		})
	}},
	{"returns one item too many", []string{"Paging"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			if q.Limit > 0 && q.Limit < store.MaxPage {
				q.Limit++
			}
			return s.List(ctx, q)
		})
	}},
	{"ends after the first page", []string{"Paging", "Cursors", "PagingUnderChange", "Wipe"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			page.Next = ""
			return page, err
		})
	}},
	{"takes every cursor for its own", []string{"Cursors"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			if q.Cursor != "" && errors.Is(err, store.ErrLimit) {
				q.Cursor = ""
				return s.List(ctx, q)
			}
			return page, err
		})
	}},
	{"writes one after the other", []string{"Conflicts", "RacingClaims", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if err := store.CheckWrites(writes); err != nil {
				return err
			}
			for _, w := range writes {
				if err := s.Apply(ctx, w); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"shows half of an Apply", []string{"Atomic"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if len(writes) == 2 && writes[0].Condition == store.None {
				if err := s.Apply(ctx, writes[0]); err != nil {
					return err
				}
				<-time.After(100 * time.Microsecond)
			}
			return s.Apply(ctx, writes...)
		})
	}},
	{"names one conflict only", []string{"Conflicts", "RepeatedDeletes", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			err := s.Apply(ctx, writes...)
			if c := (*store.ConflictError)(nil); errors.As(err, &c) {
				c.Keys = c.Keys[:1]
			}
			return err
		})
	}},
	{"does not know its own write again", []string{"RepeatedWrites", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			versions := map[store.Key]store.Version{}
			strange := each(writes, func(w *store.Write) {
				versions[w.Key] = w.Version
				if w.Version != (store.Version{}) && w.Condition != store.None {
					w.Version = store.NewVersion()
				}
			})
			return s.Apply(ctx, strange...)
		})
	}},
	{"finds a repeated delete's item gone", []string{"RepeatedDeletes"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			var gone []store.Key
			for _, w := range writes {
				_, err := s.Get(ctx, w.Key, store.Strong)
				if _, versioned := w.Condition.Version(); w.Delete && errors.Is(err, store.ErrNotFound) && (versioned || w.Condition == store.Present) {
					gone = append(gone, w.Key)
				}
			}
			if gone != nil {
				return &store.ConflictError{Keys: gone}
			}
			return s.Apply(ctx, writes...)
		})
	}},
	{"lets every delete repeat", []string{"RepeatedDeletes", "Conditions", "Model"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) {
				if _, err := s.Get(ctx, w.Key, store.Strong); w.Delete && err != nil {
					w.Condition = store.None
				}
			})...)
		})
	}},
	{"hands out what it keeps", []string{"Ownership"}, func(now func() time.Time) store.Store {
		s, kept := sound(now), sync.Map{}
		return onItems(s, func(i *store.Item) {
			old, _ := kept.LoadOrStore(i.Version, *i)
			*i = old.(store.Item)
		})
	}},
	{"keeps what it is given", []string{"Ownership"}, func(now func() time.Time) store.Store {
		s, kept := sound(now), sync.Map{}
		b := onItems(s, func(i *store.Item) {
			if body, ok := kept.Load(i.Version); ok {
				i.Body = body.(json.RawMessage)
			}
		})
		b.apply = func(ctx context.Context, writes []store.Write) error {
			for _, w := range writes {
				kept.Store(w.Version, w.Body)
			}
			return s.Apply(ctx, writes...)
		}
		return b
	}},
	{"takes numbers for float64", []string{"Values"}, func(now func() time.Time) store.Store {
		return onItems(sound(now), func(i *store.Item) {
			var v any
			if json.Unmarshal(i.Body, &v) == nil {
				i.Body, _ = json.Marshal(v)
			}
		})
	}},
	{"takes numbers for text", []string{"Values"}, func(now func() time.Time) store.Store {
		return onItems(sound(now), func(i *store.Item) {
			i.Body = json.RawMessage(strings.ReplaceAll(string(i.Body), `:-0.00`, `:"-0.00`))
		})
	}},
	{"keeps the old parts of an item", []string{"Replace"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) {
				if old, err := s.Get(ctx, w.Key, store.Strong); err == nil && !w.Delete && w.ExpiresAt.IsZero() {
					w.ExpiresAt = old.ExpiresAt
				}
			})...)
		})
	}},
	{"makes up versions", []string{"RoundTrip", "Values"}, func(now func() time.Time) store.Store {
		return onItems(sound(now), func(i *store.Item) { i.Version = store.NewVersion() })
	}},
	{"mixes up partitions", []string{"Apart"}, func(now func() time.Time) store.Store {
		s := sound(now)
		b := onItems(s, func(*store.Item) {})
		b.get = func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
			k.Partition[15] |= 1
			return s.Get(ctx, k, r)
		}
		b.apply = func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.Key.Partition[15] |= 1 })...)
		}
		return b
	}},
	{"mixes up tables", []string{"Apart", "Bulk"}, func(now func() time.Time) store.Store {
		s := sound(now)
		b := onItems(s, func(*store.Item) {})
		b.get = func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
			k.Table = store.Users
			return s.Get(ctx, k, r)
		}
		b.apply = func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, each(writes, func(w *store.Write) { w.Key.Table = store.Users })...)
		}
		return b
	}},
	{"loses a write now and then", []string{"Model", "WithinLimits", "Bulk"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if err := store.CheckWrites(writes); err != nil {
				return err
			}
			if len(writes) > 4 {
				writes = writes[:len(writes)-1]
			}
			return s.Apply(ctx, writes...)
		})
	}},
	{"reads strongly what is stale", []string{"ReadYourWrites", "Model"}, func(now func() time.Time) store.Store {
		s, cache := sound(now), sync.Map{}
		return &broken{Store: s, get: func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
			item, err := s.Get(ctx, k, r)
			if err != nil {
				return item, err
			}
			old, _ := cache.LoadOrStore(k, item)
			return old.(store.Item).Clone(), nil
		}}
	}},
	{"does not look at the context", []string{"ContextEnded"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(_ context.Context, writes []store.Write) error { return s.Apply(context.Background(), writes...) })
	}},
	{"tears an Apply whose context ends", []string{"ContextEnding"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if _, ends := ctx.Deadline(); ends && len(writes) == 2 {
				_ = s.Apply(context.WithoutCancel(ctx), writes[0])
				return context.DeadlineExceeded
			}
			return s.Apply(ctx, writes...)
		})
	}},
	{"reads without the context", []string{"ContextEnded"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(_ context.Context, q store.Query) (store.Page, error) { return s.List(context.Background(), q) })
	}},
	{"fails without a kind", []string{"Limits"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			err := s.Apply(ctx, writes...)
			if errors.Is(err, store.ErrLimit) {
				return errors.New(err.Error())
			}
			return err
		})
	}},
	{"says it in words of its own", []string{"Limits"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			err := s.Apply(ctx, writes...)
			if errors.Is(err, store.ErrLimit) {
				return &store.LimitError{Reason: "ValidationException"}
			}
			return err
		})
	}},
	{"takes what is over the limit", []string{"Limits"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if err := s.Apply(ctx, writes...); !errors.Is(err, store.ErrLimit) {
				return err
			}
			return nil
		})
	}},
	{"has narrower limits", []string{"WithinLimits"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if len(writes) > 25 {
				return &store.LimitError{Reason: "25 writes"}
			}
			return s.Apply(ctx, writes...)
		})
	}},
	{"finds nothing with an error of its own", []string{"Absent"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return &broken{Store: s, get: func(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
			item, err := s.Get(ctx, k, r)
			if errors.Is(err, store.ErrNotFound) {
				err = errors.New("no rows")
			}
			return item, err
		}}
	}},
	{"takes wrong queries", []string{"QueryLimits"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			q.Limit = min(max(q.Limit, 0), store.MaxPage)
			return s.List(ctx, q)
		})
	}},
	{"repeats items while others write", []string{"PagingUnderWriters"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			if q.Cursor != "" && len(page.Items) > 1 {
				page.Items = append(page.Items[:1], page.Items...)[:len(page.Items)]
			}
			return page, err
		})
	}},
	{"sweeps nothing", []string{"Sweep"}, func(now func() time.Time) store.Store {
		return &sweeper{Store: sound(now), sweep: func(ctx context.Context) (int, error) { return 0, ctx.Err() }}
	}},
	{"sweeps whatever the context", []string{"Sweep"}, func(now func() time.Time) store.Store {
		s := memstore.New(&memstore.Options{Now: now})
		return &sweeper{Store: s, sweep: func(context.Context) (int, error) { return s.Sweep(context.Background()) }}
	}},
	{"cannot do many writes", []string{"Bulk"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return &bulker{Store: s, bulk: func(ctx context.Context, writes []store.Write) error {
			return s.Apply(ctx, writes[:min(len(writes), store.MaxWrites)]...)
		}}
	}},
	{"wipes no second page", []string{"Wipe"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onList(s, func(ctx context.Context, q store.Query) (store.Page, error) {
			page, err := s.List(ctx, q)
			if q.Limit == store.MaxWrites {
				page.Next = ""
			}
			return page, err
		})
	}},
	{"repeats an item on the next page of a scan", allScans, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			if after, ok, _ := store.DecodeScanCursor(table, cursor); ok && err == nil && len(page.Items) < max(limit, 2) {
				if item, err := s.Get(ctx, after, store.Strong); err == nil {
					page.Items = append(page.Items, item)
				}
			} else if ok && limit > 1 && err == nil {
				page.Items[limit-1] = page.Items[0]
			}
			return page, err
		})
	}},
	{"misses the last item of a full page of a scan", allScans, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			if page.Next != "" {
				page.Items = page.Items[:len(page.Items)-1]
			}
			return page, err
		})
	}},
	{"scans by offset", []string{"ScanCursors", "ScanUnderChange", "ScanUnderWriters"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			offset := 0
			if cursor != "" {
				if _, err := fmt.Sscanf(cursor, string(table)+"+%d", &offset); err != nil {
					return store.Page{}, &store.LimitError{Reason: "cursor"}
				}
			}
			all, err := wholeTable(ctx, s, table)
			if limit == 0 {
				limit = store.DefaultPage
			}
			end, next := min(offset+limit, len(all)), ""
			if end < len(all) {
				next = fmt.Sprintf("%s+%d", table, end)
			}
			return store.Page{Items: all[min(offset, end):end], Next: next}, err
		})
	}},
	{"goes on with a scan as things stood at its start", []string{"ScanUnderChange"}, func(now func() time.Time) store.Store {
		var kept atomic.Pointer[memstore.Store]
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			if cursor == "" {
				old := memstore.New(&memstore.Options{Now: now})
				all, err := wholeTable(ctx, s, table)
				if err != nil {
					return store.Page{}, err
				}
				for _, item := range all {
					if err := old.Apply(ctx, store.Put(item, store.None)); err != nil {
						return store.Page{}, err
					}
				}
				kept.Store(old)
			}
			if old := kept.Load(); old != nil {
				s = old
			}
			return s.Scan(ctx, table, cursor, limit)
		})
	}},
	{"loses a scan with the item that the cursor stands on", []string{"ScanCursors", "ScanUnderChange"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			if after, ok, _ := store.DecodeScanCursor(table, cursor); ok {
				if _, err := s.Get(ctx, after, store.Strong); err != nil {
					return store.Page{}, nil
				}
			}
			return s.Scan(ctx, table, cursor, limit)
		})
	}},
	{"shows in a scan what has expired", []string{"Scan"}, func(now func() time.Time) store.Store {
		start := now()
		old := memstore.New(&memstore.Options{Now: func() time.Time { return start }})
		return &scanner{onApply(sound(now), func(ctx context.Context, writes []store.Write) error { return old.Apply(ctx, writes...) }), old.Scan}
	}},
	{"takes another table's cursor", []string{"ScanCursors"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			for _, other := range store.Tables() {
				if after, ok, _ := store.DecodeScanCursor(other, cursor); ok {
					after.Table = table
					cursor = store.EncodeScanCursor(after)
				}
			}
			return s.Scan(ctx, table, cursor, limit)
		})
	}},
	{"begins a scan again where the cursor is none", []string{"ScanCursors"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			if errors.Is(err, store.ErrLimit) && cursor != "" {
				return s.Scan(ctx, table, "", limit)
			}
			return page, err
		})
	}},
	{"ignores the limit of a scan", []string{"Scan"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			if limit > 0 && limit < store.MaxPage {
				limit++
			}
			return s.Scan(ctx, table, cursor, limit)
		})
	}},
	{"scans with a limit of any size", []string{"ScanCursors"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			return s.Scan(ctx, table, cursor, min(max(limit, 0), store.MaxPage))
		})
	}},
	{"scans the first page only", allScans, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			page.Next = ""
			return page, err
		})
	}},
	{"scans all tables", []string{"Scan"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			if err != nil || page.Next != "" {
				return page, err
			}
			for _, other := range store.Tables() {
				all, err := wholeTable(ctx, s, other)
				if err != nil {
					return store.Page{}, err
				}
				if other != table && len(all) > 0 && len(page.Items) < limit {
					page.Items = append(page.Items, all[0])
				}
			}
			return page, nil
		})
	}},
	{"scans keys and bodies only", []string{"Scan"}, func(now func() time.Time) store.Store {
		return onScan(now, func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			page, err := s.Scan(ctx, table, cursor, limit)
			for i := range page.Items {
				page.Items[i].ExpiresAt, page.Items[i].Index = time.Time{}, nil
			}
			return page, err
		})
	}},
	{"scans without the context", []string{"Scan"}, func(now func() time.Time) store.Store {
		return onScan(now, func(_ context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error) {
			return s.Scan(context.Background(), table, cursor, limit)
		})
	}},
	{"forgets the second write", []string{"Update", "RacingClaims", "ContextEnding"}, func(now func() time.Time) store.Store {
		s := sound(now)
		return onApply(s, func(ctx context.Context, writes []store.Write) error {
			if len(writes) == 2 {
				writes = writes[1:]
			}
			return s.Apply(ctx, writes...)
		})
	}},
}

type sweeper struct {
	store.Store
	sweep func(context.Context) (int, error)
}

func (s *sweeper) Sweep(ctx context.Context) (int, error) { return s.sweep(ctx) }

type bulker struct {
	store.Store
	bulk func(context.Context, []store.Write) error
}

func (b *bulker) Bulk(ctx context.Context, writes []store.Write) error { return b.bulk(ctx, writes) }

type scanner struct {
	store.Store
	scan func(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error)
}

func (s *scanner) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	return s.scan(ctx, table, cursor, limit)
}

// allScans are the checks that every mistake in the pages of a scan fails.
var allScans = []string{"Scan", "ScanCursors", "ScanUnderChange", "ScanUnderWriters"}

// onScan breaks what a scan of a sound store returns.
func onScan(now func() time.Time, scan func(ctx context.Context, s *memstore.Store, table store.Table, cursor string, limit int) (store.Page, error)) store.Store {
	s := memstore.New(&memstore.Options{Now: now})
	return &scanner{s, func(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
		return scan(ctx, s, table, cursor, limit)
	}}
}

// wholeTable returns all items of a table.
func wholeTable(ctx context.Context, s *memstore.Store, table store.Table) (all []store.Item, err error) {
	for cursor := ""; ; {
		page, err := s.Scan(ctx, table, cursor, store.MaxPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

func TestBrokenStoresAreCaught(t *testing.T) {
	t.Parallel()
	for _, b := range brokenStores {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, slices.Sorted(slices.Values(b.caught)), slices.Sorted(slices.Values(failing(t, b.open, b.caught...))))
		})
	}
}

// Every check is known to find some mistake.
func TestEveryCheckCanFail(t *testing.T) {
	t.Parallel()
	can := map[string]bool{}
	for _, b := range brokenStores {
		for _, name := range b.caught {
			can[name] = true
		}
	}
	for _, c := range checks() {
		require.True(t, can[c.name], c.name)
	}
}
