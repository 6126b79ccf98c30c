package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// today is the present: an engine that deletes what has expired by a clock of its own must find nothing to delete that has not by ours.
var today = time.Now().UTC().Truncate(time.Second)

func now() time.Time { return today }

// stores are those between which one can move.
var stores = []struct {
	name string
	open func(t *testing.T) store.Store
}{
	{"memory", func(*testing.T) store.Store { return memory() }},
	{"sqlite", func(t *testing.T) store.Store {
		s, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"), &sqlitestore.Options{Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}},
	{"dynamodb", func(t *testing.T) store.Store { return dynamotest.Store(t, now) }},
}

func memory() *memstore.Store { return memstore.New(&memstore.Options{Now: now}) }

// house fills a store with items of every kind, about three times n.
func house(t *testing.T, s store.Store, n int) {
	t.Helper()
	var writes []store.Write
	for i := range n {
		for at, table := range store.Tables() {
			item := store.Item{
				Key:     store.Key{Table: table, Partition: store.HashPartition("house", strconv.Itoa(i/3)), Sort: fmt.Sprintf("item#%03d/\u2028<\x00🎵\"", i)},
				Version: store.Version{1, byte(at), byte(i), byte(i >> 8), 4},
				Body:    fmt.Appendf(nil, `{"n": %d, "exact":0.10000000000000000000000000000000000001, "text":"<a href=\"b\">\u00e9é\u2028"}`, i),
			}
			if i%3 == 0 {
				item.Index = &store.Index{Partition: store.HashPartition("index", strconv.Itoa(i%5)), Sort: fmt.Sprintf("%03d", i)}
			}
			switch i % 7 {
			case 1:
				item.ExpiresAt = today.Add(time.Hour)
			case 2:
				item.ExpiresAt = today.Add(-time.Hour)
			}
			writes = append(writes, store.Put(item, store.None))
		}
	}
	writes = append(writes, store.Put(large(), store.None))
	require.NoError(t, store.Bulk(context.Background(), s, writes...))
}

// large is the item with the longest line there can be.
func large() store.Item {
	return store.Item{
		Key:       store.Key{Table: store.Models, Sort: strings.Repeat("\x01", store.MaxSort)},
		Version:   store.Version{9},
		ExpiresAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		Body:      fmt.Appendf(nil, `{"large":%q}`, strings.Repeat("x", store.MaxBody-len(`{"large":""}`))),
	}
}

// all returns what a store holds.
func all(t *testing.T, s store.Store) map[store.Key]store.Item {
	t.Helper()
	scanner, ok := store.As[store.Scanner](s)
	require.True(t, ok)
	items := map[store.Key]store.Item{}
	for _, table := range store.Tables() {
		for cursor := ""; ; {
			page, err := scanner.Scan(context.Background(), table, cursor, store.MaxPage)
			require.NoError(t, err)
			for _, item := range page.Items {
				require.NotContains(t, items, item.Key)
				items[item.Key] = item
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return items
}

// same holds that two stores hold the same, also in their indexes.
func same(t *testing.T, want, got store.Store) {
	t.Helper()
	a, b := all(t, want), all(t, got)
	require.Len(t, b, len(a))
	for key, item := range a {
		other := b[key]
		if !bytes.Equal(item.Body, other.Body) {
			require.JSONEq(t, string(item.Body), string(other.Body))
		}
		require.Equal(t, bytes.Count(item.Body, []byte("0.10000000000000000000000000000000000001")), bytes.Count(other.Body, []byte("0.10000000000000000000000000000000000001")))
		item.Body, other.Body = nil, nil
		require.Equal(t, item, other)
		if item.Index == nil || item.Version[2]%8 != 0 { // some will do
			continue
		}
		q := store.Query{Table: key.Table, Partition: item.Index.Partition, ByIndex: true, Prefix: item.Index.Sort}
		there := func() bool {
			page, err := got.List(context.Background(), q)
			return err == nil && len(page.Items) == 1 && page.Items[0].Key == key
		}
		if !there() { // an index may be behind
			require.Eventually(t, there, 10*time.Second, 10*time.Millisecond)
		}
	}
}

func files(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// exported exports a store in small pages and returns the archive.
func exported(t *testing.T, s store.Store) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "house")
	_, err := Export(context.Background(), s, path, &ExportOptions{Name: "here", Now: now, page: 7})
	require.NoError(t, err)
	return read(t, path)
}

func write(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "house")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// From any store to any other one, everything that lives comes over as it was, and nothing else is left behind.
func TestMove(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, from := range stores {
		for _, to := range stores {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				t.Parallel()
				a, b := from.open(t), to.open(t)
				house(t, a, 400)
				path := filepath.Join(t.TempDir(), "house.jsonl")
				var calls []Progress
				tell := func(p Progress) { calls = append(calls, p) }
				out, err := Export(ctx, a, path, &ExportOptions{Progress: tell, Now: now})
				require.NoError(t, err)
				require.Equal(t, []string{"house.jsonl"}, files(t, path))
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Equal(t, Summary{Items: counts{store.Users: 343, store.Interactions: 343, store.Models: 344}, Bytes: info.Size()}, out)
				if runtime.GOOS != "windows" {
					require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
				}
				require.GreaterOrEqual(t, len(calls), 6) // DynamoDB's pages are shorter where something has expired
				require.Equal(t, Progress{Items: 1030, Bytes: info.Size()}, calls[len(calls)-1])

				calls = nil
				in, err := Import(ctx, b, path, &ImportOptions{Progress: tell, Now: now})
				require.NoError(t, err)
				require.Equal(t, out, in)
				require.Equal(t, int64(1030), in.Total())
				require.Equal(t, []string{"house.jsonl"}, files(t, path))
				require.Len(t, calls, 2)
				require.Equal(t, int64(1000), calls[0].Items)
				require.Less(t, calls[0].Bytes, calls[0].Of)
				require.Equal(t, Progress{Items: 1030, Bytes: info.Size(), Of: info.Size()}, calls[1])
				same(t, a, b)

				_, err = Import(ctx, b, path, &ImportOptions{Now: now})
				require.ErrorIs(t, err, ErrNotEmpty)
				_, err = Import(ctx, b, path, &ImportOptions{Now: now, NotEmpty: true}) // and again does no harm
				require.NoError(t, err)
				same(t, a, b)
			})
		}
	}
}

// A house of many large items is written and read in steps that are bounded in bytes too.
func TestLargeItems(t *testing.T) {
	t.Parallel()
	ctx, a, b := context.Background(), memory(), memory()
	const n = 70
	for i := range n {
		item := large()
		item.Key.Partition[0], item.Version[1] = byte(i), byte(i)
		require.NoError(t, a.Apply(ctx, store.Put(item, store.None)))
	}
	path := filepath.Join(t.TempDir(), "house")
	out, err := Export(ctx, a, path, &ExportOptions{Now: now, page: n - 1})
	require.NoError(t, err)
	require.Greater(t, out.Bytes, int64(syncBytes))
	var batches []Progress
	_, err = Import(ctx, b, path, &ImportOptions{Now: now, Progress: func(p Progress) { batches = append(batches, p) }})
	require.NoError(t, err)
	require.Len(t, batches, 5) // of 4 MiB and a line
	same(t, a, b)
}

func TestNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "house")
	out, err := Export(ctx, memory(), path, nil)
	require.NoError(t, err)
	require.Zero(t, out.Total())
	in, err := Import(ctx, memory(), path, nil)
	require.NoError(t, err)
	require.Equal(t, out, in)
}

