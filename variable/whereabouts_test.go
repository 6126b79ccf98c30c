package variable_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

var (
	atHome = variable.Coordinates{Latitude: 52.52, Longitude: 13.405}
	atWork = variable.Coordinates{Latitude: 52.45, Longitude: 13.30}
	train  = variable.Coordinates{Latitude: 52.485, Longitude: 13.35}
	lake   = variable.Coordinates{Latitude: 52.43, Longitude: 13.17}
)

// routine records some weeks of going to work and back, until before today: at home in the evening and at night, on the train at 8 and 17 by the sun.
func (h *home) routine(t testing.TB, v variable.Variable, days int) {
	t.Helper()
	midnight := h.clock.UTC().Truncate(24 * time.Hour)
	for d := 1; d <= days; d++ {
		day := midnight.AddDate(0, 0, -d)
		weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
		for hour := range 24 {
			at, place := day.Add(time.Duration(hour)*time.Hour), atHome
			switch {
			case weekend:
			case hour == 8 || hour == 17:
				place = train
			case hour > 8 && hour < 17:
				place = atWork
			}
			h.record(t, v, variable.Reading{Place: &place, At: at})
		}
	}
}

func (h *home) whereabouts(t testing.TB) variable.Whereabouts {
	t.Helper()
	snap, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	return snap.Whereabouts
}

func TestWhereabouts(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Location)
	require.Empty(t, h.whereabouts(t), "no reading")
	h.record(t, v, variable.Reading{Place: &atHome})
	require.Empty(t, h.whereabouts(t), "no pattern yet")
	h.routine(t, v, 14)
	require.Empty(t, h.whereabouts(t), "the pattern is learned anew within the hour")
	h.advance(time.Hour + time.Second)
	require.Empty(t, h.whereabouts(t), "no fresh reading")
	for _, c := range []struct {
		place variable.Coordinates
		want  variable.Whereabouts
	}{{atHome, variable.Home}, {atWork, variable.Work}, {train, variable.Commute}, {lake, variable.Elsewhere}} {
		h.advance(31 * time.Minute)
		h.record(t, v, variable.Reading{Place: &c.place})
		require.Equal(t, c.want, h.whereabouts(t))
		h.advance(30*time.Minute - time.Second)
		require.Equal(t, c.want, h.whereabouts(t))
		h.advance(time.Second)
		require.Empty(t, h.whereabouts(t), "not fresh any more")
	}
	// On a Saturday nobody commutes.
	h.advance(5 * 24 * time.Hour)
	require.Equal(t, time.Saturday, h.clock.Weekday())
	h.record(t, v, variable.Reading{Place: &train})
	require.Equal(t, variable.Elsewhere, h.whereabouts(t))

	// One reading that disagrees is taken for noise.
	h.advance(time.Minute)
	h.record(t, v, variable.Reading{Place: &train})
	h.advance(time.Minute)
	h.record(t, v, variable.Reading{Place: &atHome})
	require.Equal(t, variable.Elsewhere, h.whereabouts(t))
	h.advance(time.Minute)
	h.record(t, v, variable.Reading{Place: &atHome})
	require.Equal(t, variable.Home, h.whereabouts(t))

	// What was learned ends with the consent.
	_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	require.Empty(t, h.whereabouts(t))
	v, err = h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	h.record(t, v, variable.Reading{Place: &atHome})
	require.Empty(t, h.whereabouts(t))
}

// Who moves has a new home once the nights there weigh more.
func TestWhereaboutsFollowAMove(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Location)
	for d := range 60 {
		place := atHome
		if d < 26 {
			place = lake
		}
		h.record(t, v, variable.Reading{Place: &place, At: h.clock.AddDate(0, 0, -d).Add(-12 * time.Hour)})
	}
	h.record(t, v, variable.Reading{Place: &lake})
	require.Equal(t, variable.Home, h.whereabouts(t))
}

