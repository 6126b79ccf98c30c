package planner_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

var orders = []planner.Order{
	"", planner.OrderArc, planner.OrderEnergyAscending, planner.OrderEnergyDescending,
	planner.OrderTempoAscending, planner.OrderTempoDescending, planner.OrderShuffle,
}

func ids(s planner.Solution) []string {
	var ids []string
	for _, track := range s.Tracks {
		ids = append(ids, track.ID)
	}
	return ids
}

func reorder(t *testing.T, p planner.Problem, s planner.Solution, order planner.Order) planner.Solution {
	t.Helper()
	r, err := planner.Reorder(context.Background(), p, s.Tracks, order)
	require.NoError(t, err)
	require.ElementsMatch(t, ids(s), ids(r))
	require.InDelta(t, s.Duration, r.Duration, 1e-6)
	require.True(t, r.Complete)
	require.Zero(t, r.LowerBound)
	clock := 0.0
	for i, track := range r.Tracks {
		require.InDelta(t, clock, track.Start, 1e-6)
		require.Equal(t, p.Arc.At((clock+track.Duration/2)/p.Duration), track.Target)
		require.Equal(t, s.Tracks[i].Stage, track.Stage, "the stages stay where they are")
		clock += track.Duration
	}
	return r
}

func TestReorderSorts(t *testing.T) {
	p := problem(60) // no two tracks of an artist: nothing to repair
	s := solve(t, p)
	features := make(map[string]planner.Features)
	for _, c := range p.Candidates {
		features[c.ID] = c.Features
	}
	key := map[planner.Order]func(planner.Features) float64{
		planner.OrderEnergyAscending:  func(f planner.Features) float64 { return f.Energy },
		planner.OrderEnergyDescending: func(f planner.Features) float64 { return -f.Energy },
		planner.OrderTempoAscending:   func(f planner.Features) float64 { return f.Tempo },
		planner.OrderTempoDescending:  func(f planner.Features) float64 { return -f.Tempo },
	}
	for _, order := range orders {
		require.True(t, order.Valid())
		r := reorder(t, p, s, order)
		if by := key[order]; by != nil {
			require.True(t, slices.IsSortedFunc(ids(r), func(a, b string) int {
				if by(features[a]) < by(features[b]) {
					return -1
				}
				return 1
			}))
			require.Greater(t, r.Cost, s.Cost-1e-9, "what was planned along the arc is no worse than a sort")
		}
		require.Equal(t, r, reorder(t, p, s, order))
	}
	back := reorder(t, p, reorder(t, p, s, planner.OrderShuffle), planner.OrderArc)
	require.Less(t, back.Cost, 1.2*s.Cost)
	require.NotEqual(t, ids(s), ids(reorder(t, p, s, planner.OrderShuffle)))
	p.Seed++
	require.NotEqual(t, ids(reorder(t, p, s, planner.OrderShuffle)), ids(s))
}

func TestReorderKeepsStagesPrefixPinsAndSpacing(t *testing.T) {
	c := instances.NewCatalog(3000, 1)
	for _, in := range instances.All(c) {
		p := in.Problem(150)
		p.Effort = planner.Effort{Moves: 500}
		first := solve(t, p)
		for _, track := range first.Tracks[:2] {
			for _, c := range p.Candidates {
				if c.ID == track.ID {
					p.Prefix = append(p.Prefix, c)
				}
			}
		}
		p.Pinned = map[int]string{7: first.Tracks[7].ID}
		s := solve(t, p)
		for _, order := range orders {
			r := reorder(t, p, s, order)
			require.Equal(t, ids(s)[:2], ids(r)[:2])
			require.True(t, r.Tracks[0].Played)
			require.Equal(t, s.Tracks[7].ID, r.Tracks[7].ID)
			require.True(t, r.Tracks[7].Pinned)
			if len(p.Stages) > 0 {
				stage := make(map[string]int)
				for _, track := range s.Tracks {
					stage[track.ID] = track.Stage
				}
				for _, track := range r.Tracks {
					require.Equal(t, stage[track.ID], track.Stage)
				}
			}
		}
	}
}

func TestReorderRepairsSpacing(t *testing.T) {
	// Sorted by energy, the artists would come in blocks.
	p := problem(9)
	p.Duration = 9 * 210
	for i := range p.Candidates {
		p.Candidates[i].Artists = []string{strconv.Itoa(i / 3)}
		p.Candidates[i].Features.Energy = float64(i) / 10
	}
	s := solve(t, p)
	r := reorder(t, p, s, planner.OrderEnergyAscending)
	require.Equal(t, []string{"t000", "t003", "t006", "t001", "t004", "t007", "t002", "t005", "t008"}, ids(r))
	require.Equal(t, 3, r.ArtistGap)

	// The last two are one artist's: one of them comes earlier.
	q := problem(6)
	q.Duration = 6 * 210
	for i := range q.Candidates {
		q.Candidates[i].Features.Energy = float64(i) / 10
	}
	q.Candidates[4].Artists = q.Candidates[5].Artists
	s = solve(t, q)
	r = reorder(t, q, s, planner.OrderEnergyAscending)
	require.Equal(t, []string{"t000", "t001", "t005", "t002", "t003", "t004"}, ids(r))
	require.Equal(t, 3, r.ArtistGap)

	// It gives way where the order leaves no other.
	for i := range p.Candidates {
		p.Candidates[i].Artists = []string{"the only one"}
	}
	s = solve(t, p)
	require.Equal(t, 1, s.ArtistGap)
	r = reorder(t, p, s, planner.OrderEnergyDescending)
	require.Equal(t, "t008", r.Tracks[0].ID)
	require.Equal(t, 1, r.ArtistGap)

	// What is pinned is kept away from.
	p.Candidates = tracks(12)
	p.Candidates[0].Artists, p.Candidates[1].Artists = []string{"same"}, []string{"same"}
	p.Candidates[0].Features.Energy, p.Candidates[1].Features.Energy = 0.5, 0
	p.Pinned = map[int]string{1: "t000", 8: "t001"}
	s = solve(t, p)
	p.Pinned = map[int]string{1: "t000"}
	r = reorder(t, p, s, planner.OrderEnergyAscending)
	require.Equal(t, "t000", r.Tracks[1].ID)
	require.NotEqual(t, "t001", r.Tracks[0].ID)
	require.Equal(t, 3, r.ArtistGap)
}

func TestReorderRefusesWhatWasNotPlanned(t *testing.T) {
	p := problem(30)
	s := solve(t, p)
	p.Prefix = []planner.Candidate{{ID: "played", Duration: 100}}
	p.Stages = []planner.Stage{{Name: "all", End: p.Duration}}
	planned := append([]planner.Placed{{ID: "another"}, {ID: "unknown"}}, s.Tracks[:2]...)
	planned = append(planned, s.Tracks[1])
	_, err := planner.Reorder(context.Background(), p, planned, "random")
	var invalid *planner.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Fields, 6)
	require.Contains(t, invalid.Fields, "order")
	require.Equal(t, "is not the track of the prefix", invalid.Fields["planned[0]"])
	require.Equal(t, "is not a candidate", invalid.Fields["planned[1]"])
	require.Equal(t, "has no stage of the problem", invalid.Fields["planned[2]"])
	require.Equal(t, "stands there twice", invalid.Fields["planned[4]"])
	_, err = planner.Reorder(context.Background(), p, nil, planner.OrderArc)
	require.ErrorContains(t, err, "planned must begin with the prefix")
	p.Duration = -1
	_, err = planner.Reorder(context.Background(), p, nil, planner.OrderArc)
	require.ErrorContains(t, err, "duration")
}
