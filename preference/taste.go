package preference

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Traits are what a taste scores: what is known of a piece of music.
type Traits struct {
	Genres      []string
	Artists     []string
	Instruments []string
	Tempo       float64 // BPM; 0 where unknown
}

// How a taste is made of preferences, and what it makes of music. The constants are chosen, not fitted; what they are for:
//
// An opinion v (−1…1) on a value comes from what was set and what was learned:
//
//	v = s + LearnedShare · l · (1 − |s|)
//
// s is the weight that was set, for likes times the rank factor ½ + ½·2^(−index/RankHalf), so that the favorite speaks twice as loud as the end of a long
// list; for dislikes as it is, since nobody puts those in an order. l is the learned weight. What is set firmly leaves nothing to learn.
//
// A piece of music meets an opinion with a match m: 1 where it has the very value; see [Taste.Score] for less. An opinion counts once, at its best match.
// Within a type likes add up as P = 1 − Π(1 − v·m), dislikes as N in the same way (of tempos only the best match counts); over the types as 1 − Π(1 − r·P),
// where r = 1 − TypeRest^w is the reach of a type with the weight w of Options.Weights: 0 for 0, 0.7 for 1, 0.91 for 2. The score is likes − dislikes.
// Each opinion met hence moves the score towards its side, none makes another one smaller, and a matched favorite genre alone gives 0.7.
const (
	LearnedShare = 0.6
	RankHalf     = 10
	TypeRest     = 0.3

	PartialMatch   = 0.6  // music of a kind of what is liked: "rock" meets "indie rock"
	WiderMatch     = 0.3  // music that is more general than what is liked: "indie rock" meets "rock"
	OctaveMatch    = 0.5  // half or double the tempo, which trackers of beats take for each other
	TempoTolerance = 0.2  // octaves (15 %) from a tempo, where the match has fallen from 1 to 0, linearly
	tempoForbidden = 0.04 // octaves (3 %) around a tempo that is forbidden: measured tempos are no whole numbers
)

// Taste is a listener's taste at one moment: an immutable value, safe for concurrent use. The zero Taste knows nothing.
type Taste struct {
	words   [wordTypes]lexicon
	tempos  []tempoOpinion
	reach   [typeCount]float64
	genres  []string
	artists []string
	tempo   float64
	lent    bool // something in it was imported
}

// The types as small numbers: those that are words first.
const (
	genreNumber = iota
	artistNumber
	instrumentNumber
	wordTypes
	tempoNumber = wordTypes
	typeCount   = wordTypes + 1
)

var typeNumbers = map[Type]int{Genre: genreNumber, Artist: artistNumber, Instrument: instrumentNumber, Tempo: tempoNumber}

// opinion is what a listener thinks of one value.
type opinion struct {
	name    string // as the listener wrote it, or as it was learned
	value   float64
	source  Source
	stated  bool // something was set on it
	set     bool // … and the opinion is, in its sign, what was set
	forbids bool // … with weight −1
	often   bool // it was learned from enough to say so
}

// oftenFrom is from how many signals on it is told that something is played often.
const oftenFrom = 3

// Taste returns the listener's taste from set and learned preferences. live says which consents live; nil: none. What was learned from
// interactions always counts.
func (s *Service) Taste(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool) (Taste, error) {
	return s.TasteAfter(ctx, profileID, live, nil)
}

// TasteAfter is [Service.Taste] of a listener of whom all that was learned is known, and is not read again. nil: it is read.
func (s *Service) TasteAfter(ctx context.Context, profileID uuid.UUID, live func(consent uuid.UUID) bool, just *Lessons) (t Taste, err error) {
	values := []observe.Value{{Name: "set"}, {Name: "learned"}}
	defer observe.Watch(ctx, s.observer, "preference.taste", values...)(&err)
	// Strongly: whoever has just set or forbidden something must find it in what is chosen for them next.
	l, _, err := s.read(ctx, profileID, store.Strong)
	if err != nil {
		return Taste{}, err
	}
	imported, err := s.imported(ctx, profileID, len(l), store.Strong)
	if err != nil {
		return Taste{}, err
	}
	if just == nil {
		d, err := s.readLearned(ctx, profileID)
		if err != nil {
			return Taste{}, err
		}
		just = &Lessons{d}
	}
	learned := just.document.learned(s.now(), live)
	values[0].Number, values[1].Number = float64(len(l)), float64(len(learned))
	return NewTaste(append(l.preferences(), imported...), learned, s.weights), nil
}

// NewTaste makes a taste of set preferences (whose Index counts, and not their order) and learned ones. weights are those of [Options].
func NewTaste(set []Preference, learned []Learned, weights map[Type]float64) Taste {
	t := Taste{lent: slices.ContainsFunc(set, func(p Preference) bool { return p.Source != "" })}
	for typ, n := range typeNumbers {
		w, given := weights[typ]
		if !given {
			w = 1
		}
		t.reach[n] = 1 - math.Pow(TypeRest, w)
		opinions := merge(typ, set, learned)
		if n == tempoNumber {
			t.setTempos(opinions)
			continue
		}
		t.words[n] = newLexicon(opinions, typ != Artist)
		switch n {
		case genreNumber:
			t.genres = likedNames(opinions)
		case artistNumber:
			t.artists = likedNames(opinions)
		}
	}
	return t
}

