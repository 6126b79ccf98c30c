package ml

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
)

// A row is read as what was written, and what is no row is refused without a panic.
func FuzzReadRow(f *testing.F) {
	f.Add("event#2026-03-20T12:00:00.000000000Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{"trackId":"t","action":"play"}`))
	f.Add("event#2026-03-20T12:00:00.000000001Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{"trackId":"t","action":"rate","rating":4,"positionSeconds":1e3}`))
	f.Add("event#2026-03-20T1:00:00.0000000000Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#2026-03-20T12:00:00,000000000Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#2026-03-20T12:00:00.0000+01:00#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#2026-03-20T12:00:00.000000000Z#6F0E2AB5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#2026-03-20T12:00:00.000000000Z#6f0e2ab55f464b1c8a6c7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#9999-12-31T00:00:00.000000001Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#0000-12-31T00:00:00.000000001Z#6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d", []byte(`{}`))
	f.Add("event#", []byte(`{}`))
	f.Add("x", []byte(`[]`))
	f.Fuzz(func(t *testing.T, sort string, body []byte) {
		l, err := readRow(store.Item{Key: store.Key{Table: store.Interactions, Sort: sort}, Body: body})
		if err != nil {
			return
		}
		item, err := l.row()
		require.NoError(t, err)
		require.Equal(t, sort, item.Key.Sort, "there is one way to write it")
		again, err := readRow(item)
		require.NoError(t, err)
		require.True(t, l.same(&again.Interaction), "%v %v", l, again)
	})
}

// The API's JSON of an interaction is read without a panic, and whatever passes the check can be kept.
func FuzzInteractionJSON(f *testing.F) {
	f.Add([]byte(`{"eventId":"6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d","trackId":"t","action":"skip","positionSeconds":31,"at":"2026-03-20T12:00:00+02:00"}`))
	f.Add([]byte(`{"eventId":"6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d","tuneVectorId":"6f0e2ab5-5f46-4b1c-8a6c-7d8d0a2b3c4d","trackId":"\u0000","action":"rate","rating":5,"at":"2026-03-20T12:00:00.123456789Z"}`))
	f.Add([]byte(`{"at":"9999-12-31T23:59:59-14:00"}`))
	s := &Service{now: func() time.Time { return time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC) }}
	f.Fuzz(func(t *testing.T, body []byte) {
		var i Interaction
		if json.Unmarshal(body, &i) != nil || s.Check([]Interaction{i}) != nil {
			return
		}
		item, err := Logged{Interaction: i}.row()
		require.NoError(t, err)
		require.NoError(t, store.CheckWrites([]store.Write{store.Put(item, store.None)}))
		back, err := readRow(item)
		require.NoError(t, err)
		require.True(t, i.same(&back.Interaction))
	})
}

// Of the rows of a day, none is in the partition of another day's, and all shards are used.
func TestDayPartitions(t *testing.T) {
	at := time.Date(2026, 3, 20, 23, 59, 59, 999999999, time.UTC)
	seen := map[store.Partition]bool{}
	for range 500 {
		shard := shardOf(uuid.New())
		require.Equal(t, dayPartition(at, shard), dayPartition(dayOf(at), shard))
		require.NotEqual(t, dayPartition(at, shard), dayPartition(at.Add(1), shard))
		seen[dayPartition(at, shard)] = true
	}
	require.Len(t, seen, dayShards)
}

func TestListenersNameNobody(t *testing.T) {
	var l listeners
	for range 1000 {
		l = l.add(uuid.New())
	}
	require.True(t, l.atLeast(mostMinListeners))
	b, err := json.Marshal(l)
	require.NoError(t, err)
	require.LessOrEqual(t, len(b), 18)
	var back listeners
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, l, back)
	require.Error(t, json.Unmarshal([]byte(`"`+strings.Repeat("f", 17)+`"`), &back))
}
