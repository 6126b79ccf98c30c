package tunevector

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// similarFrom is how many candidates are compared by how they sound.
const similarFrom = 300

// Similar returns tracks like one, "more like this": the most alike first; limit is 1–100. First come those that the same listeners play, where a model of taste is live that can tell
// ([ml.Recommender.Similar]), then those of the same genres, and of any, that sound most like it. They are of the same kind as the track. It is about no listener: what one of
// them avoids is for the caller to leave out. A track that the provider does not know is not found.
func (s *Service) Similar(ctx context.Context, trackID string, limit int) ([]Recommendation, error) {
	var f fault.Fields
	page.Check(&f, limit, true)
	if trackID == "" {
		f.Add("trackId", "Track ID is required")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	known := map[string]*Track{}
	if err := s.load(ctx, uuid.Nil, known, []string{trackID}); err != nil {
		return nil, err
	}
	to := known[trackID]
	if to == nil {
		return nil, fault.New(fault.NotFound, "There is no track %q", trackID)
	}
	alike, err := s.models.Similar(ctx, trackID, limit, ml.Filter{})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(alike))
	for i, a := range alike {
		ids[i] = a.TrackID
	}
	if err := s.load(ctx, uuid.Nil, known, ids); err != nil {
		return nil, err
	}
	out, taken, least := make([]Recommendation, 0, limit), []string{trackID}, 1.0
	take := func(t *Track, score float64, reason string) {
		taken = append(taken, t.ID)
		out = append(out, Recommendation{
			TrackID: t.ID, Title: t.Title, Artists: append([]string{}, t.Artists...), Score: roundTo(score, 4), Reasons: []string{reason},
		})
	}
	for _, a := range alike {
		if t := known[a.TrackID]; t != nil && or(t.Kind, Playlist) == or(to.Kind, Playlist) {
			take(t, a.Score, "played by those who play "+to.Title)
			least = a.Score
		}
	}
	for _, c := range []struct {
		genres []string
		reason string
	}{{to.Genres, "of the same genre, and sounds like it"}, {nil, "sounds like it"}} {
		if len(out) == limit || c.genres == nil && len(out) > 0 {
			break // what is of another genre comes only where there is nothing else
		}
		found, err := s.soundsLike(ctx, to, c.genres, taken)
		if err != nil {
			return nil, err
		}
		for _, t := range first(found, limit-len(out)) {
			take(t.track, least*t.score, c.reason)
		}
	}
	return out, nil
}

// soundsLike returns tracks by how near their features are to those of one, the nearest first. Of tracks of which these are not known, all are as near as they are popular.
func (s *Service) soundsLike(ctx context.Context, to *Track, genres, without []string) ([]scoredTrack, error) {
	q := CandidateQuery{Kind: or(to.Kind, Playlist), Genres: genres, Exclude: without, Limit: similarFrom}
	heard := to.Confidence > 0 && sound(to.Features)
	if heard {
		q.Along = []Features{to.Features}
	}
	tracks, err := s.music.Candidates(ctx, q)
	if err != nil {
		return nil, err
	}
	var all []scoredTrack
	for i := range tracks {
		t := &tracks[i]
		if slices.Contains(without, t.ID) {
			continue // providers that do not filter are lived with
		}
		score := min(max(t.Popularity, 0), 1) / 2 //nolint:mnd // less than what sounds alike
		if heard && t.Confidence > 0 && sound(t.Features) {
			score = 1 / (1 + planner.Distance(t.Features, to.Features))
		}
		all = append(all, scoredTrack{track: t, score: score})
	}
	slices.SortFunc(all, func(a, b scoredTrack) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.track.ID, b.track.ID))
	})
	return all, nil
}
