package variable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/store"
)

// readingRecord is a reading as stored.
type readingRecord struct {
	At      int64        `json:"at"` // milliseconds since 1970
	Value   float64      `json:"value"`
	Place   *Coordinates `json:"place,omitempty"` // the center of a cell, never what was sent
	Cadence *float64     `json:"cadence,omitempty"`
	Vector  uuid.UUID    `json:"vector,omitzero"`
}

const (
	readingPrefix = "reading#"
	readingTime   = "2006-01-02T15:04:05.000Z" // in UTC, all of the same length, so that it sorts
	suffixBytes   = 8
)

// timeSort returns the lower bound of the sort keys of readings at t and later.
func timeSort(t time.Time) string { return readingPrefix + t.UTC().Format(readingTime) }

// Record stores readings, 1 to [MaxBatch]. If one of them is wrong, none is stored, and the error names every wrong field.
// After an error of the store some may be stored: recording all of them again adds the missing ones, and doubles none that
// has an At, since readings with the same time and values are one. Coordinates are coarsened before they are stored
// or passed on.
//
// It is a conflict where the variable is not opted into, also if it was opted out of meanwhile; nothing is kept then.
func (s *Service) Record(ctx context.Context, profileID, id uuid.UUID, readings []Reading) (err error) {
	defer observe.Watch(ctx, s.observer, "variable.record", observe.Value{Name: "readings", Number: float64(len(readings))})(&err)
	v, err := s.Get(ctx, profileID, id)
	if err != nil {
		return err
	}
	now := s.stamp()
	if err := checkReadings(v, readings, now); err != nil {
		return err
	}
	if !v.OptedIn {
		return errNotOptedIn
	}
	kept := make([]Reading, len(readings))
	writes := make([]store.Write, len(readings))
	for i, r := range readings {
		kept[i] = keep(r, now)
		item, err := itemOfReading(v, kept[i])
		if err != nil {
			return err
		}
		writes[i] = store.Put(item, store.None)
	}
	if err := s.write(ctx, profileID, v, writes); err != nil {
		return err
	}
	return s.hook(ctx, Change{ProfileID: profileID, Variable: v, Readings: kept})
}

// RecordJSON parses a request body as [ParseReadings] does, records the readings as [Service.Record] does, and returns how many
// there were. Its errors name fields as they stand in the body.
func (s *Service) RecordJSON(ctx context.Context, profileID, id uuid.UUID, body []byte) (n int, err error) {
	var f fault.Fields
	readings, single := parseReadings(&f, body)
	if len(f) > 0 {
		return 0, s.allWrong(ctx, profileID, id, f, readings, single)
	}
	err = s.Record(ctx, profileID, id, readings)
	if single {
		err = singly(err)
	}
	if err != nil {
		return 0, err
	}
	return len(readings), nil
}

// allWrong returns the mistakes f found in parsing, together with those that the checks find in the readings that were parsed.
func (s *Service) allWrong(ctx context.Context, profileID, id uuid.UUID, f fault.Fields, readings []Reading, single bool) error {
	v, err := s.Get(ctx, profileID, id)
	if err == nil {
		err = checkReadings(v, readings, s.stamp())
		if single {
			err = singly(err)
		}
		f.Join(err)
	}
	return f.Err()
}

// keep returns a checked reading as it is kept.
func keep(r Reading, now time.Time) Reading {
	if r.At.IsZero() {
		r.At = now
	}
	r.At = toStored(r.At)
	r.Value = store.Number(r.Value)
	if r.Cadence != nil {
		cadence := store.Number(*r.Cadence)
		r.Cadence = &cadence
	}
	if r.Place != nil {
		cell := r.Place.Coarsen()
		r.Place = &cell
	}
	return r
}

