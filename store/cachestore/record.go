package cachestore

import (
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// record is what is kept of a key: an item, or that there is none. It never changes. The partition is not
// in it: where the ids are the same, and table and sort key too, so are the partitions.
type record struct {
	text    string // the sort key, then the body
	version store.Version
	index   *store.Index
	expires int64  // Unix seconds; 0: never
	until   moment // from when on it is too old to be shown
	weight  uint32 // bytes, all in all
	sortLen uint16
	table   uint8
	absent  bool
}

// The weight of a record beside its text, on 64 bits: 64 bytes for itself, 64 for otter's node, and 64 for the share of otter's tables
// (the hash table and the counts of how often a key was asked for), which is less at most times and
// more just after they have grown. TestBytesAreReal holds the sum against the heap.
const (
	recordWeight = 192
	indexWeight  = 32
)

// newRecord returns the record of an item.
func newRecord(p place, item *store.Item, until moment) *record {
	r := newText(p, item.Key.Sort, item.Body, until)
	r.version = item.Version
	if !item.ExpiresAt.IsZero() {
		r.expires = item.ExpiresAt.Unix()
	}
	if item.Index != nil {
		r.index = &store.Index{Partition: item.Index.Partition, Sort: strings.Clone(item.Index.Sort)}
		r.weight += indexWeight + uint32(len(item.Index.Sort))
	}
	return r
}

// newAbsent returns the record of an absence.
func newAbsent(p place, sort string, until moment) *record {
	r := newText(p, sort, nil, until)
	r.absent = true
	return r
}

func newText(p place, sort string, body []byte, until moment) *record {
	var text strings.Builder
	text.Grow(len(sort) + len(body))
	text.WriteString(sort)
	text.Write(body)
	return &record{
		text: text.String(), until: until, table: uint8(p.table),
		sortLen: uint16(len(sort)),
		weight:  uint32(recordWeight + text.Cap()),
	}
}

// of reports whether the record, found under the id of a key, is of that key.
func (r *record) of(p place, sort string) bool {
	return int(r.table) == p.table && r.text[:r.sortLen] == sort
}

// shown reports whether the record may still be shown.
func (r *record) shown(now time.Time, m moment) bool {
	return m < r.until && (r.expires == 0 || now.Unix() < r.expires)
}

// item returns a copy for the caller.
func (r *record) item(key store.Key) store.Item {
	item := store.Item{Key: key, Version: r.version, Body: []byte(r.text[r.sortLen:])}
	if r.expires != 0 {
		item.ExpiresAt = time.Unix(r.expires, 0).UTC()
	}
	if r.index != nil {
		index := *r.index
		item.Index = &index
	}
	return item
}
