package ml_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
)

func TestTrainingData(t *testing.T) {
	t.Parallel()
	b := newBench(t, ml.Options{MinListeners: 2, Trainable: func(_ context.Context, ids []string) (map[string]bool, error) {
		may := map[string]bool{}
		for _, id := range ids {
			may[id] = !strings.HasPrefix(id, "spotify")
		}
		return may, nil
	}, Describe: func(_ context.Context, ids []string) (map[string]ml.Item, error) {
		return map[string]ml.Item{ids[0]: {ID: ids[0], Tags: []string{"rock"}}}, nil
	}})
	ada, bob, eve, cid := b.listener(t, 1), b.listener(t, 2), b.listener(t, 3), b.listener(t, 17) // the last is in Ada's shard
	hour := func(n int) time.Time { return noon.Add(-time.Duration(n) * time.Hour) }
	b.log(t, ada,
		event(1, "b", ml.Like, hour(48)), event(2, "b", ml.Play, hour(3)), event(3, "b", ml.Skip, hour(2)), // 0.8 + 0.1 − 0.3
		event(4, "c", ml.Save, hour(5)), event(5, "c", ml.Dislike, hour(4)), // nothing
		event(6, "spotify", ml.Save, hour(4)), event(7, "a", ml.Complete, hour(90*24-1)))
	b.log(t, bob, event(8, "b", ml.Play, hour(1)), event(9, "c", ml.Like, hour(1)), event(10, "spotify", ml.Save, hour(4)), event(11, "alone", ml.Save, hour(3)))
	b.log(t, cid, event(12, "a", ml.Save, hour(30)), event(13, "c", ml.Play, hour(30)))
	b.log(t, eve, event(14, "a", ml.Dislike, hour(30)))

	d, err := b.TrainingData(t.Context(), noon)
	require.NoError(t, err)
	require.NoError(t, d.Check())
	require.Equal(t, []string{"a", "b", "c"}, d.Items, "what two like, and may be learned from")
	require.Equal(t, []string{"0", "1", "2"}, d.Listeners, "numbers, and nobody who likes nothing")
	require.Equal(t, "rock", d.About[0].Tags[0])
	type cell struct {
		item   string
		weight float64
		at     int64
	}
	rows := map[string]bool{}
	for u := range d.Listeners {
		cols, weights := d.Heard.Row(u)
		var row []cell
		for i, c := range cols {
			row = append(row, cell{d.Items[c], math.Round(1e4*float64(weights[i])) / 1e4, d.Times[d.Heard.Starts[u]+i]})
		}
		rows[fmt.Sprint(row)] = true
	}
	require.Equal(t, map[string]bool{
		fmt.Sprint([]cell{{"a", 0.4, hour(90*24 - 1).Unix()}, {"b", 0.6, hour(2).Unix()}}): true,
		fmt.Sprint([]cell{{"b", 0.1, hour(1).Unix()}, {"c", 0.8, hour(1).Unix()}}):         true,
		fmt.Sprint([]cell{{"a", 1, hour(30).Unix()}, {"c", 0.1, hour(30).Unix()}}):         true,
	}, rows)
	for _, id := range []uuid.UUID{ada, bob, eve, cid} {
		require.NotContains(t, fmt.Sprint(d.Listeners), id.String())
	}
	again, err := b.TrainingData(t.Context(), noon)
	require.NoError(t, err)
	require.Equal(t, d.Fingerprint(), again.Fingerprint())

	before, err := b.TrainingData(t.Context(), hour(4))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, before.Items, "what came later is not in it")
	status, values := b.events.last(t, "ml.read-training")
	require.Equal(t, "ok", status)
	require.InDelta(t, 6, values["events"], 0)
}

// described is a service that knows each track's group by a tag, and by how it sounds.
func described(t *testing.T, b *bench, failure *error) *ml.Service {
	t.Helper()
	return b.another(t, ml.Options{MinListeners: 1, Describe: func(_ context.Context, ids []string) (map[string]ml.Item, error) {
		all := map[string]ml.Item{}
		for _, id := range ids {
			all[id] = item(id, groupOf(t, id))
		}
		return all, *failure
	}})
}

func item(id string, group int) ml.Item {
	return ml.Item{
		ID: id, Tags: []string{"group " + strconv.Itoa(group), "Music"}, Artists: []string{"artist of " + id}, Confidence: 1,
		Features: map[string]float64{"energy": float64(group) / 4, "same": 1},
	}
}

func TestTrainingDataOfNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, ml.Options{})
	d, err := b.TrainingData(t.Context(), noon)
	require.NoError(t, err)
	require.Empty(t, d.Items)
}

func TestTrainingDataFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var trainable, describe error
	b := newBench(t, ml.Options{
		MinListeners: 1,
		Trainable: func(_ context.Context, ids []string) (map[string]bool, error) {
			return map[string]bool{ids[0]: true}, trainable
		},
		Describe: func(context.Context, []string) (map[string]ml.Item, error) { return nil, describe },
	})
	b.log(t, b.listener(t, 1), event(1, "a", ml.Like, noon))
	for _, failure := range []*error{&trainable, &describe} {
		*failure = broken
		_, err := b.TrainingData(t.Context(), noon.Add(1))
		require.ErrorIs(t, err, broken)
		*failure = nil
	}
	b.store.on(nil, func(store.Query) error { return broken }, nil)
	_, err := b.TrainingData(t.Context(), noon)
	require.ErrorIs(t, err, broken)
	b.store.on(nil, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.TrainingData(ctx, noon)
	require.ErrorIs(t, err, context.Canceled)
}
