package ml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A second holdout that lies in the past decides what the first leaves open, and does not overturn what it has settled.
func TestPastHoldoutDecidesWhatIsOpen(t *testing.T) {
	t.Parallel()
	// gains of twelve listeners around a mean, more for the even ones and less for the odd ones by spread.
	gains := func(mean, spread float64) []float64 {
		all := make([]float64, 12)
		for i := range all {
			all[i] = mean + spread*float64(1-i%2*2)
		}
		return all
	}
	trial := func(number int, first, second []float64, bytes int64) Trial {
		a, _ := meanError(first)
		b, _ := meanError(second)
		return Trial{
			Number: number, Algorithm: []string{"als", "popular"}[number-1], Bytes: bytes, gains: first, secondGains: second,
			Metrics: Metrics{NDCG10: a, Listeners: len(first)}, Second: &Metrics{NDCG10: b, Listeners: len(second)}, past: true,
		}
	}
	for name, c := range map[string]struct {
		als, popular Trial
		want         string
	}{
		"settled by the first":           {trial(1, gains(0.07, 0.01), gains(0.03, 0), 100), trial(2, gains(0.05, 0), gains(0.09, 0), 1), "als"},
		"open, decided by the mean":      {trial(1, gains(0.07, 0.05), gains(0.03, 0), 100), trial(2, gains(0.05, 0), gains(0.09, 0), 100), "popular"},
		"open, and no different: small":  {trial(1, gains(0.052, 0.05), gains(0.03, 0.05), 100), trial(2, gains(0.05, 0), gains(0.031, 0), 1), "popular"},
		"settled, though the mean is so": {trial(1, gains(0.07, 0.01), gains(0.03, 0), 100), trial(2, gains(0.05, 0), gains(0.05, 0), 1), "als"},
	} {
		s := &search{second: &again{}, all: &Selection{Trials: []Trial{c.als, c.popular}}}
		s.choose(t.Context())
		require.Equal(t, c.want, s.all.Trials[s.all.Best].Algorithm, "%s: %s", name, s.all.Reason)
		require.NotContains(t, s.all.Reason, ", -0.", name)
		if name == "settled by the first" { // of times that nobody knows, both say as much
			s.all.Trials[0].past, s.all.Trials[1].past = false, false
			s.choose(t.Context())
			require.Equal(t, "popular", s.all.Trials[s.all.Best].Algorithm, s.all.Reason)
		}
	}
}

// What is best of many trials on a few answers is so by luck, too: only what is better by more than a standard error takes the place of what was there.
func TestBeaten(t *testing.T) {
	t.Parallel()
	trial := func(gain, noise float64) *Trial {
		x := &Trial{Metrics: Metrics{Answers: &AnswerMetrics{Gain: gain}}}
		for i := range 100 {
			x.gains = append(x.gains, gain+noise*float64(i%2*2-1))
		}
		return x
	}
	a := &arm{}
	first := trial(0.1, 0)
	require.True(t, a.beaten(first), "there was none")
	a.best = first
	require.False(t, a.beaten(trial(0.11, 0.2)), "0.01 more, of which the standard error is 0.02")
	require.True(t, a.beaten(trial(0.13, 0.2)))
	require.False(t, a.beaten(trial(0.05, 0)))
	s := &search{arms: []*arm{a}}
	a.best.Number = 3
	require.True(t, s.stands(3))
	require.False(t, s.stands(4))
	a.best = &Trial{Metrics: Metrics{NDCG10: 0.2}}
	require.True(t, a.beaten(&Trial{Metrics: Metrics{NDCG10: 0.2001}}), "where lists are measured the better one is taken")
	require.False(t, a.beaten(&Trial{Metrics: Metrics{NDCG10: 0.2}}))
}
