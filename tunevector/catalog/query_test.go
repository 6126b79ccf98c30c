package catalog

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

func ask(t require.TestingT, c *Catalog, q tunevector.CandidateQuery) []tunevector.Track {
	tracks, err := c.Candidates(context.Background(), q)
	require.NoError(t, err)
	return tracks
}

func TestCandidatesRefusesWhatCannotBe(t *testing.T) {
	c := Demo()
	for name, bad := range map[string]struct {
		query  tunevector.CandidateQuery
		fields []string
	}{
		"everything": {
			tunevector.CandidateQuery{
				Kind: "film", Limit: -1, MaxSeconds: math.NaN(),
				Along: []tunevector.Features{{Tempo: 100}, {Energy: 1.1, Valence: -0.1, Acousticness: math.NaN(), Instrumentalness: 2}, {Tempo: math.Inf(1)}},
			},
			[]string{"kind", "limit", "maxSeconds", "along[1].energy", "along[1].valence", "along[1].tempo", "along[1].acousticness", "along[1].instrumentalness", "along[2].tempo"},
		},
		"too many": {tunevector.CandidateQuery{Limit: maxLimit + 1, MaxSeconds: -1}, []string{"limit", "maxSeconds"}},
	} {
		_, err := c.Candidates(context.Background(), bad.query)
		require.ErrorIs(t, err, fault.ErrInvalid, name)
		e, _ := fault.As(err)
		for _, field := range bad.fields {
			require.Contains(t, e.Fields, field)
		}
		require.Len(t, e.Fields, len(bad.fields))
	}
	genres, err := c.Genres(context.Background(), "film")
	require.NoError(t, err)
	require.Empty(t, genres)
}

func TestAnEmptyCatalogAnswers(t *testing.T) {
	c, err := New(nil)
	require.NoError(t, err)
	require.Empty(t, ask(t, c, tunevector.CandidateQuery{}))
	require.Empty(t, ask(t, c, tunevector.CandidateQuery{Along: []tunevector.Features{{Tempo: 100}}, Artists: []string{"x"}}))
	tracks, err := c.Tracks(context.Background(), []string{"x"})
	require.NoError(t, err)
	require.Empty(t, tracks)
	genres, err := c.Genres(context.Background(), "")
	require.NoError(t, err)
	require.Empty(t, genres)
}

// Candidates are as near as they can be, but for the room that the seed has: no track that was left out is nearer to a point than
// the share of the limit that a point has at least, seen through the jitter.
func TestCandidatesAreTheNearest(t *testing.T) {
	c := Demo()
	all := ask(t, c, tunevector.CandidateQuery{Limit: maxLimit})
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1)
		point := tunevector.Features{
			Energy: share.Draw(t, "energy"), Valence: share.Draw(t, "valence"), Tempo: rapid.Float64Range(40, 220).Draw(t, "tempo"),
			Acousticness: share.Draw(t, "acousticness"), Instrumentalness: share.Draw(t, "instrumentalness"),
		}
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		got := ask(t, c, tunevector.CandidateQuery{Along: []tunevector.Features{point}, Limit: limit, Seed: rapid.Uint64().Draw(t, "seed")})
		require.Len(t, got, limit)
		chosen := map[string]bool{}
		farthest := 0.0
		for _, track := range got {
			chosen[track.ID] = true
			farthest = max(farthest, planner.Distance(point, track.Features))
		}
		nearestLeft := math.Inf(1)
		for _, track := range all {
			if !chosen[track.ID] {
				nearestLeft = min(nearestLeft, planner.Distance(point, track.Features))
			}
		}
		require.LessOrEqual(t, farthest, nearestLeft*(1+jitter)+1e-4)
	})
}

func TestSeedsGiveOthersAsFit(t *testing.T) {
	c := Demo()
	q := tunevector.CandidateQuery{Along: []tunevector.Features{{Energy: 0.5, Valence: 0.5, Tempo: 110, Acousticness: 0.3, Instrumentalness: 0.1}}, Limit: 100}
	first := ask(t, c, q)
	q.Seed = 1
	require.NotEqual(t, first, ask(t, c, q))
	q = tunevector.CandidateQuery{Limit: 100}
	first = ask(t, c, q)
	q.Seed = 1
	require.NotEqual(t, first, ask(t, c, q), "without an arc too")
}

