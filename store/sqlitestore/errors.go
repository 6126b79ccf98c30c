package sqlitestore

import (
	"context"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rhythmiq/rhythmiq/store"
)

// passing are the results that may be another one on the next try.
var passing = []int{
	sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
	sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
}

var errClosed = fmt.Errorf("sqlitestore: %w: the store is closed", store.ErrUnavailable)

// wrap makes the contract's errors of SQLite's: the end of ctx is its error, what may pass is
// store.ErrUnavailable, and the rest (a damaged file) is no kind.
func wrap(ctx context.Context, doing string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case hasCode(err, passing...):
		return fmt.Errorf("sqlitestore: %s: %w: %w", doing, store.ErrUnavailable, err)
	}
	return fmt.Errorf("sqlitestore: %s: %w", doing, err)
}
