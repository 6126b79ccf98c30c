package profile

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

func retryAfter(t *testing.T, err error) time.Duration {
	t.Helper()
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, fault.TooMany, e.Kind)
	return e.RetryAfter
}

func TestThrottle(t *testing.T) {
	th := newThrottle(3)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	key, other := throttleKey{1}, throttleKey{2}
	attempt := func(k throttleKey, now time.Time, failed bool) error {
		settle, err := th.begin(k, now)
		if err == nil {
			settle(failed)
		}
		return err
	}
	require.NoError(t, th.check(key, at(0)))
	require.NoError(t, attempt(key, at(0), true))
	require.NoError(t, attempt(key, at(10), false)) // a success counts nothing
	require.NoError(t, attempt(key, at(20), true))
	require.NoError(t, th.check(key, at(20)))
	require.NoError(t, attempt(key, at(20), true))
	require.Equal(t, 40*time.Second, retryAfter(t, th.check(key, at(20))))
	require.Equal(t, time.Second, retryAfter(t, attempt(key, at(59), false)))
	require.NoError(t, attempt(other, at(59), true))
	require.NoError(t, attempt(key, at(60), true)) // the first is a minute old
	require.Equal(t, 20*time.Second, retryAfter(t, th.check(key, at(60))))
	require.NoError(t, th.check(key, at(80)))
}

// However many try at once, exactly as many fail as the limit allows, and nobody who knows the password is refused
// because others are trying.
func TestThrottleConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, n = 10, 200
		try := func(fail bool) (refused int32) {
			th := newThrottle(limit)
			var (
				wg    sync.WaitGroup
				count atomic.Int32
			)
			for range n {
				wg.Go(func() {
					settle, err := th.begin(throttleKey{}, time.Now())
					if err != nil {
						count.Add(1)
						return
					}
					<-time.After(time.Millisecond)
					settle(fail)
				})
			}
			wg.Wait()
			return count.Load()
		}
		require.EqualValues(t, n-limit, try(true))
		require.Zero(t, try(false))
	})
}

func TestThrottleForgets(t *testing.T) {
	th := newThrottle(1)
	now := time.Now()
	settle, err := th.begin(throttleKey{1}, now)
	require.NoError(t, err)
	for i := range throttleNames {
		_, err := th.begin(throttleKey{2, byte(i), byte(i >> 8), byte(i >> 16)}, now)
		require.NoError(t, err)
	}
	require.Equal(t, throttleNames, th.entries.Len())
	settle(true) // forgotten meanwhile, and counts nonetheless
	require.Error(t, th.check(throttleKey{1}, now))
	require.Equal(t, throttleNames, th.entries.Len())
}

func TestAddressKey(t *testing.T) {
	for _, same := range [][2]string{
		{"192.0.2.1", "192.0.2.1:4711"},
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "[2001:db8::2]:80"},
		{"2001:db8::1", "[2001:db8::1]"},
		{"fe80::1%eth0", "fe80::2"},
		{"somewhere", "somewhere"},
	} {
		require.Equal(t, addressKey(same[0]), addressKey(same[1]), "%v", same)
	}
	for _, different := range [][2]string{
		{"192.0.2.1", "192.0.2.2"},
		{"2001:db8::1", "2001:db8:0:1::1"},
		{"somewhere", "elsewhere"},
	} {
		require.NotEqual(t, addressKey(different[0]), addressKey(different[1]), "%v", different)
	}
	require.NotEqual(t, accountKey("email", "a"), accountKey("username", "a"))
}
