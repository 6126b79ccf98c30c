package tunevector_test

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

func energy(v float64) *tunevector.Aim { return &tunevector.Aim{Energy: &v} }

func TestDefinitionValidate(t *testing.T) {
	tests := []struct {
		name   string
		d      tunevector.Definition
		fields []string // that are wrong; none: valid
	}{
		{"guided", guided(), nil},
		{"ai", ai(60), nil},
		{"nothing", tunevector.Definition{}, []string{"name", "mode"}},
		{"only spaces", tunevector.Definition{Name: "  ", Mode: tunevector.AI, DurationMinutes: 1}, []string{"name"}},
		{"name too long", tunevector.Definition{Name: strings.Repeat("ä", 101), Mode: tunevector.AI, DurationMinutes: 1}, []string{"name"}},
		{"longest name", tunevector.Definition{Name: " " + strings.Repeat("ä", 100) + " ", Mode: tunevector.AI, DurationMinutes: 1440}, nil},
		{"name of no characters", tunevector.Definition{Name: "\xff", Mode: tunevector.AI, DurationMinutes: 1}, []string{"name"}},
		{
			"unknown words",
			tunevector.Definition{Name: "x", Kind: "song", Mode: "auto", Direction: "up", Curve: "round", Order: "random"},
			[]string{"kind", "mode", "direction", "curve", "order"},
		},
		{"ai without a duration", tunevector.Definition{Name: "x", Mode: tunevector.AI}, []string{"durationMinutes"}},
		{"ai too long", ai(1441), []string{"durationMinutes"}},
		{"ai too short", ai(-1), []string{"durationMinutes"}},
		{"ai with stages", with(ai(60), func(d *tunevector.Definition) { d.Stages = []tunevector.Stage{{Genre: "rock", Minutes: 60}} }), []string{"stages"}},
		{"guided without stages", tunevector.Definition{Name: "x", Mode: tunevector.Guided}, []string{"stages"}},
		{"guided with the sum", with(guided(), func(d *tunevector.Definition) { d.DurationMinutes = 30 }), nil},
		{"guided with another sum", with(guided(), func(d *tunevector.Definition) { d.DurationMinutes = 31 }), []string{"durationMinutes"}},
		{"wrong stages", guided(tunevector.Stage{}, tunevector.Stage{Genre: " ", Minutes: -1}, tunevector.Stage{Genre: strings.Repeat("x", 101), Minutes: 1441}), []string{
			"stages[0].genre", "stages[0].minutes", "stages[1].genre", "stages[1].minutes", "stages[2].genre", "stages[2].minutes",
		}},
		{"stages of more than a day", guided(tunevector.Stage{Genre: "a", Minutes: 720}, tunevector.Stage{Genre: "b", Minutes: 721}), []string{"stages"}},
		{"stages of a day", guided(tunevector.Stage{Genre: "a", Minutes: 720}, tunevector.Stage{Genre: "b", Minutes: 720}), nil},
		{"too many stages", guided(slices.Repeat([]tunevector.Stage{{Genre: "a", Minutes: 1}}, 21)...), []string{"stages"}},
		{"most stages", guided(slices.Repeat([]tunevector.Stage{{Genre: "a", Minutes: 1}}, 20)...), nil},
		{"wrong ends", with(ai(60), func(d *tunevector.Definition) {
			d.Start = &tunevector.Aim{Energy: p(1.1), Valence: p(-0.1), Tempo: p(19.9), Acousticness: p(math.NaN()), Instrumentalness: p(math.Inf(1))}
			d.End = &tunevector.Aim{Tempo: p(300.5)}
		}), []string{"start.energy", "start.valence", "start.tempo", "start.acousticness", "start.instrumentalness", "end.tempo"}},
		{"ends at their limits", with(ai(60), func(d *tunevector.Definition) {
			d.Start = &tunevector.Aim{Valence: p(0.0), Tempo: p(20.0)}
			d.End = &tunevector.Aim{Valence: p(1.0), Tempo: p(300.0)}
		}), nil},
		{"wrong points", with(ai(60), func(d *tunevector.Definition) {
			d.Points = []tunevector.Point{
				{At: 0, Aim: *energy(1)},
				{At: 0.5, Aim: *energy(1)},
				{At: 0.5, Aim: *energy(2)},
				{At: 1, Aim: *energy(1)},
				{At: 0.6},
				{At: math.NaN(), Aim: *energy(1)},
				{At: 1e-200, Aim: *energy(1)},
			}
		}), []string{"points[6].at", "points[0].at", "points[2].at", "points[2].energy", "points[3].at", "points[4]", "points[5].at"}},
		{"too many points", with(ai(60), func(d *tunevector.Definition) { d.Points = make([]tunevector.Point, 21) }), []string{"points"}},
		{"good points", with(ai(60), func(d *tunevector.Definition) {
			d.Points = []tunevector.Point{{At: 0.2, Aim: *energy(1)}, {At: 0.9, Aim: tunevector.Aim{Tempo: p(90.0)}}}
		}), nil},
		{"custom of nothing", with(ai(60), func(d *tunevector.Definition) { d.Direction = tunevector.Custom }), []string{"direction"}},
		{"custom with a start", directed(tunevector.Custom, energy(0.5), nil), nil},
		{"custom with an end", directed(tunevector.Custom, nil, energy(0.5)), nil},
		{"custom with a point", with(ai(60), func(d *tunevector.Definition) {
			d.Direction, d.Points = tunevector.Custom, []tunevector.Point{{At: 0.5, Aim: *energy(1)}}
		}), nil},
		{"descent", directed(tunevector.Descent, energy(0.5), energy(0.49)), nil},
		{"descent that rises", directed(tunevector.Descent, energy(0.5), energy(0.6)), []string{"end.energy"}},
		{"descent that stays", directed(tunevector.Descent, energy(0.5), energy(0.5)), []string{"end.energy"}},
		{"descent without room", directed(tunevector.Descent, energy(0.39), nil), []string{"start.energy"}},
		{"descent with room", directed(tunevector.Descent, energy(0.4), nil), nil},
		{"descent to where nothing is above", directed(tunevector.Descent, nil, energy(0.61)), []string{"end.energy"}},
		{"descent to where something is above", directed(tunevector.Descent, nil, energy(0.6)), nil},
		{"ascent", directed(tunevector.Ascent, energy(0.5), energy(0.51)), nil},
		{"ascent that falls", directed(tunevector.Ascent, energy(0.5), energy(0.4)), []string{"end.energy"}},
		{"ascent without room", directed(tunevector.Ascent, energy(0.61), nil), []string{"start.energy"}},
		{"ascent from where nothing is below", directed(tunevector.Ascent, nil, energy(0.39)), []string{"end.energy"}},
		{"steady", directed(tunevector.Steady, energy(0.5), energy(0.6)), nil},
		{"steady that moves", directed(tunevector.Steady, energy(0.5), energy(0.7)), []string{"end.energy"}},
		{"steady with an end", directed(tunevector.Steady, nil, energy(0.7)), nil},
		{"left open, and moves", directed("", energy(0.1), energy(0.9)), nil},
		{"seeds", with(ai(60), func(d *tunevector.Definition) { d.Seed = p(int64(1<<53 - 1)) }), nil},
		{"seed too large", with(ai(60), func(d *tunevector.Definition) { d.Seed = p(int64(1 << 53)) }), []string{"seed"}},
		{"seed below zero", with(ai(60), func(d *tunevector.Definition) { d.Seed = p(int64(-1)) }), []string{"seed"}},
		{"wrong pins", with(ai(60), func(d *tunevector.Definition) {
			d.Pinned = []tunevector.Pin{{0, "a"}, {0, "b"}, {1, "a"}, {-1, ""}, {10_000, "c"}, {3, "x"}}
			d.Excluded = []string{"x", "", strings.Repeat("x", 201)}
		}), []string{"pinned[1].position", "pinned[2].trackId", "pinned[3].position", "pinned[3].trackId", "pinned[4].position", "pinned[5].trackId", "excluded[1]", "excluded[2]"}},
		{"too many tracks", with(ai(60), func(d *tunevector.Definition) {
			d.Pinned, d.Excluded = make([]tunevector.Pin, 51), make([]string, 501)
		}), []string{"pinned", "excluded"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.d.Validate()
			if len(tt.fields) == 0 {
				require.NoError(t, err)
				return
			}
			require.ElementsMatch(t, tt.fields, slices.Collect(maps.Keys(wrong(t, err))), "%v", err)
		})
	}
}

