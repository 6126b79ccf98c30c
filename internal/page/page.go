// Package page holds what all listings of services have in common: the limit, and tokens that can go into a URL as they
// are. What a token says is each listing's own.
package page

import (
	"encoding/base64"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Max is how many entries a page holds at most.
const Max = 100

// Check notes in f what is wrong with a limit, which is 1 to [Max], and with a token that its listing could not read.
func Check(f *fault.Fields, limit int, tokenOK bool) {
	if limit < 1 || limit > Max {
		f.Add("limit", "Limit must be between 1 and %d", Max)
	}
	if !tokenOK {
		f.Add("pageToken", "Page token is not valid")
	}
}

// EncodeToken returns the token that stands for b.
func EncodeToken(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// DecodeToken returns what [EncodeToken] was given, and false for what it never returns.
func DecodeToken(token string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	return b, err == nil && EncodeToken(b) == token // decoders pass over line breaks
}
