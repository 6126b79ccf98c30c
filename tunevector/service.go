package tunevector

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/personal"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Service is safe for concurrent use.
type Service struct {
	store       store.Store
	music       MusicProvider
	preferences *preference.Service
	variables   *variable.Service
	learning    *ml.Service
	models      *ml.Recommender // nil: there are none
	situations  *ml.Situations  // nil: likewise
	now         func() time.Time
	logger      *slog.Logger
	observer    observe.Observer

	explores bool
	learner  *personal.Learner
	owns     *lru.Cache[uuid.UUID, *own] // by profile

	mu    sync.Mutex // guards seeds
	seeds *rand.Rand // nil: the process's
}

// Options are what a Service is built from. Store, Music and the services are required.
type Options struct {
	Store       store.Store
	Music       MusicProvider
	Preferences *preference.Service
	Variables   *variable.Service
	Learning    *ml.Service
	Models      *ml.Recommender  // nil: recommendations and plans go without models of taste
	Situations  *ml.Situations   // nil: how listeners answer to situations is learned of each alone
	Now         func() time.Time // nil: time.Now
	Logger      *slog.Logger     // nil: none
	Observer    observe.Observer // nil: none
	// Seed makes the seeds that the service chooses repeatable; 0: random ones.
	Seed uint64
	// NoTries leaves out the tracks that are planned to learn whether they suit: without, at most ⌊n/8⌋ of the first n tracks of an ai vector are, for every n.
	NoTries bool
}

