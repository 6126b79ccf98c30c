package catalog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

func TestMatchesGenre(t *testing.T) {
	for _, c := range []struct {
		wanted, genre string
		want          bool
	}{
		{"rock", "rock", true},
		{" ROCK ", "Indie Rock", true},
		{"rock", "post-rock", true},
		{"rock", "rock-and-roll", true},
		{"rock", "rockabilly", false},
		{"indie rock", "rock", false},
		{"indie rock", "modern indie rock", true},
		{"rock indie", "indie rock", false},
		{"hip hop", "hip-hop", true},
		{"hiphop", "hip-hop", true},
		{"Hip-Hop", "hiphop", true},
		{"hiphop", "alternative hip hop", false},
		{"r&b", "r&b", true},
		{"rnb", "R&B", true},
		{"r&b", "contemporary r&b", true},
		{"r and b", "r&b", true},
		{"rock 'n' roll", "Rock & Roll", true},
		{"drum and bass", "drum&bass", true},
		{"deep house", "deep-house", true},
		{"chanson française", "Chanson Française", true},
		{"演歌", "演歌", true},
		{"m\u00fasica", "mu\u0301sica", false}, // other characters; a combining one does not part words
		{"mu\u0301sica", "mu\u0301sica popular", true},
		{"", "rock", false},
		{"?", "rock", false},
		{"?", "?", false},
	} {
		require.Equal(t, c.want, MatchesGenre(c.wanted, c.genre), "%q in %q", c.wanted, c.genre)
	}
}

// What Candidates finds by genre is what MatchesGenre says, with and without an arc, and for few and many genres alike.
func TestCandidatesAgreeWithMatchesGenre(t *testing.T) {
	tracks := everything(Demo())
	for i := range tracks { // other genres, so that there are common and rare ones, nested and alike
		tracks[i].Kind = tunevector.Playlist
		tracks[i].Artists = nil
		switch {
		case i%700 == 0:
			tracks[i].Genres = append(tracks[i].Genres, "hiphop", "Rare Groove")
		case i%3 == 0:
			tracks[i].Genres = append(tracks[i].Genres, "art rock", "common")
		}
	}
	c, err := New(append(tracks, more(tracks, "x")...))
	require.NoError(t, err)
	arc := []tunevector.Features{{Energy: 0.8, Valence: 0.5, Tempo: 120}, {Energy: 0.2, Valence: 0.5, Tempo: 80}}
	for _, wanted := range [][]string{{"rock"}, {"Art Rock"}, {"hip hop"}, {"hiphop"}, {"groove"}, {"common"}, {"n"}, {"rare groove", "drum & bass"}, {"common", "jazz", "house"}, {"nonesuch"}, {"rock common"}} {
		matching := 0
		for _, track := range everything(c) {
			if matchesAny(wanted, track.Genres) {
				matching++
			}
		}
		for _, q := range []tunevector.CandidateQuery{{Limit: maxLimit}, {Limit: 50}, {Limit: maxLimit, Along: arc}, {Limit: 50, Along: arc}} {
			q.Genres = wanted
			found, err := c.Candidates(context.Background(), q)
			require.NoError(t, err)
			require.Len(t, found, min(matching, q.Limit), "%v", wanted)
			for _, track := range found {
				require.True(t, matchesAny(wanted, track.Genres), "%v in %v", wanted, track.Genres)
			}
		}
	}
}

func more(tracks []tunevector.Track, suffix string) []tunevector.Track {
	out := make([]tunevector.Track, len(tracks))
	for i, track := range tracks {
		track.ID += suffix
		out[i] = track
	}
	return out
}

func matchesAny(wanted, genres []string) bool {
	for _, w := range wanted {
		for _, g := range genres {
			if MatchesGenre(w, g) {
				return true
			}
		}
	}
	return false
}

// More genres and words than the index can tell apart are found all the same.
func TestMoreGenresThanTheIndexKnows(t *testing.T) {
	const n = 40_000 // genres, and a word more for each
	var file strings.Builder
	file.WriteString("id,duration,genres\n")
	for i := range n {
		fmt.Fprintf(&file, "%d,100,common g%d\n", i, i)
	}
	c, _, err := Load(context.Background(), strings.NewReader(file.String()), nil)
	require.NoError(t, err)
	arc := []tunevector.Features{{Tempo: 120}}
	for wanted, want := range map[string]int{"g3": 1, "g35000": 1, "common g35000": 1, "common": 100, "g": 0, "commong38000": 1} {
		found, err := c.Candidates(context.Background(), tunevector.CandidateQuery{Genres: []string{wanted}, Limit: 100, Along: arc})
		require.NoError(t, err)
		require.Len(t, found, want, wanted)
	}
	// Rare ones are looked at alone; that the index leaves them out is only seen where there are many.
	f, ok := c.filter(tunevector.CandidateQuery{Kind: tunevector.Playlist, Genres: []string{"g35000"}})
	require.True(t, ok)
	require.Nil(t, f.terms)
	f.most = n
	require.Len(t, c.along(tunevector.CandidateQuery{Along: arc, Limit: 100}, &f), 1)
}
