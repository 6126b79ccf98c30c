package planner_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

func at(v float64) *float64 { return &v }

func TestArcCurves(t *testing.T) {
	start := planner.Features{Energy: 0, Valence: 1, Tempo: 60, Acousticness: 0.2, Instrumentalness: 0.2}
	end := planner.Features{Energy: 1, Valence: 0, Tempo: 240, Acousticness: 0.2, Instrumentalness: 0.6}
	for _, c := range []struct {
		curve         planner.Curve
		quarter, half float64 // of the way
	}{
		{planner.CurveLinear, 0.25, 0.5},
		{planner.CurveEaseIn, 0.0625, 0.25},
		{planner.CurveEaseOut, 0.4375, 0.75},
		{planner.CurveS, 0.15625, 0.5},
		{"", 0.15625, 0.5},
	} {
		t.Run(string(c.curve), func(t *testing.T) {
			arc := planner.Arc{Start: start, End: end, Curve: c.curve}
			require.NoError(t, arc.Validate())
			for share, way := range map[float64]float64{-1: 0, 0: 0, 0.25: c.quarter, 0.5: c.half, 1: 1, 2: 1} {
				f := arc.At(share)
				require.InDelta(t, way, f.Energy, 1e-9)
				require.InDelta(t, 1-way, f.Valence, 1e-9)
				require.InDelta(t, 60*math.Exp2(2*way), f.Tempo, 1e-9)
				require.InDelta(t, 0.2, f.Acousticness, 1e-9)
				require.InDelta(t, 0.2+0.4*way, f.Instrumentalness, 1e-9)
			}
		})
	}
}

func TestArcGoesThroughItsPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arc := planner.Arc{Start: drawFeatures(t, "start"), End: drawFeatures(t, "end"), Curve: planner.CurveEaseIn}
		shares := rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 5, rapid.ID[int]).Draw(t, "at")
		for _, s := range shares {
			p := planner.Point{At: float64(s) / 20}
			f := drawFeatures(t, "point")
			if rapid.Bool().Draw(t, "energy") {
				p.Energy = &f.Energy
			}
			p.Tempo, p.Acousticness = &f.Tempo, &f.Acousticness
			arc.Points = append(arc.Points, p)
		}
		require.NoError(t, arc.Validate())
		for _, p := range arc.Points {
			f := arc.At(p.At)
			require.InDelta(t, *p.Tempo, f.Tempo, 1e-6)
			require.InDelta(t, *p.Acousticness, f.Acousticness, 1e-9)
			if p.Energy != nil {
				require.InDelta(t, *p.Energy, f.Energy, 1e-9)
			}
		}
		for i := range 50 {
			f := arc.At(float64(i) / 49)
			for _, v := range []float64{f.Energy, f.Valence, f.Acousticness, f.Instrumentalness} {
				require.True(t, v >= 0 && v <= 1)
			}
			require.Positive(t, f.Tempo)
		}
	})
}

func TestArcNamesEveryWrongField(t *testing.T) {
	arc := planner.Arc{
		Start: planner.Features{Energy: -1, Tempo: 0},
		End:   planner.Features{Valence: math.NaN(), Tempo: math.Inf(1)},
		Curve: "zigzag",
		Points: []planner.Point{
			{At: 0.5, Energy: at(2)}, {At: 0.5}, {At: -0.1, Tempo: at(-1)}, {At: math.NaN()},
		},
	}
	err := arc.Validate()
	var invalid *planner.InvalidError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for f := range invalid.Fields {
		fields = append(fields, f)
	}
	require.ElementsMatch(t, []string{
		"start.energy", "start.tempo", "end.valence", "end.tempo", "curve",
		"points[0].energy", "points[1].at", "points[2].at", "points[2].tempo", "points[3].at",
	}, fields)
	require.Contains(t, err.Error(), "curve must be linear")
}

func TestDistance(t *testing.T) {
	base := planner.Features{Energy: 0.5, Valence: 0.5, Tempo: 100, Acousticness: 0.5, Instrumentalness: 0.5}
	with := func(change func(*planner.Features)) planner.Features { f := base; change(&f); return f }
	for _, c := range []struct {
		name  string
		other planner.Features
		want  float64
	}{
		{"itself", base, 0},
		{"energy", with(func(f *planner.Features) { f.Energy = 1 }), math.Sqrt(0.30) * 0.5},
		{"valence", with(func(f *planner.Features) { f.Valence = 1 }), math.Sqrt(0.20) * 0.5},
		{"acousticness", with(func(f *planner.Features) { f.Acousticness = 0 }), math.Sqrt(0.10) * 0.5},
		{"instrumentalness", with(func(f *planner.Features) { f.Instrumentalness = 0 }), math.Sqrt(0.10) * 0.5},
		{"half time", with(func(f *planner.Features) { f.Tempo = 50 }), math.Sqrt(0.30) * 0.1},
		{"double time", with(func(f *planner.Features) { f.Tempo = 200 }), math.Sqrt(0.30) * 0.1},
		{"half an octave", with(func(f *planner.Features) { f.Tempo = 100 * math.Sqrt2 }), math.Sqrt(0.30) * 0.5},
		{"three octaves", with(func(f *planner.Features) { f.Tempo = 800 }), math.Sqrt(0.30)},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.InDelta(t, c.want, planner.Distance(base, c.other), 1e-9)
			require.InDelta(t, c.want, planner.Distance(c.other, base), 1e-9)
		})
	}
	require.InDelta(t, 0.1, planner.TempoDistance(70, 140), 1e-9)
}
