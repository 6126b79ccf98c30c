package preference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// list is a profile's preferences in their order: the place in it is the index. It is stored as one document, so
// that a change of order is one conditional write and reading all is one read.
type list []entry

// entry is a preference as stored.
type entry struct {
	ID        uuid.UUID `json:"id"`
	Type      Type      `json:"type"`
	Value     string    `json:"value"`
	Weight    float64   `json:"weight"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func (e entry) preference(index int) Preference {
	return Preference{ID: e.ID, Type: e.Type, Value: e.Value, Weight: e.Weight, Index: index, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
}

func (l list) preferences() []Preference {
	all := make([]Preference, len(l))
	for i, e := range l {
		all[i] = e.preference(i)
	}
	return all
}

// index returns the place of a preference, or −1.
func (l list) index(id uuid.UUID) int {
	return slices.IndexFunc(l, func(e entry) bool { return e.ID == id })
}

// find returns the place of what says the same as e, or −1.
func (l list) find(e entry) int {
	c := canonical(e.Type, e.Value)
	return slices.IndexFunc(l, func(o entry) bool { return o.Type == e.Type && canonical(o.Type, o.Value) == c })
}

type listDocument struct {
	Preferences list `json:"preferences"`
}

func listKey(profileID uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: "preferences"}
}

// read returns a profile's list, and the zero version where there never was one.
func (s *Service) read(ctx context.Context, profileID uuid.UUID, r store.Read) (list, store.Version, error) {
	item, err := s.store.Get(ctx, listKey(profileID), r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Version{}, nil
	}
	if err != nil {
		return nil, store.Version{}, fmt.Errorf("preference: read the list: %w", err)
	}
	var d listDocument
	if err := item.Decode(&d); err != nil {
		return nil, store.Version{}, fmt.Errorf("preference: read the list: %w", err)
	}
	return d.Preferences, item.Version, nil
}

// change replaces a profile's list by what f makes of it, as one conditional write, and returns the new version. f may be called
// several times, may change the list it is given, and returns nil where there is nothing to write. Where something is
// created, the profile's gate must be open.
//
// The first preference of a list is written together with the gate, as everything is that belongs to a profile: a deletion that has looked and found
// no preferences fails on the gate, then. A further one costs less than half of that, since the list's own version says enough: while
// there are preferences a deletion either refuses, or takes the list with all that is in it.
func (s *Service) change(ctx context.Context, profileID uuid.UUID, creating bool, f func(l list, v store.Version) (list, error)) (store.Version, error) {
	item, err := s.update(ctx, listKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		var d listDocument
		if found {
			if err := old.Decode(&d); err != nil {
				return nil, fmt.Errorf("preference: read the list: %w", err)
			}
		}
		empty := len(d.Preferences) == 0
		l, err := f(d.Preferences, old.Version)
		if err != nil || l == nil {
			return nil, err
		}
		body, err := store.Encode(listDocument{Preferences: l})
		if err != nil {
			return nil, err
		}
		writes := []store.Write{store.Put(store.Item{Key: old.Key, Body: body}, store.None)}
		switch {
		case !creating:
		case empty:
			writes = append(writes, profile.Gate(profileID))
		default:
			err = profile.CheckOpen(ctx, s.store, profileID) // it may be closed, and the list not deleted yet
		}
		return writes, err
	})
	if store.Has(err, profile.GateKey(profileID)) {
		return store.Version{}, profile.ErrNotFound
	}
	return item.Version, err
}

// update is [store.Update] of one of a profile's documents, retried until ctx ends. Writers of one profile in this process
// take turns, since each conflict would cost another read and write.
func (s *Service) update(ctx context.Context, key store.Key, change func(old store.Item, found bool) ([]store.Write, error)) (store.Item, error) {
	release, err := s.lists.acquire(ctx, key.Partition)
	if err != nil {
		return store.Item{}, err
	}
	defer release()
	for {
		item, err := store.Update(ctx, s.store, key, change)
		if !store.Has(err, key) {
			return item, err
		}
		if ctx.Err() != nil {
			return store.Item{}, ctx.Err()
		}
	}
}
