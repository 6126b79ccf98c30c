package rhythmiq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// town is a clock, a store and listeners who hear lively music where it is loud, and calm music where it is quiet.
type town struct {
	*clock
	store  *recorder
	music  []tunevector.Track
	chance *rand.Rand
}

func newTown(t *testing.T) *town {
	t.Helper()
	c := &clock{now: noon}
	all, err := demo().Candidates(t.Context(), tunevector.CandidateQuery{Limit: 400})
	require.NoError(t, err)
	var calm, lively, music []tunevector.Track
	for _, track := range all {
		if track.Features.Energy > 0.5 {
			lively = append(lively, track)
		} else {
			calm = append(calm, track)
		}
	}
	for i := range 30 { // as much of one as of the other
		music = append(music, calm[i], lively[i])
	}
	return &town{clock: c, store: record(memstore.New(&memstore.Options{Now: c.Now})), music: music, chance: rand.New(rand.NewPCG(1, 1))}
}

// app returns an app over a store of the town.
func (w *town) app(t *testing.T, s store.Store, kept ml.Blobs) *rhythmiq.App {
	t.Helper()
	return newApp(t, rhythmiq.Config{
		Store: s, Blobs: kept, Now: w.Now, Seed: 1, NoTries: true, Situations: []ml.Algorithm{situation.Logistic{}},
		SituationSelection: ml.SelectOptions{Fixed: map[string]ml.Values{"logistic": {"folds": "3"}}},
	})
}

func (w *town) optIn(t *testing.T, app *rhythmiq.App, listener uuid.UUID) variable.Variable {
	t.Helper()
	v, err := app.Variables.Create(t.Context(), listener, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)
	return v
}

// evening has a listener hear ten tracks where it is this loud. If they have opted into telling so, that is told.
func (w *town) evening(t *testing.T, app *rhythmiq.App, listener uuid.UUID, noise variable.Variable, level float64, turned bool) {
	t.Helper()
	if noise.OptedIn {
		_, err := app.TuneVectors.RecordReadings(t.Context(), listener, noise.ID, []variable.Reading{{Value: level}})
		require.NoError(t, err)
	}
	var events []ml.Interaction
	for n := range 10 {
		track := w.music[w.chance.IntN(len(w.music))]
		e := ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: w.Now().Add(time.Duration(n) * time.Second)}
		if (track.Features.Energy > 0.5) != (level > 50) != turned {
			e.Action, e.PositionSeconds = ml.Skip, ptr(3.0)
		}
		events = append(events, e)
	}
	_, err := app.TuneVectors.Record(t.Context(), listener, events)
	require.NoError(t, err)
}

// crowd has so many listeners live for some evenings, and returns them.
func (w *town) crowd(t *testing.T, app *rhythmiq.App, n, evenings int) []uuid.UUID {
	t.Helper()
	ids, noises := make([]uuid.UUID, n), make([]variable.Variable, n)
	for i := range ids {
		ids[i] = register(t, app, i).ID
		noises[i] = w.optIn(t, app, ids[i])
	}
	for e := range evenings {
		w.add(5 * time.Hour)
		for i := range ids {
			w.evening(t, app, ids[i], noises[i], []float64{34, 84}[e%2], false)
		}
	}
	w.add(3 * time.Hour)
	return ids
}

func filesOf(t *testing.T, kept *blobs.Memory, prefix string) map[string]string {
	t.Helper()
	files, err := kept.List(t.Context(), prefix)
	require.NoError(t, err)
	all := map[string]string{}
	for _, f := range files {
		b, err := kept.Open(t.Context(), f.Name)
		require.NoError(t, err)
		content, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		require.NoError(t, err)
		require.NoError(t, b.Close())
		all[f.Name] = string(content)
	}
	return all
}

const situationFiles = "models/situations-"

