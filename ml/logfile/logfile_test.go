package logfile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/logfile"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

func service(t testing.TB, listeners ...uuid.UUID) *ml.Service {
	t.Helper()
	now := func() time.Time { return noon }
	st := memstore.New(&memstore.Options{Now: now})
	s, err := ml.NewService(st, ml.Options{Now: now})
	require.NoError(t, err)
	for _, id := range listeners {
		require.NoError(t, st.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.None)))
	}
	return s
}

func id(n int) uuid.UUID {
	id := uuid.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[10:], uint32(n)+1)
	return id
}

func ptr[T any](v T) *T { return &v }

// some returns so many interactions of three listeners, over ten days.
func some(n int) []ml.Logged {
	all := make([]ml.Logged, n)
	actions := []ml.Action{ml.Play, ml.Skip, ml.Rate, ml.Like}
	for i := range all {
		all[i] = ml.Logged{ProfileID: id(i % 3), Interaction: ml.Interaction{
			EventID: id(100 + i), TrackID: "track\t\\" + strings.Repeat("é", i%5), Action: actions[i%4],
			At: noon.Add(-time.Duration(i) * 240 * time.Hour / time.Duration(n)),
		}}
		switch all[i].Action {
		case ml.Skip:
			all[i].PositionSeconds, all[i].TuneVectorID = ptr(float64(i)/7), id(5000)
		case ml.Rate:
			all[i].Rating = ptr(1 + i%5)
		default:
		}
	}
	return all
}

func seq(all []ml.Logged) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func failing(err error) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		for _, l := range some(3) {
			if !yield(l, nil) {
				return
			}
		}
		yield(ml.Logged{}, err)
	}
}

func collect(t testing.TB, events iter.Seq2[ml.Logged, error]) []ml.Logged {
	t.Helper()
	var all []ml.Logged
	for l, err := range events {
		require.NoError(t, err)
		all = append(all, l)
	}
	return all
}

