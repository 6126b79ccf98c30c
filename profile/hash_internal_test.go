package profile

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

var cheapHash = HashParams{MemoryKiB: 8, Time: 1, Threads: 1}

func cheapHasher(concurrency, queue int) *hasher {
	return newHasher(Options{Hash: cheapHash, HashConcurrency: concurrency, HashQueue: queue, Observer: observe.Nop{}})
}

func TestHash(t *testing.T) {
	h := cheapHasher(1, 1)
	p := h.hash(t.Context(), "secret")
	require.Regexp(t, `^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, p.String())
	q, err := parseHash(p.String())
	require.NoError(t, err)
	require.Equal(t, p, q)
	require.True(t, h.matches(t.Context(), "secret", q))
	require.False(t, h.matches(t.Context(), "Secret", q))
	require.NotEqual(t, p.String(), h.hash(t.Context(), "secret").String(), "salted")
	require.False(t, h.matches(t.Context(), "", h.none))
}

// The vector is what argon2's reference implementation prints for
// echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1.
func TestHashVector(t *testing.T) {
	p, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	require.NoError(t, err)
	h := cheapHasher(1, 1)
	require.True(t, h.matches(t.Context(), "password", p))
	require.False(t, h.matches(t.Context(), "differentpassword", p))
}

var malformedHashes = []string{
	"", "x", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
	"x$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=16$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1,p=0$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1001,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=7,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=4194305,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=99999999999,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1,p=1$!$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1,p=1$c2FsdA$c29tZXNhbHRzb21lc2FsdA",
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$!",
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c2FsdA",
}

func TestParseHashMalformed(t *testing.T) {
	for _, s := range malformedHashes {
		_, err := parseHash(s)
		require.EqualError(t, err, "profile: stored password hash is malformed", s)
	}
}

func FuzzParseHash(f *testing.F) {
	for _, s := range malformedHashes {
		f.Add(s)
	}
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseHash(s)
		if err != nil {
			return
		}
		q, err := parseHash(p.String())
		require.NoError(t, err)
		require.Equal(t, p, q)
	})
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := cheapHasher(2, 3)
		var (
			done    [2]func()
			running atomic.Int32
			wg      sync.WaitGroup
		)
		for i := range done {
			waited, d, err := h.turn(t.Context())
			require.NoError(t, err)
			require.False(t, waited)
			done[i] = d
		}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 3 {
			wg.Go(func() {
				if i == 0 {
					_, _, err := h.turn(ctx)
					e, _ := fault.As(err)
					require.NotNil(t, e)
					require.Equal(t, fault.Unavailable, e.Kind)
					require.ErrorIs(t, err, context.Canceled)
					return
				}
				waited, d, err := h.turn(t.Context())
				require.NoError(t, err)
				require.True(t, waited)
				require.LessOrEqual(t, running.Add(1), int32(2))
				running.Add(-1)
				d()
			})
		}
		synctest.Wait()
		_, _, err := h.turn(t.Context()) // the queue is full
		e, _ := fault.As(err)
		require.NotNil(t, e)
		require.Equal(t, fault.Unavailable, e.Kind)
		require.Equal(t, hashRetry, e.RetryAfter)

		cancel()
		synctest.Wait()
		done[0]()
		done[1]()
		wg.Wait()
		require.Zero(t, h.waiting.Load())
		require.Empty(t, h.slots)
	})
}
