package rhythmiq_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// everything is all that a store holds, as text.
func everything(t *testing.T, s store.Store) string {
	t.Helper()
	scanner, ok := store.As[store.Scanner](s)
	require.True(t, ok)
	var all strings.Builder
	for _, table := range []store.Table{store.Users, store.Interactions, store.Models} {
		for cursor := ""; ; {
			page, err := scanner.Scan(t.Context(), table, cursor, store.MaxPage)
			require.NoError(t, err)
			for _, item := range page.Items {
				fmt.Fprintln(&all, item.Key.Table, uuid.UUID(item.Key.Partition), item.Key.Sort, string(item.Body))
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return all.String()
}

// A listener lives for some days, and answers to loud music by how loud it is; then they opt out. What a reading said is followed through all that was derived
// from it: the reading itself, what counts as the reading of a playing vector, plans with their ends and reasons, what was learned of their answers,
// learned preferences, recommendations, the export. Then it is shown that all of it is gone, and that what comes from
// then on is what it would be for somebody who did the same and had never opted in.
func TestAReadingIsFollowedUntilItIsGone(t *testing.T) {
	c := &clock{now: noon}
	kept := &blobs.Memory{}
	s := memstore.New(&memstore.Options{Now: c.Now})
	app := newApp(t, rhythmiq.Config{Store: s, Blobs: kept, Now: c.Now, Seed: 1})
	ctx := t.Context()
	ada, twin := register(t, app, 1).ID, register(t, app, 2).ID

	opt := func(kind variable.Type) variable.Variable {
		v, err := app.Variables.Create(ctx, ada, variable.Addition{Type: kind, OptedIn: true})
		require.NoError(t, err)
		return v
	}
	noise, place, heart, rating := opt(variable.AmbientNoise), opt(variable.Location), opt(variable.HeartRateVariability), opt(variable.VectorRating)
	const told = 83.0625 // a number that nothing else has
	read := func(v variable.Variable, r variable.Reading) []tunevector.Replanned {
		replanned, err := app.TuneVectors.RecordReadings(ctx, ada, v.ID, []variable.Reading{r})
		require.NoError(t, err)
		return replanned
	}
	music, err := demo().Candidates(ctx, tunevector.CandidateQuery{Limit: 120})
	require.NoError(t, err)
	where := variable.Coordinates{Latitude: 41.8902, Longitude: 12.4922}
	for day := range 12 {
		c.add(23 * time.Hour)
		for _, level := range []float64{31, told} {
			c.add(30 * time.Minute)
			read(noise, variable.Reading{Value: level})
			read(place, variable.Reading{Place: &where})
			read(heart, variable.Reading{Value: 47.53125})
			for _, listener := range []uuid.UUID{ada, twin} {
				var events []ml.Interaction
				for n := range 6 {
					track := music[(day*12+n*7+int(level))%len(music)]
					e := ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: c.Now().Add(-time.Duration(n) * time.Second)}
					if (track.Features.Energy > 0.5) == (level > 50) {
						e.Action, e.PositionSeconds = ml.Skip, ptr(4.0)
					}
					events = append(events, e)
				}
				_, err := app.TuneVectors.Record(ctx, listener, events)
				require.NoError(t, err)
			}
		}
	}

	// One vector waits, another plays.
	create := func(listener uuid.UUID) tunevector.TuneVector {
		v, err := app.TuneVectors.Create(ctx, listener, tunevector.Definition{Name: "hour", Mode: tunevector.AI, DurationMinutes: 60, Seed: ptr(int64(5))})
		require.NoError(t, err)
		return v
	}
	waiting, playing := create(ada), create(ada)
	play := ml.Interaction{EventID: uuid.New(), TrackID: playing.Plan.Tracks[0].TrackID, Action: ml.Play, At: c.Now()}
	_, err = app.TuneVectors.Record(ctx, twin, []ml.Interaction{play}) // the twin hears it too: it says something of taste
	require.NoError(t, err)
	plain := create(twin)
	play.TuneVectorID = playing.ID
	_, err = app.TuneVectors.Record(ctx, ada, []ml.Interaction{play})
	require.NoError(t, err)
	read(rating, variable.Reading{Value: 5, TuneVectorID: playing.ID})
	c.add(time.Minute)
	read(noise, variable.Reading{Value: told})

	// It is everywhere.
	before := everything(t, s)
	for _, trace := range []string{"83.0625", "47.53125", `"held":[{"t":"ambient-noise"`} {
		require.True(t, strings.Contains(before, trace), trace) //nolint:testifylint // likewise
	}
	for _, v := range []variable.Variable{noise, place, heart, rating} {
		require.Greater(t, strings.Count(before, v.Consent.String()), 1)
	}
	require.False(t, strings.Contains(before, "41.8902"), "coordinates are coarse") //nolint:testifylint // likewise
	require.NotEqual(t, plain.Start, waiting.Start)
	require.Contains(t, fmt.Sprint(waiting.Plan.Tracks), "than your usual")

	// Opting out.
	for _, v := range []variable.Variable{noise, place, heart, rating} {
		_, err := app.Variables.Update(ctx, ada, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
		require.NoError(t, err)
	}
	// Nothing of it is stored any more, whoever reads what.
	ended := regexp.MustCompile(`"ended":\[[^]]*\]`)
	for _, trace := range []string{"83.0625", "47.53125", `"held"`, "than your usual", "loud"} {
		require.False(t, strings.Contains(ended.ReplaceAllString(everything(t, s), ""), trace), trace) //nolint:testifylint // which would print all of it
	}
	// What plays was planned anew before the answer, and what waits is when it is read.
	for _, v := range []tunevector.TuneVector{waiting, playing} {
		now, err := app.TuneVectors.Get(ctx, ada, v.ID)
		require.NoError(t, err)
		for _, track := range now.Plan.Tracks {
			require.NotContains(t, fmt.Sprint(track.Reasons), "than your usual")
			require.NotContains(t, fmt.Sprint(track.Reasons), "loud")
			require.False(t, track.Try)
		}
		require.Equal(t, plain.Start, now.Start)
	}
	// The names of consents that have ended are kept, so that what comes late under them is known by it. They are random, and nothing stands under them.
	after := ended.ReplaceAllString(everything(t, s), "")
	traces := []string{"83.0625", "47.53125", `"held"`}
	for _, v := range []variable.Variable{noise, place, heart, rating} {
		traces = append(traces, v.Consent.String())
	}
	for _, trace := range traces {
		require.False(t, strings.Contains(after, trace), trace) //nolint:testifylint // which would print all of it
	}
	var export bytes.Buffer
	require.NoError(t, app.Export(ctx, ada, &export))
	require.NotContains(t, export.String(), "83.0625")

	// What is planned and recommended from now on is what it is for the twin, here and in an instance that begins only now.
	c.add(2 * time.Hour)
	other := newApp(t, rhythmiq.Config{Store: s, Blobs: kept, Now: c.Now, Seed: 1})
	for _, a := range []*rhythmiq.App{app, other} {
		require.Equal(t, heard(t, a, twin), heard(t, a, ada))
	}

	// Opting in again finds nothing of before.
	_, err = app.Variables.Update(ctx, ada, noise.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, heard(t, app, twin), heard(t, app, ada))
}

// heard is what a listener would get to hear: a plan with its ends, and what is recommended.
func heard(t *testing.T, app *rhythmiq.App, listener uuid.UUID) []string {
	t.Helper()
	v, err := app.TuneVectors.Create(context.WithoutCancel(t.Context()), listener, tunevector.Definition{
		Name: "x", Mode: tunevector.AI, DurationMinutes: 40, Seed: ptr(int64(9)),
	})
	require.NoError(t, err)
	all := []string{fmt.Sprint(v.Start, v.End)}
	for _, track := range v.Plan.Tracks {
		all = append(all, track.TrackID+fmt.Sprint(track.Reasons))
	}
	found, err := app.TuneVectors.Recommend(t.Context(), listener, 10)
	require.NoError(t, err)
	for _, r := range found {
		all = append(all, r.TrackID)
	}
	return all
}

// What is deleted is gone from the bytes of a SQLite file too, and from those of its log: readings when their variable is opted out of, and all with the profile.
func TestNothingIsLeftInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rhythmiq.db")
	s, err := sqlitestore.Open(t.Context(), path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	app := newApp(t, rhythmiq.Config{Store: s})
	raw := func() string {
		var all []byte
		files, err := filepath.Glob(path + "*")
		require.NoError(t, err)
		for _, file := range files {
			some, err := os.ReadFile(file)
			require.NoError(t, err)
			all = append(all, some...)
		}
		return string(all)
	}
	ctx := t.Context()
	ada := register(t, app, 1)
	noise, err := app.Variables.Create(ctx, ada.ID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)
	var readings []variable.Reading
	for i := range 300 {
		readings = append(readings, variable.Reading{Value: 83.0625, At: time.Now().Add(-time.Duration(i) * time.Minute)})
	}
	_, err = app.TuneVectors.RecordReadings(ctx, ada.ID, noise.ID, readings)
	require.NoError(t, err)
	v, err := app.TuneVectors.Create(ctx, ada.ID, tunevector.Definition{Name: "Xylomancy", Mode: tunevector.AI, DurationMinutes: 60})
	require.NoError(t, err)
	_, err = app.TuneVectors.Record(ctx, ada.ID, []ml.Interaction{{EventID: uuid.New(), TuneVectorID: v.ID, TrackID: v.Plan.Tracks[0].TrackID, Action: ml.Play, At: time.Now()}})
	require.NoError(t, err)
	for _, word := range []string{"83.0625", "Xylomancy", ada.Email} {
		require.NotZero(t, strings.Count(raw(), word), "%s is there", word)
	}
	out := false
	_, err = app.Variables.Update(ctx, ada.ID, noise.ID, variable.Changes{OptedIn: &out}, store.Version{})
	require.NoError(t, err)
	require.Zero(t, strings.Count(raw(), "83.0625"), "readings are gone")
	require.NoError(t, app.Profiles.Delete(ctx, ada.ID, true, store.Version{}))
	for _, word := range []string{"Xylomancy", ada.Email, ada.FirstName, ada.ID.String(), string(ada.ID[:])} {
		require.Zero(t, strings.Count(raw(), word), "%q is gone", word)
	}
}
