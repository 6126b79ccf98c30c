package httpapi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/httpapi/apitest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
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

func TestMemory(t *testing.T) {
	apitest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
		return memstore.New(&memstore.Options{Now: now})
	})
}

func TestStale(t *testing.T) {
	apitest.RunStale(t, func(_ *testing.T, now func() time.Time) store.Store {
		return memstore.New(&memstore.Options{Now: now})
	})
}

func TestSQLite(t *testing.T) {
	apitest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "api.db"), &sqlitestore.Options{Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}
