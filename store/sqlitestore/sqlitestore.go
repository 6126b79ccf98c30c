// Package sqlitestore keeps a [store.Store] in one SQLite file, for a host on one machine. It
// is pure Go (modernc.org/sqlite). It is not for files on a network drive, whose locks SQLite cannot trust.
//
//	s, err := sqlitestore.Open(ctx, "rhythmiq.db", nil)
//	…
//	defer s.Close()
//
// # Durability
//
// An acknowledged write survives the death of the process at any moment, and a loss of power as far as the disk keeps
// what it has confirmed: the file is in WAL mode with synchronous=FULL, so that each commit waits for
// the disk. Applies that wait at the same time share one commit.
//
// # The file
//
// Each of the store's tables is one of the file's, readable with the sqlite3 shell. A file is made with permissions 0600. PRAGMA application_id
// says that it is ours and PRAGMA user_version which format it has: a file of
// another program or of a newer format is refused and left as it is, an older one is brought up to date when it is opened.
// Several processes may have it open; they wait for each other's commits. While it is open, files ending in -wal
// and -shm belong to it: to copy it, close it first or use VACUUM INTO.
//
// Expired items are absent at once and leave the file by [Store.Sweep].
//
// # What was deleted
//
// What was deleted or replaced is overwritten with zeros in the file. Copies of it are in the log beside the file until that is written into the file: after [Store.Scrub], which
// RhythmIQ calls when a profile is deleted, an account unlinked or a consent ended, nothing of it is left; otherwise after the next Sweep, Close, or about 4 MB of
// writes. (What the disk and the file system keep by themselves, such as snapshots, nobody here can reach.) A file that was made before RhythmIQ did so may have remains in its free pages: VACUUM it once.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// Options of a Store; nil and the zero value are fine.
type Options struct {
	Now     func() time.Time // the clock that expiry goes by; nil means time.Now
	Readers int              // connections for reading; 0 means one a processor and at least 4
}

// leastReaders is how many can read at once on a small machine: readers wait for the disk too.
const leastReaders = 4

// Store is a store in a SQLite file. Make one with [Open] and end it with [Store.Close].
type Store struct {
	now     func() time.Time
	reading *sql.DB
	read    map[store.Table]reads
	writer  *writer
	close   func() error

	gate   sync.RWMutex // held by reads, so that Close waits for them
	closed bool
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Sweeper = (*Store)(nil)
	_ store.Closer  = (*Store)(nil)
	_ store.Bulker  = (*Store)(nil)
	_ store.Scanner = (*Store)(nil)

	_ store.Scrubber = (*Store)(nil)
)

// Errors of Open.
var (
	ErrNotOurs = errors.New("is not a file of RhythmIQ's")
	ErrNewer   = errors.New("was written by a newer RhythmIQ")
)

// Open opens the file at path, or makes it where there is none. Its errors name the path; see [ErrNotOurs] and [ErrNewer].
func Open(ctx context.Context, path string, o *Options) (*Store, error) {
	s, err := open(ctx, path, o, migrations)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o *Options, steps []string) (_ *Store, err error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{now: o.Now, read: map[store.Table]reads{}}
	if s.now == nil {
		s.now = time.Now
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	prepared, err := prepareFile(ctx, path, steps)
	if err != nil {
		return nil, err
	}
	s.writer, err = startWriter(ctx, path)
	if err = errors.Join(err, prepared.Close()); err != nil {
		if s.writer != nil {
			err = errors.Join(err, s.writer.stop()) //nolint:contextcheck // what is in the log is seen to, whatever has ended
		}
		return nil, err
	}
	readers := o.Readers
	if readers <= 0 {
		readers = max(leastReaders, runtime.GOMAXPROCS(0))
	}
	s.reading, err = sql.Open(driver, source(path, readerPragmas))
	if err == nil {
		s.reading.SetMaxOpenConns(readers)
		s.reading.SetMaxIdleConns(readers)
		for _, t := range store.Tables() {
			if s.read[t], err = prepareReads(ctx, s.reading, t); err != nil {
				break
			}
		}
	}
	s.close = sync.OnceValue(s.shut)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// Close waits for running calls, and leaves one complete file behind if nobody else has it open. Calls during and after it
// get [store.ErrUnavailable]. Closing twice is fine.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.closed = true
	var err error
	if s.reading != nil {
		err = s.reading.Close()
	}
	if err = errors.Join(err, s.writer.stop()); err != nil {
		return fmt.Errorf("sqlitestore: close: %w", err)
	}
	return nil
}
