package store

import (
	"bytes"
	"encoding/json"
)

// CheckBody returns a [*LimitError] unless body is one JSON object of at most [MaxBody] bytes.
func CheckBody(body json.RawMessage) error {
	if len(body) > MaxBody {
		return limitf("the body holds %d bytes, more than %d", len(body), MaxBody)
	}
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) == 0 || t[0] != '{' || !json.Valid(body) {
		return limitf("the body is no JSON object")
	}
	return nil
}
