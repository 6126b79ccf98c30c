package tunevector

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// The limits of a definition.
const (
	maxName     = 100  // characters, after trimming
	maxGenre    = 100  // characters, after trimming
	maxTrackID  = 200  // characters
	maxMinutes  = 1440 // a day
	maxStages   = 20
	maxPoints   = 20
	maxPinned   = 50
	maxExcluded = 500
	maxPosition = 9999
	maxSeed     = 1<<53 - 1 // the largest integer that every JSON reader takes exactly
	minTempo    = 20.0      // BPM, as for preferences
	maxTempo    = 300.0
	tiny        = 1e-6 // what is nearer to 0 is 0: below 1e-130 there are stores that cannot keep it
)

// The enums, in the order in which messages list them.
var (
	kinds      = []Kind{Playlist, Podcast, Soundscape}
	modes      = []Mode{Guided, AI}
	directions = []Direction{Ascent, Descent, Steady, Custom}
	curves     = []Curve{Linear, EaseIn, EaseOut, SCurve}
	orders     = []Order{ByArc, EnergyAscending, EnergyDescending, TempoAscending, TempoDescending, Shuffle}
)

// Validate says what is wrong with the definition, field by field ("stages[1].minutes"), or returns nil. Besides the limits of
// each field these rules hold between them:
//
//   - guided vectors have stages; a durationMinutes, where given, is their sum. ai vectors have a durationMinutes and no stages.
//   - A custom direction says something: start, end or points.
//   - An explicit direction must agree with the energies given. A descent that leaves one end open must have room to fall by 0.4
//     (start at 0.4 or above, end at 0.6 or below), an ascent likewise; a steady one may differ by 0.1. Where
//     the direction is left open, start and end may be anything: see [Definition.Filled].
//   - No track is pinned twice, no position is given twice, and nothing is both pinned and excluded.
func (d Definition) Validate() error {
	var f fault.Fields
	d.validate(&f)
	return f.Err()
}

func (d *Definition) validate(f *fault.Fields) {
	switch n := utf8.RuneCountInString(strings.TrimSpace(d.Name)); {
	case n == 0:
		f.Add("name", "Name is required")
	case n > maxName:
		f.Add("name", "Name must be at most %d characters long", maxName)
	case !utf8.ValidString(d.Name):
		f.Add("name", "Name must be valid UTF-8")
	}
	if d.Mode == "" {
		f.Add("mode", "Mode is required: %s", list(modes))
	} else {
		oneOf(f, "mode", d.Mode, modes)
	}
	oneOf(f, "kind", d.Kind, kinds)
	oneOf(f, "direction", d.Direction, directions)
	oneOf(f, "curve", d.Curve, curves)
	oneOf(f, "order", d.Order, orders)
	d.validateTime(f)
	d.Start.validate(f, "start.")
	d.End.validate(f, "end.")
	d.validatePoints(f)
	d.validateDirection(f)
	if d.Seed != nil && (*d.Seed < 0 || *d.Seed > maxSeed) {
		f.Add("seed", "Seed must be between 0 and %d", maxSeed)
	}
	d.validateTracks(f)
}

// oneOf notes a value that is neither empty (left to the service) nor allowed.
func oneOf[T ~string](f *fault.Fields, field string, v T, allowed []T) {
	if v != "" && !slices.Contains(allowed, v) {
		f.Add(field, "Must be one of %s", list(allowed))
	}
}

func list[T ~string](values []T) string {
	s := make([]string, len(values))
	for i, v := range values {
		s[i] = string(v)
	}
	return strings.Join(s, ", ")
}

