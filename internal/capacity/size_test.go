package capacity_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/capacity"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// TestSizesOnDynamoDB holds sizes against what DynamoDB charges: of a thousand values in one item each byte is a unit.
func TestSizesOnDynamoDB(t *testing.T) {
	var charged reported
	s := dynamotest.Store(t, nil, func(o *dynamostore.Options) { o.Observe = charged.observe })
	for _, value := range []string{
		`0`, `1`, `12`, `123`, `1234`, `12345`, `-1`, `-12`, `-123`, `100`, `1000`, `10000`, `0.1`, `0.01`, `0.001`, `0.12`, `0.123`, `1.5`, `12.5`, `12.55`, `123.4`,
		`-0.75`, `-1.25`, `1234567890123456`, `0.1234567890123456`, `0.01234567890123456`, `-0.01234567890123456`, `1.234567890123456e-7`, `1e20`, `1e21`,
		`true`, `null`, `"ab"`, `"é"`, `[]`, `{}`, `[1]`, `{"a":1}`, `{"ab":["c"]}`,
	} {
		body := `{"list":[` + strings.TrimSuffix(strings.Repeat(value+",", 1000), ",") + `]}`
		w := store.Put(store.Item{Key: store.Key{Table: store.Users, Sort: value}, Body: []byte(body)}, store.None)
		require.NoError(t, s.Apply(t.Context(), w))
		item := w.Item()
		got, want := charged.take().Write, capacity.NewChange(nil, &item, false).Write()
		require.InDelta(t, want, got, 0, value)
	}
}
