package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

const mow jobs.Kind = "mow-lawn"

func due(t *testing.T, s store.Store, keys ...store.Key) {
	t.Helper()
	for _, key := range keys {
		require.NoError(t, s.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{}`)}, store.None)))
	}
}

// ids are in 16 different partitions.
func ids() (all []uuid.UUID) {
	for n := range byte(16) {
		all = append(all, uuid.UUID{6: 0x40, 8: 0x80, 15: n})
	}
	return all
}

func TestResume(t *testing.T) {
	s := memstore.New(nil)
	partitions := map[store.Partition]bool{}
	for _, id := range ids() {
		key := mow.Key(id)
		due(t, s, key, jobs.Kind("mow").Key(id))
		partitions[key.Partition] = true
	}
	require.Len(t, partitions, 16)

	stuck := ids()[3]
	jammed := errors.New("jammed")
	finish := func(ctx context.Context, id uuid.UUID, job store.Item) error {
		require.Equal(t, mow.Key(id), job.Key)
		if id == stuck {
			return jammed
		}
		return s.Apply(ctx, store.Delete(job.Key, store.None))
	}
	require.Equal(t, jammed.Error(), mow.Resume(t.Context(), s, finish).Error())
	var left []uuid.UUID
	look := func(_ context.Context, id uuid.UUID, _ store.Item) error { left = append(left, id); return nil }
	require.NoError(t, mow.Resume(t.Context(), s, look))
	require.Equal(t, []uuid.UUID{stuck}, left, "what fails is left, the rest is done")
	left = nil
	require.NoError(t, jobs.Kind("mow").Resume(t.Context(), s, look))
	require.Equal(t, ids(), left, "other kinds are none of its business")
}

func TestResumeOddJob(t *testing.T) {
	s := memstore.New(nil)
	odd := mow.Key(ids()[0])
	odd.Sort = "mow-lawn#nonsense"
	due(t, s, odd, mow.Key(ids()[0]))
	done := 0
	err := mow.Resume(t.Context(), s, func(context.Context, uuid.UUID, store.Item) error { done++; return nil })
	require.ErrorContains(t, err, "nonsense: invalid UUID")
	require.Equal(t, 1, done)
}

// down is a store whose listings fail.
type down struct {
	store.Store
	lists int
}

func (d *down) List(context.Context, store.Query) (store.Page, error) {
	d.lists++
	return store.Page{}, fmt.Errorf("disk: %w", store.ErrUnavailable)
}

func TestOutageIsOneReason(t *testing.T) {
	d := &down{}
	err := mow.Resume(t.Context(), d, nil)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, "disk: unavailable (16 times)", err.Error())
	require.Equal(t, 16, d.lists)
}

func TestReasonsAreBounded(t *testing.T) {
	s := memstore.New(nil)
	for _, id := range ids() {
		due(t, s, mow.Key(id))
	}
	reason := errors.New("reason 4")
	n := 0
	err := mow.Resume(t.Context(), s, func(context.Context, uuid.UUID, store.Item) error {
		if n++; n == 5 {
			return reason
		}
		return fmt.Errorf("reason %d", (n-1)%8)
	})
	require.ErrorIs(t, err, reason)
	require.Equal(t, "reason 0 (2 times)\nreason 1 (2 times)\nreason 2 (2 times)\nreason 3 (2 times)\nreason 4 (2 times)\nand 6 more", err.Error())
}

func TestResumeHonorsItsContext(t *testing.T) {
	s := memstore.New(nil)
	due(t, s, mow.Key(ids()[0]), mow.Key(ids()[1]))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := mow.Resume(ctx, s, func(context.Context, uuid.UUID, store.Item) error { n++; cancel(); return errors.New("too late") })
	require.Equal(t, context.Canceled, err)
	require.Equal(t, 1, n)
}
