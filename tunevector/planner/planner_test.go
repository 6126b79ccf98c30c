package planner_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

func TestPublishedInstancesKeepTheHardConstraints(t *testing.T) {
	c := instances.NewCatalog(5000, 1)
	for _, in := range instances.All(c) {
		t.Run(in.Name, func(t *testing.T) {
			p := in.Problem(200)
			p.Bound = true
			p.Effort.BoundPasses = 4
			s, err := planner.Solve(context.Background(), p)
			require.NoError(t, err)
			requireSound(t, p, s)
			require.True(t, s.Complete)
			require.Equal(t, planner.OverShortlist, s.BoundOver)
			require.LessOrEqual(t, s.LowerBound, s.Cost)
			require.Greater(t, s.LowerBound, 0.5*s.Cost)
			require.Less(t, s.Cost, *s.Baselines.Greedy)
		})
	}
}

// requireStagesChangeInTime checks that at each end of a stage within the plan the next one begins within half of the track that
// is playing there: when the first track begins that was chosen for a later stage.
func requireStagesChangeInTime(t require.TestingT, p planner.Problem, s planner.Solution) {
	for stage := range max(len(p.Stages)-1, 0) {
		end := p.Stages[stage].End
		for i, crossing := range s.Tracks {
			if crossing.Start > end || crossing.Start+crossing.Duration <= end {
				continue
			}
			later := i
			if crossing.Stage <= stage {
				later++
			}
			require.True(t, i == 0 || s.Tracks[later-1].Stage <= stage)
			change := s.Duration
			if later < len(s.Tracks) {
				require.Greater(t, s.Tracks[later].Stage, stage)
				change = s.Tracks[later].Start
			}
			require.InDelta(t, end, change, crossing.Duration/2+1e-6, "stage %d", stage)
		}
	}
}

// requireSound checks a plan against the hard constraints and its own numbers, without the planner's help.
func requireSound(t require.TestingT, p planner.Problem, s planner.Solution) {
	byID := make(map[string]planner.Candidate)
	for _, c := range p.Candidates {
		byID[c.ID] = c
	}
	played := 0.0
	for i, c := range p.Prefix {
		require.Equal(t, c.ID, s.Tracks[i].ID)
		require.True(t, s.Tracks[i].Played)
		byID[c.ID] = c
		played += c.Duration
	}
	clock, longest := 0.0, 0.0
	seen := make(map[string]bool)
	var sum planner.Terms
	for i, track := range s.Tracks {
		c, ok := byID[track.ID]
		require.True(t, ok)
		require.False(t, seen[track.ID], "%s is played twice", track.ID)
		seen[track.ID] = true
		require.InDelta(t, clock, track.Start, 1e-6)
		require.InDelta(t, c.Duration, track.Duration, 0)
		if !track.Played && !track.Pinned && len(p.Stages) > 0 {
			require.True(t, c.Stages.Has(track.Stage), "track %d in stage %d", i, track.Stage)
		}
		if len(p.Stages) > 0 {
			middle := track.Start + track.Duration/2
			if track.Stage < len(p.Stages)-1 {
				require.Less(t, middle, p.Stages[track.Stage].End)
			}
			if track.Stage > 0 {
				require.GreaterOrEqual(t, middle, p.Stages[track.Stage-1].End)
			}
		}
		for back := 1; back < s.ArtistGap && back <= i; back++ {
			before := s.Tracks[i-back]
			if (track.Pinned || track.Played) && (before.Pinned || before.Played) {
				continue
			}
			for _, a := range byID[before.ID].Artists {
				require.NotContains(t, c.Artists, a, "tracks %d and %d", i-back, i)
			}
		}
		clock += c.Duration
		longest = max(longest, c.Duration)
		sum.Target += track.Terms.Target
		sum.Transition += track.Terms.Transition
		sum.Taste += track.Terms.Taste
		sum.Novelty += track.Terms.Novelty
	}
	requireStagesChangeInTime(t, p, s)
	for position, id := range p.Pinned {
		if position >= len(p.Prefix) && played < p.Duration {
			require.Equal(t, id, s.Tracks[position].ID)
			require.True(t, s.Tracks[position].Pinned)
		}
	}
	require.InDelta(t, clock, s.Duration, 1e-6)
	if played < p.Duration { // what was played may be longer
		require.InDelta(t, p.Duration, s.Duration, longest/2+1e-6)
	}
	sum.Length = s.Terms.Length
	require.InDelta(t, s.Cost, sum.Sum(), 1e-6)
	require.InDelta(t, s.Cost, s.Terms.Sum(), 1e-6)
}
