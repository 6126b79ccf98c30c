package tunevector

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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

// A cadence in force is one that was measured.
func TestNobodyWalksAtAMean(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		was, is, in float64
	}{{0, 170, 170}, {100, 170, 170}, {170, 0, 0}, {170, 100, 100}, {170, 260, 0}} {
		readings := []variable.Reading{{Value: 5, Cadence: &c.is, At: now}, {Value: 5, Cadence: &c.was, At: now.Add(-time.Minute)}}
		out, _ := steadied(variable.Snapshot{
			Latest: map[variable.Type]variable.Reading{variable.Accelerometer: readings[0]}, Recent: map[variable.Type][]variable.Reading{variable.Accelerometer: readings},
		}, nil)
		if c.is > mostSteps { // nobody runs so, and half of the readings do not tell
			require.Nil(t, out.Latest[variable.Accelerometer].Cadence)
			continue
		}
		require.Equal(t, c.in, *out.Latest[variable.Accelerometer].Cadence, "%+v", c)
	}
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

// feed lets readings come in one by one, and returns the values in force after each.
func feed(kind variable.Type, consent uuid.UUID, readings []variable.Reading) (values []float64, held []heldReading) {
	for i := range readings {
		recent := slices.Clone(readings[max(0, i+1-variable.RecentReadings) : i+1])
		slices.Reverse(recent)
		in := variable.Snapshot{
			Latest: map[variable.Type]variable.Reading{kind: recent[0]}, Recent: map[variable.Type][]variable.Reading{kind: recent},
			Consents: variable.Consents{kind: consent},
		}
		in, held = steadied(in, held)
		values = append(values, in.Latest[kind].Value)
	}
	return values, held
}

// A sensor whose noise stays within half of the band, with spikes in between, never changes what is in force; a change that lasts does.
func TestNoisySensorsDoNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		level := rapid.Float64Range(20, 100).Draw(t, "level")
		every := time.Duration(rapid.IntRange(5, 60).Draw(t, "seconds")) * time.Second
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var readings []variable.Reading
		noisy := func(level float64, n int) {
			for range n {
				v := level + 6*(r.Float64()-0.5)
				// No spike among the first four, of which the median is not one yet, and three readings between two of them.
				if n := len(readings); n >= 4 && n%4 == 0 && r.IntN(2) == 0 {
					v = 140 * r.Float64()
				}
				readings = append(readings, variable.Reading{Value: v, At: begin.Add(time.Duration(len(readings)) * every)})
			}
		}
		noisy(level, 60)
		values, _ := feed(variable.AmbientNoise, uuid.New(), readings)
		for _, v := range values {
			require.Equal(t, values[0], v)
		}
		require.InDelta(t, level, values[0], 3)

		noisy(level+30, 12)
		values, _ = feed(variable.AmbientNoise, uuid.New(), readings)
		require.InDelta(t, level+30, values[len(values)-1], 10, "followed within the window")
		changes := 0
		for i := range values[1:] {
			if values[i+1] != values[i] {
				changes++
			}
		}
		require.LessOrEqual(t, changes, 4, "on the way there, and never back")
	})
}

// Single readings with steps among those without, or without among those with, change nothing; what lasts does.
func TestStepsThatComeAndGoDoNotFlap(t *testing.T) {
	begin, consent := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), uuid.New()
	runs := func(at time.Time) variable.Reading {
		c := 168.0
		return variable.Reading{Value: 9, Cadence: &c, At: at}
	}
	rests := func(at time.Time) variable.Reading { return variable.Reading{Value: 0.1, At: at} }
	for name, c := range map[string]struct {
		mostly, once func(time.Time) variable.Reading
		want         string
	}{"running": {runs, rests, run}, "at rest": {rests, runs, still}} {
		var readings []variable.Reading
		var held []heldReading
		said := func(r variable.Reading) string {
			readings = append([]variable.Reading{r}, readings...)
			in := variable.Snapshot{
				Latest:   map[variable.Type]variable.Reading{variable.Accelerometer: r},
				Recent:   map[variable.Type][]variable.Reading{variable.Accelerometer: readings[:min(len(readings), variable.RecentReadings)]},
				Consents: variable.Consents{variable.Accelerometer: consent},
			}
			in, held = steadied(in, held)
			return movementOf(in.Latest[variable.Accelerometer])
		}
		at := begin
		for i := range 24 {
			at = at.Add(30 * time.Second)
			r := c.mostly(at)
			if i%4 == 3 {
				r = c.once(at)
			}
			require.Equal(t, c.want, said(r), "%s: reading %d", name, i)
		}
		for range 3 {
			at = at.Add(30 * time.Second)
			said(c.once(at))
		}
		at = at.Add(30 * time.Second)
		require.NotEqual(t, c.want, said(c.once(at)), "%s: followed within the window", name)
	}
}

func TestSteadied(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	consent := uuid.New()
	steps := func(c float64, at time.Time) variable.Reading { return variable.Reading{Value: 5, Cadence: &c, At: at} }
	_, held := feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(164, now.Add(time.Second)), steps(157, now.Add(2*time.Second))})
	require.Equal(t, 160.0, *held[0].Cadence, "a runner's steps vary")
	_, held = feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(180, now.Add(3*time.Minute))})
	require.Equal(t, 180.0, *held[0].Cadence)

	// After a silence the next reading counts by itself; and what was held under another consent does not.
	values, _ := feed(variable.AmbientNoise, consent, []variable.Reading{{Value: 50, At: now}, {Value: 53, At: now.Add(31 * time.Minute)}})
	require.Equal(t, []float64{50, 53}, values)
	in := variable.Snapshot{
		Latest:   map[variable.Type]variable.Reading{variable.AmbientNoise: {Value: 52, At: now}, variable.VectorRating: {Value: 4, At: now}},
		Consents: variable.Consents{variable.AmbientNoise: consent, variable.VectorRating: uuid.New()},
	}
	out, _ := steadied(in, []heldReading{{Type: variable.AmbientNoise, Consent: uuid.New(), Value: 50, At: now}})
	require.Equal(t, 52.0, out.Latest[variable.AmbientNoise].Value)
	out, held = steadied(in, []heldReading{{Type: variable.AmbientNoise, Consent: consent, Value: 50, At: now}})
	require.Equal(t, 50.0, out.Latest[variable.AmbientNoise].Value)
	require.Equal(t, in.Latest[variable.VectorRating], out.Latest[variable.VectorRating], "is not a sensor")
	require.Len(t, held, 1)
	require.Equal(t, 52.0, in.Latest[variable.AmbientNoise].Value, "what was given is not changed")
}
