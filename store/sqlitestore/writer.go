package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"github.com/rhythmiq/rhythmiq/store"
)

// writer is the one goroutine that writes. It takes all changes that are waiting into one transaction, so that they
// share one wait for the disk; each is decided on what the ones before it have made.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn
	begin    *sql.Stmt
	commit   *sql.Stmt
	rollback *sql.Stmt
	page     *sql.Stmt
	setPage  *sql.Stmt
	tables   map[store.Table]changes
	prepared []*sql.Stmt // all of them
	log      string      // the path of the file's log
	longest  int64       // length of the log from which it is written into the file
	vacuums  bool        // the file has pages of a kind that scrubbing does not know

	jobs    chan *job
	closing chan struct{}
	done    sync.WaitGroup
}

const (
	versionQuery    = "SELECT version, expires FROM TABLE_NAME WHERE partition = ?1 AND sort = ?2"
	putStatement    = "INSERT OR REPLACE INTO TABLE_NAME (" + columns + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	removeStatement = "DELETE FROM TABLE_NAME WHERE partition = ?1 AND sort = ?2"
	sweepStatement  = "DELETE FROM TABLE_NAME WHERE (partition, sort) IN (SELECT partition, sort FROM TABLE_NAME WHERE expires > 0 AND expires <= ?1 LIMIT ?2)"
)

// changes are the prepared statements of one table.
type changes struct{ version, put, remove, sweep *sql.Stmt }

// job is one change that is made as a whole.
type job struct {
	ctx    context.Context             //nolint:containedctx // the caller's, looked at before its turn
	weight int                         // writes in it
	run    func(context.Context) error // nil: scrub
	answer chan error                  // holds one
}

const (
	maxShared  = 1000 // writes in one transaction, unless a single job has more
	sweepStep  = 500  // expired items that a sweep deletes in one job
	bulkWrites = 1000 // writes in one job of Bulk …
	bulkBytes  = 4 << 20
)

// refused is the answer to a job that changed nothing; any other error undoes the whole transaction.
type refused struct{ error }

func startWriter(ctx context.Context, path string) (_ *writer, err error) {
	w := &writer{tables: map[store.Table]changes{}, jobs: make(chan *job), closing: make(chan struct{}), log: path + "-wal", longest: longestLog}
	if w.db, err = sql.Open(driver, source(path, writerPragmas)); err != nil {
		return nil, err
	}
	w.db.SetMaxOpenConns(1)
	if err := w.prepare(ctx); err != nil {
		return nil, errors.Join(err, w.release())
	}
	w.done.Go(w.work)
	return w, nil
}

func (w *writer) prepare(ctx context.Context) (err error) {
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	type statement struct {
		to   **sql.Stmt
		text string
	}
	all := []statement{{&w.begin, "BEGIN IMMEDIATE"}, {&w.commit, "COMMIT"}, {&w.rollback, "ROLLBACK"}, {&w.page, pageQuery}, {&w.setPage, pageStatement}}
	made := map[store.Table]*changes{}
	for _, t := range store.Tables() {
		c := &changes{}
		made[t] = c
		all = append(all,
			statement{&c.version, on(t, versionQuery)},
			statement{&c.put, on(t, putStatement)},
			statement{&c.remove, on(t, removeStatement)},
			statement{&c.sweep, on(t, sweepStatement)},
		)
	}
	for _, s := range all {
		if *s.to, err = w.conn.PrepareContext(ctx, s.text); err != nil { //nolint:sqlclosecheck // release does
			return err
		}
		w.prepared = append(w.prepared, *s.to)
	}
	for t, c := range made {
		w.tables[t] = *c
	}
	return w.conn.QueryRowContext(ctx, vacuumQuery).Scan(&w.vacuums)
}

// stop waits until the running transaction has ended. It scrubs, as far as that can be.
func (w *writer) stop() error {
	close(w.closing)
	w.done.Wait()
	w.longest = 0
	w.shorten(context.Background())
	return w.release()
}

// release closes the connection. Its statements come first: while one is open SQLite keeps the file open, and the files beside it.
func (w *writer) release() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}

// do has run made as one change, and waits for it or for the end of ctx. What run uses must not change after do
// returned, for it may still be running.
func (w *writer) do(ctx context.Context, weight int, run func(context.Context) error) error {
	j := &job{ctx: ctx, weight: weight, run: run, answer: make(chan error, 1)}
	select {
	case w.jobs <- j:
	case <-w.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) work() {
	for {
		select {
		case j := <-w.jobs:
			w.together(w.waiting(j))
		case <-w.closing:
			return
		}
	}
}

// waiting returns first and the jobs that wait behind it, as many as fit into a transaction.
func (w *writer) waiting(first *job) []*job {
	jobs, weight := []*job{first}, first.weight
	for weight < maxShared {
		select {
		case j := <-w.jobs:
			jobs, weight = append(jobs, j), weight+j.weight
		default:
			return jobs
		}
	}
	return jobs
}

// together makes jobs in one transaction and answers each, and then scrubs if that is asked for, once for all. If the transaction fails, a job that was refused gets
// its error too: what it was refused for may have been undone.
func (w *writer) together(jobs []*job) {
	var scrubs []*job
	jobs = slices.DeleteFunc(jobs, func(j *job) bool {
		if j.run == nil {
			scrubs = append(scrubs, j)
		}
		return j.run == nil
	})
	if len(jobs) > 0 {
		refusals, err := w.transact(jobs)
		for i, j := range jobs {
			if err != nil {
				j.answer <- err
			} else {
				j.answer <- refusals[i]
			}
		}
	}
	if len(scrubs) > 0 {
		err := w.scrub(context.Background())
		for _, j := range scrubs {
			j.answer <- err
		}
	}
	w.shorten(context.Background())
}

// transact returns for each job why it changed nothing, if so, or the error that undid all of them. It does not stop
// in the middle for anybody's context, since the transaction is many callers'.
func (w *writer) transact(jobs []*job) ([]error, error) {
	ctx := context.Background()
	refusals := make([]error, len(jobs))
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return nil, w.undo(ctx, wrap(ctx, "begin", err)) // an earlier rollback may have failed
	}
	for i, j := range jobs {
		if refusals[i] = j.ctx.Err(); refusals[i] != nil {
			continue
		}
		err := j.run(ctx)
		if no, ok := err.(refused); ok { //nolint:errorlint // never wrapped
			refusals[i] = no.error
		} else if err != nil {
			return nil, w.undo(ctx, wrap(ctx, "write", err))
		}
	}
	if _, err := w.commit.ExecContext(ctx); err != nil {
		return nil, w.undo(ctx, wrap(ctx, "commit", err))
	}
	return refusals, nil
}

// undo rolls back, after some errors in vain since SQLite has done so itself, and returns err.
func (w *writer) undo(ctx context.Context, err error) error {
	_, _ = w.rollback.ExecContext(ctx)
	return err
}
