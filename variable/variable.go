// Package variable keeps what surrounds a listener: noise, hour, weather, place, heart
// rate variability, movement, and how they rated what they heard. Each variable counts
// only while the listener has opted into it; opting out deletes what was collected.
package variable

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Type is a kind of surrounding that can be measured.
type Type string

// The types; units and ranges of their readings stand in the table behind [Types].
const (
	AmbientNoise         Type = "ambient-noise"          // dB(A), 0–140
	TimeOfDay            Type = "time-of-day"            // an IANA zone on the variable; no readings
	OutsideTemperature   Type = "outside-temperature"    // °C, −90–60
	Location             Type = "location"               // latitude and longitude, kept as a cell of about 1 km
	VectorRating         Type = "vector-rating"          // 1–5
	HeartRateVariability Type = "heart-rate-variability" // RMSSD in ms, 1–300
	Accelerometer        Type = "accelerometer"          // m/s² without gravity, 0–50, optionally cadence
)

// Variable is one surrounding of one listener's.
type Variable struct {
	ID            uuid.UUID     `json:"variableId"`
	Type          Type          `json:"type"`
	OptedIn       bool          `json:"optedIn"`
	RetentionDays int           `json:"retentionDays"`      // 1–365
	TimeZone      string        `json:"timeZone,omitempty"` // time-of-day only
	CreatedAt     time.Time     `json:"createdAt"`
	UpdatedAt     time.Time     `json:"updatedAt"`
	Version       store.Version `json:"-"`
	// Consent is made anew by each opting in and is the partition of the readings; zero while not opted in.
	Consent uuid.UUID `json:"-"`
}

// Addition is a new variable.
type Addition struct {
	Type          Type   `json:"type"`
	OptedIn       bool   `json:"optedIn"`
	RetentionDays *int   `json:"retentionDays"` // nil: 90
	TimeZone      string `json:"timeZone"`
}

// Changes are new values; nil leaves a field as it is.
type Changes struct {
	Type          *Type   `json:"type"` // immutable
	OptedIn       *bool   `json:"optedIn"`
	RetentionDays *int    `json:"retentionDays"`
	TimeZone      *string `json:"timeZone"`
}

// Coordinates are degrees: latitude −90…90, longitude −180…180.
type Coordinates struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

// Reading is one measurement. Its JSON is that of the API: `value` is a number, or coordinates for a location.
type Reading struct {
	Value float64 // all types but location
	// Place is the location, and after storage the center of its cell; nil for other types.
	Place        *Coordinates
	At           time.Time // zero on recording: now
	Cadence      *float64  // accelerometer: steps per minute, 0–300
	TuneVectorID uuid.UUID // vector-rating
}

// Snapshot is what is known of a listener's surroundings now: the newest reading of each variable opted into.
// Silent and opted-out variables are absent.
type Snapshot struct {
	Latest   map[Type]Reading
	Zone     *time.Location     // from time-of-day; nil where not opted in
	Consents map[Type]uuid.UUID // of the variables opted into, readings or not
	// RMSSDBaseline is the median of the listener's own HRV readings of the last 30 days, 0 where there are under 5.
	RMSSDBaseline float64
}

// Live reports whether a consent lives in this snapshot.
func (s Snapshot) Live(consent uuid.UUID) bool {
	for _, c := range s.Consents {
		if c == consent {
			return true
		}
	}
	return false
}

// Change is what a hook is told.
type Change struct {
	ProfileID uuid.UUID
	Variable  Variable
	Readings  []Reading // new ones, as kept (coarsened); none where a variable was opted in or out
	OptedOut  uuid.UUID // the consent that ended, or zero
}

// Service is safe for concurrent use.
type Service struct{}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer
}

// NewService returns a Service over s.
func NewService(s store.Store, profiles *profile.Service, o Options) (*Service, error) {
	return nil, errors.ErrUnsupported
}

// OnChange sets the one hook, called after a change was stored, on the same goroutine; its error is the caller's. Call it before the Service is used.
func (s *Service) OnChange(hook func(ctx context.Context, c Change) error) {}

// Create adds a variable; one of each type a profile.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, a Addition) (Variable, error) {
	return Variable{}, errors.ErrUnsupported
}

// Get returns a variable.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (Variable, error) {
	return Variable{}, errors.ErrUnsupported
}

// Update changes a variable. Opting out makes its readings unreachable before it returns.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, c Changes, ifMatch store.Version) (Variable, error) {
	return Variable{}, errors.ErrUnsupported
}

// Delete removes a variable and its readings.
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) error {
	return errors.ErrUnsupported
}

// List returns variables in order of creation. limit is 1–100; token continues a listing.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) ([]Variable, string, error) {
	return nil, "", errors.ErrUnsupported
}

// Record stores readings, all or none of them.
func (s *Service) Record(ctx context.Context, profileID, id uuid.UUID, readings []Reading) error {
	return errors.ErrUnsupported
}

// Readings returns readings, newest first. limit is 1–100; token continues a listing.
func (s *Service) Readings(ctx context.Context, profileID, id uuid.UUID, limit int, token string) ([]Reading, string, error) {
	return nil, "", errors.ErrUnsupported
}

// Snapshot returns what is known now; consents are read strongly.
func (s *Service) Snapshot(ctx context.Context, profileID uuid.UUID) (Snapshot, error) {
	return Snapshot{}, errors.ErrUnsupported
}

// Resume finishes wiping readings whose consent has ended, and returns how many it deleted.
func (s *Service) Resume(ctx context.Context) (int, error) { return 0, errors.ErrUnsupported }

// Kind, Any and DeleteAll make the Service a profile.Dependent.
func (s *Service) Kind() string { return "variables" }

// Any reports whether the listener has variables.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	return false, errors.ErrUnsupported
}

// DeleteAll deletes variables and their readings.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	return errors.ErrUnsupported
}
