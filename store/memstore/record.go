package memstore

import (
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// record is an item as it is kept: one string for sort key and body, so that a small item costs two
// allocations. It never changes.
type record struct {
	text    string // the sort key, then the body
	version store.Version
	place   *place // nil: not in the index
	expires int64  // Unix seconds; 0: never
	sortLen uint16
}

// place is where a record stands in the index.
type place struct {
	partition store.Partition // of the index
	owner     store.Partition // of the item
	sort      string
}

func newRecord(w *store.Write) *record {
	text := make([]byte, 0, len(w.Key.Sort)+len(w.Body))
	text = append(append(text, w.Key.Sort...), w.Body...)
	r := &record{text: string(text), version: w.Version, sortLen: uint16(len(w.Key.Sort))} // CheckKey: at most 1,024
	if !w.ExpiresAt.IsZero() {
		r.expires = w.ExpiresAt.Unix()
	}
	if w.Index != nil {
		r.place = &place{partition: w.Index.Partition, owner: w.Key.Partition, sort: w.Index.Sort}
	}
	return r
}

func (r *record) sort() string { return r.text[:r.sortLen] }

func (r *record) expired(now int64) bool { return r.expires != 0 && r.expires <= now }

// position is the record's place in the index.
func (r *record) position() store.Position {
	return store.Position{Index: r.place.sort, Partition: r.place.owner, Sort: r.sort()}
}

// item returns a copy for the caller.
func (r *record) item(t store.Table, p store.Partition) store.Item {
	item := store.Item{
		Key:     store.Key{Table: t, Partition: p, Sort: r.sort()},
		Version: r.version,
		Body:    []byte(r.text[r.sortLen:]),
	}
	if r.expires != 0 {
		item.ExpiresAt = time.Unix(r.expires, 0).UTC()
	}
	if r.place != nil {
		item.Index = &store.Index{Partition: r.place.partition, Sort: r.place.sort}
	}
	return item
}
