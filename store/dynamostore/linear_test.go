package dynamostore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest/faults"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/storetest/linear"
)

// Each history has a network of its own seed, and an attempt less time than the late requests take: they arrive when they were given up.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	endpoint := dynamotest.Endpoint(t)
	prefix := dynamotest.Tables(t, dynamotest.Client(t, endpoint))
	network := faults.Start(t, endpoint)
	o := &linear.Options{Parallel: 6, Calls: 16, Timeout: 2 * time.Second, Deadline: 300 * time.Millisecond, Settle: 500 * time.Millisecond}
	linear.Run(t, o, func(t *testing.T, seed uint64) (store.Store, func()) {
		line := network.Line(t, seed)
		s, err := dynamostore.New(line.Client, &dynamostore.Options{
			Prefix: prefix, AttemptTimeout: 200 * time.Millisecond, Patience: 600 * time.Millisecond,
		})
		require.NoError(t, err)
		return s, line.Heal
	})
	t.Logf("troubles: %v", network.Counts())
	for _, trouble := range faults.Troubles() {
		require.Positive(t, network.Counts()[trouble], trouble)
	}
}