// What has expired between export and import stays behind, and is counted.
func TestExpiredOnTheWay(t *testing.T) {
	t.Parallel()
	a, b := memory(), memory()
	house(t, a, 70)
	path := write(t, exported(t, a))
	later := func() time.Time { return today.Add(time.Hour) }
	in, err := Import(context.Background(), b, path, &ImportOptions{Now: later, batch: 10})
	require.NoError(t, err)
	require.Equal(t, int64(30), in.Expired)
	require.Equal(t, counts{store.Users: 50, store.Interactions: 50, store.Models: 51}, counts(in.Items))
	for _, item := range all(t, b) {
		require.True(t, item.ExpiresAt.IsZero() || item.Key == large().Key)
	}
}

// errDown is not store.ErrUnavailable, after which store.Bulk tries again by itself.
var errDown = errors.New("down")

// flaky is a store whose calls fail in turn, before or after they have done their work.
type flaky struct {
	*memstore.Store
	calls, fail int  // the call number fail fails
	after       bool // having been made
	wrote       int
	stop        context.CancelFunc
}

func (f *flaky) failing() bool {
	f.calls++
	if f.calls == f.fail && f.stop != nil {
		f.stop()
		return false
	}
	return f.calls == f.fail
}

func (f *flaky) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if f.failing() {
		return store.Page{}, errDown
	}
	return f.Store.Scan(ctx, table, cursor, limit)
}

