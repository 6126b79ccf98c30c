// Package rhythmiq gives a host service environment-driven music: listeners with
// preferences and surroundings get tune vectors, timed sequences of music that carry
// them along a curve. [New] wires the services; package httpapi serves them as REST.
//
//	app, err := rhythmiq.New(rhythmiq.Config{}) // in memory, with a demo catalog
//	go app.Run(ctx)
//
// It knows nothing of HTTP, and of no engine but the store in memory.
package rhythmiq

import (
	"log/slog"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// How RhythmIQ tells a host what it did.
type (
	// Event is one thing that was done. It carries no personal data.
	Event = observe.Event
	// Value is a number that belongs to an event.
	Value = observe.Value
	// Observer receives events, for metrics and traces.
	Observer = observe.Observer
)

// SpotifyLinks links listeners' accounts at Spotify; package tunevector/spotify makes it.
type SpotifyLinks = linking.Links

// The kinds of error a host checks for with errors.Is.
var (
	ErrInvalid      error = fault.ErrInvalid
	ErrNotFound     error = fault.ErrNotFound
	ErrConflict     error = fault.ErrConflict
	ErrStale        error = fault.ErrStale
	ErrUnauthorized error = fault.ErrUnauthorized
	ErrForbidden    error = fault.ErrForbidden
	ErrTooMany      error = fault.ErrTooMany
	ErrUnavailable  error = fault.ErrUnavailable
)

// FieldErrors returns what is wrong with each field of the input that err speaks of, or nil.
func FieldErrors(err error) map[string]string {
	if e, ok := fault.As(err); ok {
		return e.Fields
	}
	return nil
}

// Config says what an App is made of. The zero value works: a store in memory and a demo catalog.
type Config struct {
	Store    store.Store              // nil: in memory
	Music    tunevector.MusicProvider // nil: the demo catalog
	Logger   *slog.Logger             // nil: nothing is logged
	Observer Observer                 // nil: nothing is observed
	Now      func() time.Time         // nil: time.Now
	Seed     uint64                   // makes what RhythmIQ chooses at random in planning repeatable; 0: random

	// NoTries leaves out tracks that are planned to learn whether they suit their listener: at most ⌊n/8⌋ of the first n of a vector in ai
	// mode are, for every n.
	NoTries bool

	Profile           profile.Options             // passwords, sessions, throttling; its clock and observer are filled in from here where not set
	Learning          ml.Options                  // popularity; likewise, and which music may be learned from is asked of Music where not set
	PreferenceWeights map[preference.Type]float64 // how much each type counts in a taste, 0–10; absent: 1

	// Models of taste are trained from the log of interactions, by Run and Sweep, where there is a place to keep them. nil Blobs: in memory where Store is nil
	// too; else no models are trained. Instances that share a Store must share Blobs.
	Blobs      ml.Blobs
	Algorithms []ml.Algorithm   // that are tried, the cheap ones first; nil: popular, itemknn, rp3beta and als
	Trainer    ml.ModelTrainer  // over Blobs; nil: in this process, on half of the processors
	Selection  ml.SelectOptions // how they are tried; the zero value: each once with its defaults
	Precision  ml.Precision     // in which models of factors are searched for requests; "": FP32

	// Models of situations are trained likewise, from the answers of those listeners who have opted into variables. What is tried should answer in microseconds, since each
	// candidate of a plan is asked for: logistic and machine of package situation do. nil: these; empty: none, and situations are learned of each listener alone. (Models that
	// others trained are deleted when their day is over.)
	Situations         []ml.Algorithm
	SituationSelection ml.SelectOptions // how they are tried; the zero value: each once with its defaults

	// Spotify lets listeners link their accounts, sign in by them, and have them deleted and exported with their profile; over the same Store. nil: nobody can. If Music is of
	// such accounts (spotify.Provider), it imports what is in one when that is linked, taste included, and when it is unlinked all that was made of it goes.
	Spotify SpotifyLinks
}

// App is the wired services. It holds nothing that needs closing; a host closes the Store it gave.
type App struct {
	Profiles    *profile.Service
	Preferences *preference.Service
	Variables   *variable.Service
	Learning    *ml.Service
	Models      *ml.Recommender // nil where there is no place to keep models
	Situations  *ml.Situations  // likewise, and where none are to be trained
	TuneVectors *tunevector.Service
	Spotify     SpotifyLinks // nil where the Config has none

	store    store.Store
	music    tunevector.MusicProvider
	now      func() time.Time
	log      *slog.Logger
	observer Observer
	blobs    ml.Blobs
}

// Store returns the store the App works on.
func (a *App) Store() store.Store { return a.store }
