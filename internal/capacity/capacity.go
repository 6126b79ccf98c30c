// Package capacity computes what DynamoDB charges, in capacity units, by the rules that AWS publishes. [Meter] is a store
// that books so each call that goes through it, whatever engine is behind it: the tests keep what every operation of
// the HTTP API costs by it, and hold it against what DynamoDB itself reports.
//
// It is not for production: there DynamoDB says itself what it consumed (dynamostore.Options.Observe).
//
// Sources, all in the Amazon DynamoDB Developer Guide:
//
//   - sizes of items: "DynamoDB item sizes and formats";
//   - reads, and what reading nothing costs: "DynamoDB read operations" (Capacity unit consumption for reads);
//   - writes, failed conditions and transactions: "DynamoDB write operations" (Capacity unit consumption for writes)
//     and "Amazon DynamoDB Transactions: How it works" (Capacity management);
//   - the index: "Using Global Secondary Indexes in DynamoDB" (Provisioned throughput considerations).
package capacity

import "github.com/rhythmiq/rhythmiq/store"

// Units are capacity units. On demand they are called read and write request units, and are counted in the same way.
type Units struct{ Read, Write float64 }

// Plus returns the sum.
func (u Units) Plus(o Units) Units { return Units{u.Read + o.Read, u.Write + o.Write} }

// What a unit pays for.
const (
	readBlock  = 4 << 10 // bytes of a strong read; an eventual one costs half
	writeBlock = 1 << 10 // bytes of a write
	// transactional is what a write in a transaction costs of what it costs alone: one to prepare it, one to commit it.
	transactional = 2
)

// Read returns the units of reading so many bytes in one request: those of the one item of a GetItem, or of all items that a
// Query went through together. Reading nothing costs as much as reading a byte.
func Read(bytes int, r store.Read) float64 {
	n := float64(blocks(bytes, readBlock))
	if r == store.Strong {
		return n
	}
	return n / 2
}

// Change is one write to an item. A condition that fails charges for the item as it was, as if it stayed.
type Change struct {
	Before, After           *store.Item // nil: absent
	Transactional           bool        // together with other writes
	BeforeBytes, AfterBytes int         // 0 where absent
}

// NewChange returns the change from one state of an item to another.
func NewChange(before, after *store.Item, transactional bool) Change {
	c := Change{Before: before, After: after, Transactional: transactional}
	if before != nil {
		c.BeforeBytes = Size(*before)
	}
	if after != nil {
		c.AfterBytes = Size(*after)
	}
	return c
}

// Write returns the units of a change, those of the index included.
func (c Change) Write() float64 {
	n := blocks(max(c.BeforeBytes, c.AfterBytes), writeBlock)
	if c.Transactional {
		n *= transactional
	}
	return float64(n + c.index())
}

// index returns the units of keeping the index, which holds all attributes. The index follows after the
// write and for itself, so that a transaction does not make it dearer.
func (c Change) index() int {
	before, after := place(c.Before), place(c.After)
	switch {
	case before == nil && after == nil:
		return 0
	case before == nil:
		return blocks(c.AfterBytes, writeBlock)
	case after == nil:
		return blocks(c.BeforeBytes, writeBlock)
	case *before != *after: // the old entry is deleted, and a new one put
		return blocks(c.BeforeBytes, writeBlock) + blocks(c.AfterBytes, writeBlock)
	default:
		return blocks(max(c.BeforeBytes, c.AfterBytes), writeBlock)
	}
}

func place(i *store.Item) *store.Index {
	if i == nil {
		return nil
	}
	return i.Index
}

// blocks returns how many blocks so many bytes begin, at least one.
func blocks(bytes, block int) int { return max(1, (bytes+block-1)/block) }
