package capacity

import (
	"context"
	"slices"
	"sync"

	"github.com/rhythmiq/rhythmiq/store"
)

// Request is one that a store made of a call: what went to DynamoDB, or would have.
type Request struct {
	Operation string // as in DynamoDB's API: GetItem, Query, PutItem, DeleteItem, TransactWriteItems, or BatchWriteItem for all of a Bulk
	Strong    bool   // of reads
	Keys      []store.Key
	Found     int // items that a read went through
	Units     Units
}

// Meter is a store that books what goes through it. What is behind it must have begun empty, and
// all that is written must come through it, since it remembers every item to know what a write replaces. Expired
// items count until they are deleted, as they do for DynamoDB.
type Meter struct {
	inner store.Store

	mu       sync.Mutex
	items    map[store.Key]store.Item
	requests []Request
}

var (
	_ store.Store     = (*Meter)(nil)
	_ store.Bulker    = (*Meter)(nil)
	_ store.Unwrapper = (*Meter)(nil)
)

// NewMeter returns a Meter before an empty store.
func NewMeter(s store.Store) *Meter { return &Meter{inner: s, items: map[store.Key]store.Item{}} }

// Unwrap returns the store behind it.
func (m *Meter) Unwrap() store.Store { return m.inner }

// Take returns what was booked since the last Take.
func (m *Meter) Take() []Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.requests
	m.requests = nil
	return r
}

// Items returns all items that are there, in no order.
func (m *Meter) Items() []store.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := make([]store.Item, 0, len(m.items))
	for _, i := range m.items {
		items = append(items, i)
	}
	return items
}

func (m *Meter) book(r Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, r)
}

// Get implements [store.Store].
func (m *Meter) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	item, err := m.inner.Get(ctx, key, r)
	size, found := 0, 0
	if err == nil {
		size, found = Size(item), 1
	}
	m.book(Request{Operation: "GetItem", Strong: r == store.Strong, Keys: []store.Key{key}, Found: found, Units: Units{Read: Read(size, r)}})
	return item, err
}

// List implements [store.Store].
func (m *Meter) List(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := m.inner.List(ctx, q)
	r := q.Read
	if q.ByIndex {
		r = store.Eventual
	}
	request, size := Request{Operation: "Query", Strong: r == store.Strong, Found: len(page.Items)}, 0
	for _, item := range page.Items {
		request.Keys = append(request.Keys, item.Key)
		size += Size(item)
	}
	if len(page.Items) == 0 && q.Cursor == "" {
		request.Keys = []store.Key{{Table: q.Table, Partition: q.Partition, Sort: q.Prefix}}
		request.Found, size = m.expired(q)
	}
	request.Units.Read = Read(size, r)
	m.book(request)
	return page, err
}

// expired returns how many items a query went through that found none, and their bytes: those that nobody has deleted yet.
func (m *Meter) expired(q store.Query) (found, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lo, hi := q.Bounds()
	for k, i := range m.items {
		if k.Table == q.Table && k.Partition == q.Partition && !q.ByIndex && k.Sort >= lo && (hi == "" || k.Sort < hi) {
			found, size = found+1, size+Size(i)
		}
	}
	return found, size
}

// Apply implements [store.Store].
func (m *Meter) Apply(ctx context.Context, writes ...store.Write) error {
	m.mu.Lock() // held, so that what is remembered is in the order of what is behind
	defer m.mu.Unlock()
	operation := "TransactWriteItems"
	switch {
	case len(writes) == 1 && writes[0].Delete:
		operation = "DeleteItem"
	case len(writes) == 1:
		operation = "PutItem"
	}
	err := m.inner.Apply(ctx, writes...)
	m.write(operation, writes, err == nil)
	return err
}

// Bulk implements [store.Bulker].
func (m *Meter) Bulk(ctx context.Context, writes []store.Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for some := range slices.Chunk(writes, store.MaxWrites) {
		if err := store.Bulk(ctx, m.inner, some...); err != nil {
			return err
		}
		m.write("BatchWriteItem", some, true)
	}
	return nil
}

func (m *Meter) write(operation string, writes []store.Write, made bool) {
	r := Request{Operation: operation}
	for _, w := range writes {
		var before, after *store.Item
		if old, ok := m.items[w.Key]; ok {
			before, after = &old, &old
		}
		switch {
		case !made:
		case w.Delete:
			after = nil
			delete(m.items, w.Key)
		default:
			item := w.Item().Clone()
			after = &item
			m.items[w.Key] = item
		}
		r.Keys = append(r.Keys, w.Key)
		r.Units.Write += NewChange(before, after, operation == "TransactWriteItems").Write()
	}
	m.requests = append(m.requests, r)
}
