package catalog

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// jitter is how much further away a candidate may seem than it is, as a share of its distance, so that another seed gives others that
// are as fit. A track at the edge of the choice is then at most 15 % further from the arc than the nearest one left out.
const jitter = 0.15

// rareGenre is how many tracks a genre has at most for it to be quicker to look at them alone.
const rareGenre = 5000

// along returns up to q.Limit tracks that pass near the points of q.Along, in the order of the catalog.
func (c *Catalog) along(q tunevector.CandidateQuery, f *filter) []uint32 {
	if f.genres != nil && f.most <= rareGenre {
		return c.choose(c.all(f), q)
	}
	kind := uint8(f.kind)
	skip := func(n int) bool { return !c.fits(uint32(n), f) }
	if f.genres != nil && f.terms == nil {
		skip = func(n int) bool { return !f.genres[c.genre[n]] || !c.fits(uint32(n), f) }
	}
	return numbers(c.index.Along(q.Along, q.Limit, planner.Filter{
		Kind: &kind, Genres: f.terms, Skip: skip, Jitter: jitter, Seed: q.Seed,
	}))
}

// choose returns q.Limit of the tracks: those near the points of q.Along, or where there are none any, each as likely as another.
func (c *Catalog) choose(tracks []uint32, q tunevector.CandidateQuery) []uint32 {
	switch {
	case len(tracks) <= q.Limit:
		return tracks
	case len(q.Along) == 0:
		return sample(tracks, q.Limit, shuffle(len(c.id), q.Seed))
	}
	index := planner.NewIndex(len(tracks), func(i int) planner.Entry {
		return planner.Entry{Features: c.features[tracks[i]].features()}
	})
	out := numbers(index.Along(q.Along, q.Limit, planner.Filter{Jitter: jitter, Seed: q.Seed}))
	for i, n := range out {
		out[i] = tracks[n]
	}
	return out
}

func numbers(found []int) []uint32 {
	out := make([]uint32, len(found))
	for i, n := range found {
		out[i] = uint32(n)
	}
	return out
}

// sample returns limit of the tracks, which are more, each as likely as another, in the order they come in.
func sample(tracks []uint32, limit int, order shuffled) []uint32 {
	// Those that come first when all tracks are shuffled win. Sorting only those that may win keeps it linear.
	var tickets []ticket
	for most := uint64(0); len(tickets) < limit; {
		most += 2 * uint64(limit) * order.places() / uint64(len(tracks))
		tickets = tickets[:0]
		for _, n := range tracks {
			if place := order.placeOf(n); uint64(place) < most {
				tickets = append(tickets, ticket{place, n})
			}
		}
	}
	slices.SortFunc(tickets, func(a, b ticket) int { return cmp.Compare(a.place, b.place) })
	out := make([]uint32, limit)
	for i, t := range tickets[:limit] {
		out[i] = t.track
	}
	slices.Sort(out)
	return out
}

// ticket is where a track is among all that are shuffled.
type ticket struct{ place, track uint32 }

// patience is how many times as many places of what is shuffled are looked at as should be enough, before all that passes is looked for.
const patience = 4

// some returns limit of the tracks that pass, each as likely as another, in order; all of them where they are no more. It is sample of all of them, but for as long as enough
// of the first of what is shuffled pass, the others are not looked at.
func (c *Catalog) some(f *filter, limit int, seed uint64) []uint32 {
	order, pass := shuffle(len(c.id), seed), len(c.id)
	if f.genres != nil {
		pass = f.most
	}
	enough := patience * uint64(limit) * order.places() / uint64(max(pass, 1))
	if enough < uint64(len(c.id)) {
		found := make([]uint32, 0, limit)
		for place := range uint32(enough) {
			if n := order.at(place); int(n) < len(c.id) && c.passes(n, f) {
				if found = append(found, n); len(found) == limit {
					slices.Sort(found)
					return found
				}
			}
		}
	}
	all := c.all(f)
	if len(all) <= limit {
		return all
	}
	return sample(all, limit, order)
}

// shuffled is an order of places that looks like chance, depends on nothing but its seed and how many places there are, and is told for each place, and back, without the others. It is a
// Feistel network (Luby and Rackoff 1988), which is a permutation whatever its rounds do.
type shuffled struct {
	half uint32 // bits
	mask uint32
	keys [4]uint64
}

// shuffle returns an order of at least n places: of the least power of 4 that is not below n, 4 at least. Below some tens of places some orders are likelier than others.
func shuffle(n int, seed uint64) shuffled {
	s := shuffled{half: uint32(bits.Len(uint(max(n, 2)-1))+1) / 2} //nolint:mnd // two halves
	s.mask = 1<<s.half - 1
	d := dice(seed)
	for i := range s.keys {
		s.keys[i] = d.next()
	}
	return s
}

func (s *shuffled) places() uint64 { return 1 << (2 * s.half) } //nolint:mnd // two halves

// at is what stands at a place.
func (s *shuffled) at(place uint32) uint32 {
	left, right := place>>s.half, place&s.mask
	for _, key := range s.keys {
		left, right = right, left^s.mix(key, right)
	}
	return left<<s.half | right
}

// placeOf is where something stands.
func (s *shuffled) placeOf(n uint32) uint32 {
	left, right := n>>s.half, n&s.mask
	for _, key := range slices.Backward(s.keys[:]) {
		left, right = right^s.mix(key, left), left
	}
	return left<<s.half | right
}

func (s *shuffled) mix(key uint64, half uint32) uint32 {
	d := dice(key ^ uint64(half))
	return uint32(d.next()>>32) & s.mask //nolint:mnd // the upper half
}

// buildIndex prepares along.
func (c *Catalog) buildIndex() {
	c.index = planner.NewIndex(len(c.id), func(n int) planner.Entry {
		return planner.Entry{
			Features: c.features[n].features(), Kind: uint8(c.flags[n] & kindMask), Genres: c.terms.of(c.genre[n]),
		}
	})
}

// maxTerms is how many terms the index can tell apart.
const maxTerms = math.MaxUint16 + 1
