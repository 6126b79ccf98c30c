package sqlitestore_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

const (
	benchItems = 10_000
	benchBody  = `{"email":"listener@example.com","username":"listener","created":"2026-01-01T00:00:00Z","language":"en","region":"DE","phone":"+4915112345678","preferences":{"explicit":false}}`
)

func benchPartition(n int) (p store.Partition) {
	binary.BigEndian.PutUint64(p[8:], uint64(n)*0x9E3779B97F4A7C15)
	return p
}

func benchKey(n int) store.Key {
	return store.Key{Table: store.Users, Partition: benchPartition(n), Sort: "profile"}
}

func benchPut(n int) store.Write {
	return store.Put(store.Item{Key: benchKey(n), Body: []byte(benchBody)}, store.None)
}

func benchStore(b *testing.B) *sqlitestore.Store {
	b.Helper()
	s, err := sqlitestore.Open(context.Background(), filepath.Join(b.TempDir(), "bench.db"), nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// bare is what one writes without a store: the same settings, the same table, one prepared statement.
func bare(b *testing.B) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "bare.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	_, err = db.ExecContext(context.Background(), "CREATE TABLE users (partition BLOB NOT NULL, sort TEXT NOT NULL, version BLOB NOT NULL, body TEXT NOT NULL, PRIMARY KEY (partition, sort)) STRICT, WITHOUT ROWID")
	require.NoError(b, err)
	return db
}

func prepare(b *testing.B, db *sql.DB, statement string) *sql.Stmt {
	b.Helper()
	s, err := db.PrepareContext(context.Background(), statement)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func bareApply(insert *sql.Stmt, n int) error {
	k, v := benchKey(n), store.NewVersion()
	_, err := insert.ExecContext(context.Background(), k.Partition[:], k.Sort, v[:], benchBody)
	return err
}

const bareInsert = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)"

func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	b.Run("bare SQL", func(b *testing.B) {
		db := bare(b)
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(b, err)
		for n := range benchItems {
			k, v := benchKey(n), store.NewVersion()
			_, err := tx.ExecContext(ctx, bareInsert, k.Partition[:], k.Sort, v[:], benchBody)
			require.NoError(b, err)
		}
		require.NoError(b, tx.Commit())
		get := prepare(b, db, "SELECT version, body FROM users WHERE partition = ? AND sort = ?") //nolint:sqlclosecheck // prepare does
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			k := benchKey(n % benchItems)
			var version, body []byte
			if err := get.QueryRowContext(ctx, k.Partition[:], k.Sort).Scan(&version, &body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sqlitestore", func(b *testing.B) {
		s := benchStore(b)
		writes := make([]store.Write, benchItems)
		for n := range writes {
			writes[n] = benchPut(n)
		}
		require.NoError(b, store.Bulk(ctx, s, writes...))
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := s.Get(ctx, benchKey(n%benchItems), store.Strong); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One writer at a time, then 16: there a shared commit pays.
func BenchmarkApply(b *testing.B) {
	ctx := context.Background()
	for _, writers := range []struct {
		name  string
		times int
	}{{"1 writer", 0}, {"16 writers", 8}} {
		run := func(b *testing.B, apply func(n int) error) {
			b.Helper()
			b.ReportAllocs()
			if writers.times == 0 {
				for n := 0; b.Loop(); n++ {
					if err := apply(n); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			var n atomic.Int64
			b.SetParallelism(writers.times) // times the number of processors
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := apply(int(n.Add(1))); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		b.Run(writers.name+"/bare SQL", func(b *testing.B) {
			db := bare(b)
			db.SetMaxOpenConns(1)
			insert := prepare(b, db, bareInsert)
			run(b, func(n int) error { return bareApply(insert, n) })
		})
		b.Run(writers.name+"/sqlitestore", func(b *testing.B) {
			s := benchStore(b)
			run(b, func(n int) error { return s.Apply(ctx, benchPut(n)) })
		})
	}
}

// Many rows, as interactions come.
func BenchmarkBulk(b *testing.B) {
	ctx := context.Background()
	s := benchStore(b)
	writes := make([]store.Write, 1000)
	round := 0
	for b.Loop() {
		for n := range writes {
			writes[n] = benchPut(round*len(writes) + n)
		}
		round++
		if err := store.Bulk(ctx, s, writes...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(round*len(writes)), "ns/write")
}

// What it costs that nothing remains of what is replaced: the same writes with SQLite's own settings, which overwrite nothing, and with a Scrub after each hundredth
// and after each.
func BenchmarkReplace(b *testing.B) {
	ctx := context.Background()
	const some = 1000
	b.Run("bare SQL", func(b *testing.B) {
		db := bare(b)
		db.SetMaxOpenConns(1)
		insert := prepare(b, db, bareInsert)
		for n := 0; b.Loop(); n++ {
			if err := bareApply(insert, n%some); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, every := range []int{0, 100, 1} {
		b.Run(fmt.Sprintf("sqlitestore, scrubbed every %d", every), func(b *testing.B) {
			s := benchStore(b)
			for n := 0; b.Loop(); n++ {
				if err := s.Apply(ctx, benchPut(n%some)); err != nil {
					b.Fatal(err)
				}
				if every > 0 && n%every == 0 {
					if err := s.Scrub(ctx); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
