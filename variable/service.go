package variable

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Service is safe for concurrent use.
type Service struct {
	store    store.Store
	now      func() time.Time
	observer observe.Observer
	hook     func(ctx context.Context, c Change) error
	withdraw func(ctx context.Context) error

	cells    maphash.Seed                    // of the hashes of cells
	patterns *lru.Cache[uuid.UUID, *pattern] // of places, by consent
}

// Options tune a Service; the zero value is a good one.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer // nil: none
}

var _ profile.Dependent = (*Service)(nil)

// NewService returns a Service over s, which is required. It does not register itself as a [profile.Dependent]; whoever wires the services does.
func NewService(s store.Store, o Options) (*Service, error) {
	if s == nil {
		var f fault.Fields
		f.Add("Store", "is required")
		return nil, f.Err()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	none := func(context.Context, Change) error { return nil }
	patterns, err := lru.New[uuid.UUID, *pattern](patternsKept)
	if err != nil {
		return nil, err
	}
	return &Service{store: s, now: o.Now, observer: observe.Or(o.Observer), hook: none, withdraw: func(context.Context) error { return nil }, cells: maphash.MakeSeed(), patterns: patterns}, nil
}

// Change is what a hook is told.
type Change struct {
	ProfileID uuid.UUID
	Variable  Variable  // as it is now; after a deletion as it was, but not opted in and without a version; from [Service.Resume] only ID and Type
	Readings  []Reading // new ones, as kept (coarsened); none where a variable was opted in or out, or moved to another zone
	OptedOut  uuid.UUID // the consent that ended, or zero
}

// OnChange sets the one hook, which is called on the same goroutine after a change was stored; its error is returned to the
// caller of the changing method. Call OnChange before the Service is used. If the hook fails at the end of a consent, or the process
// ends before it is called, [Service.Resume] calls it again. It is not called when a whole profile is deleted.
func (s *Service) OnChange(hook func(ctx context.Context, c Change) error) { s.hook = hook }

// OnWithdrawal sets what is called after a consent has ended, for whatever reason, also when a whole profile is deleted: what was learned of many listeners together must be made anew without. If it
// fails, or the process ends before it is called, [Service.Resume] calls it again. Call OnWithdrawal before the Service is used.
func (s *Service) OnWithdrawal(withdraw func(ctx context.Context) error) { s.withdraw = withdraw }

var (
	errNoVariable = fault.New(fault.NotFound, "Variable with the specified ID does not exist")
	errNotOptedIn = fault.New(fault.Conflict, "The variable is not opted into")
	errStale      = fault.New(fault.Stale, "The variable has changed in the meantime")
)

const variablePrefix = "variable#"

func variableKey(profileID, id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: variablePrefix + id.String()}
}

// claimKey is of the item that says that a profile has a variable of a type.
func claimKey(profileID uuid.UUID, t Type) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: "variable-type#" + string(t)}
}

