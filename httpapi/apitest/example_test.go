package apitest_test

import (
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/httpapi/apitest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// The API on an adapter of your own; here the one in memory stands for it.
func ExampleRun() {
	test := func(t *testing.T) {
		apitest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
			return memstore.New(&memstore.Options{Now: now})
		})
	}
	_ = test // go test calls it, as TestAPIOnMyStore
	// Output:
}
