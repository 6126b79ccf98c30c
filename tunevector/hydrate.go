package tunevector

import (
	"context"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// bare is the vector without its plan.
func (v *vectorRecord) bare(id uuid.UUID, version store.Version) TuneVector {
	return TuneVector{
		ID: id, Definition: v.Definition.clone(), Seed: v.Seed, Start: v.Start, End: v.End, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, Version: version,
	}
}

// hydrate is the vector with its plan, with what the provider knows of the tracks now. A track that it no longer knows
// stands there by its id alone. Times are rounded to milliseconds, costs and features to four decimals.
func (s *Service) hydrate(
	ctx context.Context, profileID, id uuid.UUID, version store.Version, v *vectorRecord, p *planRecord, known map[string]*Track,
) (TuneVector, error) {
	ids := make([]string, len(p.Tracks))
	for i, t := range p.Tracks {
		ids[i] = t.ID
	}
	if err := s.load(ctx, profileID, known, ids); err != nil {
		return TuneVector{}, err
	}
	plan := &Plan{
		Tracks: make([]PlannedTrack, len(p.Tracks)), DurationSeconds: roundTo(p.Duration, 3), Cost: roundTo(p.Cost, 4),
		LowerBound: rounded(p.LowerBound), Gap: rounded(p.Gap), BoundOver: p.BoundOver, Complete: p.Complete,
		Baselines: Baselines{Shuffle: rounded(p.Baselines.Shuffle), Sorted: rounded(p.Baselines.Sorted), Greedy: rounded(p.Baselines.Greedy)},
	}
	var before *Track
	for i, t := range p.Tracks {
		out := PlannedTrack{
			Position: i, TrackID: t.ID, Artists: []string{}, Genres: []string{}, StartSeconds: roundTo(t.Start, 3), DurationSeconds: roundTo(t.Duration, 3),
			Target: t.Target, Reasons: append([]string{}, t.Why...), Try: t.Try, Played: i < v.Played,
		}
		track := known[t.ID]
		if track != nil {
			out.URI, out.Title, out.Confidence = track.URI, track.Title, roundTo(min(max(track.Confidence, 0), 1), 4)
			out.Artists, out.Genres = append(out.Artists, track.Artists...), append(out.Genres, track.Genres...)
			if sound(track.Features) {
				out.Features, out.FeatureSources = roundFeatures(track.Features), track.FeatureSources
			} else {
				out.Confidence = 0
			}
			out.Reasons = append(out.Reasons, follows(track, before, t.Target)...)
		} else {
			out.Reasons = append(out.Reasons, "no longer in the catalog")
		}
		before = track
		plan.Tracks[i] = out
	}
	tv := v.bare(id, version)
	tv.Plan = plan
	return tv, nil
}

func rounded(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r := roundTo(*v, 4)
	return &r
}
