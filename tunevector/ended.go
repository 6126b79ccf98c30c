package tunevector

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// What becomes of plans when a consent ends that they were made under. At once what it gave them is taken out of all that are stored. A plan that is just being made, of what
// was read before, is stored after that: so whoever has stored a plan asks once more for the consents that it was made under, and takes out and plans anew itself what one that has
// ended gave. One of the two sees the other: a consent that ends before that question is known by it, and one that ends later finds the plan stored. Should whoever
// has stored a plan not come to asking, as when the process ends or the store fails, a job looks through the listener's vectors once more some time later.

// late is the job of a listener a consent of whom has ended, to be done lateAfter that.
const late jobs.Kind = "withhold-late"

// lateAfter is longer than any plan is on its way from the reading of surroundings into the store.
const lateAfter = 15 * time.Minute

// lateRecord is the body of the job.
type lateRecord struct {
	Due time.Time `json:"due"`
}

// consentEnded takes out of the listener's stored vectors what a consent that has ended gave them, and has that looked for again unless the whole profile is being deleted.
func (s *Service) consentEnded(ctx context.Context, profileID, consent uuid.UUID) error {
	w, err := put(late.Key(profileID), lateRecord{s.clock().Add(lateAfter)})
	if err != nil {
		return err
	}
	if err := store.Settle(ctx, s.store, w, profile.Gate(profileID)); err != nil && !store.Has(err, profile.GateKey(profileID)) {
		return err
	}
	return s.withhold(ctx, profileID, []uuid.UUID{consent})
}

// Resume takes out of stored vectors what a consent gave them that ended while they were planned, where whoever planned them did not come to it: as when the process ended, or the store failed.
// It looks at the vectors of listeners of whom a consent has ended some 15 minutes ago. What fails is left for the next Resume and does not keep it from the rest; the error tells of all that failed.
func (s *Service) Resume(ctx context.Context) error {
	return late.Resume(ctx, s.store, func(ctx context.Context, profileID uuid.UUID, job store.Item) error {
		var l lateRecord
		if err := job.Decode(&l); err != nil {
			return err
		}
		if s.now().Before(l.Due) {
			return nil
		}
		under := map[uuid.UUID]struct{}{}
		for v, err := range s.vectors(ctx, profileID) {
			if err != nil {
				return err
			}
			for _, consent := range v.Consents {
				under[consent] = struct{}{}
			}
		}
		ended, err := s.ended(ctx, profileID, slices.Collect(maps.Keys(under)))
		if err != nil {
			return err
		}
		if len(ended) > 0 {
			if err := s.withhold(ctx, profileID, ended); err != nil {
				return err
			}
			if err := store.Scrub(ctx, s.store); err != nil {
				return err
			}
		}
		err = s.store.Apply(ctx, store.Delete(job.Key, store.VersionIs(job.Version)))
		if errors.Is(err, store.ErrConflict) { // done elsewhere, or another consent has ended
			return nil
		}
		return err
	})
}

// ended returns which of the consents have ended. It reads strongly, and nothing where there are none. They must have been read before: one that is not known to live yet would be taken for one that has ended.
func (s *Service) ended(ctx context.Context, profileID uuid.UUID, consents []uuid.UUID) ([]uuid.UUID, error) {
	if len(consents) == 0 {
		return nil, nil
	}
	now, err := s.variables.Consents(ctx, profileID)
	return slices.DeleteFunc(slices.Clone(consents), now.Live), err
}

// stand returns a vector that was planned and stored just now as it is then: where a consent that it was planned under has ended meanwhile, what that gave is taken out, and the vector is planned anew without.
func (s *Service) stand(
	ctx context.Context, profileID, id uuid.UUID, item store.Item, v *vectorRecord, plan *planRecord,
) (store.Item, *vectorRecord, *planRecord, error) {
	ended, err := s.ended(ctx, profileID, v.Consents)
	if err != nil || len(ended) == 0 {
		return item, v, plan, err
	}
	if err := s.withholdFrom(ctx, profileID, id, ended); err != nil {
		return item, v, plan, err
	}
	if item, v, plan, err = s.renew(ctx, profileID, id, false); err != nil {
		return item, v, plan, err
	}
	return item, v, plan, store.Scrub(ctx, s.store)
}

// stored is a plan that was stored in the place of another one.
type stored struct {
	vector   uuid.UUID
	consents []uuid.UUID   // that it was made under
	before   []trackRecord // what was planned before
	reasons  []string      // for which it was made, but for those that the surroundings gave
}

// standAll is stand for all that a call has planned, with one question for the consents. It returns what is to be told of them, in the place of what would be.
func (s *Service) standAll(ctx context.Context, profileID uuid.UUID, all []stored, told []Replanned) ([]Replanned, error) {
	var under []uuid.UUID
	for _, p := range all {
		under = append(under, p.consents...)
	}
	ended, err := s.ended(ctx, profileID, under)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(p stored) bool {
		return !slices.ContainsFunc(p.consents, func(c uuid.UUID) bool { return slices.Contains(ended, c) })
	})
	if len(all) == 0 {
		return told, nil
	}
	for _, p := range all { // of all of them before anything that may fail for other reasons
		if err := s.withholdFrom(ctx, profileID, p.vector, ended); err != nil && fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
	}
	for _, p := range all {
		told = slices.DeleteFunc(told, func(r Replanned) bool { return r.TuneVectorID == p.vector })
		_, _, plan, err := s.renew(ctx, profileID, p.vector, false)
		if fault.KindOf(err) == fault.NotFound {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		if from := firstChange(p.before, plan.Tracks); from >= 0 {
			told = append(told, Replanned{TuneVectorID: p.vector, FromPosition: from, Reasons: p.reasons, Changes: changes(p.before, plan.Tracks)})
		}
	}
	return told, store.Scrub(ctx, s.store)
}

// withhold takes out of the listener's stored vectors what consents that have ended gave them.
func (s *Service) withhold(ctx context.Context, profileID uuid.UUID, ended []uuid.UUID) error {
	for v, err := range s.vectors(ctx, profileID) {
		if err != nil {
			return err
		}
		if !v.tells(ended) {
			continue
		}
		if err := s.withholdFrom(ctx, profileID, v.id, ended); err != nil && fault.KindOf(err) != fault.NotFound { // deleted just now
			return err
		}
	}
	return nil
}

// withholdFrom takes out of a stored vector what consents that have ended gave it: the words, targets and costs of its plan, and readings in force. It
// keeps its tracks, and its consents, by which whoever reads it next plans it anew; but that may be never. What is planned anew already has nothing of it.
func (s *Service) withholdFrom(ctx context.Context, profileID, id uuid.UUID, ended []uuid.UUID) error {
	_, err := s.change(ctx, profileID, id, func(old *vectorRecord, plan *planRecord, _ store.Version) (*vectorRecord, *planRecord, error) {
		if !old.tells(ended) {
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
	return err
}

// tells reports whether there is anything in the vector that one of the consents gave. (Features that are all zero are nobody's: no music has a tempo of 0.)
func (v *vectorRecord) tells(consents []uuid.UUID) bool {
	return v.Start != Features{} && slices.ContainsFunc(v.Consents, func(c uuid.UUID) bool { return slices.Contains(consents, c) })
}
