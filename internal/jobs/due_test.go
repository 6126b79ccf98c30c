package jobs_test

import (
	"context"
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

	some := dueAt(t, s, mow, noon.Add(3*time.Second+time.Nanosecond))
	all := ids()
	require.Equal(t, []uuid.UUID{all[15], all[14], all[13], all[12]}, some, "what was due first comes first, and nothing that is not due")
	for job, err := range mow.Due(t.Context(), s, noon.Add(time.Hour)) {
		require.NoError(t, err)
		require.Equal(t, all[15], job.ID)
		break
	}
	var resumed int
	require.NoError(t, mow.Resume(t.Context(), s, func(context.Context, uuid.UUID, store.Item) error { resumed++; return nil }))
	require.Equal(t, 16, resumed, "jobs with a time are none of Resume's business")
	for _, err := range mow.Due(t.Context(), &down{}, noon) {
		require.ErrorIs(t, err, store.ErrUnavailable)
	}
}

// dueAt lists what is due.
func dueAt(t *testing.T, s store.Store, k jobs.Kind, now time.Time) (got []uuid.UUID) {
	t.Helper()
	for job, err := range k.Due(t.Context(), s, now) {
		require.NoError(t, err)
		require.Equal(t, k.Key(job.ID).Partition, job.Item.Key.Partition)
		got = append(got, job.ID)
	}
	return got
}

// However many jobs are stuck and due before all others, these get their turn; and a store that fails half-way is told.
func TestStuckJobsHideNothing(t *testing.T) {
	const all, stuck = 2500, 1200
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, last := range map[string]func(i int) int{"in one partition": func(int) int { return 7 }, "in all of them": func(i int) int { return i }} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New(nil)
			rake := jobs.Kind("rake")
			var want []uuid.UUID
			for i := range all {
				id := uuid.New()
				id[15] = byte(last(i))
				due(t, s, rake.DueKey(id, noon.Add(time.Duration(i)*time.Second)))
				want = append(want, id)
			}
			now := noon.Add(time.Hour)
			done := 0
			for job, err := range rake.Due(t.Context(), s, now) { // what is not stuck is done, and so deleted, while the run goes on
				require.NoError(t, err)
				require.Equal(t, want[done], job.ID)
				if done++; done > stuck {
					require.NoError(t, s.Apply(t.Context(), store.Delete(job.Item.Key, store.None)))
				}
			}
			require.Equal(t, all, done)
			require.Equal(t, want[:stuck], dueAt(t, s, rake, now))

			failing := &failsAt{Store: s, at: 30}
			var failed error
			seen := 0
			for _, err := range rake.Due(t.Context(), failing, now) {
				if failed = err; err == nil {
					seen++
				}
			}
			require.ErrorIs(t, failed, store.ErrUnavailable)
			require.NotZero(t, seen)
			require.Less(t, seen, stuck)
		})
	}
}

// failsAt is a store whose listings fail from the one of a number on.
type failsAt struct {
	store.Store
	at int
}

func (f *failsAt) List(ctx context.Context, q store.Query) (store.Page, error) {
	if f.at--; f.at < 0 {
		return store.Page{}, store.ErrUnavailable
	}
	return f.Store.List(ctx, q)
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
