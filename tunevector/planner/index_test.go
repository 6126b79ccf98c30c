package planner_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

func randomFeatures(random *rand.Rand) planner.Features {
	return planner.Features{
		Energy: random.Float64(), Valence: random.Float64(), Tempo: 30 * math.Exp2(3*random.Float64()),
		Acousticness: random.Float64(), Instrumentalness: random.Float64(),
	}
}

// The index must find what looking at every track finds.
func TestIndexFindsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.IntRange(0, 400).Draw(t, "n")
		entries := make([]planner.Entry, n)
		for i := range entries {
			entries[i] = planner.Entry{Features: randomFeatures(random), Kind: uint8(random.IntN(3))}
			for range random.IntN(3) {
				entries[i].Genres = append(entries[i].Genres, uint16(random.IntN(4)))
			}
		}
		x := planner.NewIndex(n, func(i int) planner.Entry { return entries[i] })
		require.Equal(t, n, x.Len())

		wanted, of := []uint16{1, 3, 4}, map[int]bool{}
		for i, e := range entries {
			if slices.ContainsFunc(e.Genres, func(g uint16) bool { return slices.Contains(wanted, g) }) {
				of[i] = true
			}
		}
		with := map[int]bool{}
		for i := range x.With(wanted) {
			with[i] = true
		}
		require.Equal(t, of, with)
		for range x.With(wanted) {
			break
		}

		var f planner.Filter
		if rapid.Bool().Draw(t, "ofKind") {
			kind := uint8(random.IntN(4))
			f.Kind = &kind
		}
		for range rapid.IntRange(0, 2).Draw(t, "genres") {
			f.Genres = append(f.Genres, uint16(random.IntN(5)))
		}
		if rapid.Bool().Draw(t, "skips") {
			f.Skip = func(i int) bool { return i%3 == 0 }
		}
		sample := randomFeatures(random)
		limit := rapid.IntRange(0, 60).Draw(t, "limit")

		type hit struct {
			track    int
			distance float64
		}
		var want []hit
		for i, e := range entries {
			if f.Kind != nil && *f.Kind != e.Kind || f.Skip != nil && f.Skip(i) ||
				len(f.Genres) > 0 && !slices.ContainsFunc(e.Genres, func(g uint16) bool { return slices.Contains(f.Genres, g) }) {
				continue
			}
			want = append(want, hit{i, planner.Distance(sample, e.Features)})
		}
		slices.SortFunc(want, func(a, b hit) int {
			if a.distance < b.distance {
				return -1
			}
			return 1
		})
		want = want[:min(limit, len(want))]

		got := x.Along([]planner.Features{sample}, limit, f)
		require.Len(t, got, len(want))
		require.True(t, slices.IsSorted(got))
		farthest := 0.0
		if len(want) > 0 {
			farthest = want[len(want)-1].distance
		}
		for _, i := range got {
			require.LessOrEqual(t, planner.Distance(sample, entries[i].Features), farthest+1e-5)
		}
	})
}

func TestIndexAlongAnArc(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	entries := make([]planner.Entry, 3000)
	for i := range entries {
		entries[i] = planner.Entry{Features: randomFeatures(random)}
	}
	x := planner.NewIndex(len(entries), func(i int) planner.Entry { return entries[i] })
	arc := planner.Arc{Start: entries[0].Features, End: entries[1].Features}
	var samples []planner.Features
	for i := range 20 {
		samples = append(samples, arc.At(float64(i)/19))
	}
	samples = append(samples, samples[0]) // the same again must not cost anything

	plain := x.Along(samples, 200, planner.Filter{})
	require.Len(t, plain, 200)
	require.Len(t, slices.Compact(slices.Clone(plain)), 200, "no repeats")
	require.Contains(t, plain, 0, "the track that is the start")
	require.Contains(t, plain, 1, "the track that is the end")
	require.Equal(t, plain, x.Along(samples, 200, planner.Filter{}))

	one := x.Along(samples, 200, planner.Filter{Jitter: 1, Seed: 1})
	require.Equal(t, one, x.Along(samples, 200, planner.Filter{Jitter: 1, Seed: 1}), "the same for the same seed")
	require.Len(t, one, 200)
	require.NotEqual(t, plain, one)
	require.NotEqual(t, one, x.Along(samples, 200, planner.Filter{Jitter: 1, Seed: 2}))
	require.Equal(t, plain, x.Along(samples, 200, planner.Filter{Jitter: math.NaN()}))

	// Deeper where the samples' nearest overlap, to the last track.
	require.Len(t, x.Along(samples, 5000, planner.Filter{}), 3000)
	require.Len(t, x.Along(samples[:2], 2990, planner.Filter{}), 2990)
	require.Empty(t, x.Along(nil, 10, planner.Filter{}))
	require.Empty(t, x.Along(samples, 0, planner.Filter{}))
}

func TestIndexOfOddFeatures(t *testing.T) {
	odd := []planner.Features{
		{}, {Tempo: math.NaN()}, {Energy: math.NaN(), Tempo: 100}, {Tempo: math.Inf(1)}, {Tempo: -3, Valence: math.Inf(1)},
	}
	x := planner.NewIndex(len(odd), func(i int) planner.Entry { return planner.Entry{Features: odd[i]} })
	require.Len(t, x.Along([]planner.Features{{Energy: 0.5, Tempo: 120}}, 10, planner.Filter{}), len(odd))
	require.Len(t, x.Along([]planner.Features{{Energy: math.NaN()}}, 10, planner.Filter{}), len(odd))
}

// Many tracks in the same place must not make the tree deep or lose any.
func TestIndexOfEqualTracks(t *testing.T) {
	x := planner.NewIndex(5000, func(int) planner.Entry { return planner.Entry{Features: planner.Features{Tempo: 100}} })
	require.Len(t, x.Along([]planner.Features{{Tempo: 200}}, 4000, planner.Filter{}), 4000)
}
