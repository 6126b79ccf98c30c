package ml_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
)

func TestReadTSV(t *testing.T) {
	t.Parallel()
	var b ml.Builder
	require.NoError(t, b.ReadTSV(t.Context(), strings.NewReader("ada\tx\t1\t100\r\n\nben\ty\t2.5\nada\tx\t3\t50\nada\ty\t1e-3\t1.7e9")))
	d, err := b.Data()
	require.NoError(t, err)
	require.Equal(t, []string{"ada", "ben"}, d.Listeners)
	require.Equal(t, []string{"x", "y"}, d.Items)
	cols, weights := d.Heard.Row(0)
	require.Equal(t, []int32{0, 1}, cols)
	require.Equal(t, []float32{4, 1e-3}, weights)
	require.Equal(t, []int64{100, 1.7e9, 0}, d.Times, "the newest counts")
}

func TestReadTSVNamesWrongLines(t *testing.T) {
	t.Parallel()
	const weight, name, seconds = "the weight is no number above 0", "without a name in UTF-8", "the time is no number of seconds"
	for line, says := range map[string]string{
		"a\tb": "2 columns", "a\tb\t1\t2\t3": "5 columns",
		"\tb\t1": name, "a\t\t1": name, "a\xff\tb\t1": name,
		"a\tb\tx": weight, "a\tb\t0": weight, "a\tb\t-1": weight, "a\tb\tNaN": weight, "a\tb\tInf": weight, "a\tb\t1e-60": weight, "a\tb\t1e60": weight,
		"a\tb\t1\tx": seconds, "a\tb\t1\t-1": seconds, "a\tb\t1\t1e300": seconds, "a\tb\t1\tNaN": seconds,
		strings.Repeat("a", 1<<17): "longer than 65536 bytes",
	} {
		var b ml.Builder
		err := b.ReadTSV(t.Context(), strings.NewReader("good\tone\t1\n"+line))
		require.ErrorContains(t, err, "line 2: ", "%.20q", line)
		require.ErrorContains(t, err, says, "%.20q", line)
	}
	var b ml.Builder
	err := b.ReadTSV(t.Context(), strings.NewReader(strings.Repeat("wrong\n", 50)))
	require.Equal(t, 10, strings.Count(err.Error(), "line "), "not all of a wrong file")
}

// endless never comes to an end.
type endless struct{ err error }

func (e endless) Read(b []byte) (int, error) {
	return copy(b, strings.Repeat("a\tb\t1\n", 1000)), e.err
}

func TestReadTSVEndsWithItsReaderAndContext(t *testing.T) {
	t.Parallel()
	var b ml.Builder
	require.ErrorContains(t, b.ReadTSV(t.Context(), endless{errors.New("torn")}), "torn")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.ReadTSV(ctx, endless{}), context.Canceled)
}

func TestDataCheck(t *testing.T) {
	t.Parallel()
	one := func(weight float32) *ml.Matrix {
		m, err := ml.NewMatrix(1, 1, []ml.Cell{{Weight: weight}})
		require.NoError(t, err)
		return m
	}
	for says, d := range map[string]ml.Data{
		"without a matrix":    {},
		"1 × 1 for 2":         {Listeners: []string{"a", "b"}, Items: []string{"x"}, Heard: one(1)},
		"1 × 1 for 1":         {Listeners: []string{"a"}, Heard: one(1)},
		"2 times":             {Listeners: []string{"a"}, Items: []string{"x"}, Heard: one(1), Times: make([]int64, 2)},
		"descriptions of 2":   {Listeners: []string{"a"}, Items: []string{"x"}, Heard: one(1), About: make([]ml.Item, 2)},
		"cell 0 is 0":         {Listeners: []string{"a"}, Items: []string{"x"}, Heard: one(0)},
		"cell 0 is +Inf":      {Listeners: []string{"a"}, Items: []string{"x"}, Heard: one(float32(math.Inf(1)))},
		"cell 0 is NaN, must": {Listeners: []string{"a"}, Items: []string{"x"}, Heard: one(float32(math.NaN()))},
	} {
		require.ErrorContains(t, d.Check(), says)
	}
	for _, c := range []ml.Cell{{Row: -1}, {Row: 1}, {Col: -1}, {Col: 1}} {
		_, err := ml.NewMatrix(1, 1, []ml.Cell{c})
		require.ErrorContains(t, err, "outside of 1 × 1")
	}
}

