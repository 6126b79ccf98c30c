package planner

import (
	"fmt"
	"math"
	"slices"
)

// referenceSeconds is the length of a typical track, in which lengths are counted so that costs read as "per track".
const referenceSeconds = 210

// unknownDistance2 is the squared distance that is expected of a track about which nothing is known: in each dimension, and so altogether.
const unknownDistance2 = 0.1

// ownRows is at how many moments the search computes what a candidate costs by itself; in between it interpolates. The
// cost that is reported is computed exactly.
const ownRows = 192

// instance is a Problem made ready to be searched: candidates in the order of their IDs, numbers for names, the arc sampled.
type instance struct {
	weights  Weights
	arc      compiledArc
	duration float64 // of the whole plan
	elapsed  float64 // where the prefix ends
	gap      int

	ids      []string
	points   []point
	seconds  []float64
	longest  float64 // of seconds
	briefest float64 // likewise
	conf     []point // confidence in each feature
	// A candidate's own cost at a moment is Σ scale·Δ² over the dimensions of point and target, plus fixed, which holds what does not depend on time.
	scale                 []point
	fixed, taste, novelty []float64 // the latter two are parts of the first, for reasons

	// What each candidate costs by itself at moments, row by row, interpolated by the search.
	owns    []float32
	ownRate float64 // rows per second

	words    int        // of a bit set over the candidates
	stages   []Stage    // one until the duration where the problem has none
	inStage  [][]uint64 // by stage: who may play
	guided   bool
	free     []uint64 // who is not pinned
	conflict []uint64 // rows of words: who may not stand near whom (shares an artist; itself)
	// afterPrefix[d] are the candidates that may not stand d positions after the last of the prefix (d from 1).
	afterPrefix [][]uint64
	jumps       []float32 // transition costs, row by row, rounded down; nil where there are too many candidates

	shortlisted   bool // not all candidates are looked at
	prefix        []Candidate
	prefixLongest float64
	pins          map[int]int32 // position after the prefix → candidate
	lastPin       int           // −1 without pins
}

// maxJumpTable is the number of candidates up to which the transitions are kept as a table (16 MiB).
const maxJumpTable = 2048

// none stands for "no track before".
const none = int32(-1)

func (p *Problem) validate() error {
	var bad InvalidError
	if !(p.Duration > 0 && p.Duration <= maxDuration) {
		bad.add("duration", fmt.Sprintf("must be above 0 and at most %d seconds", int(maxDuration)))
	}
	p.Arc.validate(&bad, "arc.")
	if p.ArtistGap < 0 || p.ArtistGap > maxArtistGap {
		bad.add("artistGap", fmt.Sprintf("must be between 0 and %d", maxArtistGap))
	}
	if !(p.Discovery >= -1 && p.Discovery <= 1) {
		bad.add("discovery", "must be between -1 and 1")
	}
	for _, w := range []struct {
		name  string
		value float64
	}{
		{"target", p.Weights.Target},
		{"transition", p.Weights.Transition},
		{"taste", p.Weights.Taste},
		{"novelty", p.Weights.Novelty},
		{"length", p.Weights.Length},
	} {
		if !(w.value >= 0 && w.value <= maxWeight) {
			bad.add("weights."+w.name, fmt.Sprintf("must be between 0 and %d", maxWeight))
		}
	}
	for _, e := range []struct {
		name       string
		value, max int
	}{
		{"candidates", p.Effort.Candidates, 1 << 16},
		{"beam", p.Effort.Beam, 1 << 14},
		{"moves", p.Effort.Moves, 1 << 30},
		{"boundPasses", p.Effort.BoundPasses, 1 << 10},
	} {
		if e.value < 0 || e.value > e.max {
			bad.add("effort."+e.name, fmt.Sprintf("must be between 0 and %d", e.max))
		}
	}
	p.validateStages(&bad)
	seen := make(map[string]int, len(p.Candidates))
	for i := range p.Candidates {
		c := &p.Candidates[i]
		validateCandidate(&bad, "candidates", i, c)
		if _, ok := seen[c.ID]; ok {
			bad.add(fmt.Sprintf("candidates[%d].id", i), "is another candidate's too")
		}
		seen[c.ID] = i
	}
	for i := range p.Prefix {
		validateCandidate(&bad, "prefix", i, &p.Prefix[i])
	}
	p.validatePins(&bad, seen)
	return bad.orNil()
}

// Limits against nonsense, wide enough for any use that was thought of.
const (
	maxDuration  = 7 * 24 * 3600.0
	maxArtistGap = 100
	maxWeight    = 1_000_000
)

