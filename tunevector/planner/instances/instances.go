// Package instances makes the published planning problems: synthetic catalogs and forty seeded instances over them, by
// which the planner is measured and with which anyone can measure another. The same numbers come out everywhere. It is not for use in a service.
//
//	catalog := instances.NewCatalog(100_000, 1)
//	for _, instance := range instances.All(catalog) {
//		solution, err := planner.Solve(ctx, instance.Problem(320))
//		…
//	}
package instances

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// Genres is how many genres a catalog has.
const Genres = 30

// Catalog is a synthetic one. Its genres are Gaussian clouds in the feature space; one track in five is placed
// anywhere. Lengths are log-normal around 3:33, one artist in ten tracks, some with many (a Zipf-like share).
type Catalog struct {
	Tracks []planner.Candidate // no taste, no familiarity
	Genre  []uint16            // by track
	Index  *planner.Index
}

// NewCatalog makes a catalog of n tracks.
func NewCatalog(n int, seed uint64) *Catalog {
	random := rand.New(rand.NewPCG(seed, 100))
	type cloud struct{ center, spread [5]float64 }
	clouds := make([]cloud, Genres)
	for g := range clouds {
		for d := range 5 {
			clouds[g].center[d] = random.Float64()
			clouds[g].spread[d] = 0.05 + 0.15*random.Float64()
		}
		// Acousticness and instrumentalness are near one of their ends in real catalogs.
		for d := 3; d < 5; d++ {
			c := &clouds[g].center[d]
			*c = math.Round(*c)*0.8 + 0.2**c
		}
	}
	c := &Catalog{Tracks: make([]planner.Candidate, n), Genre: make([]uint16, n)}
	artists := max(n/10, 5)
	for i := range c.Tracks {
		g := random.IntN(Genres)
		var v [5]float64
		anywhere := random.Float64() < 0.2
		for d := range v {
			if anywhere {
				v[d] = random.Float64()
			} else {
				v[d] = math.Abs(clouds[g].center[d] + clouds[g].spread[d]*random.NormFloat64())
				if v[d] > 1 {
					v[d] = max(2-v[d], 0)
				}
			}
		}
		artist := int(float64(artists) * math.Pow(random.Float64(), 1.5))
		c.Genre[i] = uint16(g)
		c.Tracks[i] = planner.Candidate{
			ID:       fmt.Sprintf("t%07d", i),
			Artists:  []string{fmt.Sprintf("a%06d", artist)},
			Duration: math.Round(min(max(213*math.Exp(0.3*random.NormFloat64()), 60), 900)),
			Features: planner.Features{
				Energy: v[0], Valence: v[1], Tempo: 60 * math.Exp2(1.58*v[2]), Acousticness: v[3], Instrumentalness: v[4],
			},
			Confidence: 0.6 + 0.4*random.Float64(),
		}
	}
	c.Index = planner.NewIndex(n, func(i int) planner.Entry {
		return planner.Entry{Features: c.Tracks[i].Features, Genres: c.Genre[i : i+1]}
	})
	return c
}

// Instance is one of the forty.
type Instance struct {
	Name    string // such as "descent/taste/3"
	Shape   string // ascent, descent, steady or guided
	Taste   bool   // with the preferences of a listener
	catalog *Catalog
	problem planner.Problem
	genres  []uint16 // of the stages
	seed    uint64
}

// All makes the forty instances over a catalog, each an hour long: ascent, descent, steady and guided (three genres, 20 minutes
// each), without and with preferences, five of each.
func All(c *Catalog) []Instance {
	var all []Instance
	for _, shape := range []string{"ascent", "descent", "steady", "guided"} {
		for _, taste := range []bool{false, true} {
			for n := range 5 {
				all = append(all, newInstance(c, shape, taste, n))
			}
		}
	}
	return all
}

