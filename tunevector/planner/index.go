package planner

import (
	"iter"
	"math"
	"slices"
	"sort"
)

// Entry is what an [Index] keeps of a track.
type Entry struct {
	Features Features
	// Kind is a small number that the caller gives a meaning (playlist, podcast, soundscape).
	Kind uint8
	// Genres are small numbers that the caller gives a meaning.
	Genres []uint16
}

// Index finds the tracks near an arc by the published distance among up to millions. It is built once, does not change,
// and is safe for concurrent use. Tracks are known by their number in the catalog, 0 to n−1.
//
// It is a k-d tree for each kind (Bentley 1975), with the tempo in log2 and half and double time counted in the distance to a box as
// in [Distance], so what it finds is exact. A subtree is a range of places, and so is what of a genre lies in it. It takes about
// 30 bytes a track, and 4 to 6 for each of its genres.
type Index struct {
	at     []coords // by place in the tree
	tracks []int32  // by place
	nodes  []node
	kinds  []uint8
	roots  []int32            // by the order of kinds
	genres map[uint16][]int32 // places, ascending
}

// coords are energy, valence, tempo in log2, acousticness, instrumentalness.
type coords [dimensions]float32

// node is a range of places and the box around them. The first child follows its parent, second is the other; 0 in a leaf.
type node struct {
	low, high coords
	from, to  int32
	second    int32
}

// leafSize is how many tracks a leaf holds at most.
const leafSize = 24

var dimensionWeights = [dimensions]float64{weightEnergy, weightValence, weightTempo, weightAcousticness, weightInstrumentalness}

// NewIndex builds an index of n tracks; entry is called once for each, in order, and what it returns is not kept. A track
// whose tempo is not known should be given a likely one: what is not a number or not above 0 is taken as 120 BPM, and other
// features that are not numbers as 0.5.
func NewIndex(n int, entry func(track int) Entry) *Index {
	x := &Index{at: make([]coords, n), tracks: make([]int32, n), genres: make(map[uint16][]int32)}
	where := make([]coords, n) // by track
	kind := make([]uint8, n)
	genreOf := make([][2]int32, n)
	var genres []uint16
	for i := range n {
		e := entry(i)
		where[i], kind[i] = placeOf(e.Features), e.Kind
		genreOf[i][0] = int32(len(genres))
		genres = append(genres, e.Genres...)
		genreOf[i][1] = int32(len(genres))
		x.tracks[i] = int32(i)
	}
	slices.SortStableFunc(x.tracks, func(a, b int32) int { return compare(kind[a], kind[b]) })
	for from := 0; from < n; {
		to := from + 1
		for to < n && kind[x.tracks[to]] == kind[x.tracks[from]] {
			to++
		}
		x.kinds = append(x.kinds, kind[x.tracks[from]])
		x.roots = append(x.roots, x.split(where, from, to))
		from = to
	}
	for place, track := range x.tracks {
		x.at[place] = where[track]
		own := genres[genreOf[track][0]:genreOf[track][1]]
		for i, g := range own {
			if !slices.Contains(own[:i], g) {
				x.genres[g] = append(x.genres[g], int32(place))
			}
		}
	}
	for g, places := range x.genres {
		x.genres[g] = slices.Clip(places)
	}
	x.nodes = slices.Clip(x.nodes)
	return x
}

// Len is the number of tracks.
func (x *Index) Len() int { return len(x.tracks) }

// With yields the tracks that have one of the genres, in no particular order, some maybe more than once.
func (x *Index) With(genres []uint16) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, g := range genres {
			for _, place := range x.genres[g] {
				if !yield(int(x.tracks[place])) {
					return
				}
			}
		}
	}
}

func placeOf(f Features) coords {
	if !(f.Tempo > 0) || math.IsInf(f.Tempo, 0) {
		f.Tempo = 120
	}
	c := logged(f.dimensions())
	var at coords
	for d, v := range c {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = 0.5
		}
		at[d] = float32(v)
	}
	return at
}

// split builds the subtree over the places from–to and returns its node.
func (x *Index) split(where []coords, from, to int) int32 {
	self := int32(len(x.nodes))
	n := node{low: where[x.tracks[from]], high: where[x.tracks[from]], from: int32(from), to: int32(to)}
	for _, track := range x.tracks[from:to] {
		for d, v := range where[track] {
			n.low[d], n.high[d] = min(n.low[d], v), max(n.high[d], v)
		}
	}
	x.nodes = append(x.nodes, n)
	if to-from <= leafSize {
		return self
	}
	widest, width := 0, -1.0
	for d := range n.low {
		if w := dimensionWeights[d] * square(float64(n.high[d]-n.low[d])); w > width {
			widest, width = d, w
		}
	}
	middle := (from + to) / 2
	halve(x.tracks[from:to], middle-from, func(a, b int32) bool {
		if va, vb := where[a][widest], where[b][widest]; va != vb {
			return va < vb
		}
		return a < b
	})
	x.split(where, from, middle)
	second := x.split(where, middle, to)
	x.nodes[self].second = second
	return self
}

