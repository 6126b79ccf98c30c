package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rhythmiq/rhythmiq/store"
)

const driver = "sqlite"

// applicationID is "RhIQ" in ASCII, at byte 68 of the file.
const applicationID = 0x52684951

// How connections are set up. A writer waits for the disk at each commit, and 5 s for other processes. fullfsync is for macOS, where fsync
// alone does not reach the disk. secure_delete and wal_autocheckpoint are explained in scrub.go.
var (
	waitPragma    = []string{"busy_timeout(5000)"}
	writerPragmas = append(waitPragma[:1:1], "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "secure_delete(1)", "wal_autocheckpoint(0)")
	readerPragmas = append(waitPragma[:1:1], "query_only(1)")
)

// source returns the name under which the driver opens path. mode=rw: only prepareFile makes files.
func source(path string, pragmas []string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/…
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: url.Values{"_pragma": pragmas, "mode": {"rw"}, "_error_rc": {"1"}}.Encode()}
	return u.String()
}

// prepareFile makes the file or brings it up to date. It changes no file that is not ours. What it returns is to be closed once there is another connection:
// the last one that is closed writes the log into the file, which is not to happen before the writer has seen to what is in it.
func prepareFile(ctx context.Context, path string, steps []string) (io.Closer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, err
	}
	db, err := sql.Open(driver, source(path, waitPragma))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db, steps); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// makeFile makes an empty file where there is none and sees to it that its name survives a loss of power.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the host says where
	if errors.Is(err, os.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // for a clear error, which SQLite's is not
	}
	if err != nil {
		return pathless(err)
	}
	err = f.Close()
	if dir, e := os.Open(filepath.Dir(path)); e == nil {
		_ = dir.Sync() // not every system can
		_ = dir.Close()
	}
	return pathless(err)
}

// pathless takes the path out of an error; Open says it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

// migrations[i] leads from format i to format i+1. A step that has been released is never changed.
//
// Partition and sort key are the primary key and the order on disk. TEXT is compared by its bytes. expires is
// in Unix seconds, 0 for never.
var migrations = []string{onEach(`
	CREATE TABLE TABLE_NAME (
		partition       BLOB NOT NULL,
		sort            TEXT NOT NULL,
		version         BLOB NOT NULL,
		expires         INTEGER NOT NULL,
		index_partition BLOB,
		index_sort      TEXT,
		body            TEXT NOT NULL,
		PRIMARY KEY (partition, sort)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX TABLE_NAME_index ON TABLE_NAME (index_partition, index_sort, partition, sort) WHERE index_partition IS NOT NULL;
	CREATE INDEX TABLE_NAME_expires ON TABLE_NAME (expires) WHERE expires > 0;
`, "users", "interactions", "models")}

// onEach repeats statements for some tables. They are named, since a step must stay the same when a table is added.
func onEach(statements string, tables ...store.Table) string {
	var all strings.Builder
	for _, t := range tables {
		all.WriteString(on(t, statements))
	}
	return all.String()
}

// migrate takes the steps from the file's format to the newest one, each in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB, steps []string) error {
	for {
		format, err := formatOf(ctx, db)
		switch {
		case err != nil:
			return err
		case format > len(steps):
			return fmt.Errorf("%w: its format is %d, this program knows up to %d", ErrNewer, format, len(steps))
		case format == len(steps):
			return nil
		}
		if err := takeStep(ctx, db, steps[format], format); err != nil {
			return err
		}
	}
}

// takeStep leads from a format to the next, unless another process was quicker.
func takeStep(ctx context.Context, db *sql.DB, step string, format int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // back to the pool
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	end := "ROLLBACK"
	var now int
	if err = conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err == nil && now == format {
		_, err = conn.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", step, applicationID, format+1))
		if err == nil {
			end = "COMMIT"
		}
	}
	_, e := conn.ExecContext(context.WithoutCancel(ctx), end)
	return errors.Join(err, e)
}

const formatQuery = `SELECT
	(SELECT application_id FROM pragma_application_id),
	(SELECT user_version FROM pragma_user_version),
	(SELECT count(*) FROM sqlite_schema)`

// formatOf returns the file's format, 0 for an empty file, and an error if it is not ours.
func formatOf(ctx context.Context, db *sql.DB) (format int, err error) {
	var id, objects int
	err = db.QueryRowContext(ctx, formatQuery).Scan(&id, &format, &objects)
	if hasCode(err, sqlite3.SQLITE_NOTADB) {
		return 0, fmt.Errorf("%w: no SQLite database", ErrNotOurs)
	}
	if err != nil {
		return 0, err
	}
	if id != applicationID && (id != 0 || format != 0 || objects != 0) {
		return 0, fmt.Errorf("%w: its application id is %#x", ErrNotOurs, uint32(id))
	}
	return format, nil
}

// hasCode reports whether err is SQLite's with one of the primary result codes.
func hasCode(err error, codes ...int) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code()&0xff == code {
			return true
		}
	}
	return false
}