func (p *Problem) validateStages(bad *InvalidError) {
	if len(p.Stages) > MaxStages {
		bad.add("stages", fmt.Sprintf("must be at most %d", MaxStages))
	}
	before := 0.0
	for i, s := range p.Stages {
		if !(s.End > before) {
			bad.add(fmt.Sprintf("stages[%d].end", i), "must be after the stage before")
		}
		before = s.End
	}
	if n := len(p.Stages); n > 0 && p.Stages[n-1].End != p.Duration {
		bad.add(fmt.Sprintf("stages[%d].end", n-1), "must be the duration")
	}
}

func validateCandidate(bad *InvalidError, list string, i int, c *Candidate) {
	wrong := func(name, message string) { bad.add(fmt.Sprintf("%s[%d].%s", list, i, name), message) }
	if c.ID == "" {
		wrong("id", "must not be empty")
	}
	if !(c.Duration > 0 && c.Duration <= maxDuration) {
		wrong("duration", fmt.Sprintf("must be above 0 and at most %d seconds", int(maxDuration)))
	}
	sure := c.sure()
	for d, v := range c.Features.dimensions() {
		confidence, field := [dimensions]float64{sure.e, sure.v, sure.t, sure.a, sure.i}[d], "confidence"
		if c.Confidences != nil {
			field = "confidences." + dimensionNames[d]
		}
		switch {
		case !(confidence >= 0 && confidence <= 1):
			wrong(field, "must be between 0 and 1")
		case confidence == 0, d == tempoDimension && v > 0 && v <= maxTempo, d != tempoDimension && v >= 0 && v <= 1:
		default:
			validateDimension(bad, fmt.Sprintf("%s[%d].features.%s", list, i, dimensionNames[d]), d, v)
		}
	}
	if !(c.Taste >= -1 && c.Taste <= 1) {
		wrong("taste", "must be between -1 and 1")
	}
	if !(c.Familiarity >= 0 && c.Familiarity <= 1) {
		wrong("familiarity", "must be between 0 and 1")
	}
}

func (p *Problem) validatePins(bad *InvalidError, candidates map[string]int) {
	at := make(map[string]int, len(p.Pinned))
	positions := make([]int, 0, len(p.Pinned))
	for position := range p.Pinned {
		positions = append(positions, position)
	}
	slices.Sort(positions)
	for _, position := range positions {
		id, field := p.Pinned[position], fmt.Sprintf("pinned[%d]", position)
		if position < 0 {
			bad.add(field, "must be at position 0 or later")
			continue
		}
		if position < len(p.Prefix) {
			continue // played already: what was pinned there no longer matters
		}
		if _, ok := candidates[id]; !ok {
			bad.add(field, "is not a candidate")
		}
		if slices.ContainsFunc(p.Prefix, func(c Candidate) bool { return c.ID == id }) {
			bad.add(field, "was played already")
		}
		if _, ok := at[id]; ok {
			bad.add(field, "is pinned twice")
		}
		at[id] = position
	}
}

// newInstance makes a valid problem ready. Effort must have its defaults.
func newInstance(p *Problem) *instance {
	in := &instance{
		weights: p.Weights, arc: p.Arc.compile(), duration: p.Duration, gap: p.ArtistGap,
		prefix: p.Prefix, guided: len(p.Stages) > 0, lastPin: -1,
	}
	if in.weights == (Weights{}) {
		in.weights = DefaultWeights
	}
	if in.gap == 0 {
		in.gap = DefaultArtistGap
	}
	played := make(map[string]bool, len(p.Prefix))
	for i := range p.Prefix {
		c := &p.Prefix[i]
		played[c.ID] = true
		in.elapsed += c.Duration
		in.prefixLongest = max(in.prefixLongest, c.Duration)
	}
	in.stages = p.Stages
	if !in.guided {
		in.stages = []Stage{{End: p.Duration}}
	}
	pinned := make(map[string]int, len(p.Pinned))
	for position, id := range p.Pinned {
		if position >= len(p.Prefix) {
			pinned[id] = position - len(p.Prefix)
		}
	}
	chosen, shortlisted := in.shortlist(p, played, pinned)
	in.shortlisted = shortlisted
	slices.SortFunc(chosen, func(a, b *Candidate) int { return compare(a.ID, b.ID) })
	in.fill(chosen, pinned, p.Discovery)
	return in
}