// validateTime checks the duration and the stages that it is made of.
func (d *Definition) validateTime(f *fault.Fields) {
	if d.DurationMinutes < 0 || d.DurationMinutes > maxMinutes {
		f.Add("durationMinutes", "Duration must be between 1 and %d minutes", maxMinutes)
	}
	switch d.Mode {
	case AI:
		if d.DurationMinutes == 0 {
			f.Add("durationMinutes", "Duration is required in ai mode: 1 to %d minutes", maxMinutes)
		}
		if len(d.Stages) > 0 {
			f.Add("stages", "Only guided vectors have stages")
		}
	case Guided:
		if len(d.Stages) == 0 {
			f.Add("stages", "A guided vector needs stages")
		}
		if sum := d.stageMinutes(); d.DurationMinutes != 0 && d.DurationMinutes != sum {
			f.Add("durationMinutes", "Duration must be the sum of the stages' minutes (%d), or be left out", sum)
		}
	}
	if len(d.Stages) > maxStages {
		f.Add("stages", "There can be at most %d stages", maxStages)
		return
	}
	whole := true
	for i, s := range d.Stages {
		switch n := utf8.RuneCountInString(strings.TrimSpace(s.Genre)); {
		case n == 0:
			f.Add(fmt.Sprintf("stages[%d].genre", i), "Genre is required")
		case n > maxGenre:
			f.Add(fmt.Sprintf("stages[%d].genre", i), "Genre must be at most %d characters long", maxGenre)
		}
		if s.Minutes < 1 || s.Minutes > maxMinutes {
			f.Add(fmt.Sprintf("stages[%d].minutes", i), "Minutes must be between 1 and %d", maxMinutes)
			whole = false
		}
	}
	if sum := d.stageMinutes(); whole && sum > maxMinutes {
		f.Add("stages", "The stages last %d minutes together, more than %d", sum, maxMinutes)
	}
}

func (d *Definition) stageMinutes() int {
	sum := 0
	for _, s := range d.Stages {
		sum += min(max(s.Minutes, 0), maxMinutes+1) // no overflow, whatever was sent
	}
	return sum
}

// minutes is the duration in force of a valid definition.
func (d *Definition) minutes() int {
	if d.Mode == Guided {
		return d.stageMinutes()
	}
	return d.DurationMinutes
}

// validate checks each dimension that is given; a nil Aim gives none.
func (a *Aim) validate(f *fault.Fields, path string) {
	if a == nil {
		return
	}
	for dim, v := range a.values() {
		if v == nil {
			continue
		}
		// Written so that NaN is refused too.
		if lo, hi := dimensions[dim].min, dimensions[dim].max; !(*v >= lo && *v <= hi) {
			f.Add(path+dimensions[dim].name, "Must be between %g and %g", lo, hi)
		}
	}
}

func (d *Definition) validatePoints(f *fault.Fields) {
	if len(d.Points) > maxPoints {
		f.Add("points", "There can be at most %d points", maxPoints)
		return
	}
	before := 0.0
	for i := range d.Points {
		p, path := &d.Points[i], fmt.Sprintf("points[%d].", i)
		switch {
		case !(p.At >= tiny && p.At <= 1-tiny):
			f.Add(path+"at", "Must be between 0 and 1, and not at either end")
		case p.At <= before:
			f.Add(path+"at", "Points must come in ascending order, and each at its own time")
		default:
			before = p.At
		}
		if p.Aim == (Aim{}) {
			f.Add(strings.TrimSuffix(path, "."), "A point needs at least one of %s", dimensionNames())
		}
		p.validate(f, path)
	}
}

// validateDirection holds an explicit direction against the energies given.
func (d *Definition) validateDirection(f *fault.Fields) {
	if d.Direction == Custom && d.Start == nil && d.End == nil && len(d.Points) == 0 {
		f.Add("direction", "A custom direction needs start, end or points")
	}
	start, end := d.Start.energy(), d.End.energy()
	sign := 1.0 // of what energy does: +1 rises
	switch d.Direction {
	case Descent:
		sign = -1
		fallthrough
	case Ascent:
		d.validateSlope(f, start, end, sign)
	case Steady:
		if start != nil && end != nil && math.Abs(*start-*end) > steadyWithin {
			f.Add("end.energy", "A steady vector ends within %g of the energy it starts with", steadyWithin)
		}
	case Custom:
	}
}

