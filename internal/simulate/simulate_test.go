package simulate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/simulate"
)

func live(t testing.TB, arm simulate.Arm, o simulate.Options) simulate.Outcome {
	t.Helper()
	out, err := simulate.Run(t.Context(), o, arm)
	require.NoError(t, err)
	require.Len(t, out.Played, o.Days)
	for day := range o.Days {
		require.Equal(t, 8*o.Listeners, out.Played[day])
		require.LessOrEqual(t, out.Skipped[day], out.Played[day])
	}
	return out
}

// Every way of choosing gets through the same days. What hangs on nothing but the world comes to the same when it is done again; the others may differ where listeners, whose ids are
// random, are added up in another order.
func TestEveryArmLives(t *testing.T) {
	t.Parallel()
	o := simulate.Options{Seed: 7, Days: 3, Listeners: 1, Matters: true}
	for _, arm := range simulate.Arms() {
		live(t, arm, o)
	}
	once := live(t, simulate.Random, o)
	require.Equal(t, once, live(t, simulate.Random, o))
}

// Some days are enough for the ai mode to be ahead of chance by far. What it gains on better ways is in the README.
func TestListenersSkipLessThanByChance(t *testing.T) {
	t.Parallel()
	o := simulate.Options{Seed: 3, Days: 10, Listeners: 2, Matters: true}
	ai, random := live(t, simulate.AI, o), live(t, simulate.Random, o)
	require.Less(t, ai.Share(0, o.Days), random.Share(0, o.Days)-0.1)
	require.LessOrEqual(t, ai.Tried, o.Listeners*o.Days, "at most one of eight is a try")
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := simulate.Run(ctx, simulate.Options{Seed: 1, Days: 1, Listeners: 1}, simulate.AI)
	require.ErrorIs(t, err, context.Canceled)
}
