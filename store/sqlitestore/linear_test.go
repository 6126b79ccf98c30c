package sqlitestore_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/store/storetest/linear"
)

// All histories in one file, so that an Apply also waits for those of other partitions.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	linear.Run(t, &linear.Options{Parallel: 2, Deadline: 3 * time.Millisecond}, func(*testing.T, uint64) (store.Store, func()) {
		return s, nil
	})
}
