package tunevector

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Service is safe for concurrent use.
type Service struct{}

// Options are what a Service is built from. Store, Music and the services are required.
type Options struct {
	Store       store.Store
	Music       MusicProvider
	Profiles    *profile.Service
	Preferences *preference.Service
	Variables   *variable.Service
	Learning    *ml.Service
	Now         func() time.Time // nil: time.Now
	Logger      *slog.Logger     // nil: none
	Observer    observe.Observer // nil: none
	// Seed makes the seeds that the service chooses repeatable; 0: random ones.
	Seed uint64
}

// NewService returns a Service, and sets itself as the hook of o.Variables.
func NewService(o Options) (*Service, error) { return nil, errors.ErrUnsupported }

// Create makes and plans a vector. No music that fits is a conflict that says what is missing.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, d Definition) (TuneVector, error) {
	return TuneVector{}, errors.ErrUnsupported
}

// Get returns a vector with its plan.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (TuneVector, error) {
	return TuneVector{}, errors.ErrUnsupported
}

// Update has change alter the definition as it was given, and plans anew what that touches. What was played stays.
// ifMatch, where not zero, must be the vector's version. change may be called again after a conflict.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, change func(*Definition) error, ifMatch store.Version) (TuneVector, error) {
	return TuneVector{}, errors.ErrUnsupported
}

// Delete removes a vector.
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) error {
	return errors.ErrUnsupported
}

// List returns vectors in order of creation, without their plans. limit is 1–100; token continues a listing.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) ([]TuneVector, string, error) {
	return nil, "", errors.ErrUnsupported
}

// Record is the one way in for interactions: it logs them, learns from them, and re-plans what playing ai vectors have
// not played yet. It can be repeated.
func (s *Service) Record(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) (Recorded, error) {
	return Recorded{}, errors.ErrUnsupported
}

// Recommend returns tracks this listener may like, best first; limit is 1–100. Never empty while there is music.
func (s *Service) Recommend(ctx context.Context, profileID uuid.UUID, limit int) ([]Recommendation, error) {
	return nil, errors.ErrUnsupported
}

// Format is a playlist file format.
type Format string

// The formats.
const (
	XSPF Format = "xspf" // XML Shareable Playlist Format, version 1
	JSPF Format = "jspf" // its JSON form
	M3U8 Format = "m3u8" // extended M3U in UTF-8
)

// Export writes a vector's plan as a playlist file and returns its media type.
func (s *Service) Export(ctx context.Context, profileID, id uuid.UUID, f Format) (body []byte, mediaType string, err error) {
	return nil, "", errors.ErrUnsupported
}

// Kind, Any and DeleteAll make the Service a profile.Dependent.
func (s *Service) Kind() string { return "tune vectors" }

// Any reports whether the listener has vectors.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	return false, errors.ErrUnsupported
}

// DeleteAll deletes the listener's vectors and their plans.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	return errors.ErrUnsupported
}
