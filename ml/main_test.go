package ml_test

import (
	"context"
	"encoding/binary"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// noon is when the tests begin.
var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

// bench is a Service over a store in memory, with a clock and faults of the test's own.
type bench struct {
	*ml.Service
	store  *faulty
	clock  *clock
	events *events
}

func newBench(t testing.TB, o ml.Options) *bench {
	t.Helper()
	c := &clock{now: noon}
	b := &bench{store: &faulty{Store: memstore.New(&memstore.Options{Now: c.Now})}, clock: c, events: &events{}}
	b.Service = b.another(t, o)
	return b
}

// another returns a second instance over the same store.
func (b *bench) another(t testing.TB, o ml.Options) *ml.Service {
	t.Helper()
	o.Now, o.Observer = b.clock.Now, b.events
	s, err := ml.NewService(b.store, o)
	require.NoError(t, err)
	return s
}

// listener opens the gate of a new profile. Its id is made from n, so that no two in a test look alike.
func (b *bench) listener(t testing.TB, n byte) uuid.UUID {
	t.Helper()
	id := uuid.UUID{0: 1, 6: 0x40, 8: 0x80, 14: n, 15: n}
	require.NoError(t, b.store.Apply(t.Context(), gate(id)))
	return id
}

func gate(id uuid.UUID) store.Write {
	return store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.None)
}

func (b *bench) log(t testing.TB, id uuid.UUID, events ...ml.Interaction) {
	t.Helper()
	fresh, err := b.Log(t.Context(), id, events)
	require.NoError(t, err)
	require.Len(t, fresh, len(events))
}

// kept returns all that the log holds of a listener.
func (b *bench) kept(t testing.TB, id uuid.UUID) []ml.Interaction {
	t.Helper()
	return collect(t, b.Interactions(t.Context(), id, time.Time{}, time.Time{}, false))
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	all := []T{}
	for v, err := range seq {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

func eventID(n int) uuid.UUID {
	id := uuid.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(n)+1)
	return id
}

func event(n int, track string, a ml.Action, at time.Time) ml.Interaction {
	return ml.Interaction{EventID: eventID(n), TrackID: track, Action: a, At: at}
}

func ptr[T any](v T) *T { return &v }

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

// faulty is a store in which calls can be made to fail. It hides the store's optional interfaces, so that all goes
// through its three methods.
type faulty struct {
	store.Store
	mu    sync.Mutex
	get   func(store.Key) error
	list  func(store.Query) error
	apply func([]store.Write) error
}

// on sets the faults; nil is none.
func (f *faulty) on(get func(store.Key) error, list func(store.Query) error, apply func([]store.Write) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.get, f.list, f.apply = get, list, apply
}

func (f *faulty) faults() (func(store.Key) error, func(store.Query) error, func([]store.Write) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.get, f.list, f.apply
}

func (f *faulty) Get(ctx context.Context, k store.Key, r store.Read) (store.Item, error) {
	if get, _, _ := f.faults(); get != nil {
		if err := get(k); err != nil {
			return store.Item{}, err
		}
	}
	return f.Store.Get(ctx, k, r)
}

func (f *faulty) List(ctx context.Context, q store.Query) (store.Page, error) {
	if _, list, _ := f.faults(); list != nil {
		if err := list(q); err != nil {
			return store.Page{}, err
		}
	}
	return f.Store.List(ctx, q)
}

func (f *faulty) Apply(ctx context.Context, w ...store.Write) error {
	if _, _, apply := f.faults(); apply != nil {
		if err := apply(w); err != nil {
			return err
		}
	}
	return f.Store.Apply(ctx, w...)
}

// events keeps what was observed.
type events struct {
	mu   sync.Mutex
	seen []observe.Event
}

func (e *events) Observe(_ context.Context, v observe.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, v)
}

func (e *events) last(t testing.TB, operation string) (status string, values map[string]float64) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.seen) - 1; i >= 0; i-- {
		if v := e.seen[i]; v.Operation == operation {
			values = map[string]float64{}
			for _, x := range v.Values {
				values[x.Name] = x.Number
			}
			return v.Status, values
		}
	}
	require.Fail(t, "nothing observed", operation)
	return "", nil
}
