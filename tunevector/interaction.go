package tunevector

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Record is the one way in for interactions: it logs them, learns from them, and re-plans what playing ai vectors have
// not played yet. It can be repeated: whatever an earlier call did not come to is done then, and nothing is done twice.
//
// A batch that names more than 8 vectors re-plans those of its 8 latest; the others note what was heard, and are re-planned with what
// comes next. Only tracks that the provider knows, and whose provenance permits it, teach. An event that names a vector which the
// listener does not have is a field error. What is told of tracks that a linked account has lent, by a listener who has none any more, is not kept.
func (s *Service) Record(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) (r Recorded, err error) {
	done := observe.Start(ctx, s.observer, "tunevector.record")
	defer func() {
		done(err, observe.Value{Name: "events", Number: float64(len(events))}, observe.Value{Name: "replanned", Number: float64(len(r.Replanned))})
	}()
	vectors, err := s.check(ctx, profileID, events)
	if err != nil {
		return Recorded{}, err
	}
	events, lent, err := s.log(ctx, profileID, events)
	if err != nil {
		return Recorded{}, err
	}
	all := newsOf(events)
	for i := range all {
		n := &all[i]
		n.seen, n.lent = vectors[n.vector], slices.ContainsFunc(n.events, func(e ml.Interaction) bool { return lent[e.TrackID] })
	}
	r = Recorded{Accepted: len(events)}
	// What else is known of the listener is read while it is learned from the events; their taste when that is done.
	once := &listenerOnce{logged: events, learned: make(chan struct{}), failed: errUnlearned}
	beside(func() {
		defer close(once.learned)
		once.lessons, once.failed = s.learn(ctx, profileID, events)
	}, func() {
		r.Replanned, err = s.adaptAll(ctx, profileID, all, once)
	})
	if err = cmp.Or(once.failed, err); err != nil {
		return Recorded{}, err
	}
	return r, nil
}

// errUnlearned is what stands where learning has panicked: nothing is planned without it.
var errUnlearned = errors.New("tunevector: nothing was learned")

// adaptAll adapts to what is new for several vectors.
func (s *Service) adaptAll(ctx context.Context, profileID uuid.UUID, all []news, once *listenerOnce) ([]Replanned, error) {
	made := []Replanned{}
	var failed error
	for _, n := range all {
		n.once = once
		replanned, err := s.adapt(ctx, profileID, n)
		if fault.KindOf(err) == fault.NotFound {
			continue // deleted just now; the events are in the log
		}
		if failed = err; failed != nil {
			break
		}
		if replanned != nil {
			made = append(made, *replanned)
		}
	}
	made, err := s.standAll(ctx, profileID, once.stored, made)
	return made, cmp.Or(failed, err)
}

// Check names everything that is wrong with events, vectors that do not exist included, or returns nil; [Service.Record] does so too.
func (s *Service) Check(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) error {
	_, err := s.check(ctx, profileID, events)
	return err
}

// check also returns the vectors that the events name, as they were read.
func (s *Service) check(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) (map[uuid.UUID]*store.Item, error) {
	err := s.learning.Check(events)
	if len(events) > ml.MaxBatch {
		return nil, err
	}
	var f fault.Fields
	if e, ok := fault.As(err); ok {
		f = maps.Clone(e.Fields)
	} else if err != nil {
		return nil, err
	}
	vectors := map[uuid.UUID]*store.Item{} // nil: there is none
	for i, e := range events {
		if e.TuneVectorID == uuid.Nil {
			continue
		}
		there, asked := vectors[e.TuneVectorID]
		if !asked {
			item, err := s.store.Get(ctx, vectorKey(profileID, e.TuneVectorID), store.Strong)
			switch {
			case err == nil:
				there = &item
			case !errors.Is(err, store.ErrNotFound):
				return nil, err
			}
			vectors[e.TuneVectorID] = there
		}
		if there == nil {
			f.Add(fmt.Sprintf("events[%d].tuneVectorId", i), "No such tune vector")
		}
	}
	return vectors, f.Err()
}

