package dynamostore

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
)

// runes are those at the edges of UTF-8's lengths and of the surrogates, and a few others.
var runes = []rune{0, 1, 'a', 'b', '~', 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFE, 0x10FFFF}

func anySort() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := string(rapid.SliceOfN(rapid.SampledFrom(runes), 0, 4).Draw(t, "runes"))
		if rapid.IntRange(0, 3).Draw(t, "long") == 0 {
			room := store.MaxSort - len(s) - rapid.IntRange(0, 5).Draw(t, "less")
			s += strings.Repeat(string(rapid.SampledFrom(runes).Draw(t, "filling")), 300)
			for s = s[:min(len(s), len(s)+room, store.MaxSort)]; !utf8.ValidString(s); {
				s = s[:len(s)-1]
			}
		}
		return s
	})
}

// holds says whether DynamoDB selects what has the sort value s.
func (x selection) holds(s string) bool {
	value := func(name string) string {
		v, ok := x.values[name].(*types.AttributeValueMemberS)
		if !ok {
			return ""
		}
		return v.Value
	}
	a, b := value(":a"), value(":b")
	switch strings.TrimPrefix(strings.TrimPrefix(x.condition, "#p = :p"), " AND ") {
	case "":
		return true
	case "begins_with(#s, :a)":
		return strings.HasPrefix(s, a)
	case "#s BETWEEN :a AND :b":
		if a > b {
			panic("DynamoDB refuses such a range")
		}
		return a <= s && s <= b
	case "#s >= :a":
		return s >= a
	case "#s < :b":
		return s < b
	}
	panic(x.condition)
}

func anyQuery(t *rapid.T) store.Query {
	q := store.Query{Table: store.Users, ByIndex: rapid.Bool().Draw(t, "by index")}
	q.Prefix = anySort().Draw(t, "prefix")
	q.From = anySort().Draw(t, "from")
	q.To = anySort().Draw(t, "to")
	for _, p := range []*string{&q.Prefix, &q.From, &q.To} {
		if rapid.Bool().Draw(t, "none") {
			*p = ""
		}
	}
	if rapid.Bool().Draw(t, "near") {
		q.To = highest(q.From)
	}
	return q
}

// A sort key is selected exactly if it lies in the query's bounds.
func TestSelected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuery(t)
		lo, hi := q.Bounds()
		sel, some := selected(q)
		candidates := []string{q.Prefix, q.From, q.To, highest(q.Prefix), anySort().Draw(t, "s")}
		for _, s := range candidates[:3] {
			if s != "" {
				candidates = append(candidates, before(s), s+"\x00", s+"a", highest(s))
			}
		}
		for _, s := range candidates {
			k := store.Key{Table: store.Users, Sort: s}
			value := s
			if q.ByIndex {
				k.Sort = "item"
				value = place(s, k)
				if strings.IndexByte(s, 0) >= 0 || len(s)+len(k.Sort) > store.MaxIndexSorts {
					continue
				}
			}
			if s == "" || store.CheckKey(k) != nil || len(s) > store.MaxSort {
				continue
			}
			want := lo <= s && (hi == "" || s < hi)
			if !some {
				require.False(t, want, "%q", s)
				continue
			}
			require.Equal(t, want, sel.holds(value), "%q of %q", s, sel.condition)
		}
		if !some {
			return
		}
		// DynamoDB refuses values of more than 1,024 bytes, and names and values that no expression has.
		for name, v := range sel.values {
			require.Contains(t, sel.condition, name)
			if s, ok := v.(*types.AttributeValueMemberS); ok {
				require.True(t, utf8.ValidString(s.Value))
				require.LessOrEqual(t, len(s.Value), store.MaxSort)
				require.NotEmpty(t, s.Value)
			}
		}
		for name := range sel.names {
			require.Contains(t, sel.condition, name)
		}
	})
}

