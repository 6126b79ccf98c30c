package httpapi

import (
	"log/slog"
	"sync"
	"time"
)

// outage tells the log that something is out of reach: of the first request that found it so, and then every ten seconds of those
// meanwhile. Else an outage would be seen in metrics only, or fill the disk.
type outage struct {
	mu     sync.Mutex
	told   time.Time
	silent int // requests since then
}

const outageEvery = 10 * time.Second

// failed notes a request that failed for it. tell says whether the log is to be told now, and of how many requests, this one counted.
func (o *outage) failed(now time.Time) (requests int, tell bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.silent++
	if since := now.Sub(o.told); !o.told.IsZero() && since >= 0 && since < outageEvery {
		return 0, false
	}
	requests, o.silent, o.told = o.silent, 0, now
	return requests, true
}

// outOfReach logs that a request could not be answered. What the cause says is of the store or of the music, never of a listener.
func (c *call) outOfReach(cause error) {
	if n, tell := c.h.outage.failed(c.h.o.Now()); tell {
		c.h.o.Logger.LogAttrs(c.ctx, slog.LevelWarn, "something that requests need is out of reach",
			slog.String("operation", c.event()), slog.Int("requests", n), slog.Any("cause", cause))
	}
}
