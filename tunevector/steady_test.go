package tunevector

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/variable"
)

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

// A sensor whose noise stays within half of the band, with spikes in between, changes what is in force at most once; a change that lasts does by its second reading.
func TestNoisySensorsDoNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		level := rapid.Float64Range(20, 100).Draw(t, "level")
		every := time.Duration(rapid.IntRange(5, 600).Draw(t, "seconds")) * time.Second
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var readings []variable.Reading
		noisy := func(level float64, n int) {
			for range n {
				v := level + 8*(r.Float64()-0.5)
				if n := len(readings); n >= 4 && n%2 == 0 && r.IntN(2) == 0 { // no spike is the first, and none follows another
					v = 140 * r.Float64()
				}
				readings = append(readings, variable.Reading{Value: v, At: begin.Add(time.Duration(len(readings)) * every)})
			}
		}
		noisy(level, 60)
		values, _ := feed(variable.AmbientNoise, uuid.New(), readings)
		require.LessOrEqual(t, moves(values), 1)
		require.InDelta(t, level, values[len(values)-1], 4)

		for range 2 {
			readings = append(readings, variable.Reading{Value: level + 30 + 8*(r.Float64()-0.5), At: readings[len(readings)-1].At.Add(every)})
		}
		values, _ = feed(variable.AmbientNoise, uuid.New(), readings)
		require.InDelta(t, level+30, values[len(values)-1], 4, "followed by the second")
		noisy(level+30, 58)
		values, _ = feed(variable.AmbientNoise, uuid.New(), readings)
		require.LessOrEqual(t, moves(values[61:]), 1)
		require.InDelta(t, level+30, values[len(values)-1], 4)
	})
}

func moves(values []float64) (n int) {
	for i := range len(values) - 1 {
		if values[i+1] != values[i] {
			n++
		}
	}
	return n
}

// Readings with steps that come and go, by every other one, change nothing; what lasts does by its second reading.
func TestStepsThatComeAndGoDoNotFlap(t *testing.T) {
	begin, consent := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), uuid.New()
	cadence, none := 168.0, 0.0
	runs := variable.Reading{Value: 9, Cadence: &cadence}
	rests := variable.Reading{Value: 0.1}
	stands := variable.Reading{Value: 0.1, Cadence: &none}
	for name, c := range map[string]struct {
		mostly, other variable.Reading
		want          string
	}{"running": {runs, rests, run}, "at rest": {rests, runs, still}, "running, and none counted": {runs, stands, run}, "standing": {stands, runs, still}} {
		for _, every := range []time.Duration{5 * time.Second, 30 * time.Second, 3 * time.Minute, 10*time.Minute + time.Second} {
			var readings []variable.Reading
			var held []heldReading
			at := begin
			said := func(r variable.Reading) string {
				at = at.Add(every)
				r.At = at
				readings = append([]variable.Reading{r}, readings...)
				in := variable.Snapshot{
					Latest:   map[variable.Type]variable.Reading{variable.Accelerometer: r},
					Recent:   map[variable.Type][]variable.Reading{variable.Accelerometer: readings[:min(len(readings), variable.RecentReadings)]},
					Consents: variable.Consents{variable.Accelerometer: consent},
				}
				in, held = steadied(in, held)
				return movementOf(in.Latest[variable.Accelerometer])
			}
			for i := range 30 {
				r := c.mostly
				if i%2 == 1 {
					r = c.other
				}
				require.Equal(t, c.want, said(r), "%s every %v: reading %d", name, every, i)
			}
			said(c.mostly)
			said(c.other)
			require.NotEqual(t, c.want, said(c.other), "%s every %v: followed", name, every)
		}
	}
}

// What came into force by a single reading that was off is settled, once, by those that follow; a runner's cadence so within some steps.
func TestReadingsInForceSettle(t *testing.T) {
	now, consent := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), uuid.New()
	var readings []variable.Reading
	for i, steps := range []float64{172, 165, 163, 166, 164, 160, 161, 160, 161, 160, 161, 160, 161, 160} {
		readings = append(readings, variable.Reading{Value: 8, Cadence: &steps, At: now.Add(time.Duration(i) * time.Minute)})
	}
	_, held := feed(variable.Accelerometer, consent, readings[:4])
	require.Equal(t, 172.0, *held[0].Cadence)
	_, held = feed(variable.Accelerometer, consent, readings[:5])
	require.Equal(t, 165.0, *held[0].Cadence)
	_, held = feed(variable.Accelerometer, consent, readings)
	require.Equal(t, 165.0, *held[0].Cadence, "once")
}

