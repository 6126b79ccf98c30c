package preference

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Source is where preferences were imported from: an account of the listener's somewhere else.
type Source string

// Spotify is the listener's account there.
const Spotify Source = "spotify"

// Importer is implemented by music providers that know what a listener likes from somewhere else: it says which sources its host must let in (see [Options]),
// and is told where to put what it knows.
type Importer interface {
	PreferenceSources() []Source
	ImportInto(s *Service)
}

// title is a source's name in a sentence.
func (s Source) title() string {
	if s == Spotify {
		return "Spotify"
	}
	return string(s)
}

// MaxImported is how many preferences of a source a profile holds.
const MaxImported = 60

// Import is what a source says that a listener likes.
type Import struct {
	Source      Source
	Preferences []Addition // the favorite first; an Index says nothing. What is wrong, there twice, or over MaxImported is left out.
	ExpiresAt   time.Time  // whole seconds; from then on they are gone, unless they are imported anew. Zero: never
	// Guard goes into the Apply that stores them: its conditions say that the listener still lets the source be read. Where one of them fails so does Import, with the
	// [*store.ConflictError].
	Guard []store.Write
}

// ImportedKey is where what was imported from a source is kept. It begins with the source's name, as everything does that the source gave, so that all of it
// can be found and deleted.
func ImportedKey(profileID uuid.UUID, source Source) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: string(source) + "#preferences"}
}

// importedDocument is what is kept of an import.
type importedDocument struct {
	Preferences list `json:"preferences"`
}

// rejectedKey is where it is kept what the listener has deleted of a source's preferences, which does not come back. It outlives what was imported.
func rejectedKey(profileID uuid.UUID, source Source) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: string(source) + "#rejected"}
}

// rejectedDocument holds hashes: what the source said is not to be read from it.
type rejectedDocument struct {
	Hashes []string `json:"hashes"` // the last one rejected last
}

// as is the condition that an item is as it was read; the zero Item: that there is none.
func as(item store.Item) store.Condition {
	if item.Key == (store.Key{}) {
		return store.Absent
	}
	return store.VersionIs(item.Version)
}

// rejected reads what was rejected, strongly. The item is the zero Item where nothing was.
func (s *Service) rejected(ctx context.Context, profileID uuid.UUID, source Source) (store.Item, rejectedDocument, error) {
	var d rejectedDocument
	item, err := s.store.Get(ctx, rejectedKey(profileID, source), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return store.Item{}, d, nil
	}
	if err == nil {
		err = item.Decode(&d)
	}
	if err != nil {
		return item, d, fmt.Errorf("preference: read what was rejected: %w", err)
	}
	return item, d, nil
}

// maxRejected is how much of what was deleted is remembered.
const maxRejected = 500

func checkSources(f *fault.Fields, sources []Source) {
	for i, s := range sources {
		if s != Spotify || slices.Contains(sources[:i], s) {
			f.Add(fmt.Sprintf("sources[%d]", i), "Must be spotify, once")
		}
	}
}

// errNoSource is a mistake of the caller's, and of no kind.
var errNoSource = errors.New("preference: the service was not made for this source")

