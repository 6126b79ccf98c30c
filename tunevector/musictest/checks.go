package musictest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

var kinds = []tunevector.Kind{tunevector.Playlist, tunevector.Podcast, tunevector.Soundscape}

// Words that no track has.
const (
	unknownID     = "0000000000000000999999"
	unknownGenre  = "zxqvian throat disco"
	unknownArtist = "Nobody Whosoever"
)

func (s *subject) tracksAreSound() {
	for _, kind := range kinds {
		for _, track := range s.some(tunevector.CandidateQuery{Kind: kind}) {
			s.sound(track)
			by, ok := s.known[track.ID]
			require.True(s, ok, "track %s is a candidate, so it is known by its id", track.ID)
			require.Equal(s, by, track, "Candidates and Tracks tell the same of a track")
		}
	}
	for _, track := range s.known {
		s.sound(track)
		given := s.given[track.ID]
		if track.Title != "" {
			require.Equal(s, given.Title, track.Title)
		}
		if len(track.Artists) > 0 {
			require.Equal(s, given.Artists, track.Artists)
		}
		require.InDelta(s, given.DurationSeconds, track.DurationSeconds, 1, "the duration is in seconds")
	}
}

// sound checks that a track is what the rest of RhythmIQ can work with.
func (s *subject) sound(track tunevector.Track) {
	s.Helper()
	require.NotEmpty(s, track.ID)
	require.Contains(s, kinds, track.Kind)
	require.Contains(s, []tunevector.Provenance{tunevector.FromCatalog, tunevector.FromSpotify}, track.Provenance, "every datum carries its provenance")
	require.Positive(s, track.DurationSeconds)
	for name, v := range map[string]float64{
		"confidence": track.Confidence, "popularity": track.Popularity, "energy": track.Features.Energy, "valence": track.Features.Valence,
		"acousticness": track.Features.Acousticness, "instrumentalness": track.Features.Instrumentalness,
	} {
		require.True(s, v >= 0 && v <= 1, "%s of track %s is %v, not in 0–1", name, track.ID, v)
	}
	require.True(s, track.Confidence == 0 || track.Features.Tempo > 0 && track.Features.Tempo <= 1000, "tempo %v of track %s is no tempo", track.Features.Tempo, track.ID)
	for _, genre := range track.Genres {
		require.Equal(s, strings.ToLower(genre), genre, "genres are in lower case")
	}
}

func (s *subject) limit() {
	for _, limit := range []int{1, 7, 50, 10000} {
		s.some(tunevector.CandidateQuery{Limit: limit})
		s.some(tunevector.CandidateQuery{Limit: limit, Along: descent})
		s.some(tunevector.CandidateQuery{Limit: limit, Genres: []string{"rock"}, Along: descent})
		s.some(tunevector.CandidateQuery{Limit: limit, Artists: []string{"Guest, of Honor"}, Along: descent})
	}
}

// descent is an arc through the styles of the tracks.
var descent = []tunevector.Features{
	{Energy: 0.82, Valence: 0.6, Tempo: 135, Acousticness: 0.1, Instrumentalness: 0.05},
	{Energy: 0.6, Valence: 0.4, Tempo: 118, Acousticness: 0.2, Instrumentalness: 0.3},
	{Energy: 0.36, Valence: 0.6, Tempo: 100, Acousticness: 0.7, Instrumentalness: 0.2},
	{Energy: 0.15, Valence: 0.25, Tempo: 75, Acousticness: 0.8, Instrumentalness: 0.9},
}

func (s *subject) kind() {
	for _, kind := range kinds {
		s.some(tunevector.CandidateQuery{Kind: kind})
		s.some(tunevector.CandidateQuery{Kind: kind, Along: descent})
	}
	require.Equal(s, idsOf(s.ask(tunevector.CandidateQuery{Kind: tunevector.Playlist})), idsOf(s.ask(tunevector.CandidateQuery{})), "no kind means playlist")
}

