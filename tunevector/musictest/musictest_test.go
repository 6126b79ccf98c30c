package musictest

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

func open(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider {
	c, err := catalog.New(tracks)
	require.NoError(t, err)
	return c
}

func TestCatalogPasses(t *testing.T) { Run(t, open) }

// A provider over a service that knows less passes as well: no genres, no features, no soundscapes, few candidates, and no GenreLister.
func TestModestProviderPasses(t *testing.T) {
	Run(t, func(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider {
		tracks = slices.DeleteFunc(tracks, func(track tunevector.Track) bool { return track.Kind == tunevector.Soundscape })
		for i := range tracks {
			tracks[i].Genres, tracks[i].Features, tracks[i].Confidence, tracks[i].Provenance = nil, tunevector.Features{}, 0, tunevector.FromSpotify
		}
		return modest{open(t, tracks)}
	})
}

type modest struct{ tunevector.MusicProvider }

func (m modest) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	tracks, err := m.MusicProvider.Candidates(ctx, q)
	return tracks[:min(len(tracks), 10)], err
}

// recorder is a test that may fail.
type recorder struct{ failure string }

func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }
func (*recorder) FailNow()                            { runtime.Goexit() }
func (*recorder) Helper()                             {}

// failure is what a check says of a provider; "" where it passes.
func failure(t *testing.T, check string, open func() tunevector.MusicProvider) string {
	i := slices.IndexFunc(checks, func(c clause) bool { return c.name == check })
	require.GreaterOrEqual(t, i, 0, "there is a check %q", check)
	var r recorder
	var wait sync.WaitGroup
	wait.Go(func() { checks[i].holds(&r, t.Context(), open()) }) // on a goroutine of its own, which FailNow ends
	wait.Wait()
	return r.failure
}

// broken is a provider with one fault.
type broken struct {
	*catalog.Catalog
	candidates func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error)
	tracks     func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error)
	list       func(genres []string) []string
	change     func(track *tunevector.Track)
}

func (b *broken) changed(tracks []tunevector.Track, err error) ([]tunevector.Track, error) {
	if b.change != nil {
		for i := range tracks {
			b.change(&tracks[i])
		}
	}
	return tracks, err
}

func (b *broken) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	if b.candidates != nil {
		return b.candidates(ctx, b.Catalog, q)
	}
	return b.changed(b.Catalog.Candidates(ctx, q))
}

func (b *broken) Tracks(ctx context.Context, ids []string) ([]tunevector.Track, error) {
	if b.tracks != nil {
		return b.tracks(ctx, b.Catalog, ids)
	}
	return b.changed(b.Catalog.Tracks(ctx, ids))
}

func (b *broken) Genres(ctx context.Context, kind tunevector.Kind) ([]string, error) {
	genres, err := b.Catalog.Genres(ctx, kind)
	if b.list != nil {
		genres = b.list(genres)
	}
	return genres, err
}

type candidates = func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error)

// forgetting is a provider that does not look at a part of the query.
func forgetting(forget func(q *tunevector.CandidateQuery)) candidates {
	return func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
		forget(&q)
		return c.Candidates(ctx, q)
	}
}

