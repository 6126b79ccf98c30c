package tunevector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/variable"
)

// rule says what one variable means for a vector in ai mode. These are simple rules, written down by hand: they say
// what music is usual in a situation, not what is good for anybody, and nothing here is measured, learned or meant as advice on health.
// They only move what the listener left open, and only while they have opted into the variable.
type rule struct {
	variable variable.Type
	within   time.Duration // how old a reading may be; 0 for a variable that needs none
	says     func(in variable.Snapshot, r variable.Reading, now time.Time) (lean, string)
}

// rules in the order in which their reasons are told. The effects of all that apply are summed; energy moves by at most 0.3 in all.
//
//	time-of-day          22–5 h: energy −0.15; 18–22 h: −0.05; 6–10 h: +0.05, valence +0.05
//	ambient-noise        30 min: from 70 dB(A): energy +0.10, acousticness −0.10; to 40 dB(A): energy −0.10, acousticness +0.10
//	accelerometer        10 min (music of that tempo, or of half or double of it, and no other, where there is enough): from 140 steps a minute: energy +0.20 and the tempo of the steps; from 60: +0.05 and the tempo;
//	                     with fewer or none, or above 230, where a sensor is shaken: from 3 m/s²: energy +0.10; below 0.3 m/s²: −0.05
//	heart-rate-variability  12 h: below 0.8 of the listener's own median: energy −0.10; above 1.2 of it: +0.05
//	outside-temperature  3 h: from 28 °C: energy −0.05, acousticness +0.05; to 0 °C: valence +0.05
var rules = []rule{
	{variable.TimeOfDay, 0, byHour},
	{variable.AmbientNoise, noiseFresh, byNoise},
	{variable.Accelerometer, movementFresh, byMovement},
	{variable.HeartRateVariability, heartFresh, byHeart},
	{variable.OutsideTemperature, temperatureFresh, byTemperature},
}

// situation is what the rules make of a snapshot.
type situation struct {
	lean
	reasons []string
	steps   string // the one of the reasons that tells of steps; "" for none. Whatever was learned, music goes with them.
	// consents that the situation was read under, also where a reading said nothing: that too tells something.
	consents []uuid.UUID
}

// situate sums up the rules, each as far as its word is left to it (0–1).
func situate(in variable.Snapshot, now time.Time, left func(variable.Type) float64) situation {
	var s situation
	for _, r := range rules {
		consent, ok := in.Consents[r.variable]
		if !ok {
			continue
		}
		reading, read := in.Latest[r.variable]
		fresh := read && now.Sub(reading.At) <= r.within
		if r.within == 0 {
			fresh = in.Zone != nil
		}
		if !fresh {
			continue
		}
		s.consents = append(s.consents, consent)
		l, reason := r.says(in, reading, now)
		if reason == "" {
			continue
		}
		share := left(r.variable)
		s.lean = s.plus(l.times(share))
		if l.tempo != 0 {
			s.steps = reason
		}
		if l.tempo != 0 || share > handedOver {
			s.reasons = append(s.reasons, reason)
		}
	}
	return s
}

// saidOf is what the rules say of a reading in force; "" for nothing.
func saidOf(h heldReading) string {
	for _, r := range rules {
		if r.variable == h.Type {
			_, reason := r.says(variable.Snapshot{RMSSDBaseline: h.Baseline}, variable.Reading{Value: h.Value, Cadence: h.Cadence}, h.At)
			return reason
		}
	}
	return ""
}

// freshness is how old a reading of a variable may be for its rule.
func freshness(t variable.Type) time.Duration {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.variable == t })
	return rules[i].within
}

// headOf is what a reason says of the situation, without what that means for the music.
func headOf(reason string) string {
	head, _, _ := strings.Cut(reason, ":")
	return head
}

