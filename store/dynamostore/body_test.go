package dynamostore

import (
	"encoding/json"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
)

// roundTrip returns what comes back of a body.
func roundTrip(t require.TestingT, text json.RawMessage) json.RawMessage {
	row, err := encode(store.Item{Key: store.Key{Table: store.Users, Sort: "s"}, Version: store.NewVersion(), Body: text}, call{})
	require.NoError(t, err)
	item, err := decode(store.Users, row)
	require.NoError(t, err)
	return item.Body
}

// sameValue requires one JSON value, numbers to the last digit.
func sameValue(t require.TestingT, want, got json.RawMessage) {
	require.Equal(t, exact(t, want), exact(t, got))
}

func exact(t require.TestingT, text json.RawMessage) any {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%s", text)
	return exactly(t, v)
}

func exactly(t require.TestingT, v any) any {
	switch v := v.(type) {
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		require.True(t, ok)
		return r.String()
	case []any:
		for i := range v {
			v[i] = exactly(t, v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = exactly(t, v[k])
		}
		return v
	}
	return v
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0":       "0",
		"-1":      "-1", // as an integer, or Go's decoder would not take it for one
		"1772474": "1772474",
		"12.50":   "12.50",
		"0e9":     "0",
		"-0e-999": "0",
		"0.000000000000000000000000000000000000000000000000": "0",
		"1e3":       "1E3",
		"-1.50E+2":  "-15E1",
		"1e-130":    "1E-130",
		"12300e-5":  "123E-3",
		"0.001e126": "1E123",
		"1000000000000000000000000000000000000000":  "1E39",
		"12345678901234567890123456789012345678":    "12345678901234567890123456789012345678",
		"-0.00000000000000000000000000000000000001": "-1E-38",
	} {
		require.Equal(t, want, number(in), in)
	}
}

func TestNames(t *testing.T) {
	names := append([]string{"", "a", "_", "__", "_a", "v", "ttl", "#", ":", "é", "PK"}, systemNames[:]...)
	body := map[string]int{}
	for i, n := range names {
		body[n] = i
	}
	text, err := json.Marshal(map[string]any{"top": body})
	require.NoError(t, err)
	flat, err := json.Marshal(body)
	require.NoError(t, err)
	for _, text := range []json.RawMessage{text, flat} {
		sameValue(t, text, roundTrip(t, text))
	}
	row, err := attributes(flat)
	require.NoError(t, err)
	require.Len(t, row, len(names))
	for _, n := range systemNames {
		require.NotContains(t, row, n)
	}
	require.NotContains(t, row, "") // which DynamoDB refuses
}

func anyValue(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			digits := strings.TrimLeft(rapid.StringMatching(`[1-9][0-9]{0,37}`).Draw(t, "digits"), "0")
			exponent := rapid.IntRange(-130, 125).Draw(t, "magnitude") - len(digits) + 1
			return json.Number(rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + digits + "e" + strconv.Itoa(exponent))
		}),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	inner := anyValue(depth - 1)
	return rapid.OneOf(append(leaves, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.SampledFrom([]string{"", "a", "_", "_v", "pk", "\x00", "ü"}), inner, 0, 4).AsAny())...)
}

func TestBodyComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom(systemNames[:])), anyValue(3), 0, 6).Draw(t, "body")
		text, err := json.Marshal(fields)
		require.NoError(t, err)
		if store.CheckBody(text) != nil {
			return
		}
		got := roundTrip(t, text)
		sameValue(t, text, got)
		require.NoError(t, store.CheckBody(got))
	})
}

