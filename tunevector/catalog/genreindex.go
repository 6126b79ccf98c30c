package catalog

import (
	"slices"
	"strings"
)

// genreIndex finds genres by what a listener calls them. It gives the planner's index two kinds of terms for a track: its genres, and the
// single words in them. So "rock", which may stand in hundreds of genres, is one term.
type genreIndex struct {
	forms []string          // of each genre, see genreForm
	words map[string]uint32 // the term of each word
	// The terms of each list of genres: flat[starts[list]:starts[list+1]]. Genres are terms 0 to len(forms)−1.
	flat   []uint16
	starts []uint32
}

func newGenreIndex(genres *lists) genreIndex {
	x := genreIndex{forms: make([]string, len(genres.names)), words: map[string]uint32{}, starts: make([]uint32, 1, genres.len()+1)}
	wordsOf := make([][]uint32, len(genres.names))
	for g, name := range genres.names {
		x.forms[g] = genreForm(name)
		for _, word := range strings.Fields(x.forms[g]) {
			term, ok := x.words[word]
			if !ok {
				term = uint32(len(genres.names) + len(x.words))
				x.words[word] = term
			}
			wordsOf[g] = append(wordsOf[g], term)
		}
	}
	for list := range genres.len() {
		from := len(x.flat)
		add := func(term uint32) {
			if term < maxTerms && !slices.Contains(x.flat[from:], uint16(term)) {
				x.flat = append(x.flat, uint16(term))
			}
		}
		for _, g := range genres.of(uint32(list)) {
			if strings.Count(x.forms[g], " ") != 2 { // of one word, the word does
				add(g)
			}
			for _, term := range wordsOf[g] {
				add(term)
			}
		}
		x.starts = append(x.starts, uint32(len(x.flat)))
	}
	x.flat = exact(x.flat)
	return x
}

// of returns the terms of a list of genres.
func (x *genreIndex) of(list uint32) []uint16 { return x.flat[x.starts[list]:x.starts[list+1]] }

// wanted marks the lists with a genre that is meant by one of names, and returns the terms that mean the same to the index, or nil
// where it does not know them all. Both are nil where no genre is meant.
func (c *Catalog) wanted(names []string) (lists []bool, terms []uint16) {
	x := &c.terms
	meant := make([]bool, len(x.forms))
	whole := true // the index knows all terms
	term := func(t uint32) {
		if t >= maxTerms {
			whole = false
		} else if !slices.Contains(terms, uint16(t)) {
			terms = append(terms, uint16(t))
		}
	}
	found := false
	for _, name := range names {
		form := genreForm(name)
		word, isWord := x.words[strings.TrimSpace(form)]
		if isWord {
			term(word)
		}
		for g, known := range x.forms {
			if !formMatches(form, known) {
				continue
			}
			meant[g], found = true, true
			if isWord && strings.Contains(known, form) {
				continue // the word's term stands for it
			}
			term(uint32(g))
			if single := strings.TrimSpace(known); !strings.Contains(single, " ") {
				term(x.words[single])
			}
		}
	}
	if !found {
		return nil, nil
	}
	lists = make([]bool, c.genres.len())
	for list := range lists {
		lists[list] = slices.ContainsFunc(c.genres.of(uint32(list)), func(g uint32) bool { return meant[g] })
	}
	if !whole {
		terms = nil
	}
	return lists, terms
}

// listGenres prepares Genres.
func (c *Catalog) listGenres() {
	var seen [kinds][]bool // by list of genres
	for k := range seen {
		seen[k] = make([]bool, c.genres.len())
	}
	c.genreCount = make([]uint32, c.genres.len())
	for n, list := range c.genre {
		c.genreCount[list]++
		seen[c.flags[n]&kindMask][list] = true
	}
	for k := range seen {
		has := make([]bool, len(c.genres.names))
		for list, ok := range seen[k] {
			if ok {
				for _, g := range c.genres.of(uint32(list)) {
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
