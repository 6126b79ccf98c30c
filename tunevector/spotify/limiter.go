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

	bulk chan struct{} // holds one while a request of an import waits for its turn; the others stand behind it

	mu     sync.Mutex
	until  time.Time // nothing is asked before
	quota  bool      // since the quota is used up
	behind int       // requests of imports that wait
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{
		rate: rate.NewLimiter(rate.Limit(or(perSecond, defaultPerSecond)), or(burst, defaultBurst)), now: now, sleep: pause,
		bulk: make(chan struct{}, 1),
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

// wait lets a request pass in its turn. Where that is further away than maxWait it does not wait at all. What Spotify says of waiting
// meanwhile holds for it too.
func (l *limiter) wait(ctx context.Context, operation string, maxWait time.Duration) error {
	for turned := false; ; {
		d, err := l.check(operation, maxWait)
		switch {
		case err != nil:
			return err
		case d > 0:
			turned, err = false, l.sleep(ctx, d) // its turn is over by then
		case turned:
			return nil
		default:
			turned, err = true, l.turn(ctx, operation, maxWait)
		}
		if err != nil {
			return err
		}
	}
}

// reading is of the mark of a context in which much is read for one listener.
type reading struct{}

// inBulk marks what can wait: the requests of an import, of which there are dozens.
func inBulk(ctx context.Context) context.Context { return context.WithValue(ctx, reading{}, true) }

// bulkShare is the part of a burst that imports leave to those who wait for an answer, such as for a search while a vector is planned: a third. Between them imports get
// all of the rate that the others do not use, one request each in turn, however many listeners have linked an account just now.
const bulkShare = 3

// bulkTurn waits in the line of the imports, and until there is more than their share of the burst.
func (l *limiter) bulkTurn(ctx context.Context, operation string, maxWait time.Duration) error {
	perSecond := float64(l.rate.Limit())
	late := func(d time.Duration) error {
		return &APIError{Operation: operation, Reason: ReasonRateLimited, RetryAfter: d}
	}
	l.mu.Lock()
	line := time.Duration(float64(l.behind) / perSecond * float64(time.Second))
	if line > maxWait {
		l.mu.Unlock()
		return late(line)
	}
	l.behind++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.behind--
	}()
	until := time.NewTimer(maxWait)
	defer until.Stop()
	select {
	case l.bulk <- struct{}{}:
	case <-until.C:
		return late(line)
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.bulk }()
	least := float64(l.rate.Burst()/bulkShare) + 1
	for begun := l.now(); ; {
		now := l.now()
		short := least - l.rate.TokensAt(now)
		if short <= 0 && l.rate.AllowN(now, 1) {
			return ctx.Err()
		}
		d := max(time.Duration(short/perSecond*float64(time.Second)), time.Millisecond)
		if now.Sub(begun)+d > maxWait {
			return late(d)
		}
		if err := l.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// turn waits for the app's own rate.
func (l *limiter) turn(ctx context.Context, operation string, maxWait time.Duration) error {
	if ctx.Value(reading{}) != nil {
		return l.bulkTurn(ctx, operation, maxWait)
	}
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
