// Package ml is where RhythmIQ learns: it owns the log of interactions and what is
// computed from many listeners together. In this version that is popularity; models of
// taste plug in behind the same service.
package ml

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

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
	now func() time.Time
}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer
}

// NewService returns a Service over s.
func NewService(s store.Store, profiles *profile.Service, o Options) (*Service, error) {
	return nil, errors.ErrUnsupported
}

// Retention is how long an interaction is kept.
const Retention = 90 * 24 * time.Hour

// MaxBatch is how many interactions one Log takes.
const MaxBatch = 500

// Log keeps interactions (at most MaxBatch, checked) and returns those that were not in the log before. It is idempotent by
// event id; an id that stands for another event already is a conflict that names each, and nothing is kept.
func (s *Service) Log(ctx context.Context, profileID uuid.UUID, events []Interaction) (fresh []Interaction, err error) {
	return nil, errors.ErrUnsupported
}

// Interactions returns a listener's interactions in order of time, from ≤ At < to; zero times for no bound; newest first where descending.
func (s *Service) Interactions(ctx context.Context, profileID uuid.UUID, from, to time.Time, descending bool) iter.Seq2[Interaction, error] {
	return func(yield func(Interaction, error) bool) { yield(Interaction{}, errors.ErrUnsupported) }
}

// Popularity is how often tracks were liked and played by all listeners, decayed: an immutable value.
type Popularity struct{}

// Score returns 0 (never played) … 1 (the most popular).
func (p Popularity) Score(trackID string) float64 { return 0 }

// Top returns the ids of the most popular tracks, best first.
func (p Popularity) Top(n int) []string { return nil }

// Popularity returns the popularity in force; it never computes, so it answers at once.
func (s *Service) Popularity(ctx context.Context) (Popularity, error) {
	return Popularity{}, errors.ErrUnsupported
}

// Refresh counts popularity anew from the log where the one in force is older than an hour.
func (s *Service) Refresh(ctx context.Context) error { return errors.ErrUnsupported }

// AverageSkipSeconds is the listener's average time to skip, in seconds, and from how many skips; internal, not served.
func (s *Service) AverageSkipSeconds(ctx context.Context, profileID uuid.UUID) (seconds float64, n int, err error) {
	return 0, 0, errors.ErrUnsupported
}

// Kind, Any and DeleteAll make the Service a profile.Dependent.
func (s *Service) Kind() string { return "interactions" }

// Any returns false: interactions do not keep a profile from being deleted; they go with it.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) { return false, nil }

// DeleteAll deletes the listener's interactions.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	return errors.ErrUnsupported
}
