package rhythmiq_test

import (
	"errors"
	"path/filepath"
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
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// One listener, from signing up to being forgotten, on each store that runs on one machine.
func TestEndToEnd(t *testing.T) {
	c := &clock{now: noon}
	t.Run("memory", func(t *testing.T) {
		endToEnd(t, c, memstore.New(&memstore.Options{Now: c.Now}))
	})
	t.Run("sqlite", func(t *testing.T) {
		s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "rhythmiq.db"), &sqlitestore.Options{Now: c.Now})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		endToEnd(t, c, s)
	})
}

func endToEnd(t *testing.T, c *clock, s store.Store) {
	ctx := t.Context()
	r := record(s)
	app := newApp(t, rhythmiq.Config{Store: r, Now: c.Now, Seed: 7, Learning: ml.Options{MinListeners: 1}})

	ada := register(t, app, 1)
	bob := register(t, app, 2)
	session, err := app.Profiles.Login(ctx, profile.Credentials{Email: ada.Email, Password: "correct horse"})
	require.NoError(t, err)
	for _, genre := range []string{"jazz", "ambient"} {
		_, err := app.Preferences.Create(ctx, ada.ID, preference.Addition{Type: preference.Genre, Value: genre})
		require.NoError(t, err)
	}
	noise, err := app.Variables.Create(ctx, ada.ID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)

	// A plan that goes down, and likes what she likes.
	v, err := app.TuneVectors.Create(ctx, ada.ID, tunevector.Definition{
		Name: "Evening", Mode: tunevector.AI, DurationMinutes: 60, Direction: tunevector.Descent,
	})
	require.NoError(t, err)
	tracks := v.Plan.Tracks
	require.Greater(t, len(tracks), 8)
	longest := 0.0
	for _, p := range tracks {
		longest = max(longest, p.DurationSeconds)
		require.NotEmpty(t, p.Reasons)
	}
	require.InDelta(t, 3600, v.Plan.DurationSeconds, longest/2)
	require.Less(t, tracks[len(tracks)-1].Features.Energy, tracks[0].Features.Energy-0.3)

	// She skips, and a loud room is around her: what she has not heard is planned anew, what she has heard stays.
	c.add(time.Minute)
	recorded, err := app.TuneVectors.Record(ctx, ada.ID, []ml.Interaction{
		{EventID: uuid.New(), TrackID: tracks[0].TrackID, TuneVectorID: v.ID, Action: ml.Complete, At: c.Now().Add(-2 * time.Second)},
		{EventID: uuid.New(), TrackID: tracks[1].TrackID, TuneVectorID: v.ID, Action: ml.Skip, PositionSeconds: ptr(5.0), At: c.Now()},
	})
	require.NoError(t, err)
	require.Equal(t, 2, recorded.Accepted)
	require.Len(t, recorded.Replanned, 1)
	require.Equal(t, v.ID, recorded.Replanned[0].TuneVectorID)
	require.NotEmpty(t, recorded.Replanned[0].Reasons)
	require.NoError(t, app.Variables.Record(ctx, ada.ID, noise.ID, []variable.Reading{{Value: 85}}))
	again, err := app.TuneVectors.Get(ctx, ada.ID, v.ID)
	require.NoError(t, err)
	require.Equal(t, tracks[0].TrackID, again.Plan.Tracks[0].TrackID)
	require.NotEqual(t, v.Version, again.Version)
	learned, err := app.Preferences.Learned(ctx, ada.ID, func(uuid.UUID) bool { return true })
	require.NoError(t, err)
	require.NotEmpty(t, learned)
	seconds, n, err := app.Learning.AverageSkipSeconds(ctx, ada.ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.InDelta(t, 5, seconds, 1e-9)

	recommended, err := app.TuneVectors.Recommend(ctx, ada.ID, 10)
	require.NoError(t, err)
	require.Len(t, recommended, 10)
	require.NoError(t, app.Sweep(ctx))
	popular, err := app.Learning.Popularity(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{tracks[0].TrackID}, popular.Top(5))

	d, _ := export(t, app, ada.ID)
	require.Len(t, d.Events, 2)
	require.Len(t, d.Variables, 1)
	require.Len(t, d.Variables[0].Readings, 1)

	// Opting out leaves no reading, and the rest as it is.
	_, err = app.Variables.Update(ctx, ada.ID, noise.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	d, _ = export(t, app, ada.ID)
	require.Len(t, d.Variables, 1)
	require.Empty(t, d.Variables[0].Readings)
	require.Len(t, d.TuneVectors, 1)
	for _, k := range r.left(t) {
		require.False(t, k.Table == store.Interactions && k.Partition != ada.ID, "%v is a reading", k)
	}

	// Forgetting her refuses while something is left, unless it goes with her.
	err = app.Profiles.Delete(ctx, ada.ID, false, store.Version{})
	require.ErrorIs(t, err, rhythmiq.ErrConflict)
	for _, kind := range []string{"preferences", "tune vectors", "variables"} {
		require.ErrorContains(t, err, kind)
	}
	require.NoError(t, app.Profiles.Delete(ctx, ada.ID, true, store.Version{}))
	_, err = app.Profiles.Authenticate(ctx, session.Token)
	require.ErrorIs(t, err, rhythmiq.ErrUnauthorized)
	_, err = app.TuneVectors.Record(ctx, ada.ID, []ml.Interaction{{EventID: uuid.New(), TrackID: "t", Action: ml.Play, At: c.Now()}})
	require.ErrorIs(t, err, rhythmiq.ErrNotFound)
	require.NoError(t, app.Profiles.Delete(ctx, bob.ID, false, store.Version{}))
	require.NoError(t, app.Sweep(ctx))

	// Of all keys that were ever written, what is still there is nobody's.
	for _, k := range r.left(t) {
		nobodys := k.Table == store.Models || k.Table == store.Users && k.Sort == "keys"
		require.True(t, nobodys, "%v is left", k)
	}
	register(t, app, 1) // the names are free again
}

// A deletion that was cut off anywhere is finished by the background, and leaves nothing.
func TestADeletionThatIsCutOffIsFinished(t *testing.T) {
	broken := errors.New("broken")
	c := &clock{now: noon}
	before := record(memstore.New(&memstore.Options{Now: c.Now}))
	id, _ := full(t, newApp(t, rhythmiq.Config{Store: before, Now: c.Now, Seed: 1}))
	for n := 1; ; n++ {
		r := before.copyOf(t, c.Now)
		app := newApp(t, rhythmiq.Config{Store: r, Now: c.Now})
		calls := 0
		r.failing(func(store.Table, string) error {
			if calls++; calls >= n {
				return broken
			}
			return nil
		})
		err := app.Profiles.Delete(t.Context(), id, true, store.Version{})
		r.failing(nil)
		whole := calls < n
		if whole {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, broken)
		}
		require.NoError(t, app.Sweep(t.Context()))
		if _, err := app.Profiles.Get(t.Context(), id); err == nil {
			continue // it was cut off before it was decided
		}
		for _, k := range r.left(t) {
			nobodys := k.Table == store.Models || k.Table == store.Users && k.Sort == "keys"
			require.True(t, nobodys, "cut off at call %d: %v is left", n, k)
		}
		if whole {
			require.Greater(t, n, 10)
			return
		}
	}
}
