package parquetlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/logfile/parquetlog"
)

var noon = time.Date(2026, 3, 20, 12, 0, 0, 123, time.UTC)

func id(n int) uuid.UUID {
	id := uuid.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[10:], uint32(n)+1)
	return id
}

func ptr[T any](v T) *T { return &v }

func some(n int) []ml.Logged {
	all := make([]ml.Logged, n)
	for i := range all {
		all[i] = ml.Logged{ProfileID: id(i % 3), Interaction: ml.Interaction{
			EventID: id(i), TrackID: fmt.Sprint("track ", i%1000), Action: ml.Play, At: noon.Add(-time.Duration(i) * time.Second),
		}}
		switch i % 3 {
		case 0:
			all[i].Action, all[i].PositionSeconds = ml.Skip, ptr(float64(i)/7)
		case 1:
			all[i].Action, all[i].Rating, all[i].TuneVectorID = ml.Rate, ptr(1+i%5), id(5000)
		}
	}
	return all
}

func seq(all []ml.Logged, err error) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
		if err != nil {
			yield(ml.Logged{}, err)
		}
	}
}

func write(t testing.TB, all []ml.Logged) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := parquetlog.Write(t.Context(), &b, seq(all, nil))
	require.NoError(t, err)
	require.Equal(t, len(all), n)
	return b.Bytes()
}

func read(ctx context.Context, b []byte) (all []ml.Logged, err error) {
	for l, err := range parquetlog.Read(ctx, bytes.NewReader(b), int64(len(b))) {
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

// What is written comes back, over several groups of rows too.
func TestBack(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 256, 257, 120_000} {
		want := some(n)
		got, err := read(t.Context(), write(t, want))
		require.NoError(t, err)
		require.Len(t, got, n)
		require.True(t, slices.EqualFunc(want, got, func(a, b ml.Logged) bool { return fmt.Sprint(flat(a)) == fmt.Sprint(flat(b)) }))
	}
	b := write(t, some(1000))
	n := 0
	for _, err := range parquetlog.Read(t.Context(), bytes.NewReader(b), int64(len(b))) {
		require.NoError(t, err)
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)
}

func flat(l ml.Logged) []any {
	all := []any{l.ProfileID, l.EventID, l.TrackID, l.Action, l.At, l.TuneVectorID}
	if l.PositionSeconds != nil {
		all = append(all, "position", *l.PositionSeconds)
	}
	if l.Rating != nil {
		all = append(all, "rating", *l.Rating)
	}
	return all
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := parquetlog.Write(t.Context(), io.Discard, seq(some(3), broken))
	require.ErrorIs(t, err, broken)
	old := some(2)
	old[1].At = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = parquetlog.Write(t.Context(), io.Discard, seq(old, nil))
	require.ErrorContains(t, err, "interaction 2 is of the year 1600")
	for _, n := range []int{1, 250_000} {
		_, err = parquetlog.Write(t.Context(), full{}, seq(some(n), nil))
		require.ErrorIs(t, err, io.ErrShortWrite)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, n := range []int{1, 300} {
		_, err = parquetlog.Write(ended, io.Discard, seq(some(n), nil))
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = read(ended, write(t, some(3)))
	require.ErrorIs(t, err, context.Canceled)

	type other struct{ Name string }
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, []other{{"a"}}))
	_, err = read(t.Context(), b.Bytes())
	require.ErrorContains(t, err, "columns")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A file that is cut off, or altered where it says what it holds, is an error and no panic.
func TestDamaged(t *testing.T) {
	t.Parallel()
	b := write(t, some(500))
	for cut := 0; cut < len(b); cut += 1 + len(b)/200 {
		_, err := read(t.Context(), b[:cut])
		require.Error(t, err, "cut at %d of %d", cut, len(b))
	}
	for at := 0; at < len(b); at += 3 {
		altered := slices.Clone(b)
		altered[at] ^= 0x55
		_, _ = read(t.Context(), altered) // right or wrong, it comes to an end
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, some(3)))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = read(t.Context(), b)
	})
}

func Example() {
	ctx := context.Background()
	events := []ml.Logged{{Interaction: ml.Interaction{TrackID: "morning-haze", Action: ml.Like, At: noon}}}
	var file bytes.Buffer
	n, err := parquetlog.Write(ctx, &file, seq(events, nil))
	fmt.Println(n, "written", err)
	for l, err := range parquetlog.Read(ctx, bytes.NewReader(file.Bytes()), int64(file.Len())) {
		fmt.Println(l.TrackID, l.Action, err)
	}
	// Output:
	// 1 written <nil>
	// morning-haze like <nil>
}
