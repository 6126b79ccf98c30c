package variable

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Snapshot is what is known of a listener's surroundings now: the newest reading of each variable opted into.
// Silent and opted-out variables are absent. How old a reading may be to mean anything is for the reader to say, by its At.
type Snapshot struct {
	Latest map[Type]Reading
	// Recent are the newest readings of each variable, the newest first, at most [RecentReadings]: one alone may be noise.
	Recent   map[Type][]Reading
	Zone     *time.Location // from time-of-day; nil where not opted in, or where this machine does not know the zone
	Consents Consents       // of the variables opted into, readings or not
	// RMSSDBaseline is the median of the listener's own HRV readings of the last 30 days, 0 where there are under 5.
	// Where there are over 1,000, it is the median of a sample: the newest 30 of each of the days.
	RMSSDBaseline float64
	// Whereabouts is where the listener is by their own pattern of places; "" where that is not known.
	Whereabouts Whereabouts
}

// RecentReadings is how many readings of a variable are in a [Snapshot] at most.
const RecentReadings = 9

// Live reports whether a consent lives in this snapshot.
func (s Snapshot) Live(consent uuid.UUID) bool { return s.Consents.Live(consent) }

// Consents are those of the variables that a listener has opted into.
type Consents map[Type]uuid.UUID

// Live reports whether a consent is among them.
func (c Consents) Live(consent uuid.UUID) bool {
	for _, lives := range c {
		if lives == consent {
			return true
		}
	}
	return false
}

// Consents returns what a profile has opted into now; nothing for one without variables, existing or not. It costs one strong
// listing of the variables, and so less than a [Service.Snapshot].
func (s *Service) Consents(ctx context.Context, profileID uuid.UUID) (Consents, error) {
	all, err := s.all(ctx, profileID)
	if err != nil {
		return nil, err
	}
	c := Consents{}
	for _, v := range all {
		if v.OptedIn {
			c[v.Type] = v.Consent
		}
	}
	return c, nil
}

// How the baseline of heart rate variability is found.
const (
	baselineDays   = 30
	baselineLeast  = 5    // readings
	baselineExact  = 1000 // readings of which the median is exact: what one page holds
	baselinePerDay = 30   // of a sample
	snapshotReads  = 8    // at once
)

// Snapshot returns what is known now; a profile without variables, existing or not, has an empty one. Consents and readings are read
// strongly, since a hook asks right after readings were recorded. It costs one listing of the variables and then, in parallel, one
// read for each variable that is opted into.
func (s *Service) Snapshot(ctx context.Context, profileID uuid.UUID) (snap Snapshot, err error) {
	defer observe.Watch(ctx, s.observer, "variable.snapshot")(&err)
	all, err := s.all(ctx, profileID)
	if err != nil {
		return Snapshot{}, err
	}
	snap = Snapshot{Latest: map[Type]Reading{}, Recent: map[Type][]Reading{}, Consents: Consents{}}
	newest := make([][]Reading, len(all))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(snapshotReads)
	for i, v := range all {
		if !v.OptedIn {
			continue
		}
		snap.Consents[v.Type] = v.Consent
		spec, _ := SpecOf(v.Type)
		switch {
		case spec.TimeZone:
			snap.Zone, _ = time.LoadLocation(v.TimeZone) // nil where unknown
		case v.Type == HeartRateVariability:
			reads.Go(func() (err error) {
				newest[i], snap.RMSSDBaseline, err = s.heart(readCtx, v)
				return err
			})
		default:
			reads.Go(func() (err error) {
				if newest[i], _, err = s.newest(readCtx, v, "", time.Time{}, RecentReadings); err != nil || v.Type != Location {
					return err
				}
				snap.Whereabouts, err = s.whereaboutsNow(readCtx, v, newest[i])
				return err
			})
		}
	}
	if err := reads.Wait(); err != nil {
		return Snapshot{}, err
	}
	for i, r := range newest {
		if len(r) > 0 {
			snap.Latest[all[i].Type], snap.Recent[all[i].Type] = r[0], r
		}
	}
	return snap, nil
}

// heart returns the newest readings of heart rate variability and the baseline.
func (s *Service) heart(ctx context.Context, v Variable) (newest []Reading, baseline float64, err error) {
	found, more, err := s.newest(ctx, v, "", time.Time{}, baselineExact)
	if err != nil || len(found) == 0 {
		return nil, 0, err
	}
	newest = slices.Clone(found[:min(RecentReadings, len(found))])
	now := s.now()
	since := now.AddDate(0, 0, -baselineDays)
	if oldest := found[len(found)-1].At; more && oldest.After(since) {
		if found, err = s.sample(ctx, v, now); err != nil {
			return nil, 0, err
		}
	}
	var values []float64
	for _, r := range found {
		if !r.At.Before(since) {
			values = append(values, r.Value)
		}
	}
	return newest, median(values), nil
}

// sample returns some readings of each of the last days.
func (s *Service) sample(ctx context.Context, v Variable, now time.Time) ([]Reading, error) {
	days := make([][]Reading, baselineDays)
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(snapshotReads)
	for d := range days {
		to := now.AddDate(0, 0, -d)
		reads.Go(func() (err error) {
			before := ""
			if d > 0 {
				before = timeSort(to)
			}
			days[d], _, err = s.newest(ctx, v, before, to.AddDate(0, 0, -1), baselinePerDay)
			return err
		})
	}
	err := reads.Wait()
	return slices.Concat(days...), err
}

// newest returns up to limit readings, newest first, and whether there may be more: those at or after since (zero: the
// retention) and before a sort key ("" for no bound).
func (s *Service) newest(ctx context.Context, v Variable, before string, since time.Time, limit int) (found []Reading, more bool, err error) {
	q := s.readingsOf(v, before, min(limit, store.MaxPage))
	if from := timeSort(since); from > q.From {
		q.From = from
	}
	for item, err := range store.All(ctx, s.store, q) {
		var r Reading
		if err == nil {
			r, err = readingOf(item)
		}
		if err != nil {
			return nil, false, fmt.Errorf("variable: newest readings: %w", err)
		}
		if found = append(found, r); len(found) == limit {
			return found, true, nil
		}
	}
	return found, false, nil
}

// median returns the middle of values, or 0 where there are too few.
func median(values []float64) float64 {
	n := len(values)
	if n < baselineLeast {
		return 0
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