// Create adds a variable; one of each type a profile. It is a not-found error where the profile does not exist.
func (s *Service) Create(ctx context.Context, profileID uuid.UUID, a Addition) (v Variable, err error) {
	defer observe.Watch(ctx, s.observer, "variable.create")(&err)
	if err := a.Validate(); err != nil {
		return Variable{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Variable{}, fmt.Errorf("variable: make an id: %w", err)
	}
	now := s.stamp()
	r := record{ID: id, Type: a.Type, RetentionDays: DefaultRetention, TimeZone: a.TimeZone, CreatedAt: now, UpdatedAt: now}
	if a.RetentionDays != nil {
		r.RetentionDays = *a.RetentionDays
	}
	if a.OptedIn {
		r.Consent = uuid.New()
	}
	item, err := itemOf(profileID, r)
	if err != nil {
		return Variable{}, err
	}
	err = store.Settle(ctx, s.store, store.Put(item, store.Absent), store.Put(store.Item{Key: claimKey(profileID, a.Type), Body: []byte(`{}`)}, store.Absent), profile.Gate(profileID))
	switch {
	case store.Has(err, profile.GateKey(profileID)):
		return Variable{}, profile.ErrNotFound
	case store.Has(err, claimKey(profileID, a.Type)):
		return Variable{}, fault.New(fault.Conflict, "A variable of type %s already exists", a.Type)
	case err != nil:
		return Variable{}, fmt.Errorf("variable: create: %w", err)
	}
	v = r.variable(item.Version)
	if v.OptedIn {
		err = s.hook(ctx, Change{ProfileID: profileID, Variable: v})
	}
	return v, err
}

// itemOf returns a variable as an item with a fresh version.
func itemOf(profileID uuid.UUID, r record) (store.Item, error) {
	body, err := store.Encode(r)
	return store.Item{Key: variableKey(profileID, r.ID), Version: store.NewVersion(), Body: body}, err
}

// Get returns a variable, or a not-found error. Variables are always read strongly, since the consent is a part of them.
func (s *Service) Get(ctx context.Context, profileID, id uuid.UUID) (Variable, error) {
	item, err := s.store.Get(ctx, variableKey(profileID, id), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return Variable{}, errNoVariable
	}
	if err != nil {
		return Variable{}, fmt.Errorf("variable: read: %w", err)
	}
	var r record
	if err := item.Decode(&r); err != nil {
		return Variable{}, fmt.Errorf("variable: read: %w", err)
	}
	return r.variable(item.Version), nil
}

// Update changes a variable and returns it as it is then. Opting out makes its readings unreachable before Update returns, and
// deletes them as far as ctx allows; [Service.Resume] deletes the rest. Changes that change nothing are not written.
//
// An unknown variable is a not-found error. ifMatch, where not zero, must be the variable's version, else the error is of the
// kind stale. The error of the hook (see [Service.OnChange]) comes with the changed variable.
func (s *Service) Update(ctx context.Context, profileID, id uuid.UUID, c Changes, ifMatch store.Version) (v Variable, err error) {
	defer observe.Watch(ctx, s.observer, "variable.update")(&err)
	var (
		ended ending
		tell  bool
	)
	_, err = store.Update(ctx, s.store, variableKey(profileID, id), func(old store.Item, found bool) ([]store.Write, error) {
		v, ended, tell = Variable{}, ending{}, false
		r, err := decode(old, found)
		if err != nil {
			return nil, err
		}
		if err := c.check(r); err != nil {
			return nil, err
		}
		if !found {
			return nil, errNoVariable
		}
		if ifMatch != (store.Version{}) && ifMatch != old.Version {
			return nil, errStale
		}
		changed := c.apply(r)
		if changed == r {
			v = r.variable(old.Version)
			return nil, nil
		}
		changed.UpdatedAt = s.stamp()
		item, err := itemOf(profileID, changed)
		if err != nil {
			return nil, err
		}
		v = changed.variable(item.Version)
		tell = changed.Consent != r.Consent || v.OptedIn && changed.TimeZone != r.TimeZone
		writes := []store.Write{store.Put(item, store.None)}
		if r.Consent != uuid.Nil && r.Consent != changed.Consent {
			ended = ending{ProfileID: profileID, VariableID: id, Type: r.Type, Consent: r.Consent}
			w, err := ended.write()
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
		return writes, nil
	})
	switch {
	case err != nil:
		return Variable{}, err
	case ended.Consent != uuid.Nil:
		return v, s.end(ctx, ended, Change{ProfileID: profileID, Variable: v, OptedOut: ended.Consent})
	case tell:
		return v, s.hook(ctx, Change{ProfileID: profileID, Variable: v})
	}
	return v, nil
}

// decode reads a variable's item, the zero record if it was not found.
func decode(item store.Item, found bool) (r record, err error) {
	if !found {
		return r, nil
	}
	if err := item.Decode(&r); err != nil {
		return r, fmt.Errorf("variable: read: %w", err)
	}
	return r, nil
}

// check says what is wrong with changes to r; if that is zero, as much as can be said without knowing what they change.
func (c Changes) check(r record) error {
	var f fault.Fields
	if c.Type != nil {
		if checkType(&f, *c.Type); r.Type != "" && *c.Type != r.Type {
			f.Add("type", typeImmutable)
		}
	}
	checkRetention(&f, c.RetentionDays)
	if c.TimeZone != nil {
		checkZone(&f, r.Type, *c.TimeZone)
	}
	return f.Err()
}

func (c Changes) apply(r record) record {
	if c.RetentionDays != nil {
		r.RetentionDays = *c.RetentionDays
	}
	if c.TimeZone != nil {
		r.TimeZone = *c.TimeZone
	}
	switch {
	case c.OptedIn == nil || *c.OptedIn == (r.Consent != uuid.Nil):
	case *c.OptedIn:
		r.Consent = uuid.New()
	default:
		r.Consent = uuid.Nil
	}
	return r
}

// Delete removes a variable, and its readings as opting out does. Errors are those of [Service.Update].
func (s *Service) Delete(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) (err error) {
	defer observe.Watch(ctx, s.observer, "variable.delete")(&err)
	ended, v, err := s.remove(ctx, profileID, id, ifMatch)
	if err != nil || ended.Consent == uuid.Nil {
		return err
	}
	return s.end(ctx, ended, Change{ProfileID: profileID, Variable: v, OptedOut: ended.Consent})
}

// remove deletes a variable and leaves the end of its consent, if it has one, to be finished.
func (s *Service) remove(ctx context.Context, profileID, id uuid.UUID, ifMatch store.Version) (ended ending, v Variable, err error) {
	_, err = store.Update(ctx, s.store, variableKey(profileID, id), func(old store.Item, found bool) ([]store.Write, error) {
		ended = ending{}
		r, err := decode(old, found)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, errNoVariable
		case ifMatch != (store.Version{}) && ifMatch != old.Version:
			return nil, errStale
		}
		writes := []store.Write{store.Delete(old.Key, store.None), store.Delete(claimKey(profileID, r.Type), store.None)}
		if r.Consent != uuid.Nil {
			ended = ending{ProfileID: profileID, VariableID: id, Type: r.Type, Consent: r.Consent}
			w, err := ended.write()
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
		r.Consent = uuid.Nil
		v = r.variable(store.Version{})
		return writes, nil
	})
	return ended, v, err
}

// List returns variables in order of creation. limit is 1–100; token continues a listing, and the token returned is "" on the last
// page. A profile that does not exist is a not-found error.
func (s *Service) List(ctx context.Context, profileID uuid.UUID, limit int, token string) ([]Variable, string, error) {
	var f fault.Fields
	after, ok := parseListToken(token)
	page.Check(&f, limit, ok)
	if err := f.Err(); err != nil {
		return nil, "", err
	}
	all, err := s.all(ctx, profileID)
	if err != nil {
		return nil, "", err
	}
	if len(all) == 0 {
		if err := profile.CheckOpen(ctx, s.store, profileID); err != nil {
			return nil, "", fmt.Errorf("variable: list: %w", err)
		}
	}
	listed := []Variable{}
	for _, v := range all {
		if v.ID.String() <= after {
			continue
		}
		if len(listed) == limit {
			last := listed[limit-1].ID
			return listed, page.EncodeToken(last[:]), nil
		}
		listed = append(listed, v)
	}
	return listed, "", nil
}

// parseListToken returns the id after which a page begins, which is what a token holds; "" for the first page.
func parseListToken(token string) (after string, ok bool) {
	if token == "" {
		return "", true
	}
	b, ok := page.DecodeToken(token)
	id, err := uuid.FromBytes(b)
	return id.String(), ok && err == nil
}

// all returns a profile's variables in order of creation: there are only as many as there are types.
func (s *Service) all(ctx context.Context, profileID uuid.UUID) ([]Variable, error) {
	var all []Variable
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: variablePrefix, Read: store.Strong}
	for item, err := range store.All(ctx, s.store, q) {
		var r record
		if err == nil {
			err = item.Decode(&r)
		}
		if err != nil {
			return nil, fmt.Errorf("variable: list: %w", err)
		}
		all = append(all, r.variable(item.Version))
	}
	return all, nil
}

// stamp is the present time as it is stored: in UTC, to the millisecond.
func (s *Service) stamp() time.Time { return toStored(s.now()) }

func toStored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