// What heart rate variability is compared with changes a little with each reading, and that is no news.
func TestBaselinesAreSteadied(t *testing.T) {
	in := surroundings(time.Now())
	out, held := steadied(in, nil)
	require.Equal(t, 50.0, out.RMSSDBaseline)
	in.RMSSDBaseline = 53
	out, held = steadied(in, held)
	require.Equal(t, 50.0, out.RMSSDBaseline)
	in.RMSSDBaseline = 60
	out, _ = steadied(in, held)
	require.Equal(t, 60.0, out.RMSSDBaseline)
}

// Whatever sensor is noisy around the edge of a rule, and however often it reads, what the rules say changes at most once.
func TestRulesDoNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(noisySensors).Draw(t, "sensor")
		every := time.Duration(rapid.IntRange(5, 600).Draw(t, "seconds")) * time.Second
		at, consent := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), uuid.New()
		var recent []variable.Reading
		var held []heldReading
		var last situation
		n := 0
		for i := range 60 {
			at = at.Add(every)
			v := s.level + s.noise*rapid.Float64Range(-1, 1).Draw(t, "noise")
			r := variable.Reading{Value: v, At: at}
			if s.cadence {
				r = variable.Reading{Value: 8, Cadence: &v, At: at}
			}
			recent = append([]variable.Reading{r}, recent[:min(len(recent), variable.RecentReadings-1)]...)
			in := variable.Snapshot{
				Latest:   map[variable.Type]variable.Reading{s.kind: r},
				Recent:   map[variable.Type][]variable.Reading{s.kind: recent},
				Consents: variable.Consents{s.kind: consent}, RMSSDBaseline: 50 + rapid.Float64Range(-2, 2).Draw(t, "baseline"),
			}
			in, held = steadied(in, held)
			now := situate(in, at, (*sensing)(nil).left)
			if i > 0 && now.lean != last.lean {
				n++
			}
			last = now
		}
		require.LessOrEqual(t, n, 1)
	})
}

// noisySensors are around the edges of rules, as noisy as half of their bands.
var noisySensors = []struct {
	kind         variable.Type
	level, noise float64
	cadence      bool
}{
	{variable.AmbientNoise, 40, 4, false},
	{variable.AmbientNoise, 70, 4, false},
	{variable.Accelerometer, 0.3, 0.09, false},
	{variable.Accelerometer, 3, 0.4, false},
	{variable.Accelerometer, 60, 5, true},
	{variable.Accelerometer, 140, 5, true},
	{variable.Accelerometer, 165, 5, true},
	{variable.HeartRateVariability, 40, 4, false},
	{variable.HeartRateVariability, 60, 6, false},
	{variable.OutsideTemperature, 0, 1, false},
	{variable.OutsideTemperature, 28, 1, false},
}

func TestSteadied(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	consent := uuid.New()
	steps := func(c float64, at time.Time) variable.Reading { return variable.Reading{Value: 5, Cadence: &c, At: at} }
	_, held := feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(164, now.Add(time.Second)), steps(157, now.Add(2*time.Second))})
	require.Equal(t, 160.0, *held[0].Cadence, "a runner's steps vary")
	_, held = feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(180, now.Add(3*time.Minute))})
	require.Equal(t, 160.0, *held[0].Cadence, "a single one says nothing")
	_, held = feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(180, now.Add(3*time.Minute)), steps(178, now.Add(6*time.Minute))})
	require.Equal(t, 178.0, *held[0].Cadence)
	_, held = feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(180, now.Add(3*time.Minute)), steps(140, now.Add(6*time.Minute))})
	require.Equal(t, 160.0, *held[0].Cadence, "two that say the opposite say nothing")
	_, held = feed(variable.Accelerometer, consent, []variable.Reading{steps(160, now), steps(180, now.Add(12*time.Minute))})
	require.Equal(t, 180.0, *held[0].Cadence, "after a silence")

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
