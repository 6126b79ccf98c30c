package preference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Signal is one thing that says something about a listener's taste: an interaction with a
// track, or a rating. Package tunevector makes them from interactions.
type Signal struct {
	EventID uuid.UUID // required; a signal is learned from once, as long as it is among the last SeenWindow
	At      time.Time // zero, or in the future: now
	// Strength is how much it says, −1 (disliked) … 1 (liked); 0 says nothing.
	Strength    float64
	Genres      []string
	Artists     []string
	Instruments []string
	Tempo       float64 // BPM; 0 where unknown
	// Consent is that of the variable which the signal came from; zero for interactions.
	// What was learned under a consent counts only as long as that consent lives.
	Consent uuid.UUID
}

// Learned is a preference learned from signals.
type Learned struct {
	Type   Type    `json:"type"`
	Value  string  `json:"value"`  // a tempo is the range "114-123"
	Weight float64 `json:"weight"` // −1…1 after decay, at the time asked
	Count  int     `json:"count"`  // signals behind it
}

// How learning works. Each value (a genre, an artist, an instrument, an eighth of an octave of tempo) that signals speak
// of has two sums, both decayed: of the signals' strengths, S, and of their magnitudes, A. At the time t
//
//	S(t) = Σ sᵢ/√nᵢ · 2^(−(t−tᵢ)/HalfLife)    A(t) = Σ |sᵢ|/√nᵢ · 2^(−(t−tᵢ)/HalfLife)    weight = S / (A + Evidence)
//
// where nᵢ is how many values of the same type the signal names: liking a track of four genres says less about each of
// them. The weight is the mean strength, shrunk towards 0 as if there were Evidence more full signals of strength 0 (the posterior
// mean under that prior): one signal of strength 1 makes 0.25, ten make 0.77.
//
// A half-life of 30 days lets the taste of a season show within weeks, while what is left of an interaction is an eighth when the
// log forgets it after 90 days.
//
// The sums are kept relative to a landmark L as Σ sᵢ·2^((tᵢ−L)/HalfLife) ("forward decay": Cormode, Shkapenyuk,
// Srivastava, Xu, ICDE 2009), so that the order in which events arrive does not matter and a late event is decayed by its age. L moves
// in whole half-lives, which scales binary floating point exactly.
const (
	HalfLife   = 30 * 24 * time.Hour
	Evidence   = 3.0
	MaxLearned = 200 // values kept for a listener; those with the least evidence left go first
	SeenWindow = 512 // event ids remembered for each consent, so that what is given again is not learned again

	leastEvidence  = 1.0 / 256 // A of one full signal after eight half-lives; below it a value is dropped
	weightDecimals = 1e6       // of a weight as told: what is below is noise of adding up in another order
	maxParts       = 16        // consents under which something is learned at once; there are far fewer variables
	maxEnded       = 64        // consents remembered as ended
)

// learnedDocument is all that was learned for a profile.
type learnedDocument struct {
	Parts []part      `json:"parts"`           // by consent
	Ended []uuid.UUID `json:"ended,omitempty"` // consents under which nothing is learned any more, oldest first
}

// part is what was learned under one consent, or, with the zero one, from interactions.
type part struct {
	Consent  uuid.UUID     `json:"consent,omitzero"`
	Landmark int64         `json:"landmark"` // in half-lives since 1970
	Values   []accumulator `json:"values"`
	Seen     []byte        `json:"seen"` // hashes of the event ids taken in, 8 bytes each, oldest first
}

// accumulator is what was learned about one value.
type accumulator struct {
	Type      Type    `json:"t"`
	Value     string  `json:"v"` // as written; of several ways of writing it the first in the order of bytes
	Sum       float64 `json:"s"` // S at the landmark
	Magnitude float64 `json:"a"` // A at the landmark
	Count     int     `json:"n"`
}

func learnedKey(profileID uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: "learned"}
}

// Learn takes signals in, at the cost of a read and a write. Signals whose EventID was taken in before are ignored, see SeenWindow; so are
// those under a consent that was forgotten. Values over 100 characters and tempos outside 20–300 BPM are passed over.
// Strengths outside −1…1, a missing EventID and a Tempo that is no number are errors, and nothing is learned then.
func (s *Service) Learn(ctx context.Context, profileID uuid.UUID, signals []Signal) error {
	_, err := s.LearnLessons(ctx, profileID, signals)
	return err
}

