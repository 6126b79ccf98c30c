// Package preference keeps what a listener likes: the list they set themselves, in their
// order, and beside it what was learned from what they play. It turns both into a taste
// that scores music. It knows nothing of tracks or plans.
//
//	s, err := preference.NewService(st, preference.Options{})
//	p, err := s.Create(ctx, profileID, preference.Addition{Type: preference.Genre, Value: "rock"})
//	taste, err := s.Taste(ctx, profileID, nil)
//	score, reasons := taste.Score(preference.Traits{Genres: []string{"indie rock"}})
package preference

import (
	"time"

	"github.com/google/uuid"
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

// Types lists all of them.
func Types() []Type { return []Type{Genre, Tempo, Instrument, Artist} }

// Limits of a list.
const (
	MaxPreferences = 100 // a profile
	MaxValue       = 100 // characters in a value
)

// Preference is one thing a listener likes, or avoids.
type Preference struct {
	ID        uuid.UUID `json:"preferenceId"`
	Type      Type      `json:"type"`
	Value     string    `json:"value"`            // 1–100 characters, as written
	Weight    float64   `json:"weight"`           // −1…1; below zero means avoid
	Index     int       `json:"index"`            // 0 is the favorite
	Source    Source    `json:"source,omitempty"` // where it was imported from; "": the listener set it
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
