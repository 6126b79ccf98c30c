package catalog

import (
	"cmp"
	"math"
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
		return sample(tracks, q.Limit, q.Seed)
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
func sample(tracks []uint32, limit int, seed uint64) []uint32 {
	// Every track draws a number, and the lowest win. Sorting only those that may win keeps it linear.
	var tickets []ticket
	draw := drawing(seed)
	for most := uint64(0); len(tickets) < limit; {
		most += 2 * uint64(limit) * (1 << 32) / uint64(len(tracks))
		tickets = tickets[:0]
		for _, n := range tracks {
			if drawn := draw(n); uint64(drawn) < most {
				tickets = append(tickets, ticket{drawn, n})
			}
		}
	}
	return winners(tickets, limit)
}

// some returns limit of the tracks that pass, each as likely as another, in order; all of them where they are no more. It is sample of all of them, but first draws, since most need then not be
// looked at.
func (c *Catalog) some(f *filter, limit int, seed uint64) []uint32 {
	var tickets []ticket
	draw, total := drawing(seed), len(c.id)
	if f.terms != nil {
		total = f.most
	}
	const all = 1 << 32
	for most := uint64(0); len(tickets) < limit && most < all; {
		most = min(4*most+4*uint64(limit)*all/uint64(max(total, 1)), all)
		tickets = tickets[:0]
		take := func(n uint32) {
			if drawn := draw(n); uint64(drawn) < most && c.passes(n, f) {
				tickets = append(tickets, ticket{drawn, n})
			}
		}
		if f.terms == nil {
			for n := range uint32(len(c.id)) {
				take(n)
			}
			continue
		}
		for n := range c.index.With(f.terms) {
			take(uint32(n))
		}
		slices.SortFunc(tickets, func(a, b ticket) int { return cmp.Compare(a.track, b.track) })
		tickets = slices.Compact(tickets)
	}
	return winners(tickets, min(limit, len(tickets)))
}

// ticket is the number that a track has drawn.
type ticket struct{ drawn, track uint32 }

// winners are the n tracks that drew the lowest numbers, in order.
func winners(tickets []ticket, n int) []uint32 {
	slices.SortFunc(tickets, func(a, b ticket) int { return cmp.Or(cmp.Compare(a.drawn, b.drawn), cmp.Compare(a.track, b.track)) })
	out := make([]uint32, n)
	for i, t := range tickets[:n] {
		out[i] = t.track
	}
	slices.Sort(out)
	return out
}

// drawing gives numbers that look like chance and depend on nothing but seed and track.
func drawing(seed uint64) func(track uint32) uint32 {
	d := dice(seed)
	of := d.next()
	return func(track uint32) uint32 {
		d := dice(of ^ uint64(track))
		return uint32(d.next() >> 32)
	}
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
