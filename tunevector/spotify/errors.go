package spotify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Reason is why the Web API did not do what it was asked.
type Reason string

// The reasons.
const (
	ReasonInvalid      Reason = "invalid"       // 400: the request is wrong, which is a mistake of RhythmIQ's
	ReasonUnauthorized Reason = "unauthorized"  // 401, also with a token that was refreshed just now
	ReasonScope        Reason = "missing-scope" // 403: the listener has not granted what it takes
	ReasonForbidden    Reason = "forbidden"     // 403: the app may not, such as what an app in development mode has not got, or the listener is not on its list
	ReasonNotFound     Reason = "not-found"     // 404
	ReasonRateLimited  Reason = "rate-limited"  // 429: later
	ReasonQuota        Reason = "quota"         // 429 with QUOTA_EXCEEDED: the app's quota is used up, and nothing is asked until it is there again
	ReasonUnavailable  Reason = "unavailable"   // 5xx, the network, a time limit, or an answer that is cut off or no JSON
)

// APIError is what went wrong with a request to the Web API. It holds no token, and nothing that Spotify wrote for a person to read.
type APIError struct {
	Operation  string // such as "GET playlists/{id}/items"
	Status     int    // of the answer; 0 where there was none
	Reason     Reason
	RetryAfter time.Duration // how long nothing is asked any more, as far as that is known; 0 where it is not
	cause      error         // of the network
}

// Error says what was asked, and why it was not done.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "spotify: %s: %s", e.Operation, e.Reason)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", not before %s", e.RetryAfter.Round(time.Second))
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the error by its kind, as the API tells it: rhythmiq.ErrUnavailable for what can be waited out, rhythmiq.ErrForbidden,
// rhythmiq.ErrNotFound, [ErrReauthRequired]; and what the network said.
func (e *APIError) Unwrap() []error {
	var kind error
	switch e.Reason {
	case ReasonScope:
		kind = fault.New(fault.Forbidden, "Spotify access is missing: link the account once more and grant what is asked for.")
	case ReasonForbidden:
		kind = fault.New(fault.Forbidden, "Spotify does not let this app do that for this account.")
	case ReasonNotFound:
		kind = fault.New(fault.NotFound, "Spotify does not have it (any more).")
	case ReasonUnauthorized:
		kind = ErrReauthRequired
	case ReasonRateLimited, ReasonQuota, ReasonUnavailable:
		kind = &fault.Error{Kind: fault.Unavailable, Message: "Spotify cannot be asked at present.", RetryAfter: e.RetryAfter}
	case ReasonInvalid:
	}
	var all []error
	for _, err := range []error{kind, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// reasonOf returns the reason of an error of the Web API, "" for any other.
func reasonOf(err error) Reason {
	var e *APIError
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// bare takes away what net/http puts around an error: the URL, in which the words of a search stand.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// kindOf is what may be told of an error of the network: of which kind it is. In its own words can stand what was sent, the token too, such as where a proxy repeats it.
func kindOf(err error) error {
	for _, known := range []error{errNoJSON, errTooLong, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New(network(err))
}

// failed makes an error of the network, or of an answer that cannot be read. The caller's context goes before.
func failed(ctx context.Context, operation string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &APIError{Operation: operation, Reason: ReasonUnavailable, cause: kindOf(err)}
}

// apiAnswer is how the Web API says what is wrong.
type apiAnswer struct {
	Error struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
		Reason  string `json:"reason"`
	} `json:"error"`
}

// quotaExceeded is the reason of a 429 that is a stop.
const quotaExceeded = "QUOTA_EXCEEDED"

// reasonFor is the reason of an answer that is no success.
func reasonFor(status int, said apiAnswer) Reason {
	switch {
	case status == http.StatusUnauthorized:
		return ReasonUnauthorized
	case status == http.StatusForbidden && strings.Contains(strings.ToLower(said.Error.Message), "scope"):
		return ReasonScope
	case status == http.StatusForbidden:
		return ReasonForbidden
	case status == http.StatusNotFound:
		return ReasonNotFound
	case status == http.StatusTooManyRequests && said.Error.Reason == quotaExceeded:
		return ReasonQuota
	case status == http.StatusTooManyRequests:
		return ReasonRateLimited
	case status >= http.StatusInternalServerError:
		return ReasonUnavailable
	default:
		return ReasonInvalid
	}
}