// Import puts what a source says now in the place of what it said before. Imported preferences are listed behind those that the listener has set, count less
// where both speak of the same, cannot be changed but deleted, and train nothing. A profile that does not exist is a not-found error.
func (s *Service) Import(ctx context.Context, profileID uuid.UUID, i Import) (err error) {
	defer observe.Watch(ctx, s.observer, "preference.import", observe.Value{Name: "preferences", Number: float64(len(i.Preferences))})(&err)
	if !slices.Contains(s.sources, i.Source) {
		return errNoSource
	}
	now := s.stamp()
	_, err = s.update(ctx, ImportedKey(profileID, i.Source), func(old store.Item, found bool) ([]store.Write, error) {
		var d importedDocument
		if found {
			if err := old.Decode(&d); err != nil {
				return nil, fmt.Errorf("preference: read what was imported: %w", err)
			}
		}
		item, no, err := s.rejected(ctx, profileID, i.Source)
		if err != nil {
			return nil, err
		}
		before := d.Preferences
		d.Preferences = list{}
		for _, a := range i.Preferences {
			e := entry{ID: uuid.New(), Type: a.Type, Value: a.Value, Weight: 1, CreatedAt: now, UpdatedAt: now}
			if a.Weight != nil {
				e.Weight = store.Number(*a.Weight)
			}
			if a.Validate() != nil || d.Preferences.find(e) >= 0 || slices.Contains(no.Hashes, rejection(profileID, e)) {
				continue
			}
			if was := before.find(e); was >= 0 {
				e.ID, e.CreatedAt = before[was].ID, before[was].CreatedAt
			}
			if d.Preferences = append(d.Preferences, e); len(d.Preferences) == MaxImported {
				break
			}
		}
		body, err := store.Encode(d)
		if err != nil {
			return nil, err
		}
		writes := append([]store.Write{store.Put(store.Item{Key: old.Key, ExpiresAt: i.ExpiresAt, Body: body}, store.None)}, i.Guard...)
		if item.Key == (store.Key{}) { // from now on there is one: what is deleted later is written where those who delete all find it
			writes = append(writes, store.Put(store.Item{Key: rejectedKey(profileID, i.Source), Body: []byte(`{"hashes":[]}`)}, store.Absent))
		}
		return append(writes, profile.Gate(profileID)), nil
	})
	if store.Has(err, profile.GateKey(profileID)) {
		return profile.ErrNotFound
	}
	return err
}

// rejection is what is remembered of a preference that was deleted: a hash, another one for each profile.
func rejection(profileID uuid.UUID, e entry) string {
	sum := sha256.Sum256([]byte(profileID.String() + " " + string(e.Type) + " " + canonical(e.Type, e.Value)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// imported returns what was imported, as preferences whose indexes go on from those that were set.
func (s *Service) imported(ctx context.Context, profileID uuid.UUID, set int, r store.Read) ([]Preference, error) {
	var all []Preference
	for _, source := range s.sources {
		item, err := s.store.Get(ctx, ImportedKey(profileID, source), r)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		var d importedDocument
		if err == nil {
			err = item.Decode(&d)
		}
		if err != nil {
			return nil, fmt.Errorf("preference: read what was imported: %w", err)
		}
		for _, e := range d.Preferences {
			p := e.preference(set + len(all))
			p.Source = source
			all = append(all, p)
		}
	}
	return all, nil
}

// errUnset is why a preference that is not among those that were set cannot be changed.
func (s *Service) errUnset(ctx context.Context, profileID, id uuid.UUID) error {
	imported, err := s.imported(ctx, profileID, 0, store.Strong)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(imported, func(p Preference) bool { return p.ID == id })
	if i < 0 {
		return errNoPreference
	}
	return fault.New(fault.Conflict, "This preference came from %s and cannot be changed; create one of your own, which goes before it, or delete it", imported[i].Source.title())
}

// reject deletes an imported preference for good.
func (s *Service) reject(ctx context.Context, profileID, id uuid.UUID) error {
	for _, source := range s.sources {
		_, err := s.update(ctx, ImportedKey(profileID, source), func(old store.Item, found bool) ([]store.Write, error) {
			var d importedDocument
			if !found {
				return nil, errNoPreference
			}
			if err := old.Decode(&d); err != nil {
				return nil, fmt.Errorf("preference: read what was imported: %w", err)
			}
			i := d.Preferences.index(id)
			if i < 0 {
				return nil, errNoPreference
			}
			item, no, err := s.rejected(ctx, profileID, source)
			if err != nil {
				return nil, err
			}
			no.Hashes = append(no.Hashes, rejection(profileID, d.Preferences[i]))
			no.Hashes = no.Hashes[max(len(no.Hashes)-maxRejected, 0):]
			hashes, err := store.Encode(no)
			if err != nil {
				return nil, err
			}
			d.Preferences = slices.Delete(d.Preferences, i, i+1)
			body, err := store.Encode(d)
			return []store.Write{
				store.Put(store.Item{Key: old.Key, ExpiresAt: old.ExpiresAt, Body: body}, store.None),
				store.Put(store.Item{Key: rejectedKey(profileID, source), Body: hashes}, as(item)),
			}, err
		})
		if store.Has(err, rejectedKey(profileID, source)) {
			return errNoPreference // all that came from the source is being deleted
		}
		if !errors.Is(err, errNoPreference) {
			return err
		}
	}
	return errNoPreference
}
