package tunevector

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// withhold takes out of the listener's stored vectors what a consent that has ended gave them: the words, targets and costs of their plans, and readings in force. They
// keep their tracks, and their consents, by which whoever reads them next plans them anew; but that may be never. Whoever is planned anew already has nothing of it.
func (s *Service) withhold(ctx context.Context, profileID, consent uuid.UUID) error {
	for v, err := range s.vectors(ctx, profileID) {
		if err != nil {
			return err
		}
		if !v.tells(consent) {
			continue
		}
		_, err = s.change(ctx, profileID, v.id, func(old *vectorRecord, plan *planRecord, _ store.Version) (*vectorRecord, *planRecord, error) {
			if !old.tells(consent) {
				return nil, nil, nil // planned anew in the meantime
			}
			next := *old
			next.Start, next.End, next.Bends, next.Held, next.Revision = Features{}, Features{}, nil, nil, uuid.NewString()
			bare := &planRecord{Revision: next.Revision, Duration: plan.Duration}
			for _, t := range plan.Tracks {
				bare.Tracks = append(bare.Tracks, trackRecord{ID: t.ID, Start: t.Start, Duration: t.Duration, Stage: t.Stage})
			}
			return &next, bare, nil
		})
		if err != nil && fault.KindOf(err) != fault.NotFound { // deleted just now
			return err
		}
	}
	return nil
}

// tells reports whether there is anything in the vector that a consent gave. (Features that are all zero are nobody's: no music has a tempo of 0.)
func (v *vectorRecord) tells(consent uuid.UUID) bool {
	return slices.Contains(v.Consents, consent) && v.Start != Features{}
}