func square(v float64) float64 { return v * v }

// halve reorders a list so that the n first come before the others (quickselect).
func halve[T any](list []T, n int, less func(a, b T) bool) {
	lo, hi := 0, len(list)-1
	for lo < hi {
		pivot := list[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for less(list[i], pivot) {
				i++
			}
			for less(pivot, list[j]) {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return
		}
	}
}

// Filter says which tracks of an [Index] may be found.
type Filter struct {
	// Kind that a track must have; nil for any.
	Kind *uint8
	// Genres of which a track must have one; empty for any.
	Genres []uint16
	// Skip leaves out a track; nil for none. It is asked often and must be fast.
	Skip func(track int) bool
	// Jitter is 0–1: how far the seeded choice may go beyond the nearest, for variety. 0 gives the nearest, 1 chooses among about twice as many.
	Jitter float64
	Seed   uint64
}

// Along returns up to limit tracks near the samples of an arc, without repeats: for each sample its nearest in turn, until
// the limit is reached or no more pass the filter. The result is sorted by track number.
func (x *Index) Along(samples []Features, limit int, filter Filter) []int {
	limit = min(limit, len(x.tracks))
	if limit <= 0 || len(samples) == 0 {
		return nil
	}
	points := make([]coords, 0, len(samples))
	for _, f := range samples {
		if p := placeOf(f); !slices.Contains(points, p) {
			points = append(points, p)
		}
	}
	s := search{x: x, filter: &filter}
	for _, g := range filter.Genres {
		s.genres = append(s.genres, x.genres[g])
	}
	jitter := min(max(filter.Jitter, 0), 1) // NaN is no jitter
	if math.IsNaN(jitter) {
		jitter = 0
	}
	lists := make([][]near, len(points))
	for depth := min(limit, 8+2*limit/len(points)); ; depth = min(limit, 2*depth) {
		deeper := false
		for i, p := range points {
			want := int(math.Ceil(float64(depth) * (1 + jitter)))
			if lists[i] != nil && len(lists[i]) < cap(lists[i]) {
				continue // there are no more
			}
			lists[i] = s.nearest(p, want, lists[i])
			deeper = deeper || len(lists[i]) == want && depth < limit
		}
		picked := s.inTurn(lists, depth, limit, jitter)
		if len(picked) == limit || !deeper {
			slices.Sort(picked)
			return picked
		}
	}
}

// near is a place and its squared distance.
type near struct {
	distance float64
	place    int32
}

func (a near) compare(b near) int {
	if a.distance != b.distance {
		return compare(a.distance, b.distance)
	}
	return compare(a.place, b.place)
}

// search finds the nearest of one point after the other.
type search struct {
	x      *Index
	filter *Filter
	genres [][]int32
	point  coords
	heap   []near // the farthest at the root
	want   int
}

// nearest are the want nearest places of a point, nearest first; cap is want, so a shorter list is all there is.
func (s *search) nearest(p coords, want int, reuse []near) []near {
	s.point, s.want = p, want
	s.heap = reuse[:0]
	if cap(s.heap) != want {
		s.heap = make([]near, 0, want)
	}
	for i, root := range s.x.roots {
		if s.filter.Kind == nil || *s.filter.Kind == s.x.kinds[i] {
			s.visit(root, s.x.nodes[root].distance2(&s.point))
		}
	}
	slices.SortFunc(s.heap, near.compare)
	return s.heap
}

func (s *search) visit(at int32, distance float64) {
	if len(s.heap) == s.want && distance > s.heap[0].distance {
		return
	}
	n := &s.x.nodes[at]
	if len(s.genres) > 0 && !s.any(n.from, n.to) {
		return
	}
	if n.second == 0 {
		s.look(n)
		return
	}
	first, second := at+1, n.second
	d1, d2 := s.x.nodes[first].distance2(&s.point), s.x.nodes[second].distance2(&s.point)
	if d2 < d1 {
		first, second, d1, d2 = second, first, d2, d1
	}
	s.visit(first, d1)
	s.visit(second, d2)
}

// any reports whether a track of the genres is among the places.
func (s *search) any(from, to int32) bool {
	for _, places := range s.genres {
		if i, _ := slices.BinarySearch(places, from); i < len(places) && places[i] < to {
			return true
		}
	}
	return false
}

func (s *search) look(n *node) {
	if len(s.genres) == 0 {
		for place := n.from; place < n.to; place++ {
			s.consider(place)
		}
		return
	}
	for g, places := range s.genres {
		i, _ := slices.BinarySearch(places, n.from)
		for ; i < len(places) && places[i] < n.to; i++ {
			if !s.inEarlier(g, places[i]) {
				s.consider(places[i])
			}
		}
	}
}

// inEarlier reports whether a place was seen with an earlier genre.
func (s *search) inEarlier(g int, place int32) bool {
	for _, places := range s.genres[:g] {
		if _, ok := slices.BinarySearch(places, place); ok {
			return true
		}
	}
	return false
}

func (s *search) consider(place int32) {
	c := near{s.x.at[place].distance2(&s.point), place}
	full := len(s.heap) == s.want
	if full && c.compare(s.heap[0]) >= 0 {
		return
	}
	if s.filter.Skip != nil && s.filter.Skip(int(s.x.tracks[place])) {
		return
	}
	if !full {
		s.heap = append(s.heap, c)
		for i := len(s.heap) - 1; i > 0 && s.heap[i].compare(s.heap[(i-1)/2]) > 0; i = (i - 1) / 2 {
			s.heap[i], s.heap[(i-1)/2] = s.heap[(i-1)/2], s.heap[i]
		}
		return
	}
	s.heap[0] = c
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(s.heap) {
			return
		}
		if child+1 < len(s.heap) && s.heap[child+1].compare(s.heap[child]) > 0 {
			child++
		}
		if s.heap[child].compare(s.heap[i]) <= 0 {
			return
		}
		s.heap[i], s.heap[child] = s.heap[child], s.heap[i]
		i = child
	}
}