func idsOf(tracks []tunevector.Track) []string {
	ids := make([]string, len(tracks))
	for i, track := range tracks {
		ids[i] = track.ID
	}
	return ids
}

func (s *subject) genres() {
	for _, along := range [][]tunevector.Features{nil, descent} {
		for _, genres := range [][]string{{"ambient"}, {"AMBIENT"}, {"Rock"}, {"Indie Rock"}, {"ambient", "Bossa Nova"}, {unknownGenre, "dream pop"}} {
			s.some(tunevector.CandidateQuery{Genres: genres, Along: along})
		}
		require.Empty(s, s.ask(tunevector.CandidateQuery{Genres: []string{unknownGenre}, Along: along}), "nothing is of a genre that there is not")
		require.Empty(s, s.ask(tunevector.CandidateQuery{Genres: []string{"rain"}, Along: along}), "no music is of a soundscape's genre")
	}
	lower := s.ask(tunevector.CandidateQuery{Genres: []string{"bossa nova"}})
	upper := s.ask(tunevector.CandidateQuery{Genres: []string{"BOSSA NOVA"}})
	require.Equal(s, idsOf(lower), idsOf(upper), "case does not matter")
}

func (s *subject) artists() {
	for _, along := range [][]tunevector.Features{nil, descent} {
		for _, artists := range [][]string{{"Ensemble 3"}, {"ensemble 3"}, {"Ensemble 3", "ENSEMBLE 14"}, {unknownArtist, "Guest, of Honor"}} {
			s.some(tunevector.CandidateQuery{Artists: artists, Along: along})
		}
		require.Empty(s, s.ask(tunevector.CandidateQuery{Artists: []string{unknownArtist}, Along: along}), "nothing is by nobody")
	}
	require.Equal(s, idsOf(s.ask(tunevector.CandidateQuery{Artists: []string{"Ensemble 3"}})), idsOf(s.ask(tunevector.CandidateQuery{Artists: []string{"eNSEMBLE 3"}})), "case does not matter")
}

func (s *subject) explicit() {
	s.some(tunevector.CandidateQuery{ExcludeExplicit: true})
	s.some(tunevector.CandidateQuery{ExcludeExplicit: true, Along: descent})
	s.some(tunevector.CandidateQuery{ExcludeExplicit: true, Artists: []string{"Guest, of Honor"}})
}

func (s *subject) longest() {
	for _, seconds := range []float64{1, 143, 160, 200.5, 1e9} {
		s.some(tunevector.CandidateQuery{MaxSeconds: seconds})
		s.some(tunevector.CandidateQuery{MaxSeconds: seconds, Along: descent})
	}
}

func (s *subject) exclude() {
	for _, along := range [][]tunevector.Features{nil, descent} {
		q := tunevector.CandidateQuery{Along: along, Limit: 40}
		for range 8 { // each answer leaves out those before
			tracks := s.some(q)
			q.Exclude = append(q.Exclude, idsOf(tracks)...)
			q.Exclude = append(q.Exclude, unknownID)
		}
	}
	require.Empty(s, s.ask(tunevector.CandidateQuery{Exclude: s.ids}), "where all is excluded nothing is left")
}

// together asks many queries of everything at once.
func (s *subject) together() {
	random := rand.New(rand.NewPCG(1, 2))
	maybe := func(share float64) bool { return random.Float64() < share }
	for range 200 {
		q := tunevector.CandidateQuery{Limit: 1 + random.IntN(60), Seed: random.Uint64(), ExcludeExplicit: maybe(0.5)}
		if maybe(0.3) {
			q.Kind = kinds[random.IntN(len(kinds))]
		}
		if maybe(0.5) {
			style := styles[random.IntN(len(styles))]
			q.Genres = []string{style.genres[random.IntN(len(style.genres))], unknownGenre}
		}
		if maybe(0.2) {
			q.Artists = []string{s.given[s.ids[random.IntN(len(s.ids))]].Artists[0], unknownArtist}
		}
		if maybe(0.5) {
			q.MaxSeconds = 100 + 600*random.Float64()
		}
		if maybe(0.7) {
			for range 1 + random.IntN(20) {
				q.Along = append(q.Along, tunevector.Features{
					Energy: random.Float64(), Valence: random.Float64(), Tempo: 40 + 180*random.Float64(), Acousticness: random.Float64(), Instrumentalness: random.Float64(),
				})
			}
		}
		for _, id := range s.ids {
			if maybe(0.3) {
				q.Exclude = append(q.Exclude, id)
			}
		}
		s.some(q)
	}
}