func TestFingerprintTellsDataApart(t *testing.T) {
	t.Parallel()
	data := func(change func(d *ml.Data)) string {
		m, err := ml.NewMatrix(2, 2, []ml.Cell{{Weight: 1}, {Row: 1, Col: 1, Weight: 2}})
		require.NoError(t, err)
		d := &ml.Data{Listeners: []string{"a", "b"}, Items: []string{"x", "y"}, Heard: m, Times: []int64{1, 2}}
		change(d)
		return d.Fingerprint()
	}
	same := data(func(*ml.Data) {})
	require.Len(t, same, 64)
	require.Equal(t, same, data(func(d *ml.Data) { d.Listeners = []string{"c", "d"} }), "it does not tell whose data it is")
	for i, change := range []func(d *ml.Data){
		func(d *ml.Data) { d.Items[0] = "z" }, func(d *ml.Data) { d.Heard.Weights[1] = 3 }, func(d *ml.Data) { d.Heard.Cols[0] = 1 },
		func(d *ml.Data) { d.Times[0] = 9 }, func(d *ml.Data) { d.Heard.Starts[1] = 0 },
	} {
		require.NotEqual(t, same, data(change), "change %d", i)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	p := []ml.Parameter{
		{Name: "rate", Default: 0.5, Min: 0, Max: 1}, {Name: "steps", Default: 3, Min: 1, Max: 9, Whole: true}, {Name: "kind", Choices: []string{"a", "b"}},
	}
	require.NoError(t, ml.Values(nil).Check(p))
	require.NoError(t, ml.Values{"rate": "1", "steps": "9", "kind": "b"}.Check(p))
	for _, wrong := range []ml.Values{
		{"rate": "x", "steps": "2.5", "kind": "c", "other": "1"}, {"rate": "NaN", "steps": "0", "kind": "", "other": ""}, {"rate": "1.1", "steps": "10", "kind": "A", "other": "x"},
	} {
		e, ok := fault.As(wrong.Check(p))
		require.True(t, ok)
		require.Len(t, e.Fields, 4, "each is named")
	}
	v := ml.Values{"rate": "0.25", "kind": "b"}
	require.Equal(t, 0.25, v.Number(p, "rate"))
	require.Equal(t, 3.0, v.Number(p, "steps"))
	require.True(t, math.IsNaN(v.Number(p, "none")))
	require.Equal(t, "b", v.Choice(p, "kind"))
	require.Equal(t, "a", ml.Values{}.Choice(p, "kind"))
	require.Empty(t, v.Choice(p, "steps"))
}

func TestTop(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	scores := []float32{1, nan, 3, 3, -1, 2}
	for name, c := range map[string]struct {
		leave []int32
		n     int
		want  []int32
	}{
		"none":                  {nil, 0, nil},
		"ties by column":        {nil, 3, []int32{2, 3, 5}},
		"NaN is worst":          {nil, 9, []int32{2, 3, 5, 0, 4, 1}},
		"without what to leave": {[]int32{0, 2, 5}, 2, []int32{3, 4}},
	} {
		var got []int32
		for _, x := range ml.Top(nil, scores, c.leave, c.n) {
			got = append(got, x.Item)
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	m := oracle{"oracle", []string{"a", "b", "c", "d"}, nil, 0, 4}
	train, err := ml.NewMatrix(4, 4, []ml.Cell{{Row: 0, Col: 0, Weight: 1}})
	require.NoError(t, err)
	test, err := ml.NewMatrix(4, 5, []ml.Cell{{Row: 0, Col: 1, Weight: 1}, {Row: 1, Col: 1, Weight: 1}, {Row: 2, Col: 0, Weight: 1}, {Row: 2, Col: 4, Weight: 1}})
	require.NoError(t, err)
	m.valid = test
	got, err := ml.Evaluate(t.Context(), m, train, test, 0)
	require.NoError(t, err)
	// Items come in order, without what was heard: the first listener finds b first, the second second, and the third a first, but an unknown one never.
	second, two := 1/math.Log2(3), 1+1/math.Log2(3)
	require.InDelta(t, (1+second+1/two)/3, got.NDCG10, 1e-12)
	require.InDelta(t, (1+1+0.5)/3, got.Recall20, 1e-12)
	require.InDelta(t, math.Sqrt(1.0/36), got.Recall20Error, 1e-12)
	require.Equal(t, 1.0, got.Coverage)
	require.Equal(t, 3, got.Listeners)
	require.Contains(t, got.String(), "3 listeners")

	alone, err := ml.NewMatrix(4, 4, []ml.Cell{{Row: 1, Col: 3, Weight: 1}})
	require.NoError(t, err)
	got, err = ml.Evaluate(t.Context(), m, train, alone, 1)
	require.NoError(t, err)
	require.Zero(t, got.NDCG10Error, "one listener has no spread")
	for _, shape := range [][2]int{{3, 4}, {4, 3}} {
		wrong, err := ml.NewMatrix(shape[0], shape[1], nil)
		require.NoError(t, err)
		_, err = ml.Evaluate(t.Context(), m, train, wrong, 1)
		require.Error(t, err)
	}
}

// What is written is read back as it was, but for names that a table cannot hold.
func TestWriteTSV(t *testing.T) {
	t.Parallel()
	var b ml.Builder
	for i, item := range []string{"one", "two words", "ünï", "a\ttab", "a\nline", "\xff"} {
		b.Add("ada", item, float32(i)+0.1, 100+int64(i))
		b.Add("ben\r", item, 1, 0)
		b.Add("cid", item, 1e-7, 1<<40)
	}
	d, err := b.Data()
	require.NoError(t, err)
	var out bytes.Buffer
	left, err := d.WriteTSV(t.Context(), &out)
	require.NoError(t, err)
	require.Equal(t, 6+2*3, left)
	var again ml.Builder
	require.NoError(t, again.ReadTSV(t.Context(), bytes.NewReader(out.Bytes())))
	got, err := again.Data()
	require.NoError(t, err)
	require.Equal(t, []string{"ada", "cid"}, got.Listeners)
	require.Equal(t, d.Items[:3], got.Items)
	require.Equal(t, d.Heard.Weights[:3], got.Heard.Weights[:3])
	require.Equal(t, []int64{100, 101, 102, 1 << 40, 1 << 40, 1 << 40}, got.Times)

	d.Times = nil
	out.Reset()
	_, err = d.WriteTSV(t.Context(), &out)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out.String(), "ada\tone\t0.1\nada\ttwo words\t1.1\n"), out.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.WriteTSV(ctx, &out)
	require.ErrorIs(t, err, context.Canceled)
	_, err = d.WriteTSV(t.Context(), full{})
	require.ErrorIs(t, err, errFull)
}

var errFull = errors.New("full")

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// What is read is data that can be written, and is then read as the same.
func FuzzReadTSV(f *testing.F) {
	f.Add([]byte("a\tx\t1\nb\ty\t2.5\t1700000000\r\n\na\ty\t1e3\t\n"))
	f.Add([]byte("\ufeffa\tx\t1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b ml.Builder
		if err := b.ReadTSV(t.Context(), bytes.NewReader(text)); err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		d, err := b.Data()
		if err != nil {
			require.ErrorContains(t, err, "the weight of cell", "only what weighs too much together is left to find")
			return
		}
		var out bytes.Buffer
		left, err := d.WriteTSV(t.Context(), &out)
		require.NoError(t, err)
		if left > 0 {
			return
		}
		var again ml.Builder
		require.NoError(t, again.ReadTSV(t.Context(), bytes.NewReader(out.Bytes())))
		same, err := again.Data()
		require.NoError(t, err)
		var once bytes.Buffer
		_, err = same.WriteTSV(t.Context(), &once)
		require.NoError(t, err)
		require.Equal(t, d.Heard.Cells(), same.Heard.Cells())
		require.ElementsMatch(t, strings.Split(out.String(), "\n"), strings.Split(once.String(), "\n"))
	})
}
