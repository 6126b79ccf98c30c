package tunevector

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// reorder sorts what was solved for c in the order that its definition asks for.
func (s *Service) reorder(ctx context.Context, c *composition, planned []planner.Placed) (planner.Solution, error) {
	solution, err := planner.Reorder(ctx, c.problem, planned, c.def.Order)
	if err != nil {
		return planner.Solution{}, fmt.Errorf("tunevector: reorder: %w", err)
	}
	return solution, nil
}

// resort sorts the tracks that are in the plan already; start, end and what was heard stay. It returns nil where a try would stand too early then.
func (s *Service) resort(ctx context.Context, l *listener, v *vectorRecord, plan *planRecord) (*replanned, error) {
	heard := v.heard(plan)
	c := &composition{listener: l, def: v.Definition.Filled(), seed: v.Seed, heard: heard, bends: v.Bends, tracks: map[string]*Track{}}
	c.timeline()
	c.problem.Arc = c.def.arc(v.Start, v.End, v.Bends)
	ids := make([]string, len(plan.Tracks))
	for i, t := range plan.Tracks {
		ids[i] = t.ID
	}
	if err := s.load(ctx, c.listener.id, c.tracks, ids); err != nil {
		return nil, err
	}
	g := &gathering{at: map[string]int{}}
	placed := make([]planner.Placed, len(plan.Tracks))
	for i, t := range plan.Tracks {
		placed[i] = planner.Placed{ID: t.ID, Start: t.Start, Duration: t.Duration, Target: t.Target, Stage: t.Stage, Played: i < len(heard)}
		if i < len(heard) {
			continue
		}
		track := &Track{ID: t.ID} // the provider may no longer know it; it keeps its time
		if known := c.tracks[t.ID]; known != nil {
			*track = *known
		}
		track.DurationSeconds = t.Duration
		g.add(track, planner.AllStages)
	}
	lost := lostOf(c.tracks, plan)
	c.pose(g)
	for _, id := range lost {
		delete(c.tracks, id)
	}
	solution, err := s.reorder(ctx, c, placed)
	if err != nil {
		return nil, err
	}
	c.forgotten, c.tries = v.Forgotten, map[string]*tryRecord{}
	for _, t := range plan.Tracks[len(heard):] {
		if t.Try {
			c.tries[t.ID] = t.Tried
		}
	}
	if c.triesTooMuch(solution.Tracks) {
		return nil, nil
	}
	solution.Baselines = plan.Baselines
	sorted := c.plan(solution)
	v.Revision = sorted.Revision
	v.consent(l.tasteConsents())
	lent, err := s.lends(ctx, c, v, sorted)
	if err != nil {
		return nil, err
	}
	v.Lent = v.Lent || lent
	return &replanned{record: sorted, tracks: c.tracks}, nil
}

// lostOf are the tracks of a plan that the provider did not send.
func lostOf(known map[string]*Track, plan *planRecord) []string {
	var lost []string
	for _, t := range plan.Tracks {
		if known[t.ID] == nil {
			lost = append(lost, t.ID)
		}
	}
	return lost
}
