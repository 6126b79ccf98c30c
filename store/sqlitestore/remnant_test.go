package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// worn is a store in which much was written, replaced and deleted.
type worn struct {
	*Store
	path   string
	random *rand.Rand
	keys   []store.Key
	mark   map[store.Key]string // what stands in an item that is there, and in no other
	gone   []string
	marks  int
}

func wear(t *testing.T) *worn {
	t.Helper()
	w := &worn{path: filepath.Join(t.TempDir(), "file.db"), random: rand.New(rand.NewPCG(1, 2)), mark: map[store.Key]string{}}
	w.Store = openTest(t, w.path, migrations)
	return w
}

// body is a new one, of any length up to some pages.
func (w *worn) body(k store.Key) []byte {
	w.marks++
	if old, there := w.mark[k]; there {
		w.gone = append(w.gone, old)
	}
	w.mark[k] = fmt.Sprintf("MARK%08dEND", w.marks)
	return []byte(`{"x":"` + w.mark[k] + strings.Repeat("y", w.random.IntN(1+w.random.IntN(9000))) + `"}`)
}

// apply makes about n changes, of which some delete and some replace.
func (w *worn) apply(t *testing.T, n int) {
	t.Helper()
	var writes []store.Write
	taken := map[store.Key]bool{}
	for range n {
		k := store.Key{Table: store.Users, Partition: store.Partition{byte(w.random.IntN(20))}, Sort: "s" + uuid.NewString()}
		if len(w.keys) > 0 && w.random.IntN(100) < 45 {
			i := w.random.IntN(len(w.keys))
			if k = w.keys[i]; taken[k] {
				continue
			}
			if taken[k] = true; w.random.IntN(2) == 0 {
				writes = append(writes, store.Delete(k, store.None))
				w.gone = append(w.gone, w.mark[k])
				delete(w.mark, k)
				w.keys[i] = w.keys[len(w.keys)-1]
				w.keys = w.keys[:len(w.keys)-1]
				continue
			}
		} else {
			w.keys, taken[k] = append(w.keys, k), true
		}
		writes = append(writes, store.Put(store.Item{Key: k, Body: w.body(k)}, store.None))
	}
	require.NoError(t, w.Apply(t.Context(), writes...))
}

// inside does something between two transactions' changes.
func (w *worn) inside(t *testing.T, f func()) {
	t.Helper()
	require.NoError(t, w.writer.do(t.Context(), 1, func(context.Context) error { f(); return nil }))
}

// remains are those of marks that are in the file or beside it.
func (w *worn) remains(t *testing.T, marks ...string) (left []string) {
	t.Helper()
	files, err := filepath.Glob(w.path + "*")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for mark := range bytes.SplitSeq(raw, []byte("MARK")) {
			found["MARK"+string(mark[:min(len(mark), 11)])] = true
		}
	}
	for _, mark := range marks {
		if found[mark] {
			left = append(left, mark)
		}
	}
	return left
}

// What was deleted or replaced is in none of the files, byte by byte, and what is there is as it was.
func TestNothingRemains(t *testing.T) {
	t.Parallel()
	w := wear(t)
	for range 80 {
		w.apply(t, 40)
	}
	require.Greater(t, len(w.gone), 800)
	require.NoError(t, w.Scrub(t.Context()))
	require.Empty(t, w.remains(t, w.gone...))

	w.apply(t, 40)
	require.NotEmpty(t, w.remains(t, w.gone...), "the log has older states: or else this shows nothing")
	for range 3 { // Applies that come at the same time are not in the way
		w.apply(t, 40)
	}
	_, err := w.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, w.remains(t, w.gone...))

	w.apply(t, 40)
	require.Equal(t, "ok", ask(t, w.Store, "PRAGMA integrity_check"))
	for k, mark := range w.mark {
		item, err := w.Get(t.Context(), k, store.Strong)
		require.NoError(t, err)
		require.Contains(t, string(item.Body), mark)
	}
	require.NoError(t, w.Close())
	require.Empty(t, w.remains(t, w.gone...))
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Scrub(t.Context()), store.ErrUnavailable)
}

// A log that a killed process has left behind is looked at before it comes into the file.
func TestNothingRemainsAfterKill(t *testing.T) {
	t.Parallel()
	w := wear(t)
	for range 60 {
		w.inside(t, func() { w.writer.longest = 1 << 40 }) // all of it stays in the log
		w.apply(t, 40)
	}
	copied := filepath.Join(t.TempDir(), "file.db") // as a process leaves it that is killed
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(w.path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied+suffix, raw, 0o600))
	}
	other := &worn{Store: openTest(t, copied, migrations), path: copied}
	require.NoError(t, other.Close())
	require.Empty(t, other.remains(t, w.gone...))
	require.Len(t, other.remains(t, slices.Collect(maps.Values(w.mark))...), len(w.mark))
}

