package tunevector

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/variable"
)

// steadied returns a snapshot in which single readings do not tell: each is replaced by what is in force of its variable. held are those in force, and become those in force from now on.
//
// The first reading, and the first after a silence, counts at once, as the median of those of some minutes before it. From then on what is in force stays, until two readings
// in a row are beyond a band around it, on the same side: then it is the median of the three newest. So a change that lasts comes through with its second reading, however seldom there are
// any, and neither a spike does nor what comes and goes from reading to reading. Readings that are or are not of a kind, such as those with steps and those without, go by the same rule.
//
// What came into force by one or two readings may be off by as much as they were. So when it has been followed by readings of its band, so that there are five, it
// becomes their median, once, where that is off by more than half of the band. A sensor whose noise stays within half of the band thus changes what is in force at most once, whatever it
// reads and however often.
func steadied(in variable.Snapshot, held []heldReading) (variable.Snapshot, []heldReading) {
	out := in
	out.Latest = maps.Clone(in.Latest)
	var now []heldReading
	for _, t := range steadyOrder {
		r, read := in.Latest[t]
		if !read {
			continue
		}
		readings := in.Recent[t]
		if len(readings) == 0 {
			readings = []variable.Reading{r}
		}
		consent := in.Consents[t]
		i := slices.IndexFunc(held, func(o heldReading) bool { return o.Type == t && o.Consent == consent })
		var h heldReading
		if b := bands[t]; i >= 0 {
			h = b.after(held[i], readings)
		} else {
			h = b.begin(readings)
		}
		h.Type, h.Consent = t, consent
		if t == variable.HeartRateVariability {
			if !(h.Baseline > 0) || math.Abs(h.Baseline-in.RMSSDBaseline) > baselineBand*h.Baseline {
				h.Baseline = in.RMSSDBaseline
			}
			out.RMSSDBaseline = h.Baseline
		}
		r.Value, r.Cadence = h.Value, h.Cadence
		out.Latest[t] = r
		now = append(now, h)
	}
	return out, now
}

// heldReading is what counts as the reading of a variable while a vector plays.
type heldReading struct {
	Type         variable.Type `json:"t"`
	Consent      uuid.UUID     `json:"u"`
	Value        float64       `json:"v"`
	Cadence      *float64      `json:"c,omitempty"`
	At           time.Time     `json:"a"`           // of the newest reading that was taken in
	Since        time.Time     `json:"f,omitzero"`  // of the first reading that Value is by; zero where that is settled
	CadenceSince time.Time     `json:"g,omitzero"`  // likewise
	Baseline     float64       `json:"b,omitempty"` // of heart rate variability: what it is compared with
}

// steadying says how readings of a variable are steadied.
type steadying struct {
	window time.Duration // a first reading counts as the median with those of this long before it
	band   gauge
	lasts  time.Duration // how long what is in force holds without any reading
}

var bands = map[variable.Type]steadying{
	variable.AmbientNoise:         {5 * time.Minute, gauge{width: 8}, noiseFresh},
	variable.Accelerometer:        {2 * time.Minute, gauge{0.15, 0.25}, movementFresh + time.Minute}, // what is read every ten minutes is so by nobody's clock
	variable.HeartRateVariability: {time.Hour, gauge{share: 0.2}, heartFresh},
	variable.OutsideTemperature:   {time.Hour, gauge{width: 2}, temperatureFresh},
}

// steadyOrder is in which order readings in force are kept, so that the same are the same.
var steadyOrder = []variable.Type{variable.AmbientNoise, variable.Accelerometer, variable.HeartRateVariability, variable.OutsideTemperature}

// cadenceBand is of steps a minute: a runner's vary by five from reading to reading.
var cadenceBand = gauge{width: 10}

// baselineBand is how much what heart rate variability is compared with has to change, as a share, until a vector goes by it that plays: each reading moves it a little.
const baselineBand = 0.1

// settledBy is how many readings settle what is in force.
const settledBy = 5

// begin returns what is in force by the newest of readings, which stands first, with those of the window before it. There are cadences only where more than half
// of the readings have one, or half and the newest among them.
func (b steadying) begin(readings []variable.Reading) heldReading {
	newest := readings[0]
	h := heldReading{At: newest.At}
	var values, cadences []float64
	for _, r := range readings {
		if newest.At.Sub(r.At) > b.window {
			break
		}
		values, h.Since = append(values, r.Value), r.At
		if steps, counted := stepsOf(r); counted {
			cadences, h.CadenceSince = append(cadences, steps), r.At
		}
	}
	h.Value = middle(values)
	with, without := len(cadences), len(values)-len(cadences)
	if _, counted := stepsOf(newest); with > without || with == without && counted {
		c := middle(cadences)
		h.Cadence = &c
	}
	if with >= settledBy || h.Cadence == nil {
		h.CadenceSince = time.Time{}
	}
	if len(values) >= settledBy {
		h.Since = time.Time{}
	}
	return h
}

