package tunevector

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Answers are what a model of situations learns of a listener: the answers among their newest 300 interactions before a moment (of those to one listening the last), joined with what was known of their surroundings then, as plans are
// made by it. Nothing is known but under consents that live now, and nobody who has not opted into anything has any. Only tracks whose provenance permits it are answered to. They are for [ml.SituationOptions], and to be kept nowhere.
func (s *Service) Answers(ctx context.Context, profileID uuid.UUID, until time.Time) ([]ml.Answered, error) {
	consents, err := s.variables.Consents(ctx, profileID)
	if err != nil || len(consents) == 0 {
		return nil, err
	}
	var did interactions
	for i, err := range s.learning.Interactions(ctx, profileID, until.Add(-ml.Retention), until, true) {
		if err != nil {
			return nil, err
		}
		if did = append(did, i); len(did) == maxHistory {
			break
		}
	}
	tracks, err := s.items(ctx, profileID, did)
	if err != nil {
		return nil, err
	}
	var answering []*ml.Interaction
	var times []time.Time
	for i, last := range did[:did.learned()].lastWords(func(d *ml.Interaction) bool { return answers(d, tracks) }) {
		if last {
			answering, times = append(answering, &did[i]), append(times, did[i].At)
		}
	}
	past, err := s.variables.Past(ctx, profileID, times)
	if err != nil {
		return nil, err
	}
	all := make([]ml.Answered, len(answering))
	for i, d := range answering {
		a, _ := did.answer(d, past[i], tracks)
		all[i] = ml.Answered{Answer: a, Of: *tracks[d.TrackID]}
	}
	return all, nil
}
