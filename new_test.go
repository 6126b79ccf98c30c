package rhythmiq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

func TestNewWithNothingSet(t *testing.T) {
	app, err := rhythmiq.New(rhythmiq.Config{})
	require.NoError(t, err)
	require.NotNil(t, app.Store())
	require.NoError(t, app.Sweep(t.Context()))
	ada := register(t, app, 1)
	v, err := app.TuneVectors.Create(t.Context(), ada.ID, tunevector.Definition{
		Name: "Hour", Mode: tunevector.AI, DurationMinutes: 60, Direction: tunevector.Descent,
	})
	require.NoError(t, err)
	require.NotEmpty(t, v.Plan.Tracks)
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := rhythmiq.New(rhythmiq.Config{
		Profile:           profile.Options{Hash: profile.HashParams{MemoryKiB: 1, Time: 1, Threads: 1}, SessionTTL: time.Millisecond},
		Learning:          ml.Options{MinListeners: -1},
		PreferenceWeights: map[preference.Type]float64{preference.Genre: 11, "color": 1, preference.Tempo: math.NaN(), preference.Artist: 10},
	})
	require.ErrorIs(t, err, rhythmiq.ErrInvalid)
	fields := rhythmiq.FieldErrors(err)
	names := make([]string, 0, len(fields))
	for name, message := range fields {
		names = append(names, name)
		require.NotEmpty(t, message)
	}
	require.ElementsMatch(t, []string{
		"Profile.Hash.MemoryKiB", "Profile.SessionTTL", "Learning.MinListeners",
		"PreferenceWeights[genre]", "PreferenceWeights[color]", "PreferenceWeights[tempo]",
	}, names)
}

func TestFieldErrorsOfOtherErrors(t *testing.T) {
	require.Nil(t, rhythmiq.FieldErrors(nil))
	require.Nil(t, rhythmiq.FieldErrors(context.Canceled))
	require.Nil(t, rhythmiq.FieldErrors(rhythmiq.ErrNotFound))
}

// What the App is given, each service has.
func TestNewPassesOnWhatItIsGiven(t *testing.T) {
	c, w := &clock{now: noon}, &watcher{}
	s := memstore.New(&memstore.Options{Now: c.Now})
	app := newApp(t, rhythmiq.Config{Store: s, Now: c.Now, Observer: w})
	require.Same(t, s, app.Store())
	require.Equal(t, noon, app.Now())
	require.Same(t, w, app.Observer())
	require.False(t, app.Logger().Enabled(t.Context(), slog.LevelError), "a host that asks for no log has none")
	ada := register(t, app, 1)
	require.True(t, ada.CreatedAt.Equal(noon))
	like, err := app.Preferences.Create(t.Context(), ada.ID, preference.Addition{Type: preference.Genre, Value: "jazz"})
	require.NoError(t, err)
	require.True(t, like.CreatedAt.Equal(noon))
	require.NoError(t, app.Learning.Check([]ml.Interaction{{EventID: uuid.New(), TrackID: "t", Action: ml.Play, At: noon}}))
	require.NoError(t, app.Sweep(t.Context()))
	for _, operation := range []string{"profile.hash-password", "preference.create", "ml.refresh", "store.sweep"} {
		require.NotEmpty(t, w.of(operation), operation)
	}

	// A part's own clock and observer win.
	early, own := noon.Add(-time.Hour), &watcher{}
	app = newApp(t, rhythmiq.Config{
		Now: c.Now, Observer: w,
		Profile: profile.Options{Hash: cheap.Hash, Now: func() time.Time { return early }, Observer: own},
		Learning: ml.Options{
			Now: func() time.Time { return early }, Observer: own,
			Trainable: func(context.Context, []string) (map[string]bool, error) { return nil, nil },
		},
	})
	require.True(t, register(t, app, 1).CreatedAt.Equal(early))
	require.NoError(t, app.Learning.Refresh(t.Context()))
	require.NotEmpty(t, own.of("ml.refresh"))
	require.NotEmpty(t, own.of("profile.hash-password"))

	log := slog.New(slog.DiscardHandler)
	require.Same(t, log, newApp(t, rhythmiq.Config{Logger: log}).Logger())
}

// spotty is a provider half of whose music must not train anything.
type spotty struct {
	tunevector.MusicProvider
	err error
}

func (s *spotty) Tracks(_ context.Context, ids []string) ([]tunevector.Track, error) {
	var tracks []tunevector.Track
	for _, id := range ids {
		t := tunevector.Track{ID: id, Provenance: tunevector.FromCatalog}
		switch id {
		case "unknown":
			continue
		case "spotify":
			t.Provenance = tunevector.FromSpotify
		}
		tracks = append(tracks, t)
	}
	return tracks, s.err
}

func TestOnlyWhatMayTrainBecomesPopular(t *testing.T) {
	c := &clock{now: noon}
	music := &spotty{err: errors.New("out of reach")}
	app := newApp(t, rhythmiq.Config{Now: c.Now, Music: music, Learning: ml.Options{MinListeners: 1}})
	ada := register(t, app, 1)
	events := make([]ml.Interaction, 0, 3)
	for _, id := range []string{"spotify", "unknown", "own"} {
		events = append(events, ml.Interaction{EventID: uuid.New(), TrackID: id, Action: ml.Like, At: noon})
	}
	_, err := app.Learning.Log(t.Context(), ada.ID, events)
	require.NoError(t, err)
	require.ErrorIs(t, app.Learning.Refresh(t.Context()), music.err)
	music.err = nil
	require.NoError(t, app.Learning.Refresh(t.Context()))
	popular, err := app.Learning.Popularity(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"own"}, popular.Top(3))
}

// The kinds of error reach a host under their names.
func TestErrorsAHostChecks(t *testing.T) {
	app := newApp(t, rhythmiq.Config{})
	ctx := t.Context()
	_, err := app.Profiles.Get(ctx, uuid.New())
	require.ErrorIs(t, err, rhythmiq.ErrNotFound)
	_, err = app.Profiles.Create(ctx, profile.Registration{})
	require.ErrorIs(t, err, rhythmiq.ErrInvalid)
	require.Contains(t, rhythmiq.FieldErrors(err), "email")
	ada := register(t, app, 1)
	_, err = app.Profiles.Create(ctx, registration(1))
	require.ErrorIs(t, err, rhythmiq.ErrConflict)
	_, err = app.Profiles.Login(ctx, profile.Credentials{Username: ada.Username, Password: "wrong horse"})
	require.ErrorIs(t, err, rhythmiq.ErrUnauthorized)
	_, err = app.Profiles.Update(ctx, ada.ID, profile.Changes{FirstName: ptr("Augusta")}, store.NewVersion())
	require.ErrorIs(t, err, rhythmiq.ErrStale)
	require.ErrorIs(t, app.Profiles.CheckAPIKey(ctx, ada.ID, "nothing"), rhythmiq.ErrForbidden)
	for _, kind := range []error{rhythmiq.ErrTooMany, rhythmiq.ErrUnavailable} {
		require.ErrorIs(t, fmt.Errorf("around: %w", kind), kind)
	}
}
