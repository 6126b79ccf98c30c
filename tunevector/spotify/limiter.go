package spotify

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// limiter paces the requests of one app, whoever they are for: Spotify counts by app. What it says of waiting holds for all of them.
type limiter struct {
	rate  *rate.Limiter
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	imports, later *semaphore.Weighted // see importTurn

	mu    sync.Mutex
	until time.Time // nothing is asked before
	quota bool      // since the quota is used up
}

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{
		rate: rate.NewLimiter(rate.Limit(or(perSecond, defaultPerSecond)), or(burst, defaultBurst)), now: now, sleep: pause,
		imports: semaphore.NewWeighted(allImports), later: semaphore.NewWeighted(allImports),
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

// How many imports go on at once. One asks for one thing after the other, about five a second as the network goes: at a lower rate another one beside it would make both end later, and none
// sooner. So the others stand in line.
const (
	perImport  = 5
	allImports = 1000 // shares, of which each takes as many as it has of the rate
)

// importTurn waits until a part of an import may begin, first come, first served. Of those that are not first parts one at a time stands in that line: what is heard most, by which a
// listener's taste and some of their music is there, does not wait behind the whole libraries of all others.
func (l *limiter) importTurn(ctx context.Context, first bool) (over func(), err error) {
	shares := int64(min(max(allImports*perImport/float64(l.rate.Limit()), 1), allImports))
	leave := func() {}
	if !first {
		if err := l.later.Acquire(ctx, shares); err != nil {
			return nil, err
		}
		leave = func() { l.later.Release(shares) }
	}
	if err := l.imports.Acquire(ctx, shares); err != nil {
		leave()
		return nil, err
	}
	return func() {
		l.imports.Release(shares)
		leave()
	}, nil
}

// bulkShare is the part of a burst that imports leave to those who wait for an answer, such as for a search while a vector is planned: a third. They get all of the rate
// that the others do not use.
const bulkShare = 3

// bulkTurn waits until there is more than the imports' share of the burst: as long as the import has, unless the rate itself makes that longer than maxWait.
func (l *limiter) bulkTurn(ctx context.Context, operation string, maxWait time.Duration) error {
	perSecond := float64(l.rate.Limit())
	least := float64(l.rate.Burst()/bulkShare) + 1
	for {
		now := l.now()
		short := least - l.rate.TokensAt(now)
		if short <= 0 && l.rate.AllowN(now, 1) {
			return ctx.Err()
		}
		d := max(time.Duration(short/perSecond*float64(time.Second)), time.Millisecond)
		if d > maxWait {
			return &APIError{Operation: operation, Reason: ReasonRateLimited, RetryAfter: d}
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
