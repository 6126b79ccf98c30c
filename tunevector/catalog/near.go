package catalog

import (
	"cmp"
	"slices"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// jitter is how much further away a candidate may seem than it is, as a share of its distance: so that another seed gives others that are as fit.
const jitter = 0.15

// nearest returns limit of the tracks: for each point its nearest in turn, in the order of the catalogue.
func (c *Catalog) nearest(tracks []uint32, along []tunevector.Features, limit int, seed uint64) []uint32 {
	type ranked struct {
		distance float64
		track    uint32
	}
	features := make([]planner.Features, len(tracks))
	for i, n := range tracks {
		features[i] = planner.Features(c.features[n].features())
	}
	ranks := make([][]ranked, len(along))
	for p, point := range along {
		r := make([]ranked, len(tracks))
		for i, n := range tracks {
			d := planner.Distance(planner.Features(point), features[i])
			r[i] = ranked{d * (1 + jitter*chance(seed, n)), n}
		}
		slices.SortFunc(r, func(a, b ranked) int {
			return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.track, b.track))
		})
		ranks[p] = r
	}
	taken := make(map[uint32]bool, limit)
	out := make([]uint32, 0, limit)
	next := make([]int, len(along))
	for len(out) < limit { // there are more tracks than limit, so this ends
		for p := range ranks {
			for taken[ranks[p][next[p]].track] {
				next[p]++
			}
			n := ranks[p][next[p]].track
			taken[n] = true
			if out = append(out, n); len(out) == limit {
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// sample returns limit of the tracks, each as likely as another, in the order of the catalogue.
func sample(tracks []uint32, limit int, seed uint64) []uint32 {
	slices.SortFunc(tracks, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(chance(seed, a), chance(seed, b)), cmp.Compare(a, b))
	})
	out := slices.Clone(tracks[:limit])
	slices.Sort(out)
	return out
}

// chance is a number in 0–1 that looks like chance and depends on nothing but seed and track.
func chance(seed uint64, track uint32) float64 {
	d := dice(seed ^ uint64(track)<<32)
	d.next()
	return float64(d.next()>>11) / (1 << 53)
}