func with(d tunevector.Definition, f func(*tunevector.Definition)) tunevector.Definition {
	f(&d)
	return d
}

func directed(direction tunevector.Direction, start, end *tunevector.Aim) tunevector.Definition {
	return with(ai(60), func(d *tunevector.Definition) { d.Direction, d.Start, d.End = direction, start, end })
}

func TestDefinitionMessages(t *testing.T) {
	fields := wrong(t, tunevector.Definition{Name: "x", Mode: "auto", Kind: "song"}.Validate())
	require.Equal(t, "Must be one of guided, ai", fields["mode"])
	require.Equal(t, "Must be one of playlist, podcast, soundscape", fields["kind"])
	require.Equal(t, "Must be above start.energy in an ascent", wrong(t, directed(tunevector.Ascent, energy(0.5), energy(0.4)).Validate())["end.energy"])
	require.Equal(t, "Must be at least 0.4, so that there is room for the descent", wrong(t, directed(tunevector.Descent, energy(0.3), nil).Validate())["start.energy"])
}

func TestDefinitionFilled(t *testing.T) {
	d := guided().Filled()
	require.Equal(t, tunevector.Definition{
		Name: "guided", Mode: tunevector.Guided, Kind: tunevector.Playlist, DurationMinutes: 30, Direction: tunevector.Steady,
		Curve: tunevector.SCurve, Order: tunevector.ByArc, Stages: guided().Stages,
	}, d)
	require.Equal(t, tunevector.Custom, directed("", energy(0.9), energy(0.2)).Filled().Direction, "it moves, and nobody called it steady")
	require.Equal(t, tunevector.Steady, directed("", energy(0.5), energy(0.55)).Filled().Direction)
	require.Equal(t, tunevector.Steady, directed("", energy(0.9), nil).Filled().Direction)
	given := with(ai(10), func(d *tunevector.Definition) {
		d.Kind, d.Direction, d.Curve, d.Order = tunevector.Podcast, tunevector.Ascent, tunevector.Linear, tunevector.Shuffle
	})
	require.Equal(t, given, given.Filled(), "what is given stays")
}

