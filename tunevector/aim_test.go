package tunevector

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

func TestEnds(t *testing.T) {
	middle := neutral()
	tests := []struct {
		name       string
		d          Definition
		lean       lean
		start, end Features
	}{
		{
			"descent",
			Definition{Direction: Descent},
			lean{},
			Features{Energy: 0.85, Valence: 0.59, Tempo: 133, Acousticness: 0.06, Instrumentalness: 0.06},
			Features{Energy: 0.25, Valence: 0.41, Tempo: 97, Acousticness: 0.54, Instrumentalness: 0.24},
		},
		{
			"ascent",
			Definition{Direction: Ascent},
			lean{},
			Features{Energy: 0.25, Valence: 0.41, Tempo: 97, Acousticness: 0.54, Instrumentalness: 0.24},
			Features{Energy: 0.85, Valence: 0.59, Tempo: 133, Acousticness: 0.06, Instrumentalness: 0.06},
		},
		{"steady", Definition{Direction: Steady}, lean{}, middle.features(), middle.features()},
		{
			"a calm situation",
			Definition{Direction: Descent},
			lean{energy: -0.15, valence: 0.1, acousticness: 0.1},
			Features{Energy: 0.7, Valence: 0.645, Tempo: 124, Acousticness: 0.28, Instrumentalness: 0.105},
			Features{Energy: 0.1, Valence: 0.465, Tempo: 88, Acousticness: 0.76, Instrumentalness: 0.285},
		},
		{
			"running",
			Definition{Direction: Steady},
			lean{energy: 0.2, tempo: 168},
			Features{Energy: 0.75, Valence: 0.56, Tempo: 168, Acousticness: 0.14, Instrumentalness: 0.09},
			Features{Energy: 0.75, Valence: 0.56, Tempo: 168, Acousticness: 0.14, Instrumentalness: 0.09},
		},
		{
			"a start that is given",
			Definition{Direction: Descent, Start: &Aim{Energy: ptr(0.5), Tempo: ptr(100.0)}},
			lean{},
			Features{Energy: 0.5, Valence: 0.485, Tempo: 100, Acousticness: 0.34, Instrumentalness: 0.165},
			Features{Energy: 0.1, Valence: 0.365, Tempo: 76, Acousticness: 0.66, Instrumentalness: 0.285},
		},
		{
			"an end that is given",
			Definition{Direction: Descent, End: &Aim{Energy: ptr(0.55), Acousticness: ptr(0.5)}},
			lean{},
			Features{Energy: 0.95, Valence: 0.62, Tempo: 139, Acousticness: 0.18, Instrumentalness: 0.03},
			Features{Energy: 0.55, Valence: 0.5, Tempo: 115, Acousticness: 0.5, Instrumentalness: 0.15},
		},
		{
			"steady at what is given",
			Definition{Direction: Steady, End: &Aim{Energy: ptr(0.9), Tempo: ptr(128.0)}},
			lean{energy: -0.3, tempo: 170},
			Features{Energy: 0.9, Valence: 0.605, Tempo: 128, Acousticness: 0.02, Instrumentalness: 0.045},
			Features{Energy: 0.9, Valence: 0.605, Tempo: 128, Acousticness: 0.02, Instrumentalness: 0.045},
		},
		{
			"both ends given",
			Definition{Direction: Custom, Start: &Aim{Energy: ptr(0.123456), Valence: ptr(0.1)}, End: &Aim{Energy: ptr(1.0), Valence: ptr(0.9)}},
			lean{energy: 0.3},
			Features{Energy: 0.123456, Valence: 0.1, Tempo: 89.4074, Acousticness: 0.6412, Instrumentalness: 0.278},
			Features{Energy: 1, Valence: 0.9, Tempo: 142, Acousticness: 0.02, Instrumentalness: 0.015},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start, end := tt.d.ends(middle, tt.lean)
			require.InDeltaSlice(t, slice(tt.start), slice(start), 1e-9)
			require.InDeltaSlice(t, slice(tt.end), slice(end), 1e-9)
		})
	}
}

func slice(f Features) []float64 {
	v := vectorOf(f)
	return v[:]
}

// anyAim draws an Aim of which each dimension may be open.
func anyAim(t *rapid.T, name string) *Aim {
	unit := func(dim string) *float64 {
		return rapid.OneOf(rapid.Just[*float64](nil), rapid.Ptr(rapid.Float64Range(0, 1), false)).Draw(t, name+"."+dim)
	}
	return &Aim{
		unit("energy"), unit("valence"), rapid.OneOf(rapid.Just[*float64](nil), rapid.Ptr(rapid.Float64Range(20, 300), false)).Draw(t, name+".tempo"),
		unit("acousticness"), unit("instrumentalness"),
	}
}

