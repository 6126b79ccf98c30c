// Package musictest says when a [tunevector.MusicProvider] keeps its contract. An adapter's test calls [Run]:
//
//	func TestContract(t *testing.T) {
//		musictest.Run(t, func(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider {
//			p, err := catalog.New(tracks)
//			require.NoError(t, err)
//			return p
//		})
//	}
//
// It asks no more than the contract says: a provider over a remote service need not know features or genres, have all kinds, or
// give as many candidates as it could. What it tells of a track is what it is held to.
package musictest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// Run holds a provider to the contract. open returns one that has these tracks and no others; it is called once for
// each subtest, and what it starts it stops with t.Cleanup. The tracks may be kept and changed.
func Run(t *testing.T, open func(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			c.holds(t, t.Context(), open(t, Tracks()))
		})
	}
}

// clause is a part of the contract that is checked by itself.
type clause struct {
	name string
	run  func(s *subject)
}

func (c clause) holds(t tester, ctx context.Context, music tunevector.MusicProvider) { //nolint:revive // t first, as everywhere in tests
	c.run(newSubject(t, ctx, music))
}

var checks = []clause{
	{"tracks are sound", (*subject).tracksAreSound},
	{"limit", (*subject).limit},
	{"kind", (*subject).kind},
	{"genres", (*subject).genres},
	{"artists", (*subject).artists},
	{"explicit", (*subject).explicit},
	{"longest", (*subject).longest},
	{"exclude", (*subject).exclude},
	{"together", (*subject).together},
	{"along", (*subject).along},
	{"the same query gives the same", (*subject).repeatable},
	{"tracks by id", (*subject).byID},
	{"answers are the caller's", (*subject).ownership},
	{"queries stay the caller's", (*subject).queries},
	{"context", (*subject).context},
	{"concurrent use", (*subject).concurrent},
	{"genre list", (*subject).genreList},
}

// tester is what the checks need of a *testing.T.
type tester interface {
	require.TestingT
	Helper()
}

// subject is a provider under test, and what it says of its tracks.
type subject struct {
	tester
	ctx   context.Context //nolint:containedctx // lives as long as one check
	music tunevector.MusicProvider
	given map[string]tunevector.Track
	ids   []string
	known map[string]tunevector.Track // what the provider says of each
}

func newSubject(t tester, ctx context.Context, music tunevector.MusicProvider) *subject { //nolint:revive // t first, as everywhere in tests
	s := &subject{tester: t, ctx: ctx, music: music, given: map[string]tunevector.Track{}, known: map[string]tunevector.Track{}}
	for _, track := range Tracks() {
		s.given[track.ID] = track
		s.ids = append(s.ids, track.ID)
	}
	tracks, err := music.Tracks(ctx, s.ids)
	require.NoError(t, err)
	require.NotEmpty(t, tracks, "the provider knows some of the tracks by their ids")
	for _, track := range clone(tracks) {
		s.known[track.ID] = track
	}
	return s
}

// clone copies tracks with all that they hold, as the provider may keep a hand on them.
func clone(tracks []tunevector.Track) []tunevector.Track {
	tracks = slices.Clone(tracks)
	for i := range tracks {
		t := &tracks[i]
		t.Artists, t.Genres, t.Instruments = slices.Clone(t.Artists), slices.Clone(t.Genres), slices.Clone(t.Instruments)
	}
	return tracks
}

// ask returns the candidates of a query, and holds them to all of it.
func (s *subject) ask(q tunevector.CandidateQuery) []tunevector.Track {
	s.Helper()
	tracks, err := s.music.Candidates(s.ctx, q)
	require.NoError(s, err)
	s.holds(q, tracks)
	return tracks
}

// some is ask where there must be an answer: the provider said of at least one track that it is what q asks for.
func (s *subject) some(q tunevector.CandidateQuery) []tunevector.Track {
	s.Helper()
	tracks := s.ask(q)
	for _, track := range s.known {
		if wrong(q, track) == "" {
			require.NotEmpty(s, tracks, "track %s is what %+v asks for", track.ID, q)
			break
		}
	}
	return tracks
}

// holds checks an answer against its query.
func (s *subject) holds(q tunevector.CandidateQuery, tracks []tunevector.Track) {
	s.Helper()
	limit := q.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	require.LessOrEqual(s, len(tracks), limit, "an answer is at most as long as the limit")
	seen := map[string]bool{}
	for _, track := range tracks {
		require.Contains(s, s.given, track.ID, "an answer is of the provider's tracks")
		require.False(s, seen[track.ID], "track %s comes twice", track.ID)
		seen[track.ID] = true
		require.Empty(s, wrong(q, track), "of track %+v\nfor query %+v", track, q)
	}
}

const defaultLimit = 500
