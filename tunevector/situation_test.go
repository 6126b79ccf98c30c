package tunevector

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/variable"
)

func TestSituate(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin") // two hours ahead
	require.NoError(t, err)
	reading := func(kind variable.Type, value float64, age time.Duration) variable.Snapshot {
		return variable.Snapshot{
			Latest:   map[variable.Type]variable.Reading{kind: {Value: value, At: now.Add(-age)}},
			Consents: map[variable.Type]uuid.UUID{kind: uuid.New()},
		}
	}
	hour := func(h int) (variable.Snapshot, time.Time) {
		return variable.Snapshot{Zone: berlin, Consents: map[variable.Type]uuid.UUID{variable.TimeOfDay: uuid.New()}}, time.Date(2026, 5, 4, h-2, 30, 0, 0, time.UTC)
	}
	steps := func(cadence float64) variable.Snapshot {
		s := reading(variable.Accelerometer, 5, time.Minute)
		s.Latest[variable.Accelerometer] = variable.Reading{Value: 5, Cadence: &cadence, At: now}
		return s
	}
	heart := func(value, baseline float64) variable.Snapshot {
		s := reading(variable.HeartRateVariability, value, time.Hour)
		s.RMSSDBaseline = baseline
		return s
	}
	at := func(s variable.Snapshot) func() (variable.Snapshot, time.Time) {
		return func() (variable.Snapshot, time.Time) { return s, now }
	}
	hours := func(h int) func() (variable.Snapshot, time.Time) {
		return func() (variable.Snapshot, time.Time) { return hour(h) }
	}
	tests := []struct {
		name     string
		given    func() (variable.Snapshot, time.Time)
		lean     lean
		reason   string // "" for none
		consents int
	}{
		{"nothing", at(variable.Snapshot{}), lean{}, "", 0},
		{"3 h", hours(3), lean{energy: -0.15}, "late at night: calmer", 1},
		{"7 h", hours(7), lean{energy: 0.05, valence: 0.05}, "morning: a little brighter", 1},
		{"12 h", hours(12), lean{}, "", 1},
		{"18 h", hours(18), lean{energy: -0.05}, "evening: a little calmer", 1},
		{"21 h", hours(21), lean{energy: -0.05}, "evening: a little calmer", 1},
		{"22 h", hours(22), lean{energy: -0.15}, "late evening: calmer", 1},
		{"an unknown zone", at(variable.Snapshot{Consents: map[variable.Type]uuid.UUID{variable.TimeOfDay: uuid.New()}}), lean{}, "", 0},
		{"loud", at(reading(variable.AmbientNoise, 70, 30*time.Minute)), lean{energy: 0.1, acousticness: -0.1}, "loud around you: more energy", 1},
		{"as usual", at(reading(variable.AmbientNoise, 55, time.Minute)), lean{}, "", 1},
		{"quiet", at(reading(variable.AmbientNoise, 40, time.Minute)), lean{energy: -0.1, acousticness: 0.1}, "quiet around you: calmer", 1},
		{"long ago", at(reading(variable.AmbientNoise, 90, 31*time.Minute)), lean{}, "", 0},
		{"run", at(steps(168)), lean{energy: 0.2, tempo: 168}, "you run at 168 steps a minute", 1},
		{"run fast", at(steps(230)), lean{energy: 0.2, tempo: 115}, "you run at 230 steps a minute", 1},
		{"shaken", at(steps(231)), lean{energy: 0.1}, "you are moving: more energy", 1},
		{"walk", at(steps(110)), lean{energy: 0.05, tempo: 110}, "you walk at 110 steps a minute", 1},
		{"no steps to speak of", at(steps(20)), lean{energy: 0.1}, "you are moving: more energy", 1},
		{"rest", at(reading(variable.Accelerometer, 0.1, time.Minute)), lean{energy: -0.05}, "you are at rest: a little calmer", 1},
		{"some movement", at(reading(variable.Accelerometer, 1, time.Minute)), lean{}, "", 1},
		{"less than usual", at(heart(30, 50)), lean{energy: -0.1}, "your heart rate varies less than usual: calmer", 1},
		{"more than usual", at(heart(61, 50)), lean{energy: 0.05}, "your heart rate varies more than usual: a little more energy", 1},
		{"usual", at(heart(50, 50)), lean{}, "", 1},
		{"no usual", at(heart(30, 0)), lean{}, "", 1},
		{"frost", at(reading(variable.OutsideTemperature, 0, time.Hour)), lean{valence: 0.05}, "cold outside: a little warmer", 1},
		{"heat", at(reading(variable.OutsideTemperature, 28, time.Hour)), lean{energy: -0.05, acousticness: 0.05}, "hot outside: a little calmer", 1},
		{"mild", at(reading(variable.OutsideTemperature, 15, time.Hour)), lean{}, "", 1},
		{"where somebody is says nothing", at(reading(variable.Location, 0, time.Minute)), lean{}, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, when := tt.given()
			s := situate(in, when, (*sensing)(nil).left)
			require.Equal(t, tt.lean, s.lean)
			require.Len(t, s.consents, tt.consents)
			if tt.reason == "" {
				require.Empty(t, s.reasons)
			} else {
				require.Equal(t, []string{tt.reason}, s.reasons)
			}
		})
	}

	t.Run("several", func(t *testing.T) {
		in, when := hour(19)
		in.Latest = map[variable.Type]variable.Reading{variable.AmbientNoise: {Value: 30, At: when}}
		in.Consents[variable.AmbientNoise] = uuid.New()
		s := situate(in, when, (*sensing)(nil).left)
		require.InDelta(t, -0.15, s.energy, 1e-9)
		require.Equal(t, []string{"evening: a little calmer", "quiet around you: calmer"}, s.reasons)
		require.Equal(t, []uuid.UUID{in.Consents[variable.TimeOfDay], in.Consents[variable.AmbientNoise]}, s.consents)
	})
}

