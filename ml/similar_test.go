package ml_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/bpr"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
)

// taught returns a Recommender whose live model is of one algorithm, and that knows of each track its group.
func taught(t *testing.T, a ml.Algorithm, v ml.Values, p ml.Precision) (*school, *ml.Recommender, *error) {
	t.Helper()
	s, failure := newSchool(t), new(error)
	r, err := ml.NewRecommender(described(t, s.bench, failure), ml.RecommenderOptions{
		Algorithms: []ml.Algorithm{a}, Blobs: s.kept, Trainer: s.trainer(t, s.kept), Precision: p,
		Select: ml.SelectOptions{Trials: 1, Fixed: map[string]ml.Values{a.Name(): v}},
	})
	require.NoError(t, err)
	s.fill(t, s.Service, 80)
	s.clock.add(time.Minute)
	_, err = r.Train(t.Context(), nil)
	require.NoError(t, err)
	return s, r, failure
}

var factored = ml.Values{"factors": "12", "regularization": "2"}

func TestSimilar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a ml.Algorithm
		v ml.Values
	}{
		"factored": {als.Algorithm{}, factored}, "biased": {bpr.Algorithm{}, ml.Values{"factors": "12", "rate": "0.1"}}, "neighbors": {itemknn.Algorithm{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, r, _ := taught(t, c.a, c.v, "")
			var before []ml.Alike
			for range 2 { // as it comes, and after a poll
				got, err := r.Similar(t.Context(), "item-14", 8, ml.Filter{})
				require.NoError(t, err)
				require.Len(t, got, 8)
				own, last := 0, 1.0
				for _, a := range got {
					require.NotEqual(t, "item-14", a.TrackID)
					require.LessOrEqual(t, a.Score, last)
					require.Positive(t, a.Score)
					last = a.Score
					if groupOf(t, a.TrackID) == 2 {
						own++
					}
				}
				require.GreaterOrEqual(t, own, 6, "%v", got)
				require.True(t, before == nil || fmt.Sprint(before) == fmt.Sprint(got), "looked for more quickly it is the same")
				before = got

				got, err = r.Similar(t.Context(), "item-14", 200, ml.Filter{
					Tags: []string{"GROUP 1", "group 2"}, AvoidArtists: []string{"Artist of item-2"}, Exclude: []string{"item-6", "item-14", "nobody knows"},
				})
				require.NoError(t, err)
				require.NotEmpty(t, got)
				for _, a := range got {
					require.Contains(t, []int{1, 2}, groupOf(t, a.TrackID))
					require.NotContains(t, []string{"item-2", "item-6"}, a.TrackID)
				}
				got, err = r.Similar(t.Context(), "item-14", 5, ml.Filter{AvoidTags: []string{"group 2"}})
				require.NoError(t, err)
				for _, a := range got {
					require.NotEqual(t, 2, groupOf(t, a.TrackID))
				}
				got, err = r.Similar(t.Context(), "item-14", 5, ml.Filter{Tags: []string{"unheard of"}})
				require.NoError(t, err)
				require.Empty(t, got)
				require.NoError(t, r.Poll(t.Context()))
			}
		})
	}
}

// A track that nobody has heard is placed by what is known of it.
func TestSimilarToTheNew(t *testing.T) {
	t.Parallel()
	_, r, failure := taught(t, als.Algorithm{}, factored, "")
	got, err := r.Similar(t.Context(), "item-1003", 6, ml.Filter{}) // of group 3, as described says
	require.NoError(t, err)
	require.Len(t, got, 6)
	own := 0
	for _, a := range got {
		if groupOf(t, a.TrackID) == 3 {
			own++
		}
	}
	require.GreaterOrEqual(t, own, 5, "%v", got)
	*failure = errors.New("broken")
	_, err = r.Similar(t.Context(), "item-1003", 6, ml.Filter{})
	require.ErrorIs(t, err, *failure)
}

// Where nothing can be told, nothing is.
func TestSimilarOfNothing(t *testing.T) {
	t.Parallel()
	var none *ml.Recommender
	got, err := none.Similar(t.Context(), "item-1", 5, ml.Filter{})
	require.NoError(t, err)
	require.Empty(t, got)
	s, r, _ := taught(t, popular.Algorithm{}, nil, "")
	got, err = r.Similar(t.Context(), "item-1", 5, ml.Filter{})
	require.NoError(t, err)
	require.Empty(t, got, "what is popular is like nothing")
	got, err = r.Similar(t.Context(), "item-1001", 5, ml.Filter{})
	require.NoError(t, err)
	require.Empty(t, got)
	untaught, _ := s.instance(t, ml.RecommenderOptions{Algorithms: []ml.Algorithm{popular.Algorithm{}}})
	got, err = untaught.Similar(t.Context(), "item-1", 5, ml.Filter{})
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, untaught.Poll(t.Context()))
	got, err = untaught.Similar(t.Context(), "item-1001", 5, ml.Filter{}) // nobody says what it is
	require.NoError(t, err)
	require.Empty(t, got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Similar(ctx, "item-1", 5, ml.Filter{})
	require.ErrorIs(t, err, context.Canceled)
}