func (f *flaky) Bulk(ctx context.Context, writes []store.Write) error {
	failing := f.failing()
	if failing && !f.after {
		return errDown
	}
	f.wrote += len(writes)
	err := store.Bulk(ctx, f.Store, writes...)
	if failing {
		return errDown
	}
	return err
}

// Wherever the writing of the file was cut off, exporting again gives the same file.
func TestExportGoesOnBehindEveryCut(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 12)
	require.NoError(t, s.Apply(context.Background(), store.Delete(large().Key, store.None))) // for the speed of it
	whole := exported(t, s)
	var cuts []int
	for i := range whole {
		if i < 130 || i > len(whole)-20 || whole[i] == '\n' || whole[max(i-1, 0)] == '\n' || i%397 == 0 {
			cuts = append(cuts, i)
		}
	}
	dir := t.TempDir()
	resumed := 0
	for _, cut := range append(cuts, len(whole)) {
		for _, tail := range []string{"", "\x00\x00\x00", "}\n"} {
			path := filepath.Join(dir, fmt.Sprint(cut, len(tail)))
			if headed := bytes.IndexByte(whole, '\n') < cut; !headed && tail != "" {
				continue // a line that is no header is somebody else's
			}
			require.NoError(t, os.WriteFile(path+Partial, append(whole[:cut:cut], tail...), 0o644))
			sum, err := Export(context.Background(), s, path, &ExportOptions{Name: "here", Now: now, page: 7})
			require.NoError(t, err)
			require.Equal(t, whole, read(t, path))
			require.Equal(t, int64(len(whole)), sum.Bytes)
			require.Equal(t, int64(len(all(t, s))), sum.Total())
			if sum.Resumed {
				resumed++
			}
			if runtime.GOOS != "windows" {
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			}
			require.NoError(t, os.Remove(path))
		}
	}
	require.Greater(t, resumed, len(cuts)/2)
	require.Empty(t, files(t, filepath.Join(dir, "x")))
}

// An export that stops at any page goes on there: it reads no page twice.
func TestExportStoppedAtEveryPage(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 40)
	whole := exported(t, s)
	pages := bytes.Count(whole, []byte("\n"+string(checkpointStart))) + 1
	for fail := 1; fail <= pages; fail++ {
		for _, cancel := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "house")
			ctx, stop := context.WithCancel(context.Background())
			f := &flaky{Store: s, fail: fail}
			if cancel {
				f.stop = stop
			}
			o := &ExportOptions{Name: "here", Now: now, page: 7}
			_, err := Export(ctx, f, path, o)
			stop()
			if cancel {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				require.ErrorIs(t, err, errDown)
			}
			require.Equal(t, []string{"house.partial"}, files(t, path))
			sum, err := Export(context.Background(), f, path, o)
			require.NoError(t, err)
			require.True(t, sum.Resumed)
			require.Equal(t, pages+1, f.calls)
			require.Equal(t, whole, read(t, path))
		}
	}
}