// What many listeners answered serves one who has not answered yet: ends, tracks, reasons and recommendations follow where they are.
func TestSharedSituations(t *testing.T) {
	t.Parallel()
	w, kept := newTown(t), &blobs.Memory{}
	app := w.app(t, w.store, kept)
	w.crowd(t, app, 22, 6)
	ada := register(t, app, 100).ID
	noise := w.optIn(t, app, ada)
	hear := func(level float64) (tunevector.TuneVector, []tunevector.Recommendation) {
		w.add(time.Hour)
		_, err := app.TuneVectors.RecordReadings(t.Context(), ada, noise.ID, []variable.Reading{{Value: level}})
		require.NoError(t, err)
		v, err := app.TuneVectors.Create(t.Context(), ada, tunevector.Definition{Name: "x", Mode: tunevector.AI, DurationMinutes: 40, Seed: ptr(int64(9))})
		require.NoError(t, err)
		found, err := app.TuneVectors.Recommend(t.Context(), ada, 20)
		require.NoError(t, err)
		return v, found
	}
	energy := func(all []tunevector.Recommendation) float64 {
		sum := 0.0
		for _, r := range all {
			tracks, err := demo().Tracks(t.Context(), []string{r.TrackID})
			require.NoError(t, err)
			sum += tracks[0].Features.Energy / float64(len(all))
		}
		return sum
	}
	before, _ := hear(60)
	require.NotContains(t, fmt.Sprint(before.Plan.Tracks), "you now")

	require.NoError(t, app.Sweep(t.Context()))
	v, live := app.Situations.Live()
	require.True(t, live)
	require.Greater(t, v.Known["noise"], 1000)
	require.Greater(t, app.Situations.Prior().Trust(), 0.3)
	require.NotEmpty(t, app.Situations.Prior().Reference())
	loud, loudly := hear(86)
	calm, calmly := hear(33)
	require.Greater(t, loud.Start.Energy, calm.Start.Energy+0.2, "the rules alone move it by 0.2 in all")
	require.Greater(t, energy(loudly), energy(calmly)+0.1)
	require.Contains(t, fmt.Sprint(loudly), "it is loud around you")
	require.Contains(t, fmt.Sprint(calmly), "it is quiet around you")
	require.Contains(t, fmt.Sprint(loud.Plan.Tracks), "it is loud around you")
	require.Contains(t, fmt.Sprint(loud.Plan.Tracks), "as listeners like it in such situations")

	// Whoever has not opted in is told nothing of it.
	other := register(t, app, 101).ID
	for _, said := range heard(t, app, other) {
		require.NotContains(t, said, "around you")
	}

	// One whose answers are the other way round is believed, the more they say.
	for e := range 12 {
		w.add(time.Hour)
		w.evening(t, app, ada, noise, []float64{34, 84}[e%2], true)
	}
	turned, _ := hear(86)
	require.Less(t, turned.Start.Energy, loud.Start.Energy-0.1)

	// The day of the model over, and no training: the rules are back.
	w.add(25 * time.Hour)
	require.Nil(t, app.Situations.Prior())
	for name, content := range filesOf(t, kept, "") {
		require.NotContains(t, content, ada.String(), name)
		require.NotContains(t, content, string(ada[:]), name)
	}
}

