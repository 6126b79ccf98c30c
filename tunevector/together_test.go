package tunevector

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTogether(t *testing.T) {
	broken := errors.New("broken")
	t.Run("side by side", func(t *testing.T) {
		var met sync.WaitGroup
		met.Add(2)
		meet := func(context.Context) error {
			met.Done()
			met.Wait()
			return nil
		}
		require.NoError(t, together(t.Context(), meet, meet))
	})
	t.Run("an error calls the others off", func(t *testing.T) {
		over := false
		err := together(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			over = true
			return ctx.Err()
		}, func(context.Context) error { return broken })
		require.ErrorIs(t, err, broken)
		require.True(t, over, "nothing goes on")
	})
	t.Run("so does the caller", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		require.ErrorIs(t, together(ctx, wait, wait, func(context.Context) error {
			cancel()
			return nil
		}), context.Canceled)
	})
	t.Run("a panic is the caller's", func(t *testing.T) {
		require.PanicsWithValue(t, "at the disco", func() {
			_ = together(t.Context(), func(context.Context) error { panic("at the disco") }, func(context.Context) error { return nil })
		})
	})
}

func TestBeside(t *testing.T) {
	var met sync.WaitGroup
	met.Add(2)
	meet := func() {
		met.Done()
		met.Wait()
	}
	beside(meet, meet)
	over := false
	require.PanicsWithValue(t, "at the disco", func() { beside(func() { panic("at the disco") }, func() { over = true }) })
	require.True(t, over)
}

func TestInTurn(t *testing.T) {
	broken := errors.New("broken")
	var done []int
	part := func(n int, err error) func(context.Context) error {
		return func(context.Context) error {
			done = append(done, n)
			return err
		}
	}
	require.NoError(t, inTurn(t.Context(), part(1, nil), part(2, nil)))
	require.ErrorIs(t, inTurn(t.Context(), part(3, broken), part(4, nil)), broken)
	require.Equal(t, []int{1, 2, 3}, done)
}

// What a provider answers is merged in the order in which it was asked for, whichever answer comes first; one that lends is asked for one thing after the other.
func TestFoundInTheOrderAskedFor(t *testing.T) {
	second := make(chan struct{})
	finds := []find{
		func(ctx context.Context) (finding, error) {
			select {
			case <-second:
			case <-ctx.Done():
			}
			return finding{tracks: []*Track{{ID: "a"}}}, ctx.Err()
		},
		func(context.Context) (finding, error) {
			close(second)
			return finding{tracks: []*Track{{ID: "b"}}}, nil
		},
	}
	found, err := (&Service{}).findAll(t.Context(), finds...)
	require.NoError(t, err)
	require.Equal(t, "a", found[0].tracks[0].ID)
	require.Equal(t, "b", found[1].tracks[0].ID)

	asked := 0 // without a lock: the race detector would tell
	one := func(context.Context) (finding, error) {
		asked++
		return finding{}, nil
	}
	_, err = (&Service{music: lending{}}).findAll(t.Context(), one, one, one)
	require.NoError(t, err)
	require.Equal(t, 3, asked)
}

type lending struct {
	MusicProvider
	Lender
}
