package tunevector

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// withhold takes out of the listener's stored vectors what a consent that has ended gave them: the words, targets and costs of their plans, and readings in force. They
// keep their tracks, and their consents, by which whoever reads them next plans them anew; but that may be never. Whoever is planned anew already has nothing of it.
func (s *Service) withhold(ctx context.Context, profileID, consent uuid.UUID) error {
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: vectorPrefix, Read: store.Strong}
	for item, err := range store.All(ctx, s.store, q) {
		if err != nil {
			return err
		}
		var v vectorRecord
		if err := item.Decode(&v); err != nil {
			return err
		}
		if !v.tells(consent) {
			continue
		}
		id, err := uuid.Parse(strings.TrimPrefix(item.Key.Sort, vectorPrefix))
		if err != nil {
			return err
		}
		_, err = s.change(ctx, profileID, id, func(old *vectorRecord, plan *planRecord, _ store.Version) (*vectorRecord, *planRecord, error) {
			if !old.tells(consent) {
				return nil, nil, nil // planned anew in the meantime
			}
			next := *old
			next.Start, next.End, next.Bends, next.Held, next.Revision = Features{}, Features{}, nil, nil, uuid.NewString()
			bare := &planRecord{Revision: next.Revision, Tracks: slices.Clone(plan.Tracks), Duration: plan.Duration}
			for i := range bare.Tracks {
				t := &bare.Tracks[i]
				*t = trackRecord{ID: t.ID, Start: t.Start, Duration: t.Duration, Stage: t.Stage}
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
