package rhythmiq_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := &watcher{}
		s := memstore.New(nil)
		app := newApp(t, rhythmiq.Config{Store: s, Observer: w, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		old := store.Key{Table: store.Users, Partition: uuid.New(), Sort: "x"}
		require.NoError(t, s.Apply(t.Context(), store.Put(store.Item{
			Key: old, Body: []byte(`{}`), ExpiresAt: time.Now().Add(time.Minute).Truncate(time.Second),
		}, store.None)))

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- app.Run(ctx) }()
		synctest.Wait()
		require.Len(t, w.of("store.sweep"), 1, "the first pass is at once")
		require.Len(t, w.of("ml.refresh"), 1)

		time.Sleep(12 * time.Minute) // of the bubble's time
		synctest.Wait()
		sweeps := w.of("store.sweep")
		require.Len(t, sweeps, 2)
		require.Equal(t, []rhythmiq.Value{{Name: "expired", Number: 1}}, sweeps[1].Values)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, w.of("ml.refresh"), 2)

		cancel()
		require.NoError(t, <-ended)
		require.Empty(t, out.String(), "nothing failed")
		require.NoError(t, app.Run(ctx), "a context that has ended")
	})
}

// What fails is logged and tried again; the rest goes on.
func TestRunGoesOnAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r, w := record(memstore.New(nil)), &watcher{}
		app := newApp(t, rhythmiq.Config{Store: r, Observer: w, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		r.failing(func(table store.Table, _ string) error {
			if table == store.Users {
				return errors.New("users are out")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- app.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, 3, strings.Count(out.String(), "\n"), out.String())
		require.Equal(t, 3, strings.Count(out.String(), "users are out (16 times)"), "each says it once")
		require.Contains(t, out.String(), `task="finish deletions"`)
		require.Contains(t, out.String(), `task="wipe readings"`)
		require.Contains(t, out.String(), `task="withhold what was planned late"`)
		require.Len(t, w.of("ml.refresh"), 1)

		r.failing(nil)
		out.Reset()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Empty(t, out.String())

		// A fault that comes of the end itself is not worth a line.
		r.failing(func(store.Table, string) error { cancel(); return errors.New("too late") })
		time.Sleep(2 * time.Minute)
		require.NoError(t, <-ended)
		require.Empty(t, out.String())
	})
}

func TestSweepDoesAllOfIt(t *testing.T) {
	r, w := record(memstore.New(nil)), &watcher{}
	app := newApp(t, rhythmiq.Config{Store: r, Observer: w})
	first, second := errors.New("users are out"), errors.New("models are out")
	r.failing(func(table store.Table, _ string) error {
		switch table {
		case store.Users:
			return first
		case store.Models:
			return second
		default:
			return nil
		}
	})
	err := app.Sweep(t.Context())
	require.ErrorIs(t, err, first)
	require.ErrorIs(t, err, second)
	for _, task := range []string{"finish deletions", "wipe readings", "count popularity"} {
		require.ErrorContains(t, err, task)
	}
	require.NotContains(t, err.Error(), "sweep the store", "this store expires by itself")
	require.Empty(t, w.of("store.sweep"))
	r.failing(nil)
	require.NoError(t, app.Sweep(t.Context()))
}

// broken is a store whose sweeping fails.
type broken struct{ *memstore.Store }

var errSweep = errors.New("no broom")

func (broken) Sweep(context.Context) (int, error) { return 2, errSweep }

func TestSweepTellsOfTheStore(t *testing.T) {
	w := &watcher{}
	app := newApp(t, rhythmiq.Config{Store: broken{memstore.New(nil)}, Observer: w})
	require.ErrorIs(t, app.Sweep(t.Context()), errSweep)
	require.Equal(t, "internal", w.of("store.sweep")[0].Status)
}
