package ml

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Counting does not read 90 days of the log each hour: what a day amounts to is kept as an item, and the day is read again only
//
//   - while events of the day are still expected, until a day after its end (listeners come back online), and
//   - once in a while: of the other days, the one that was counted longest ago, so that within four days of
//     hourly refreshes the events that came later still are in and those of deleted profiles are out.
const settleTime = day

// dayCount is what a day amounts to.
type dayCount struct {
	CountedAt time.Time    `json:"countedAt"`
	Tracks    []trackCount `json:"tracks"` // by weight, as many as fit (about 4,000 with ids of 22 characters)
}

// trackCount is what one day says of a track.
type trackCount struct {
	ID        string    `json:"id"`
	Weight    int64     `json:"w"` // in thousandths: whole numbers add up to the same in any order
	Listeners listeners `json:"l"`
}

// listeners is a set that can only tell that there are at least so many: one bit of 64 for each, by the last bits of a random id. It
// names nobody, and joining the sets of several days counts nobody twice.
type listeners uint64

func (l listeners) add(profileID uuid.UUID) listeners { return l | 1<<(profileID[15]%64) }

func (l listeners) atLeast(n int) bool { return bits.OnesCount64(uint64(l)) >= n }

// MarshalText writes it in hexadecimal, since JSON numbers end at 2^53 for many.
func (l listeners) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(l), 16), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *listeners) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	*l = listeners(n)
	return err
}

const (
	popularityDays = int(Retention / day)
	// halfLife of a day's weight, in days.
	halfLife = 14
	// countRoom is how many bytes of tracks a day or the tally keeps, of the best; the limit of a body is 256 KiB.
	countRoom = 200 << 10
	dayPrefix = "day#"
	// askAtOnce is how many tracks Trainable is asked about at once.
	askAtOnce = 500
)

func dayKey(d time.Time) store.Key {
	return store.Key{Table: store.Models, Partition: popularityPartition, Sort: dayPrefix + d.Format(dayLayout)}
}

// count counts the days that need it, adds all of them up, and puts the sum in force here and in the store. It returns how many
// days it counted.
func (s *Service) count(ctx context.Context, now time.Time) (counted int, err error) {
	days, err := s.counts(ctx, now)
	if err != nil {
		return 0, err
	}
	today := dayOf(now)
	stalest := -1
	for age := range days {
		d, c := today.AddDate(0, 0, -age), &days[age]
		if !c.CountedAt.Before(d.Add(day + settleTime)) {
			if stalest < 0 || !c.CountedAt.After(days[stalest].CountedAt) {
				stalest = age
			}
			continue
		}
		if *c, err = s.countDay(ctx, d, now); err != nil {
			return counted, err
		}
		counted++
	}
	if stalest >= 0 {
		if days[stalest], err = s.countDay(ctx, today.AddDate(0, 0, -stalest), now); err != nil {
			return counted, err
		}
		counted++
	}
	return counted, s.putInForce(ctx, s.addUp(days, now))
}

// counts returns what is kept of the last 90 days; its index is the age in days. A day that was never
// counted is zero, and so is one that cannot be read: it is counted again.
func (s *Service) counts(ctx context.Context, now time.Time) ([]dayCount, error) {
	today := dayOf(now)
	days := make([]dayCount, popularityDays)
	q := store.Query{
		Table: store.Models, Partition: popularityPartition, Prefix: dayPrefix, Read: store.Strong,
		From: dayKey(today.AddDate(0, 0, 1-popularityDays)).Sort, To: dayKey(today.AddDate(0, 0, 1)).Sort,
	}
	for item, err := range store.All(ctx, s.store, q) {
		if err != nil {
			return nil, err
		}
		d, err := time.Parse(dayPrefix+dayLayout, item.Key.Sort)
		var c dayCount
		if err == nil && item.Decode(&c) == nil {
			days[int(today.Sub(d)/day)] = c
		}
	}
	return days, nil
}

