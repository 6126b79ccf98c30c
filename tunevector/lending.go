package tunevector

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Some music is lent: it is from an account that the listener has linked, and goes when they unlink it, with all that was made of it (see [Lender]). A vector notes
// that something in it is lent, and is then written only together with the guard of the link. Once there is no link it is planned anew by whoever meets it
// first, as with consents that have ended; [Service.Withdraw] meets all of them.

// guard returns what goes into every Apply that keeps something lent; none where nothing is.
func (s *Service) guard(ctx context.Context, profileID uuid.UUID) ([]store.Write, error) {
	lender, ok := s.music.(Lender)
	if !ok {
		return nil, nil
	}
	return lender.Guard(ctx, profileID)
}

// shut reports whether an Apply has failed since a link has ended.
func shut(err error, guard []store.Write) bool {
	return slices.ContainsFunc(guard, func(w store.Write) bool { return store.Has(err, w.Key) })
}

// errEnding is the answer while an account is being unlinked, and what it lent is there still.
var errEnding = &fault.Error{Kind: fault.Unavailable, Message: "An account is being unlinked. Please try again.", RetryAfter: time.Second}

// guarded are writes of v with the guard, where something in it is lent.
func (v *vectorRecord) guarded(writes, guard []store.Write) ([]store.Write, error) {
	switch {
	case !v.Lent:
		return writes, nil
	case len(guard) == 0:
		return nil, errEnding
	}
	return append(writes, guard...), nil
}

// lends reports whether anything that a plan is made of is lent: tracks, those of which something was said, or the taste. It is not asked whether an account is linked: while one is being unlinked a
// provider may have its music still.
func (s *Service) lends(ctx context.Context, c *composition, v *vectorRecord, p *planRecord) (bool, error) {
	lender, ok := s.music.(Lender)
	if !ok || c.listener.taste.Imported() {
		return ok, nil
	}
	ids := make([]string, 0, len(p.Tracks)+len(v.Moments))
	for _, t := range p.Tracks {
		ids = append(ids, t.ID)
	}
	for _, m := range v.Moments {
		ids = append(ids, m.TrackID)
	}
	lent, err := lender.Lent(ctx, ids)
	return len(lent) > 0, err
}

// honors reports whether a vector may stay as it was planned: its consents live, and nothing was lent that was taken back.
func (l *listener) honors(v *vectorRecord) bool {
	return v.live(l.snapshot.Consents) && (!v.Lent || l.linked)
}

// holds is honors without reading more than the vector asks for.
func (s *Service) holds(ctx context.Context, profileID uuid.UUID, v *vectorRecord) (bool, error) {
	if v.Lent {
		guard, err := s.guard(ctx, profileID)
		if err != nil || len(guard) == 0 {
			return false, err
		}
	}
	if len(v.Consents) == 0 {
		return true, nil
	}
	consents, err := s.variables.Consents(ctx, profileID)
	return err == nil && v.live(consents), err
}

// lentOf are the lent tracks that a vector names, anywhere.
func (s *Service) lentOf(ctx context.Context, v *vectorRecord, plan *planRecord) (map[string]bool, error) {
	lender, ok := s.music.(Lender)
	if !ok {
		return nil, nil
	}
	ids := slices.Clone(v.Definition.Excluded)
	for _, pin := range v.Definition.Pinned {
		ids = append(ids, pin.TrackID)
	}
	for _, m := range v.Moments {
		ids = append(ids, m.TrackID)
	}
	for _, t := range plan.Tracks {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return lender.Lent(ctx, slices.Compact(ids))
}

// giveBack takes lent tracks out of all that the listener said of a vector, and of what they heard of it: where any of that was lent, nothing was heard.
func (v *vectorRecord) giveBack(heard []trackRecord, lent map[string]bool) []trackRecord {
	v.Definition = v.Definition.clone()
	v.Definition.Pinned = slices.DeleteFunc(v.Definition.Pinned, func(p Pin) bool { return lent[p.TrackID] })
	v.Definition.Excluded = slices.DeleteFunc(v.Definition.Excluded, func(id string) bool { return lent[id] })
	v.Moments = slices.DeleteFunc(slices.Clone(v.Moments), func(m moment) bool { return lent[m.TrackID] })
	if slices.ContainsFunc(heard, func(t trackRecord) bool { return lent[t.ID] }) {
		heard, v.Played, v.PlayedFrom = nil, 0, time.Time{}
	}
	return heard
}

// Withdraw takes back all that a linked account has lent to a listener, once the link has ended and what was imported from it is deleted: vectors in which
// anything of it is are planned anew without, their pins and exclusions of lent tracks are dropped, and what was told of such tracks is forgotten. A vector that
// no music is left for keeps an empty plan. It can be called again after a failure, and where nothing was lent.
func (s *Service) Withdraw(ctx context.Context, profileID uuid.UUID) error {
	lender, ok := s.music.(Lender)
	if !ok {
		return nil
	}
	for v, err := range s.vectors(ctx, profileID) {
		if err != nil {
			return err
		}
		if _, _, _, err := s.renew(ctx, profileID, v.id, true); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	return s.learning.Forget(ctx, profileID, lender.Lent)
}

// log keeps events, those about lent tracks under the guard of the link, and returns those that may be taken in, and which tracks are lent. Where no account is linked, or
// none any more, nothing is kept of what is lent.
func (s *Service) log(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) ([]ml.Interaction, map[string]bool, error) {
	lent, guard, err := s.lentEvents(ctx, profileID, events)
	if err != nil {
		return nil, nil, err
	}
	free := events
	if len(lent) > 0 {
		free = slices.DeleteFunc(slices.Clone(events), func(e ml.Interaction) bool { return lent[e.TrackID] })
	}
	if len(guard) == 0 {
		events = free
	}
	if len(events) == 0 {
		return nil, nil, profile.CheckOpen(ctx, s.store, profileID)
	}
	_, kept, err := s.learning.LogGuarded(ctx, profileID, events, ml.Guard{Tracks: lent, Writes: guard})
	if !kept {
		events = free
	}
	return events, lent, err
}

// lentEvents returns which tracks of events are lent, and the guard of the link.
func (s *Service) lentEvents(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) (lent map[string]bool, guard []store.Write, err error) {
	lender, ok := s.music.(Lender)
	if !ok {
		return nil, nil, nil
	}
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].TrackID
	}
	slices.Sort(ids)
	if lent, err = lender.Lent(ctx, slices.Compact(ids)); err != nil || len(lent) == 0 {
		return nil, nil, err
	}
	guard, err = lender.Guard(ctx, profileID)
	return lent, guard, err
}
