package ml

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Retention is how long an interaction is kept.
const Retention = 90 * day

// MaxBatch is how many interactions one Log takes.
const MaxBatch = 500

const (
	// reuseWindow is how far before and after an event the log is searched for its id.
	reuseWindow = time.Hour
	// rowsPage is how many rows of a listener's are read at a time: most readers want the newest few hundred.
	rowsPage = 250
)

// Log keeps interactions (at most MaxBatch, checked) and returns those that were not in the log before, in the order given.
// A profile that does not exist, or goes while Log runs, is not found.
//
// It is idempotent by event id: an event that is in the batch or in the log already is not kept twice. An id that stands for
// another event already is a conflict that names each, and nothing is kept. The log is ordered by time and not by id, so an
// id that comes again with a different time is recognized only if the two times are at most an hour apart, or both are in the
// batch; otherwise they are two events. Two concurrent Logs of the same event may both return it as new; the log
// keeps it once.
//
// After any error other than invalid, conflict and not found, some events may have been kept; logging the same events again
// adds the missing ones. That second call returns only those, so a caller that must act on each event has to go by the
// events it gave and not by what is returned.
func (s *Service) Log(ctx context.Context, profileID uuid.UUID, events []Interaction) (fresh []Interaction, err error) {
	fresh, _, err = s.LogGuarded(ctx, profileID, events, Guard{})
	return fresh, err
}

// Guard is under what events about some tracks are kept: in every Apply that keeps one are Writes, which fail once they may no longer be. Until they
// do, they must also fail once the profile is being deleted, before its log is.
type Guard struct {
	Tracks map[string]bool
	Writes []store.Write
}

// LogGuarded is [Service.Log] where events about some tracks are kept under a guard. Where a write of it fails kept is false: then none of those is kept
// any more, and all others are. However the call ends, nothing is left that was written after the guard has ended.
func (s *Service) LogGuarded(ctx context.Context, profileID uuid.UUID, events []Interaction, g Guard) (fresh []Interaction, kept bool, err error) {
	done := observe.Start(ctx, s.observer, "ml.log")
	defer func() {
		done(err, observe.Value{Name: "events", Number: float64(len(events))}, observe.Value{Name: "fresh", Number: float64(len(fresh))})
	}()
	if err := s.Check(events); err != nil {
		return nil, false, err
	}
	events = storable(events)
	known, err := s.around(ctx, profileID, events)
	if err != nil {
		return nil, false, err
	}
	// The gate is asked for once: after writing, which would not do before, or where there is nothing to write.
	if fresh, err = notIn(known, events); err != nil {
		return nil, false, err
	}
	guarded, free := g.part(fresh)
	if kept, err = s.keepGuarded(ctx, profileID, guarded, g.Writes); err != nil {
		return nil, false, err
	}
	if !kept {
		fresh = free
	}
	if len(free) == 0 {
		err = profile.CheckOpen(ctx, s.store, profileID)
	} else {
		err = s.keep(ctx, profileID, free)
	}
	if err != nil {
		return nil, false, err
	}
	for i := range s.logged {
		s.logged[i].Add(int64(len(fresh)))
	}
	return fresh, kept, nil
}

// part separates the events that are guarded from the others.
func (g Guard) part(events []Interaction) (guarded, free []Interaction) {
	if len(g.Tracks) == 0 {
		return nil, events
	}
	for _, e := range events {
		if g.Tracks[e.TrackID] {
			guarded = append(guarded, e)
		} else {
			free = append(free, e)
		}
	}
	return guarded, free
}

