package preference

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Service is safe for concurrent use.
type Service struct {
	store    store.Store
	now      func() time.Time
	weights  map[Type]float64
	sources  []Source
	observer observe.Observer
	lists    stripes
}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now func() time.Time // nil: time.Now
	// Weights weighs the types against each other in a taste; a type that is absent weighs 1. Each is 0–10.
	Weights map[Type]float64
	// Sources are where preferences may be imported from, see [Service.Import]. Each costs a read whenever preferences are listed or a taste is made. nil: nothing is
	// imported.
	Sources  []Source
	Observer observe.Observer // nil: none
}

const maxTypeWeight = 10

var _ profile.Dependent = (*Service)(nil)

// NewService returns a Service over s, which is required. Options with mistakes are refused with all of them named.
// The Service does not register itself as a [profile.Dependent]; whoever wires the services does.
func NewService(s store.Store, o Options) (*Service, error) {
	var f fault.Fields
	if s == nil {
		f.Add("Store", "is required")
	}
	checkWeights(&f, o.Weights)
	checkSources(&f, o.Sources)
	if err := f.Err(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{store: s, now: o.Now, weights: maps.Clone(o.Weights), sources: slices.Clone(o.Sources), observer: observe.Or(o.Observer), lists: newStripes()}, nil
}

var (
	errNoPreference = fault.New(fault.NotFound, "Preference with the specified ID does not exist")
	errFull         = fault.New(fault.Conflict, "A profile holds at most %d preferences", MaxPreferences)
	errDuplicate    = fault.New(fault.Conflict, "A preference of the same type and value already exists")
	errStale        = fault.New(fault.Stale, "The preferences have changed in the meantime")
)

// Create adds a preference at its index. It is a not-found error where the profile does not exist, and a
// conflict where the list is full or holds the same type and value already.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, a Addition) (p Preference, err error) {
	defer observe.Watch(ctx, s.observer, "preference.create")(&err)
	var static fault.Fields
	checkType(&static, a.Type)
	checkValue(&static, a.Type, a.Value)
	checkWeight(&static, a.Weight)
	now := s.stamp()
	fresh := entry{ID: uuid.New(), Type: a.Type, Value: a.Value, Weight: 1, CreatedAt: now, UpdatedAt: now}
	if a.Weight != nil {
		fresh.Weight = store.Number(*a.Weight)
	}
	at := 0
	_, err = s.change(ctx, profileID, true, func(l list, _ store.Version) (list, error) {
		fields := maps.Clone(static)
		checkIndex(&fields, a.Index, min(len(l), MaxPreferences-1)) // in a full list, every place of it is a fine one
		switch {
		case fields.Err() != nil:
			return nil, fields.Err()
		case l.find(fresh) >= 0:
			return nil, errDuplicate
		case len(l) >= MaxPreferences:
			return nil, errFull
		}
		at = len(l)
		if a.Index != nil {
			at = *a.Index
		}
		return slices.Insert(l, at, fresh), nil
	})
	if err != nil {
		return Preference{}, err
	}
	return fresh.preference(at), nil
}

// Get returns one preference and the version of the list it is in. An unknown id is a not-found error. It reads eventually, which costs
// half, and strongly only if that does not find the preference: what was changed a moment ago may be shown as it was.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (Preference, store.Version, error) {
	for _, r := range []store.Read{store.Eventual, store.Strong} {
		l, v, err := s.read(ctx, profileID, r)
		if err != nil {
			return Preference{}, store.Version{}, err
		}
		if i := l.index(id); i >= 0 {
			return l[i].preference(i), v, nil
		}
		imported, err := s.imported(ctx, profileID, len(l), r)
		if err != nil {
			return Preference{}, store.Version{}, err
		}
		if i := slices.IndexFunc(imported, func(p Preference) bool { return p.ID == id }); i >= 0 {
			return imported[i], v, nil
		}
	}
	return Preference{}, store.Version{}, errNoPreference
}

// Version returns the present version of a profile's list, by a strong read: what [Service.Update] and [Service.Delete] hold an ifMatch
// against. It is zero where there never was one.
func (s *Service) Version(ctx context.Context, profileID uuid.UUID) (store.Version, error) {
	_, v, err := s.read(ctx, profileID, store.Strong)
	return v, err
}

// Update changes a preference, and moves it where Index is given. ifMatch, where not zero, must be the list's version.
// Changes that change nothing are not written, and leave the version as it is. An unknown id is a not-found error, another
// ifMatch one of the kind stale, and the type and value of another preference a conflict.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, c Changes, ifMatch store.Version) (p Preference, v store.Version, err error) {
	defer observe.Watch(ctx, s.observer, "preference.update")(&err)
	now := s.stamp()
	v, err = s.change(ctx, profileID, false, func(l list, current store.Version) (list, error) {
		i := l.index(id)
		if err := c.check(l, i); err != nil {
			return nil, err
		}
		if i < 0 {
			return nil, s.errUnset(ctx, profileID, id)
		}
		if err := match(ifMatch, current); err != nil {
			return nil, err
		}
		changed, at := c.apply(l[i], i)
		if j := l.find(changed); j >= 0 && j != i {
			return nil, errDuplicate
		}
		p = l[i].preference(i)
		if changed == l[i] && at == i {
			return nil, nil
		}
		changed.UpdatedAt = now
		p = changed.preference(at)
		return slices.Insert(slices.Delete(l, i, i+1), at, changed), nil
	})
	if err != nil {
		return Preference{}, store.Version{}, err
	}
	return p, v, nil
}

// check says what is wrong with changes to l[i]; with i < 0, as much as can be said without knowing what they change.
func (c Changes) check(l list, i int) error {
	var f fault.Fields
	t, last := Type(""), MaxPreferences-1
	if i >= 0 {
		t, last = l[i].Type, len(l)-1
	}
	if c.Type != nil {
		if checkType(&f, *c.Type); i >= 0 && *c.Type != t {
			f.Add("type", typeImmutable)
		}
	}
	if c.Value != nil {
		checkValue(&f, t, *c.Value)
	}
	checkWeight(&f, c.Weight)
	checkIndex(&f, c.Index, last)
	return f.Err()
}

func (c Changes) apply(e entry, i int) (entry, int) {
	if c.Value != nil {
		e.Value = *c.Value
	}
	if c.Weight != nil {
		e.Weight = store.Number(*c.Weight)
	}
	if c.Index != nil {
		i = *c.Index
	}
	return e, i
}

// Delete removes a preference; those behind it move up. One that was imported stays away, also when it is imported again. ifMatch, where not zero, must be the list's version, else the error
// is of the kind stale. An unknown id is a not-found error.
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) (err error) {
	defer observe.Watch(ctx, s.observer, "preference.delete")(&err)
	_, err = s.change(ctx, profileID, false, func(l list, current store.Version) (list, error) {
		i := l.index(id)
		if i < 0 {
			return nil, errNoPreference
		}
		if err := match(ifMatch, current); err != nil {
			return nil, err
		}
		return slices.Delete(l, i, i+1), nil
	})
	if errors.Is(err, errNoPreference) {
		return s.reject(ctx, profileID, id)
	}
	return err
}

func match(want, current store.Version) error {
	if want != (store.Version{}) && want != current {
		return errStale
	}
	return nil
}

// stamp is the present time as it is stored: in UTC, to the millisecond.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
