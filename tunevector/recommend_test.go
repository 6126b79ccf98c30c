package tunevector_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

func (h *house) recommend(t require.TestingT, limit int) []tunevector.Recommendation {
	all, err := h.Recommend(h.ctx, h.listener, limit)
	require.NoError(t, err)
	return all
}

func (h *house) hear(t require.TestingT, action ml.Action, tracks ...string) {
	var done []ml.Interaction
	for _, id := range tracks {
		done = append(done, ml.Interaction{EventID: uuid.New(), TrackID: id, Action: action, At: h.now})
	}
	h.record(t, done...)
}

func TestRecommend(t *testing.T) {
	h := open(t)
	_, err := h.Recommend(h.ctx, h.listener, 0)
	require.Contains(t, wrong(t, err), "limit")
	_, err = h.Recommend(h.ctx, h.listener, 101)
	require.Contains(t, wrong(t, err), "limit")

	fresh := h.recommend(t, 20)
	require.Len(t, fresh, 20)
	for i, r := range fresh {
		require.NotEmpty(t, r.Reasons)
		require.NotEmpty(t, r.Artists)
		require.GreaterOrEqual(t, r.Score, 0.0)
		require.LessOrEqual(t, r.Score, 1.0)
		if i > 0 {
			require.LessOrEqual(t, r.Score, fresh[i-1].Score)
		}
	}

	h.likes(t, preference.Genre, "jazz", 1)
	h.likes(t, preference.Artist, "rock artist 7", 0.9)
	liked := h.recommend(t, 100)
	require.Contains(t, []string{"jazz-", "rock-"}, liked[0].TrackID[:5])
	require.Contains(t, liked[0].Reasons[0], "you like")
	of := map[string]int{}
	for _, r := range liked {
		of[r.Artists[0]]++
	}
	require.Equal(t, 2, of["rock artist 7"], "two of an artist, and not the third")

	h.hear(t, ml.Dislike, liked[0].TrackID)
	h.hear(t, ml.Complete, liked[1].TrackID)
	for _, r := range h.recommend(t, 100) {
		require.NotEqual(t, liked[0].TrackID, r.TrackID)
		require.NotEqual(t, liked[1].TrackID, r.TrackID, "heard lately")
	}
	h.now = h.now.Add(8 * 24 * time.Hour)
	var again []string
	for _, r := range h.recommend(t, 100) {
		again = append(again, r.TrackID)
	}
	require.Contains(t, again, liked[1].TrackID, "that was a while ago")
}

func TestRecommendIsNeverEmptyWhileThereIsMusic(t *testing.T) {
	few := func(h *house) {
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track { return tracks[:3] })
	}
	t.Run("no music", func(t *testing.T) {
		h := open(t)
		h.music.change(func([]tunevector.Track) []tunevector.Track { return nil })
		require.Empty(t, h.recommend(t, 5))
	})
	t.Run("one artist", func(t *testing.T) {
		h := open(t)
		few(h)
		require.Len(t, h.recommend(t, 5), 3)
	})
	t.Run("all heard", func(t *testing.T) {
		h := open(t)
		few(h)
		h.hear(t, ml.Complete, "rock-00", "rock-01", "rock-02")
		again := h.recommend(t, 5)
		require.Len(t, again, 3)
		require.Contains(t, again[0].Reasons, "you heard it lately")
	})
	t.Run("all but one disliked", func(t *testing.T) {
		h := open(t)
		few(h)
		h.hear(t, ml.Dislike, "rock-00", "rock-01")
		require.Len(t, h.recommend(t, 5), 1)
		h.hear(t, ml.Dislike, "rock-02")
		require.Len(t, h.recommend(t, 5), 3, "rather than nothing")
	})
	t.Run("only soundscapes", func(t *testing.T) {
		h := open(t)
		h.music.change(func(tracks []tunevector.Track) []tunevector.Track { return tracks[len(tracks)-5:] })
		require.NotEmpty(t, h.recommend(t, 5))
	})
}

func TestWhatWasHeardIsNotNew(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track { return tracks[:3] })
	h.hear(t, ml.Play, "rock-00", "rock-01", "rock-02")
	h.now = h.now.Add(8 * 24 * time.Hour)
	for _, r := range h.recommend(t, 3) {
		require.NotContains(t, r.Reasons, "something new for you")
	}
}