// Past says what Snapshot said at the time.
func TestPastIsWhatASnapshotSaid(t *testing.T) {
	h := newHome(t)
	none, err := h.Past(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	place, heart, noise := h.create(t, variable.Location), h.create(t, variable.HeartRateVariability), h.create(t, variable.AmbientNoise)
	h.create(t, variable.TimeOfDay)
	out := h.create(t, variable.Accelerometer)
	h.record(t, out, variable.Reading{Value: 2})
	_, err = h.Update(t.Context(), h.profile, out.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	h.routine(t, place, 14)
	for d := range 20 {
		h.record(t, heart, variable.Reading{Value: float64(40 + d), At: h.clock.AddDate(0, 0, -d).Add(-20 * time.Hour)})
	}
	midnight := h.clock.UTC().Truncate(24 * time.Hour)
	var moments []time.Time
	var said []variable.Snapshot
	for i := range 30 {
		h.advance(17 * time.Minute)
		if i%3 > 0 {
			h.record(t, noise, variable.Reading{Value: float64(40 + i)})
		}
		if i%7 == 3 {
			h.record(t, heart, variable.Reading{Value: float64(60 + i)})
		}
		h.record(t, place, variable.Reading{Place: []*variable.Coordinates{&atWork, &train, &atHome}[i/10]})
		snap, err := h.Snapshot(t.Context(), h.profile)
		require.NoError(t, err)
		moments, said = append(moments, h.clock), append(said, snap)
	}
	moments, said = append(moments, moments[3], midnight.AddDate(-1, 0, 0)), append(said, said[3])
	past, err := h.Past(t.Context(), h.profile, moments)
	require.NoError(t, err)
	require.Len(t, past, 32)
	for i := range said {
		require.Equal(t, said[i].Latest, past[i].Latest, i)
		require.Equal(t, said[i].Consents, past[i].Consents, i)
		require.Equal(t, said[i].Whereabouts, past[i].Whereabouts, i)
		require.NotEmpty(t, past[i].Whereabouts, i)
		require.Equal(t, said[i].Zone, past[i].Zone, i)
		require.InDelta(t, said[i].RMSSDBaseline, past[i].RMSSDBaseline, 2, "the median of the day")
		require.Equal(t, said[i].Recent, past[i].Recent, i)
	}
	require.Empty(t, past[31].Latest)
	require.Empty(t, past[31].Whereabouts)
}

// A rating tells for a month, also of a single moment: what is asked for one by one is what is asked for at once.
func TestPastReachesBackToRatings(t *testing.T) {
	h := newHome(t)
	rating, noise := h.create(t, variable.VectorRating), h.create(t, variable.AmbientNoise)
	h.record(t, rating, variable.Reading{Value: 4, TuneVectorID: uuid.New()})
	h.record(t, noise, variable.Reading{Value: 50})
	h.advance(29 * 24 * time.Hour)
	snap, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	past, err := h.Past(t.Context(), h.profile, []time.Time{h.clock})
	require.NoError(t, err)
	require.Equal(t, snap.Latest[variable.VectorRating], past[0].Latest[variable.VectorRating])
	require.Equal(t, 4.0, past[0].Latest[variable.VectorRating].Value)
	require.NotContains(t, past[0].Latest, variable.AmbientNoise, "what tells for less is not read")
}

// A pattern is let go of after its day, whether anybody asks for it or not.
func TestPatternsAreLetGo(t *testing.T) {
	h := newHome(t)
	place := h.create(t, variable.Location)
	h.routine(t, place, 3)
	h.record(t, place, variable.Reading{Place: &atHome})
	h.whereabouts(t)
	h.advance(23 * time.Hour)
	_, err := h.Resume(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, patternsOf(h.Service))
	h.advance(time.Hour)
	_, err = h.Resume(t.Context())
	require.NoError(t, err)
	require.Zero(t, patternsOf(h.Service))
}
