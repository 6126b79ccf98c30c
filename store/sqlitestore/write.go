package sqlitestore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/rhythmiq/rhythmiq/store"
)

// Apply implements [store.Store].
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	writes = own(writes)
	return s.writer.do(ctx, len(writes), func(ctx context.Context) error {
		if err := s.decide(ctx, writes); err != nil {
			return err
		}
		return s.write(ctx, writes)
	})
}

// Bulk implements [store.Bulker]: transactions larger than an Apply.
func (s *Store) Bulk(ctx context.Context, writes []store.Write) error {
	for len(writes) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, size := 0, 0
		for n < min(len(writes), bulkWrites) && size < bulkBytes {
			size += len(writes[n].Body)
			n++
		}
		step := own(writes[:n])
		writes = writes[n:]
		if err := s.writer.do(ctx, n, func(ctx context.Context) error { return s.write(ctx, step) }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// own copies writes, since the caller may change them as soon as its context has ended.
func own(writes []store.Write) []store.Write {
	owned := make([]store.Write, len(writes))
	for i, w := range writes {
		owned[i] = w
		owned[i].Body = bytes.Clone(w.Body)
		if w.Index != nil {
			x := *w.Index
			owned[i].Index = &x
		}
	}
	return owned
}

// decide is store.Decide on the state inside of the transaction.
func (s *Store) decide(ctx context.Context, writes []store.Write) error {
	if unconditional(writes) {
		return nil
	}
	now := s.now().Unix()
	var failed error
	conflict := store.Decide(writes, func(k store.Key) (v store.Version, present bool) {
		var (
			version []byte
			expires int64
		)
		err := s.writer.tables[k.Table].version.QueryRowContext(ctx, k.Partition[:], k.Sort).Scan(&version, &expires)
		if err != nil {
			if !errors.Is(err, sql.ErrNoRows) {
				failed = err
			}
			return v, false
		}
		copy(v[:], version)
		return v, expires == 0 || expires > now
	})
	if failed != nil {
		return failed
	}
	if conflict != nil {
		return refused{conflict}
	}
	return nil
}

func unconditional(writes []store.Write) bool {
	for i := range writes {
		if writes[i].Condition != store.None {
			return false
		}
	}
	return true
}

// write makes writes whose conditions hold.
func (s *Store) write(ctx context.Context, writes []store.Write) error {
	for i := range writes {
		w := &writes[i]
		if err := s.writeOne(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeOne(ctx context.Context, w *store.Write) error {
	t := s.writer.tables[w.Key.Table]
	if w.Delete {
		_, err := t.remove.ExecContext(ctx, w.Key.Partition[:], w.Key.Sort)
		return err
	}
	var expires int64
	if !w.ExpiresAt.IsZero() {
		expires = w.ExpiresAt.Unix()
	}
	var indexPartition, indexSort any
	if w.Index != nil {
		indexPartition, indexSort = w.Index.Partition[:], w.Index.Sort
	}
	_, err := t.put.ExecContext(ctx, w.Key.Partition[:], w.Key.Sort, w.Version[:], expires, indexPartition, indexSort, string(w.Body))
	return err
}

// Sweep implements [store.Sweeper]. Other writes get their turn between its steps. It ends with a [Store.Scrub].
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	for _, t := range store.Tables() {
		for {
			if err := ctx.Err(); err != nil {
				return total, err
			}
			n, err := s.sweepStep(ctx, t)
			total += n
			if err != nil {
				return total, err
			}
			if n < sweepStep {
				break
			}
		}
	}
	return total, s.Scrub(ctx)
}

func (s *Store) sweepStep(ctx context.Context, t store.Table) (int, error) {
	swept := make(chan int, 1) // the job may outlive this call
	err := s.writer.do(ctx, sweepStep, func(ctx context.Context) error {
		r, err := s.writer.tables[t].sweep.ExecContext(ctx, s.now().Unix(), sweepStep)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		swept <- int(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-swept, nil
}
