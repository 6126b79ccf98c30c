package sqlitestore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1000, 0)
	s, err := sqlitestore.Open(ctx, filepath.Join(t.TempDir(), "a?b%c#d.db"), &sqlitestore.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	key := func(sort string) store.Key { return store.Key{Table: store.Users, Sort: sort} }
	for _, k := range []string{"b", "a", "c"} {
		require.NoError(t, s.Apply(ctx, store.Put(store.Item{Key: key(k), Body: []byte(`{"a":1}`), Index: &store.Index{Sort: "x" + k}, ExpiresAt: time.Unix(2000, 0)}, store.Absent)))
	}
	err = s.Apply(ctx, store.Put(store.Item{Key: key("a"), Body: []byte(`{}`)}, store.Absent))
	require.True(t, store.Has(err, key("a")))
	for _, byIndex := range []bool{false, true} {
		for _, down := range []bool{false, true} {
			var got string
			for item, err := range store.All(ctx, s, store.Query{Table: store.Users, ByIndex: byIndex, Descending: down, Limit: 1}) {
				require.NoError(t, err)
				got += item.Key.Sort
			}
			require.Equal(t, map[bool]string{false: "abc", true: "cba"}[down], got)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				_, err := store.Update(ctx, s, key("a"), func(old store.Item, found bool) ([]store.Write, error) {
					var n struct{ A int }
					require.NoError(t, old.Decode(&n))
					old.Body = fmt.Appendf(nil, `{"a":%d}`, n.A+1)
					return []store.Write{store.Put(old, store.None)}, nil
				})
				require.NoError(t, err)
			}
		})
	}
	wg.Wait()
	item, err := s.Get(ctx, key("a"), store.Strong)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":81}`, string(item.Body))
	now = time.Unix(2000, 0)
	_, err = s.Get(ctx, key("a"), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
	n, err := s.Sweep(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, n)
}