// An import that stops at any batch, whether that was written or not, goes on there.
func TestImportStoppedAtEveryBatch(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 40)
	whole := exported(t, s)
	const size = 10
	batches := (len(all(t, s)) + size - 1) / size
	for fail := 1; fail <= batches; fail++ {
		for _, how := range []string{"before", "after", "canceled"} {
			path := write(t, whole)
			ctx, stop := context.WithCancel(context.Background())
			f := &flaky{Store: memory(), after: how == "after"}
			f.fail = fail + len(store.Tables()) // the first three look whether it is empty
			o := &ImportOptions{Now: now, batch: size}
			if how == "canceled" {
				f.stop = stop
			}
			_, err := Import(ctx, f, path, o)
			stop()
			if how == "canceled" {
				require.ErrorIs(t, err, context.Canceled)
			} else {
				require.ErrorIs(t, err, errDown)
			}
			require.Equal(t, []string{"house", "house.import"}, files(t, path))
			if runtime.GOOS != "windows" {
				info, err := os.Stat(path + Position)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			}
			sum, err := Import(context.Background(), f, path, o)
			require.NoError(t, err)
			require.Equal(t, fail > 1, sum.Resumed)
			require.Equal(t, int64(len(all(t, s))), sum.Total())
			require.LessOrEqual(t, f.wrote, len(all(t, s))+size)
			require.Equal(t, []string{"house"}, files(t, path))
			same(t, s, f.Store)
		}
	}
}