// FuzzDefinition decodes and validates anything: no panic, an error of the right kind that names fields, and whatever is
// valid is still valid when it is written and read again.
func FuzzDefinition(f *testing.F) {
	f.Add(`{"name":"Evening","mode":"ai","durationMinutes":60,"start":{"energy":0.9,"tempo":140},"points":[{"at":0.5,"energy":0.4}],"seed":7}`)
	f.Add(`{"name":"x","mode":"guided","stages":[{"genre":"rock","minutes":20},{"genre":"","minutes":-3}],"direction":"descent"}`)
	f.Add(`{"name":"x","mode":"ai","durationMinutes":9223372036854775807,"pinned":[{"position":1,"trackId":"a"}],"excluded":["a"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var d tunevector.Definition
		if json.Unmarshal([]byte(body), &d) != nil {
			return
		}
		if err := d.Validate(); err != nil {
			e, ok := fault.As(err)
			require.True(t, ok)
			require.Equal(t, fault.Invalid, e.Kind)
			require.NotEmpty(t, e.Fields)
			return
		}
		filled := d.Filled()
		require.NoError(t, filled.Validate())
		require.InDelta(t, 720, filled.DurationMinutes, 720)
		again, err := json.Marshal(d)
		require.NoError(t, err)
		var back tunevector.Definition
		require.NoError(t, json.Unmarshal(again, &back))
		require.NoError(t, back.Validate())
	})
}