// inTurn takes the nearest of each list in turn, at most depth of each.
func (s *search) inTurn(lists [][]near, depth, limit int, jitter float64) []int {
	if jitter > 0 {
		shaken := make([][]near, len(lists))
		for i, list := range lists {
			shaken[i] = s.shake(list, jitter)
		}
		lists = shaken
	}
	picked := make([]int, 0, limit)
	taken := make(map[int32]struct{}, limit)
	for rank := range depth {
		for _, list := range lists {
			if rank >= len(list) || len(picked) == limit {
				continue
			}
			if _, ok := taken[list[rank].place]; !ok {
				taken[list[rank].place] = struct{}{}
				picked = append(picked, int(s.x.tracks[list[rank].place]))
			}
		}
	}
	return picked
}

// shake orders a list anew as if each distance were up to 1+jitter times as long; the same track the same way for a seed.
func (s *search) shake(list []near, jitter float64) []near {
	shaken := slices.Clone(list)
	for i := range shaken {
		random := float64(scramble(s.filter.Seed^scramble(uint64(s.x.tracks[shaken[i].place])))>>11) / (1 << 53)
		shaken[i].distance *= square(1 + jitter*random)
	}
	sort.Slice(shaken, func(i, j int) bool { return shaken[i].compare(shaken[j]) < 0 })
	return shaken
}

// distance2 to a point, as in Distance.
func (c *coords) distance2(p *coords) float64 {
	de, dv := float64(c[0]-p[0]), float64(c[1]-p[1])
	da, di := float64(c[3]-p[3]), float64(c[4]-p[4])
	dt := tempoDelta(float64(c[2] - p[2]))
	return weightEnergy*de*de + weightValence*dv*dv + weightTempo*dt*dt + weightAcousticness*da*da + weightInstrumentalness*di*di
}

// distance2 is the least squared distance of the box to a point.
func (n *node) distance2(p *coords) float64 {
	de, dv := outside(n.low[0], n.high[0], p[0]), outside(n.low[1], n.high[1], p[1])
	da, di := outside(n.low[3], n.high[3], p[3]), outside(n.low[4], n.high[4], p[4])
	dt := tempoDeltaBetween(float64(n.low[2]-p[2]), float64(n.high[2]-p[2]))
	return weightEnergy*de*de + weightValence*dv*dv + weightTempo*dt*dt + weightAcousticness*da*da + weightInstrumentalness*di*di
}

// outside is how far v is from a range.
func outside(low, high, v float32) float64 {
	return float64(max(low-v, v-high, 0))
}

// tempoDeltaBetween is the least tempoDelta over the octaves from low to high.
func tempoDeltaBetween(low, high float64) float64 {
	if low <= 0 && high >= 0 {
		return 0
	}
	d := min(tempoDelta(low), tempoDelta(high))
	if low <= 1 && high >= 1 || low <= -1 && high >= -1 {
		d = min(d, octavePenalty)
	}
	return d
}
