package rhythmiq_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// crowd signs up listeners who complete music of one of some genres each, all of it an hour ago.
func crowd(t *testing.T, app *rhythmiq.App, from, n int, genres ...string) []profile.Profile {
	t.Helper()
	var all []profile.Profile
	for i := range n {
		p := register(t, app, from+i)
		genre := genres[i%len(genres)]
		tracks, err := demo().Candidates(t.Context(), tunevector.CandidateQuery{Genres: []string{genre}, Limit: 40})
		require.NoError(t, err)
		slices.SortFunc(tracks, func(a, b tunevector.Track) int { return strings.Compare(a.ID, b.ID) })
		var events []ml.Interaction
		for j := range 12 {
			events = append(events, ml.Interaction{
				EventID: uuid.New(), TrackID: tracks[(i*5+j*(1+i%3))%len(tracks)].ID, Action: ml.Complete,
				At: app.Now().Add(-time.Hour - time.Duration(j)*time.Minute),
			})
		}
		_, err = app.TuneVectors.Record(t.Context(), p.ID, events)
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

func TestModelsServeRecommendationsAndPlans(t *testing.T) {
	t.Parallel()
	c := &clock{now: noon}
	s, kept := memstore.New(&memstore.Options{Now: c.Now}), &blobs.Memory{}
	config := rhythmiq.Config{Store: s, Blobs: kept, Now: c.Now, Seed: 1, Learning: ml.Options{MinListeners: 2}}
	one, two := newApp(t, config), newApp(t, config)
	everybody := crowd(t, one, 0, 60, "jazz", "rock", "ambient")

	// Somebody who has just begun with jazz, and has said nothing.
	ada := register(t, one, 100)
	jazz, err := demo().Candidates(t.Context(), tunevector.CandidateQuery{Genres: []string{"jazz"}, Limit: 40})
	require.NoError(t, err)
	slices.SortFunc(jazz, func(a, b tunevector.Track) int { return strings.Compare(a.ID, b.ID) })
	for i := range 5 {
		_, err := one.TuneVectors.Record(t.Context(), ada.ID, []ml.Interaction{{EventID: uuid.New(), TrackID: jazz[i].ID, Action: ml.Complete, At: c.Now()}})
		require.NoError(t, err)
	}
	because := func(app *rhythmiq.App) int {
		all, err := app.TuneVectors.Recommend(t.Context(), ada.ID, 20)
		require.NoError(t, err)
		n := 0
		for i, r := range all {
			require.LessOrEqual(t, r.Score, 1.0)
			require.False(t, i > 0 && r.TrackID == all[i-1].TrackID)
			if slices.ContainsFunc(r.Reasons, func(reason string) bool { return strings.HasPrefix(reason, "because you played ") }) {
				n++
			}
		}
		return n
	}
	require.Zero(t, because(one), "no model is live")

	c.add(time.Minute)
	require.NoError(t, one.Sweep(t.Context()))
	v, live := one.Models.Live()
	require.True(t, live)
	require.Positive(t, because(one))
	require.Zero(t, because(two))
	require.NoError(t, two.Sweep(t.Context()))
	again, live := two.Models.Live()
	require.True(t, live)
	require.Equal(t, v.ID, again.ID)
	require.Positive(t, because(two))

	made, err := one.TuneVectors.Create(t.Context(), ada.ID, tunevector.Definition{Name: "A", Mode: tunevector.Guided, Stages: []tunevector.Stage{{Genre: "jazz", Minutes: 120}}})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(made.Plan.Tracks, func(p tunevector.PlannedTrack) bool { return slices.Contains(p.Reasons, "suits what you play") }))

	// The file names nobody.
	files, err := kept.List(t.Context(), "models/")
	require.NoError(t, err)
	require.Len(t, files, 1)
	file, err := kept.Open(t.Context(), v.Artifact.Blob)
	require.NoError(t, err)
	content, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
	require.NoError(t, err)
	for _, p := range append(everybody, ada) {
		require.NotContains(t, string(content), p.ID.String())
		require.NotContains(t, string(content), string(p.ID[:]))
	}
}

// Run trains and swaps by itself, and ends what it does with its context.
func TestRunTrains(t *testing.T) {
	t.Parallel()
	c := &clock{now: noon}
	app := newApp(t, rhythmiq.Config{Now: c.Now, Seed: 1, Learning: ml.Options{MinListeners: 2}})
	crowd(t, app, 0, 40, "jazz", "rock")
	c.add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	require.Eventually(t, func() bool {
		_, live := app.Models.Live()
		return live
	}, 30*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

func TestModelsConfig(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	app := newApp(t, rhythmiq.Config{Store: s})
	require.Nil(t, app.Models, "there is no place to keep models")
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{})
	require.NoError(t, err)
	_, err = rhythmiq.New(rhythmiq.Config{Store: s, Trainer: trainer})
	require.Equal(t, map[string]string{"Blobs": "is required where there is a Trainer"}, rhythmiq.FieldErrors(err))
	_, err = rhythmiq.New(rhythmiq.Config{Blobs: kept, Algorithms: []ml.Algorithm{}})
	require.Equal(t, map[string]string{"Algorithms": "is required"}, rhythmiq.FieldErrors(err))
	_, err = rhythmiq.New(rhythmiq.Config{Blobs: kept, Situations: []ml.Algorithm{situation.Logistic{}, situation.Logistic{}}})
	require.Equal(t, map[string]string{"Situations": "logistic is there twice"}, rhythmiq.FieldErrors(err))
	app = newApp(t, rhythmiq.Config{Blobs: kept, Situations: []ml.Algorithm{}})
	require.NotNil(t, app.Models)
	require.Nil(t, app.Situations, "none are to be trained")
	require.NoError(t, app.Sweep(t.Context()))
	app = newApp(t, rhythmiq.Config{Store: s, Blobs: kept, Trainer: trainer})
	_, err = app.Situations.Train(t.Context(), nil)
	require.ErrorIs(t, err, ml.ErrTooFewAnswers)
	_, err = app.Models.Train(t.Context(), nil)
	require.ErrorIs(t, err, ml.ErrTooLittle)
	require.ErrorIs(t, err, rhythmiq.ErrConflict)
}
