package ml

import (
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/topk"
)

// Filter says which tracks a list may have. The zero Filter lets everything through. Names of tags and artists are those of [Item], without regard to case; where nothing is known of
// the tracks ([Options.Describe]), none has any.
type Filter struct {
	Tags         []string // only tracks with one of these, such as genres; empty: all
	AvoidTags    []string // none with one of these
	AvoidArtists []string // nor by one of these
	Exclude      []string // nor those with these ids
}

// through is a Filter over a model's columns.
type through struct {
	topk.Filter
	only []int32 // the columns that are let through by tags, ascending; nil: all
}

// through returns what a filter lets through, without the columns in leave, which are ascending.
func (s *served) through(f Filter, leave []int32) through {
	var t through
	t.Excluded = leave
	if len(f.Exclude) > 0 {
		t.Excluded = slices.Clone(leave)
		for _, id := range f.Exclude {
			if c, known := s.columns[id]; known {
				t.Excluded = append(t.Excluded, c)
			}
		}
		slices.Sort(t.Excluded)
	}
	if len(f.Tags) > 0 {
		t.Allow, t.only = s.with(theTag, f.Tags), []int32{}
		for _, name := range f.Tags {
			t.only = append(t.only, s.labeled[label(theTag, name)]...)
		}
		slices.Sort(t.only)
		t.only = slices.Compact(t.only)
	}
	if len(f.AvoidTags)+len(f.AvoidArtists) > 0 {
		t.Deny = s.with(theTag, f.AvoidTags)
		for w, word := range s.with(theArtist, f.AvoidArtists) {
			t.Deny[w] |= word
		}
	}
	return t
}

// label is how an artist or a tag is looked up.
func label(kind, name string) string { return kind + strings.ToLower(name) }

// with returns the items that have one of some artists or tags.
func (s *served) with(kind string, names []string) topk.Bitset {
	set := topk.NewBitset(len(s.columns))
	for _, name := range names {
		for _, c := range s.labeled[label(kind, name)] {
			set.Add(int(c))
		}
	}
	return set
}

// lets reports whether a column is let through.
func (t *through) lets(c int32) bool {
	if t.Allow != nil && !t.Allow.Has(int(c)) || t.Deny.Has(int(c)) {
		return false
	}
	_, excluded := slices.BinarySearch(t.Excluded, c)
	return !excluded
}

// top returns the n best of the scores that are let through.
func (t *through) top(scores []float32, n int) []Scored {
	leave := t.Excluded
	if t.Allow != nil || t.Deny != nil {
		leave = nil
		for c := range int32(len(scores)) {
			if !t.lets(c) {
				leave = append(leave, c)
			}
		}
	}
	return Top(nil, scores, leave, n)
}
