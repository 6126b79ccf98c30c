// Package strict reads times and ids as the API has them. The standard library and the UUID library take more ways to
// write them than their standards have, for the sake of old callers, and so would store what another reader refuses.
package strict

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Time reads a time as in RFC 3339, in upper case.
func Time(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || s[len("2006-01-02T15")] != ':' || strings.Contains(s, ",") { // an hour of one digit, ISO 8601's comma
		return time.Time{}, false
	}
	if !strings.HasSuffix(s, "Z") {
		if offset := s[len(s)-len("23:59"):]; offset[:2] > "23" || offset[3:] > "59" {
			return time.Time{}, false
		}
	}
	return t, true
}

// UUID takes only the usual form: 32 hexadecimal digits, with hyphens after the 8th, 12th, 16th and 20th.
func UUID(s string) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.UUID{}, false // Parse gives what it had read until then
	}
	return id, true
}