// along: at every point of the arc there is a track among the candidates about as near as the nearest that the provider has, by the features that it
// tells, with every seed. "About" leaves room for the variety that a seed may bring.
func (s *subject) along() {
	const most, slack = 1.5, 0.05
	for _, q := range []tunevector.CandidateQuery{
		{Along: descent, Limit: 40},
		{Along: descent, Limit: 8},
		{Along: descent[:1], Limit: 10},
		{Along: append(slices.Repeat(descent[:1], 15), descent[3]), Limit: 32}, // a long stay and a short visit
		{Along: descent, Limit: 30, Genres: []string{"rock", "ambient"}},
		{Along: descent, Limit: 20, Artists: []string{"Guest, of Honor"}},
		{Along: descent, Limit: 20, ExcludeExplicit: true, MaxSeconds: 300},
	} {
		for seed := range uint64(5) {
			q.Seed = seed
			tracks := s.some(q)
			for i, point := range q.Along {
				nearest, best := 2.0, 2.0
				for _, track := range tracks {
					nearest = min(nearest, distance(point, track))
				}
				for _, track := range s.known {
					if wrong(q, track) == "" {
						best = min(best, distance(point, track))
					}
				}
				require.LessOrEqual(s, nearest, most*best+slack, "no candidate is near point %d of %+v", i, q)
			}
		}
	}
}

// distance is the planner's. What a provider knows nothing of is as far from everything.
func distance(point tunevector.Features, track tunevector.Track) float64 {
	if track.Confidence == 0 {
		return 1
	}
	return planner.Distance(point, track.Features)
}

func (s *subject) repeatable() {
	for _, q := range []tunevector.CandidateQuery{
		{}, {Limit: 20}, {Limit: 20, Seed: 7}, {Limit: 20, Seed: 7, Along: descent}, {Limit: 5, Genres: []string{"rock", "ambient"}, Seed: 3},
	} {
		first := s.some(q)
		for range 3 {
			require.Equal(s, first, s.some(q), "the same query on the same music gives the same answer")
		}
	}
}

func (s *subject) byID() {
	var ids, want []string
	for i := len(s.ids) - 1; i >= 0; i -= 3 {
		ids = append(ids, s.ids[i], unknownID)
		if _, ok := s.known[s.ids[i]]; ok {
			want = append(want, s.ids[i])
		}
	}
	tracks, err := s.music.Tracks(s.ctx, ids)
	require.NoError(s, err)
	require.Equal(s, want, idsOf(tracks), "in the order that was asked for, without the unknown")
	for _, none := range [][]string{nil, {}, {unknownID}, {""}} {
		tracks, err := s.music.Tracks(s.ctx, none)
		require.NoError(s, err, "unknown ids are no error")
		require.Empty(s, tracks)
	}
}

func (s *subject) ownership() {
	q := tunevector.CandidateQuery{Limit: 30, Along: descent}
	first := s.some(q)
	again := clone(first)
	spoil(first)
	require.Equal(s, again, s.some(q), "what a caller changes in an answer stays with the caller")
	tracks, err := s.music.Tracks(s.ctx, s.ids)
	require.NoError(s, err)
	spoil(tracks)
	tracks, err = s.music.Tracks(s.ctx, s.ids)
	require.NoError(s, err)
	for _, track := range tracks {
		require.Equal(s, s.known[track.ID], track, "what a caller changes in an answer stays with the caller")
	}
}

