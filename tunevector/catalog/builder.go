package catalog

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// builder fills a Catalog row by row.
type builder struct {
	c        *Catalog
	prefixes map[string]uint32
	merged   int
}

func newBuilder() *builder {
	return &builder{
		c:        &Catalog{artists: newLists(), genres: newLists(), instruments: newLists()},
		prefixes: map[string]uint32{},
	}
}

// add takes a row that was checked. Where a row before it had the same id, both are one track: the genres and
// instruments of both, explicit if one says so, and else what the first row that knows it says.
func (b *builder) add(r *row) error {
	c := b.c
	n, ok := c.table.find(r.id, c.idOf)
	if !ok {
		n = uint32(len(c.id))
		id, err := c.ids.add(r.id)
		if err != nil {
			return err
		}
		c.id = append(c.id, id)
		c.table.add(n, c.idOf)
		c.title, c.uri = append(c.title, 0), append(c.uri, 0)
		c.artist, c.genre, c.instrument = append(c.artist, 0), append(c.genre, 0), append(c.instrument, 0)
		c.millis = append(c.millis, millis(r.seconds))
		c.features = append(c.features, packed{})
		c.popularity = append(c.popularity, 0)
		c.confidence = append(c.confidence, percent(r.confidence))
		c.flags = append(c.flags, kindFlag(r.kind))
		c.known = append(c.known, 0)
	} else {
		b.merged++
	}
	return b.fill(n, r)
}

// fill gives track n what it lacks and r has.
func (b *builder) fill(n uint32, r *row) error {
	c := b.c
	var err error
	if c.title[n] == 0 {
		if c.title[n], err = c.titles.add(clean(r.title)); err != nil {
			return err
		}
	}
	if c.uri[n] == 0 && r.uri != "" {
		if err := b.setURI(n, r); err != nil {
			return err
		}
	}
	if c.artist[n] == 0 {
		c.artist[n] = c.artists.add(r.artists)
	}
	c.genre[n] = c.genres.union(c.genre[n], c.genres.add(r.genres))
	c.instrument[n] = c.instruments.union(c.instrument[n], c.instruments.add(r.instruments))
	if r.explicit {
		c.flags[n] |= flagExplicit
	}
	if r.provenance == tunevector.FromSpotify {
		c.flags[n] |= flagSpotify // a track that is in part theirs is theirs
	}
	for d := range dimensions {
		if bit := origin(1) << d; r.known&uint8(bit) != 0 && c.known[n]&bit == 0 {
			c.features[n][d] = pack(d, r.features[d])
			c.known[n] |= bit
			c.confidence[n] = min(c.confidence[n], percent(r.confidence))
		}
	}
	c.popularity[n] = max(c.popularity[n], uint16(math.Round(r.popularity*unit)))
	return nil
}

// setURI keeps a URI that ends with the track's id, as most do, as its beginning, once for all tracks.
func (b *builder) setURI(n uint32, r *row) error {
	c := b.c
	prefix, ok := strings.CutSuffix(r.uri, c.idOf(n))
	if !ok || prefix == "" {
		ref, err := c.uris.add(clean(r.uri))
		c.uri[n] = ref
		return err
	}
	ref, known := b.prefixes[prefix]
	if !known {
		var err error
		if ref, err = c.uris.add(clean(prefix)); err != nil {
			return err
		}
		b.prefixes[strings.Clone(prefix)] = ref
	}
	c.uri[n] = ref
	c.flags[n] |= flagURIPrefix
	return nil
}

func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// finish makes the catalog ready for use.
func (b *builder) finish() *Catalog {
	c := b.c
	b.fillFeatures()
	b.findVersions()
	c.ids.finish()
	c.titles.finish()
	c.uris.finish()
	c.artists.finish()
	c.genres.finish()
	c.instruments.finish()
	c.id, c.title, c.uri = exact(c.id), exact(c.title), exact(c.uri)
	c.artist, c.genre, c.instrument = exact(c.artist), exact(c.genre), exact(c.instrument)
	c.millis, c.features, c.popularity = exact(c.millis), exact(c.features), exact(c.popularity)
	c.known, c.confidence, c.flags = exact(c.known), exact(c.confidence), exact(c.flags)
	c.nameSources()
	c.terms = newGenreIndex(&c.genres)
	c.listGenres()
	c.indexArtists()
	c.buildIndex()
	return c
}

