package ml

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBeats(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	metrics := func(ndcg, recall float64) Metrics { return Metrics{NDCG10: ndcg, Recall20: recall} }
	for name, c := range map[string]struct {
		candidate, live Metrics
		age             time.Duration
		want            bool
		why             string
	}{
		"better":             {metrics(0.2, 0.1), metrics(0.1, 0.2), day, true, "NDCG@10 0.2000 against 0.1000"},
		"worse":              {metrics(0.1, 0.3), metrics(0.2, 0.2), day, false, "NDCG@10 0.1000 against 0.2000"},
		"a tie":              {metrics(0.2, 0.3), metrics(0.2, 0.3), day, false, "Recall@20 0.3000 against 0.3000"},
		"a tie, finds more":  {metrics(0.2, 0.4), metrics(0.2, 0.3), day, true, "Recall@20 0.4000 against 0.3000"},
		"a tie, finds less":  {metrics(0.2, 0.2), metrics(0.2, 0.3), day, false, "Recall@20"},
		"worse than too old": {metrics(0.1, 0.1), metrics(0.2, 0.2), Retention + 1, true, "kept no more"},
		"worse than old":     {metrics(0.1, 0.1), metrics(0.2, 0.2), Retention, false, "NDCG@10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, why := beats(Version{Metrics: c.candidate}, c.live, Version{Until: now.Add(-c.age)}, now)
			require.Equal(t, c.want, got)
			require.Contains(t, why, c.why)
		})
	}
}

func TestMerged(t *testing.T) {
	t.Parallel()
	all := []hearing{{1, 2, 5, 10}, {0, 1, 1000, 3}, {1, 2, -2, 30}, {1, 2, 4, 20}, {0, 1, mostStrength, 1}, {1, 1, -1, 1}}
	require.Equal(t, []hearing{{0, 1, mostStrength, 3}, {1, 1, -1, 1}, {1, 2, 7, 30}}, merged(all))
}

// What was learned from other music than is asked about: what the model does not know comes last, and is not heard.
func TestOnItems(t *testing.T) {
	t.Parallel()
	m := onItems(sums{}, []string{"new", "b", "a"})
	require.Equal(t, []string{"new", "b", "a"}, m.Items())
	scores := make([]float32, 3)
	m.Scores(scores, Heard{Items: []int32{0, 1, 2}, Weights: []float32{100, 2, 3}})
	require.Equal(t, []float32{float32(math.Inf(-1)), 2, 3}, scores)
}

// sums scores each of two items by its weight.
type sums struct{ Model }

func (sums) Items() []string { return []string{"a", "b"} }

func (sums) Scores(dst []float32, h Heard) {
	for i, c := range h.Items {
		dst[c] = h.Weights[i]
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	u := &Suited{mean: 1, best: 3}
	for score, want := range map[float32]float64{0: 0, 1: 0, 2: 0.5, 3: 1, 4: 1, float32(math.Inf(-1)): 0} {
		require.InDelta(t, want, u.measure(score), 1e-9)
	}
	require.Zero(t, u.measure(float32(math.NaN())))
	require.Zero(t, (&Suited{mean: 1, best: 1}).measure(1), "all the same")
}
