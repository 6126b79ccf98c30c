package catalog

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

const (
	defaultLimit = 500
	maxLimit     = 10000
)

// Candidates returns tracks near the points of q.Along by the planner's distance, or anywhere where there are none, in the order of the
// catalog. A genre means every genre that [MatchesGenre] it, an artist is compared without regard to case. Of several tracks
// with one title and the same artists the most popular stands for all; where any of them is excluded, none comes.
// A query with values that are out of bounds is an error that names them.
func (c *Catalog) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.Kind == "" {
		q.Kind = tunevector.Playlist
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	f, ok := c.filter(q)
	if !ok {
		return nil, nil
	}
	var found []uint32
	switch {
	case len(q.Artists) > 0:
		found = c.choose(c.byArtists(q.Artists, &f), q)
	case len(q.Along) > 0:
		found = c.along(q, &f)
	default:
		found = c.some(&f, q.Limit, q.Seed)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]tunevector.Track, len(found))
	for i, n := range found {
		out[i] = c.track(n)
	}
	return out, nil
}

// Tracks returns the tracks with these ids in the order of ids; unknown ones are left out.
func (c *Catalog) Tracks(ctx context.Context, ids []string) ([]tunevector.Track, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]tunevector.Track, 0, len(ids))
	for _, id := range ids {
		if n, ok := c.table.find(id, c.idOf); ok {
			out = append(out, c.track(n))
		}
	}
	return out, nil
}

// Genres returns the genres of the tracks of a kind ("" means playlist), in lower case and alphabetical order.
func (c *Catalog) Genres(ctx context.Context, kind tunevector.Kind) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, name := range kindNames {
		if name == cmp.Or(kind, tunevector.Playlist) {
			return slices.Clone(c.genresOf[i]), nil
		}
	}
	return nil, nil
}

func checkQuery(q tunevector.CandidateQuery) error {
	var f fault.Fields
	if !slices.Contains(kindNames[:], q.Kind) {
		f.Add("kind", "must be playlist, podcast or soundscape")
	}
	if q.Limit < 1 || q.Limit > maxLimit {
		f.Add("limit", "must be between 1 and %d", maxLimit)
	}
	if !(q.MaxSeconds >= 0) {
		f.Add("maxSeconds", "must be 0 or more")
	}
	for i, p := range q.Along {
		for d, v := range [dimensions]float64{p.Energy, p.Valence, p.Tempo, p.Acousticness, p.Instrumentalness} {
			switch {
			case d == tempo && !(v > 0 && v <= math.MaxFloat32):
				f.Add(fmt.Sprintf("along[%d].tempo", i), "must be above 0")
			case d != tempo && !(v >= 0 && v <= 1):
				f.Add(fmt.Sprintf("along[%d].%s", i, dimensionNames[d]), "must be between 0 and 1")
			}
		}
	}
	return f.Err()
}

// filter says which tracks may be candidates of a query.
type filter struct {
	kind      flag
	genres    []bool   // by list of genres; nil for all
	terms     []uint16 // of the index, which together mean the same; nil where they are too many for it
	most      int      // how many tracks of any kind are of these genres at most
	excluded  map[uint32]bool
	forbidden flag    // bits that no candidate has
	longest   float64 // seconds
}

// filter is what q asks for; ok is false where nothing can pass.
func (c *Catalog) filter(q tunevector.CandidateQuery) (f filter, ok bool) {
	f = filter{kind: kindFlag(q.Kind), forbidden: flagVersion, longest: math.Inf(1)}
	if q.ExcludeExplicit {
		f.forbidden |= flagExplicit
	}
	if q.MaxSeconds > 0 {
		f.longest = q.MaxSeconds
	}
	if len(q.Genres) > 0 {
		if f.genres, f.terms = c.wanted(q.Genres); f.genres == nil {
			return f, false
		}
		for list, ok := range f.genres {
			if ok {
				f.most += int(c.genreCount[list])
			}
		}
	}
	for _, id := range q.Exclude {
		n, ok := c.table.find(id, c.idOf)
		if !ok {
			continue
		}
		if f.excluded == nil {
			f.excluded = make(map[uint32]bool, len(q.Exclude))
		}
		f.excluded[c.standsFor(n)] = true
	}
	return f, true
}

// standsFor returns the track that is proposed for n's song, which is most often n.
func (c *Catalog) standsFor(n uint32) uint32 {
	if c.flags[n]&flagVersion == 0 {
		return n
	}
	i, _ := slices.BinarySearchFunc(c.versions, n, func(v version, n uint32) int { return cmp.Compare(v.track, n) })
	return c.versions[i].of
}

func (c *Catalog) passes(n uint32, f *filter) bool {
	return c.flags[n]&kindMask == f.kind && c.fits(n, f) && (f.genres == nil || f.genres[c.genre[n]])
}

// fits is passes without kind and genre, which the index knows.
func (c *Catalog) fits(n uint32, f *filter) bool {
	return c.flags[n]&f.forbidden == 0 && c.seconds(n) <= f.longest && !f.excluded[n]
}

// all returns the tracks that pass, in order.
func (c *Catalog) all(f *filter) []uint32 {
	var found []uint32
	if f.genres != nil {
		found = make([]uint32, 0, f.most)
	}
	if f.terms != nil {
		seen := make([]uint64, (len(c.id)+63)/64)
		for n := range c.index.With(f.terms) {
			seen[n/64] |= 1 << (n % 64)
		}
		for w, word := range seen {
			for ; word != 0; word &= word - 1 {
				if n := uint32(64*w + bits.TrailingZeros64(word)); c.passes(n, f) {
					found = append(found, n)
				}
			}
		}
		return found
	}
	for i := range c.id {
		if n := uint32(i); c.passes(n, f) {
			found = append(found, n)
		}
	}
	return found
}

// byArtists returns the tracks of the artists that pass, in order and without repeats.
func (c *Catalog) byArtists(artists []string, f *filter) []uint32 {
	var found []uint32
	for _, name := range artists {
		folded := foldName(name)
		from, _ := slices.BinarySearchFunc(c.artistOrder, folded, func(a uint32, folded string) int {
			return cmp.Compare(foldName(c.artists.names[a]), folded)
		})
		for _, a := range c.artistOrder[from:] {
			if foldName(c.artists.names[a]) != folded {
				break
			}
			for _, n := range c.artistTracks[c.artistStarts[a]:c.artistStarts[a+1]] {
				if c.passes(n, f) {
					found = append(found, n)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// foldName is a name as it is compared.
func foldName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// indexArtists prepares byArtists.
func (c *Catalog) indexArtists() {
	folded := make([]string, len(c.artists.names))
	c.artistOrder = make([]uint32, len(folded))
	for i, name := range c.artists.names {
		folded[i] = foldName(name)
		c.artistOrder[i] = uint32(i)
	}
	slices.SortFunc(c.artistOrder, func(a, b uint32) int { return cmp.Compare(folded[a], folded[b]) })

	// A count of each artist's tracks, then where each one's begin, then the tracks.
	c.artistStarts = make([]uint32, len(folded)+1)
	total := uint32(0)
	for _, list := range c.artist {
		for _, a := range c.artists.of(list) {
			c.artistStarts[a]++
			total++
		}
	}
	at := total
	for a := len(folded); a >= 0; a-- {
		at -= c.artistStarts[a]
		c.artistStarts[a] = at
	}
	next := slices.Clone(c.artistStarts)
	c.artistTracks = make([]uint32, total)
	for n, list := range c.artist {
		for _, a := range c.artists.of(list) {
			c.artistTracks[next[a]] = uint32(n)
			next[a]++
		}
	}
}
