// Package observe is what RhythmIQ tells a host about its own work, for metrics and
// traces. The root package exports it under its own name.
package observe

import (
	"context"
	"errors"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Event is one thing that was done. It never carries personal data or secrets: no names,
// no identifiers of listeners, no values they sent.
type Event struct {
	// Operation: "http.GetProfile" for a request, else "service.what", such as
	// "profile.hash-password", "tunevector.plan", "store.sweep". A small, fixed set.
	Operation string
	// Status: the HTTP status as three digits for a request; "ok", or the kind of
	// the error ("invalid", "conflict", "unavailable", …), "canceled" where the caller's context ended, or "internal", for the rest.
	Status   string
	Duration time.Duration // by the machine's monotonic clock, whatever clock the host has injected
	// Values are what was counted, by small fixed names: "candidates", "tracks", "gap", "expired".
	Values []Value
}

// Value is a number that belongs to an event.
type Value struct {
	Name   string
	Number float64
}

// Observer receives events. It is called on the goroutine that did the work, and must be
// quick and safe for concurrent use.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// Nop observes nothing.
type Nop struct{}

// Observe does nothing.
func (Nop) Observe(context.Context, Event) {}

// Or returns o, or Nop where o is nil.
func Or(o Observer) Observer {
	if o == nil {
		return Nop{}
	}
	return o
}

// Status returns the status of a service's event that ended with err.
func Status(err error) string {
	if err == nil {
		return "ok"
	}
	if k := fault.KindOf(err); k != fault.None {
		return k.String()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "canceled"
	}
	return "internal"
}

// Start takes the time of something that begins now, and returns the function that tells o of it once it has ended with err.
func Start(ctx context.Context, o Observer, operation string) (done func(err error, values ...Value)) {
	start := time.Now()
	return func(err error, values ...Value) {
		o.Observe(ctx, Event{Operation: operation, Status: Status(err), Duration: time.Since(start), Values: values})
	}
}

// Watch is [Start] for a deferred call that sees the error its function returns, and the values as they are by then:
//
//	defer observe.Watch(ctx, o, "preference.create")(&err)
func Watch(ctx context.Context, o Observer, operation string, values ...Value) func(err *error) {
	done := Start(ctx, o, operation)
	return func(err *error) { done(*err, values...) }
}
