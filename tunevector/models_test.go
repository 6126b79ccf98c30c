package tunevector_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// withModel is a house in which a model is live that knows the first forty tracks of each genre of songs, by listeners who hear one genre each.
func withModel(t *testing.T) *house {
	t.Helper()
	return openWith(t, func(h *house, o *tunevector.Options) {
		var b ml.Builder
		for u := range 120 {
			genre := styles[u%4].genre
			for i := range 12 {
				b.Add(strconv.Itoa(u), fmt.Sprintf("%s-%02d", genre, (u*7+i*(1+u%5))%40), 1, 0)
			}
		}
		d, err := b.Data()
		require.NoError(t, err)
		log, err := ml.NewService(h.store, ml.Options{Describe: func(ctx context.Context, ids []string) (map[string]ml.Item, error) {
			tracks, err := h.music.Tracks(ctx, ids)
			items := map[string]ml.Item{}
			for _, track := range tracks {
				items[track.ID], _ = track.Item()
			}
			return items, err
		}})
		require.NoError(t, err)
		kept := &blobs.Memory{}
		trainer, err := localtrainer.New(kept, localtrainer.Options{})
		require.NoError(t, err)
		artifact, err := trainer.Train(t.Context(), ml.Job{ID: "one", Algorithm: itemknn.Algorithm{}, Data: d}, nil)
		require.NoError(t, err)
		o.Models, err = ml.NewRecommender(log, ml.RecommenderOptions{Algorithms: []ml.Algorithm{itemknn.Algorithm{}}, Blobs: kept, Trainer: trainer})
		require.NoError(t, err)
		v, err := o.Models.Registry().Register(t.Context(), ml.Version{Algorithm: "itemknn", Artifact: artifact})
		require.NoError(t, err)
		require.NoError(t, o.Models.Registry().Promote(t.Context(), v.ID, uuid.Nil))
		require.NoError(t, o.Models.Poll(t.Context()))
	})
}

func TestRecommendByAModel(t *testing.T) {
	h := withModel(t)
	because := func(r tunevector.Recommendation) bool {
		return strings.HasPrefix(r.Reasons[0], "because you played jazz No. ")
	}
	for _, r := range h.recommend(t, 20) {
		require.False(t, because(r), "nothing was heard yet")
	}
	h.hear(t, ml.Complete, "jazz-00", "jazz-01", "jazz-02", "jazz-03", "jazz-04", "jazz-05")
	first := h.recommend(t, 10)
	require.True(t, slices.ContainsFunc(first, because), "%v", first)
	jazz := 0
	for _, r := range first {
		if strings.HasPrefix(r.TrackID, "jazz-") {
			jazz++
		}
	}
	require.GreaterOrEqual(t, jazz, 8, "%v", first)

	// What nobody has heard is placed by its genre and sound, unless it must not be judged so.
	score := func(provenance tunevector.Provenance) float64 {
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
			for i := range tracks {
				if tracks[i].ID == "jazz-59" {
					tracks[i].Provenance = provenance
				}
			}
			return tracks
		})
		for _, r := range h.recommend(t, 100) {
			if r.TrackID == "jazz-59" {
				return r.Score
			}
		}
		return 0
	}
	require.Greater(t, score(tunevector.FromCatalog), score(tunevector.FromSpotify))
}

func TestPlanByAModel(t *testing.T) {
	h := withModel(t)
	h.hear(t, ml.Complete, "jazz-00", "jazz-01", "jazz-02", "jazz-03", "jazz-04", "jazz-05")
	v, err := h.Create(h.ctx, h.listener, tunevector.Definition{Name: "A", Mode: tunevector.AI, DurationMinutes: 60})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(v.Plan.Tracks, func(p tunevector.PlannedTrack) bool { return slices.Contains(p.Reasons, "suits what you play") }))
}

// A stage of a genre has what suits of that genre, and of no other.
func TestStagesByAModel(t *testing.T) {
	h := withModel(t)
	h.hear(t, ml.Complete, "jazz-00", "jazz-01", "jazz-02", "jazz-03", "jazz-04", "jazz-05")
	v, err := h.Create(h.ctx, h.listener, tunevector.Definition{
		Name: "A", Mode: tunevector.Guided, DurationMinutes: 60, Stages: []tunevector.Stage{{Genre: "rock", Minutes: 30}, {Genre: "jazz", Minutes: 30}},
	})
	require.NoError(t, err)
	of := map[string]int{}
	for _, p := range v.Plan.Tracks {
		genre, _, _ := strings.Cut(p.TrackID, "-")
		of[genre]++
		require.Equal(t, p.StartSeconds+p.DurationSeconds/2 < 1800, genre == "rock", "%s at %v s", p.TrackID, p.StartSeconds)
	}
	require.Len(t, of, 2)
}

