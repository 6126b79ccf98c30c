package planner

import (
	"fmt"
	"math"
	"slices"
)

// Curve names how an [Arc] goes from its start to its end.
type Curve string

// The curves, as functions of the share t of the duration that has passed. The empty Curve is CurveS.
const (
	CurveLinear  Curve = "linear"   // t
	CurveEaseIn  Curve = "ease-in"  // t²: late
	CurveEaseOut Curve = "ease-out" // 1−(1−t)²: early
	CurveS       Curve = "s-curve"  // 3t²−2t³: rests at both ends
)

// eased is the share of the way that has been gone at the share t of the time.
func (c Curve) eased(t float64) float64 {
	switch c {
	case CurveLinear:
		return t
	case CurveEaseIn:
		return t * t
	case CurveEaseOut:
		return 1 - (1-t)*(1-t)
	default:
		return t * t * (3 - 2*t)
	}
}

// Valid reports whether c is one of the four curves, or empty.
func (c Curve) Valid() bool {
	switch c {
	case "", CurveLinear, CurveEaseIn, CurveEaseOut, CurveS:
		return true
	}
	return false
}

// Point is a control point of an [Arc]: at the share At (0–1) of the duration the arc goes exactly through each dimension
// that is given. Units as in [Features].
type Point struct {
	At               float64  `json:"at"`
	Energy           *float64 `json:"energy,omitempty"`
	Valence          *float64 `json:"valence,omitempty"`
	Tempo            *float64 `json:"tempo,omitempty"`
	Acousticness     *float64 `json:"acousticness,omitempty"`
	Instrumentalness *float64 `json:"instrumentalness,omitempty"`
}

// Arc is a target in the five dimensions as a function of elapsed time. Each dimension goes from Start to End along
// Curve; points bend it: what a point asks for beyond the curve is added, growing and fading linearly between a
// dimension's neighboring points (and the ends), so that the curve keeps its character and passes through every point.
// Tempo moves in log2: from 60 to 120 BPM, half-way on a linear curve is 84.9. The result is kept in 0–1, and above 0 BPM.
type Arc struct {
	Start  Features `json:"start"`
	End    Features `json:"end"`
	Curve  Curve    `json:"curve"`
	Points []Point  `json:"points,omitempty"`
}

// At is the target when the share (0–1; outside it is taken as the nearest end) of the duration has passed.
func (a Arc) At(share float64) Features {
	c := a.compile()
	return c.at(share).features()
}

// Validate names every wrong field of the arc in an [*InvalidError], or returns nil.
func (a Arc) Validate() error {
	var bad InvalidError
	a.validate(&bad, "")
	return bad.orNil()
}

func (a Arc) validate(bad *InvalidError, prefix string) {
	validateFeatures(bad, prefix+"start", a.Start)
	validateFeatures(bad, prefix+"end", a.End)
	if !a.Curve.Valid() {
		bad.add(prefix+"curve", "must be linear, ease-in, ease-out or s-curve")
	}
	for i, p := range a.Points {
		field := fmt.Sprintf("%spoints[%d]", prefix, i)
		if !(p.At >= 0 && p.At <= 1) {
			bad.add(field+".at", "must be between 0 and 1")
		}
		for d, v := range p.dimensions() {
			if v != nil {
				validateDimension(bad, field+"."+dimensionNames[d], d, *v)
			}
		}
		for _, q := range a.Points[:i] {
			if p.At == q.At {
				bad.add(field+".at", "must differ from the other points'")
				break
			}
		}
	}
}

const dimensions = 5

// tempoDimension is where the tempo stands in the order of the dimensions.
const tempoDimension = 2

var dimensionNames = [dimensions]string{"energy", "valence", "tempo", "acousticness", "instrumentalness"}

func (p Point) dimensions() [dimensions]*float64 {
	return [dimensions]*float64{p.Energy, p.Valence, p.Tempo, p.Acousticness, p.Instrumentalness}
}

func (f Features) dimensions() [dimensions]float64 {
	return [dimensions]float64{f.Energy, f.Valence, f.Tempo, f.Acousticness, f.Instrumentalness}
}

func validateFeatures(bad *InvalidError, field string, f Features) {
	for d, v := range f.dimensions() {
		validateDimension(bad, field+"."+dimensionNames[d], d, v)
	}
}

func validateDimension(bad *InvalidError, field string, d int, v float64) {
	switch {
	case d == tempoDimension && !(v > 0 && v <= maxTempo):
		bad.add(field, fmt.Sprintf("must be above 0 and at most %d BPM", maxTempo))
	case d != tempoDimension && !(v >= 0 && v <= 1):
		bad.add(field, "must be between 0 and 1")
	}
}

// maxTempo is a limit against nonsense, in BPM.
const maxTempo = 1000

// knot is a point of one dimension: what is added to the curve at a share of the duration.
type knot struct{ at, add float64 }

// compiledArc is an Arc made ready to be asked often.
type compiledArc struct {
	start, end [dimensions]float64 // tempo in log2
	curve      Curve
	knots      [dimensions][]knot
}

func (a Arc) compile() compiledArc {
	c := compiledArc{start: logged(a.Start.dimensions()), end: logged(a.End.dimensions()), curve: a.Curve}
	for _, p := range a.Points {
		for d, v := range p.dimensions() {
			if v == nil {
				continue
			}
			want := *v
			if d == tempoDimension {
				want = math.Log2(want)
			}
			c.knots[d] = append(c.knots[d], knot{p.At, want - c.base(d, p.At)})
		}
	}
	for d, knots := range c.knots {
		if len(knots) == 0 {
			continue
		}
		slices.SortFunc(knots, func(a, b knot) int { return compare(a.at, b.at) })
		if knots[0].at > 0 {
			knots = slices.Insert(knots, 0, knot{0, 0})
		}
		if knots[len(knots)-1].at < 1 {
			knots = append(knots, knot{1, 0})
		}
		c.knots[d] = knots
	}
	return c
}

func logged(v [dimensions]float64) [dimensions]float64 {
	v[tempoDimension] = math.Log2(v[tempoDimension])
	return v
}

func (c *compiledArc) base(d int, share float64) float64 {
	return c.start[d] + (c.end[d]-c.start[d])*c.curve.eased(share)
}

func (c *compiledArc) at(share float64) point {
	share = min(max(share, 0), 1)
	var v [dimensions]float64
	for d := range v {
		v[d] = c.base(d, share) + c.bend(d, share)
		if d != tempoDimension {
			v[d] = min(max(v[d], 0), 1)
		}
	}
	return point{v[0], v[1], v[2], v[3], v[4]}
}

// bend is what the points add to the curve of a dimension.
func (c *compiledArc) bend(d int, share float64) float64 {
	knots := c.knots[d]
	for k := 1; k < len(knots); k++ {
		if share <= knots[k].at {
			from, to := knots[k-1], knots[k]
			return from.add + (to.add-from.add)*(share-from.at)/(to.at-from.at)
		}
	}
	return 0
}