// learn passes on what the events say of the listener's taste, and returns what was learned of it then; nil where they say nothing.
func (s *Service) learn(ctx context.Context, profileID uuid.UUID, events []ml.Interaction) (*preference.Lessons, error) {
	known := map[string]*Track{}
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].TrackID
	}
	if err := s.load(ctx, profileID, known, ids); err != nil {
		return nil, err
	}
	var signals []preference.Signal
	for _, e := range events {
		if signal, teaches := signalOf(known[e.TrackID], e.EventID, e.At, e.Strength(), uuid.Nil); teaches {
			signals = append(signals, signal)
		}
	}
	if len(signals) == 0 {
		return nil, nil //nolint:nilnil // nothing was learned
	}
	return s.preferences.LearnLessons(ctx, profileID, signals)
}

// signalOf is what a strength says through a track; false where it says nothing, or its provenance forbids learning from it.
func signalOf(t *Track, event uuid.UUID, at time.Time, strength float64, consent uuid.UUID) (preference.Signal, bool) {
	if t == nil || strength == 0 {
		return preference.Signal{}, false
	}
	if _, permitted := t.Item(); !permitted {
		return preference.Signal{}, false
	}
	signal := preference.Signal{
		EventID: event, At: at, Strength: strength, Genres: t.Genres, Artists: t.Artists, Instruments: t.Instruments, Consent: consent,
	}
	if t.Confidence > 0 && sound(t.Features) {
		signal.Tempo = t.Features.Tempo
	}
	return signal, true
}

// mostBent is how many vectors one call re-plans at most, as each costs tens of milliseconds. Nobody listens to as many at once.
const mostBent = 8

// news is what is new for one vector: interactions that name it, or new readings.
type news struct {
	vector   uuid.UUID
	seen     *store.Item      // the vector, if it was read strongly just now
	events   []ml.Interaction // in order of time
	once     *listenerOnce
	readings bool
	change   variable.Change // of the surroundings; where readings is set
	lent     bool            // some of the events are about lent tracks
	noteOnly bool            // nothing is re-planned
}

// newsOf sorts events by the vector they name, vectors in the order in which they come up first. Those beyond the mostBent that were
// heard latest are only to be noted.
func newsOf(events []ml.Interaction) []news {
	var all []news
	for _, e := range events {
		if e.TuneVectorID == uuid.Nil {
			continue
		}
		i := slices.IndexFunc(all, func(n news) bool { return n.vector == e.TuneVectorID })
		if i < 0 {
			i = len(all)
			all = append(all, news{vector: e.TuneVectorID})
		}
		all[i].events = append(all[i].events, e)
	}
	for i := range all {
		slices.SortStableFunc(all[i].events, func(a, b ml.Interaction) int { return a.At.Compare(b.At) })
	}
	if len(all) > mostBent {
		latest := make([]time.Time, len(all))
		for i, n := range all {
			latest[i] = n.events[len(n.events)-1].At
		}
		places := make([]int, len(all))
		for i := range places {
			places[i] = i
		}
		slices.SortStableFunc(places, func(a, b int) int { return latest[b].Compare(latest[a]) })
		for _, i := range places[mostBent:] {
			all[i].noteOnly = true
		}
	}
	return all
}

// heardBy are the actions that tell that a track was heard, and so all before it were passed.
var heardBy = map[ml.Action]bool{ml.Play: true, ml.Complete: true, ml.Skip: true}

