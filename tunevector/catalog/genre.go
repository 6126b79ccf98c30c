package catalog

import (
	"strings"
	"unicode"
)

// genreForm brings a genre to the form in which genres are compared: its words in lower case between single
// spaces, with one at each end, so that "rock" is contained in "indie rock" and not in "rockabilly". Everything but
// letters and digits parts words, and "&", "and" and "'n'" are one word: "Hip-Hop" is "hip hop", and "R&B" is "r n b".
func genreForm(genre string) string {
	var b strings.Builder
	b.Grow(len(genre) + 2)
	word := func(w string) {
		if w == "and" {
			w = "n"
		}
		b.WriteByte(' ')
		b.WriteString(w)
	}
	lower := strings.ToLower(genre)
	start := -1
	for i, r := range lower {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			word(lower[start:i])
			start = -1
		}
		if r == '&' {
			word("n")
		}
	}
	if start >= 0 {
		word(lower[start:])
	}
	if b.Len() == 0 {
		return ""
	}
	b.WriteByte(' ')
	return b.String()
}

// formMatches reports whether a genre (in its form) is one of those that a wanted one (in its form) names: the wanted
// words stand in it, next to each other, or both are the same but for spaces ("hiphop" and "hip-hop").
func formMatches(wanted, genre string) bool {
	return wanted != "" && (strings.Contains(genre, wanted) || squash(genre) == squash(wanted))
}

func squash(form string) string { return strings.ReplaceAll(form, " ", "") }

// MatchesGenre reports whether a track of a genre is music of the wanted genre, as Candidates understands it: without regard
// to case and punctuation, where the wanted words stand next to each other in the genre. So "rock" is found in
// "Indie Rock" and "post-rock" but not in "rockabilly", "hip hop" in "hip-hop", and "indie rock" not in "rock".
func MatchesGenre(wanted, genre string) bool { return formMatches(genreForm(wanted), genreForm(genre)) }