// A provider that fails anywhere on the way is told of.
func TestModelsAndAFailingProvider(t *testing.T) {
	h := withModel(t)
	h.hear(t, ml.Complete, "jazz-00", "jazz-01", "jazz-02", "jazz-03", "jazz-04", "jazz-05")
	for name, call := range map[string]func() error{
		"recommend": func() error { _, err := h.Recommend(h.ctx, h.listener, 20); return err },
		"create": func() error {
			_, err := h.Create(h.ctx, h.listener, tunevector.Definition{Name: "A", Mode: tunevector.AI, DurationMinutes: 30})
			return err
		},
		"guided": func() error {
			_, err := h.Create(h.ctx, h.listener, tunevector.Definition{
				Name: "A", Mode: tunevector.Guided, DurationMinutes: 30, Stages: []tunevector.Stage{{Genre: "jazz", Minutes: 30}},
			})
			return err
		},
		"similar": func() error { _, err := h.Similar(h.ctx, "jazz-01", 60); return err },
	} {
		h.music.failCall(0)
		require.NoError(t, call(), name)
		h.music.mu.Lock()
		calls := h.music.calls
		h.music.mu.Unlock()
		require.Greater(t, calls, 2)
		for at := 1; at <= calls; at++ {
			h.music.failCall(at)
			require.ErrorIs(t, call(), errBroken, "%s, call %d of %d", name, at, calls)
		}
	}
	h.music.failCall(0)
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	_, err := h.Recommend(ctx, h.listener, 20)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSimilar(t *testing.T) {
	h := withModel(t)
	got, err := h.Similar(h.ctx, "jazz-01", 60)
	require.NoError(t, err)
	require.Len(t, got, 59, "all jazz there is, and nothing else")
	seen, last, played := map[string]bool{"jazz-01": true}, 1.0, 0
	for _, r := range got {
		require.False(t, seen[r.TrackID], "%s is there twice", r.TrackID)
		seen[r.TrackID] = true
		require.True(t, strings.HasPrefix(r.TrackID, "jazz-"), r.TrackID)
		require.LessOrEqual(t, r.Score, last)
		require.NotEmpty(t, r.Title)
		last = r.Score
		if r.Reasons[0] == "played by those who play jazz No. 1" {
			played++
		} else {
			require.Equal(t, []string{"of the same genre, and sounds like it"}, r.Reasons)
		}
	}
	require.Greater(t, played, 10)
	few, err := h.Similar(h.ctx, "jazz-01", 5)
	require.NoError(t, err)
	require.Equal(t, got[:5], few)

	// What is of another kind is not like it.
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			if tracks[i].ID == got[0].TrackID {
				tracks[i].Kind = tunevector.Podcast
			}
		}
		return tracks
	})
	songs, err := h.Similar(h.ctx, "jazz-01", 60)
	require.NoError(t, err)
	for _, r := range songs {
		require.NotEqual(t, got[0].TrackID, r.TrackID)
	}

	// Without a model there is what it sounds like; and where there is no genre, of any.
	plain := open(t)
	got, err = plain.Similar(plain.ctx, "jazz-01", 10)
	require.NoError(t, err)
	require.Len(t, got, 10)
	plain.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			if tracks[i].ID == "jazz-01" {
				tracks[i].Genres = []string{"a genre of its own"}
			}
		}
		return tracks
	})
	got, err = plain.Similar(plain.ctx, "jazz-01", 10)
	require.NoError(t, err)
	require.Len(t, got, 10)
	require.Equal(t, []string{"sounds like it"}, got[0].Reasons)

	_, err = h.Similar(h.ctx, "", 0)
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 2)
	_, err = h.Similar(h.ctx, "nothing", 5)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	_, err = h.Similar(ctx, "jazz-01", 5)
	require.ErrorIs(t, err, context.Canceled)
}
