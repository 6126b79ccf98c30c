package jobs_test

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func Example() {
	ctx, s, id := context.Background(), memstore.New(nil), uuid.New()
	const kind jobs.Kind = "sweep-up"
	// Together with what makes the work due, there is a note of it.
	_ = s.Apply(ctx, store.Put(store.Item{Key: kind.Key(id), Body: []byte(`{}`)}, store.Absent))
	// Whoever comes by finishes what is left.
	finish := func(ctx context.Context, about uuid.UUID, job store.Item) error {
		fmt.Println("to be finished:", about == id)
		return s.Apply(ctx, store.Delete(job.Key, store.None))
	}
	fmt.Println(kind.Resume(ctx, s, finish))
	fmt.Println(kind.Resume(ctx, s, finish))
	// Output:
	// to be finished: true
	// <nil>
	// <nil>
}
