package tunevector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// What is stored of a vector, all in the listener's partition:
//
//	vector#<uuid>       the definition, what was filled in, and how far it was played; its version is the ETag
//	plan#<uuid>#<n>     the plan in chunks, without what the provider knows
//	playing#<uuid>      there while the vector is playing, and gone by its expiry
//
// A plan is written in one Apply with its vector, and both carry its revision, so that a reader notices if it read one
// before and the other after.
const (
	vectorPrefix  = "vector#"
	planPrefix    = "plan#"
	playingPrefix = "playing#"
)

func vectorKey(profileID, id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: vectorPrefix + id.String()}
}

func planKey(profileID, id uuid.UUID, chunk int) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: planPrefix + id.String() + "#" + strconv.Itoa(chunk)}
}

func playingKey(profileID, id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: playingPrefix + id.String()}
}

// vectorRecord is the body of vector#.
type vectorRecord struct {
	Definition Definition    `json:"definition"` // as given
	Seed       int64         `json:"seed"`
	Start      Features      `json:"start"`
	End        Features      `json:"end"`
	Bends      []Point       `json:"bends,omitempty"`    // what the stages' genres add to the arc
	Consents   []uuid.UUID   `json:"consents,omitempty"` // that start, end and plan were made under
	Lent       bool          `json:"lent,omitempty"`     // something in it is from an account that the listener has linked: see Lender
	Held       []heldReading `json:"held,omitempty"`     // readings in force, see steadied
	Revision   string        `json:"revision"`           // of the plan
	Chunks     int           `json:"chunks"`
	Played     int           `json:"played,omitempty"` // tracks of the plan that were heard, from the first on
	PlayedFrom time.Time     `json:"playedFrom,omitzero"`
	Forgotten  int           `json:"forgotten,omitempty"` // of these, likewise, those of which it is no longer known whether they were tries
	Moments    []moment      `json:"moments,omitempty"`   // the last maxMoments of this vector, oldest first
	CreatedAt  time.Time     `json:"createdAt"`
	UpdatedAt  time.Time     `json:"updatedAt"`
}

// moment is what one interaction said about a track of this vector.
type moment struct {
	Event    uuid.UUID `json:"e"`
	At       time.Time `json:"a"`
	TrackID  string    `json:"t"`
	Strength float64   `json:"s"`
}

// playingUntil is when a vector stops playing; zero if it never began.
func (v *vectorRecord) playingUntil() time.Time {
	if v.PlayedFrom.IsZero() {
		return time.Time{}
	}
	return v.PlayedFrom.Add(time.Duration(v.Definition.minutes()) * time.Minute)
}

// consent notes further consents that the vector was planned under.
func (v *vectorRecord) consent(consents []uuid.UUID) {
	v.Consents = slices.Clone(v.Consents)
	for _, c := range consents {
		if !slices.Contains(v.Consents, c) {
			v.Consents = append(v.Consents, c)
		}
	}
}

// hold notes readings in force, and under which consents they were read.
func (v *vectorRecord) hold(readings []heldReading) {
	v.Held = readings
	consents := make([]uuid.UUID, len(readings))
	for i, r := range readings {
		consents[i] = r.Consent
	}
	v.consent(consents)
}

// planRecord is the body of a chunk of a plan; all but Revision and Tracks is of the first one only.
type planRecord struct {
	Revision   string        `json:"revision"`
	Tracks     []trackRecord `json:"tracks"`
	Duration   float64       `json:"duration,omitempty"`
	Cost       float64       `json:"cost,omitempty"`
	LowerBound *float64      `json:"lowerBound,omitempty"`
	Gap        *float64      `json:"gap,omitempty"`
	BoundOver  string        `json:"boundOver,omitempty"`
	Complete   bool          `json:"complete,omitempty"`
	Baselines  Baselines     `json:"baselines,omitzero"`
}

// trackRecord is a place in a plan. What the provider knows of the track is read from it anew each time.
type trackRecord struct {
	ID       string     `json:"id"`
	Start    float64    `json:"s"`
	Duration float64    `json:"d"`
	Target   Features   `json:"f"`
	Stage    int        `json:"g"`           // −1 without stages
	Try      bool       `json:"x,omitempty"` // it is there to learn whether it suits
	Tried    *tryRecord `json:"o,omitempty"` // how it was chosen for that
	Why      []string   `json:"w,omitempty"` // reasons that do not follow from features and target
}

// maxChunk leaves room below store.MaxBody for what an engine adds.
const maxChunk = store.MaxBody * 3 / 4

// chunks splits a plan into bodies that a store takes.
func (p *planRecord) chunks() ([]planRecord, error) {
	out := []planRecord{*p}
	out[0].Tracks = nil
	size := 1024 // the summary
	for _, t := range p.Tracks {
		body, err := store.Encode(t)
		if err != nil {
			return nil, err
		}
		if size+len(body) > maxChunk {
			out, size = append(out, planRecord{Revision: p.Revision}), 0
		}
		last := &out[len(out)-1]
		last.Tracks = append(last.Tracks, t)
		size += len(body) + 1
	}
	return out, nil
}

