package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder takes the place of a *testing.T and remembers what run reports.
type recorder struct {
	mu     sync.Mutex
	errors []string
	log    []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// broken is a store that does one thing wrong. It is seeded, and lets others in at the moments where that matters.
type broken struct {
	store.Store
	mu    sync.Mutex
	rand  *rand.Rand
	get   func(b *broken, ctx context.Context, k store.Key) (store.Item, error)
	apply func(b *broken, ctx context.Context, writes []store.Write) error
	late  bool // does not look at the context first
	wg    sync.WaitGroup
	old   map[store.Key]answer
}

type answer struct {
	item store.Item
	err  error
}

func (b *broken) Get(ctx context.Context, k store.Key, _ store.Read) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if b.get != nil {
		return b.get(b, ctx, k)
	}
	return b.Store.Get(ctx, k, store.Strong)
}

func (b *broken) Apply(ctx context.Context, writes ...store.Write) error {
	if !b.late {
		if err := ctx.Err(); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx)
	}
	if b.apply != nil {
		return b.apply(b, ctx, writes)
	}
	return b.Store.Apply(ctx, writes...)
}

// chance is true once in n times.
func (b *broken) chance(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rand.IntN(n) == 0
}

func wait() { <-time.After(300 * time.Microsecond) }

// The sound stores: a checker that finds everything wrong would find the broken ones too.
var soundStores = []*broken{
	{},
	{ // loses requests and answers, and says so
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			switch {
			case b.chance(6):
				return store.ErrUnavailable
			case b.chance(6):
				_ = b.Store.Apply(ctx, writes...)
				return store.ErrUnavailable
			}
			return b.Store.Apply(ctx, writes...)
		},
		get: func(b *broken, ctx context.Context, k store.Key) (store.Item, error) {
			if b.chance(6) {
				return store.Item{}, store.ErrUnavailable
			}
			return b.Store.Get(ctx, k, store.Strong)
		},
	},
	{ // makes what it called unknown, later
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			if b.chance(4) {
				b.wg.Go(func() {
					wait()
					_ = b.Store.Apply(ctx, writes...)
				})
				return fmt.Errorf("lost: %w", store.ErrUnavailable)
			}
			return b.Store.Apply(ctx, writes...)
		},
	},
}

var errBroken = errors.New("broken")

// The mistakes that adapters for engines behind a network make, and one that only faults show in any.
var brokenStores = []struct {
	name  string
	finds string // what is said of the history
	broken
}{
	{"lost update: decides outside the lock", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			err := store.Decide(writes, func(k store.Key) (store.Version, bool) {
				item, err := b.Store.Get(ctx, k, store.Strong)
				return item.Version, err == nil
			})
			if err != nil {
				return err
			}
			runtime.Gosched()
			wait()
			return b.Store.Apply(ctx, without(writes)...)
		},
	}},
	{"stale strong read", "not linearizable", broken{
		get: func(b *broken, ctx context.Context, k store.Key) (store.Item, error) {
			item, err := b.Store.Get(ctx, k, store.Strong)
			stale := b.chance(8)
			b.mu.Lock()
			defer b.mu.Unlock()
			if old, ok := b.old[k]; ok && stale {
				return old.item, old.err
			}
			b.old[k] = answer{item, err}
			return item, err
		},
	}},
	{"half of an Apply to be seen", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			if len(writes) == 1 {
				return b.Store.Apply(ctx, writes...)
			}
			err := store.Decide(writes, func(k store.Key) (store.Version, bool) {
				item, err := b.Store.Get(ctx, k, store.Strong)
				return item.Version, err == nil
			})
			for i := range writes {
				if err == nil {
					err = b.Store.Apply(ctx, without(writes[i:i+1])...)
					wait()
				}
			}
			return err
		},
	}},
	{"reported as failed, and made", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			err := b.Store.Apply(ctx, writes...)
			if err == nil && b.chance(8) {
				return &store.ConflictError{Keys: []store.Key{writes[0].Key}}
			}
			return err
		},
	}},
	{"reported as made, and not", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			if b.chance(16) {
				return nil
			}
			return b.Store.Apply(ctx, writes...)
		},
	}},
	{"blind retry of an unconditional put after a lost answer", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			err := b.Store.Apply(ctx, writes...)
			blind := len(writes) == 1 && !writes[0].Delete && writes[0].Condition == store.None
			if err == nil && blind && b.chance(2) {
				wait() // for the answer, which is lost
				wait()
				wait()
				return b.Store.Apply(ctx, writes...)
			}
			return err
		},
	}},
	{"zombie: an attempt that was given up lands after the next one", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			if len(writes) == 1 && !writes[0].Delete && b.chance(2) {
				b.wg.Go(func() {
					wait()
					wait()
					_ = b.Store.Apply(ctx, writes...)
				})
			}
			return b.Store.Apply(ctx, writes...)
		},
	}},
	{"names only the first conflict", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			err := b.Store.Apply(ctx, writes...)
			if c := (&store.ConflictError{}); errors.As(err, &c) {
				return &store.ConflictError{Keys: c.Keys[:1]}
			}
			return err
		},
	}},
	{"names a key that was not asked for", "not linearizable", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			err := b.Store.Apply(ctx, writes...)
			if errors.Is(err, store.ErrConflict) {
				return &store.ConflictError{Keys: []store.Key{{Table: store.Users, Sort: "x"}}}
			}
			return err
		},
	}},
	{"another version's body", "and the body", broken{
		get: func(b *broken, ctx context.Context, k store.Key) (store.Item, error) {
			item, err := b.Store.Get(ctx, k, store.Strong)
			if err == nil {
				item.Body = []byte(`{"text":"mine"}`)
			}
			return item, err
		},
	}},
	{"another item", "asked for", broken{
		get: func(b *broken, ctx context.Context, k store.Key) (store.Item, error) {
			item, err := b.Store.Get(ctx, k, store.Strong)
			item.Key.Sort = "x"
			return item, err
		},
	}},
	{"a version of its own", "version that nobody wrote", broken{
		get: func(b *broken, ctx context.Context, k store.Key) (store.Item, error) {
			item, err := b.Store.Get(ctx, k, store.Strong)
			item.Version = store.NewVersion()
			return item, err
		},
	}},
	{"an error of the engine from Get", "Get returned an error", broken{
		get: func(*broken, context.Context, store.Key) (store.Item, error) { return store.Item{}, errBroken },
	}},
	{"an error of the engine from Apply", "Apply returned an error", broken{
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			if b.chance(20) {
				return errBroken
			}
			return b.Store.Apply(ctx, writes...)
		},
	}},
	{"works on when the context has ended", "after its context had ended", broken{
		late: true,
		apply: func(b *broken, ctx context.Context, writes []store.Write) error {
			return b.Store.Apply(context.WithoutCancel(ctx), writes...)
		},
	}},
}