// Lessons are all that was learned of a listener, as it stood at one moment: for their taste in that moment, see [Service.TasteAfter].
type Lessons struct{ document learnedDocument }

// LearnLessons is [Service.Learn] that returns all that was learned then; nil where there are no signals.
func (s *Service) LearnLessons(ctx context.Context, profileID uuid.UUID, signals []Signal) (l *Lessons, err error) {
	defer observe.Watch(ctx, s.observer, "preference.learn", observe.Value{Name: "signals", Number: float64(len(signals))})(&err)
	if err := checkSignals(signals); err != nil {
		return nil, err
	}
	if len(signals) == 0 {
		return nil, ctx.Err()
	}
	now := s.now()
	if err := s.changeLearned(ctx, profileID, func(d *learnedDocument) (changed bool) {
		changed = d.learn(signals, now)
		l = &Lessons{*d}
		return changed
	}); err != nil {
		return nil, err
	}
	return l, nil
}

func checkSignals(signals []Signal) error {
	var f fault.Fields
	for i, x := range signals {
		if x.EventID == uuid.Nil {
			f.Add(fmt.Sprintf("signals[%d].eventId", i), "Event id is required")
		}
		if !(math.Abs(x.Strength) <= 1) {
			f.Add(fmt.Sprintf("signals[%d].strength", i), "Strength must be between -1 and 1")
		}
		if math.IsNaN(x.Tempo) || math.IsInf(x.Tempo, 0) {
			f.Add(fmt.Sprintf("signals[%d].tempo", i), "Tempo must be a number")
		}
	}
	return f.Err()
}

// Forget drops what was learned under a consent, and ignores what is still to come under it.
func (s *Service) Forget(ctx context.Context, profileID, consent uuid.UUID) (err error) {
	defer observe.Watch(ctx, s.observer, "preference.forget")(&err)
	err = s.changeLearned(ctx, profileID, func(d *learnedDocument) bool {
		if slices.Contains(d.Ended, consent) {
			return false
		}
		d.Parts = slices.DeleteFunc(d.Parts, func(p part) bool { return p.Consent == consent })
		if consent != uuid.Nil { // interactions go on
			d.Ended = append(d.Ended, consent)
			d.Ended = d.Ended[max(0, len(d.Ended)-maxEnded):]
		}
		return true
	})
	if errors.Is(err, profile.ErrNotFound) {
		return nil // nothing is left of the profile, nor can anything come
	}
	return err
}

// changeLearned replaces what was learned by what f makes of it, unless f returns false.
func (s *Service) changeLearned(ctx context.Context, profileID uuid.UUID, f func(d *learnedDocument) bool) error {
	_, err := s.update(ctx, learnedKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		var d learnedDocument
		if found {
			if err := old.Decode(&d); err != nil {
				return nil, fmt.Errorf("preference: read what was learned: %w", err)
			}
		}
		if !f(&d) {
			return nil, nil
		}
		body, err := store.Encode(d)
		if err != nil {
			return nil, err
		}
		writes := []store.Write{store.Put(store.Item{Key: old.Key, Body: body}, store.None)}
		if !found {
			writes = append(writes, profile.Gate(profileID))
		}
		return writes, nil
	})
	if store.Has(err, profile.GateKey(profileID)) {
		return profile.ErrNotFound
	}
	return err
}