func TestSampleIsFair(t *testing.T) {
	tracks := make([]uint32, 1000)
	for i := range tracks {
		tracks[i] = uint32(i)
	}
	counts := make([]int, len(tracks))
	for seed := range uint64(500) {
		got := sample(tracks, 200, shuffle(len(tracks), seed))
		require.Len(t, got, 200)
		require.True(t, slices.IsSorted(got))
		require.Len(t, slices.Compact(slices.Clone(got)), 200)
		for _, n := range got {
			counts[n]++
		}
	}
	// Each is drawn 100 times in the mean, with a standard deviation of 9.
	require.Greater(t, slices.Min(counts), 55)
	require.Less(t, slices.Max(counts), 145)
	require.Len(t, sample(tracks, 1000, shuffle(1000, 1)), 1000)
}

func TestWhatIsShuffledIsAllThereOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 16, 17, 1000, 70_000} {
		s := shuffle(n, 9)
		places := s.places()
		require.GreaterOrEqual(t, places, uint64(n))
		require.LessOrEqual(t, places, uint64(max(4*n, 4)))
		was := make([]bool, places)
		for place := range uint32(places) {
			x := s.at(place)
			require.False(t, was[x])
			was[x] = true
			require.Equal(t, place, s.placeOf(x))
		}
	}
}

// What is looked at first tells the same as looking at all.
func TestSomeIsASampleOfAll(t *testing.T) {
	c := Demo()
	for _, q := range []tunevector.CandidateQuery{{Kind: tunevector.Playlist}, {Kind: tunevector.Podcast}, {Kind: tunevector.Playlist, Genres: []string{"rock"}}, {Kind: tunevector.Playlist, MaxSeconds: 150}} {
		f, ok := c.filter(q)
		require.True(t, ok)
		all := c.all(&f)
		require.Greater(t, len(all), 10)
		for seed := range uint64(20) {
			for _, limit := range []int{1, 3, 10, len(all) / 2, len(all) - 1} {
				require.Equal(t, sample(all, limit, shuffle(len(c.id), seed)), c.some(&f, limit, seed))
			}
			require.Equal(t, all, c.some(&f, len(all), seed))
		}
	}
}

func TestVersionsOfASongAreOneCandidate(t *testing.T) {
	song := func(id string, popularity float64, explicit bool, genres ...string) tunevector.Track {
		return tunevector.Track{ID: id, Title: "Same Song", Artists: []string{"X", "Y"}, Genres: genres, DurationSeconds: 200, Popularity: popularity, Explicit: explicit}
	}
	album := song("album", 0.3, false, "rock")
	hit := song("hit", 0.9, false, "pop")
	hit.Title, hit.Artists = "SAME song", []string{"x", "Y"}
	compilation := song("compilation", 0.5, false, "oldies")
	dirty := song("dirty", 0.1, true, "rock")
	spoken := song("spoken", 0, false)
	spoken.Kind = tunevector.Podcast
	cover := song("cover", 0, false)
	cover.Artists = []string{"Z"}
	nameless, nobody := song("nameless", 0, false), song("nobody", 0, false)
	nameless.Title, nobody.Artists = "", nil
	namelessToo, nobodyToo := nameless, nobody
	namelessToo.ID, nobodyToo.ID = "nameless too", "nobody too"
	tracks := []tunevector.Track{album, song("older", 0.3, false), compilation, dirty, hit, spoken, cover, nameless, namelessToo, nobody, nobodyToo}
	c, err := New(tracks)
	require.NoError(t, err)

	ids := func(q tunevector.CandidateQuery) []string {
		var ids []string
		for _, track := range ask(t, c, q) {
			ids = append(ids, track.ID)
		}
		return ids
	}
	require.Equal(t, []string{"dirty", "hit", "cover", "nameless", "nameless too", "nobody", "nobody too"}, ids(tunevector.CandidateQuery{}))
	for _, genre := range []string{"rock", "pop", "oldies"} {
		require.Contains(t, ids(tunevector.CandidateQuery{Genres: []string{genre}}), "hit", "it stands for all, with the genres of all")
	}
	for _, excluded := range []string{"album", "older", "compilation", "hit"} {
		got := ids(tunevector.CandidateQuery{Exclude: []string{excluded}, Artists: []string{"x"}})
		require.Equal(t, []string{"dirty", "nameless", "nameless too"}, got, "a song that is excluded under one id does not come under another")
	}
	all, err := c.Tracks(context.Background(), []string{"album", "older", "compilation", "hit"})
	require.NoError(t, err)
	require.Len(t, all, 4, "by its id each is there")
}