// A fault in a provider fails the check that is named for it (and perhaps others).
func TestEveryCheckCanFail(t *testing.T) {
	var calls atomic.Uint64
	kept := map[string]tunevector.Track{}
	covered := map[string]bool{}
	for name, c := range map[string]struct {
		fault *broken
		check string
	}{
		"no limit":                   {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Limit = 10000 })}, "limit"},
		"any kind":                   {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Kind = tunevector.Podcast })}, "kind"},
		"any genre":                  {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Genres = nil })}, "genres"},
		"the first genre only":       {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Genres = q.Genres[:min(1, len(q.Genres))] })}, "genres"},
		"any artist":                 {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Artists = nil })}, "artists"},
		"the first artist only":      {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Artists = q.Artists[:min(1, len(q.Artists))] })}, "artists"},
		"explicit all the same":      {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.ExcludeExplicit = false })}, "explicit"},
		"however long":               {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.MaxSeconds = 0 })}, "longest"},
		"what is excluded":           {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Exclude = nil })}, "exclude"},
		"what is excluded but first": {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Exclude = q.Exclude[:min(1, len(q.Exclude))] })}, "together"},
		"anywhere":                   {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Along = nil })}, "along"},
		"only at the start":          {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Along = q.Along[:min(1, len(q.Along))] })}, "along"},
		"another each time":          {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { q.Seed = calls.Add(1) })}, "the same query gives the same"},
		"genres with case": {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) {
			for i, g := range q.Genres {
				if g != strings.ToLower(g) {
					q.Genres = slices.Clone(q.Genres)
					q.Genres[i] = unknownGenre
				}
			}
		})}, "genres"},
		"artists with case": {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) {
			for i, a := range q.Artists {
				if a == strings.ToLower(a) {
					q.Artists = slices.Clone(q.Artists)
					q.Artists[i] = unknownArtist
				}
			}
		})}, "artists"},
		"a changed query": {&broken{candidates: forgetting(func(q *tunevector.CandidateQuery) { slices.Sort(q.Exclude) })}, "queries stay the caller's"},
		"no context": {&broken{candidates: func(_ context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
			return c.Candidates(context.Background(), q)
		}}, "context"},
		"twice": {&broken{candidates: func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
			q.Limit = max(q.Limit/2, 1)
			tracks, err := c.Candidates(ctx, q)
			return append(tracks, tracks...), err
		}}, "tracks are sound"},
		"nothing": {&broken{candidates: func(context.Context, *catalog.Catalog, tunevector.CandidateQuery) ([]tunevector.Track, error) {
			return nil, nil
		}}, "along"},
		"not alone": {&broken{candidates: func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
			if calls.Add(1)%5 == 0 {
				q.Limit = 1
			}
			return c.Candidates(ctx, q)
		}}, "concurrent use"},
		"unknown to Tracks": {&broken{tracks: func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error) {
			return c.Tracks(ctx, ids[:min(len(ids), 9)])
		}}, "tracks are sound"},
		"another order": {&broken{tracks: func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error) {
			return c.Tracks(ctx, slices.Sorted(slices.Values(ids)))
		}}, "tracks by id"},
		"unknown ids fail": {&broken{tracks: func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error) {
			tracks, err := c.Tracks(ctx, ids)
			if len(tracks) < len(ids) {
				err = context.DeadlineExceeded
			}
			return tracks, err
		}}, "tracks by id"},
		"changed ids": {&broken{tracks: func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error) {
			tracks, err := c.Tracks(ctx, ids)
			if len(ids) == 3 {
				slices.Sort(ids)
			}
			return tracks, err
		}}, "queries stay the caller's"},
		"shared memory": {&broken{tracks: func(ctx context.Context, c *catalog.Catalog, ids []string) ([]tunevector.Track, error) {
			tracks, err := c.Tracks(ctx, ids)
			for i, track := range tracks {
				if first, ok := kept[track.ID]; ok {
					tracks[i] = first
				}
				kept[track.ID] = tracks[i]
			}
			return tracks, err
		}}, "answers are the caller's"},
		"shared candidates": {&broken{candidates: func(ctx context.Context, c *catalog.Catalog, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
			tracks, err := c.Candidates(ctx, q)
			for i, track := range tracks {
				if first, ok := kept[track.ID]; ok {
					tracks[i] = first
				}
				kept[track.ID] = tracks[i]
			}
			return tracks, err
		}}, "answers are the caller's"},
		"no provenance":     {&broken{change: func(t *tunevector.Track) { t.Provenance = "" }}, "tracks are sound"},
		"no features":       {&broken{change: func(t *tunevector.Track) { t.Features = tunevector.Features{} }}, "tracks are sound"},
		"percent":           {&broken{change: func(t *tunevector.Track) { t.Features.Energy *= 100 }}, "tracks are sound"},
		"not a number":      {&broken{change: func(t *tunevector.Track) { t.Features.Valence = math.NaN() }}, "tracks are sound"},
		"milliseconds":      {&broken{change: func(t *tunevector.Track) { t.DurationSeconds *= 1000 }}, "tracks are sound"},
		"genres in capital": {&broken{change: func(t *tunevector.Track) { t.Genres = []string{"ROCK"} }}, "tracks are sound"},
		"another title":     {&broken{change: func(t *tunevector.Track) { t.Title = "x" }}, "tracks are sound"},
		"unsorted genres":   {&broken{list: func(g []string) []string { slices.Reverse(g); return g }}, "genre list"},
		"genres twice":      {&broken{list: func(g []string) []string { return slices.Sorted(slices.Values(append(g, g...))) }}, "genre list"},
		"too many genres":   {&broken{list: func(g []string) []string { return append(g, "zydeco") }}, "genre list"},
		"too few genres":    {&broken{list: func(g []string) []string { return g[min(1, len(g)):] }}, "genre list"},
	} {
		t.Run(name, func(t *testing.T) {
			clear(kept)
			require.NotEmpty(t, failure(t, c.check, func() tunevector.MusicProvider {
				c.fault.Catalog, _ = open(t, Tracks()).(*catalog.Catalog)
				return c.fault
			}))
			covered[c.check] = true
		})
	}
	for _, c := range checks {
		require.True(t, covered[c.name], "a fault fails check %q", c.name)
		require.Empty(t, failure(t, c.name, func() tunevector.MusicProvider { return open(t, Tracks()) }), "and it is the fault that fails it")
	}
}

func TestTracksAreTheCallers(t *testing.T) {
	tracks := Tracks()
	want := len(tracks)
	spoil(tracks)
	require.Len(t, Tracks(), want)
	require.NotEqual(t, "spoiled", Tracks()[0].Genres[0])
	require.NotEqual(t, "spoiled", Tracks()[1].Genres[0])
}
