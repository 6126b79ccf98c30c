package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Expired reports whether something that expires at t (zero: never) is absent at now:
// whether t is not after now's second.
func Expired(t, now time.Time) bool {
	return !t.IsZero() && t.Unix() <= now.Unix()
}

// Expired reports whether the item is absent at now.
func (i Item) Expired(now time.Time) bool { return Expired(i.ExpiresAt, now) }

// Clone returns a copy that shares no memory with i.
func (i Item) Clone() Item {
	i.Body = bytes.Clone(i.Body)
	if i.Index != nil {
		x := *i.Index
		i.Index = &x
	}
	return i
}

// Encode returns v as a body. It is [json.Marshal] with an error that says where it came from.
func Encode(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", v, err)
	}
	return b, nil
}

// Decode reads the item's body into v, a pointer. Its error names the item.
func (i Item) Decode(v any) error {
	if err := json.Unmarshal(i.Body, v); err != nil {
		return fmt.Errorf("store: decode %v: %w", i.Key, err)
	}
	return nil
}
