package sqlitestore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

func key(sort string) store.Key { return store.Key{Table: store.Users, Sort: sort} }

func put(sort, body string) store.Write {
	return store.Put(store.Item{Key: key(sort), Body: []byte(body)}, store.None)
}

func open(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(context.Background(), path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Any path will do, what is written is there after opening again, and a closed store is one file with nobody else's eyes on it.
func TestReopen(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "with space", "a?mode=memory&b=%20#c.db", ":memory:", "ünï🎵"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		s := open(t, path)
		require.NoError(t, s.Apply(context.Background(), put("a", `{"a":1}`)))
		info, err := os.Stat(path)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		}
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		s = open(t, path)
		item, err := s.Get(context.Background(), key("a"), store.Strong)
		require.NoError(t, err)
		require.JSONEq(t, `{"a":1}`, string(item.Body))
	}
}

// A scan is gone on with after opening the file again.
func TestScanGoesOn(t *testing.T) {
	t.Parallel()
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "file.db")
	s := open(t, path)
	var want, got []string
	for i := range 10 {
		want = append(want, strconv.Itoa(i))
		require.NoError(t, s.Apply(ctx, put(want[i], `{}`)))
	}
	for cursor := ""; ; {
		page, err := s.Scan(ctx, store.Users, cursor, 3)
		require.NoError(t, err)
		for _, item := range page.Items {
			got = append(got, item.Key.Sort)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		require.NoError(t, s.Close())
		s = open(t, path)
	}
	require.Equal(t, want, got)
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "relative.db")
	require.NoError(t, s.Close())
	_, err := os.Stat("relative.db")
	require.NoError(t, err)
}

// execute makes a file of SQLite's own.
func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(context.Background(), statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// What is not ours is refused in words that say what is wrong with which file, and left as it is.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(path string)
		is   error
		says string
	}{
		{"text", func(p string) {
			require.NoError(t, os.WriteFile(p, []byte("Dear diary, today I wrote a lot about SQLite."), 0o600))
		}, sqlitestore.ErrNotOurs, "no SQLite database"},
		{"long text", func(p string) { require.NoError(t, os.WriteFile(p, make([]byte, 9999), 0o600)) }, sqlitestore.ErrNotOurs, "no SQLite database"},
		{"another program's", func(p string) { execute(t, p, "CREATE TABLE a (b); PRAGMA application_id = 1196444487") }, sqlitestore.ErrNotOurs, "0x47504b47"},
		{"nobody's", func(p string) { execute(t, p, "CREATE TABLE users (name)") }, sqlitestore.ErrNotOurs, "application id"},
		{"nobody's with a format", func(p string) { execute(t, p, "PRAGMA user_version = 1") }, sqlitestore.ErrNotOurs, "application id"},
		{"newer", func(p string) {
			require.NoError(t, open(t, p).Close())
			execute(t, p, "PRAGMA user_version = 1000")
		}, sqlitestore.ErrNewer, "its format is 1000, this program knows up to 1"},
		{"folder", func(p string) { require.NoError(t, os.Mkdir(p, 0o700)) }, nil, "is a directory"},
	} {
		path := filepath.Join(t.TempDir(), "file.db")
		tt.make(path)
		before, _ := os.ReadFile(path) // not of a folder
		_, err := sqlitestore.Open(context.Background(), path, nil)
		require.Error(t, err, tt.name)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, tt.says)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after, tt.name)
		}
	}
	path := filepath.Join(t.TempDir(), "no", "such", "folder.db")
	_, err := sqlitestore.Open(context.Background(), path, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.EqualError(t, err, "sqlitestore: "+path+": open: no such file or directory")
}

func TestOpenWithAnEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	path := filepath.Join(t.TempDir(), "file.db")
	_, err := sqlitestore.Open(ctx, path, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Many may open and use one file at once, the first time too.
func TestOpenedTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			s, err := sqlitestore.Open(context.Background(), path, &sqlitestore.Options{Readers: 1})
			if err != nil {
				errs[i] = err
				return
			}
			for range 10 {
				_, err = store.Update(context.Background(), s, key("a"), func(old store.Item, _ bool) ([]store.Write, error) {
					var n struct{ N int }
					if old.Body != nil {
						err = old.Decode(&n)
					}
					n.N++
					old.Body, _ = store.Encode(n)
					return []store.Write{store.Put(old, store.None)}, err
				})
				errs[i] = errors.Join(errs[i], err)
			}
			errs[i] = errors.Join(errs[i], s.Close())
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	item, err := open(t, path).Get(context.Background(), key("a"), store.Strong)
	require.NoError(t, err)
	require.JSONEq(t, `{"N":60}`, string(item.Body))
}

func TestClosed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t, filepath.Join(t.TempDir(), "file.db"))
	var wg sync.WaitGroup
	for range 4 { // calls in the middle of which it is closed are made or refused
		wg.Go(func() {
			for {
				if err := s.Apply(ctx, put("a", `{}`)); err != nil {
					assert.ErrorIs(t, err, store.ErrUnavailable)
					return
				}
				if _, err := s.Get(ctx, key("a"), store.Strong); err != nil {
					assert.ErrorIs(t, err, store.ErrUnavailable)
					return
				}
			}
		})
	}
	<-time.After(5 * time.Millisecond)
	require.NoError(t, s.Close())
	wg.Wait()
	_, err := s.Get(ctx, key("a"), store.Strong)
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.List(ctx, store.Query{Table: store.Users})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Scan(ctx, store.Users, "", 0)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, s.Apply(ctx, put("a", `{}`)), store.ErrUnavailable)
	require.ErrorIs(t, s.Bulk(ctx, []store.Write{put("a", `{}`)}), store.ErrUnavailable)
	_, err = s.Sweep(ctx)
	require.ErrorIs(t, err, store.ErrUnavailable)
}

// Damage is an error that trying again does not help.
func TestDamaged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "file.db")
	s := open(t, path)
	require.NoError(t, s.Apply(ctx, put("a", `{}`)))
	require.NoError(t, s.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 4096 + 100; i < len(raw); i++ { // after the first page, which holds the schema
		raw[i] = 0xA5
	}
	for i := 4096; i < len(raw); i += 4096 {
		raw[i] = 0xA5
	}
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	s = open(t, path)
	_, err = s.Get(ctx, key("a"), store.Strong)
	require.ErrorContains(t, err, "malformed")
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.NotErrorIs(t, err, store.ErrNotFound)
	_, err = s.List(ctx, store.Query{Table: store.Users})
	require.ErrorContains(t, err, "malformed")
	err = s.Apply(ctx, put("b", `{}`))
	require.ErrorContains(t, err, "malformed")
	require.NotErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Sweep(ctx)
	require.ErrorContains(t, err, "malformed")
}