func TestWhatIsToldOfAChange(t *testing.T) {
	now, consent := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), uuid.New()
	noise := func(level float64) heldReading {
		return heldReading{Type: variable.AmbientNoise, Consent: consent, Value: level, At: now}
	}
	steps := func(cadence float64) heldReading {
		return heldReading{Type: variable.Accelerometer, Consent: consent, Value: 8, Cadence: &cadence, At: now}
	}
	old := func(h heldReading) heldReading {
		h.At = now.Add(-time.Hour)
		return h
	}
	const loud, quiet, runs = "loud around you: more energy", "quiet around you: calmer", "you run at 170 steps a minute"
	const learned = "calmer than your usual, as you like it in such situations"
	for name, c := range map[string]struct {
		was, is    []heldReading
		said, want []string
	}{
		"nothing":          {},
		"the first":        {nil, []heldReading{noise(80)}, []string{loud}, []string{loud}},
		"no longer":        {[]heldReading{noise(80)}, []heldReading{noise(55)}, nil, []string{"it is no longer loud around you"}},
		"the opposite":     {[]heldReading{noise(80)}, []heldReading{noise(30)}, []string{quiet}, []string{quiet}},
		"what stays":       {[]heldReading{noise(80), steps(170)}, []heldReading{noise(55), steps(170)}, []string{runs}, []string{"it is no longer loud around you", "as before, " + runs}},
		"faster":           {[]heldReading{steps(155)}, []heldReading{steps(170)}, []string{runs}, []string{runs}},
		"no steps":         {[]heldReading{steps(170)}, []heldReading{steps(0)}, []string{"you are moving: more energy"}, []string{"you are moving: more energy"}},
		"an old one":       {[]heldReading{old(steps(170))}, []heldReading{old(steps(170)), noise(80)}, []string{loud}, []string{"not measured any more: you run at 170 steps a minute", loud}},
		"never was":        {nil, []heldReading{old(steps(170))}, nil, nil},
		"handed over":      {[]heldReading{noise(50)}, []heldReading{noise(80)}, []string{learned}, []string{"loud around you", learned}},
		"opted out":        {[]heldReading{noise(80)}, nil, []string{learned}, []string{learned}},
		"the time of day":  {nil, nil, []string{"evening: a little calmer"}, []string{"evening: a little calmer"}},
		"nothing to speak": {[]heldReading{noise(50)}, []heldReading{noise(60)}, nil, nil},
	} {
		require.Equal(t, c.want, because(c.was, c.is, c.said, now), name)
	}
	for reason, want := range map[string]string{
		"you walk at 110 steps a minute":   "you no longer walk",
		runs:                               "you no longer run",
		"you are at rest: a little calmer": "you are no longer at rest",
		"your heart rate varies less than usual: calmer": "your heart rate no longer varies less than usual",
		"cold outside: a little warmer":                  "it is no longer cold outside",
	} {
		require.Equal(t, want, overOf(reason))
	}
}

func TestWhatChangeIsTold(t *testing.T) {
	id := uuid.New()
	rating := func(vector uuid.UUID) variable.Change {
		return variable.Change{Variable: variable.Variable{Type: variable.VectorRating}, Readings: []variable.Reading{{Value: 5, TuneVectorID: vector}}}
	}
	for want, change := range map[string]variable.Change{
		"you rated this vector":                              rating(id),
		"you rated a vector":                                 rating(uuid.New()),
		"your surroundings changed":                          {Variable: variable.Variable{Type: variable.AmbientNoise}, Readings: []variable.Reading{{Value: 5}}},
		"you changed what may be known of your surroundings": {Variable: variable.Variable{Type: variable.AmbientNoise}},
	} {
		n := news{vector: id, readings: true, change: change}
		require.Equal(t, []string{want}, n.reasons())
	}
}