// merge returns the opinions of one type by the keys that music is looked up with, strongest first.
func merge(typ Type, set []Preference, learned []Learned) []keyed {
	at := map[string]int{}
	var all []keyed
	set = slices.SortedFunc(slices.Values(set), func(a, b Preference) int { return cmp.Compare(a.Index, b.Index) })
	for _, p := range set {
		key := tasteKey(typ, p.Value)
		if _, dup := at[key]; dup || p.Type != typ || key == "" {
			continue // "hip hop" and "hip-hop": the one in front counts
		}
		v := p.Weight
		if v > 0 {
			v *= 0.5 + 0.5*math.Exp2(-float64(p.Index)/RankHalf)
		}
		at[key] = len(all)
		all = append(all, keyed{key, opinion{name: strings.TrimSpace(p.Value), value: v, source: p.Source, stated: true, set: true, forbids: p.Weight == -1}})
	}
	was := map[string]bool{}
	for _, l := range learned {
		key := tasteKey(typ, l.Value)
		if was[key] || l.Type != typ || key == "" {
			continue
		}
		was[key] = true
		i, known := at[key]
		if !known {
			all = append(all, keyed{key, opinion{name: l.Value, value: LearnedShare * l.Weight, often: l.Count >= oftenFrom}})
			continue
		}
		o := &all[i].opinion
		before := o.value
		o.value += LearnedShare * l.Weight * (1 - math.Abs(before))
		o.set, o.often = before*o.value > 0, l.Count >= oftenFrom
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(math.Abs(b.value), math.Abs(a.value)), strings.Compare(a.key, b.key))
	})
	return all
}

type keyed struct {
	key string
	opinion
}

// tasteKey is what a value is looked up by: for genres and instruments its words, however they are joined.
func tasteKey(typ Type, value string) string {
	if typ == Tempo {
		return canonical(typ, value)
	}
	return string(folders(nil).appendKey(nil, value, typ != Artist))
}

// likedNames returns what is liked, best first. Opinions come strongest first.
func likedNames(opinions []keyed) []string {
	var names []string
	for _, o := range opinions {
		if o.value > 0 {
			names = append(names, o.name)
		}
	}
	return names
}

func (t *Taste) setTempos(opinions []keyed) {
	for _, o := range opinions {
		low, high, ok := parseTempo(o.key)
		if !ok {
			continue
		}
		to := tempoOpinion{opinion: o.opinion, low: math.Log2(float64(low)), high: math.Log2(float64(high))}
		to.name = tempoName(low, high)
		t.tempos = append(t.tempos, to)
		if t.tempo == 0 && o.value > 0 {
			t.tempo = math.Exp2((to.low + to.high) / 2)
		}
	}
}

// tempoOpinion is an opinion on a range of tempos, whose ends are in octaves above 1 BPM.
type tempoOpinion struct {
	opinion
	low, high float64
}

// distance is how far a tempo is from the range, in octaves.
func (o *tempoOpinion) distance(octaves float64) float64 {
	return max(o.low-octaves, octaves-o.high, 0)
}

// match is how well a tempo meets the range, or its half or double.
func (o *tempoOpinion) match(octaves float64) float64 {
	near := o.distance(octaves)
	other := min(o.distance(octaves-1), o.distance(octaves+1))
	return max(0, 1-near/TempoTolerance, OctaveMatch*(1-other/TempoTolerance))
}

func tempoName(low, high int) string {
	return strings.Replace(formatTempo(low, high), "-", "–", 1) + " BPM"
}

// hit is an opinion that music meets.
type hit struct {
	kind    int
	index   int
	match   float64
	opinion *opinion
}

// hits are kept on the stack; who has more genres, artists and instruments than there is room for is scored by the first.
type hits struct {
	all [32]hit
	n   int
}

// add counts an opinion once, at its best match.
func (h *hits) add(x hit) {
	for i := range h.all[:h.n] {
		if o := &h.all[i]; o.kind == x.kind && o.index == x.index {
			o.match = max(o.match, x.match)
			return
		}
	}
	if h.n < len(h.all) {
		h.all[h.n] = x
		h.n++
	}
}

// meet collects the opinions that music with these traits meets.
func (t *Taste) meet(x *Traits, h *hits) {
	for kind, values := range [wordTypes][]string{x.Genres, x.Artists, x.Instruments} {
		lex := &t.words[kind]
		if len(lex.opinions) == 0 {
			continue
		}
		for _, v := range values {
			if i, match := lex.find(v); match > 0 {
				h.add(hit{kind, i, match, &lex.opinions[i]})
			}
		}
	}
	if x.Tempo <= 0 || len(t.tempos) == 0 {
		return
	}
	octaves := math.Log2(x.Tempo)
	var like, dislike hit
	for i := range t.tempos {
		o := &t.tempos[i]
		m := o.match(octaves)
		if m*o.value > like.strength() {
			like = hit{tempoNumber, i, m, &o.opinion}
		}
		if m*o.value < dislike.strength() {
			dislike = hit{tempoNumber, i, m, &o.opinion}
		}
	}
	for _, best := range [...]hit{like, dislike} {
		if best.opinion != nil {
			h.add(best)
		}
	}
}

