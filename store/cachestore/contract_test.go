package cachestore_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/store/storetest"
)

func before(t *testing.T, inner store.Store, now func() time.Time) *cachestore.Store {
	t.Helper()
	s, err := cachestore.New(inner, &cachestore.Options{Now: now})
	require.NoError(t, err)
	return s
}

// The whole contract holds, without a relaxation.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, now func() time.Time) store.Store{
		"memstore": func(_ *testing.T, now func() time.Time) store.Store {
			return memstore.New(&memstore.Options{Now: now})
		},
		"sqlitestore": func(t *testing.T, now func() time.Time) store.Store {
			t.Helper()
			s, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Now: now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
		"a store that lags": func(_ *testing.T, now func() time.Time) store.Store {
			return newBehind(now, always(1))
		},
		"another cache": func(t *testing.T, now func() time.Time) store.Store {
			t.Helper()
			return before(t, newBehind(now, always(1)), now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
				t.Helper()
				return before(t, open(t, now), now)
			})
		})
	}
}
