package storetest_test

import (
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/storetest"
)

// The whole test of an adapter; here the one in memory stands for yours.
func ExampleRun() {
	test := func(t *testing.T) {
		storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
			return memstore.New(&memstore.Options{Now: now})
		})
	}
	_ = test // go test calls it, as TestMyStore
	// Output:
}
