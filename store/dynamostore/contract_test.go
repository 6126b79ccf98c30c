package dynamostore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/httpapi/apitest"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/cachestore"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

// TestContractBehindACache: what a server runs on.
func TestContractBehindACache(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		s, err := cachestore.New(open(t, now), &cachestore.Options{Now: now})
		require.NoError(t, err)
		return s
	})
}

func TestAPI(t *testing.T) {
	t.Parallel()
	dynamotest.Endpoint(t) // or skips all of it
	apitest.Run(t, open)
}

// open returns a store on tables of its own.
func open(t *testing.T, now func() time.Time) store.Store {
	return dynamotest.Store(t, now)
}

// unhurried has a store wait for a busy machine.
func unhurried(o *dynamostore.Options) { o.AttemptTimeout, o.Patience = 20*time.Second, 40*time.Second }