func (in *instance) fill(chosen []*Candidate, pinned map[string]int, discovery float64) {
	n := len(chosen)
	in.ids = make([]string, n)
	in.points = make([]point, n)
	in.conf, in.scale = make([]point, n), make([]point, n)
	numbers := make([]float64, 4*n)
	take := func() []float64 { s := numbers[:n:n]; numbers = numbers[n:]; return s }
	in.seconds, in.fixed, in.taste, in.novelty = take(), take(), take(), take()

	in.briefest = math.Inf(1)
	in.words = (n + 63) / 64
	sets := make([]uint64, in.words*(n+len(in.stages)+1))
	takeSet := func(rows int) []uint64 {
		s := sets[: rows*in.words : rows*in.words]
		sets = sets[rows*in.words:]
		return s
	}
	in.conflict = takeSet(n)
	in.free = takeSet(1)
	for range in.stages {
		in.inStage = append(in.inStage, takeSet(1))
	}
	for i, c := range chosen {
		in.ids[i] = c.ID
		in.seconds[i] = c.Duration
		in.longest = max(in.longest, c.Duration)
		in.briefest = min(in.briefest, c.Duration)
		in.conf[i] = c.sure()
		in.points[i] = candidatePoint(c)
		in.scale[i], in.taste[i], in.novelty[i], in.fixed[i] = in.ownCost(c, discovery)
		position, isPinned := pinned[c.ID]
		if isPinned {
			if in.pins == nil {
				in.pins = make(map[int]int32, len(pinned))
			}
			in.pins[position] = int32(i)
			in.lastPin = max(in.lastPin, position)
		} else {
			set(in.free, i)
		}
		for s := range in.inStage {
			if isPinned || !in.guided || c.Stages.Has(s) {
				set(in.inStage[s], i)
			}
		}
	}
	in.spaceArtists(chosen)
	in.tabulateJumps()
	in.tabulateOwn()
}

// candidatePoint is where a candidate is; features in which there is no confidence are put somewhere, where they do not count.
func candidatePoint(c *Candidate) point {
	sure, f := c.sure(), c.Features
	for _, x := range [...]struct {
		sure  float64
		value *float64
		usual float64
	}{{sure.e, &f.Energy, 0.5}, {sure.v, &f.Valence, 0.5}, {sure.t, &f.Tempo, 120}, {sure.a, &f.Acousticness, 0.5}, {sure.i, &f.Instrumentalness, 0.5}} {
		if x.sure == 0 {
			*x.value = x.usual
		}
	}
	return f.point()
}

// sure is the confidence in each of a candidate's features.
func (c *Candidate) sure() point {
	if s := c.Confidences; s != nil {
		return point{s.Energy, s.Valence, s.Tempo, s.Acousticness, s.Instrumentalness}
	}
	return point{c.Confidence, c.Confidence, c.Confidence, c.Confidence, c.Confidence}
}

// ownCost splits what a candidate costs wherever it stands: the factors of the squared differences and the parts that are fixed.
func (in *instance) ownCost(c *Candidate, discovery float64) (scale point, taste, novelty, fixed float64) {
	m := c.Duration / referenceSeconds
	known := c.sure().times(evenly)
	scale = known.by(m * in.weights.Target)
	taste = m * in.weights.Taste * (1 - c.Taste) / 2
	novelty = m * in.weights.Novelty * (max(discovery, 0)*c.Familiarity + max(-discovery, 0)*(1-c.Familiarity))
	fixed = m*in.weights.Target*(1-known.sum())*unknownDistance2 + taste + novelty
	return scale, taste, novelty, fixed
}

// spaceArtists notes who may not stand near whom. Two pinned tracks, or a pinned and a played one, may: the listener wanted it so.
func (in *instance) spaceArtists(chosen []*Candidate) {
	by := make(map[string][]int32)
	for i, c := range chosen {
		for _, a := range c.Artists {
			by[a] = append(by[a], int32(i))
		}
	}
	for i, c := range chosen {
		row := in.conflicts(int32(i))
		set(row, i)
		for _, a := range c.Artists {
			for _, j := range by[a] {
				if has(in.free, i) || has(in.free, int(j)) {
					set(row, int(j))
				}
			}
		}
	}
	in.afterPrefix = make([][]uint64, maxArtistGap)
	for back := range min(len(in.prefix), maxArtistGap) {
		row := make([]uint64, in.words)
		for _, a := range in.prefix[len(in.prefix)-1-back].Artists {
			for _, j := range by[a] {
				if has(in.free, int(j)) {
					set(row, int(j))
				}
			}
		}
		in.afterPrefix[back] = row
	}
}

