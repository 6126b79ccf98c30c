package spotify

import (
	"context"
	"time"
)

// SleepBy has the client wait in another way, for tests whose clock is their own.
func (c *Client) SleepBy(f func(ctx context.Context, d time.Duration) error) { c.limiter.sleep = f }

// RetryAfter reads the header.
func RetryAfter(header string, now time.Time) time.Duration { return retryAfter(header, now) }
