package ml

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Popularity is how often tracks were liked and played by all listeners, decayed: an immutable value.
//
// A day's weight of a track is the sum of what each listener's interactions with it say ([Interaction.Strength]), each listener
// counted between −1 and 1, so that nobody makes a track popular by repetition. A day on which more speaks against a
// track than for it counts nothing. The weights of 90 days are added up with a half-life of 14 days.
//
// A track counts if at least [Options.MinListeners] listeners heard it on the days that count, and if it may be learned
// from ([Options.Trainable]); of very many tracks the best few thousand are kept. It holds no listener and nothing of one, and what a
// deleted listener's interactions added is out of it within four days.
type Popularity struct {
	countedAt time.Time
	version   store.Version // of the item it was read from or written to
	scores    map[string]float64
	ids       []string // best first
}

// Score returns 0 (never played) … 1 (the most popular). It grows with the logarithm of the weight, log(1+w) ⁄ log(1+max),
// since few tracks have most of the plays.
func (p Popularity) Score(trackID string) float64 { return p.scores[trackID] }

// Top returns the ids of the most popular tracks, best first; fewer than n where there are fewer.
func (p Popularity) Top(n int) []string { return slices.Clone(p.ids[:max(0, min(n, len(p.ids)))]) }

// CountedAt is when it was counted; zero where it never was.
func (p Popularity) CountedAt() time.Time { return p.countedAt }

// tally is the item that holds the popularity in force, for all instances.
type tally struct {
	CountedAt time.Time     `json:"countedAt"`
	Tracks    []trackWeight `json:"tracks"` // best first
}

type trackWeight struct {
	ID     string  `json:"id"`
	Weight float64 `json:"w"`
}

var (
	popularityPartition = store.HashPartition("ml", "popularity")
	tallyKey            = store.Key{Table: store.Models, Partition: popularityPartition, Sort: "tally"}
)

func newPopularity(t tally, v store.Version) *Popularity {
	p := &Popularity{countedAt: t.CountedAt, version: v, scores: make(map[string]float64, len(t.Tracks))}
	for _, track := range t.Tracks {
		p.ids = append(p.ids, track.ID)
		p.scores[track.ID] = math.Log1p(track.Weight) / math.Log1p(t.Tracks[0].Weight)
	}
	return p
}

const (
	refreshEvery = time.Hour
	retryAfter   = time.Minute
)

// current reports whether p needs no refresh. A count from the future (clocks differ) is not current for ever.
func (p *Popularity) current(now time.Time) bool {
	return p != nil && now.Sub(p.countedAt).Abs() < refreshEvery
}

// Popularity returns the popularity in force; it never computes, so it answers at once. Where an hour has passed it
// reads what was counted in the meantime, by this instance or another ([Service.Refresh] counts); while one call
// reads, the others get what was in force before. Before the first count it is empty. An error means that it could
// not be read and none is in force.
func (s *Service) Popularity(ctx context.Context) (Popularity, error) {
	now := s.now()
	p := s.popular.Load()
	if !p.current(now) && s.loading.TryLock() {
		defer s.loading.Unlock()
		if now.Before(s.retryAt) {
			return valueOf(s.popular.Load()), nil
		}
		done := observe.Start(ctx, s.observer, "ml.load")
		err := s.load(ctx, store.Eventual)
		done(err)
		if err == nil || p != nil { // an older one serves for a minute more
			s.retryAt = now.Add(retryAfter)
			err = nil
		}
		return valueOf(s.popular.Load()), err
	}
	return valueOf(p), nil
}

func valueOf(p *Popularity) Popularity {
	if p == nil {
		return Popularity{}
	}
	return *p
}

// load puts the stored tally in force, unless it is already. A tally that does not decode is ignored, since it is
// counted anew.
func (s *Service) load(ctx context.Context, r store.Read) error {
	item, err := s.store.Get(ctx, tallyKey, r)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p := s.popular.Load()
	if p != nil && p.version == item.Version {
		return nil
	}
	var t tally
	if item.Decode(&t) == nil && (p == nil || t.CountedAt.After(p.countedAt)) {
		s.popular.Store(newPopularity(t, item.Version))
	}
	return nil
}

var leaseKey = store.Key{Table: store.Models, Partition: popularityPartition, Sort: "lease"}

// leaseTime is how long others wait for an instance that counts. One that takes longer, or comes back
// from the dead, does no harm: counting twice gives the same.
const leaseTime = 10 * time.Minute

// releaseTime bounds how long Refresh goes on after its context has ended, to give the lease back.
const releaseTime = 10 * time.Second

// Refresh counts popularity anew from the log where the one in force is older than an hour. Of several instances one counts
// (it holds a lease for ten minutes); the others return at once and load the result when they next need it. If it is
// stopped, the next Refresh continues with the days that are not counted yet.
func (s *Service) Refresh(ctx context.Context) error {
	begun := s.now()
	if s.popular.Load().current(begun) {
		return ctx.Err()
	}
	if err := s.load(ctx, store.Strong); err != nil {
		return err
	}
	if s.popular.Load().current(begun) {
		return nil
	}
	lease := store.Put(store.Item{Key: leaseKey, ExpiresAt: begun.Add(leaseTime).UTC().Truncate(time.Second), Body: []byte(`{}`)}, store.Absent)
	if err := store.Settle(ctx, s.store, lease); err != nil {
		if store.Has(err, leaseKey) {
			return nil // another instance counts
		}
		return err
	}
	err := s.recount(ctx, begun)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	released := store.Settle(ctx, s.store, store.Delete(leaseKey, store.VersionIs(lease.Version)))
	if errors.Is(released, store.ErrConflict) {
		released = nil // it ran out, and may be another's by now
	}
	return errors.Join(err, released)
}

// recount counts under the lease, unless another instance has done so just before.
func (s *Service) recount(ctx context.Context, begun time.Time) error {
	if err := s.load(ctx, store.Strong); err != nil || s.popular.Load().current(begun) {
		return err
	}
	done := observe.Start(ctx, s.observer, "ml.refresh")
	days, err := s.count(ctx, begun)
	done(err,
		observe.Value{Name: "days", Number: float64(days)}, observe.Value{Name: "tracks", Number: float64(len(valueOf(s.popular.Load()).ids))})
	return err
}
