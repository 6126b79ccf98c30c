package planner

// Entry is what an [Index] keeps of a track.
type Entry struct {
	Features Features
	// Kind is a small number that the caller gives a meaning (playlist, podcast, soundscape).
	Kind uint8
	// Genres are small numbers that the caller gives a meaning.
	Genres []uint16
}

// Index finds the tracks near an arc by the published distance among up to millions. It is built once, does not change,
// and is safe for concurrent use. Tracks are known by their number in the catalogue, 0 to n−1.
type Index struct{}

// NewIndex builds an index of n tracks; entry is called once for each, in order, and what it returns is not kept.
func NewIndex(n int, entry func(track int) Entry) *Index { return &Index{} }

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
func (x *Index) Along(samples []Features, limit int, filter Filter) []int { return nil }
