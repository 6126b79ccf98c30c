package httpapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOutage(t *testing.T) {
	var o outage
	now := time.Now()
	for _, step := range []struct {
		after    time.Duration
		requests int
	}{{0, 1}, {0, 0}, {outageEvery - 1, 0}, {1, 3}, {time.Second, 0}, {time.Hour, 2}, {-2 * time.Hour, 1}, {time.Second, 0}} {
		now = now.Add(step.after)
		n, tell := o.failed(now)
		require.Equal(t, step.requests, n, "%+v", step)
		require.Equal(t, step.requests > 0, tell)
	}
}