// AWS gives numbers back in full, and what is a byte in a body must not come back as six.
func TestBodyComesBackAsShort(t *testing.T) {
	for _, text := range []string{
		`{"a":"<&>é\u0001\u2028\b\f\n\r\t\\\""}`,
		`{"a":[12345678901234567890123456789012345678,0.25,-7,1E100,-25E99,1E-130]}`,
	} {
		row, err := attributes([]byte(text))
		require.NoError(t, err)
		if list, ok := row["a"].(*types.AttributeValueMemberL); ok {
			list.Value[3] = &types.AttributeValueMemberN{Value: "1" + strings.Repeat("0", 100)}
			list.Value[4] = &types.AttributeValueMemberN{Value: "-25" + strings.Repeat("0", 99)}
			list.Value[5] = &types.AttributeValueMemberN{Value: "0." + strings.Repeat("0", 129) + "1"}
		}
		got, err := body(row)
		require.NoError(t, err)
		require.LessOrEqual(t, len(got), len(text))
		sameValue(t, []byte(text), got)
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,-2.5e3,null,true,"x"],"_v":{"":{}}}`, `{"pk":"é\u2028<","sk":"\ud83d\ude00"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if store.CheckBody(text) == nil {
			sameValue(t, text, roundTrip(t, text))
		}
	})
}

func TestItemComesBack(t *testing.T) {
	item := store.Item{
		Key: store.Key{Table: store.Models, Partition: store.Partition{1, 2}, Sort: "a#b"}, Version: store.NewVersion(),
		ExpiresAt: time.Unix(1_772_388_000, 0).UTC(), Index: &store.Index{Partition: store.Partition{3}, Sort: "day"}, Body: json.RawMessage(`{"a":1}`),
	}
	for range 3 {
		row, err := encode(item, call{})
		require.NoError(t, err)
		got, err := decode(store.Models, row)
		require.NoError(t, err)
		require.Equal(t, item, got)
		require.Equal(t, item.Index != nil, row[indexSortName] != nil)
		require.Equal(t, !item.ExpiresAt.IsZero(), row[expiryName] != nil)
		if item.Index == nil {
			item.ExpiresAt = time.Time{}
		}
		item.Index = nil
	}
	_, err := encode(store.Item{Body: json.RawMessage(`{`)}, call{})
	require.ErrorContains(t, err, "body")
}

// What somebody else wrote is an error that names the attribute, and never a panic.
func TestForeignItems(t *testing.T) {
	whole, err := encode(store.Item{
		Key: store.Key{Table: store.Users, Sort: "s"}, Version: store.NewVersion(), ExpiresAt: time.Unix(1_772_388_000, 0),
		Index: &store.Index{Sort: "x"}, Body: json.RawMessage(`{"a":{"b":[1]}}`),
	}, newCall())
	require.NoError(t, err)
	odd := map[string]types.AttributeValue{
		"nil": nil, "S": text("s"), "N": &types.AttributeValueMemberN{Value: "1.5"}, "B": &types.AttributeValueMemberB{Value: []byte{1}},
		"NULL": &types.AttributeValueMemberNULL{Value: true}, "SS": &types.AttributeValueMemberSS{Value: []string{"a"}},
	}
	for _, name := range systemNames {
		for kind, v := range odd {
			if name == callName || kind == "S" && (name == sortName || name == indexSortName) {
				continue
			}
			row := maps.Clone(whole)
			row[name] = v
			_, err := decode(store.Users, row)
			require.ErrorContains(t, err, name+" is missing or malformed", kind)
			require.ErrorContains(t, err, "was not written by this store")
		}
		row := maps.Clone(whole)
		delete(row, name)
		_, err := decode(store.Users, row)
		if name == callName || name == expiryName || name == indexPartitionName {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, name+" is missing or malformed")
	}
	for _, kind := range []string{"nil", "B", "SS"} {
		for _, v := range []types.AttributeValue{
			odd[kind],
			&types.AttributeValueMemberL{Value: []types.AttributeValue{text("a"), odd[kind]}},
			&types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"x": odd[kind]}},
		} {
			row := maps.Clone(whole)
			row["foreign"] = v
			_, err := decode(store.Users, row)
			require.ErrorContains(t, err, "of no kind that JSON has")
		}
	}
}
