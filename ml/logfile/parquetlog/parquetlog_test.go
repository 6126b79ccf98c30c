package parquetlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"reflect"
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
	binary.BigEndian.PutUint32(id[12:], uint32(n)+1)
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

func read(ctx context.Context, b []byte) ([]ml.Logged, error) {
	return collect(parquetlog.Read(ctx, bytes.NewReader(b), int64(len(b))))
}

func readForeign(ctx context.Context, b []byte) ([]ml.Logged, error) {
	return collect(parquetlog.ReadForeign(ctx, bytes.NewReader(b), int64(len(b))))
}

func collect(events iter.Seq2[ml.Logged, error]) (all []ml.Logged, err error) {
	for l, err := range events {
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
	for _, n := range []int{0, 1, 256, 257, 50_001} {
		want := some(n)
		got, err := read(t.Context(), write(t, want))
		require.NoError(t, err)
		require.Len(t, got, n)
		for i := range want {
			if !reflect.DeepEqual(want[i], got[i]) {
				require.Equal(t, want[i], got[i], i)
			}
		}
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

func TestRefuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := parquetlog.Write(t.Context(), io.Discard, seq(some(3), broken))
	require.ErrorIs(t, err, broken)
	old := some(2)
	old[1].At = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = parquetlog.Write(t.Context(), io.Discard, seq(old, nil))
	require.ErrorContains(t, err, "interaction 2 is of the year 1600")
	for _, n := range []int{1, 50_001} {
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
	_, err = readForeign(ended, write(t, some(3)))
	require.ErrorIs(t, err, context.Canceled)
	_, err = read(t.Context(), []byte("profile\tevent\ttime"))
	require.ErrorContains(t, err, "no Parquet")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// What other tools write is read, in whatever way they write it.
func TestForeign(t *testing.T) {
	t.Parallel()
	want := make([]ml.Logged, 7)
	for i := range want {
		want[i] = ml.Logged{ProfileID: id(i % 3), Interaction: ml.Interaction{
			EventID: id(i), TrackID: fmt.Sprint("track ", i), Action: []ml.Action{ml.Play, ml.Skip, ml.Rate, ml.Like}[i%4],
			At: time.Date(2026, 3, 20, 12, 0, -i, 123456000, time.UTC),
		}}
	}
	want[1].PositionSeconds, want[1].TuneVectorID, want[5].PositionSeconds = ptr(1.5), id(4999), ptr(2.25)
	want[2].Rating, want[6].Rating = ptr(4), ptr(5)
	files, err := filepath.Glob("testdata/*.parquet")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		_, err = read(t.Context(), b)
		require.ErrorIs(t, err, parquetlog.ErrNoChecksum, name)
		got, err := readForeign(t.Context(), b)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		_, err = readForeign(t.Context(), b[:len(b)-1])
		require.Error(t, err, name)
	}
	// What has a checksum is held against it.
	b := write(t, some(20))
	got, err := readForeign(t.Context(), b)
	require.NoError(t, err)
	require.Len(t, got, 20)
	b[100] ^= 1
	_, err = readForeign(t.Context(), b)
	require.ErrorContains(t, err, "checksum")
}

func foreign[T any](t *testing.T, rows ...T) ([]ml.Logged, error) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, rows))
	return readForeign(t.Context(), b.Bytes())
}

func TestForeignKinds(t *testing.T) {
	t.Parallel()
	type least struct {
		Profile string    `parquet:"profile"`
		Event   string    `parquet:"event"`
		Time    time.Time `parquet:"time,timestamp(millisecond)"`
		Track   string    `parquet:"track,optional"`
		Action  string    `parquet:"action"`
		Rating  float32   `parquet:"rating"`
	}
	good := least{id(0).String(), id(1).String(), noon, "a", "play", float32(math.NaN())}
	got, err := foreign(t, good)
	require.NoError(t, err)
	require.Equal(t, []ml.Logged{{ProfileID: id(0), Interaction: ml.Interaction{EventID: id(1), TrackID: "a", Action: ml.Play, At: noon.Truncate(time.Millisecond)}}}, got)
	bad := least{"x", "", noon, "", "play", 2.5}
	got, err = foreign(t, good, good, bad, good)
	require.ErrorContains(t, err, "row 3: cannot be read: profile, event, track, rating")
	require.Len(t, got, 2)
	good.Rating, good.Time = 1e20, time.Date(-3000, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = foreign(t, good)
	require.ErrorContains(t, err, "row 1: cannot be read: time, rating")

	type whole struct {
		Profile  string  `parquet:"profile"`
		Event    string  `parquet:"event"`
		Time     int64   `parquet:"time,timestamp(microsecond)"`
		Track    string  `parquet:"track"`
		Action   string  `parquet:"action"`
		Rating   int32   `parquet:"rating"`
		Position int64   `parquet:"position"`
		More     []int32 `parquet:"more,list"`
	}
	got, err = foreign(t, whole{id(0).String(), id(1).String(), -1, "a", "rate", 3, 70, []int32{1, 2}})
	require.NoError(t, err)
	require.Equal(t, []ml.Logged{{ProfileID: id(0), Interaction: ml.Interaction{
		EventID: id(1), TrackID: "a", Action: ml.Rate, At: time.Unix(0, -1000).UTC(), Rating: ptr(3), PositionSeconds: ptr(70.0),
	}}}, got)

	type other struct {
		Profile    int64     `parquet:"profile"`
		Time       int64     `parquet:"time"`
		Track      []string  `parquet:"track"`
		Action     string    `parquet:"action"`
		Rating     bool      `parquet:"rating"`
		TuneVector uuid.UUID `parquet:"tunevector,uuid"`
	}
	_, err = foreign(t, other{})
	require.ErrorContains(t, err, "profile is a INT(64,true), must be a UUID; event is missing; time is a INT(64,true), must be a timestamp; track is a list, must be a string; rating is a BOOLEAN, must be a number")
	require.NotContains(t, err.Error(), "action is")
	require.NotContains(t, err.Error(), "tunevector")
}

// A file of another tool that is altered in one place is read, wrong or not, or refused.
func TestForeignDamaged(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/duckdb.parquet")
	require.NoError(t, err)
	refused := 0
	for at := 0; at < len(b); at += 7 {
		b[at] ^= 1
		if _, err := readForeign(t.Context(), b); err != nil {
			refused++
		}
		b[at] ^= 1
	}
	require.Positive(t, refused)
}

// short ends before its size.
type short struct{ *bytes.Reader }

func TestShort(t *testing.T) {
	t.Parallel()
	b := write(t, some(300))
	for _, left := range []int{len(b) - 20, 20} {
		_, err := collect(parquetlog.Read(t.Context(), short{bytes.NewReader(b[:left])}, int64(len(b))))
		require.ErrorContains(t, err, "cut off")
	}
}

// A file that is cut off, or altered anywhere, is an error before the first interaction.
func TestDamaged(t *testing.T) {
	t.Parallel()
	b := write(t, some(500))
	refused := func(b []byte, what string, at int) {
		got, err := read(t.Context(), b)
		require.Error(t, err, "%s at %d of %d", what, at, len(b))
		require.Empty(t, got)
	}
	for cut := 0; cut < len(b); cut += 1 + len(b)/200 {
		refused(b[:cut], "cut", cut)
	}
	for at := range b {
		b[at] ^= 0x55
		refused(b, "altered", at)
		b[at] ^= 0x55
	}
	refused(append([]byte{0}, b...), "longer", 0)
	_, err := read(t.Context(), b)
	require.NoError(t, err)
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