// strength is the opinion's value as far as it is met, 0 for no hit.
func (h hit) strength() float64 {
	if h.opinion == nil {
		return 0
	}
	return h.opinion.value * h.match
}

func (t *Taste) score(h *hits) float64 {
	var noLike, noDislike [typeCount]float64
	for i := range noLike {
		noLike[i], noDislike[i] = 1, 1
	}
	for _, x := range h.all[:h.n] {
		if s := x.strength(); s > 0 {
			noLike[x.kind] *= 1 - s
		} else {
			noDislike[x.kind] *= 1 + s
		}
	}
	neither, nor := 1.0, 1.0
	for i, r := range t.reach {
		neither *= 1 - r*(1-noLike[i])
		nor *= 1 - r*(1-noDislike[i])
	}
	return nor - neither
}

// ScoreOnly is Score without the reasons, for scoring thousands: it allocates nothing.
func (t Taste) ScoreOnly(x Traits) float64 { return t.scoreOnly(&x) }

func (t *Taste) scoreOnly(x *Traits) float64 {
	var h hits
	t.meet(x, &h)
	return t.score(&h)
}

const maxReasons = 3

// Score returns how much the listener likes music with these traits, −1…1 (0: nothing is known), and the
// preferences that speak most, strongest first, as short phrases ("you like rock", "you often play ambient"), at most three.
//
// Genres and instruments are compared word by word, without regard to case and to how words are joined ("hip-hop" is "hip hop"). Of the
// preferences that fit a genre the most specific one speaks: the very genre (match 1), else the longest run of words of it (PartialMatch: "rock" fits
// "indie rock" and "classic-rock", but not "rockabilly"), else one that it is itself a run of words of (WiderMatch). Artists are compared whole.
// Tempos are compared by their ratio, see TempoTolerance and OctaveMatch.
func (t Taste) Score(x Traits) (score float64, reasons []string) {
	var h hits
	t.meet(&x, &h)
	return t.score(&h), t.phrases(&h, math.Abs)
}

// Likings returns the phrases of the preferences that speak for music with these traits, strongest first, at most three: what [Taste.Score]
// tells without what speaks against it.
func (t Taste) Likings(x Traits) []string {
	var h hits
	t.meet(&x, &h)
	return t.phrases(&h, func(strength float64) float64 { return max(strength, 0) })
}

// phrases are those of the preferences met that count for something, strongest first.
func (t *Taste) phrases(h *hits, counts func(strength float64) float64) (phrases []string) {
	weight := func(m hit) float64 { return counts(m.strength()) * t.reach[m.kind] }
	met := slices.Clone(h.all[:h.n])
	slices.SortStableFunc(met, func(a, b hit) int { return cmp.Compare(weight(b), weight(a)) })
	for _, m := range met {
		if len(phrases) == maxReasons || weight(m) == 0 {
			break
		}
		phrases = append(phrases, m.opinion.phrase())
	}
	return phrases
}

func (o *opinion) phrase() string {
	switch {
	case o.value > 0 && o.set && o.source != "":
		return "you like " + o.name + " on " + o.source.title()
	case o.value > 0 && o.set:
		return "you like " + o.name
	case o.value > 0 && o.often:
		return "you often play " + o.name
	case o.value > 0:
		return "you played " + o.name
	case o.set:
		return "you avoid " + o.name
	case o.often:
		return "you tend to skip " + o.name
	default:
		return "you skipped " + o.name
	}
}

// Avoids reports whether a preference that was set with weight −1 forbids this music. Of the set preferences that fit a genre, an artist or an
// instrument the most specific one decides: who avoids "rock" but likes "indie rock" gets indie rock. A tempo forbids what is within 3 % of it.
func (t Taste) Avoids(x Traits) bool {
	for kind, values := range [wordTypes][]string{x.Genres, x.Artists, x.Instruments} {
		lex := &t.words[kind]
		for _, v := range values {
			if lex.forbids(v) {
				return true
			}
		}
	}
	if x.Tempo <= 0 {
		return false
	}
	octaves := math.Log2(x.Tempo)
	return slices.ContainsFunc(t.tempos, func(o tempoOpinion) bool {
		return o.forbids && o.distance(octaves) <= tempoForbidden
	})
}

// Genres returns the genres liked, best first, for asking a provider for candidates.
func (t Taste) Genres() []string { return slices.Clone(t.genres) }

// Artists returns the artists liked, best first.
func (t Taste) Artists() []string { return slices.Clone(t.artists) }

// Imported reports whether anything in the taste was imported, and so can be taken back by where it came from: see [Service.Import].
func (t Taste) Imported() bool { return t.lent }

// Tempo returns the tempo liked best in BPM, or 0 where nothing is known; of a range it is the (geometric) middle.
func (t Taste) Tempo() float64 { return t.tempo }
