package profile

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("profile: nothing to change")

// Update changes a profile. ifMatch, where not zero, must be its version, else the error is of the kind stale.
// Without it concurrent updates of different fields all take effect. A new password ends all sessions.
// Changes that change nothing write nothing. Wrong fields are an invalid error that names all of them, a username that is
// taken a conflict, and a profile that does not exist [ErrNotFound].
func (s *Service) Update(ctx context.Context, id uuid.UUID, c Changes, ifMatch store.Version) (Profile, error) {
	c, err := c.check()
	if err != nil {
		return Profile{}, err
	}
	u := update{service: s, id: id, changes: c, ifMatch: ifMatch}
	item, err := store.Update(ctx, s.store, profileKey(id), func(old store.Item, found bool) ([]store.Write, error) {
		return u.writes(ctx, old, found)
	})
	switch {
	case errors.Is(err, errUnchanged):
		return u.next.profile(id, u.seen), nil
	case store.Has(err, profileKey(id)):
		return Profile{}, err
	case errors.Is(err, store.ErrConflict):
		return Profile{}, fault.Wrap(store.ErrConflict, fault.Conflict, "Email or username already in use") // without the claims' keys, see taken
	case err != nil:
		return Profile{}, err
	}
	return u.next.profile(id, item.Version), nil
}

// update is one call of Update, through all its attempts.
type update struct {
	service *Service
	id      uuid.UUID
	changes Changes
	ifMatch store.Version
	hash    string        // of the new password, once it was made
	next    record        // what the last attempt made of the profile
	seen    store.Version // what the last attempt found
}

func (u *update) writes(ctx context.Context, old store.Item, found bool) ([]store.Write, error) {
	var before record
	if found {
		if err := old.Decode(&before); err != nil {
			return nil, err
		}
	}
	if !found || before.Deleting {
		return nil, ErrNotFound
	}
	if u.ifMatch != (store.Version{}) && u.ifMatch != old.Version {
		return nil, stale()
	}
	u.seen = old.Version
	u.next = u.apply(before)
	if u.next == before && u.changes.Password == nil {
		return nil, errUnchanged
	}
	u.next.UpdatedAt = u.service.timestamp()

	writes := []store.Write{put(profileKey(u.id), u.next, store.None)} // store.Update sets the condition
	if fold(before.Username) != fold(u.next.Username) {
		moved, err := u.rename(ctx, before)
		if err != nil {
			return nil, err
		}
		writes = append(writes, moved...)
	}
	if u.changes.Password != nil {
		w, err := u.password(ctx)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func (u *update) apply(r record) record {
	for _, f := range []struct{ field, value *string }{
		{&r.Username, u.changes.Username},
		{&r.FirstName, u.changes.FirstName},
		{&r.LastName, u.changes.LastName},
		{&r.PhoneNumber, u.changes.PhoneNumber},
	} {
		if f.value != nil {
			*f.field = *f.value
		}
	}
	return r
}

// rename claims the new username and frees the old one. The old claim's version is part of the condition, so that
// repeating the writes never takes it from somebody who has claimed it since.
func (u *update) rename(ctx context.Context, before record) ([]store.Write, error) {
	to := usernameClaim(u.next.Username)
	var holder claim
	if _, taken, err := u.service.get(ctx, to, &holder); err != nil {
		return nil, err
	} else if taken && holder.ProfileID != u.id {
		return nil, &store.ConflictError{Keys: []store.Key{to}} // before a new password is hashed for nothing
	}
	claimed := put(to, claim{u.id}, store.Absent)
	from, err := u.service.store.Get(ctx, usernameClaim(before.Username), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		// Renamed by somebody else since the profile was read: its condition will fail, and Update looks again.
		return []store.Write{claimed}, nil
	}
	if err != nil {
		return nil, err
	}
	return []store.Write{claimed, store.Delete(from.Key, store.VersionIs(from.Version))}, nil
}

// password sets the new password and, with the same write, ends all sessions. A login that
// is under way finds the item changed and has to prove the new password.
func (u *update) password(ctx context.Context) (store.Write, error) {
	if u.hash == "" {
		_, done, err := u.service.hasher.turn(ctx)
		if err != nil {
			return store.Write{}, err
		}
		defer done()
		u.hash = u.service.hasher.hash(ctx, *u.changes.Password).String()
	}
	return put(loginKey(u.id), login{Password: u.hash}, store.Present), nil
}

func stale() error {
	return fault.New(fault.Stale, "The profile has been changed in the meantime")
}