// fillFeatures gives every track the features it lacks, from its tags, its genres and its kind (see priors.go).
func (b *builder) fillFeatures() {
	c := b.c
	priors := newPriors()
	cache := map[priorKey]prior{}
	for n, known := range c.known {
		if known == allKnown {
			continue
		}
		key := priorKey{c.genre[n], c.flags[n] & kindMask}
		p, ok := cache[key]
		if !ok {
			p = priors.of(c.genres.strings(key.genres), key.kind.kind())
			cache[key] = p
		}
		for d := range dimensions {
			if known&(1<<d) == 0 {
				c.features[n][d] = pack(d, p.features[d])
			}
		}
		if c.known[n] |= p.from; known == 0 {
			c.confidence[n] = 0 // in nothing
		}
	}
}

// nameSources says where features are from, once for all tracks of which the same is to be said.
func (c *Catalog) nameSources() {
	c.sources = make([][]*tunevector.FeatureSources, origins)
	for n, known := range c.known {
		if c.sources[known] == nil {
			c.sources[known] = make([]*tunevector.FeatureSources, 1+percent(1))
		}
		if of := &c.sources[known][c.confidence[n]]; *of == nil {
			*of = known.sources(c.confidence[n])
		}
	}
}

type priorKey struct {
	genres uint32
	kind   flag
}

// findVersions marks tracks that are another one's song: the same title and artists, without regard to case, of the same
// kind and as explicit. Catalogs have one recording under many ids (the single, the album, each compilation), and a
// listener would hear the same song again. The most popular one stands for all, with the genres of all.
func (b *builder) findVersions() {
	c := b.c
	type song struct {
		title   uint64 // a hash: two songs of an artist that share one by chance do not occur
		artists uint32 // the first list of the same artists
		flags   flag
	}
	first := make(map[song]uint32, len(c.id))
	same := sameLists(&c.artists)
	seed := maphash.MakeSeed()
	var title []byte
	for i := range c.id {
		n := uint32(i)
		if c.title[n] == 0 || c.artist[n] == 0 {
			continue
		}
		title = title[:0]
		for _, r := range c.titles.get(c.title[n]) {
			title = utf8.AppendRune(title, unicode.ToLower(r))
		}
		key := song{maphash.Bytes(seed, title), same[c.artist[n]], c.flags[n] & (kindMask | flagExplicit)}
		main, ok := first[key]
		if !ok {
			first[key] = n
			continue
		}
		if c.popularity[n] > c.popularity[main] {
			first[key] = n
			main, n = n, main
		}
		c.versions = append(c.versions, version{of: main, track: n})
		c.flags[n] |= flagVersion
		c.genre[main] = c.genres.union(c.genre[main], c.genre[n])
	}
	// A main track that was overtaken later has become a version itself: follow to the one that stands for all.
	main := make(map[uint32]uint32, len(c.versions))
	for _, v := range c.versions {
		main[v.track] = v.of
	}
	for i, v := range c.versions {
		for next, ok := main[v.of]; ok; next, ok = main[next] {
			c.versions[i].of = next
		}
	}
	slices.SortFunc(c.versions, func(a, b version) int { return int(a.track) - int(b.track) })
}

// sameLists gives for each list of names the first that is the same without regard to case.
func sameLists(l *lists) []uint32 {
	first := make(map[string]uint32, l.len())
	out := make([]uint32, l.len())
	for i := range out {
		list := uint32(i)
		folded := strings.ToLower(strings.Join(l.strings(list), "\x00"))
		if _, ok := first[folded]; !ok {
			first[folded] = list
		}
		out[i] = first[folded]
	}
	return out
}
