package dynamotest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
)

// What a test holds that wants a DynamoDB. Without one it is skipped.
func ExampleStore() {
	test := func(t *testing.T) {
		s := dynamotest.Store(t, nil)
		_, err := s.Get(t.Context(), store.Key{Table: store.Users, Sort: "nothing"}, store.Strong)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	_ = test // go test calls it, as a Test of the package
	// Output:
}
