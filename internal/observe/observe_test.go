package observe_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{fault.New(fault.TooMany, "later"), "too-many"},
		{fmt.Errorf("around: %w", fault.ErrNotFound), "not-found"},
		{io.EOF, "internal"},
		{fmt.Errorf("around: %w", context.Canceled), "canceled"},
		{context.DeadlineExceeded, "canceled"},
		{fault.Wrap(context.DeadlineExceeded, fault.Unavailable, "later"), "unavailable"},
	} {
		require.Equal(t, c.want, observe.Status(c.err), "%v", c.err)
	}
}

type counter int

func (c *counter) Observe(context.Context, observe.Event) { *c++ }

func TestOr(t *testing.T) {
	var c counter
	observe.Or(&c).Observe(t.Context(), observe.Event{})
	require.Equal(t, counter(1), c)
	require.NotPanics(t, func() { observe.Or(nil).Observe(t.Context(), observe.Event{}) })
}

type printer struct{}

func (printer) Observe(_ context.Context, e observe.Event) {
	fmt.Println(e.Operation, e.Status, e.Values)
}

func ExampleObserver() {
	var o observe.Observer = printer{}
	o.Observe(context.Background(), observe.Event{
		Operation: "store.sweep", Status: observe.Status(nil), Values: []observe.Value{{Name: "expired", Number: 3}},
	})
	// Output: store.sweep ok [{expired 3}]
}

type recorder []observe.Event

func (r *recorder) Observe(_ context.Context, e observe.Event) { *r = append(*r, e) }

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		values := []observe.Value{{Name: "eaten"}}
		eat := func() (err error) {
			defer observe.Watch(t.Context(), &r, "fridge.eat", values...)(&err)
			time.Sleep(time.Second)
			values[0].Number = 3
			return fault.ErrNotFound
		}
		require.Error(t, eat())
		done := observe.Start(t.Context(), &r, "fridge.fill")
		time.Sleep(time.Minute)
		done(nil)
		require.Equal(t, recorder{
			{Operation: "fridge.eat", Status: "not-found", Duration: time.Second, Values: []observe.Value{{Name: "eaten", Number: 3}}},
			{Operation: "fridge.fill", Status: "ok", Duration: time.Minute},
		}, r)
	})
}