// countDay reads a day of the log, and keeps what it amounts to.
func (s *Service) countDay(ctx context.Context, d, now time.Time) (dayCount, error) {
	tracks, err := s.sumDay(ctx, d)
	if err != nil {
		return dayCount{}, err
	}
	if tracks, err = s.permitted(ctx, tracks); err != nil {
		return dayCount{}, err
	}
	c := dayCount{CountedAt: now.UTC(), Tracks: tracks}
	body, err := store.Encode(c)
	if err != nil {
		return dayCount{}, err
	}
	expires := d.AddDate(0, 0, popularityDays)
	return c, store.Settle(ctx, s.store, store.Put(store.Item{Key: dayKey(d), ExpiresAt: expires, Body: body}, store.None))
}

// sumDay returns the tracks for which the day speaks, best first.
func (s *Service) sumDay(ctx context.Context, d time.Time) ([]trackCount, error) {
	type hearing struct {
		listener uuid.UUID
		track    string
	}
	sums := map[string]trackCount{}
	for shard := range dayShards { // a listener is in one shard only, so that one shard at a time is in memory
		hearings := map[hearing]float64{}
		for l, err := range s.shardOfDay(ctx, d, shard) {
			if err != nil {
				return nil, err
			}
			hearings[hearing{l.ProfileID, l.TrackID}] += l.Strength()
		}
		for h, strength := range hearings {
			c := sums[h.track]
			c.ID, c.Listeners = h.track, c.Listeners.add(h.listener)
			c.Weight += int64(math.Round(1000 * max(-1, min(strength, 1))))
			sums[h.track] = c
		}
	}
	tracks := make([]trackCount, 0, len(sums))
	for _, c := range sums {
		if c.Weight > 0 {
			tracks = append(tracks, c)
		}
	}
	slices.SortFunc(tracks, func(a, b trackCount) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.ID, b.ID))
	})
	return tracks, nil
}

// permitted returns the best tracks that may be learned from, as many as there is room for.
func (s *Service) permitted(ctx context.Context, tracks []trackCount) ([]trackCount, error) {
	kept := []trackCount{}
	room := countRoom
	for some := range slices.Chunk(tracks, askAtOnce) {
		may, err := s.mayLearn(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, c := range some {
			if !may(c.ID) {
				continue
			}
			if room -= size(c); room < 0 {
				return kept, nil
			}
			kept = append(kept, c)
		}
	}
	return kept, nil
}

func (s *Service) mayLearn(ctx context.Context, tracks []trackCount) (func(id string) bool, error) {
	ids := make([]string, len(tracks))
	for i, c := range tracks {
		ids[i] = c.ID
	}
	return s.mayTrain(ctx, ids)
}

// size is how many bytes v takes in a list.
func size(v any) int {
	b, _ := json.Marshal(v) // of strings and finite numbers it never fails
	return len(b) + len(",")
}

// addUp joins the days, of which the index is the age.
func (s *Service) addUp(days []dayCount, now time.Time) tally {
	type total struct {
		weight    float64
		listeners listeners
	}
	totals := map[string]total{}
	for age, d := range days {
		decay := math.Exp2(-float64(age)/halfLife) / 1000
		for _, c := range d.Tracks {
			t := totals[c.ID]
			totals[c.ID] = total{t.weight + decay*float64(c.Weight), t.listeners | c.Listeners}
		}
	}
	all := make([]trackWeight, 0, len(totals))
	for id, t := range totals {
		if t.listeners.atLeast(s.minListeners) {
			all = append(all, trackWeight{id, math.Round(t.weight*1e4) / 1e4})
		}
	}
	slices.SortFunc(all, func(a, b trackWeight) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.ID, b.ID))
	})
	room := countRoom
	n := 0
	for n < len(all) && all[n].Weight > 0 && room >= size(all[n]) {
		room -= size(all[n])
		n++
	}
	return tally{CountedAt: now.UTC(), Tracks: all[:n]}
}

func (s *Service) putInForce(ctx context.Context, t tally) error {
	body, err := store.Encode(t)
	if err != nil {
		return err
	}
	put := store.Put(store.Item{Key: tallyKey, Body: body}, store.None)
	if err := store.Settle(ctx, s.store, put); err != nil {
		return err
	}
	s.popular.Store(newPopularity(t, put.Version))
	return nil
}
