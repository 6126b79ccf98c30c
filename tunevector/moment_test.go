package tunevector

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/variable"
)

func TestAspectsAreSound(t *testing.T) {
	l, err := newLearner()
	require.NoError(t, err)
	require.NotNil(t, l)
	require.Len(t, Aspects(), len(aspects))
	for _, a := range aspects {
		if a.variable != "" {
			_, known := variable.SpecOf(a.variable)
			require.True(t, known, a.Name)
		}
		if a.Kind == ml.Amount {
			require.Positive(t, a.scale.Spread, a.Name)
		}
	}
}

// surroundings are a snapshot with everything opted into and read just now.
func surroundings(now time.Time) variable.Snapshot {
	in := variable.Snapshot{
		Latest: map[variable.Type]variable.Reading{}, Recent: map[variable.Type][]variable.Reading{}, Consents: variable.Consents{},
		Zone: time.UTC, RMSSDBaseline: 50, Whereabouts: variable.Work,
	}
	cadence := 168.0
	for _, s := range variable.Types() {
		in.Consents[s.Type] = uuid.New()
		if s.Form != variable.Silent {
			in.Latest[s.Type] = variable.Reading{Value: 4, At: now}
		}
	}
	in.Latest[variable.Accelerometer] = variable.Reading{Value: 4, Cadence: &cadence, At: now}
	in.Latest[variable.HeartRateVariability] = variable.Reading{Value: 25, At: now}
	return in
}

func TestMomentOf(t *testing.T) {
	now := time.Date(2026, 5, 4, 18, 30, 0, 0, time.UTC) // a Monday
	m, consents := momentOf(surroundings(now), now)
	require.Equal(t, map[string]string{"place": "work", "movement": "run"}, m.Words)
	require.InDelta(t, 18.5, m.Numbers["hour"], 1e-9)
	require.InDelta(t, 1+18.5/24, m.Numbers["weekday"], 1e-9)
	require.InDelta(t, math.Log(0.5), m.Numbers["heart-rate-variability"], 1e-9)
	require.Equal(t, 168.0, m.Numbers["cadence"])
	require.Equal(t, 4.0, m.Numbers["noise"])
	require.Equal(t, 4.0, m.Numbers["temperature"])
	require.Equal(t, 4.0, m.Numbers["rating"])
	require.Len(t, consents, 7)

	// What is not opted into, silent or too old is unknown, each by itself and without touching the others.
	for _, a := range aspects {
		if a.variable == "" {
			continue
		}
		for name, spoil := range map[string]func(in *variable.Snapshot){
			"opted out": func(in *variable.Snapshot) { delete(in.Consents, a.variable) },
			"silent":    func(in *variable.Snapshot) { delete(in.Latest, a.variable); in.Zone = nil },
			"too old": func(in *variable.Snapshot) {
				in.Zone = nil
				r := in.Latest[a.variable]
				r.At = now.Add(-31 * 24 * time.Hour)
				in.Latest[a.variable] = r
			},
		} {
			in := surroundings(now)
			spoil(&in)
			without, _ := momentOf(in, now)
			require.NotContains(t, without.Numbers, a.Name, name)
			require.NotContains(t, without.Words, a.Name, name)
		}
	}
	in := surroundings(now)
	in.RMSSDBaseline, in.Whereabouts = 0, ""
	m, _ = momentOf(in, now)
	require.NotContains(t, m.Numbers, "heart-rate-variability", "no baseline")
	require.NotContains(t, m.Words, "place", "no pattern")
}

func TestMovement(t *testing.T) {
	steps := func(c float64) *float64 { return &c }
	for _, c := range []struct {
		r    variable.Reading
		want string
	}{
		{variable.Reading{Value: 0.1}, still},
		{variable.Reading{Value: 1.5}, walk},
		{variable.Reading{Value: 9}, run},
		{variable.Reading{Value: 0.1, Cadence: steps(0)}, still},
		{variable.Reading{Value: 9, Cadence: steps(0)}, ""},
		{variable.Reading{Value: 9, Cadence: steps(59)}, ""},
		{variable.Reading{Value: 9, Cadence: steps(280)}, run},
		{variable.Reading{Value: 0.1, Cadence: steps(280)}, still},
		{variable.Reading{Value: 0.2, Cadence: steps(100)}, walk},
		{variable.Reading{Value: 0.2, Cadence: steps(170)}, run},
	} {
		require.Equal(t, c.want, movementOf(c.r), "%+v", c.r)
		// The rules do not say the opposite.
		_, reason := byMovement(variable.Snapshot{}, c.r, time.Time{})
		if c.want == still {
			require.Equal(t, "you are at rest: a little calmer", reason, "%+v", c.r)
		} else {
			require.NotContains(t, reason, "at rest", "%+v", c.r)
		}
	}
	in := surroundings(time.Now())
	in.Latest[variable.Accelerometer] = variable.Reading{Value: 9, Cadence: steps(10), At: time.Now()}
	m, _ := momentOf(in, time.Now())
	require.NotContains(t, m.Words, "movement", "moves without steps, which is none of the words")
	in.Latest[variable.Accelerometer] = variable.Reading{Value: 9, Cadence: steps(280), At: time.Now()}
	m, _ = momentOf(in, time.Now())
	require.NotContains(t, m.Numbers, "cadence", "nobody runs so")
}