func TestNeighbors(t *testing.T) {
	last := strings.Repeat("\U0010FFFF", store.MaxSort/4)
	require.Equal(t, last, highest(""))
	require.Equal(t, "a"+strings.Repeat("\U0010FFFF", 255)+"\uffff", highest("a"))
	for s, want := range map[string]string{
		"\x00":       "",
		"a\x00":      "a",
		"b":          highest("a"),
		"ab":         highest("aa"),
		"\uE000":     highest("\uD7FF"),
		"\u0080":     highest("\x7f"),
		"\U00010000": highest("\uFFFF"),
	} {
		require.Equal(t, want, before(s), "%q", s)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySort().Draw(t, "a"), anySort().Draw(t, "b")
		if b == "" {
			return
		}
		p := before(b)
		require.Less(t, p, b)
		require.Len(t, highest(a), store.MaxSort)
		require.LessOrEqual(t, len(p), store.MaxSort)
		require.True(t, utf8.ValidString(p))
		require.False(t, p < a && a < b, "%q lies between", a)
	})
}

// The order in the index is that of Position.
func TestPlace(t *testing.T) {
	noNUL := rapid.SliceOfN(rapid.SampledFrom(runes[1:]), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) (store.Position, store.Key) {
			p := store.Position{Index: string(noNUL.Draw(t, label)), Sort: anySort().Draw(t, label)}
			p.Partition[rapid.IntRange(0, 15).Draw(t, label)] = rapid.Byte().Draw(t, label)
			return p, store.Key{Partition: p.Partition, Sort: p.Sort}
		}
		p, k := draw("p")
		q, l := draw("q")
		require.Equal(t, p.Compare(q), strings.Compare(place(p.Index, k), place(q.Index, l)))
	})
}

// A page goes on from where the one before ended, and from nowhere else.
func TestStartKey(t *testing.T) {
	k := store.Key{Table: store.Users, Partition: store.Partition{1}, Sort: "b"}
	for _, q := range []store.Query{
		{Table: store.Users, Partition: k.Partition, From: "a", To: "c"},
		{Table: store.Users, Partition: store.Partition{2}, ByIndex: true, Prefix: "x"},
	} {
		item := store.Item{Key: k, Version: store.NewVersion(), Body: []byte(`{}`), Index: &store.Index{Partition: store.Partition{2}, Sort: "xy"}}
		row, err := encode(item, call{})
		require.NoError(t, err)
		after, err := position(q, row)
		require.NoError(t, err)
		require.Equal(t, item.PositionIn(q), after)
		start, err := startKey(q)
		require.NoError(t, err)
		require.Nil(t, start)
		q.Cursor = store.EncodeCursor(q, after)
		start, err = startKey(q)
		require.NoError(t, err)
		for name, v := range start {
			require.Equal(t, row[name], v, name)
		}
		if q.ByIndex {
			require.Len(t, start, 4)
		} else {
			require.Len(t, start, 2)
		}
		delete(row, sortName)
		_, err = position(q, row)
		require.ErrorContains(t, err, "sk is missing or malformed")
	}
	for _, c := range []struct {
		q     store.Query
		after store.Position
	}{
		{store.Query{Table: store.Users}, store.Position{Sort: ""}},
		{store.Query{Table: store.Users}, store.Position{Sort: "a\xff"}},
		{store.Query{Table: store.Users}, store.Position{Sort: strings.Repeat("a", store.MaxSort+1)}},
		{store.Query{Table: store.Users, ByIndex: true}, store.Position{Sort: "a"}},
		{store.Query{Table: store.Users, ByIndex: true}, store.Position{Index: "a\x00", Sort: "a"}},
		{store.Query{Table: store.Users, ByIndex: true}, store.Position{Index: "a\xff", Sort: "a"}},
		{store.Query{Table: store.Users, ByIndex: true}, store.Position{Index: strings.Repeat("a", store.MaxIndexSorts), Sort: "a"}},
	} {
		c.q.Cursor = store.EncodeCursor(c.q, c.after)
		_, err := startKey(c.q)
		require.ErrorIs(t, err, store.ErrLimit, "%+v", c.after)
	}
	_, err := startKey(store.Query{Table: store.Users, Cursor: base64.RawURLEncoding.EncodeToString([]byte("other"))})
	require.ErrorIs(t, err, store.ErrLimit)
}
