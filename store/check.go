package store

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a call, the same in every adapter. DynamoDB sets them; the others keep
// them so that what runs on a laptop runs on AWS.
const (
	MaxWrites     = 100       // writes in one Apply
	MaxBody       = 256 << 10 // bytes of JSON in one body; DynamoDB's native form of it stays under its 400 KB, see [CheckBody]
	MaxApply      = 2 << 20   // bytes of sort keys and bodies in one Apply
	MaxSort       = 1024      // bytes in a sort key
	MaxIndexSorts = 990       // bytes in an index's sort key and its item's sort key together: DynamoDB's index holds both, and a partition, in one key
	MaxPage       = 1000      // items in a page
	DefaultPage   = 100       // items in a page where the query does not say
)

// CheckKey returns a [*LimitError] if no item can have this key.
func CheckKey(k Key) error {
	if err := checkTable(k.Table); err != nil {
		return err
	}
	return checkSort("sort key", k.Sort)
}

// CheckWrites returns a [*LimitError] if Apply can never make these writes, whatever
// the state of the store. It holds that
//
//   - there are 1 to [MaxWrites] writes, no two of them to one key, with at most [MaxApply] bytes of sort keys and bodies together;
//   - each table is known, each sort key is 1 to [MaxSort] bytes of valid UTF-8; an index's sort key moreover has no NUL
//     and, with the item's own sort key, at most [MaxIndexSorts] bytes;
//   - a put has a version, a body that [CheckBody] takes, and an expiry that is zero or a whole second after 1970 and before the year 10000.
func CheckWrites(writes []Write) error {
	if n := len(writes); n < 1 || n > MaxWrites {
		return limitf("an Apply holds 1 to %d writes, not %d", MaxWrites, n)
	}
	size := 0
	for i := range writes {
		w := &writes[i]
		if err := checkWrite(w); err != nil {
			return err
		}
		size += w.size()
	}
	if size > MaxApply {
		return limitf("the writes hold %d bytes, more than %d", size, MaxApply)
	}
	return checkDistinct(writes)
}

// fewWrites is up to where comparing all pairs is cheaper than a map.
const fewWrites = 8

func checkDistinct(writes []Write) error {
	if len(writes) <= fewWrites {
		for i := range writes {
			for j := range writes[:i] {
				if writes[i].Key == writes[j].Key {
					return limitf("%v is written twice", writes[i].Key)
				}
			}
		}
		return nil
	}
	seen := make(map[Key]struct{}, len(writes))
	for i := range writes {
		if _, dup := seen[writes[i].Key]; dup {
			return limitf("%v is written twice", writes[i].Key)
		}
		seen[writes[i].Key] = struct{}{}
	}
	return nil
}

// size is what a write counts towards MaxApply.
func (w *Write) size() int {
	n := len(w.Key.Sort) + len(w.Body)
	if w.Index != nil {
		n += len(w.Index.Sort)
	}
	return n
}

func checkWrite(w *Write) error {
	if err := CheckKey(w.Key); err != nil {
		return err
	}
	if w.Delete {
		return nil
	}
	if w.Version == (Version{}) {
		return limitf("%v: a put needs a version", w.Key)
	}
	if err := checkExpiry(w.Key, w.ExpiresAt); err != nil {
		return err
	}
	if w.Index != nil {
		if err := checkIndex(w.Key, w.Index); err != nil {
			return err
		}
	}
	if err := CheckBody(w.Body); err != nil {
		return limitf("%v: %s", w.Key, err.(*LimitError).Reason) //nolint:errorlint // CheckBody returns no other type
	}
	return nil
}

var (
	firstExpiry = time.Unix(1, 0)
	lastExpiry  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

func checkExpiry(k Key, t time.Time) error {
	switch {
	case t.IsZero():
		return nil
	case t.Nanosecond() != 0:
		return limitf("%v: an expiry is a whole second", k)
	case t.Before(firstExpiry), t.After(lastExpiry):
		return limitf("%v: an expiry is after 1970 and before 10000", k)
	}
	return nil
}

func checkIndex(k Key, x *Index) error {
	if err := checkSort("index sort key", x.Sort); err != nil {
		return err
	}
	if strings.IndexByte(x.Sort, 0) >= 0 {
		return limitf("%v: an index sort key holds no NUL", k)
	}
	if n := len(x.Sort) + len(k.Sort); n > MaxIndexSorts {
		return limitf("%v: the index sort key and the sort key hold %d bytes together, more than %d", k, n, MaxIndexSorts)
	}
	return nil
}

// CheckQuery returns a [*LimitError] if List can never answer this query. From, To and Prefix
// follow the rules of sort keys but may be empty; a range that holds nothing is fine.
func CheckQuery(q Query) error {
	if err := checkTable(q.Table); err != nil {
		return err
	}
	if err := checkLimit(q.Limit); err != nil {
		return err
	}
	if err := CheckRead(q.Read); err != nil {
		return err
	}
	for _, bound := range [...]struct{ name, value string }{{"prefix", q.Prefix}, {"from", q.From}, {"to", q.To}} {
		if bound.value == "" {
			continue
		}
		if err := checkSort(bound.name, bound.value); err != nil {
			return err
		}
	}
	_, _, err := DecodeCursor(q)
	return err
}

// CheckScan returns a [*LimitError] if no page of a [Scanner] can be so; the cursor is for the store to judge, such as by [DecodeScanCursor].
func CheckScan(table Table, limit int) error {
	if err := checkTable(table); err != nil {
		return err
	}
	return checkLimit(limit)
}

func checkLimit(n int) error {
	if n < 0 || n > MaxPage {
		return limitf("a page holds 1 to %d items, not %d", MaxPage, n)
	}
	return nil
}

// CheckRead returns a [*LimitError] if r is neither [Eventual] nor [Strong].
func CheckRead(r Read) error {
	if r > Strong {
		return limitf("unknown kind of read %d", r)
	}
	return nil
}

func checkTable(t Table) error {
	switch t {
	case Users, Interactions, Models:
		return nil
	}
	return limitf("unknown table %q", string(t))
}

func checkSort(what, s string) error {
	if len(s) < 1 || len(s) > MaxSort {
		return limitf("a %s holds 1 to %d bytes, not %d", what, MaxSort, len(s))
	}
	if !utf8.ValidString(s) {
		return limitf("a %s is valid UTF-8", what)
	}
	return nil
}

func limitf(format string, args ...any) error {
	return &LimitError{Reason: fmt.Sprintf(format, args...)}
}
