package spotify

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter paces the requests of one app, whoever they are for: Spotify counts by app. What it says of waiting holds for all of them.
type limiter struct {
	rate  *rate.Limiter
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu    sync.Mutex
	until time.Time // nothing is asked before
	quota bool      // since the quota is used up
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{
		rate: rate.NewLimiter(rate.Limit(or(perSecond, defaultPerSecond)), or(burst, defaultBurst)), now: now, sleep: pause,
	}
}

// limited are Tokens that ask the Web API by themselves, as Links do: they and every Client over them are one app to Spotify.
type limited interface{ appLimiter() *limiter }

// tune changes the rate, and the burst, to what is not zero.
func (l *limiter) tune(perSecond float64, burst int) {
	now := l.now()
	if perSecond != 0 {
		l.rate.SetLimitAt(now, rate.Limit(perSecond))
	}
	if burst != 0 {
		l.rate.SetBurstAt(now, burst)
	}
}

// How long the app holds still after a 429, whatever it says: a Retry-After of a day (they happen) would be as good as never, and one that is
// missing says nothing.
const (
	longestHold  = 15 * time.Minute
	shortestHold = time.Second
	unsaidHold   = 5 * time.Second
	longestStop  = 24 * time.Hour // of a quota, which is counted by the day
	unsaidStop   = time.Hour
)

// hold has all requests wait for what a 429 asks, and returns how long that is.
func (l *limiter) hold(asked time.Duration, quota bool) time.Duration {
	d := min(max(asked, shortestHold), longestHold)
	switch {
	case quota && asked <= 0:
		d = unsaidStop
	case quota:
		d = min(max(asked, shortestHold), longestStop)
	case asked <= 0:
		d = unsaidHold
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := l.now().Add(d); until.After(l.until) {
		l.until, l.quota = until, quota
	}
	return d
}

// held returns how long nothing is asked any more, and whether that is for the quota.
func (l *limiter) held() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until.Sub(l.now()), l.quota
}

// check returns for how long a request would be held, and an error where that is longer than maxWait, or where the quota is used up.
func (l *limiter) check(operation string, maxWait time.Duration) (time.Duration, error) {
	d, quota := l.held()
	switch {
	case d <= 0:
		return 0, nil
	case quota:
		return d, &APIError{Operation: operation, Reason: ReasonQuota, RetryAfter: d}
	case d > maxWait:
		return d, &APIError{Operation: operation, Reason: ReasonRateLimited, RetryAfter: d}
	}
	return d, nil
}

// wait lets a request pass in its turn. Where that is further away than maxWait it does not wait at all.
func (l *limiter) wait(ctx context.Context, operation string, maxWait time.Duration) error {
	for {
		d, err := l.check(operation, maxWait)
		switch {
		case err != nil:
			return err
		case d == 0:
			return l.turn(ctx, operation, maxWait)
		}
		if err := l.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// turn waits for the app's own rate.
func (l *limiter) turn(ctx context.Context, operation string, maxWait time.Duration) error {
	now := l.now()
	r := l.rate.ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d <= 0 {
		return ctx.Err()
	}
	if d > maxWait {
		r.CancelAt(now)
		return &APIError{Operation: operation, Reason: ReasonRateLimited, RetryAfter: d}
	}
	return l.sleep(ctx, d)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