// writes are what stores the vector, and its plan unless that is nil, in place of what old (nil for none) stored.
func (v *vectorRecord) writes(profileID, id uuid.UUID, plan *planRecord, old *vectorRecord) ([]store.Write, error) {
	var writes []store.Write
	if plan != nil {
		chunks, err := plan.chunks()
		if err != nil {
			return nil, err
		}
		v.Chunks = len(chunks)
		for n, c := range chunks {
			w, err := put(planKey(profileID, id, n), c)
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
		for n := len(chunks); old != nil && n < old.Chunks; n++ {
			writes = append(writes, store.Delete(planKey(profileID, id, n), store.None))
		}
	}
	if until := v.playingUntil(); old != nil && until.IsZero() && !old.playingUntil().IsZero() {
		writes = append(writes, store.Delete(playingKey(profileID, id), store.None))
	} else if old != nil && !until.Equal(old.playingUntil()) {
		w, err := put(playingKey(profileID, id), struct{}{})
		if err != nil {
			return nil, err
		}
		w.ExpiresAt = until.Add(time.Second - 1).Truncate(time.Second)
		writes = append(writes, w)
	}
	w, err := put(vectorKey(profileID, id), v)
	if err != nil {
		return nil, err
	}
	if len(w.Body) > maxChunk {
		return nil, &fault.Error{Kind: fault.Invalid, Message: fault.ValidationFailed, Fields: fault.Fields{"excluded": "The track IDs are too long in all"}}
	}
	return append([]store.Write{w}, writes...), nil
}

func put(key store.Key, body any) (store.Write, error) {
	b, err := store.Encode(body)
	return store.Put(store.Item{Key: key, Body: b}, store.None), err
}

// errTorn says that a plan was replaced while it was read.
var errTorn = errors.New("tunevector: the plan changed while it was read")

// readPlan reads the plan of v.
func (s *Service) readPlan(ctx context.Context, profileID, id uuid.UUID, v *vectorRecord, r store.Read) (*planRecord, error) {
	var plan *planRecord
	for n := range v.Chunks {
		item, err := s.store.Get(ctx, planKey(profileID, id, n), r)
		if errors.Is(err, store.ErrNotFound) {
			return nil, errTorn
		}
		if err != nil {
			return nil, err
		}
		var c planRecord
		if err := item.Decode(&c); err != nil {
			return nil, err
		}
		if c.Revision != v.Revision {
			return nil, errTorn
		}
		if plan == nil {
			plan = &c
		} else {
			plan.Tracks = append(plan.Tracks, c.Tracks...)
		}
	}
	if plan == nil {
		return nil, fmt.Errorf("tunevector: vector %v has no plan", id)
	}
	return plan, nil
}

// tornReads is how often a read that met a new plan is repeated.
const tornReads = 16

// read returns a vector with its plan. If an eventual read found nothing or something torn, it reads strongly.
func (s *Service) read(ctx context.Context, profileID, id uuid.UUID, r store.Read) (store.Item, *vectorRecord, *planRecord, error) {
	for try := 0; ; try++ {
		item, err := s.store.Get(ctx, vectorKey(profileID, id), r)
		if errors.Is(err, store.ErrNotFound) && r == store.Eventual {
			r = store.Strong
			continue
		}
		if err != nil {
			return store.Item{}, nil, nil, named(err)
		}
		var v vectorRecord
		if err := item.Decode(&v); err != nil {
			return store.Item{}, nil, nil, err
		}
		plan, err := s.readPlan(ctx, profileID, id, &v, r)
		if errors.Is(err, errTorn) && try < tornReads {
			r = store.Strong
			continue
		}
		return item, &v, plan, err
	}
}

// storedVector is a vector as a listing has it, without its plan.
type storedVector struct {
	id      uuid.UUID
	version store.Version
	vectorRecord
}

func readVector(item store.Item) (storedVector, error) {
	v := storedVector{version: item.Version}
	err := item.Decode(&v.vectorRecord)
	if err == nil {
		v.id, err = uuid.Parse(strings.TrimPrefix(item.Key.Sort, vectorPrefix))
	}
	return v, err
}

// vectors are all of a listener's, read strongly.
func (s *Service) vectors(ctx context.Context, profileID uuid.UUID) iter.Seq2[storedVector, error] {
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: vectorPrefix, Read: store.Strong}
	return func(yield func(storedVector, error) bool) {
		for item, err := range store.All(ctx, s.store, q) {
			var v storedVector
			if err == nil {
				v, err = readVector(item)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// errNoVector is the answer to an id that names nothing.
func errNoVector() error {
	return fault.New(fault.NotFound, "Tune vector with the specified ID does not exist")
}

// named says what was not found.
func named(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errNoVector()
	}
	return err
}

// heard is the played part of a plan.
func (v *vectorRecord) heard(plan *planRecord) []trackRecord {
	return slices.Clone(plan.Tracks[:min(v.Played, len(plan.Tracks))])
}