func newInstance(c *Catalog, shape string, taste bool, n int) Instance {
	in := Instance{Shape: shape, Taste: taste, catalog: c, seed: uint64(1000*len(shape) + 10*int(shape[0]) + n)}
	with := "plain"
	if taste {
		with = "taste"
	}
	in.Name = fmt.Sprintf("%s/%s/%d", shape, with, n)
	random := rand.New(rand.NewPCG(in.seed, 200))
	between := func(low, high float64) float64 { return low + (high-low)*random.Float64() }
	low := planner.Features{
		Energy: between(0.15, 0.35), Valence: between(0.2, 0.6), Tempo: between(65, 90), Acousticness: between(0.6, 0.9), Instrumentalness: between(0.1, 0.9),
	}
	high := planner.Features{
		Energy: between(0.75, 0.95), Valence: between(0.4, 0.8), Tempo: between(115, 150), Acousticness: between(0.05, 0.3), Instrumentalness: between(0.0, 0.3),
	}
	p := planner.Problem{Duration: 3600, Seed: in.seed, Arc: planner.Arc{Start: low, End: high, Curve: planner.CurveS}}
	switch shape {
	case "descent":
		p.Arc.Start, p.Arc.End = high, low
	case "steady":
		middle := planner.Arc{Start: low, End: high, Curve: planner.CurveLinear}.At(between(0.2, 0.8))
		p.Arc.Start, p.Arc.End = middle, middle
	case "guided":
		if n%2 == 1 {
			p.Arc.Start, p.Arc.End = high, low
		}
		for i, g := range random.Perm(Genres)[:3] {
			in.genres = append(in.genres, uint16(g))
			p.Stages = append(p.Stages, planner.Stage{Name: fmt.Sprintf("genre %d", g), End: 1200 * float64(i+1)})
		}
	}
	in.problem = p
	return in
}

// Problem is the instance over the candidates that the index finds along the arc, as many as are asked for.
func (in Instance) Problem(candidates int) planner.Problem {
	p := in.problem
	p.Shortlisted = true
	p.Candidates = in.prefer(in.Shortlist(candidates))
	return p
}

// Whole is the instance over every track that may play.
func (in Instance) Whole() planner.Problem {
	p := in.problem
	all := make([]int, len(in.catalog.Tracks))
	for i := range all {
		all[i] = i
	}
	p.Candidates = in.prefer(all)
	return p
}

// Shortlist is what the index finds along the arc: samples spread over the hour, or over each stage.
func (in Instance) Shortlist(limit int) []int {
	const samples = 24
	p := in.problem
	along := func(from, to float64, n int) []planner.Features {
		features := make([]planner.Features, n)
		for i := range features {
			features[i] = p.Arc.At((from + (to-from)*(float64(i)+0.5)/float64(n)) / p.Duration)
		}
		return features
	}
	if len(in.genres) == 0 {
		return in.catalog.Index.Along(along(0, p.Duration, samples), limit, planner.Filter{})
	}
	var found []int
	for i, g := range in.genres {
		from := p.Duration * float64(i) / float64(len(in.genres))
		features := along(from, p.Stages[i].End, samples/len(in.genres))
		found = append(found, in.catalog.Index.Along(features, limit/len(in.genres), planner.Filter{Genres: []uint16{g}})...)
	}
	return found
}

// prefer makes candidates of tracks, with the taste and familiarity of the instance's listener: a few genres and one artist in
// twenty liked, a few disliked, what is liked rather known.
func (in Instance) prefer(tracks []int) []planner.Candidate {
	candidates := make([]planner.Candidate, len(tracks))
	for i, t := range tracks {
		c := in.catalog.Tracks[t]
		genre := int(in.catalog.Genre[t])
		for s, g := range in.genres {
			if int(g) == genre {
				c.Stages |= planner.Stages(s)
			}
		}
		if in.Taste {
			byGenre := rand.New(rand.NewPCG(in.seed, uint64(300+genre))).Float64()
			var number uint64
			_, _ = fmt.Sscanf(c.Artists[0], "a%d", &number)
			byArtist := rand.New(rand.NewPCG(in.seed, 1000+number)).Float64()
			switch {
			case byArtist < 0.05:
				c.Taste, c.Familiarity = 0.9, 0.8
			case byArtist > 0.97:
				c.Taste, c.Familiarity = -0.9, 0.5
			case byGenre < 0.2:
				c.Taste, c.Familiarity = 0.5, 0.4
			case byGenre > 0.85:
				c.Taste = -0.5
			}
		}
		candidates[i] = c
	}
	return candidates
}
