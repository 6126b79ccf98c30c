package preference

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

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

// Taste returns the listener's taste from set and learned preferences.
func (s *Service) Taste(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool) (Taste, error) {
	return Taste{}, errors.ErrUnsupported
}