// take notes the news in v, and reports whether that changed anything: taken twice they change nothing the second time.
func (v *vectorRecord) take(n news, plan *planRecord) bool {
	changed := false
	position := make(map[string]int, len(plan.Tracks))
	for i, t := range plan.Tracks {
		position[t.ID] = i
	}
	moments := slices.Clone(v.Moments)
	for _, e := range n.events {
		if v.PlayedFrom.IsZero() || e.At.Before(v.PlayedFrom) {
			v.PlayedFrom, changed = e.At.UTC(), true
		}
		if at, planned := position[e.TrackID]; planned && heardBy[e.Action] && at >= v.Played {
			v.Played, changed = at+1, true
		}
		if slices.ContainsFunc(moments, func(m moment) bool { return m.Event == e.EventID }) {
			continue
		}
		moments = append(moments, moment{Event: e.EventID, At: e.At.UTC(), TrackID: e.TrackID, Strength: roundTo(e.Strength(), 4)})
	}
	// The newest stay, so that what was dropped once is dropped again when it is repeated; of the same time, those of the greatest ids.
	slices.SortFunc(moments, func(a, b moment) int { return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.Event[:], b.Event[:])) })
	moments = moments[max(len(moments)-maxMoments, 0):]
	if !slices.Equal(moments, v.Moments) {
		v.Moments, changed = moments, true
	}
	return changed
}