func TestTellWhatWasDone(t *testing.T) {
	now := time.Date(2026, 5, 4, 18, 30, 0, 0, time.UTC)
	seconds := func(s float64) *float64 { return &s }
	item := func(energy, tempo float64) *ml.Item {
		return &ml.Item{Confidence: 1, Features: map[string]float64{"energy": energy, "tempo": tempo}}
	}
	tracks := map[string]*ml.Item{"a": item(0.2, 80), "b": item(0.4, 100), "c": {}, "d": item(0.9, 170)}
	did := interactions{
		{TrackID: "d", Action: ml.Complete, At: now.Add(time.Minute)}, // not yet
		{TrackID: "a", Action: ml.Like, At: now.Add(-time.Minute)},
		{TrackID: "a", Action: ml.Complete, At: now.Add(-2 * time.Minute)},
		{TrackID: "lent", Action: ml.Skip, PositionSeconds: seconds(5), At: now.Add(-3 * time.Minute)}, // nothing is learned from it
		{TrackID: "b", Action: ml.Skip, PositionSeconds: seconds(10), At: now.Add(-5 * time.Minute)},
		{TrackID: "c", Action: ml.Complete, At: now.Add(-6 * time.Minute)},
		{TrackID: "d", Action: ml.Skip, PositionSeconds: seconds(20), At: now.Add(-2 * time.Hour)},
		{TrackID: "d", Action: ml.Skip, PositionSeconds: seconds(60), At: now.Add(-13 * 24 * time.Hour)},
		{TrackID: "d", Action: ml.Skip, PositionSeconds: seconds(900), At: now.Add(-15 * 24 * time.Hour)},
	}
	m := ml.Moment{Numbers: map[string]float64{}}
	did.tell(m, now, "", tracks)
	require.InDelta(t, 30, m.Numbers["patience"], 1e-9)
	require.InDelta(t, 0.3, m.Numbers["just-energy"], 1e-9)
	require.InDelta(t, 90, m.Numbers["just-tempo"], 1e-9)
	require.InDelta(t, mean([]float64{0.8, 0.4, did[4].Strength()}), m.Numbers["just-liked"], 1e-9)
	m = ml.Moment{Numbers: map[string]float64{}}
	did[7:].tell(m, now, "", tracks)
	require.Empty(t, m.Numbers, "too few skips, and nothing lately")

	m = ml.Moment{Numbers: map[string]float64{}}
	did.tell(m, now, "a", tracks)
	require.InDelta(t, 0.4, m.Numbers["just-energy"], 1e-9, "all but what is answered to")
	require.InDelta(t, 100, m.Numbers["just-tempo"], 1e-9)
	require.InDelta(t, mean([]float64{did[4].Strength(), did[5].Strength()}), m.Numbers["just-liked"], 1e-9)
	m = ml.Moment{Numbers: map[string]float64{}}
	did.tell(m, now, "d", tracks)
	require.NotContains(t, m.Numbers, "patience", "too few skips of other tracks")
}

// Who likes a track has just heard it to its end, and who dislikes it has skipped it. Where that is left to a coin, nothing in the situation of the judgment tells it.
func TestMomentsDoNotTellTheirOwnAnswers(t *testing.T) {
	const count = 400
	for name, apart := range map[string]time.Duration{"one after the other": 4 * time.Minute, "hours apart": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 9))
			tracks := map[string]*ml.Item{}
			now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
			var did interactions
			seconds := 5.0
			for n := range count {
				id := strconv.Itoa(n % 150)
				if tracks[id] == nil {
					tracks[id] = &ml.Item{Confidence: 1, Features: map[string]float64{"energy": r.Float64(), "tempo": 80 + 80*r.Float64()}}
				}
				heard, then := ml.Interaction{TrackID: id, Action: ml.Complete}, ml.Interaction{TrackID: id, Action: ml.Like}
				if r.IntN(2) == 0 {
					heard.Action, heard.PositionSeconds, then.Action = ml.Skip, &seconds, ml.Dislike
				}
				now = now.Add(apart)
				heard.At, then.At = now, now.Add(time.Second)
				did = append(interactions{then, heard}, did...)
			}
			agreed, own, known := 0, 0, 0
			for n := 0; n < len(did); n += 2 {
				a, _ := did[n:].answer(&did[n], variable.Snapshot{}, tracks)
				if liked, there := a.Moment.Numbers["just-liked"]; there {
					known++
					if (liked > 0) == (a.Liking > 0) {
						agreed++
					}
				}
				if energy, there := a.Moment.Numbers["just-energy"]; there && energy == tracks[did[n].TrackID].Features["energy"] {
					own++
				}
			}
			require.Zero(t, own)
			if apart > justNow {
				require.Zero(t, known, "nothing else was done in the hour before")
				return
			}
			require.InDelta(t, 0.5, float64(agreed)/float64(known), 0.1)
		})
	}
}
