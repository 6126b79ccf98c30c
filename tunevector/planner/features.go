package planner

import "math"

// Features place a track (or a moment of an arc) in the five dimensions. Energy, Valence, Acousticness and
// Instrumentalness are in 0–1 as in the audio features that Spotify published; Tempo is in beats per minute, above 0.
type Features struct {
	Energy           float64 `json:"energy"`
	Valence          float64 `json:"valence"`
	Tempo            float64 `json:"tempo"`
	Acousticness     float64 `json:"acousticness"`
	Instrumentalness float64 `json:"instrumentalness"`
}

// The published distance: the square of [Distance] is
//
//	0.30·Δenergy² + 0.20·Δvalence² + 0.30·Δtempo² + 0.10·Δacousticness² + 0.10·Δinstrumentalness²
//
// where Δtempo is [TempoDistance], in octaves. Why these weights:
//
//   - Energy (arousal) and valence are the two axes along which felt emotion in music is described (Russell 1980, the
//     circumplex model); listeners agree more on arousal than on valence, hence 0.30 against 0.20.
//   - Tempo is the strongest single cue to arousal (Gabrielsson and Lindström 2010). A change of half an octave, 100 to
//     141 BPM, is about the largest that can be, as octaves fold; so in its unit it needs a large weight to count.
//   - Acousticness and instrumentalness say how music sounds rather than what it does. In catalogs both lie mostly near
//     0 or near 1, so a miss is mostly a miss by 1: at 0.10 each it costs as much as a miss of 0.58 in energy.
//
// The weights sum to 1. They are a choice, not a finding: change them and the published instances tell what it does.
const (
	weightEnergy           = 0.30
	weightValence          = 0.20
	weightTempo            = 0.30
	weightAcousticness     = 0.10
	weightInstrumentalness = 0.10

	// octavePenalty is what half and double time cost, in octaves: near, as listeners tap either and tempo trackers
	// confuse them (McKinney and Moelants 2006, Gouyon et al. 2006), but not the same.
	octavePenalty = 0.1
	// tempoCap is the largest tempo distance, in octaves: beyond it slower is not further away.
	tempoCap = 1.0
)

// Distance is the published distance of two feature vectors: 0 where they are the same, at most 1, symmetric. Costs use its square.
func Distance(a, b Features) float64 { return math.Sqrt(distance2(a.point(), b.point())) }

// TempoDistance is the distance of two tempos in octaves, between 0 and 1: |log2(a/b)|, or what remains after halving or
// doubling one of them, plus 0.1. So 70 and 140 BPM are 0.1 apart, as near as 70 and 75.
func TempoDistance(a, b float64) float64 { return tempoDelta(math.Log2(a) - math.Log2(b)) }

// point is Features with the tempo in log2, which is what every computation needs.
type point struct{ e, v, t, a, i float64 }

func (f Features) point() point {
	return point{f.Energy, f.Valence, math.Log2(f.Tempo), f.Acousticness, f.Instrumentalness}
}

func (p point) features() Features {
	return Features{Energy: p.e, Valence: p.v, Tempo: math.Exp2(p.t), Acousticness: p.a, Instrumentalness: p.i}
}

func tempoDelta(octaves float64) float64 {
	d := math.Abs(octaves)
	return min(d, octavePenalty+math.Abs(d-1), tempoCap)
}

func distance2(a, b point) float64 {
	de, dv, da, di := a.e-b.e, a.v-b.v, a.a-b.a, a.i-b.i
	dt := tempoDelta(a.t - b.t)
	return weightEnergy*de*de + weightValence*dv*dv + weightTempo*dt*dt + weightAcousticness*da*da + weightInstrumentalness*di*di
}

// evenly are the weights of the distance.
var evenly = point{weightEnergy, weightValence, weightTempo, weightAcousticness, weightInstrumentalness}

// times multiplies each dimension.
func (p point) times(o point) point {
	return point{p.e * o.e, p.v * o.v, p.t * o.t, p.a * o.a, p.i * o.i}
}

func (p point) by(f float64) point { return point{f * p.e, f * p.v, f * p.t, f * p.a, f * p.i} }

func (p point) sum() float64 { return p.e + p.v + p.t + p.a + p.i }

// of is the squared distance of a and b with p as the weights of the dimensions.
func (p *point) of(a, b *point) float64 {
	de, dv, da, di := a.e-b.e, a.v-b.v, a.a-b.a, a.i-b.i
	dt := tempoDelta(a.t - b.t)
	return p.e*de*de + p.v*dv*dv + p.t*dt*dt + p.a*da*da + p.i*di*di
}