// overOf says that what a reason told is no longer so.
func overOf(reason string) string {
	switch head := headOf(reason); {
	case strings.HasPrefix(head, "you run"):
		return "you no longer run"
	case strings.HasPrefix(head, "you walk"):
		return "you no longer walk"
	case strings.HasPrefix(head, "you are "):
		return "you are no longer " + strings.TrimPrefix(head, "you are ")
	case strings.HasPrefix(head, "your heart rate "):
		return "your heart rate no longer " + strings.TrimPrefix(head, "your heart rate ")
	default:
		return "it is no longer " + head
	}
}

// band is a range of values, lo ≤ v < hi, and what it means. A reason with a verb gets the value.
type band struct {
	lo, hi float64
	lean   lean
	reason string
}

func banded(v float64, bands []band) (lean, string) {
	i := slices.IndexFunc(bands, func(b band) bool { return v >= b.lo && v < b.hi })
	if i < 0 {
		return lean{}, ""
	}
	return bands[i].lean, bands[i].reason
}

const ever = 1e9 // above every reading

var hours = []band{
	{0, 5, lean{energy: -0.15}, "late at night: calmer"},
	{6, 10, lean{energy: 0.05, valence: 0.05}, "morning: a little brighter"},
	{18, 22, lean{energy: -0.05}, "evening: a little calmer"},
	{22, 24, lean{energy: -0.15}, "late evening: calmer"},
}

func byHour(in variable.Snapshot, _ variable.Reading, now time.Time) (lean, string) {
	return banded(float64(now.In(in.Zone).Hour()), hours)
}

var noises = []band{
	{0, 40.001, lean{energy: -0.10, acousticness: 0.10}, "quiet around you: calmer"},
	{70, ever, lean{energy: 0.10, acousticness: -0.10}, "loud around you: more energy"},
}

func byNoise(_ variable.Snapshot, r variable.Reading, _ time.Time) (lean, string) {
	return banded(r.Value, noises)
}

// Steps per minute: people walk at about 60–139 and run above. Runners take 150–200, and up to some 220 at the end of a race; sprinters take 260–280, but for seconds, in which no track
// begins. What is above 230 for longer is a sensor that is shaken, or that counts twice.
const (
	walking   = 60
	running   = 140
	mostSteps = 230
)

// stepsOf returns the steps per minute of a reading; false where it has none, or more than anybody takes.
func stepsOf(r variable.Reading) (float64, bool) {
	if r.Cadence == nil || *r.Cadence > mostSteps {
		return 0, false
	}
	return *r.Cadence, true
}

var movements = []band{
	{0, 0.3, lean{energy: -0.05}, "you are at rest: a little calmer"},
	{3, ever, lean{energy: 0.10}, "you are moving: more energy"},
}

func byMovement(_ variable.Snapshot, r variable.Reading, _ time.Time) (lean, string) {
	steps, counted := stepsOf(r)
	if !counted || steps < walking {
		return banded(r.Value, movements)
	}
	l, verb := lean{energy: 0.05}, "walk"
	if steps >= running {
		l, verb = lean{energy: 0.20}, "run"
	}
	l.tempo = steps
	if l.tempo > dimensions[tempo].most {
		l.tempo /= 2 // half time
	}
	return l, fmt.Sprintf("you %s at %.0f steps a minute", verb, steps)
}

var hearts = []band{
	{0, 0.8, lean{energy: -0.10}, "your heart rate varies less than usual: calmer"},
	{1.2, ever, lean{energy: 0.05}, "your heart rate varies more than usual: a little more energy"},
}

func byHeart(in variable.Snapshot, r variable.Reading, _ time.Time) (lean, string) {
	if in.RMSSDBaseline <= 0 {
		return lean{}, ""
	}
	return banded(r.Value/in.RMSSDBaseline, hearts)
}

var temperatures = []band{
	{-ever, 0.001, lean{valence: 0.05}, "cold outside: a little warmer"},
	{28, ever, lean{energy: -0.05, acousticness: 0.05}, "hot outside: a little calmer"},
}

func byTemperature(_ variable.Snapshot, r variable.Reading, _ time.Time) (lean, string) {
	return banded(r.Value, temperatures)
}
