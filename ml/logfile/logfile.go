// Package logfile moves the interaction log into files and back, for other tools, for backups, and for training elsewhere. It streams: neither side holds
// the whole. Here is the table of text, compressed; package parquetlog has the same columns in Parquet.
//
//	n, err := logfile.WriteTSV(ctx, file, logfile.Days(ctx, learning, from, to))
//	result, err := logfile.Import(ctx, learning, logfile.ReadTSV(ctx, file))
//
// What is in such a file is about people: who listens to what, and when. Whoever exports it keeps it as safe as the log.
package logfile

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
)

const day = 24 * time.Hour

// Days returns the interactions of all listeners of the UTC days from that of from to the one before that of to. They come day by day, those of one listener and
// day in order of time. It reads as [ml.Service.OfDay] does: what was logged a moment ago may be missing.
func Days(ctx context.Context, s *ml.Service, from, to time.Time) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		for t := from.UTC().Truncate(day); t.Before(to.UTC().Truncate(day)); t = t.Add(day) {
			for l, err := range s.OfDay(ctx, t) {
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

// Result says what became of the interactions that Import read.
type Result struct {
	Read    int   // interactions
	Fresh   int   // of these: were not in the log, and are now
	Gone    int   // were of profiles that are not there
	Refused int   // were such as the log does not take, for example too old
	Reason  error // why the first of the refused was
}

const mostPending = 20_000 // interactions that wait until they are enough for a batch

// Import logs interactions, in batches for each listener. It is idempotent, as [ml.Service.Log] is: after an error it is called again with the same
// interactions. An error in reading ends it; what was read before is logged.
func Import(ctx context.Context, s *ml.Service, events iter.Seq2[ml.Logged, error]) (Result, error) {
	m := importer{service: s, pending: map[uuid.UUID][]ml.Interaction{}}
	for l, err := range events {
		if err == nil {
			err = m.add(ctx, l)
		}
		if err != nil {
			// What came before is good.
			if ctx.Err() == nil {
				_ = m.flush(ctx)
			}
			return m.Result, err
		}
	}
	return m.Result, m.flush(ctx)
}

type importer struct {
	Result
	service *ml.Service
	pending map[uuid.UUID][]ml.Interaction
	waiting int
}

func (m *importer) add(ctx context.Context, l ml.Logged) error {
	m.Read++
	if err := m.service.Check([]ml.Interaction{l.Interaction}); err != nil {
		m.Refused++
		if m.Reason == nil {
			m.Reason = err
		}
		return nil
	}
	m.pending[l.ProfileID] = append(m.pending[l.ProfileID], l.Interaction)
	m.waiting++
	if len(m.pending[l.ProfileID]) == ml.MaxBatch {
		return m.log(ctx, l.ProfileID)
	}
	if m.waiting >= mostPending {
		return m.flush(ctx)
	}
	return nil
}

func (m *importer) flush(ctx context.Context) error {
	ids := make([]uuid.UUID, 0, len(m.pending))
	for id := range m.pending {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		if err := m.log(ctx, id); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *importer) log(ctx context.Context, id uuid.UUID) error {
	events := m.pending[id]
	fresh, err := m.service.Log(ctx, id, events)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		m.Gone += len(events)
	case err != nil:
		return fmt.Errorf("logfile: %w", err)
	}
	m.Fresh += len(fresh)
	m.waiting -= len(events)
	delete(m.pending, id)
	return nil
}