// In each precision much the same is recommended, and what is told of a track is the same.
func TestPrecisions(t *testing.T) {
	t.Parallel()
	var want []string
	for _, p := range ml.Precisions() {
		s, r, _ := taught(t, als.Algorithm{}, factored, p)
		u, err := r.For(t.Context(), likes(2))
		require.NoError(t, err)
		top := u.Top(10)
		if want == nil {
			want = top
		}
		same := 0
		for _, id := range top {
			suits, known := u.Of(id)
			require.True(t, known)
			require.GreaterOrEqual(t, suits, 0.0)
			for _, w := range want {
				if w == id {
					same++
				}
			}
		}
		require.GreaterOrEqual(t, same, 9, "%s: %v, not %v", p, top, want)
		first, _ := u.Of(top[0])
		require.InDelta(t, 1, first, 1e-6)

		best, err := u.Best(t.Context(), 10, ml.Filter{})
		require.NoError(t, err)
		require.Equal(t, top, best, "without a filter it is the same")
		best, err = u.Best(t.Context(), 10, ml.Filter{Tags: []string{"group 1"}, Exclude: top})
		require.NoError(t, err)
		require.NotEmpty(t, best)
		for _, id := range best {
			require.Equal(t, 1, groupOf(t, id))
			require.NotContains(t, top, id)
		}

		s.clock.add(time.Minute)
		again, err := r.Train(t.Context(), nil)
		require.NoError(t, err)
		require.InDelta(t, again.Version.Metrics.NDCG10, again.Served.NDCG10, 0.02)
		require.Equal(t, again.Version.Metrics.Listeners, again.Served.Listeners)
	}
	s := newSchool(t)
	_, err := ml.NewRecommender(s.Service, ml.RecommenderOptions{
		Blobs: s.kept, Trainer: s.trainer(t, s.kept), Algorithms: []ml.Algorithm{als.Algorithm{}}, Precision: "int4",
	})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Contains(t, e.Fields, "Precision")
}

// Best of a model that is no product of vectors is taken from its scores.
func TestBestOfScores(t *testing.T) {
	t.Parallel()
	_, r, _ := taught(t, itemknn.Algorithm{}, nil, ml.INT8)
	u, err := r.For(t.Context(), likes(2))
	require.NoError(t, err)
	best, err := u.Best(t.Context(), 10, ml.Filter{})
	require.NoError(t, err)
	require.Equal(t, u.Top(10), best)
	best, err = u.Best(t.Context(), 100, ml.Filter{AvoidTags: []string{"group 2"}, Exclude: []string{"item-1"}})
	require.NoError(t, err)
	require.Len(t, best, 35)
	for _, id := range best {
		require.NotEqual(t, 2, groupOf(t, id))
		require.NotEqual(t, "item-1", id)
	}
	var nobody *ml.Suited
	best, err = nobody.Best(t.Context(), 10, ml.Filter{})
	require.NoError(t, err)
	require.Empty(t, best)
}

// BenchmarkPrecision tells what each precision costs in NDCG@10, how long it takes to find ten items for a listener and how much memory the search takes:
//
//	RHYTHMIQ_RANKING=DIR go test ./ml -run '^$' -bench Precision -benchtime 1x
func BenchmarkPrecision(b *testing.B) {
	train, valid := mltest.Ranking(b)
	for name, c := range map[string]struct {
		a ml.Algorithm
		v ml.Values
	}{
		"als-64":  {als.Algorithm{}, ml.Values{"factors": "64"}},
		"als-256": {als.Algorithm{}, ml.Values{"factors": "256", "weight": "binary", "alpha": "5", "regularization": "30"}},
		"bpr-64":  {bpr.Algorithm{}, ml.Values{"factors": "64"}},
	} {
		m, err := c.a.Fit(b.Context(), train, c.v, ml.FitOptions{Seed: 1})
		require.NoError(b, err)
		for _, p := range ml.Precisions() {
			b.Run(name+"/"+string(p), func(b *testing.B) {
				var e ml.Metrics
				for b.Loop() {
					var err error
					e, err = ml.Evaluate(b.Context(), ml.Quantized(m, p), train.Heard, valid, 1)
					require.NoError(b, err)
				}
				b.ReportMetric(e.NDCG10, "ndcg@10")
				b.ReportMetric(e.Recall20, "recall@20")
			})
		}
	}
}
