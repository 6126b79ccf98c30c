package dynamostore_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
)

// Bodies that grow most in DynamoDB's form of them stay under its 400 KB at 256 KiB of JSON, beside the longest keys.
func TestLargestItems(t *testing.T) {
	t.Parallel()
	s := dynamotest.Store(t, nil)
	for name, element := range map[string]string{
		"digits":        `1`,
		"negative":      `-1`,
		"pairs":         `11`,
		"odd pairs":     `110`,
		"fractions":     `1.1`,
		"exponents":     `1e9`,
		"least":         `1e-130`,
		"empty objects": `{}`,
		"empty arrays":  `[]`,
		"empty strings": `""`,
		"null":          `null`,
		"letters":       `"<"`,
		"one name":      `{"":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			const head, tail = `{"a":[`, `]}`
			n := (store.MaxBody - len(head) - len(tail) + 1) / (len(element) + 1)
			body := json.RawMessage(head + strings.Repeat(element+",", n-1) + element + tail)
			require.Greater(t, len(body), store.MaxBody-len(element)-2)
			k := store.Key{Table: store.Users, Partition: store.Partition(uuid.New()), Sort: strings.Repeat("s", store.MaxIndexSorts/2)}
			x := &store.Index{Partition: k.Partition, Sort: strings.Repeat("x", store.MaxIndexSorts/2)}
			require.NoError(t, s.Apply(t.Context(), store.Put(store.Item{Key: k, Index: x, Body: body}, store.None)))
			item, err := s.Get(t.Context(), k, store.Strong)
			require.NoError(t, err)
			require.JSONEq(t, string(body), string(item.Body))
		})
	}
}