// spoil changes all that a caller may change.
func spoil(tracks []tunevector.Track) {
	for i := range tracks {
		for _, names := range [][]string{tracks[i].Artists, tracks[i].Genres, tracks[i].Instruments} {
			for j := range names {
				names[j] = "spoiled"
			}
			_ = append(names, "spoiled")
		}
		tracks[i] = tunevector.Track{ID: "spoiled"}
	}
}

func (s *subject) queries() {
	query := func() tunevector.CandidateQuery {
		return tunevector.CandidateQuery{
			Genres: []string{"Rock ", "AMBIENT"}, Artists: []string{"guest, of honor", "Ensemble 1"},
			Along: slices.Clone(descent), Exclude: []string{s.ids[9], s.ids[2], s.ids[5]}, Limit: 10,
		}
	}
	q := query()
	s.ask(q)
	require.Equal(s, query(), q, "a query is not changed")
	ids := []string{s.ids[3], s.ids[1], s.ids[2]}
	_, err := s.music.Tracks(s.ctx, ids)
	require.NoError(s, err)
	require.Equal(s, []string{s.ids[3], s.ids[1], s.ids[2]}, ids, "a list of ids is not changed")
}

func (s *subject) context() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.music.Candidates(ctx, tunevector.CandidateQuery{Along: descent})
	require.ErrorIs(s, err, context.Canceled)
	_, err = s.music.Tracks(ctx, s.ids)
	require.ErrorIs(s, err, context.Canceled)
	if lister, ok := s.music.(tunevector.GenreLister); ok {
		_, err = lister.Genres(ctx, tunevector.Playlist)
		require.ErrorIs(s, err, context.Canceled)
	}
}

// concurrent is of most use under the race detector.
func (s *subject) concurrent() {
	queries := []tunevector.CandidateQuery{{Limit: 20, Along: descent}, {Limit: 20, Genres: []string{"rock"}}, {Kind: tunevector.Podcast}, {Limit: 9, Artists: []string{"Guest, of Honor"}}}
	want := make([][]tunevector.Track, len(queries))
	for i, q := range queries {
		want[i] = s.ask(q)
	}
	failures := make(chan error, 8)
	var wait sync.WaitGroup
	for range cap(failures) {
		wait.Go(func() {
			for i, q := range queries {
				tracks, err := s.music.Candidates(s.ctx, q)
				if err == nil && !slices.Equal(idsOf(tracks), idsOf(want[i])) {
					err = errors.New("another answer than alone")
				}
				spoil(tracks)
				if err == nil {
					_, err = s.music.Tracks(s.ctx, s.ids)
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wait.Wait()
	close(failures)
	for err := range failures {
		require.NoError(s, err)
	}
}

// genreList: where genres can be listed, the list is the one that candidates go by.
func (s *subject) genreList() {
	lister, ok := s.music.(tunevector.GenreLister)
	if !ok {
		return // it is an optional interface
	}
	for _, kind := range kinds {
		genres, err := lister.Genres(s.ctx, kind)
		require.NoError(s, err)
		require.True(s, slices.IsSorted(genres), "genres are in alphabetical order: %q", genres)
		require.Len(s, slices.Compact(slices.Clone(genres)), len(genres), "no genre comes twice: %q", genres)
		for _, genre := range genres {
			require.Equal(s, strings.ToLower(genre), genre, "genres are in lower case")
			require.NotEmpty(s, s.ask(tunevector.CandidateQuery{Kind: kind, Genres: []string{genre}}), "there is music of genre %q, as it is listed", genre)
		}
		for _, track := range s.known {
			if track.Kind != kind {
				continue
			}
			for _, genre := range track.Genres {
				require.Contains(s, genres, genre, "the genre of a track is listed")
			}
		}
		for i := range genres {
			genres[i] = "spoiled"
		}
		again, err := lister.Genres(s.ctx, kind)
		require.NoError(s, err)
		require.NotContains(s, again, "spoiled", "what a caller changes in an answer stays with the caller")
	}
}