// A position is good for the archive and the store that it was made with; with any other it is as if there were none.
func TestPositions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := memory()
	house(t, s, 40)
	whole := exported(t, s)
	fresh := func(*flaky, string) {}
	for _, tt := range []struct {
		name    string
		change  func(f *flaky, path string)
		o       ImportOptions
		resumed bool
		is      error
	}{
		{"as it was", fresh, ImportOptions{Name: "there"}, true, nil},
		{"a store of another name", fresh, ImportOptions{Name: "elsewhere"}, false, ErrNotEmpty},
		{"a store of another name, told", fresh, ImportOptions{Name: "elsewhere", NotEmpty: true}, false, nil},
		{"an emptied store", func(f *flaky, _ string) { f.Store = memory() }, ImportOptions{Name: "there"}, false, nil},
		{"another store of the same name", func(f *flaky, _ string) {
			f.Store = memory()
			require.NoError(t, f.Apply(ctx, store.Put(store.Item{Key: store.Key{Table: store.Models, Sort: "a"}, Body: []byte(`{}`)}, store.None)))
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"a store whose items have changed", func(f *flaky, _ string) {
			for _, item := range all(t, f.Store) {
				item.Version = store.NewVersion()
				require.NoError(t, f.Apply(ctx, store.Put(item, store.None)))
			}
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"another archive", func(_ *flaky, path string) {
			other := memory()
			house(t, other, 41)
			require.NoError(t, os.WriteFile(path, exported(t, other), 0o600))
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"garbage", func(_ *flaky, path string) { require.NoError(t, os.WriteFile(path+Position, []byte("{"), 0o600)) }, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"half of it", func(_ *flaky, path string) { require.NoError(t, os.WriteFile(path+Position, []byte("{}"), 0o600)) }, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"a strange probe", func(_ *flaky, path string) {
			text := strings.Replace(string(read(t, path+Position)), `"probe":{"table":"`, `"probe":{"table":"x`, 1)
			require.NoError(t, os.WriteFile(path+Position, []byte(text), 0o600))
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"a strange partition", func(_ *flaky, path string) {
			text := strings.Replace(string(read(t, path+Position)), `"partition":"`, `"partition":"x`, 1)
			require.NoError(t, os.WriteFile(path+Position, []byte(text), 0o600))
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"beyond the end", func(_ *flaky, path string) {
			text := strings.Replace(string(read(t, path+Position)), `"offset":`, `"offset":9999999`, 1)
			require.NoError(t, os.WriteFile(path+Position, []byte(text), 0o600))
		}, ImportOptions{Name: "there"}, false, ErrNotEmpty},
		{"a store that does not answer", func(f *flaky, path string) { // nor does it begin again
			text := strings.Replace(string(read(t, path+Position)), `"sort":"`, `"sort":"x`, 1)
			require.NoError(t, os.WriteFile(path+Position, []byte(text), 0o600))
			f.calls, f.fail = 0, 1
		}, ImportOptions{Name: "there"}, false, errDown},
		{"no file", func(_ *flaky, path string) {
			require.NoError(t, os.Remove(path+Position))
			require.NoError(t, os.Mkdir(path+Position, 0o700))
		}, ImportOptions{Name: "there"}, false, errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, whole)
			f := &flaky{Store: memory(), fail: 7}
			_, err := Import(ctx, f, path, &ImportOptions{Name: "there", Now: now, batch: 10})
			require.ErrorIs(t, err, errDown)
			tt.change(f, path)
			tt.o.Now = now
			sum, err := Import(ctx, f, path, &tt.o)
			switch {
			case tt.is == errAny: //nolint:errorlint // a mark
				require.Error(t, err)
				return
			case tt.is != nil:
				require.ErrorIs(t, err, tt.is)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.resumed, sum.Resumed)
			same(t, s, f.Store)
			require.Equal(t, []string{"house"}, files(t, path))
		})
	}
}

var errAny = errors.New("any error")

// Where no position can be kept, nothing is written.
func TestNoPlaceForAPosition(t *testing.T) {
	t.Parallel()
	s, to := memory(), memory()
	house(t, s, 4)
	path := write(t, exported(t, s))
	require.NoError(t, os.Mkdir(path+Position+".new", 0o700))
	_, err := Import(context.Background(), to, path, &ImportOptions{Now: now})
	require.ErrorContains(t, err, "is a directory")
	require.Empty(t, all(t, to))
}

// Where all that was written so far can expire, an import begins again and still does not take its own items for another house.
func TestNoProbe(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), memory()
	for i := range 30 {
		item := store.Item{Key: store.Key{Table: store.Users, Sort: strconv.Itoa(i)}, Body: []byte(`{}`), ExpiresAt: today.Add(time.Hour)}
		require.NoError(t, s.Apply(ctx, store.Put(item, store.None)))
	}
	path := write(t, exported(t, s))
	f := &flaky{Store: memory(), fail: 5}
	_, err := Import(ctx, f, path, &ImportOptions{Now: now, batch: 10})
	require.ErrorIs(t, err, errDown)
	require.Len(t, all(t, f.Store), 10)
	sum, err := Import(ctx, f, path, &ImportOptions{Now: now, batch: 10})
	require.NoError(t, err)
	require.False(t, sum.Resumed)
	same(t, s, f.Store)
}

// An import that was stopped before anything was known to be written does not go on into what has become somebody else's house.
func TestSomebodyHasMovedIn(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), memory()
	house(t, s, 40)
	path := write(t, exported(t, s))
	o := &ImportOptions{Now: now, batch: 10}
	f := &flaky{Store: memory(), fail: 1 + len(store.Tables()), after: true} // its first batch is made, and not known to be
	_, err := Import(ctx, f, path, o)
	require.ErrorIs(t, err, errDown)
	for _, item := range all(t, s) {
		if _, made := all(t, f.Store)[item.Key]; !made { // the same item of another house
			item.Version = store.NewVersion()
			require.NoError(t, f.Apply(ctx, store.Put(item, store.None)))
			break
		}
	}
	before := all(t, f.Store)
	_, err = Import(ctx, f, path, o)
	require.ErrorIs(t, err, ErrNotEmpty)
	require.Equal(t, before, all(t, f.Store))
	o.NotEmpty = true
	_, err = Import(ctx, f, path, o)
	require.NoError(t, err)
	same(t, s, f.Store)
}
