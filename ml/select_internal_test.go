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
