package jobs_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestDue(t *testing.T) {
	s := memstore.New(nil)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, id := range ids() {
		due(t, s, mow.DueKey(id, noon.Add(time.Duration(15-i)*time.Second)), mow.Key(id), jobs.Kind("mow").DueKey(id, noon))
	}
	odd := mow.DueKey(uuid.New(), noon)
	odd.Sort = "mow-lawn@" + noon.Format(time.RFC3339) + "#nonsense"
	due(t, s, odd)

	some, err := mow.Due(t.Context(), s, noon.Add(3*time.Second+time.Nanosecond), 1000)
	require.NoError(t, err)
	var got []uuid.UUID
	for _, job := range some {
		require.Equal(t, job.Item.Key.Partition, mow.Key(job.ID).Partition)
		got = append(got, job.ID)
	}
	all := ids()
	require.Equal(t, []uuid.UUID{all[15], all[14], all[13], all[12]}, got, "what was due first comes first, and nothing that is not due")
	some, err = mow.Due(t.Context(), s, noon.Add(time.Hour), 3)
	require.NoError(t, err)
	require.Len(t, some, 3)
	require.Equal(t, all[15], some[0].ID)
	var resumed int
	require.NoError(t, mow.Resume(t.Context(), s, func(context.Context, uuid.UUID, store.Item) error { resumed++; return nil }))
	require.Equal(t, 16, resumed, "jobs with a time are none of Resume's business")
	_, err = mow.Due(t.Context(), &down{}, noon, 1)
	require.ErrorIs(t, err, store.ErrUnavailable)

	// In one partition there may be more than are asked for.
	for i := range 5 {
		due(t, s, jobs.Kind("rake").DueKey(uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-0000000000%d0", i)), noon))
	}
	some, err = jobs.Kind("rake").Due(t.Context(), s, noon, 2)
	require.NoError(t, err)
	require.Len(t, some, 2)
}

func TestWaiting(t *testing.T) {
	s := memstore.New(nil)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := map[uuid.UUID]bool{}
	for i, id := range ids() {
		due(t, s, mow.DueKey(id, noon.AddDate(i, 0, 0)), mow.Key(id))
		want[id] = true
	}
	odd := mow.DueKey(uuid.New(), noon)
	odd.Sort = "mow-lawn@" + noon.Format(time.RFC3339) + "#nonsense"
	due(t, s, odd)
	got := map[uuid.UUID]bool{}
	for job, err := range mow.Waiting(t.Context(), s) {
		require.NoError(t, err)
		require.Equal(t, job.Item.Key.Partition, mow.Key(job.ID).Partition)
		got[job.ID] = true
	}
	require.Equal(t, want, got)
	for _, err := range mow.Waiting(t.Context(), s) {
		require.NoError(t, err)
		break
	}
	for _, err := range mow.Waiting(t.Context(), &down{}) {
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
}
