package tunevector

import (
	"math"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// The five dimensions in the order of [Features], with the ranges that an Aim may give.
const (
	energy = iota
	valence
	tempo
	acousticness
	instrumentalness
	dimensionCount
)

// dimensions is the one table of what is known of each dimension. neutral is the middle of a listener of whom nothing is
// known: roughly the median of popular music. slope is how much a dimension goes along with energy: what it changes by
// while energy rises by 1. The signs are those of the correlations in published audio features (acoustic music is calm:
// about −0.7; tempo and valence rise with energy: about 0.25; instrumental music is calmer: about −0.2); the
// sizes are a choice, such that a descent from 0.85 to 0.25 goes from 133 to 97 BPM and from electric to acoustic.
// least and most bound what is filled in, not what is given.
var dimensions = [dimensionCount]struct {
	name        string
	min, max    float64
	neutral     float64
	slope       float64
	least, most float64
}{
	energy:           {"energy", 0, 1, 0.55, 1, 0, 1},
	valence:          {"valence", 0, 1, 0.5, 0.3, 0.05, 0.95},
	tempo:            {"tempo", minTempo, maxTempo, 115, 60, 50, 190},
	acousticness:     {"acousticness", 0, 1, 0.3, -0.8, 0.02, 0.95},
	instrumentalness: {"instrumentalness", 0, 1, 0.15, -0.3, 0, 0.95},
}

func dimensionNames() string {
	names := make([]string, dimensionCount)
	for i := range dimensions {
		names[i] = dimensions[i].name
	}
	return strings.Join(names, ", ")
}

// How energy goes where it is not given.
const (
	highEnergy   = 0.85 // where a descent starts and an ascent ends
	lowEnergy    = 0.25 // the other end
	minSlope     = 0.4  // how much energy changes at least
	steadyWithin = 0.1  // how much start and end of a steady vector may differ where both are given
	maxLean      = 0.3  // how much the situation may move energy, so that minSlope is always left
	edge         = 0.05 // the situation moves energy no nearer to 0 and 1
)

func (a *Aim) values() [dimensionCount]*float64 {
	if a == nil {
		return [dimensionCount]*float64{}
	}
	return [dimensionCount]*float64{a.Energy, a.Valence, a.Tempo, a.Acousticness, a.Instrumentalness}
}

func (a *Aim) energy() *float64 { return a.values()[energy] }

func (a *Aim) clone() *Aim {
	if a == nil {
		return nil
	}
	return &Aim{
		clonePointer(a.Energy), clonePointer(a.Valence), clonePointer(a.Tempo),
		clonePointer(a.Acousticness), clonePointer(a.Instrumentalness),
	}
}

// flush sets to 0 what is next to it.
func (a *Aim) flush() {
	for _, v := range a.values() {
		if v != nil && *v < tiny {
			*v = 0
		}
	}
}

// vector is Features that can be indexed by dimension.
type vector [dimensionCount]float64

func vectorOf(f Features) vector {
	return vector{f.Energy, f.Valence, f.Tempo, f.Acousticness, f.Instrumentalness}
}

func (v vector) features() Features {
	return Features{Energy: v[energy], Valence: v[valence], Tempo: v[tempo], Acousticness: v[acousticness], Instrumentalness: v[instrumentalness]}
}

// aimAt is the whole of Features as an Aim.
func aimAt(f Features) *Aim {
	return &Aim{&f.Energy, &f.Valence, &f.Tempo, &f.Acousticness, &f.Instrumentalness}
}

// neutral is the middle of a listener of whom nothing is known.
func neutral() vector {
	var v vector
	for i := range v {
		v[i] = dimensions[i].neutral
	}
	return v
}

// middleOf is the mean of tracks, each weighted by the confidence in its features, tempo in log2; false where none is known.
func middleOf(tracks []Track) (vector, bool) {
	var sum vector
	total := 0.0
	for _, t := range tracks {
		if t.Confidence <= 0 || t.Features.Tempo <= 0 {
			continue
		}
		v := vectorOf(t.Features)
		v[tempo] = math.Log2(v[tempo])
		for i := range sum {
			sum[i] += t.Confidence * v[i]
		}
		total += t.Confidence
	}
	if total == 0 {
		return vector{}, false
	}
	for i := range sum {
		sum[i] /= total
	}
	sum[tempo] = math.Exp2(sum[tempo])
	return sum, true
}

// lean is how far the situation moves what is filled in.
type lean struct {
	energy, valence, acousticness float64
	octaves                       float64 // of tempo
	tempo                         float64 // BPM wanted throughout, 0 for none
}

func (l lean) plus(o lean) lean {
	l.energy += o.energy
	l.valence += o.valence
	l.acousticness += o.acousticness
	l.octaves += o.octaves
	if o.tempo != 0 {
		l.tempo = o.tempo
	}
	return l
}

// times is a share of a lean; the tempo of steps stays.
func (l lean) times(share float64) lean {
	l.energy *= share
	l.valence *= share
	l.acousticness *= share
	l.octaves *= share
	return l
}

// ends fills in where a vector starts and ends, around the listener's middle, moved by the situation.
//
// Energy: a descent goes from 0.85 to 0.25, an ascent from 0.25 to 0.85, each moved by the situation by at most 0.3 and
// kept in 0.05–0.95; with one end given the other one keeps at least 0.4 from it. Steady and custom ones stay at the
// end that is given, or else at the middle.
//
// Each other dimension goes along with energy by its slope in the table: through the value given at the other end, or
// else through the middle. A tempo of the situation's is taken for both ends. What is given stays as it is.
func (d *Definition) ends(middle vector, l lean) (start, end Features) {
	from, to := d.Start.values(), d.End.values()
	var s, e vector
	s[energy], e[energy] = d.energies(middle[energy], l.energy)
	lean := vector{valence: l.valence, acousticness: l.acousticness, tempo: middle[tempo] * (math.Exp2(l.octaves) - 1)}
	for i := valence; i < dimensionCount; i++ {
		dim := dimensions[i]
		along := func(base, baseEnergy, energy float64) float64 {
			return min(max(base+dim.slope*(energy-baseEnergy), dim.least), dim.most)
		}
		switch {
		case from[i] != nil && to[i] != nil:
		case from[i] != nil:
			e[i] = along(*from[i], s[energy], e[energy])
		case to[i] != nil:
			s[i] = along(*to[i], e[energy], s[energy])
		case i == tempo && l.tempo != 0:
			s[i], e[i] = l.tempo, l.tempo
		default:
			s[i], e[i] = along(middle[i]+lean[i], middle[energy], s[energy]), along(middle[i]+lean[i], middle[energy], e[energy])
		}
	}
	start, end = roundFeatures(s.features()), roundFeatures(e.features())
	return d.Start.over(start), d.End.over(end)
}

// over returns f with what a gives in its place.
func (a *Aim) over(f Features) Features {
	v := vectorOf(f)
	for i, given := range a.values() {
		if given != nil {
			v[i] = *given
		}
	}
	return v.features()
}

func (d *Definition) energies(middle, lean float64) (start, end float64) {
	from, to := d.Start.energy(), d.End.energy()
	if from != nil && to != nil {
		return *from, *to
	}
	lean = min(max(lean, -maxLean), maxLean)
	at := func(e float64) float64 { return min(max(e+lean, edge), 1-edge) }
	low, high := at(lowEnergy), at(highEnergy)
	switch d.Direction {
	case Descent:
		high, low = slope(from, high, to, low)
		return high, low
	case Ascent:
		high, low = slope(to, high, from, low)
		return low, high
	case Steady, Custom:
	}
	m := at(middle)
	switch {
	case from != nil:
		m = *from
	case to != nil:
		m = *to
	}
	return m, m
}

// slope settles the high and the low end of a vector that rises or falls, of which at most one is given.
func slope(givenHigh *float64, high float64, givenLow *float64, low float64) (float64, float64) {
	switch {
	case givenHigh != nil:
		return *givenHigh, max(min(low, *givenHigh-minSlope), 0)
	case givenLow != nil:
		return min(max(high, *givenLow+minSlope), 1), *givenLow
	}
	return high, low
}

// arc is the target over time. bends are of dimensions in which the listener gives nothing.
func (d *Definition) arc(start, end Features, bends []Point) planner.Arc {
	a := planner.Arc{Start: start, End: end, Curve: d.Curve}
	for _, p := range slices.Concat(bends, d.Points) {
		at := planner.Point{At: p.At, Energy: p.Energy, Valence: p.Valence, Tempo: p.Tempo, Acousticness: p.Acousticness, Instrumentalness: p.Instrumentalness}
		// The planner takes one point a moment.
		if i := slices.IndexFunc(a.Points, func(o planner.Point) bool { return o.At == p.At }); i >= 0 {
			at = planner.Point{
				At: p.At, Energy: either(at.Energy, a.Points[i].Energy), Valence: either(at.Valence, a.Points[i].Valence), Tempo: either(at.Tempo, a.Points[i].Tempo),
				Acousticness: either(at.Acousticness, a.Points[i].Acousticness), Instrumentalness: either(at.Instrumentalness, a.Points[i].Instrumentalness),
			}
			a.Points[i] = at
			continue
		}
		a.Points = append(a.Points, at)
	}
	return a
}

func either(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}

// gives reports for each dimension whether the listener gave anything in it, anywhere.
func (d *Definition) gives() [dimensionCount]bool {
	var g [dimensionCount]bool
	note := func(a *Aim) {
		for i, v := range a.values() {
			g[i] = g[i] || v != nil
		}
	}
	note(d.Start)
	note(d.End)
	for i := range d.Points {
		note(&d.Points[i].Aim)
	}
	return g
}

// roundTo rounds to a number of decimals, so that JSON shows what is meant.
func roundTo(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}

func roundFeatures(f Features) Features {
	v := vectorOf(f)
	for i := range v {
		v[i] = roundTo(v[i], 4)
	}
	return v.features()
}