func (in *instance) tabulateJumps() {
	n := len(in.ids)
	if n > maxJumpTable {
		return
	}
	in.jumps = make([]float32, n*n)
	for i := range n {
		for j := range i {
			cost := float32(in.jumpExact(int32(i), int32(j)) * (1 - 1e-7))
			in.jumps[i*n+j], in.jumps[j*n+i] = cost, cost
		}
	}
}

// conflicts is the set of candidates that may not stand within the artist gap of k; k itself is one.
func (in *instance) conflicts(k int32) []uint64 {
	return in.conflict[int(k)*in.words : (int(k)+1)*in.words]
}

func (in *instance) conflicting(j, k int32) bool { return has(in.conflicts(j), int(k)) }

// stageAt is the stage at the moment t.
func (in *instance) stageAt(t float64) int { return StageAt(in.stages, t, 0) }

// suits reports whether track k may start at t by its stage.
func (in *instance) suits(k int32, t float64) bool {
	return has(in.inStage[StageAt(in.stages, t, in.seconds[k])], int(k))
}

// keepSuiting takes out of a set the candidates that may not start at t by their stage.
func (in *instance) keepSuiting(candidates []uint64, t float64) {
	first, last := StageAt(in.stages, t, in.briefest), StageAt(in.stages, t, in.longest)
	if first == last {
		stage := in.inStage[first]
		for w := range candidates {
			candidates[w] &= stage[w]
		}
		return
	}
	each(candidates, func(k int32) {
		if !in.suits(k, t) {
			unset(candidates, int(k))
		}
	})
}

// target is the arc at t seconds.
func (in *instance) target(t float64) point { return in.arc.at(t / in.duration) }

// own is what track k costs by itself when it starts at t, from the table.
func (in *instance) own(k int32, t float64) float64 {
	row, share := in.ownRow(t)
	i := row*len(in.ids) + int(k)
	low, high := float64(in.owns[i]), float64(in.owns[i+len(in.ids)])
	return low + share*(high-low)
}

// ownRow is the row of the table before t, and how far t is towards the next.
func (in *instance) ownRow(t float64) (row int, share float64) {
	at := (t - in.elapsed) * in.ownRate
	row = min(int(at), ownRows-1)
	return row, at - float64(row)
}

func (in *instance) tabulateOwn() {
	n, remaining := len(in.ids), in.duration-in.elapsed
	if remaining <= 0 {
		return
	}
	in.ownRate = ownRows / remaining
	// A finer grid of the arc, as tracks of different lengths have their middles at different times.
	const fine = 8 * ownRows
	var targets [fine + 1]point
	for i := range targets {
		targets[i] = in.target(in.elapsed + remaining*float64(i)/fine)
	}
	in.owns = make([]float32, (ownRows+1)*n)
	for k := range n {
		p, half := in.points[k], in.seconds[k]/2*in.ownRate*8
		for row := range ownRows + 1 {
			target := &targets[min(8*row+int(half+0.5), fine)]
			in.owns[row*n+k] = float32(in.scale[k].of(&p, target) + in.fixed[k])
		}
	}
}

// jump is the cost of the transition from j (or, for none, the end of the prefix) to k.
func (in *instance) jump(j, k int32) float64 {
	if j != none && in.jumps != nil {
		return float64(in.jumps[int(k)*len(in.ids)+int(j)])
	}
	return in.jumpExact(j, k)
}

func (in *instance) jumpExact(j, k int32) float64 {
	if j != none {
		return in.transition(&in.points[j], &in.conf[j], k)
	}
	if len(in.prefix) == 0 {
		return 0
	}
	last := &in.prefix[len(in.prefix)-1]
	from, conf := candidatePoint(last), last.sure()
	return in.transition(&from, &conf, k)
}

func (in *instance) transition(from, conf *point, k int32) float64 {
	known := conf.times(in.conf[k]).times(evenly)
	return in.weights.Transition * (known.of(from, &in.points[k]) + (1-known.sum())*unknownDistance2)
}

// lengthCost is what it costs to end at t.
func (in *instance) lengthCost(t float64) float64 {
	return in.weights.Length * math.Abs(t-in.duration) / referenceSeconds
}

// mayEnd reports whether a plan whose longest track is longest, in seconds, may end at t.
func (in *instance) mayEnd(t, longest float64) bool {
	return math.Abs(t-in.duration) <= longest/2 || len(in.prefix) > 0 && in.elapsed >= in.duration
}

func set(bits []uint64, i int)      { bits[i>>6] |= 1 << (i & 63) }
func unset(bits []uint64, i int)    { bits[i>>6] &^= 1 << (i & 63) }
func has(bits []uint64, i int) bool { return bits[i>>6]>>(i&63)&1 == 1 }
