package rhythmiq_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// TestMain is goleak.VerifyTestMain with an os.Exit of its own, which gobco asks for.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noon is when the tests that have a clock of their own begin.
var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

// cheap makes passwords cost nothing.
var cheap = profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}}

var demo = sync.OnceValue(catalog.Demo)

func newApp(t testing.TB, c rhythmiq.Config) *rhythmiq.App {
	t.Helper()
	if c.Music == nil {
		c.Music = demo()
	}
	if c.Profile.Hash == (profile.HashParams{}) {
		c.Profile.Hash = cheap.Hash
	}
	app, err := rhythmiq.New(c)
	require.NoError(t, err)
	return app
}

// register makes the n-th listener.
func register(t testing.TB, app *rhythmiq.App, n int) profile.Profile {
	t.Helper()
	p, err := app.Profiles.Create(t.Context(), registration(n))
	require.NoError(t, err)
	return p
}

func registration(n int) profile.Registration {
	name := "listener" + strconv.Itoa(n)
	return profile.Registration{
		Username: name, FirstName: "Ada", LastName: "Byron", Email: name + "@example.com",
		PhoneNumber: "+44 20 7946 0123", Password: "correct horse",
	}
}

func ptr[T any](v T) *T { return &v }

// clock is a clock that the test turns.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// recorder is a store that remembers each key that was ever put, and can be told to fail.
type recorder struct {
	store.Store
	mu   sync.Mutex
	keys map[store.Key]bool
	fail func(table store.Table, sort string) error // nil: nothing fails; a listing's sort is "list:" and its prefix
}

func record(s store.Store) *recorder { return &recorder{Store: s, keys: map[store.Key]bool{}} }

func (r *recorder) failing(fail func(store.Table, string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

func (r *recorder) check(table store.Table, sort string) error {
	r.mu.Lock()
	fail := r.fail
	r.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(table, sort)
}

func (r *recorder) Get(ctx context.Context, k store.Key, read store.Read) (store.Item, error) {
	if err := r.check(k.Table, k.Sort); err != nil {
		return store.Item{}, err
	}
	return r.Store.Get(ctx, k, read)
}

func (r *recorder) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := r.check(q.Table, "list:"+q.Prefix); err != nil {
		return store.Page{}, err
	}
	return r.Store.List(ctx, q)
}

func (r *recorder) Apply(ctx context.Context, writes ...store.Write) error {
	r.mu.Lock()
	for _, w := range writes {
		if !w.Delete {
			r.keys[w.Key] = true
		}
	}
	r.mu.Unlock()
	for _, w := range writes {
		if err := r.check(w.Key.Table, w.Key.Sort); err != nil {
			return err
		}
	}
	return r.Store.Apply(ctx, writes...)
}

// copyOf returns a store in memory with the same items.
func (r *recorder) copyOf(t testing.TB, now func() time.Time) *recorder {
	t.Helper()
	c := record(memstore.New(&memstore.Options{Now: now}))
	for _, k := range r.left(t) {
		item, err := r.Store.Get(t.Context(), k, store.Strong)
		require.NoError(t, err)
		require.NoError(t, c.Apply(t.Context(), store.Put(item, store.None)))
	}
	return c
}

// left returns the keys that were put and are still there.
func (r *recorder) left(t testing.TB) []store.Key {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []store.Key
	for k := range r.keys {
		if _, err := r.Store.Get(t.Context(), k, store.Strong); err == nil {
			left = append(left, k)
		} else {
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	}
	return left
}

// watcher keeps the events it is told of.
type watcher struct {
	mu   sync.Mutex
	seen []rhythmiq.Event
}

func (w *watcher) Observe(_ context.Context, e rhythmiq.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, e)
}

func (w *watcher) of(operation string) []rhythmiq.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []rhythmiq.Event
	for _, e := range w.seen {
		if e.Operation == operation {
			all = append(all, e)
		}
	}
	return all
}
