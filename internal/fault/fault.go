// Package fault holds the kinds of error that RhythmIQ's services return.
//
// A service says what went wrong in words for the caller ([Error.Message], and one
// message per wrong field), of which kind it is, and keeps the cause for the log. The
// kind decides the HTTP status; the cause is never shown to a caller. Hosts do not
// import this package: they compare with the sentinels that the root package exports.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what a caller can do about an error.
type Kind uint8

// The kinds. The zero Kind is no kind: an error of ours that nobody classified.
const (
	None         Kind = iota
	Invalid           // the input is wrong; the fields say where
	NotFound          // what was named does not exist
	Conflict          // the state forbids it
	Stale             // the caller's version (If-Match) is not the current one
	Unauthorized      // who is calling is not known
	Forbidden         // the caller is known and may not
	TooMany           // later, see RetryAfter
	Unavailable       // something we need is out of reach; outcome unknown for writes
)

var kindNames = [...]string{"none", "invalid", "not-found", "conflict", "stale", "unauthorized", "forbidden", "too-many", "unavailable"}

// String returns the kind's name in kebab-case, as metrics show it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[None]
}

// Error is an error of a kind. Make one with [New], [Wrap] or [Fields.Err].
type Error struct {
	Kind       Kind
	Message    string            // for the caller; no internals, no personal data
	Fields     map[string]string // field (JSON path such as "stages[1].minutes") → what is wrong with it; Invalid and Conflict only
	RetryAfter time.Duration     // TooMany and Unavailable; 0 where unknown
	Cause      error             // for the log; never sent
}

// New returns an error of kind k with a message for the caller.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause that errors.Is and errors.As see and callers of the API do not.
func Wrap(cause error, k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Error returns the message, the fields in alphabetical order, and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	keys := make([]string, 0, len(e.Fields))
	for k := range e.Fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(k + ": " + e.Fields[k])
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes an error match the sentinel of its kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && slices.Contains(sentinels, t)
}

// Sentinels, one a kind, for errors.Is. The root package exports them.
var (
	ErrInvalid      = New(Invalid, "invalid")
	ErrNotFound     = New(NotFound, "not found")
	ErrConflict     = New(Conflict, "conflict")
	ErrStale        = New(Stale, "changed in the meantime")
	ErrUnauthorized = New(Unauthorized, "unauthorized")
	ErrForbidden    = New(Forbidden, "forbidden")
	ErrTooMany      = New(TooMany, "too many requests")
	ErrUnavailable  = New(Unavailable, "unavailable")

	sentinels = []*Error{ErrInvalid, ErrNotFound, ErrConflict, ErrStale, ErrUnauthorized, ErrForbidden, ErrTooMany, ErrUnavailable}
)

// As returns the first *Error in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf returns the kind of err, None for errors of no kind and for nil.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return None
}

// ValidationFailed is the message of every error that names fields.
const ValidationFailed = "Validation failed"

// Fields collects what is wrong, field by field, so that all of it is told at once:
//
//	var f fault.Fields
//	f.Add("email", "Invalid email format")
//	return f.Err()
type Fields map[string]string

// Add notes what is wrong with a field. Of several messages for one field the first is kept.
func (f *Fields) Add(field, format string, args ...any) {
	if *f == nil {
		*f = Fields{}
	}
	if _, dup := (*f)[field]; !dup {
		(*f)[field] = fmt.Sprintf(format, args...)
	}
}

// Join adds what err, if it is one of fields, says of others than those noted: of none that is noted itself, lies in one
// that is, or holds one. For what is read of a value of which a part is wrong is not what was meant.
func (f *Fields) Join(err error) {
	e, ok := As(err)
	if !ok || e.Kind != Invalid {
		return
	}
	noted, holders := map[string]bool{}, map[string]bool{}
	for field := range *f {
		noted[field] = true
		for field = holder(field); field != ""; field = holder(field) {
			holders[field] = true
		}
	}
	for field, what := range e.Fields {
		told := noted[field] || holders[field]
		for in := holder(field); in != ""; in = holder(in) {
			told = told || noted[in]
		}
		if !told {
			f.Add(field, "%s", what)
		}
	}
}

// holder is the field that a field lies in: "stages[1]" of "stages[1].minutes", "" of "stages".
func holder(field string) string {
	return field[:max(strings.LastIndexAny(field, ".["), 0)]
}

// Err returns an Invalid error with the fields, or nil where none was added.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: ValidationFailed, Fields: f}
}