// Whoever reads an older state keeps the log there. Writers do not wait for them, and a Scrub says so.
func TestScrubWaitsForReaders(t *testing.T) {
	t.Parallel()
	w := wear(t)
	w.apply(t, 40)
	db, err := sql.Open(driver, source(w.path, readerPragmas))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var n int
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n))
	_, err = w.writer.conn.ExecContext(t.Context(), waitForNobody) // so that this test does not, either
	require.NoError(t, err)
	w.apply(t, 40)
	require.ErrorIs(t, w.Scrub(t.Context()), store.ErrUnavailable)
	w.inside(t, func() { w.writer.longest = 0 })
	w.inside(t, func() {
		require.Greater(t, w.writer.longest, int64(longestLog), "it is tried again when there is more")
	})
	require.NoError(t, tx.Rollback())
	require.NoError(t, w.Scrub(t.Context()))
	w.inside(t, func() { require.Equal(t, int64(longestLog), w.writer.longest) })
	require.Zero(t, w.writer.logSize())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, w.Scrub(ctx), context.Canceled)
}

func TestScrubFails(t *testing.T) {
	t.Parallel()
	w := wear(t)
	w.apply(t, 40)
	there := w.writer.log
	w.inside(t, func() { w.writer.log = filepath.Dir(w.path) })
	require.Error(t, w.Scrub(t.Context()))
	_, err := w.Sweep(t.Context())
	require.Error(t, err)
	w.inside(t, func() { w.writer.log = there })
	require.NoError(t, w.Scrub(t.Context()))
}

func TestOverwriteGap(t *testing.T) {
	t.Parallel()
	page := func(at int, kind byte, cells, content int) []byte {
		p := bytes.Repeat([]byte{0xaa}, 64)
		copy(p[at:], []byte{kind, 0, 0, byte(cells >> 8), byte(cells), byte(content >> 8), byte(content), 0})
		return p
	}
	for name, c := range map[string]struct {
		page     []byte
		from, to int
	}{
		"leaf":              {page(0, 10, 2, 40), 12, 40},
		"leaf of a table":   {page(0, 13, 2, 40), 12, 40},
		"inner":             {page(0, 2, 2, 40), 16, 40},
		"no B-tree's":       {page(0, 0, 2, 40), 0, 0},
		"content in front":  {page(0, 10, 20, 40), 0, 0},
		"content behind":    {page(0, 10, 2, 65), 0, 0},
		"of 65,536 bytes":   {page(0, 10, 2, 0), 0, 0},
		"no gap":            {page(0, 10, 16, 40), 0, 0},
		"too short for one": {page(0, 10, 2, 40)[:11], 0, 0},
	} {
		want := bytes.Clone(c.page)
		clear(want[c.from:c.to])
		require.Equal(t, c.to > 0, overwriteGap(c.page, false), name)
		require.Equal(t, want, c.page, name)
	}
	first := append(make([]byte, firstPageHeader), page(0, 13, 2, firstPageHeader+40)...)
	require.True(t, overwriteGap(first, true))
	require.Equal(t, make([]byte, 28), first[firstPageHeader+12:firstPageHeader+40])
}

// A transaction that was undone, or cut off by a kill, can have left pages in the log that the file never got.
func TestScrubAfterUndone(t *testing.T) {
	t.Parallel()
	w := wear(t)
	w.inside(t, func() { w.writer.longest = 1 << 40 }) // nothing but Scrub cuts the log off
	w.apply(t, 40)
	undone := errors.New("undone")
	require.ErrorIs(t, w.writer.do(t.Context(), 1, func(ctx context.Context) error {
		for i := range 400 { // more than SQLite holds in memory
			k := store.Key{Table: store.Users, Partition: store.Partition{1}, Sort: fmt.Sprintf("undone%d", i)}
			put := store.Put(store.Item{Key: k, Body: []byte(`{"x":"` + strings.Repeat("y", 20_000) + `"}`)}, store.None)
			if err := w.writeOne(ctx, &put); err != nil {
				return err
			}
		}
		return undone
	}), undone)
	pages, err := loggedPages(w.writer.log)
	require.NoError(t, err)
	var size int
	require.NoError(t, w.reading.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&size))
	require.Greater(t, int(pages[len(pages)-1]), size, "or else this shows nothing")
	require.NoError(t, w.Scrub(t.Context()))
	require.Zero(t, w.writer.logSize())
}

func TestKnownPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages []uint32
		count uint32
		want  []uint32
	}{
		"all":             {[]uint32{1, 2, 7}, 7, []uint32{1, 2, 7}},
		"behind the end":  {[]uint32{1, 7, 8, 9}, 7, []uint32{1, 7}},
		"of no log":       {[]uint32{0, 1}, 7, []uint32{1}},
		"of a large file": {[]uint32{1, 7}, mostPages - 1, []uint32{1, 7}},
		"of a huge file":  {[]uint32{1, 7}, mostPages, nil}, // the first page of an overflow can begin with 2, as inner pages do
	} {
		require.Equal(t, c.want, known(c.pages, c.count), name)
	}
}