func (s *Service) readLearned(ctx context.Context, profileID uuid.UUID) (learnedDocument, error) {
	var d learnedDocument
	item, err := s.store.Get(ctx, learnedKey(profileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return d, nil
	}
	if err == nil {
		err = item.Decode(&d)
	}
	if err != nil {
		return learnedDocument{}, fmt.Errorf("preference: read what was learned: %w", err)
	}
	return d, nil
}

// Learned returns the learned preferences, strongest first. live says which consents live; nil: none. What was learned from
// interactions always counts. What was learned about one value under several consents is one preference. A live that is always true gives
// all that is held.
func (s *Service) Learned(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool) ([]Learned, error) {
	d, err := s.readLearned(ctx, profileID)
	if err != nil {
		return nil, err
	}
	return d.learned(s.now(), live), nil
}

func (d learnedDocument) learned(now time.Time, live func(uuid.UUID) bool) []Learned {
	type key struct {
		t Type
		v string
	}
	sums := map[key]accumulator{}
	for _, p := range d.Parts {
		if p.Consent != uuid.Nil && (live == nil || !live(p.Consent)) {
			continue
		}
		scale := math.Exp2(float64(p.Landmark) - halfLives(now))
		for _, a := range p.Values {
			k := key{a.Type, canonical(a.Type, a.Value)}
			sum, known := sums[k]
			if !known {
				sum = accumulator{Type: a.Type, Value: a.Value}
			}
			sum.Value = min(sum.Value, a.Value)
			sum.Sum += a.Sum * scale
			sum.Magnitude += a.Magnitude * scale
			sum.Count += a.Count
			sums[k] = sum
		}
	}
	all := make([]Learned, 0, len(sums))
	for _, a := range sums {
		weight := math.Round(a.Sum/(a.Magnitude+Evidence)*weightDecimals) / weightDecimals
		all = append(all, Learned{Type: a.Type, Value: a.Value, Weight: weight, Count: a.Count})
	}
	slices.SortFunc(all, func(a, b Learned) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
	return all
}

// halfLives is a time in half-lives since 1970.
func halfLives(t time.Time) float64 {
	return float64(t.UnixMilli()) / float64(HalfLife/time.Millisecond)
}

// learn takes in what is new among signals and reports whether anything was.
func (d *learnedDocument) learn(signals []Signal, now time.Time) bool {
	byConsent := map[uuid.UUID][]Signal{}
	for _, x := range signals {
		if x.Strength == 0 || slices.Contains(d.Ended, x.Consent) {
			continue
		}
		if x.At.IsZero() || x.At.After(now) {
			x.At = now
		}
		byConsent[x.Consent] = append(byConsent[x.Consent], x)
	}
	changed := false
	for _, consent := range slices.SortedFunc(maps.Keys(byConsent), compareIDs) {
		i := slices.IndexFunc(d.Parts, func(p part) bool { return p.Consent == consent })
		if i < 0 {
			i = len(d.Parts)
			d.Parts = append(d.Parts, part{Consent: consent})
		}
		if d.Parts[i].learn(byConsent[consent]) {
			changed = true
		}
	}
	if changed {
		d.prune(now)
	}
	return changed
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// learn takes in those signals whose event was not seen before, in the order of their time, so that the order in which they are given
// makes no difference to a bit.
func (p *part) learn(signals []Signal) bool {
	seen := make(map[[8]byte]struct{}, len(p.Seen)/8)
	for chunk := range slices.Chunk(p.Seen, 8) {
		var h [8]byte
		copy(h[:], chunk)
		seen[h] = struct{}{}
	}
	var fresh []Signal
	for _, x := range signals {
		h := hashID(x.EventID)
		if _, dup := seen[h]; dup {
			continue
		}
		seen[h] = struct{}{}
		p.Seen = append(p.Seen, h[:]...)
		fresh = append(fresh, x)
	}
	if len(fresh) == 0 {
		return false
	}
	p.Seen = p.Seen[max(0, len(p.Seen)-8*SeenWindow):]
	slices.SortFunc(fresh, func(a, b Signal) int {
		return cmp.Or(a.At.Compare(b.At), compareIDs(a.EventID, b.EventID))
	})
	p.moveLandmark(fresh[len(fresh)-1].At)
	at := make(map[string]int, len(p.Values))
	for i, a := range p.Values {
		at[string(a.Type)+"\x00"+canonical(a.Type, a.Value)] = i
	}
	for _, x := range fresh {
		weight := math.Exp2(halfLives(x.At) - float64(p.Landmark))
		for t, values := range x.values() {
			share := x.Strength * weight / math.Sqrt(float64(len(values)))
			for c, v := range values {
				key := string(t) + "\x00" + c
				i, known := at[key]
				if !known {
					i = len(p.Values)
					at[key] = i
					p.Values = append(p.Values, accumulator{Type: t, Value: v})
				}
				a := &p.Values[i]
				a.Value = min(a.Value, v)
				a.Sum += share
				a.Magnitude += math.Abs(share)
				a.Count++
			}
		}
	}
	slices.SortFunc(p.Values, func(a, b accumulator) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
	return true
}

// moveLandmark moves the landmark to the half-life that newest is in, if it is behind.
func (p *part) moveLandmark(newest time.Time) {
	target := int64(math.Floor(halfLives(newest)))
	if len(p.Values) == 0 {
		p.Landmark = target
	}
	if target <= p.Landmark {
		return
	}
	scale := math.Exp2(float64(p.Landmark - target))
	for i := range p.Values {
		p.Values[i].Sum *= scale
		p.Values[i].Magnitude *= scale
	}
	p.Landmark = target
}

// prune drops values whose evidence has decayed below leastEvidence, and then, if more than MaxLearned are left, those
// with the least evidence. Ties are broken by type and value, so that the result does not depend on order.
func (d *learnedDocument) prune(now time.Time) {
	type ranked struct {
		evidence float64
		part     int
		accumulator
	}
	var all []ranked
	for i, p := range d.Parts {
		scale := math.Exp2(float64(p.Landmark) - halfLives(now))
		for _, a := range p.Values {
			if e := a.Magnitude * scale; e >= leastEvidence {
				a.Sum = store.Number(a.Sum) // where signals cancel out, next to nothing may be left
				all = append(all, ranked{e, i, a})
			}
		}
		d.Parts[i].Values = p.Values[:0]
	}
	if len(all) > MaxLearned {
		slices.SortStableFunc(all, func(a, b ranked) int {
			return cmp.Or(cmp.Compare(b.evidence, a.evidence), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
		})
		all = all[:MaxLearned]
	}
	for _, a := range all {
		p := &d.Parts[a.part]
		p.Values = append(p.Values, a.accumulator)
	}
	if len(d.Parts) > maxParts {
		slices.SortFunc(d.Parts, func(a, b part) int { // interactions first, then the newest
			if a.Consent == uuid.Nil || b.Consent == uuid.Nil {
				return compareIDs(a.Consent, b.Consent)
			}
			return cmp.Or(cmp.Compare(b.Landmark, a.Landmark), compareIDs(a.Consent, b.Consent))
		})
		d.Parts = d.Parts[:maxParts]
	}
}

// values returns what a signal speaks of: for each type the values by their canonical form.
func (x Signal) values() map[Type]map[string]string {
	all := map[Type]map[string]string{}
	add := func(t Type, value string) {
		value = strings.TrimSpace(value)
		if value == "" || !utf8.ValidString(value) || utf8.RuneCountInString(value) > MaxValue {
			return
		}
		if all[t] == nil {
			all[t] = map[string]string{}
		}
		c := canonical(t, value)
		if v, dup := all[t][c]; dup {
			value = min(v, value)
		}
		all[t][c] = value
	}
	for _, g := range x.Genres {
		add(Genre, g)
	}
	for _, a := range x.Artists {
		add(Artist, a)
	}
	for _, i := range x.Instruments {
		add(Instrument, i)
	}
	if x.Tempo >= MinTempo && x.Tempo <= MaxTempo {
		add(Tempo, tempoBin(x.Tempo))
	}
	return all
}

// binsPerOctave: an eighth of an octave is 9 %, about how far apart two tempos must be to feel different in daily listening.
const binsPerOctave = 8

// tempoBin returns the range of tempos, an eighth of an octave wide, that one is learned with.
func tempoBin(bpm float64) string {
	octaves := math.Floor(math.Log2(bpm/MinTempo)*binsPerOctave) / binsPerOctave
	low := MinTempo * math.Exp2(octaves)
	high := low * math.Exp2(1.0/binsPerOctave)
	return formatTempo(int(math.Round(low)), min(int(math.Round(high)), MaxTempo))
}

// hashID is FNV-1a of an event id: callers choose ids, and some count them up.
func hashID(id uuid.UUID) [8]byte {
	h := fnv.New64a()
	_, _ = h.Write(id[:]) // a hash takes everything
	return [8]byte(h.Sum(nil))
}