// itemOfReading places a reading by its time, and by a hash of all that is kept of it (so never of precise coordinates).
func itemOfReading(v Variable, r Reading) (store.Item, error) {
	body, err := store.Encode(readingRecord{At: r.At.UnixMilli(), Value: r.Value, Place: r.Place, Cadence: r.Cadence, Vector: r.TuneVectorID})
	if err != nil {
		return store.Item{}, err
	}
	sum := sha256.Sum256(body)
	return store.Item{
		Key:       store.Key{Table: store.Interactions, Partition: v.Consent, Sort: timeSort(r.At) + "#" + hex.EncodeToString(sum[:suffixBytes])},
		ExpiresAt: r.At.Add(v.retention() + time.Second - 1).Truncate(time.Second), // the second that it ends in
		Body:      body,
	}, nil
}

// write stores readings while their consent lives.
func (s *Service) write(ctx context.Context, profileID uuid.UUID, v Variable, writes []store.Write) error {
	ended := errNotOptedIn
	lived, err := store.BulkWhile(ctx, s.store, writes, func(ctx context.Context) (bool, error) {
		now, err := s.Get(ctx, profileID, v.ID)
		if errors.Is(err, errNoVariable) {
			ended = errNoVariable
			return false, nil
		}
		return now.Consent == v.Consent, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("variable: record: %w", err)
	case !lived:
		return ended
	}
	return nil
}

// Readings returns the readings of the present consent that are within the present retention, newest first; none while the
// variable is not opted into. limit is 1–100; token continues a listing, and next is "" on the last page. The consent is read strongly, and the
// readings eventually, which costs half: those of a moment ago may be missing.
func (s *Service) Readings(ctx context.Context, profileID, id uuid.UUID, limit int, token string) ([]Reading, string, error) {
	var f fault.Fields
	before, ok := parseReadingToken(token)
	page.Check(&f, limit, ok)
	if err := f.Err(); err != nil {
		return nil, "", err
	}
	v, err := s.Get(ctx, profileID, id)
	if err != nil {
		return nil, "", err
	}
	listed := []Reading{}
	if !v.OptedIn {
		return listed, "", nil
	}
	q := s.readingsOf(v, before, limit+1)
	q.Read = store.Eventual // under a consent that was read strongly there is nothing that the listener has taken back
	last := ""
	for item, err := range store.All(ctx, s.store, q) {
		if err != nil {
			return nil, "", fmt.Errorf("variable: list readings: %w", err)
		}
		if len(listed) == limit {
			return listed, page.EncodeToken([]byte(last)), nil
		}
		r, err := readingOf(item)
		if err != nil {
			return nil, "", err
		}
		listed, last = append(listed, r), item.Key.Sort
	}
	return listed, "", nil
}

// readingsOf selects a variable's readings before a sort key ("" for all), newest first.
func (s *Service) readingsOf(v Variable, before string, limit int) store.Query {
	return store.Query{
		Table: store.Interactions, Partition: v.Consent, Prefix: readingPrefix, Descending: true, Limit: limit, Read: store.Strong,
		From: timeSort(s.now().Add(-v.retention())), To: before,
	}
}

func readingOf(item store.Item) (Reading, error) {
	var r readingRecord
	if err := item.Decode(&r); err != nil {
		return Reading{}, fmt.Errorf("variable: read a reading: %w", err)
	}
	return Reading{Value: r.Value, Place: r.Place, At: time.UnixMilli(r.At).UTC(), Cadence: r.Cadence, TuneVectorID: r.Vector}, nil
}

// parseReadingToken returns the sort key that a page's readings come before, which is what a token holds; "" for the first page.
func parseReadingToken(token string) (before string, ok bool) {
	if token == "" {
		return "", true
	}
	b, ok := page.DecodeToken(token)
	if !ok {
		return "", false
	}
	rest, ok := strings.CutPrefix(string(b), readingPrefix)
	at, suffix, cut := strings.Cut(rest, "#")
	if !ok || !cut || len(suffix) != 2*suffixBytes {
		return "", false
	}
	if _, err := hex.DecodeString(suffix); err != nil {
		return "", false
	}
	t, err := time.Parse(readingTime, at)
	return string(b), err == nil && t.Format(readingTime) == at
}