// NewService returns a Service, and sets itself as the hook of o.Variables. All that is missing is named at once.
func NewService(o Options) (*Service, error) {
	var f fault.Fields
	for _, required := range []struct {
		field string
		given bool
	}{
		{"store", o.Store != nil},
		{"music", o.Music != nil},
		{"preferences", o.Preferences != nil},
		{"variables", o.Variables != nil},
		{"learning", o.Learning != nil},
	} {
		if !required.given {
			f.Add(required.field, "Required")
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	s := &Service{
		store: o.Store, music: o.Music, preferences: o.Preferences, variables: o.Variables, learning: o.Learning, models: o.Models, situations: o.Situations,
		now: o.Now, logger: o.Logger, observer: observe.Or(o.Observer),
	}
	var err error
	if s.learner, err = newLearner(); err != nil {
		return nil, err
	}
	if s.owns, err = lru.New[uuid.UUID, *own](ownersKept); err != nil {
		return nil, err
	}
	s.explores = !o.NoTries
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if o.Seed != 0 {
		s.seeds = rand.New(rand.NewPCG(o.Seed, 0))
	}
	o.Variables.OnChange(s.surroundingsChanged)
	return s, nil
}

// seed chooses a seed.
func (s *Service) seed() int64 {
	if s.seeds == nil {
		return rand.Int64N(maxSeed + 1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seeds.Int64N(maxSeed + 1)
}

// clock is the time as it is stored: UTC, in milliseconds.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Create makes and plans a vector. No music that fits is a conflict that says what is missing.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, d Definition) (TuneVector, error) {
	if err := d.Validate(); err != nil {
		return TuneVector{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return TuneVector{}, err
	}
	for try := 0; ; try++ {
		v, shut, err := s.create(ctx, profileID, id, d)
		if !shut || try == tornReads {
			return v, err
		}
	}
}

// create also reports whether a link has ended meanwhile of which the plan had something.
func (s *Service) create(ctx context.Context, profileID, id uuid.UUID, d Definition) (_ TuneVector, ended bool, err error) {
	guard, err := s.guard(ctx, profileID)
	if err != nil {
		return TuneVector{}, false, err
	}
	now := s.clock()
	v := &vectorRecord{Definition: d.tidied(), CreatedAt: now, UpdatedAt: now}
	v.chooseSeed(s)
	l, err := s.listener(ctx, profileID)
	if err != nil {
		return TuneVector{}, false, err
	}
	p, err := s.replan(ctx, l, v, rest{})
	if err != nil { // that there is no profile comes before what could not be planned for it; else the Apply tells
		return TuneVector{}, false, cmp.Or(profile.CheckOpen(ctx, s.store, profileID), err)
	}
	writes, err := v.writes(profileID, id, p.record, nil)
	if err != nil {
		return TuneVector{}, false, err
	}
	for i := range writes {
		writes[i].Condition = store.Absent
	}
	version := writes[0].Version
	if writes, err = v.guarded(writes, guard); err != nil {
		return TuneVector{}, false, err
	}
	err = store.Settle(ctx, s.store, append(writes, profile.Gate(profileID))...)
	if store.Has(err, profile.GateKey(profileID)) {
		return TuneVector{}, false, profile.ErrNotFound
	}
	if err != nil {
		return TuneVector{}, shut(err, guard), err
	}
	item, v, plan, err := s.stand(ctx, profileID, id, store.Item{Version: version}, v, p.record)
	if err != nil {
		return TuneVector{}, false, err
	}
	made, err := s.hydrate(ctx, profileID, id, item.Version, v, plan, p.tracks)
	return made, false, err
}

// chooseSeed takes the seed given, or keeps the one chosen before, or chooses one.
func (v *vectorRecord) chooseSeed(s *Service) {
	switch {
	case v.Definition.Seed != nil:
		v.Seed = *v.Definition.Seed
	case v.Revision == "":
		v.Seed = s.seed()
	}
}

// replanned is a new plan and the tracks that were read for it.
type replanned struct {
	record *planRecord
	tracks map[string]*Track
	// situation are the reasons that the surroundings gave.
	situation []string
}

// rest is what a plan goes on from.
type rest struct {
	heard []trackRecord // stays as it is
	all   bool          // heard is all that was planned
	// keep stood behind heard, and stays unless a new plan is better by more than tolerance.
	keep      []trackRecord
	tolerance float64
	quiet     bool // where all of keep stays, and the ends, there is no new plan
	ends      bool // start and end stay where they would move by what nobody hears
}

// replan makes a new plan for v from r, and sets what v has filled in. It returns nil where r is quiet and nothing changes.
//
// Where a consent that v was planned under has ended, nothing that was derived under it is left: nothing is kept, and
// what was heard gets new targets and loses its reasons.
func (s *Service) replan(ctx context.Context, l *listener, v *vectorRecord, r rest) (*replanned, error) {
	live, before := l.honors(v), *v
	if !live {
		r.keep, r.ends, v.Held = nil, false, slices.DeleteFunc(slices.Clone(v.Held), func(h heldReading) bool { return !l.snapshot.Live(h.Consent) })
	}
	c, err := s.compose(ctx, l, v, r)
	if err != nil {
		return nil, err
	}
	if !live {
		c.forget(r.heard)
	}
	solution := &planner.Solution{Duration: c.elapsed(), Complete: true}
	if !c.over {
		same := func(found planner.Solution) bool { return r.quiet && live && c.unchanged(found, &before, v) }
		if solution, err = s.solve(ctx, c, r.tolerance, same); err != nil || solution == nil {
			return nil, err
		}
	}
	if len(r.keep) > 0 { // what was kept was planned under the consents of then
		v.consent(before.Consents)
	}
	plan := c.plan(*solution)
	v.Revision, v.Forgotten = plan.Revision, c.forgotten
	if v.Lent, err = s.lends(ctx, c, v, plan); err != nil {
		return nil, err
	}
	v.Lent = v.Lent || len(r.keep) > 0 && before.Lent
	return &replanned{plan, c.tracks, c.situation.reasons}, nil
}

// forget gives what was heard new targets, and no reasons.
func (c *composition) forget(heard []trackRecord) {
	c.forgotten = len(heard)
	for i := range heard {
		t := &heard[i]
		t.Why, t.Try, t.Tried, t.Target = nil, false, nil, roundFeatures(c.problem.Arc.At((t.Start+t.Duration/2)/c.seconds()))
	}
}

// Get returns a vector with its plan. A plan that was made under a consent which has ended since is made anew without it first.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (TuneVector, error) {
	item, v, plan, err := s.read(ctx, profileID, id, store.Eventual)
	if err != nil {
		return TuneVector{}, err
	}
	return s.present(ctx, profileID, id, item, v, plan, map[string]*Track{})
}

// Version returns the present version of a vector, by one strong read: what [Service.Update] and [Service.Delete] hold an ifMatch against.
func (s *Service) Version(ctx context.Context, profileID, id uuid.UUID) (store.Version, error) {
	item, err := s.store.Get(ctx, vectorKey(profileID, id), store.Strong)
	return item.Version, named(err)
}

// present hydrates a vector, unless a consent that it was planned under has ended: then it is planned anew first.
func (s *Service) present(
	ctx context.Context, profileID, id uuid.UUID, item store.Item, v *vectorRecord, plan *planRecord, known map[string]*Track,
) (TuneVector, error) {
	holds, err := s.holds(ctx, profileID, v)
	if err != nil {
		return TuneVector{}, err
	}
	if !holds {
		if item, v, plan, err = s.renew(ctx, profileID, id, false); err != nil {
			return TuneVector{}, err
		}
	}
	return s.hydrate(ctx, profileID, id, item.Version, v, plan, known)
}

// live reports whether all consents that the vector was planned under live.
func (v *vectorRecord) live(now variable.Consents) bool {
	for _, consent := range v.Consents {
		if !now.Live(consent) {
			return false
		}
	}
	return true
}

// renew plans a vector anew whose consents have ended, or of which something was lent that was taken back: nothing that was derived from it is left, the targets of
// what was heard included, and if any of that was lent, no track that was heard. Without music the vector keeps just what was heard. With withdraw all that
// was lent goes, whatever is linked now. If another consent ends while it is planned, that is done again.
func (s *Service) renew(ctx context.Context, profileID, id uuid.UUID, withdraw bool) (store.Item, *vectorRecord, *planRecord, error) {
	item, v, plan, err := s.renewOnce(ctx, profileID, id, withdraw)
	if err != nil {
		return item, v, plan, err
	}
	return s.stand(ctx, profileID, id, item, v, plan)
}

func (s *Service) renewOnce(ctx context.Context, profileID, id uuid.UUID, withdraw bool) (store.Item, *vectorRecord, *planRecord, error) {
	var v *vectorRecord
	var plan *planRecord
	item, err := s.change(ctx, profileID, id, func(old *vectorRecord, oldPlan *planRecord, _ store.Version) (*vectorRecord, *planRecord, error) {
		l, err := s.listener(ctx, profileID)
		if err != nil {
			return nil, nil, err
		}
		next := *old
		heard := old.heard(oldPlan)
		whole := len(heard) == len(oldPlan.Tracks)
		changed := !old.live(l.snapshot.Consents)
		if withdraw || !l.honors(old) && !changed {
			lent, err := s.lentOf(ctx, old, oldPlan)
			if err != nil {
				return nil, nil, err
			}
			if old.Lent || len(lent) > 0 {
				changed, whole = true, false
				heard = next.giveBack(heard, lent)
			}
		}
		if v, plan = old, oldPlan; !changed {
			return nil, nil, nil // somebody else was faster
		}
		made, err := s.replan(ctx, l, &next, rest{heard: heard, all: whole})
		if kind := fault.KindOf(err); kind == fault.Conflict || kind == fault.Invalid {
			made, err = next.leave(heard), nil
		}
		if err != nil {
			return nil, nil, err
		}
		next.UpdatedAt = s.clock()
		v, plan = &next, made.record
		return &next, made.record, nil
	})
	return item, v, plan, err
}

// leave makes a plan of what was heard and nothing else, around the middle of a listener of whom nothing is known.
func (v *vectorRecord) leave(heard []trackRecord) *replanned {
	c := &composition{def: v.Definition.Filled()}
	v.Start, v.End = c.def.ends(neutral(), lean{})
	v.Bends, v.Consents, v.Held, v.Lent, v.Revision = nil, nil, nil, false, uuid.NewString()
	c.problem.Arc = c.def.arc(v.Start, v.End, nil)
	c.forget(heard)
	v.Forgotten = c.forgotten
	return &replanned{record: &planRecord{Revision: v.Revision, Tracks: heard, Duration: endOf(heard)}}
}

// change reads a vector and its plan strongly and stores what f makes of them, together; f may be called again. A nil vector changes
// nothing; a nil plan leaves the plan as it is.
func (s *Service) change(
	ctx context.Context, profileID, id uuid.UUID, f func(v *vectorRecord, plan *planRecord, version store.Version) (*vectorRecord, *planRecord, error),
) (store.Item, error) {
	return s.changeFrom(ctx, profileID, id, nil, f)
}

// changeFrom is change of a vector that was read strongly just now; nil: it was not.
func (s *Service) changeFrom(
	ctx context.Context, profileID, id uuid.UUID, seen *store.Item,
	f func(v *vectorRecord, plan *planRecord, version store.Version) (*vectorRecord, *planRecord, error),
) (store.Item, error) {
	for try := 0; ; try++ {
		guard, err := s.guard(ctx, profileID)
		if err != nil {
			return store.Item{}, err
		}
		item, err := s.update(ctx, vectorKey(profileID, id), seen, func(item store.Item, found bool) ([]store.Write, error) {
			if !found {
				return nil, errNoVector()
			}
			var old vectorRecord
			if err := item.Decode(&old); err != nil {
				return nil, err
			}
			plan, err := s.readPlan(ctx, profileID, id, &old, store.Strong)
			if err != nil {
				return nil, err
			}
			before := old
			v, p, err := f(&old, plan, item.Version)
			if err != nil || v == nil {
				return nil, err
			}
			writes, err := v.writes(profileID, id, p, &before)
			if err != nil {
				return nil, err
			}
			return v.guarded(writes, guard)
		})
		if (errors.Is(err, errTorn) || shut(err, guard)) && try < tornReads {
			seen = nil
			continue
		}
		return item, err
	}
}

// update is [store.Update], from what was seen where something was.
func (s *Service) update(ctx context.Context, key store.Key, seen *store.Item, f func(store.Item, bool) ([]store.Write, error)) (store.Item, error) {
	if seen != nil {
		return store.UpdateFrom(ctx, s.store, *seen, f)
	}
	return store.Update(ctx, s.store, key, f)
}

// Update has change alter the definition as it was given, and plans anew what that touches. What was played stays.
// ifMatch, where not zero, must be the vector's version. change may be called again after a conflict.
//
// Mode and kind may change like anything else; the rest is then planned as a new vector's would be. A new name touches
// nothing; a new order sorts the tracks that are there; leaving out or pinning tracks replaces those only, where a plan can
// be had that way; anything else plans the rest anew. What was filled in is filled in anew with it.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, change func(*Definition) error, ifMatch store.Version) (TuneVector, error) {
	var v *vectorRecord
	var plan *planRecord
	var planned bool
	known := map[string]*Track{}
	item, err := s.change(ctx, profileID, id, func(old *vectorRecord, oldPlan *planRecord, version store.Version) (*vectorRecord, *planRecord, error) {
		planned = false
		if ifMatch != (store.Version{}) && ifMatch != version {
			return nil, nil, fault.New(fault.Stale, "The tune vector was changed in the meantime")
		}
		next := *old
		next.Definition = old.Definition.clone()
		if err := change(&next.Definition); err != nil {
			return nil, nil, err
		}
		if err := next.Definition.Validate(); err != nil {
			return nil, nil, err
		}
		next.Definition = next.Definition.tidied() // a copy, since the caller may keep what it was lent
		next.chooseSeed(s)
		v, plan = old, oldPlan
		if reflect.DeepEqual(next.Definition, old.Definition) {
			return nil, nil, nil
		}
		made, err := s.revise(ctx, profileID, old, &next, oldPlan)
		if err != nil {
			return nil, nil, err
		}
		next.UpdatedAt = s.clock()
		v = &next
		if planned = made != nil; !planned {
			return v, nil, nil
		}
		plan, known = made.record, made.tracks
		return v, plan, nil
	})
	if err != nil {
		return TuneVector{}, err
	}
	if planned { // under the consents of just now
		if item, v, plan, err = s.stand(ctx, profileID, id, item, v, plan); err != nil {
			return TuneVector{}, err
		}
		return s.hydrate(ctx, profileID, id, item.Version, v, plan, known)
	}
	return s.present(ctx, profileID, id, item, v, plan, known)
}

// revise plans what a changed definition touches; nil where that is nothing.
func (s *Service) revise(ctx context.Context, profileID uuid.UUID, old, next *vectorRecord, plan *planRecord) (*replanned, error) {
	was, is := old.Definition.Filled(), next.Definition.Filled()
	was.Seed, is.Seed = &old.Seed, &next.Seed
	was.Name = is.Name
	if same(was, is) {
		return nil, nil
	}
	l, err := s.listener(ctx, profileID)
	if err != nil {
		return nil, err
	}
	from := rest{heard: old.heard(plan), all: old.Played >= len(plan.Tracks)}
	sorted := was
	sorted.Order = is.Order
	if is.Order != ByArc && same(sorted, is) && l.honors(old) {
		if sorted, err := s.resort(ctx, l, next, plan); err != nil || sorted != nil {
			return sorted, err
		}
		from.keep, from.tolerance = plan.Tracks[len(from.heard):], always
		return s.replan(ctx, l, next, from)
	}
	replaced := was
	replaced.Pinned, replaced.Excluded = is.Pinned, is.Excluded
	if same(replaced, is) {
		from.keep, from.tolerance = plan.Tracks[len(from.heard):], always
	}
	return s.replan(ctx, l, next, from)
}

func same(a, b Definition) bool { return reflect.DeepEqual(a, b) }

// Delete removes a vector.
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) error {
	_, err := store.Update(ctx, s.store, vectorKey(profileID, id), func(item store.Item, found bool) ([]store.Write, error) {
		if !found {
			return nil, errNoVector()
		}
		if ifMatch != (store.Version{}) && ifMatch != item.Version {
			return nil, fault.New(fault.Stale, "The tune vector was changed in the meantime")
		}
		var v vectorRecord
		if err := item.Decode(&v); err != nil {
			return nil, err
		}
		writes := []store.Write{store.Delete(item.Key, store.None)}
		if s.now().Before(v.playingUntil()) { // else there is none, or it has expired
			writes = append(writes, store.Delete(playingKey(profileID, id), store.None))
		}
		for n := range v.Chunks {
			writes = append(writes, store.Delete(planKey(profileID, id, n), store.None))
		}
		return writes, nil
	})
	return err
}

// List returns vectors in order of creation, without their plans. limit is 1–100; token continues a listing.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) ([]TuneVector, string, error) {
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: vectorPrefix, Limit: 1, Cursor: token}
	var f fault.Fields
	page.Check(&f, limit, store.CheckQuery(q) == nil)
	if err := f.Err(); err != nil {
		return nil, "", err
	}
	q.Limit = limit
	kept, err := s.store.List(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if len(kept.Items) == 0 {
		if err := profile.CheckOpen(ctx, s.store, profileID); err != nil {
			return nil, "", err
		}
	}
	vectors := make([]TuneVector, 0, len(kept.Items))
	var consents variable.Consents
	for _, item := range kept.Items {
		v, err := readVector(item)
		if err != nil {
			return nil, "", err
		}
		if len(v.Consents) > 0 && consents == nil {
			if consents, err = s.variables.Consents(ctx, profileID); err != nil {
				return nil, "", err
			}
		}
		if len(v.Consents) > 0 && !v.live(consents) {
			renewed, now, _, err := s.renew(ctx, profileID, v.id, false)
			if fault.KindOf(err) == fault.NotFound {
				continue // deleted just now
			}
			if err != nil {
				return nil, "", err
			}
			v.version, v.vectorRecord = renewed.Version, *now
		}
		vectors = append(vectors, v.bare(v.id, v.version))
	}
	return vectors, kept.Next, nil
}

// Kind names what this is a profile.Dependent for.
func (s *Service) Kind() string { return "tune vectors" }

// Any reports whether the listener has vectors.
func (s *Service) Any(ctx context.Context, profileID uuid.UUID) (bool, error) {
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: vectorPrefix, Limit: 1, Read: store.Strong}
	for _, err := range store.All(ctx, s.store, q) {
		return err == nil, err
	}
	return false, nil
}

// DeleteAll deletes the listener's vectors and their plans. The vectors go first: whatever changes one puts it
// again on condition that it is still there, so that no plan can come back.
func (s *Service) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	s.owns.Remove(profileID)
	for _, prefix := range []string{vectorPrefix, planPrefix, playingPrefix} {
		if _, err := store.Wipe(ctx, s.store, store.Users, profileID, prefix); err != nil {
			return err
		}
	}
	return store.Settle(ctx, s.store, store.Delete(late.Key(profileID), store.None))
}

var _ profile.Dependent = (*Service)(nil)