// keepGuarded writes events, a part at a time, each with the guard; false where that has ended.
func (s *Service) keepGuarded(ctx context.Context, profileID uuid.UUID, events []Interaction, guard []store.Write) (bool, error) {
	writes, err := rowsOf(profileID, events)
	if err != nil {
		return false, err
	}
	for some := range slices.Chunk(writes, store.MaxWrites-len(guard)) {
		err := store.Settle(ctx, s.store, slices.Concat(some, guard)...)
		switch {
		case slices.ContainsFunc(guard, func(w store.Write) bool { return store.Has(err, w.Key) }):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// rowsOf are the writes that put events into the log.
func rowsOf(profileID uuid.UUID, events []Interaction) ([]store.Write, error) {
	writes := make([]store.Write, len(events))
	for i, e := range events {
		item, err := Logged{ProfileID: profileID, Interaction: e}.row()
		if err != nil {
			return nil, err
		}
		writes[i] = store.Put(item, store.None)
	}
	return writes, nil
}

// loggedFor returns where what is kept is counted for a kind of models.
func (s *Service) loggedFor(kind ModelKind) *atomic.Int64 {
	if kind == OfSituations {
		return &s.logged[1]
	}
	return &s.logged[0]
}

// storable returns events as the log can hold them, so that an event given again is the same as the one in the log.
func storable(events []Interaction) []Interaction {
	events = slices.Clone(events)
	for i := range events {
		if p := events[i].PositionSeconds; p != nil {
			position := store.Number(*p)
			events[i].PositionSeconds = &position
		}
	}
	return events
}

// around returns what the log holds under the events' ids near their times. The stretches of time that are read are joined
// where they overlap: a batch from one session costs one listing, and a batch spread over months does not read the whole log.
func (s *Service) around(ctx context.Context, profileID uuid.UUID, events []Interaction) (map[uuid.UUID]Interaction, error) {
	given := make(map[uuid.UUID]*Interaction, len(events))
	times := make([]time.Time, len(events))
	for i := range events {
		given[events[i].EventID], times[i] = &events[i], events[i].At
	}
	slices.SortFunc(times, time.Time.Compare)
	known := map[uuid.UUID]Interaction{}
	for len(times) > 0 {
		n := 1
		for n < len(times) && times[n].Sub(times[n-1]) <= 2*reuseWindow {
			n++
		}
		for l, err := range s.rows(ctx, profileID, times[0].Add(-reuseWindow), times[n-1].Add(reuseWindow+1), false) {
			if err != nil {
				return nil, err
			}
			if g := given[l.EventID]; g != nil {
				// An id that a race put there twice is known by the row that is the event given.
				if old, dup := known[l.EventID]; !dup || !old.same(g) {
					known[l.EventID] = l
				}
			}
		}
		times = times[n:]
	}
	return known, nil
}

// notIn returns those events that are not known, each once, or a conflict that names those whose id stands for another.
func notIn(known map[uuid.UUID]Interaction, events []Interaction) ([]Interaction, error) {
	var (
		fresh  []Interaction
		taken  fault.Fields
		before = make(map[uuid.UUID]*Interaction, len(events))
	)
	for i := range events {
		e := &events[i]
		k, isKnown := known[e.EventID]
		b := before[e.EventID]
		switch {
		case isKnown && !k.same(e), b != nil && !b.same(e):
			taken.Add(fmt.Sprintf("events[%d].eventId", i), "Event ID already stands for another event")
		case !isKnown && b == nil:
			fresh = append(fresh, *e)
		}
		before[e.EventID] = e
	}
	if len(taken) > 0 {
		return nil, &fault.Error{Kind: fault.Conflict, Message: "An event ID already stands for another event", Fields: taken}
	}
	return fresh, nil
}

// keep writes events, and takes them back if the profile is gone by then: a row that is written after the profile's rows
// were wiped would stay until it expires.
func (s *Service) keep(ctx context.Context, profileID uuid.UUID, events []Interaction) error {
	writes, err := rowsOf(profileID, events)
	if err != nil {
		return err
	}
	open, err := store.BulkWhile(ctx, s.store, writes, func(ctx context.Context) (bool, error) {
		return profile.Open(ctx, s.store, profileID)
	})
	if err == nil && !open {
		return profile.ErrNotFound
	}
	return err
}

// Interactions returns a listener's interactions in order of time, from ≤ At < to; zero times for no bound; newest first where
// descending. It sees all that was logged before.
func (s *Service) Interactions(ctx context.Context, profileID uuid.UUID, from, to time.Time, descending bool) iter.Seq2[Interaction, error] {
	return s.rows(ctx, profileID, from, to, descending)
}

// Recent returns a listener's newest interactions, newest first, at most n of them (1 to [store.MaxPage]). It reads eventually, which costs half: those
// of a moment ago may be missing.
func (s *Service) Recent(ctx context.Context, profileID uuid.UUID, n int) iter.Seq2[Interaction, error] {
	q := store.Query{Table: store.Interactions, Partition: profileID, Prefix: eventPrefix, Descending: true, Limit: n}
	return func(yield func(Interaction, error) bool) {
		left := n
		for l, err := range s.read(ctx, q) {
			if !yield(l.Interaction, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func (s *Service) rows(ctx context.Context, profileID uuid.UUID, from, to time.Time, descending bool) iter.Seq2[Interaction, error] {
	q := store.Query{
		Table: store.Interactions, Partition: profileID, Prefix: eventPrefix,
		Descending: descending, Limit: rowsPage, Read: store.Strong,
	}
	if !from.IsZero() {
		q.From = eventPrefix + timeKey(from)
	}
	if !to.IsZero() {
		q.To = eventPrefix + timeKey(to)
	}
	return func(yield func(Interaction, error) bool) {
		for l, err := range s.read(ctx, q) {
			if !yield(l.Interaction, err) {
				return
			}
		}
	}
}

// OfDay returns the interactions of all listeners on the UTC day of t, as they stand in the index, which may be a
// moment behind. Those of one listener are in order of time. It is for counting and training, which must first ask whether the
// tracks may be learned from (see [Item]).
func (s *Service) OfDay(ctx context.Context, t time.Time) iter.Seq2[Logged, error] {
	return func(yield func(Logged, error) bool) {
		for shard := range dayShards {
			for l, err := range s.shardOfDay(ctx, t, shard) {
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s *Service) shardOfDay(ctx context.Context, t time.Time, shard int) iter.Seq2[Logged, error] {
	return s.read(ctx, store.Query{
		Table: store.Interactions, Partition: dayPartition(t, shard), ByIndex: true, Limit: store.MaxPage,
	})
}

// read lists and decodes. The first error ends it.
func (s *Service) read(ctx context.Context, q store.Query) iter.Seq2[Logged, error] {
	return func(yield func(Logged, error) bool) {
		for item, err := range store.All(ctx, s.store, q) {
			var l Logged
			if err == nil {
				l, err = readRow(item)
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// Forget deletes from a listener's log what was told of those of their tracks that which returns (at most 250 are asked for at once). It can be called again
// after a failure.
func (s *Service) Forget(ctx context.Context, profileID uuid.UUID, which func(ctx context.Context, trackIDs []string) (map[string]bool, error)) error {
	q := store.Query{Table: store.Interactions, Partition: profileID, Prefix: eventPrefix, Limit: rowsPage, Read: store.Strong}
	for {
		page, err := s.store.List(ctx, q)
		if err != nil {
			return err
		}
		tracks := make([]string, len(page.Items))
		for i, item := range page.Items {
			l, err := readRow(item)
			if err != nil {
				return err
			}
			tracks[i] = l.TrackID
		}
		unwanted, err := which(ctx, slices.Compact(slices.Sorted(slices.Values(tracks))))
		if err != nil {
			return err
		}
		var writes []store.Write
		for i, item := range page.Items {
			if unwanted[tracks[i]] {
				writes = append(writes, store.Delete(item.Key, store.None))
			}
		}
		if err := store.Bulk(ctx, s.store, writes...); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

// skipWindow is how many of a listener's newest interactions the average time to skip is taken from.
const skipWindow = 500

// AverageSkipSeconds is the listener's average time to skip, in seconds, and from how many skips: those whose position is
// known among the newest 500 interactions. Internal, not served.
func (s *Service) AverageSkipSeconds(ctx context.Context, profileID uuid.UUID) (seconds float64, n int, err error) {
	seen, sum := 0, 0.0
	for i, err := range s.Interactions(ctx, profileID, time.Time{}, time.Time{}, true) {
		if err != nil {
			return 0, 0, err
		}
		if i.Action == Skip && i.PositionSeconds != nil {
			sum += *i.PositionSeconds
			n++
		}
		if seen++; seen == skipWindow {
			break
		}
	}
	if n == 0 {
		return 0, 0, nil
	}
	return sum / float64(n), n, nil
}
