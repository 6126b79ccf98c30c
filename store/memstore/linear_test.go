package memstore_test

import (
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/storetest/linear"
)

func TestLinearizable(t *testing.T) {
	t.Parallel()
	linear.Run(t, &linear.Options{Deadline: time.Millisecond}, func(*testing.T, uint64) (store.Store, func()) {
		return memstore.New(nil), nil
	})
}
