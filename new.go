package rhythmiq

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/rp3beta"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/variable"
)

// New wires the services. A Config with mistakes is refused with all of them named, as "Profile.SessionTTL" or
// "PreferenceWeights[genre]" (see [FieldErrors]).
func New(c Config) (*App, error) {
	c = c.withDefaults()
	a := &App{store: c.Store, music: c.Music, now: c.Now, log: c.Logger, observer: c.Observer, blobs: c.Blobs, Spotify: c.Spotify}
	var (
		wrong mistakes
		err   error
	)
	a.Profiles, err = profile.NewService(c.Store, c.Profile)
	wrong.add(err, "Profile.", "")
	a.Preferences, err = preference.NewService(c.Store, preference.Options{
		Now: c.Now, Observer: c.Observer, Weights: c.PreferenceWeights, Sources: preferenceSources(c.Music),
	})
	wrong.add(err, "PreferenceWeights", "weights")
	a.Variables, err = variable.NewService(c.Store, variable.Options{Now: c.Now, Observer: c.Observer})
	wrong.add(err, "Variables.", "")
	a.Learning, err = ml.NewService(c.Store, c.Learning)
	wrong.add(err, "Learning.", "")
	if err == nil {
		a.Models, a.Situations, err = c.models(a)
		wrong.add(err, "", "")
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	a.TuneVectors, err = tunevector.NewService(tunevector.Options{
		Store: c.Store, Music: c.Music, Preferences: a.Preferences, Variables: a.Variables,
		Learning: a.Learning, Models: a.Models, Situations: a.Situations, Now: c.Now, Logger: c.Logger, Observer: c.Observer, Seed: c.Seed, NoTries: c.NoTries,
	})
	if err != nil {
		return nil, err
	}
	a.Variables.OnWithdrawal(a.Learning.Withdrawn) // also without models here: another instance may have some
	// The order in which a listener's things are deleted: the vectors first, since they are made from the rest, and
	// what a change of variables sets off finds none to plan; the log last, since learning goes on from it.
	// (But links end before that: what is told of their music is logged as long as they are there.)
	a.Profiles.Depend(a.TuneVectors, a.Variables, a.Preferences)
	if a.Spotify != nil {
		a.Profiles.Depend(a.Spotify)
	}
	a.Profiles.Depend(a.Learning)
	a.connect()
	return a, nil
}

// connect has the music import into the preferences, and the links tell of accounts that are linked, whose libraries are then imported, and unlinked, of which then nothing
// is kept: as far as the music and the links are of that kind.
func (a *App) connect() {
	if importer, ok := a.music.(preference.Importer); ok {
		importer.ImportInto(a.Preferences)
	}
	links, ok := a.Spotify.(linking.Teller)
	if !ok {
		return
	}
	linked := func(context.Context, uuid.UUID) error { return nil }
	if importer, ok := a.music.(tunevector.LibraryImporter); ok {
		linked = importer.ImportLibrary
	}
	links.Tell(linked, a.TuneVectors.Withdraw)
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Observer = observe.Or(c.Observer)
	if c.Store == nil {
		if c.Blobs == nil {
			c.Blobs = &blobs.Memory{}
		}
		c.Store = memstore.New(&memstore.Options{Now: c.Now})
	}
	if c.Music == nil {
		c.Music = catalog.Demo()
	}
	if c.Profile.Now == nil {
		c.Profile.Now = c.Now
	}
	if c.Profile.Observer == nil {
		c.Profile.Observer = c.Observer
	}
	if c.Learning.Now == nil {
		c.Learning.Now = c.Now
	}
	if c.Learning.Observer == nil {
		c.Learning.Observer = c.Observer
	}
	if c.Learning.Trainable == nil {
		c.Learning.Trainable = trainable(c.Music)
	}
	if c.Learning.Describe == nil {
		c.Learning.Describe = described(c.Music)
	}
	if c.Algorithms == nil {
		c.Algorithms = []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}, rp3beta.Algorithm{}, als.Algorithm{}}
	}
	if c.Situations == nil {
		c.Situations = []ml.Algorithm{situation.Logistic{}, situation.Machine{}}
	}
	return c
}

// models returns what trains models and serves them; nil where there is no place to keep them.
func (c Config) models(a *App) (*ml.Recommender, *ml.Situations, error) {
	if c.Blobs == nil {
		if c.Trainer != nil {
			var f fault.Fields
			f.Add("Blobs", "is required where there is a Trainer")
			return nil, nil, f.Err()
		}
		return nil, nil, nil
	}
	if c.Trainer == nil {
		local, err := localtrainer.New(c.Blobs, localtrainer.Options{})
		if err != nil {
			return nil, nil, err
		}
		c.Trainer = local
	}
	var wrong mistakes
	taste, err := ml.NewRecommender(a.Learning, ml.RecommenderOptions{
		Algorithms: c.Algorithms, Blobs: c.Blobs, Trainer: c.Trainer, Select: c.Selection, Precision: c.Precision,
	})
	wrong.add(err, "", "")
	if len(c.Situations) == 0 {
		return taste, nil, wrong.err()
	}
	situations, err := ml.NewSituations(a.Learning, ml.SituationOptions{
		Algorithms: c.Situations, Blobs: c.Blobs, Trainer: c.Trainer, Select: c.SituationSelection, Aspects: tunevector.Aspects(),
		Answers: func(ctx context.Context, profileID uuid.UUID, until time.Time) ([]ml.Answered, error) {
			return a.TuneVectors.Answers(ctx, profileID, until) // which is made later, since it asks the models
		},
	})
	wrong.add(err, "Situations", "Algorithms")
	return taste, situations, wrong.err()
}

// trainable asks the music provider which tracks may be learned from. Tracks that it no longer knows may not.
func trainable(music tunevector.MusicProvider) func(context.Context, []string) (map[string]bool, error) {
	return func(ctx context.Context, ids []string) (map[string]bool, error) {
		tracks, err := music.Tracks(ctx, ids)
		if err != nil {
			return nil, err
		}
		may := make(map[string]bool, len(tracks))
		for _, t := range tracks {
			_, may[t.ID] = t.Item()
		}
		return may, nil
	}
}

// described asks the music provider what a learner may see of tracks.
func described(music tunevector.MusicProvider) func(context.Context, []string) (map[string]ml.Item, error) {
	return func(ctx context.Context, ids []string) (map[string]ml.Item, error) {
		tracks, err := music.Tracks(ctx, ids)
		if err != nil {
			return nil, err
		}
		items := make(map[string]ml.Item, len(tracks))
		for _, t := range tracks {
			if item, may := t.Item(); may {
				items[t.ID] = item
			}
		}
		return items, nil
	}
}

// preferenceSources are where the music provider can import preferences from.
func preferenceSources(music tunevector.MusicProvider) []preference.Source {
	if p, ok := music.(preference.Importer); ok {
		return p.PreferenceSources()
	}
	return nil
}

// mistakes collects what the services find wrong with their part of a Config.
type mistakes struct {
	fields fault.Fields
	other  error
}

// add takes the fields of err under the Config's names: with prefix in the place of theirs.
func (m *mistakes) add(err error, prefix, theirs string) {
	if e, ok := fault.As(err); ok && len(e.Fields) > 0 {
		for field, message := range e.Fields {
			m.fields.Add(prefix+strings.TrimPrefix(field, theirs), "%s", message)
		}
		return
	}
	m.other = errors.Join(m.other, err)
}

func (m *mistakes) err() error { return errors.Join(m.fields.Err(), m.other) }
