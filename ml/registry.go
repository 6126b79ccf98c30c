package ml

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// State is where a version of a model stands.
type State string

// The states.
const (
	Candidate State = "candidate" // was trained, and did not go live (yet)
	Live      State = "live"      // is in service; one at most
	Retired   State = "retired"   // was in service
)

// ModelKind says what the models of a registry foretell.
type ModelKind string

// The kinds. Each has its own live version.
const (
	OfTaste      ModelKind = "taste"      // who likes what, see [Recommender]
	OfSituations ModelKind = "situations" // what suits a moment, see [Situations]
)

// kindFiles is what the names of all files of models of situations begin with, behind the folder.
const kindFiles = "situations-"

// jobID is the id of the job that trains a version.
func (k ModelKind) jobID(version uuid.UUID) string {
	if k == OfSituations {
		return kindFiles + version.String()
	}
	return version.String()
}

// owns reports whether a file in one of the folders is of a model of the kind. All that is no other kind's is of taste.
func (k ModelKind) owns(folder, name string) bool {
	return strings.HasPrefix(name, folder+kindFiles) == (k == OfSituations)
}

// Version is a trained model in the registry.
type Version struct {
	ID        uuid.UUID `json:"-"` // version 7: in order of creation
	Algorithm string    `json:"algorithm"`
	Values    Values    `json:"values,omitempty"` // hyperparameters; what is missing has its default
	Data      string    `json:"data"`             // fingerprint of what it was fitted on
	Until     time.Time `json:"until"`            // when those data end
	Listeners int       `json:"listeners"`
	Items     int       `json:"items"`
	Cells     int       `json:"cells"`
	// Answers is how many answers it was fitted on, and Known in how many of them each aspect of the moment was known; only of models of situations.
	Answers   int            `json:"answers,omitempty"`
	Known     map[string]int `json:"known,omitempty"`
	Metrics   Metrics        `json:"metrics"` // on the validation split of its own training
	Artifact  Artifact       `json:"artifact"`
	CreatedAt time.Time      `json:"createdAt"`
	State     State          `json:"state"`

	// Withdrawn names what had been withdrawn of what models learn from when its data were read, see [Situations.Withdrawn].
	Withdrawn string `json:"withdrawn,omitempty"`
}

// Registry knows the versions of the models of one kind: what each was made of, how good it is, which one is live and which were so before. It stands in the models table,
// so that all instances see the same; several may write at once. It is safe for concurrent use.
type Registry struct {
	store store.Store
	blobs Blobs
	kind  ModelKind
	now   func() time.Time
}

// NewRegistry returns the Registry of a kind in a store, of models in blobs. now may be nil: time.Now.
func NewRegistry(s store.Store, b Blobs, kind ModelKind, now func() time.Time) (*Registry, error) {
	var f fault.Fields
	if kind != OfTaste && kind != OfSituations {
		f.Add("kind", "must be one of %s, %s", OfTaste, OfSituations)
	}
	if s == nil {
		f.Add("store", "is required")
	}
	if b == nil {
		f.Add("blobs", "are required")
	}
	if now == nil {
		now = time.Now
	}
	return &Registry{s, b, kind, now}, f.Err()
}

const (
	versionPrefix = "version#"
	liveSort      = "live"
)

func (r *Registry) key(sort string) store.Key { return r.kind.key(sort) }

func (k ModelKind) key(sort string) store.Key {
	return store.Key{Table: store.Models, Partition: k.partition(), Sort: sort}
}

func (k ModelKind) partition() store.Partition {
	if k == OfSituations {
		return store.HashPartition("ml", "registry-of-situations")
	}
	return store.HashPartition("ml", "registry")
}

func (r *Registry) versionKey(id uuid.UUID) store.Key { return r.key(versionPrefix + id.String()) }

// liveRecord says which version is live.
type liveRecord struct {
	Version uuid.UUID   `json:"version"`
	Before  []uuid.UUID `json:"before,omitempty"` // what was live before, the latest first
}

// Register adds a version as a candidate, and returns it with its time and, where it has none, a new id. A version that is there already stays as it is, and is
// returned: a training that was killed may register again.
func (r *Registry) Register(ctx context.Context, v Version) (Version, error) {
	if v.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return Version{}, err
		}
		v.ID = id
	}
	v.CreatedAt, v.State = r.now().UTC().Truncate(time.Millisecond), Candidate
	item, err := r.item(v)
	if err != nil {
		return Version{}, err
	}
	err = store.Settle(ctx, r.store, store.Put(item, store.Absent))
	if store.Has(err, item.Key) {
		return r.Version(ctx, v.ID)
	}
	return v, err
}

