package musictest

import (
	"slices"
	"strings"
	"unicode"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// wrong says why a track must not be an answer to q, as far as the contract decides it; "" where it may be one.
func wrong(q tunevector.CandidateQuery, track tunevector.Track) string {
	kind := q.Kind
	if kind == "" {
		kind = tunevector.Playlist
	}
	switch {
	case track.Kind != kind:
		return "it is of another kind"
	case slices.Contains(q.Exclude, track.ID):
		return "it is excluded"
	case q.ExcludeExplicit && track.Explicit:
		return "it is explicit"
	case q.MaxSeconds > 0 && track.DurationSeconds > q.MaxSeconds:
		return "it is too long"
	case len(q.Artists) > 0 && !slices.ContainsFunc(q.Artists, func(wanted string) bool {
		return slices.ContainsFunc(track.Artists, func(has string) bool { return same(wanted, has) })
	}):
		return "it is by another artist"
	case len(q.Genres) > 0 && !slices.ContainsFunc(q.Genres, func(wanted string) bool {
		// A provider may take a genre as narrower than another ("indie rock" is rock); no genre of Tracks is in another but "rock".
		return slices.ContainsFunc(track.Genres, func(has string) bool { return contains(has, wanted) })
	}):
		return "it is of another genre"
	}
	return ""
}

func same(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

// contains reports whether the words of part stand in genre.
func contains(genre, part string) bool {
	words := func(s string) string {
		return " " + strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
	}
	return strings.Contains(words(genre), words(part))
}
