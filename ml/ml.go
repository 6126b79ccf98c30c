// Package ml is where RhythmIQ learns: it owns the log of interactions and what is
// computed from many listeners together. In this version that is popularity; models of
// taste plug in behind the same service. It knows music by its ids only: what a track
// is, and whether it may train anything, its callers say (see [Item] and [Options]).
//
//	fresh, err := learning.Log(ctx, profileID, []ml.Interaction{{
//		EventID: eventID, TrackID: "t1", Action: ml.Like, At: time.Now(),
//	}})
package ml

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Item is what a learner sees of a piece of music. Only music whose provenance permits training becomes one.
type Item struct {
	ID         string
	Artists    []string
	Tags       []string
	Features   map[string]float64
	Confidence float64 // 0–1, in the features
}

// Service is safe for concurrent use.
type Service struct {
	store        store.Store
	now          func() time.Time
	observer     observe.Observer
	minListeners int
	trainable    func(ctx context.Context, trackIDs []string) (map[string]bool, error)
	describe     func(ctx context.Context, trackIDs []string) (map[string]Item, error)

	logged  [2]atomic.Int64            // interactions kept, since each kind of models last asked for them
	popular atomic.Pointer[Popularity] // nil until it was first read or counted
	loading sync.Mutex                 // held by the one call that reads popularity
	retryAt time.Time                  // not before then; guarded by loading
}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer
	// MinListeners is how many listeners a track must have been heard by to count in Popularity, 1–20; 0 means 3. It keeps
	// what one listener alone plays from being shown to others.
	MinListeners int
	// Trainable returns those of the tracks that may be learned from (at most 500 are asked for at once). nil: all may.
	Trainable func(ctx context.Context, trackIDs []string) (map[string]bool, error)
	// Describe returns what a learner may see of those of the tracks that may be learned from, likewise. nil: nothing is known of
	// any. What is new is placed among what was heard by it.
	Describe func(ctx context.Context, trackIDs []string) (map[string]Item, error)
}

const (
	defaultMinListeners = 3
	mostMinListeners    = 20 // well under the 64 that a listeners set can tell apart
)

// NewService returns a Service over s, which is required.
func NewService(s store.Store, o Options) (*Service, error) {
	var f fault.Fields
	if s == nil {
		f.Add("Store", "is required")
	}
	if o.MinListeners < 0 || o.MinListeners > mostMinListeners {
		f.Add("MinListeners", "must be 1 to %d, or 0 for the default", mostMinListeners)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MinListeners == 0 {
		o.MinListeners = defaultMinListeners
	}
	return &Service{
		store: s, now: o.Now, observer: observe.Or(o.Observer), minListeners: o.MinListeners, trainable: o.Trainable,
		describe: o.Describe,
	}, nil
}

// Kind is "interactions": with Any and DeleteAll the Service is a profile.Dependent.
func (s *Service) Kind() string { return "interactions" }

// Any returns false: interactions do not keep a profile from being deleted; they go with it.
func (s *Service) Any(ctx context.Context, _ uuid.UUID) (bool, error) { return false, ctx.Err() }

// DeleteAll deletes the listener's interactions.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	done := observe.Start(ctx, s.observer, "ml.delete")
	n, err := store.Wipe(ctx, s.store, store.Interactions, profileID, eventPrefix)
	done(err, observe.Value{Name: "events", Number: float64(n)})
	return err
}

var _ profile.Dependent = (*Service)(nil)