func (r *Registry) item(v Version) (store.Item, error) {
	body, err := store.Encode(v)
	return store.Item{Key: r.versionKey(v.ID), Body: body}, err
}

// Versions returns all versions, the newest first.
func (r *Registry) Versions(ctx context.Context) ([]Version, error) {
	all := []Version{}
	q := store.Query{Table: store.Models, Partition: r.kind.partition(), Prefix: versionPrefix, Descending: true, Read: store.Strong}
	for item, err := range store.All(ctx, r.store, q) {
		if err != nil {
			return nil, err
		}
		v, err := readVersion(item)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func readVersion(item store.Item) (Version, error) {
	var v Version
	id, err := uuid.Parse(strings.TrimPrefix(item.Key.Sort, versionPrefix))
	if err == nil {
		err = item.Decode(&v)
	}
	v.ID = id
	return v, err
}

// Version returns one version; one that there is not is not found.
func (r *Registry) Version(ctx context.Context, id uuid.UUID) (Version, error) {
	v, _, err := r.version(ctx, id)
	return v, err
}

func (r *Registry) version(ctx context.Context, id uuid.UUID) (Version, store.Version, error) {
	item, err := r.store.Get(ctx, r.versionKey(id), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return Version{}, store.Version{}, fault.New(fault.NotFound, "There is no model %s", id)
	}
	if err != nil {
		return Version{}, store.Version{}, err
	}
	v, err := readVersion(item)
	return v, item.Version, err
}

// Live returns the version that is live; false where none is.
func (r *Registry) Live(ctx context.Context) (Version, bool, error) {
	l, err := r.live(ctx)
	if err != nil || l.Version == uuid.Nil {
		return Version{}, false, err
	}
	v, err := r.Version(ctx, l.Version)
	return v, err == nil, err
}

func (r *Registry) live(ctx context.Context) (liveRecord, error) {
	item, err := r.store.Get(ctx, r.key(liveSort), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return liveRecord{}, nil
	}
	var l liveRecord
	if err == nil {
		err = item.Decode(&l)
	}
	return l, err
}

// mostBefore is how many versions can be gone back to, one after the other. Their artifacts are kept.
const mostBefore = 3

// Promote makes a version live in the place of over, the one that it was found to be better than; uuid.Nil where none was live. If another is live by now that is a
// conflict, and nothing is changed. Promoting what is live already changes nothing.
func (r *Registry) Promote(ctx context.Context, id, over uuid.UUID) error {
	return r.swap(ctx, func(l liveRecord) (liveRecord, error) {
		switch {
		case l.Version == id:
			return l, nil
		case l.Version != over:
			return l, fault.New(fault.Conflict, "Another model went live in the meantime")
		case over == uuid.Nil:
			return liveRecord{Version: id}, nil
		}
		before := slices.Insert(slices.DeleteFunc(l.Before, func(b uuid.UUID) bool { return b == id }), 0, over)
		return liveRecord{id, before[:min(len(before), mostBefore)]}, nil
	})
}

// Rollback brings back the version that was live before, and returns it. Where there is none that is a conflict. The next training may well make a model like the one that was
// rolled back: a host that does not want it changes what is trained.
func (r *Registry) Rollback(ctx context.Context) (Version, error) {
	var id uuid.UUID
	err := r.swap(ctx, func(l liveRecord) (liveRecord, error) {
		if len(l.Before) == 0 {
			return l, fault.New(fault.Conflict, "There is no model to go back to")
		}
		id = l.Before[0]
		return liveRecord{id, l.Before[1:]}, nil
	})
	if err != nil {
		return Version{}, err
	}
	return r.Version(ctx, id)
}

// Retire takes a version out of service, so that none is live, and nothing can be gone back to. If another one is live that is left as it is.
func (r *Registry) Retire(ctx context.Context, id uuid.UUID) error {
	return r.swap(ctx, func(l liveRecord) (liveRecord, error) {
		if l.Version != id {
			return l, nil
		}
		return liveRecord{}, nil
	})
}

// swap changes what is live, and the states of the versions concerned, in one Apply.
func (r *Registry) swap(ctx context.Context, change func(liveRecord) (liveRecord, error)) error {
	_, err := store.Update(ctx, r.store, r.key(liveSort), func(old store.Item, found bool) ([]store.Write, error) {
		var l liveRecord
		if found {
			if err := old.Decode(&l); err != nil {
				return nil, err
			}
		}
		was := l.Version
		next, err := change(l)
		if err != nil || next.Version == was {
			return nil, err
		}
		body, err := store.Encode(next)
		if err != nil {
			return nil, err
		}
		writes := []store.Write{store.Put(store.Item{Key: r.key(liveSort), Body: body}, store.None)}
		for id, state := range map[uuid.UUID]State{was: Retired, next.Version: Live} {
			if id == uuid.Nil {
				continue
			}
			w, err := r.stated(ctx, id, state)
			if state == Retired && fault.KindOf(err) == fault.NotFound {
				continue // nothing is left of it
			}
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
		return writes, nil
	})
	return err
}

// stated is the write that gives a version a state.
func (r *Registry) stated(ctx context.Context, id uuid.UUID, state State) (store.Write, error) {
	v, seen, err := r.version(ctx, id)
	if err != nil {
		return store.Write{}, err
	}
	v.State = state
	item, err := r.item(v)
	return store.Put(item, store.VersionIs(seen)), err
}

// Open reads the model of a version, checked by its size and checksum; see [OpenArtifact].
func (r *Registry) Open(ctx context.Context, v Version, known []Algorithm) (Model, error) {
	m, _, err := OpenArtifact(ctx, r.blobs, v.Artifact, known)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", v.ID, err)
	}
	return m, nil
}

const (
	mostCandidates = 3              // that never went live are kept, the newest
	orphanTime     = 24 * time.Hour // how old a file is before it is taken for what nobody needs
)

// Prune forgets old versions, and removes files that no version needs: of versions it keeps the live one, the three that can be gone back to, and the newest three candidates, and of
// files those of any of these and those that were written within a day, which may be of a training under way.
func (r *Registry) Prune(ctx context.Context) error {
	_, err := r.prune(ctx, func(Version) bool { return false }, func(f BlobInfo) bool { return r.now().Sub(f.At) < orphanTime })
	return err
}

// prune is Prune that also forgets the versions that are over, and keeps besides the files that some say. It returns the oldest end of data of what is left; zero where nothing is.
// A version that is over must not be live.
func (r *Registry) prune(ctx context.Context, over func(Version) bool, keep func(BlobInfo) bool) (oldest time.Time, err error) {
	versions, err := r.Versions(ctx)
	if err != nil {
		return oldest, err
	}
	l, err := r.live(ctx) // after the versions: what went live since is among them, or newer
	if err != nil {
		return oldest, err
	}
	needed := map[string]bool{}
	candidates := 0
	for _, v := range versions {
		if v.State == Candidate {
			candidates++
		}
		before := slices.Contains(l.Before, v.ID)
		if v.ID == l.Version || !over(v) && (before || v.State == Candidate && candidates <= mostCandidates) {
			needed[v.Artifact.Blob] = true
			if oldest.IsZero() || v.Until.Before(oldest) {
				oldest = v.Until
			}
			continue
		}
		if before {
			if err := r.leave(ctx, v.ID); err != nil {
				return oldest, err
			}
		}
		if err := r.store.Apply(ctx, store.Delete(r.versionKey(v.ID), store.None)); err != nil {
			return oldest, err
		}
	}
	for _, folder := range []string{artifactPrefix, checkpointPrefix} {
		files, err := r.blobs.List(ctx, folder)
		if err != nil {
			return oldest, err
		}
		for _, f := range files {
			if needed[f.Name] || !r.kind.owns(folder, f.Name) || keep(f) {
				continue
			}
			if err := r.blobs.Remove(ctx, f.Name); err != nil {
				return oldest, err
			}
		}
	}
	return oldest, nil
}

// leave takes a version from those that can be gone back to.
func (r *Registry) leave(ctx context.Context, id uuid.UUID) error {
	_, err := store.Update(ctx, r.store, r.key(liveSort), func(old store.Item, found bool) ([]store.Write, error) {
		var l liveRecord
		if !found {
			return nil, nil
		}
		if err := old.Decode(&l); err != nil {
			return nil, err
		}
		l.Before = slices.DeleteFunc(l.Before, func(b uuid.UUID) bool { return b == id })
		body, err := store.Encode(l)
		return []store.Write{store.Put(store.Item{Key: r.key(liveSort), Body: body}, store.None)}, err
	})
	return err
}