func last(events iter.Seq2[ml.Logged, error]) (n int, err error) {
	for _, err = range events {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// What is exported from one log and imported into another is there as it was, and a second import adds nothing.
func TestMove(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, to := service(t, id(0), id(1), id(2)), service(t, id(0), id(1))
	events := some(2500)
	r, err := logfile.Import(ctx, from, seq(events))
	require.NoError(t, err)
	require.Equal(t, logfile.Result{Read: 2500, Fresh: 2500}, r)
	export := logfile.Days(ctx, from, noon.AddDate(0, 0, -11), noon.AddDate(0, 0, 1))
	var file bytes.Buffer
	n, err := logfile.WriteTSV(ctx, &file, export)
	require.NoError(t, err)
	require.Equal(t, 2500, n)
	again := collect(t, logfile.ReadTSV(ctx, bytes.NewReader(file.Bytes())))
	require.Equal(t, collect(t, export), again)

	gone := 0
	for _, l := range events {
		if l.ProfileID == id(2) {
			gone++
		}
	}
	r, err = logfile.Import(ctx, to, logfile.ReadTSV(ctx, bytes.NewReader(file.Bytes())))
	require.NoError(t, err)
	require.Equal(t, logfile.Result{Read: 2500, Fresh: 2500 - gone, Gone: gone}, r)
	r, err = logfile.Import(ctx, to, seq(again))
	require.NoError(t, err)
	require.Equal(t, 0, r.Fresh)
	for _, listener := range []uuid.UUID{id(0), id(1)} {
		var want, got []ml.Interaction
		for e, err := range from.Interactions(ctx, listener, time.Time{}, time.Time{}, false) {
			require.NoError(t, err)
			want = append(want, e)
		}
		for e, err := range to.Interactions(ctx, listener, time.Time{}, time.Time{}, false) {
			require.NoError(t, err)
			got = append(got, e)
		}
		require.Equal(t, want, got)
	}
	// Only the days asked for.
	require.Empty(t, collect(t, logfile.Days(ctx, from, noon, noon)))
	one := collect(t, logfile.Days(ctx, from, noon, noon.AddDate(0, 0, 1)))
	require.NotEmpty(t, one)
	for _, l := range one {
		require.Equal(t, noon.YearDay(), l.At.YearDay())
	}
	for _, err := range export { // whoever stops is not called again
		require.NoError(t, err)
		break
	}
	for _, err := range logfile.ReadTSV(ctx, bytes.NewReader(file.Bytes())) {
		require.NoError(t, err)
		break
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := service(t, id(0), id(1), id(2))
	// What the log does not take is counted, and does not stop the rest.
	events := some(10)
	events[3].At = noon.AddDate(0, 0, -91)
	events[5].Action = "dance"
	r, err := logfile.Import(t.Context(), s, seq(events))
	require.NoError(t, err)
	require.Equal(t, []int{10, 8, 2}, []int{r.Read, r.Fresh, r.Refused})
	require.ErrorContains(t, r.Reason, "90 days")
	// What was read before an error is logged.
	fresh, broken := service(t, id(0), id(1), id(2)), errors.New("broken")
	r, err = logfile.Import(t.Context(), fresh, failing(broken))
	require.ErrorIs(t, err, broken)
	require.Equal(t, 3, r.Fresh)
	// An id that stands for another event.
	other := some(1)
	other[0].TrackID = "another"
	_, err = logfile.Import(t.Context(), fresh, seq(other))
	require.ErrorContains(t, err, "another event")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = logfile.Import(ended, fresh, failing(context.Canceled))
	require.ErrorIs(t, err, context.Canceled)
	_, err = logfile.Import(ended, fresh, seq(some(3)))
	require.ErrorIs(t, err, context.Canceled)
	_, err = last(logfile.Days(ended, fresh, noon.AddDate(0, 0, -1), noon))
	require.ErrorIs(t, err, context.Canceled)
}

// Many listeners with few events each do not wait for whole batches.
func TestMany(t *testing.T) {
	t.Parallel()
	var listeners []uuid.UUID
	for i := range 300 {
		listeners = append(listeners, id(i))
	}
	s := service(t, listeners...)
	var events []ml.Logged
	for i := range 21_000 {
		events = append(events, ml.Logged{ProfileID: id(i % 300), Interaction: ml.Interaction{
			EventID: id(1000 + i), TrackID: "track", Action: ml.Play, At: noon.Add(-time.Duration(i) * time.Second),
		}})
	}
	r, err := logfile.Import(t.Context(), s, func(yield func(ml.Logged, error) bool) {
		for i, l := range events {
			if i == 20_000 {
				n := 0
				for _, err := range s.Interactions(t.Context(), id(0), time.Time{}, time.Time{}, false) {
					require.NoError(t, err)
					n++
				}
				if n == 0 {
					t.Error("nothing is logged yet")
				}
			}
			if !yield(l, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	require.Equal(t, 21_000, r.Fresh)
}

func write(t testing.TB, lines ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, strings.Join(lines, "\n")+"\n")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	const head = "profile\tevent\ttime\ttrack\taction\tposition\trating\ttunevector"
	one, two := id(1).String(), id(2).String()
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"no gzip":       {[]byte("profile\tevent"), "gzip"},
		"empty":         {write(t), "line 1"},
		"other columns": {write(t, "a\tb"), "line 1"},
		"long first":    {write(t, strings.Repeat("a", 1<<17)), "long"},
		"few columns":   {write(t, head, one+"\t"+two), "line 2: 2 columns"},
		"no UTF-8":      {write(t, head, strings.Repeat("\xff\t", 7)), "UTF-8"},
		"all wrong":     {write(t, head, "x\tx\tx\ttrack\tplay\tx\tx\tx"), "line 2: cannot be read: profile, event, time, position, rating, tunevector"},
		"long line":     {write(t, head, strings.Repeat("a", 1<<17)), "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := last(logfile.ReadTSV(t.Context(), bytes.NewReader(c.file)))
			require.ErrorContains(t, err, c.want)
		})
	}
	var b bytes.Buffer
	_, err := logfile.WriteTSV(t.Context(), &b, seq(some(3000)))
	require.NoError(t, err)
	for cut := 0; cut < b.Len(); cut += 1 + b.Len()/50 {
		_, err := last(logfile.ReadTSV(t.Context(), bytes.NewReader(b.Bytes()[:cut])))
		require.Error(t, err, "cut at %d of %d", cut, b.Len())
	}
	altered := slices.Clone(b.Bytes())
	altered[len(altered)-6] ^= 1 // the checksum
	_, err = last(logfile.ReadTSV(t.Context(), bytes.NewReader(altered)))
	require.Error(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = last(logfile.ReadTSV(ended, bytes.NewReader(b.Bytes())))
	require.ErrorIs(t, err, context.Canceled)
	_, err = logfile.WriteTSV(ended, io.Discard, seq(some(1)))
	require.ErrorIs(t, err, context.Canceled)
	broken := errors.New("broken")
	_, err = logfile.WriteTSV(t.Context(), io.Discard, failing(broken))
	require.ErrorIs(t, err, broken)
	for _, n := range []int{1, 100_000} {
		_, err = logfile.WriteTSV(t.Context(), full{}, seq(some(n)))
		require.ErrorIs(t, err, io.ErrShortWrite)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// Whatever an interaction holds comes back.
func TestWhatever(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := ml.Logged{ProfileID: id(rapid.IntRange(0, 9).Draw(t, "profile")), Interaction: ml.Interaction{
			EventID: id(1), TrackID: rapid.String().Draw(t, "track"), Action: ml.Action(rapid.String().Draw(t, "action")),
			At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nano")).UTC(),
		}}
		if rapid.Bool().Draw(t, "position") {
			l.PositionSeconds = ptr(rapid.Float64().Draw(t, "at"))
		}
		var b bytes.Buffer
		_, err := logfile.WriteTSV(context.Background(), &b, seq([]ml.Logged{l}))
		require.NoError(t, err)
		for got, err := range logfile.ReadTSV(context.Background(), &b) {
			require.NoError(t, err)
			require.Equal(t, l, got)
		}
	})
}

func FuzzReadTSV(f *testing.F) {
	var b bytes.Buffer
	_, err := logfile.WriteTSV(context.Background(), &b, seq(some(3)))
	require.NoError(f, err)
	z, err := gzip.NewReader(&b)
	require.NoError(f, err)
	text, err := io.ReadAll(z)
	require.NoError(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		// What is read can be written, and read again as the same.
		file := write(t, strings.TrimSuffix(string(text), "\n"))
		all := []ml.Logged{}
		for l, err := range logfile.ReadTSV(t.Context(), bytes.NewReader(file)) {
			if err != nil {
				return
			}
			all = append(all, l)
		}
		var b bytes.Buffer
		n, err := logfile.WriteTSV(t.Context(), &b, seq(all))
		require.NoError(t, err)
		again, err := last(logfile.ReadTSV(t.Context(), &b))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}