func TestArtistsAreComparedWithoutCase(t *testing.T) {
	c, err := New([]tunevector.Track{
		{ID: "1", Title: "a", Artists: []string{"Ártist", "ártist", "B"}, DurationSeconds: 9},
		{ID: "2", Title: "b", Artists: []string{"ÁRTIST"}, DurationSeconds: 9},
		{ID: "3", Title: "c", Artists: []string{"Ártiste"}, DurationSeconds: 9},
	})
	require.NoError(t, err)
	require.Len(t, ask(t, c, tunevector.CandidateQuery{Artists: []string{" áRTIST ", "b"}}), 2)
	require.Len(t, ask(t, c, tunevector.CandidateQuery{Artists: []string{"ártiste"}}), 1)
	require.Empty(t, ask(t, c, tunevector.CandidateQuery{Artists: []string{"zz"}}))
	require.Empty(t, ask(t, c, tunevector.CandidateQuery{Artists: []string{""}}))
}

func TestMaxSecondsIsTheLongest(t *testing.T) {
	c, err := New([]tunevector.Track{{ID: "1", DurationSeconds: 200.123}})
	require.NoError(t, err)
	for millis := 1000; millis < 400_000; millis += 997 { // no length is lost to rounding
		c.millis[0] = uint32(millis)
		seconds := everything(c)[0].DurationSeconds
		require.Len(t, ask(t, c, tunevector.CandidateQuery{MaxSeconds: seconds}), 1)
		require.Empty(t, ask(t, c, tunevector.CandidateQuery{MaxSeconds: seconds - 0.0001}))
	}
	require.Len(t, ask(t, c, tunevector.CandidateQuery{MaxSeconds: math.MaxFloat64}), 1)
}

func TestEndedContexts(t *testing.T) {
	c := Demo()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Candidates(ctx, tunevector.CandidateQuery{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.Candidates(&endsLater{Context: context.Background()}, tunevector.CandidateQuery{})
	require.ErrorIs(t, err, context.DeadlineExceeded, "also while it searches")
}

// endsLater is a context that has ended when it is asked a second time.
type endsLater struct {
	context.Context //nolint:containedctx // it is one
	asked           bool
}

func (e *endsLater) Err() error {
	if e.asked {
		return context.DeadlineExceeded
	}
	e.asked = true
	return nil
}

// Tracks from anywhere are as many as are asked for, all that pass where these are no more, and fewer are some of more; whatever the filter.
func TestSome(t *testing.T) {
	c := Demo()
	for _, q := range []tunevector.CandidateQuery{
		{}, {Kind: tunevector.Podcast}, {ExcludeExplicit: true}, {MaxSeconds: 200}, {Genres: []string{"rock"}}, {Genres: []string{"jazz", "blues", "rock"}, MaxSeconds: 240},
	} {
		ids := func(limit int) []string {
			q.Limit, q.Seed = limit, 5
			found, err := c.Candidates(t.Context(), q)
			require.NoError(t, err)
			all := make([]string, len(found))
			for i := range found {
				all[i] = found[i].ID
			}
			return all
		}
		all := ids(10_000)
		require.NotEmpty(t, all)
		before := []string{}
		for _, limit := range []int{1, 2, 5, 20, 100, 400, 2000} {
			some := ids(limit)
			require.Len(t, some, min(limit, len(all)), "%+v", q)
			require.Subset(t, some, before)
			require.Subset(t, all, some)
			at := -1
			for _, id := range some { // in order, none twice
				i := slices.Index(all, id)
				require.Greater(t, i, at)
				at = i
			}
			before = some
		}
	}
}
