package catalog

import (
	"cmp"
	"context"
	"fmt"
	"math"
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
// catalogue. A genre means every genre that [MatchesGenre] it, an artist is compared without regard to case. Of several tracks
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
	f := c.filter(q)
	var found []uint32
	switch {
	case len(q.Genres) > 0 && f.genres == nil:
		return nil, nil
	case len(q.Artists) > 0:
		found = c.byArtists(q.Artists, f)
	default:
		found = c.all(f)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(found) > q.Limit {
		if len(q.Along) > 0 {
			found = c.nearest(found, q.Along, q.Limit, q.Seed)
		} else {
			found = sample(found, q.Limit, q.Seed)
		}
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
	genres    []bool // by genre; nil for all
	excluded  map[uint32]bool
	forbidden flag // bits that no candidate has
	millis    uint32
}

func (c *Catalog) filter(q tunevector.CandidateQuery) filter {
	f := filter{kind: kindFlag(q.Kind), forbidden: flagVersion, millis: math.MaxUint32}
	if q.ExcludeExplicit {
		f.forbidden |= flagExplicit
	}
	if q.MaxSeconds > 0 {
		f.millis = uint32(min(q.MaxSeconds*1000, math.MaxUint32))
	}
	f.genres = c.wanted(q.Genres)
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
	return f
}

// standsFor returns the track that is proposed for n's song, which is most often n.
func (c *Catalog) standsFor(n uint32) uint32 {
	if c.flags[n]&flagVersion == 0 {
		return n
	}
	i, _ := slices.BinarySearchFunc(c.versions, n, func(v version, n uint32) int { return cmp.Compare(v.track, n) })
	return c.versions[i].of
}

// wanted marks the genres that are meant by names; nil where there are none.
func (c *Catalog) wanted(names []string) []bool {
	var genres []bool
	for _, name := range names {
		form := genreForm(name)
		for g, known := range c.genreForms {
			if formMatches(form, known) {
				if genres == nil {
					genres = make([]bool, len(c.genreForms))
				}
				genres[g] = true
			}
		}
	}
	return genres
}

func (c *Catalog) passes(n uint32, f *filter) bool {
	if c.flags[n]&kindMask != f.kind || c.flags[n]&f.forbidden != 0 || c.millis[n] > f.millis || f.excluded[n] {
		return false
	}
	if f.genres == nil {
		return true
	}
	for _, g := range c.genres.of(c.genre[n]) {
		if f.genres[g] {
			return true
		}
	}
	return false
}

func (c *Catalog) all(f filter) []uint32 {
	var found []uint32
	for i := range c.id {
		if n := uint32(i); c.passes(n, &f) { //nolint:gosec // a track's number
			found = append(found, n)
		}
	}
	return found
}

// byArtists returns the tracks of the artists that pass, in order and without repeats.
func (c *Catalog) byArtists(artists []string, f filter) []uint32 {
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
				if c.passes(n, &f) {
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
		c.artistOrder[i] = uint32(i) //nolint:gosec // an artist's number
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
			c.artistTracks[next[a]] = uint32(n) //nolint:gosec // a track's number
			next[a]++
		}
	}
}

// indexGenres prepares wanted and Genres.
func (c *Catalog) indexGenres() {
	c.genreForms = make([]string, len(c.genres.names))
	for g, name := range c.genres.names {
		c.genreForms[g] = genreForm(name)
	}
	var seen [kinds][]bool // by list of genres
	for k := range seen {
		seen[k] = make([]bool, c.genres.len())
	}
	for n, list := range c.genre {
		seen[c.flags[n]&kindMask][list] = true
	}
	for k := range seen {
		has := make([]bool, len(c.genres.names))
		for list, ok := range seen[k] {
			if ok {
				for _, g := range c.genres.of(uint32(list)) { //nolint:gosec // a list's number
					has[g] = true
				}
			}
		}
		for g, ok := range has {
			if ok {
				c.genresOf[k] = append(c.genresOf[k], c.genres.names[g])
			}
		}
		slices.Sort(c.genresOf[k])
	}
}
