package linear_test

import (
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/storetest/linear"
)

// What an adapter's tests hold; here the one in memory stands for yours.
func ExampleRun() {
	test := func(t *testing.T) {
		linear.Run(t, &linear.Options{Deadline: time.Millisecond}, func(*testing.T, uint64) (store.Store, func()) {
			return memstore.New(nil), nil // a new one for each history, without faults that would have to end
		})
	}
	_ = test // go test calls it, as TestLinearizable
	// Output:
}
