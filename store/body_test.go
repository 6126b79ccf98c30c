package store_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func nested(open, shut string, n int) string {
	return strings.Repeat(open, n) + strings.Repeat(shut, n)
}

func TestCheckBody(t *testing.T) {
	t.Parallel()
	manyNames := func(last string) string {
		var b strings.Builder
		b.WriteString("{")
		for c := range 40 {
			b.WriteString(`"` + string(rune('Ā'+c)) + `":0,`)
		}
		return b.String() + `"` + last + `":0}`
	}
	digits := strings.Repeat("7", store.MaxDigits)
	tests := []struct {
		name, body string
		reason     string // "" where the body is fine
	}{
		{"empty object", `{}`, ""},
		{"white space", " \t\r\n{ \"a\" : [ ] , \"b\" : [ 1 , 2 ] , \"c\" : { } } \n", ""},
		{"literals", `{"a":true,"b":false,"c":null}`, ""},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e9\uABCD\uabcd\ud83c\udfb5"}`, ""},
		{"unicode", `{"é":"音楽🎵"}`, ""},
		{"many names", manyNames("last"), ""},
		{"depth reached", `{"a":` + nested("[", "]", store.MaxDepth-1) + `}`, ""},
		{"numbers", `{"a":[0,-0,0.0,0e999999999999999999999,1,-1.5,1e5,1E+5,1.5e-5,100000000000000000000000000000000000000000000,0.000]}`, ""},
		{"most digits", `{"a":[` + digits + `,0.` + digits + `,` + digits + `000,-0.000` + digits + `]}`, ""},
		{"range", `{"a":[1e-130,9.99e125,-9.99E+125,0.1e-129,1000e-133,0.00001e130]}`, ""},
		{"huge exponent undone", `{"a":0.` + strings.Repeat("0", 999) + `1e1000}`, ""},
		{"largest", `{"a":"` + strings.Repeat("x", store.MaxBody-8) + `"}`, ""},

		{"nothing", ``, "no JSON object"},
		{"array", `[]`, "no JSON object"},
		{"null", `null`, "no JSON object"},
		{"too large", `{"a":"` + strings.Repeat("x", store.MaxBody-7) + `"}`, "262145 bytes"},
		{"broken UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"too deep in arrays", `{"a":` + nested("[", "]", store.MaxDepth) + `}`, "nested"},
		{"too deep in objects", strings.Repeat(`{"a":`, store.MaxDepth) + `{}` + strings.Repeat(`}`, store.MaxDepth), "nested"},
		{"too many digits", `{"a":` + digits + `7}`, "number"},
		{"too many digits over the point", `{"a":7.0` + digits + `}`, "number"},
		{"too small", `{"a":9.9e-131}`, "number"},
		{"too large a number", `{"a":1e126}`, "number"},
		{"far too large", `{"a":1e99999999999999999999}`, "number"},
		{"far too small", `{"a":1e-99999999999999999999}`, "number"},
		{"name twice", `{"a":1,"b":{"a":1},"a":2}`, "twice"},
		{"name twice by an escape", `{"a":1,"\u0061":2}`, "twice"},
		{"name twice among many", manyNames("Ā"), "twice"},
		{"high surrogate alone", `{"a":"\ud83c"}`, "surrogate"},
		{"high surrogate before a letter", `{"a":"\ud83c\n"}`, "surrogate"},
		{"low surrogate alone", `{"a":"\udfb5\ud83c"}`, "surrogate"},
		{"text after", `{} {}`, "follows"},
		{"broken literal", `{"a":truth}`, "no JSON"},
		{"cut literal", `{"a":tr`, "no JSON"},
		{"cut object", `{`, "no JSON"},
		{"cut name", `{"a`, "no JSON"},
		{"cut after name", `{"a"`, "no JSON"},
		{"no name", `{1:1}`, "no JSON"},
		{"no value", `{"a":}`, "no JSON"},
		{"comma at the end", `{"a":1,}`, "no JSON"},
		{"no comma", `{"a":1 "b":2}`, "no JSON"},
		{"array cut", `{"a":[1`, "no JSON"},
		{"array comma", `{"a":[1,]}`, "no JSON"},
		{"array twice", `{"a":[1 2]}`, "no JSON"},
		{"control character", "{\"a\":\"\n\"}", "no JSON"},
		{"unknown escape", `{"a":"\x"}`, "no JSON"},
		{"cut escape", `{"a":"\`, "no JSON"},
		{"bad hexadecimal", `{"a":"\u00g0"}`, "no JSON"},
		{"bad hexadecimal below the digits", `{"a":"\u/000"}`, "no JSON"},
		{"bad hexadecimal between digits and letters", `{"a":"\u00?0"}`, "no JSON"},
		{"bad hexadecimal in the second half", `{"a":"\ud83c\u00g0"}`, "no JSON"},
		{"leading zero", `{"a":01}`, "no JSON"},
		{"no digits", `{"a":-}`, "no JSON"},
		{"no fraction", `{"a":1.}`, "no JSON"},
		{"no exponent", `{"a":1e}`, "no JSON"},
		{"no exponent after its sign", `{"a":1e+}`, "no JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := store.CheckBody(json.RawMessage(tt.body))
			if tt.reason == "" {
				require.NoError(t, err)
				require.True(t, json.Valid([]byte(tt.body)))
				return
			}
			require.ErrorIs(t, err, store.ErrLimit)
			require.ErrorContains(t, err, tt.reason)
			if tt.reason == "no JSON" {
				require.False(t, json.Valid([]byte(tt.body)))
			}
		})
	}
}

// What CheckBody takes is JSON, and what it refuses as no JSON is none, by the judgment of encoding/json.
func FuzzCheckBody(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,-2.5e3,"x\u00e9",true,null,{"b":{}}]}`, `{"a":"\ud83c\udfb5"}`, `{"a":1e999}`, `{"a":1,"a":2}`, `[1]`, `{"a":0.}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := store.CheckBody(b)
		if err == nil {
			require.True(t, json.Valid(b))
			var m map[string]any
			require.NoError(t, json.Unmarshal(b, &m))
			return
		}
		var limit *store.LimitError
		require.ErrorAs(t, err, &limit)
		if json.Valid(b) {
			require.NotContains(t, limit.Reason, ": no JSON")
		}
	})
}

func TestNumber(t *testing.T) {
	for _, x := range []float64{0, 1, -1, 1e-130, -1e-130, 9.9e125} {
		require.Equal(t, x, store.Number(x))
		require.NoError(t, store.CheckBody(body(t, x)), x)
	}
	below := math.Nextafter(1e-130, 0)
	for _, x := range []float64{below, -below, math.SmallestNonzeroFloat64} {
		require.Zero(t, store.Number(x))
		require.Error(t, store.CheckBody(body(t, x)))
	}
}

func body(t *testing.T, x float64) json.RawMessage {
	t.Helper()
	b, err := store.Encode(map[string]float64{"x": x})
	require.NoError(t, err)
	return b
}