// adapt takes news in, and plans anew what a playing ai vector has not played yet. What was planned stays where a new plan would be
// better by less than 5 % of its cost (0.5 % after a skip or a dislike), so that a plan does not flutter. It
// returns nil where no track changed.
func (s *Service) adapt(ctx context.Context, profileID uuid.UUID, n news) (*Replanned, error) {
	var told *Replanned
	var planned *stored
	tried := false
	done := observe.Start(ctx, s.observer, "tunevector.replan")
	_, err := s.changeFrom(ctx, profileID, n.vector, n.seen, func(old *vectorRecord, plan *planRecord, _ store.Version) (*vectorRecord, *planRecord, error) {
		told, planned = nil, nil
		next := *old
		changed := next.take(n, plan)
		if !changed && !n.readings {
			return nil, nil, nil
		}
		now := s.clock()
		next.UpdatedAt, next.Lent = now, next.Lent || n.lent
		heard := next.heard(plan)
		if n.noteOnly || next.Definition.Mode != AI || !now.Before(next.playingUntil()) || len(heard) == len(plan.Tracks) {
			return unlessSame(changed, &next), nil, nil
		}
		l, err := n.once.listener(ctx, s, profileID, &tried)
		if err != nil {
			return nil, nil, err
		}
		bent := next
		made, err := s.replan(ctx, l, &bent, rest{heard: heard, keep: plan.Tracks[len(heard):], tolerance: n.tolerance(), quiet: true, ends: true})
		if kind := fault.KindOf(err); kind == fault.Conflict || kind == fault.Invalid {
			s.logger.DebugContext(ctx, "a playing tune vector keeps its plan", "reason", err)
			return unlessSame(changed, &next), nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if made == nil {
			if stale(old.Held, bent.Held) {
				if !changed {
					next.UpdatedAt = old.UpdatedAt
				}
				next.hold(bent.Held)
				planned = &stored{vector: n.vector, consents: next.Consents, before: plan.Tracks, reasons: n.reasons()}
				return &next, nil, nil
			}
			return unlessSame(changed, &next), nil, nil
		}
		if from := firstChange(plan.Tracks, made.record.Tracks); from >= 0 {
			told = &Replanned{TuneVectorID: n.vector, FromPosition: from, Reasons: slices.Concat(n.reasons(), because(old.Held, bent.Held, made.situation, l.now)), Changes: changes(plan.Tracks, made.record.Tracks)}
		}
		planned = &stored{vector: n.vector, consents: bent.Consents, before: plan.Tracks, reasons: n.reasons()}
		return &bent, made.record, nil
	})
	if planned != nil { // or perhaps, after an error
		n.once.stored = append(n.once.stored, *planned)
	}
	if err != nil {
		return nil, err
	}
	if told != nil {
		done(nil)
	}
	return told, nil
}

func unlessSame(changed bool, v *vectorRecord) *vectorRecord {
	if changed {
		return v
	}
	return nil
}

func (n *news) tolerance() float64 {
	for _, e := range n.events {
		if e.Action == ml.Skip || e.Action == ml.Dislike {
			return responsive
		}
	}
	return steadfast
}

// firstChange is the first position at which two plans differ, −1 if they do not.
func firstChange(a, b []trackRecord) int {
	for i, t := range a {
		if i >= len(b) || b[i].ID != t.ID {
			return i
		}
	}
	if len(b) > len(a) {
		return len(a)
	}
	return -1
}

// changes are the positions at which two plans differ, at most MostChanges.
func changes(was, is []trackRecord) []Change {
	all := []Change{}
	for i := range max(len(was), len(is)) {
		c := Change{Position: i}
		if i < len(was) {
			c.Was = was[i].ID
		}
		if i < len(is) {
			c.Is = is[i].ID
		}
		if c.Was != c.Is && len(all) < MostChanges {
			all = append(all, c)
		}
	}
	return all
}

// told says what a listener did, for one and for several.
var told = []struct {
	action    ml.Action
	one, many string
}{
	{ml.Skip, "you skipped a track", "you skipped %d tracks"},
	{ml.Dislike, "you disliked a track", "you disliked %d tracks"},
	{ml.Like, "you liked a track", "you liked %d tracks"},
	{ml.Save, "you saved a track", "you saved %d tracks"},
	{ml.Rate, "you rated a track", "you rated %d tracks"},
	{ml.Complete, "you heard a track to its end", "you heard %d tracks to their ends"},
	{ml.Play, "you went on to a track", "you went on through %d tracks"},
}

func (n *news) reasons() []string {
	reasons := []string{}
	for _, t := range told {
		count := 0
		for _, e := range n.events {
			if e.Action == t.action {
				count++
			}
		}
		switch count {
		case 0:
		case 1:
			reasons = append(reasons, t.one)
		default:
			reasons = append(reasons, fmt.Sprintf(t.many, count))
		}
	}
	rated := n.change.Variable.Type == variable.VectorRating && len(n.change.Readings) > 0
	switch {
	case !n.readings:
	case rated && slices.ContainsFunc(n.change.Readings, func(r variable.Reading) bool { return r.TuneVectorID == n.vector }):
		reasons = append(reasons, "you rated this vector")
	case rated:
		reasons = append(reasons, "you rated a vector")
	case len(n.change.Readings) == 0:
		reasons = append(reasons, "you changed what may be known of your surroundings")
	default:
		reasons = append(reasons, "your surroundings changed")
	}
	return reasons
}

// because says what in the surroundings changed from the readings that were in force to those that are, where a rule speaks of it: what is no longer so, what is so now, then what else the situation said of the plan;
// of that what was so before is told as what it is, since it is no reason for another plan.
func because(was, is []heldReading, said []string, now time.Time) []string {
	var over, begun, stays []string
	for _, h := range is {
		says, before := saidOf(h), ""
		if i := slices.IndexFunc(was, func(o heldReading) bool { return o.Type == h.Type && o.Consent == h.Consent }); i >= 0 {
			before = saidOf(was[i])
		}
		switch fresh := now.Sub(h.At) <= freshness(h.Type); {
		case !fresh && before != "":
			over = append(over, "not measured any more: "+headOf(before))
		case !fresh:
		case says == "" && before != "":
			over = append(over, overOf(before))
		case says == "":
		case says == before:
			stays = append(stays, says)
		case slices.Contains(said, says):
			begun = append(begun, says)
		default: // what it means is told by what was learned
			begun = append(begun, headOf(says))
		}
	}
	all := slices.Concat(over, begun)
	for _, s := range said {
		switch {
		case slices.Contains(begun, s):
		case slices.Contains(stays, s):
			all = append(all, "as before, "+s)
		default:
			all = append(all, s)
		}
	}
	return all
}

// surroundingsChanged is the hook of package variable. Any change re-plans the playing ai vectors (where more than mostBent play, those
// made last), ratings teach as well, and an ended consent takes along what was learned under it. Plans of other vectors that were made under it lose what it gave them, and are made anew by whoever reads
// them next.
func (s *Service) surroundingsChanged(ctx context.Context, c variable.Change) error {
	if c.OptedOut != uuid.Nil {
		s.owns.Remove(c.ProfileID) // by its consents it is over anyway
		if err := s.preferences.Forget(ctx, c.ProfileID, c.OptedOut); err != nil {
			return err
		}
	}
	if c.Variable.Type == variable.VectorRating && len(c.Readings) > 0 {
		if err := s.learnRatings(ctx, c); err != nil {
			return err
		}
	}
	// Read strongly, so that a vector which began to play a moment ago is among them.
	q := store.Query{Table: store.Users, Partition: c.ProfileID, Prefix: playingPrefix, Descending: true, Limit: mostBent, Read: store.Strong}
	playing, err := s.store.List(ctx, q)
	if err != nil {
		return err
	}
	var bends []news
	for _, item := range playing.Items {
		id, err := uuid.Parse(item.Key.Sort[len(playingPrefix):])
		if err != nil {
			return err
		}
		bends = append(bends, news{vector: id, readings: true, change: c})
	}
	replanned, err := s.adaptAll(ctx, c.ProfileID, bends, &listenerOnce{})
	if err != nil {
		return err
	}
	if all, asked := ctx.Value(replannedKey{}).(*[]Replanned); asked {
		*all = append(*all, replanned...)
	}
	if c.OptedOut != uuid.Nil {
		return s.consentEnded(ctx, c.ProfileID, c.OptedOut)
	}
	return nil
}

// replannedKey is of the place in a context where the hook of package variable notes what it planned anew.
type replannedKey struct{}

// Replans runs change, which changes surroundings through [variable.Service] with the context that it is given, and returns which playing vectors were planned anew for it.
func (s *Service) Replans(ctx context.Context, change func(context.Context) error) ([]Replanned, error) {
	all := []Replanned{}
	err := change(context.WithValue(ctx, replannedKey{}, &all))
	return all, err
}

// RecordReadings is [variable.Service.Record] that tells which playing vectors were planned anew for the readings, and why.
func (s *Service) RecordReadings(ctx context.Context, profileID, variableID uuid.UUID, readings []variable.Reading) ([]Replanned, error) {
	return s.Replans(ctx, func(ctx context.Context) error { return s.variables.Record(ctx, profileID, variableID, readings) })
}

// ratingWeight is what a rating of a whole vector says of each track that was heard in it, compared with a rating of the track alone.
const ratingWeight = 0.3

// ratedTracks is how many of the tracks heard last in a vector its rating teaches through.
const ratedTracks = 64

// learnRatings lets the rating of a vector teach through the tracks that were heard last in it. The rating of a vector that is gone teaches
// nothing. Of many ratings at once the newest teach, by no more signals than are recognized when they are told again.
func (s *Service) learnRatings(ctx context.Context, c variable.Change) error {
	var signals []preference.Signal
	readings := slices.Clone(c.Readings)
	slices.SortStableFunc(readings, func(a, b variable.Reading) int { return b.At.Compare(a.At) })
	for _, r := range readings {
		if len(signals)+ratedTracks > preference.SeenWindow {
			break
		}
		_, v, plan, err := s.read(ctx, c.ProfileID, r.TuneVectorID, store.Strong) // an older plan would miss what was heard since, for good
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		known := map[string]*Track{}
		heard := v.heard(plan)
		heard = heard[max(len(heard)-ratedTracks, 0):]
		ids := make([]string, len(heard))
		for i := range heard {
			ids[i] = heard[i].ID
		}
		if err := s.load(ctx, c.ProfileID, known, ids); err != nil {
			return err
		}
		for _, id := range ids {
			// The same rating of the same track is the same event, however often it is told.
			event := uuid.NewSHA1(c.Variable.Consent, fmt.Appendf(nil, "%s %d %s", r.TuneVectorID, r.At.UnixNano(), id))
			if signal, teaches := signalOf(known[id], event, r.At, ratingWeight*(r.Value-3)/2, c.Variable.Consent); teaches {
				signals = append(signals, signal)
			}
		}
	}
	if len(signals) == 0 {
		return nil
	}
	return s.preferences.Learn(ctx, c.ProfileID, signals)
}
