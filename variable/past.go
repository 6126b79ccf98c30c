package variable

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/rhythmiq/rhythmiq/internal/observe"
)

const (
	// pastReadings is how many readings of a variable, the newest, are looked at for the past.
	pastReadings = 10_000
	// pastReach is how long before the first moment readings may still tell of it: the longest that any of a sensor counts.
	pastReach = 12 * time.Hour
	// pastRatingDays is the same of ratings, which are few.
	pastRatingDays = 30
)

// Past returns what [Service.Snapshot] would have said at each of some moments, in their order, of the variables that are opted into now: it is how a
// learner joins readings with what was done at the time, so that the readings themselves are copied nowhere. The pattern of places and the
// time zone are those of now. Of each variable the newest 10,000 readings are looked at; what was before them is unknown.
func (s *Service) Past(ctx context.Context, profileID uuid.UUID, moments []time.Time) (snaps []Snapshot, err error) {
	defer observe.Watch(ctx, s.observer, "variable.past")(&err)
	if len(moments) == 0 {
		return nil, ctx.Err()
	}
	all, err := s.all(ctx, profileID)
	if err != nil {
		return nil, err
	}
	first, last := slices.MinFunc(moments, time.Time.Compare), slices.MaxFunc(moments, time.Time.Compare)
	read := make([][]Reading, len(all)) // newest first
	patterns := make([]*pattern, len(all))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(snapshotReads)
	for i, v := range all {
		if spec, _ := SpecOf(v.Type); !v.OptedIn || spec.Form == Silent {
			continue
		}
		reads.Go(func() (err error) {
			since := first.Add(-pastReach)
			switch v.Type { //nolint:exhaustive // the others reach no farther
			case HeartRateVariability:
				since = first.AddDate(0, 0, -baselineDays)
			case VectorRating:
				since = first.AddDate(0, 0, -pastRatingDays)
			}
			if read[i], _, err = s.newest(readCtx, v, timeSort(last.Add(time.Millisecond)), since, pastReadings); err == nil && v.Type == Location {
				patterns[i], err = s.patternOf(readCtx, v)
			}
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	var zone *time.Location
	for _, v := range all {
		if spec, _ := SpecOf(v.Type); v.OptedIn && spec.TimeZone {
			zone, _ = time.LoadLocation(v.TimeZone) // nil where unknown
		}
	}
	snaps = make([]Snapshot, len(moments))
	baselines := map[int64]float64{} // by day
	for m, at := range moments {
		snap := Snapshot{Latest: map[Type]Reading{}, Recent: map[Type][]Reading{}, Zone: zone, Consents: Consents{}}
		for i, v := range all {
			if !v.OptedIn {
				continue
			}
			snap.Consents[v.Type] = v.Consent
			before := until(read[i], at)
			if len(before) == 0 {
				continue
			}
			snap.Latest[v.Type], snap.Recent[v.Type] = before[0], before[:min(len(before), RecentReadings)]
			switch v.Type { //nolint:exhaustive // the others need nothing more
			case Location:
				snap.Whereabouts = s.whereabouts(patterns[i], before, at)
			case HeartRateVariability:
				day := at.Unix() / (dayHours * 60 * 60)
				if _, known := baselines[day]; !known {
					baselines[day] = baselineOf(before, at)
				}
				snap.RMSSDBaseline = baselines[day]
			}
		}
		snaps[m] = snap
	}
	return snaps, nil
}

// until are those of readings, the newest first, that were taken at a moment or before.
func until(readings []Reading, at time.Time) []Reading {
	from, _ := slices.BinarySearchFunc(readings, at, func(r Reading, at time.Time) int { return at.Compare(r.At) })
	return readings[from:]
}

// baselineOf is the median of those of readings, the newest first, of the 30 days before a moment.
func baselineOf(readings []Reading, at time.Time) float64 {
	var values []float64
	for _, r := range readings {
		if r.At.Before(at.AddDate(0, 0, -baselineDays)) {
			break
		}
		values = append(values, r.Value)
	}
	return median(values)
}
