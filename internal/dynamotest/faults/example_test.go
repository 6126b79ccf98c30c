package faults_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest/faults"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// A write over a bad line: its outcome may be unknown, and is right once the line has healed.
func ExampleStart() {
	test := func(t *testing.T) {
		endpoint := dynamotest.Endpoint(t)
		prefix := dynamotest.Tables(t, dynamotest.Client(t, endpoint))
		line := faults.Start(t, endpoint).Line(t, 1)
		s, err := dynamostore.New(line.Client, &dynamostore.Options{Prefix: prefix})
		require.NoError(t, err)
		put := store.Put(store.Item{Key: store.Key{Table: store.Users, Sort: "note"}, Body: []byte(`{}`)}, store.None)
		if err := s.Apply(t.Context(), put); err != nil {
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
		line.Heal()
		require.NoError(t, store.Settle(t.Context(), s, put))
	}
	_ = test // go test calls it, as a Test of the package
	// Output:
}