// Whatever is given stays; whatever is filled in is in range; energy goes where the direction says, by enough.
func TestEndsHoldForAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Definition{
			Name: "x", Mode: AI, DurationMinutes: 30, Direction: rapid.SampledFrom(directions).Draw(t, "direction"),
			Start: anyAim(t, "start"), End: anyAim(t, "end"),
		}
		if d.Validate() != nil {
			t.Skip("not a valid definition")
		}
		var middle vector
		for i, dim := range dimensions {
			middle[i] = rapid.Float64Range(dim.least, dim.most).Draw(t, "middle")
		}
		l := lean{
			energy: rapid.Float64Range(-1, 1).Draw(t, "lean"), valence: rapid.Float64Range(-1, 1).Draw(t, "lean.valence"),
			tempo: rapid.SampledFrom([]float64{0, 60, 168}).Draw(t, "cadence"),
		}
		start, end := d.ends(middle, l)
		require.Equal(t, d.Start.over(start), start)
		require.Equal(t, d.End.over(end), end)
		require.True(t, sound(start), "%+v", start)
		require.True(t, sound(end), "%+v", end)
		both := d.Start.Energy != nil && d.End.Energy != nil
		fall := start.Energy - end.Energy
		switch {
		case d.Direction == Descent && !both:
			require.GreaterOrEqual(t, fall, minSlope-2e-4)
		case d.Direction == Ascent && !both:
			require.GreaterOrEqual(t, -fall, minSlope-2e-4)
		case d.Direction == Steady:
			require.LessOrEqual(t, math.Abs(fall), steadyWithin+1e-9)
		}
	})
}

func TestGuidedEndsFollowTheStages(t *testing.T) {
	rock, ambient := neutral(), neutral()
	rock[energy], rock[tempo], rock[acousticness] = 0.75, 130, 0.1
	ambient[energy], ambient[tempo], ambient[acousticness] = 0.25, 80, 0.8
	d := Definition{Mode: Guided, Stages: []Stage{{"rock", 20}, {"ambient", 40}}}.Filled()
	start, end, bends := d.guidedEnds([]vector{rock, ambient})
	require.InDelta(t, (0.75*20+0.25*40)/60, start.Energy, 1e-3, "steady at the mean of the stages")
	require.InDelta(t, start.Energy, end.Energy, 1e-9)
	require.Greater(t, start.Tempo, end.Tempo, "the other dimensions are those of the genres")
	require.Less(t, start.Acousticness, end.Acousticness)
	require.Len(t, bends, 2)
	require.InDelta(t, 1.0/6, bends[0].At, 1e-9)
	require.InDelta(t, 2.0/3, bends[1].At, 1e-9)
	require.Nil(t, bends[0].Energy)

	d.Direction, d.Start = Descent, &Aim{Tempo: ptr(99.0)}
	d.Points = []Point{{At: 0.5, Aim: Aim{Valence: ptr(0.9), Acousticness: ptr(0.4), Instrumentalness: ptr(0.3)}}}
	start, end, bends = d.guidedEnds([]vector{rock, ambient})
	require.InDelta(t, 0.85, start.Energy, 1e-9)
	require.InDelta(t, 0.25, end.Energy, 1e-9)
	require.InDelta(t, 99.0, start.Tempo, 1e-9)
	require.Empty(t, bends, "the listener gives something in every dimension")
}

func TestArcTakesPointsAndBendsOfOneMoment(t *testing.T) {
	d := Definition{Points: []Point{{At: 0.5, Aim: Aim{Energy: ptr(0.9)}}, {At: 0.7, Aim: Aim{Energy: ptr(0.8)}}}, Curve: Linear}
	f := neutral().features()
	arc := d.arc(f, f, []Point{{At: 0.5, Aim: Aim{Tempo: ptr(90.0), Valence: ptr(0.2)}}})
	require.NoError(t, arc.Validate())
	at := arc.At(0.5)
	require.InDelta(t, 0.9, at.Energy, 1e-9)
	require.InDelta(t, 90, at.Tempo, 1e-9)
	require.InDelta(t, 0.2, at.Valence, 1e-9)
}

func TestMiddleOf(t *testing.T) {
	_, known := middleOf([]Track{{Confidence: 0, Features: Features{Energy: 1, Tempo: 100}}, {Confidence: 1}})
	require.False(t, known, "one is not trusted, the other has no tempo")
	m, known := middleOf([]Track{
		{Confidence: 1, Features: Features{Energy: 1, Tempo: 60}},
		{Confidence: 0.5, Features: Features{Energy: 0.4, Tempo: 120}},
		{Confidence: 0.5, Features: Features{Energy: 0.4, Tempo: 120}},
	})
	require.True(t, known)
	require.InDelta(t, 0.7, m[energy], 1e-9)
	require.InDelta(t, 60*math.Sqrt2, m[tempo], 1e-9)
}