func (d *Definition) validateSlope(f *fault.Fields, start, end *float64, sign float64) {
	room := func(field string, v, way float64) { // way: where energy goes from the given end, +1 up
		if way > 0 && v > 1-minSlope {
			f.Add(field, "Must be at most %g, so that there is room for the %s", 1-minSlope, d.Direction)
		}
		if way < 0 && v < minSlope {
			f.Add(field, "Must be at least %g, so that there is room for the %s", minSlope, d.Direction)
		}
	}
	switch {
	case start != nil && end != nil:
		if (*end-*start)*sign <= 0 {
			f.Add("end.energy", "Must be %s start.energy in %s", map[bool]string{true: "above", false: "below"}[sign > 0],
				map[Direction]string{Ascent: "an ascent", Descent: "a descent"}[d.Direction])
		}
	case start != nil:
		room("start.energy", *start, sign)
	case end != nil:
		room("end.energy", *end, -sign)
	}
}

func (d *Definition) validateTracks(f *fault.Fields) {
	excluded := map[string]bool{}
	if len(d.Excluded) > maxExcluded {
		f.Add("excluded", "At most %d tracks can be excluded", maxExcluded)
	} else {
		for i, id := range d.Excluded {
			trackID(f, fmt.Sprintf("excluded[%d]", i), id)
			excluded[id] = true
		}
	}
	if len(d.Pinned) > maxPinned {
		f.Add("pinned", "At most %d tracks can be pinned", maxPinned)
		return
	}
	ids, positions := map[string]bool{}, map[int]bool{}
	for i, p := range d.Pinned {
		path := fmt.Sprintf("pinned[%d].", i)
		trackID(f, path+"trackId", p.TrackID)
		switch {
		case p.Position < 0 || p.Position > maxPosition:
			f.Add(path+"position", "Position must be between 0 and %d", maxPosition)
		case positions[p.Position]:
			f.Add(path+"position", "Two tracks are pinned to position %d", p.Position)
		}
		switch {
		case ids[p.TrackID]:
			f.Add(path+"trackId", "A track can be pinned once")
		case excluded[p.TrackID]:
			f.Add(path+"trackId", "The track is also excluded")
		}
		ids[p.TrackID], positions[p.Position] = true, true
	}
}

func trackID(f *fault.Fields, field, id string) {
	switch n := utf8.RuneCountInString(id); {
	case n == 0:
		f.Add(field, "Track ID is required")
	case n > maxTrackID:
		f.Add(field, "Track ID must be at most %d characters long", maxTrackID)
	}
}

// Filled returns the definition with the defaults in place of what was left open, start and end apart: kind playlist, order
// arc, curve s-curve, the duration in force. A direction left open is steady, or custom where the energies given
// for start and end lie more than 0.1 apart: then it is the listener who says where energy goes.
func (d Definition) Filled() Definition {
	d.Name = strings.TrimSpace(d.Name)
	d.Kind = or(d.Kind, Playlist)
	d.Curve = or(d.Curve, SCurve)
	d.Order = or(d.Order, ByArc)
	d.DurationMinutes = d.minutes()
	if d.Direction == "" {
		d.Direction = Steady
		if s, e := d.Start.energy(), d.End.energy(); s != nil && e != nil && math.Abs(*s-*e) > steadyWithin {
			d.Direction = Custom
		}
	}
	return d
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// tidied is the definition as it is kept: a copy, the name without the spaces around it, and 0 for what is next to it.
func (d Definition) tidied() Definition {
	d = d.clone()
	d.Name = strings.TrimSpace(d.Name)
	d.Start.flush()
	d.End.flush()
	for i := range d.Points {
		d.Points[i].flush()
	}
	return d
}

// clone returns a copy that shares nothing with d, so that a caller may change it at will. Empty lists become nil.
func (d Definition) clone() Definition {
	d.Start, d.End = d.Start.clone(), d.End.clone()
	d.Points = cloneList(d.Points)
	for i := range d.Points {
		d.Points[i].Aim = *d.Points[i].clone()
	}
	d.Stages, d.Pinned, d.Excluded = cloneList(d.Stages), cloneList(d.Pinned), cloneList(d.Excluded)
	d.Seed = clonePointer(d.Seed)
	return d
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func cloneList[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}
