package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// statusOf is the one table from what went wrong to what is answered. An error is looked up by its kind; what has none
// is our mistake, and its message is not shown.
var statusOf = [...]int{
	fault.None:         http.StatusInternalServerError,
	fault.Invalid:      http.StatusBadRequest,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.Stale:        http.StatusPreconditionFailed,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.TooMany:      http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
}

const (
	messageInternal    = "Internal server error"
	messageUnavailable = "Service temporarily unavailable. Please try again later."
)

// statusError is an error of a status that no kind stands for.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

// failure answers an error, and logs it where the caller is not told.
func (c *call) failure(err error) answer {
	var direct *statusError
	if errors.As(err, &direct) {
		return message(direct.status, direct.message)
	}
	e, ok := fault.As(err)
	switch {
	case ok:
		if e.Kind == fault.Unavailable && c.ctx.Err() == nil {
			c.outOfReach(err)
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = fault.Wrap(err, fault.Unavailable, messageUnavailable)
	default:
		if !errors.Is(err, errPanicked) {
			c.h.o.Logger.LogAttrs(c.ctx, slog.LevelError, "a request failed",
				slog.String("operation", c.event()), slog.Any("cause", err))
		}
		return message(http.StatusInternalServerError, messageInternal)
	}
	text := e.Message
	if e.Kind == fault.Unavailable {
		text = messageUnavailable // what is out of reach is nobody's business
	}
	a := encode(statusOf[e.Kind], failureBody{text, e.Fields})
	switch e.Kind {
	case fault.TooMany, fault.Unavailable:
		a.retryAfter = seconds(e.RetryAfter)
	case fault.Conflict:
		if e.RetryAfter > 0 {
			a.retryAfter = seconds(e.RetryAfter)
		}
	case fault.Unauthorized:
		a.challenge = "Bearer"
		if _, given := bearer(c.r); given {
			a.challenge = `Bearer error="invalid_token"`
		}
	case fault.Forbidden:
		a.challenge = c.challenge
	default:
	}
	return a
}

// failureBody is what a failure says.
type failureBody struct {
	Message string            `json:"message"`
	Errors  map[string]string `json:"errors,omitempty"`
}

func message(status int, text string) answer { return encode(status, failureBody{Message: text}) }

// seconds rounds up: who waits as long is not early.
func seconds(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