// after returns what is in force by readings, the newest first, of which those after the one that was taken in last are new.
func (b steadying) after(h heldReading, readings []variable.Reading) heldReading {
	for i, r := range slices.Backward(readings) {
		switch silence := r.At.Sub(h.At); {
		case silence <= 0: // it was taken in
		case silence > b.lasts:
			baseline := h.Baseline
			h = b.begin(readings[i:])
			h.Baseline = baseline
		default:
			h = b.follow(h, readings[i:])
		}
	}
	return h
}

// follow takes in the newest of readings.
func (b steadying) follow(h heldReading, readings []variable.Reading) heldReading {
	h.At = readings[0].At
	value, since := b.band.follow(level{h.Value, true}, h.Since, readings, func(r variable.Reading) level { return level{r.Value, true} })
	h.Value, h.Since = value.value, since
	steps := level{}
	if h.Cadence != nil {
		steps = level{*h.Cadence, true}
	}
	steps, h.CadenceSince = cadenceBand.follow(steps, h.CadenceSince, readings, func(r variable.Reading) level {
		steps, counted := stepsOf(r)
		return level{steps, counted}
	})
	h.Cadence = nil
	if steps.known {
		h.Cadence = &steps.value
	}
	return h
}

// level is a number of a sensor, in force or read.
type level struct {
	value float64
	known bool
}

// gauge is the band around what is in force: two numbers a and b are within it where they differ by at most width + share·max(|a|, |b|).
type gauge struct{ width, share float64 }

func (g gauge) of(a, b float64) float64 { return g.width + g.share*max(math.Abs(a), math.Abs(b)) }

// Where a reading is to what is in force.
const (
	within = iota
	above
	below
	other // it has what is unknown in force, or has not what is known
)

func (g gauge) side(force, read level) int {
	switch {
	case force.known != read.known:
		return other
	case !read.known, math.Abs(read.value-force.value) <= g.of(read.value, force.value):
		return within
	case read.value > force.value:
		return above
	}
	return below
}

// follow returns what is in force with readings, the newest first, of which that one is new, and since when; zero where it is settled.
func (g gauge) follow(force level, since time.Time, readings []variable.Reading, of func(variable.Reading) level) (level, time.Time) {
	if newest := of(readings[0]); len(readings) > 1 && g.side(force, newest) != within {
		before := of(readings[1])
		if g.side(force, before) == g.side(force, newest) {
			if force.known && newest.known && math.Abs(before.value-force.value) < math.Abs(newest.value-force.value) {
				newest = before // it is between the other and what was in force
			}
			return newest, readings[1].At
		}
	}
	if since.IsZero() || !force.known {
		return force, time.Time{}
	}
	var values []float64
	for _, r := range readings {
		if l := of(r); l.known && !r.At.Before(since) {
			values = append(values, l.value)
		}
	}
	if len(values) < settledBy {
		return force, since
	}
	m := middle(values)
	if off, band := math.Abs(m-force.value), g.of(m, force.value); off > band/2 && off <= band {
		force.value = m
	}
	return force, time.Time{}
}

// middle is the median of values, the newest first; of an even number the newer of the two in the middle. Their mean would be what nobody measured: of somebody who stood and now runs at 170 steps
// a minute, a walk at 85. And of the two the newer is nearer to what is now.
func middle(values []float64) float64 {
	places := make([]int, len(values))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	n := len(places)
	return values[min(places[(n-1)/2], places[n/2])]
}

// stale reports whether readings in force are to be kept though nothing was planned by them: they are others, or so much newer that those kept would soon count as a silence.
func stale(kept, now []heldReading) bool {
	return !slices.EqualFunc(kept, now, func(k, n heldReading) bool {
		return k.Type == n.Type && k.Consent == n.Consent && k.Value == n.Value && k.Baseline == n.Baseline && n.At.Sub(k.At) <= bands[n.Type].lasts/2 &&
			k.Since.Equal(n.Since) && k.CadenceSince.Equal(n.CadenceSince) && (k.Cadence == nil) == (n.Cadence == nil) && (k.Cadence == nil || *k.Cadence == *n.Cadence)
	})
}
