// Package preference keeps what a listener likes: the list they set themselves, in their
// order, and beside it what was learned from what they play. It turns both into a taste
// that scores music. It knows nothing of tracks or plans.
package preference

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Type says what a preference is about.
type Type string

// The types.
const (
	Genre      Type = "genre"
	Tempo      Type = "tempo" // beats per minute: "120", or a range "90-110"; 20–300
	Instrument Type = "instrument"
	Artist     Type = "artist"
)

// Preference is one thing a listener likes, or avoids.
type Preference struct {
	ID        uuid.UUID `json:"preferenceId"`
	Type      Type      `json:"type"`
	Value     string    `json:"value"`  // 1–100 characters, as written
	Weight    float64   `json:"weight"` // −1…1; below zero means avoid
	Index     int       `json:"index"`  // 0 is the favorite
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// Addition is a new preference.
type Addition struct {
	Type   Type     `json:"type"`
	Value  string   `json:"value"`
	Weight *float64 `json:"weight"` // nil: 1
	Index  *int     `json:"index"`  // nil: last
}

// Changes are new values; nil leaves a field as it is.
type Changes struct {
	Type   *Type    `json:"type"` // immutable: a different one is an error that says to delete and create anew
	Value  *string  `json:"value"`
	Weight *float64 `json:"weight"`
	Index  *int     `json:"index"`
}

// Signal is one thing that says something about a listener's taste: an interaction with a
// track, or a rating. Package tunevector makes them from interactions.
type Signal struct {
	EventID uuid.UUID // a signal is learned from once, however often it is given within the documented window
	At      time.Time
	// Strength is how much it says, −1 (disliked) … 1 (liked); 0 says nothing.
	Strength    float64
	Genres      []string
	Artists     []string
	Instruments []string
	Tempo       float64 // BPM; 0 where unknown
	// Consent is that of the variable which the signal came from; zero for interactions.
	// What was learned under a consent counts only as long as that consent lives.
	Consent uuid.UUID
}

// Learned is a preference learned from signals.
type Learned struct {
	Type   Type    `json:"type"`
	Value  string  `json:"value"`
	Weight float64 `json:"weight"` // −1…1 after decay, at the time asked
	Count  int     `json:"count"`  // signals behind it
}

// Traits are what a taste scores: what is known of a piece of music.
type Traits struct {
	Genres      []string
	Artists     []string
	Instruments []string
	Tempo       float64 // BPM; 0 where unknown
}

// Taste is a listener's taste at one moment: an immutable value, safe for concurrent use.
type Taste struct{}

// Score returns how much the listener likes music with these traits, −1…1 (0: nothing is known), and the
// preferences that speak most, strongest first, as short phrases ("you like rock", "you often play ambient").
func (t Taste) Score(x Traits) (score float64, reasons []string) { return 0, nil }

// Avoids reports whether a preference that was set with weight −1 forbids this music.
func (t Taste) Avoids(x Traits) bool { return false }

// Genres returns the genres liked, best first, for asking a provider for candidates.
func (t Taste) Genres() []string { return nil }

// Artists returns the artists liked, best first.
func (t Taste) Artists() []string { return nil }

// Tempo returns the tempo liked best in BPM, or 0 where nothing is known.
func (t Taste) Tempo() float64 { return 0 }

// Service is safe for concurrent use.
type Service struct{}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now func() time.Time // nil: time.Now
	// Weights weighs the types against each other in a taste; a type that is absent weighs 1. Each is 0–10.
	Weights  map[Type]float64
	Observer observe.Observer
}

// NewService returns a Service over s.
func NewService(s store.Store, profiles *profile.Service, o Options) (*Service, error) {
	return nil, errors.ErrUnsupported
}

// Create adds a preference at its index.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, a Addition) (Preference, error) {
	return Preference{}, errors.ErrUnsupported
}

// Get returns one preference and the version of the list it is in.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (Preference, store.Version, error) {
	return Preference{}, store.Version{}, errors.ErrUnsupported
}

// Update changes a preference, and moves it where Index is given. ifMatch, where not zero, must be the list's version.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, c Changes, ifMatch store.Version) (Preference, store.Version, error) {
	return Preference{}, store.Version{}, errors.ErrUnsupported
}

// Delete removes a preference; those behind it move up.
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) error {
	return errors.ErrUnsupported
}

// List returns preferences by index. limit is 1–100; token continues a listing.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) (page []Preference, next string, v store.Version, err error) {
	return nil, "", store.Version{}, errors.ErrUnsupported
}

// Learn takes signals in. Signals whose EventID was taken in before are ignored.
func (s *Service) Learn(ctx context.Context, profileID uuid.UUID, signals []Signal) error {
	return errors.ErrUnsupported
}

// Learned returns the learned preferences, strongest first. live says which consents live.
func (s *Service) Learned(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool) ([]Learned, error) {
	return nil, errors.ErrUnsupported
}

// Taste returns the listener's taste from set and learned preferences.
func (s *Service) Taste(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool) (Taste, error) {
	return Taste{}, errors.ErrUnsupported
}

// Forget drops what was learned under a consent.
func (s *Service) Forget(ctx context.Context, profileID uuid.UUID, consent uuid.UUID) error {
	return errors.ErrUnsupported
}

// Kind, Any and DeleteAll make the Service a profile.Dependent.
func (s *Service) Kind() string { return "preferences" }

// Any reports whether the listener has set preferences.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	return false, errors.ErrUnsupported
}

// DeleteAll deletes set and learned preferences.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	return errors.ErrUnsupported
}
