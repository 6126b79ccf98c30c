package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

func openTest(t *testing.T, path string, steps []string) *Store {
	t.Helper()
	s, err := open(context.Background(), path, nil, steps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func testKey(sort string) store.Key { return store.Key{Table: store.Users, Sort: sort} }

func testPut(sort, body string) store.Write {
	return store.Put(store.Item{Key: testKey(sort), Body: []byte(body)}, store.None)
}

// ask returns the one value of a query on the writer's connection.
func ask(t *testing.T, s *Store, query string) (answer string) {
	t.Helper()
	require.NoError(t, s.writer.conn.QueryRowContext(context.Background(), query).Scan(&answer))
	return answer
}

// Each commit waits for the disk: what a loss of power may take is nothing that was acknowledged.
func TestDurable(t *testing.T) {
	t.Parallel()
	s := openTest(t, filepath.Join(t.TempDir(), "file.db"), migrations)
	require.Equal(t, "wal", ask(t, s, "PRAGMA journal_mode"))
	require.Equal(t, "2", ask(t, s, "PRAGMA synchronous"))
	require.Equal(t, "1", ask(t, s, "PRAGMA fullfsync"))
	require.Equal(t, "5000", ask(t, s, "PRAGMA busy_timeout"))
	require.Equal(t, "1", ask(t, s, "PRAGMA user_version"))
}

// An older file is brought up to date step by step; a step that fails leaves the format before it.
func TestMigrations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "file.db")
	s := openTest(t, path, migrations)
	require.NoError(t, s.Apply(ctx, testPut("a", `{"a":1}`)))
	require.NoError(t, s.Close())

	second := append(slices.Clone(migrations), "CREATE TABLE second (a); INSERT INTO second VALUES ('made')")
	_, err := open(ctx, path, nil, append(slices.Clone(second), "CREATE TABLE third (a); INSERT INTO fourth VALUES (1)"))
	require.ErrorContains(t, err, "no such table: fourth")
	_, err = open(ctx, path, nil, migrations)
	require.ErrorIs(t, err, ErrNewer)

	s = openTest(t, path, second)
	require.Equal(t, "made", ask(t, s, "SELECT a FROM second"))
	require.Equal(t, "0", ask(t, s, "SELECT count(*) FROM sqlite_schema WHERE name = 'third'"))
	require.Equal(t, "2", ask(t, s, "PRAGMA user_version"))
	item, err := s.Get(ctx, testKey("a"), store.Strong)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1}`, string(item.Body))
	require.NoError(t, s.Close())
	s = openTest(t, path, second)
	require.Equal(t, "1", ask(t, s, "SELECT count(*) FROM second"))
}

// A step that another process has taken in the meantime is not taken twice.
func TestMigrationTakenByAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s := openTest(t, path, migrations)
	db, err := sql.Open(driver, source(path, waitPragma))
	require.NoError(t, err)
	require.NoError(t, takeStep(context.Background(), db, "CREATE TABLE twice (a)", 0))
	require.NoError(t, db.Close())
	require.Equal(t, "0", ask(t, s, "SELECT count(*) FROM sqlite_schema WHERE name = 'twice'"))
}

// Every query goes along the primary key or an index, and sorts nothing.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	s := openTest(t, filepath.Join(t.TempDir(), "file.db"), migrations)
	statements := []string{getQuery, versionQuery, removeStatement, sweepStatement, scanQuery}
	for l := range listQueries {
		statements = append(statements, listQuery(l))
	}
	for _, table := range store.Tables() {
		for _, statement := range statements {
			text := planOf(t, s, on(table, statement))
			require.Contains(t, text, "SEARCH", statement)
			require.NotContains(t, text, "SCAN", statement)
			require.NotContains(t, text, "TEMP B-TREE", statement)
			if strings.Contains(statement, "index_partition = ?1") {
				require.Contains(t, text, "(index_sort,partition,sort)", statement)
			}
		}
	}
}

func planOf(t *testing.T, s *Store, statement string) string {
	t.Helper()
	rows, err := s.writer.conn.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "; ")
}

// hold takes the file's one lock for writing, as another process would, and returns how to let go of it.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	other := openTest(t, path, migrations)
	_, err := other.writer.begin.ExecContext(context.Background())
	require.NoError(t, err)
	return func() {
		_, err := other.writer.rollback.ExecContext(context.Background())
		require.NoError(t, err)
	}
}

// While another process writes, a caller's context ends its wait and nothing is made of what it asked for;
// everything else that has waited is made in one transaction.
func TestWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s := openTest(t, path, migrations)
	release := hold(t, path)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	results := make([]error, 20)
	for i := range results {
		wg.Go(func() {
			c := context.Background()
			if i%2 == 1 {
				c = ctx
			}
			results[i] = s.Apply(c, testPut(fmt.Sprintf("%02d", i), `{}`))
		})
	}
	<-time.After(20 * time.Millisecond) // some are in the writer's hands, some wait for it
	cancel()
	<-time.After(20 * time.Millisecond)
	release()
	wg.Wait()
	for i, err := range results {
		_, absent := s.Get(context.Background(), testKey(fmt.Sprintf("%02d", i)), store.Strong)
		if i%2 == 0 {
			require.NoError(t, err)
			require.NoError(t, absent)
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, absent, store.ErrNotFound)
	}
}

// A lock that is not let go of is unavailability, and passes.
func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.db")
	s := openTest(t, path, migrations)
	_, err := s.writer.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 10")
	require.NoError(t, err)
	release := hold(t, path)
	err = s.Apply(context.Background(), testPut("a", `{}`))
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "locked")
	_, err = s.Get(context.Background(), testKey("a"), store.Strong) // readers do not wait for writers
	require.ErrorIs(t, err, store.ErrNotFound)
	release()
	require.NoError(t, s.Apply(context.Background(), testPut("a", `{}`)))
}

// Reads that wait for a connection wait no longer than their context.
func TestReadsWait(t *testing.T) {
	t.Parallel()
	s, err := open(context.Background(), filepath.Join(t.TempDir(), "file.db"), &Options{Readers: 1}, migrations)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	busy, err := s.reading.Conn(context.Background())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = s.Get(ctx, testKey("a"), store.Strong)
	require.Equal(t, context.DeadlineExceeded, err)
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = s.List(ctx, store.Query{Table: store.Users})
	require.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, busy.Close())
	_, err = s.Get(context.Background(), testKey("a"), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A full disk is unavailability: nothing of the transaction is made, and with space it goes on.
func TestFull(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := openTest(t, filepath.Join(t.TempDir(), "file.db"), migrations)
	require.NoError(t, s.Apply(ctx, testPut("before", `{}`)))
	pages := ask(t, s, "PRAGMA page_count")
	_, err := s.writer.conn.ExecContext(ctx, "PRAGMA max_page_count = "+pages)
	require.NoError(t, err)
	large := `{"a":"` + strings.Repeat("x", 200<<10) + `"}`
	err = s.Apply(ctx, testPut("small", `{}`), testPut("large", large))
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "full")
	_, err = s.Get(ctx, testKey("small"), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, s.Bulk(ctx, []store.Write{testPut("large", large)}), store.ErrUnavailable)

	// Two in one transaction: what one was refused for is undone with the other, so neither is told of a conflict.
	first, second := testPut("first", large), testPut("before", `{}`)
	second.Condition = store.Absent
	jobs := []*job{}
	for _, writes := range [][]store.Write{{second}, {first}} {
		jobs = append(jobs, &job{ctx: ctx, answer: make(chan error, 1), run: func(ctx context.Context) error {
			if err := s.decide(ctx, writes); err != nil {
				return err
			}
			return s.write(ctx, writes)
		}})
	}
	s.writer.together(jobs)
	require.ErrorIs(t, <-jobs[0].answer, store.ErrUnavailable)
	require.ErrorIs(t, <-jobs[1].answer, store.ErrUnavailable)

	_, err = s.writer.conn.ExecContext(ctx, "PRAGMA max_page_count = 100000")
	require.NoError(t, err)
	require.NoError(t, s.Apply(ctx, testPut("small", `{}`), testPut("large", large)))
}

// Jobs that wait together share a transaction, each decided on what the ones before it made.
func TestShared(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := openTest(t, filepath.Join(t.TempDir(), "file.db"), migrations)
	newJob := func(ctx context.Context, w store.Write) *job {
		return &job{ctx: ctx, answer: make(chan error, 1), run: func(ctx context.Context) error {
			if err := s.decide(ctx, []store.Write{w}); err != nil {
				return err
			}
			return s.write(ctx, []store.Write{w})
		}}
	}
	claim := func() store.Write { w := testPut("a", `{}`); w.Condition = store.Absent; return w }
	jobs := []*job{newJob(context.Background(), claim()), newJob(context.Background(), claim()), newJob(ctx, testPut("b", `{}`)), newJob(context.Background(), store.Delete(testKey("a"), store.Present)), newJob(context.Background(), claim())}
	s.writer.together(jobs)
	require.NoError(t, <-jobs[0].answer)
	require.True(t, store.Has(<-jobs[1].answer, testKey("a")))
	require.ErrorIs(t, <-jobs[2].answer, context.Canceled)
	require.NoError(t, <-jobs[3].answer)
	require.NoError(t, <-jobs[4].answer)
	_, err := s.Get(context.Background(), testKey("b"), store.Strong)
	require.ErrorIs(t, err, store.ErrNotFound)
}