func without(writes []store.Write) []store.Write {
	blind := make([]store.Write, len(writes))
	for i, w := range writes {
		w.Condition = store.None
		blind[i] = w
	}
	return blind
}

// opener returns a store that is broken as b is, on a memstore of its own.
func opener(b *broken) func(seed uint64) (store.Store, func()) {
	return func(seed uint64) (store.Store, func()) {
		fresh := &broken{
			Store: memstore.New(nil), get: b.get, apply: b.apply, late: b.late, old: map[store.Key]answer{},
			rand: rand.New(rand.NewPCG(seed, 99)),
		}
		return fresh, fresh.wg.Wait
	}
}

func TestSoundStoresPass(t *testing.T) {
	t.Parallel()
	for _, b := range soundStores {
		r := &recorder{}
		run(r, &Options{Histories: 25, Deadline: 2 * time.Millisecond}, opener(b))
		require.Empty(t, r.errors)
		require.Len(t, r.log, 1)
		t.Log(r.log[0])
		require.Contains(t, r.log[0], "25 histories in ")
	}
}

func TestBrokenStoresAreFound(t *testing.T) {
	t.Parallel()
	for i := range brokenStores {
		b := &brokenStores[i]
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			// A mistake may need its moment: it must be found within as many histories as an adapter's tests have.
			dir := t.TempDir()
			found := 0
			for seed := uint64(1); seed <= 50 && found < 2; seed++ {
				r := &recorder{}
				run(r, &Options{Histories: 1, Seed: seed, Deadline: 2 * time.Millisecond, Dir: dir}, opener(&b.broken))
				found += len(r.errors)
				for _, e := range r.errors {
					require.Contains(t, e, b.finds)
					require.True(t, strings.HasPrefix(e, fmt.Sprintf("history with seed %d: ", seed)), e)
				}
				if found == 2 {
					t.Logf("2 found by seed %d: %s", seed, r.errors[0])
				}
			}
			require.Equal(t, 2, found)
		})
	}
}

func TestPicture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &recorder{}
	run(r, &Options{Histories: 1, Dir: dir}, opener(&broken{
		apply: func(*broken, context.Context, []store.Write) error { return nil },
	}))
	require.Len(t, r.errors, 1)
	_, path, ok := strings.Cut(r.errors[0], ", see ")
	require.True(t, ok, r.errors[0])
	require.Equal(t, dir, filepath.Dir(path))
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(page), "get a: absent")
	require.Contains(t, string(page), ": made")

	r = &recorder{}
	run(r, &Options{Histories: 1, Dir: filepath.Join(dir, "none")}, opener(&broken{
		apply: func(*broken, context.Context, []store.Write) error { return nil },
	}))
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "no picture: ")
}

func TestUndecidedFails(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	run(r, &Options{Histories: 1, Decide: 1}, opener(&broken{}))
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "not decided in time")
}

func TestEnvironment(t *testing.T) {
	t.Setenv("RHYTHMIQ_LINEAR_HISTORIES", "2")
	t.Setenv("RHYTHMIQ_LINEAR_SEED", "7")
	t.Setenv("RHYTHMIQ_LINEAR_DIR", t.TempDir())
	var seeds []uint64
	r := &recorder{}
	run(r, &Options{Histories: 9, Seed: 1}, func(seed uint64) (store.Store, func()) {
		seeds = append(seeds, seed)
		return memstore.New(nil), nil
	})
	require.Empty(t, r.errors)
	require.Equal(t, []uint64{7, 8}, seeds)
	t.Setenv("RHYTHMIQ_LINEAR_SEED", "x")
	run(r, nil, opener(&broken{}))
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "RHYTHMIQ_LINEAR_SEED")
	t.Setenv("RHYTHMIQ_LINEAR_HISTORIES", "x")
	run(r, nil, opener(&broken{}))
	require.Len(t, r.errors, 2)
	require.Contains(t, r.errors[1], "RHYTHMIQ_LINEAR_HISTORIES")
}

func TestRun(t *testing.T) {
	t.Parallel()
	Run(t, &Options{Histories: 3, Parallel: 2}, func(*testing.T, uint64) (store.Store, func()) { return memstore.New(nil), nil })
}
