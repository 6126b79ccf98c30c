package linear

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
)

// The two readings of the contract, store.Decide and this package's, agree.
func TestModelAgreesWithDecide(t *testing.T) {
	t.Parallel()
	key := func(k int) store.Key { return store.Key{Table: store.Users, Sort: name(k)} }
	full := func(v version) store.Version { return store.Version{byte(v)} }
	rapid.Check(t, func(t *rapid.T) {
		var s state
		for k := range s {
			s[k] = version(rapid.IntRange(0, 4).Draw(t, "state"))
		}
		var (
			want   []write
			writes []store.Write
		)
		for _, k := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "keys")[:rapid.IntRange(1, keys).Draw(t, "writes")] {
			m := write{
				key: k, put: version(rapid.IntRange(0, 4).Draw(t, "put")),
				condition: condition(rapid.IntRange(0, 3).Draw(t, "condition")), of: version(rapid.IntRange(1, 4).Draw(t, "of")),
			}
			c := []store.Condition{store.None, store.Absent, store.Present, store.VersionIs(full(m.of))}[m.condition]
			w := store.Delete(key(k), c)
			if m.put != 0 {
				w = store.Put(store.Item{Key: key(k), Version: full(m.put)}, c)
			}
			want, writes = append(want, m), append(writes, w)
		}
		err := store.Decide(writes, func(k store.Key) (store.Version, bool) {
			v := s[int(k.Sort[0]-'a')]
			return full(v), v != 0
		})
		var failed []int
		if c := (&store.ConflictError{}); errors.As(err, &c) {
			for _, k := range c.Keys {
				failed = append(failed, int(k.Sort[0]-'a'))
			}
		}
		require.Equal(t, failed, failing(s, want))
	})
}