// What a listener's readings taught the shared model goes with the next training after they opted out, were deleted, or deleted the variable: file and predictions
// are what they would be had they never opted in. Without a training it is over after a day.
func TestASharedModelForgets(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, app *rhythmiq.App, ada uuid.UUID, noise variable.Variable){
		"opted out": func(t *testing.T, app *rhythmiq.App, ada uuid.UUID, noise variable.Variable) {
			t.Helper()
			_, err := app.Variables.Update(t.Context(), ada, noise.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
			require.NoError(t, err)
		},
		"deleted the variable": func(t *testing.T, app *rhythmiq.App, ada uuid.UUID, noise variable.Variable) {
			t.Helper()
			require.NoError(t, app.Variables.Delete(t.Context(), ada, noise.ID, store.Version{}))
		},
		"left": func(t *testing.T, app *rhythmiq.App, ada uuid.UUID, _ variable.Variable) {
			t.Helper()
			require.NoError(t, app.Profiles.Delete(t.Context(), ada, true, store.Version{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, kept := newTown(t), &blobs.Memory{}
			app := w.app(t, w.store, kept)
			crowd := w.crowd(t, app, 21, 5)
			ada := register(t, app, 100).ID
			never, neverKept := w.store.copyOf(t, w.Now), &blobs.Memory{} // where she never opts in

			noise := w.optIn(t, app, ada)
			for e := range 6 {
				w.add(time.Hour)
				w.evening(t, app, ada, noise, []float64{34, 84}[e%2], true)
			}
			w.add(time.Hour)
			twin := w.app(t, never, neverKept)
			train := func(a *rhythmiq.App) ml.Training {
				got, err := a.Situations.Train(t.Context(), nil)
				require.NoError(t, err)
				require.True(t, got.Promoted, got.Why)
				return got
			}
			with, without := train(app), train(twin)
			require.NotEqual(t, without.Version.Artifact.SHA256, with.Version.Artifact.SHA256, "they are in it")
			require.Equal(t, without.Version.Answers+46, with.Version.Answers) // some of them are with one track within an hour, and count once

			leave(t, app, ada, noise)
			w.add(2 * time.Hour)
			require.Contains(t, filesOf(t, kept, ""), with.Version.Artifact.Blob)
			after := train(app)
			want, err := twin.Situations.Train(t.Context(), nil)
			require.NoError(t, err)
			if !want.Promoted { // there nothing was withdrawn, and so the better one stays
				require.NoError(t, twin.Situations.Registry().Promote(t.Context(), want.Version.ID, want.Before.ID))
				require.NoError(t, twin.Situations.Poll(t.Context()))
			}
			require.Contains(t, after.Why, "withdrawn")
			require.Equal(t, want.Version.Artifact.SHA256, after.Version.Artifact.SHA256)
			files := filesOf(t, kept, "")
			require.Len(t, files, 1)
			require.Equal(t, filesOf(t, neverKept, after.Version.Artifact.Blob[:len(situationFiles)])[want.Version.Artifact.Blob], files[after.Version.Artifact.Blob])
			versions, err := app.Situations.Registry().Versions(t.Context())
			require.NoError(t, err)
			require.Len(t, versions, 1)
			_, err = app.Situations.Rollback(t.Context())
			require.ErrorIs(t, err, rhythmiq.ErrConflict)
			require.Equal(t, heard(t, twin, crowd[3]), heard(t, app, crowd[3]), "and so is what others hear")
			require.False(t, strings.Contains(everything(t, w.store.Store), with.Version.ID.String()), "nor does the registry know of it") //nolint:testifylint // which would print all of it

			// An instance that was not told goes on with what it has, for the rest of the day.
			w.add(24 * time.Hour)
			require.Nil(t, app.Situations.Prior())
		})
	}
}

// Whoever trains no models of situations any more deletes those that there are when their day is over, and not before: others may train some.
func TestSituationsGoWhereNoneAreTrained(t *testing.T) {
	t.Parallel()
	w, kept := newTown(t), &blobs.Memory{}
	app := w.app(t, w.store, kept)
	w.crowd(t, app, 22, 6)
	got, err := app.Situations.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, got.Promoted, got.Why)
	none := newApp(t, rhythmiq.Config{Store: w.store, Blobs: kept, Now: w.Now, Situations: []ml.Algorithm{}})
	require.Nil(t, none.Situations)
	w.add(24*time.Hour - time.Minute)
	require.NoError(t, none.Sweep(t.Context()))
	require.NotEmpty(t, filesOf(t, kept, situationFiles))
	w.add(time.Minute)
	require.NoError(t, none.Sweep(t.Context()))
	require.Empty(t, filesOf(t, kept, situationFiles))
	versions, err := app.Situations.Registry().Versions(t.Context())
	require.NoError(t, err)
	require.Empty(t, versions)
	_, live, err := app.Situations.Registry().Live(t.Context())
	require.NoError(t, err)
	require.False(t, live)
	w.store.failing(func(table store.Table, _ string) error {
		if table == store.Models {
			return store.ErrUnavailable
		}
		return nil
	})
	require.Error(t, none.Sweep(t.Context()))
}

// If it cannot be noted that a consent has ended the caller is told, and it is noted in the background.
func TestAWithdrawalIsNotedInTheEnd(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	app := w.app(t, w.store, &blobs.Memory{})
	ada := register(t, app, 1).ID
	noise := w.optIn(t, app, ada)
	noted := func() bool { return strings.Contains(everything(t, w.store.Store), " withdrawn ") }
	require.False(t, noted())
	w.store.failing(func(_ store.Table, sort string) error {
		if sort == "withdrawn" {
			return store.ErrUnavailable
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := app.Variables.Update(ctx, ada, noise.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.Error(t, err)
	require.False(t, noted())
	w.store.failing(nil)
	_, err = app.Variables.Resume(t.Context())
	require.NoError(t, err)
	require.True(t, noted())
}

// An instance without models notes what is withdrawn for those that have some.
func TestWithdrawalIsNotedWithoutModels(t *testing.T) {
	s := memstore.New(nil)
	app := newApp(t, rhythmiq.Config{Store: s, Music: demo()})
	require.Nil(t, app.Situations)
	ada := register(t, app, 1)
	noise, err := app.Variables.Create(t.Context(), ada.ID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)
	noted := func() store.Version {
		item, err := s.Get(t.Context(), store.Key{Table: store.Models, Partition: store.HashPartition("ml", "registry-of-situations"), Sort: "withdrawn"}, store.Strong)
		if errors.Is(err, store.ErrNotFound) {
			return store.Version{}
		}
		require.NoError(t, err)
		return item.Version
	}
	require.Zero(t, noted())
	_, err = app.Variables.Update(t.Context(), ada.ID, noise.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	require.NotZero(t, noted())
}
