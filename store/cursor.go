package store

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strings"
)

// Position is an item's place in a listing: the order of a partition is that of Sort, the order
// of an index partition is that of Index, then Partition, then Sort.
type Position struct {
	Index     string    // the index's sort key; "" in a listing of a partition
	Partition Partition // the item's; zero in a listing of a partition
	Sort      string    // the item's
}

// PositionIn returns the item's place in the listing that q asks for.
func (i Item) PositionIn(q Query) Position {
	if !q.ByIndex || i.Index == nil {
		return Position{Sort: i.Key.Sort}
	}
	return Position{Index: i.Index.Sort, Partition: i.Key.Partition, Sort: i.Key.Sort}
}

// Compare is negative if p comes before o in ascending order, 0 if they are one, else positive.
func (p Position) Compare(o Position) int {
	if c := strings.Compare(p.Index, o.Index); c != 0 {
		return c
	}
	if c := bytes.Compare(p.Partition[:], o.Partition[:]); c != 0 {
		return c
	}
	return strings.Compare(p.Sort, o.Sort)
}

// Bounds joins Prefix, From and To into one range of sort keys lo ≤ s < hi, as bytes; hi is "" where there is
// no upper bound. The range is empty if hi is not "" and not above lo. Bounds need not be valid UTF-8.
func (q Query) Bounds() (lo, hi string) {
	lo, hi = q.From, q.To
	if q.Prefix == "" {
		return lo, hi
	}
	lo = max(lo, q.Prefix)
	// The last byte of valid UTF-8 is never 0xFF, so that one above it is the end of the prefix.
	end := []byte(q.Prefix)
	end[len(end)-1]++
	if hi == "" || string(end) < hi {
		hi = string(end)
	}
	return lo, hi
}

// PageLimit returns how many items a page of q holds at most.
func (q Query) PageLimit() int {
	if q.Limit == 0 {
		return DefaultPage
	}
	return q.Limit
}

const cursorSum = 4 // bytes of the query's checksum at the start of a cursor

// EncodeCursor returns the cursor of the page of q that begins after the place after. It holds
// sort keys in the clear, but cannot be used with another query.
func EncodeCursor(q Query, after Position) string {
	b := binary.BigEndian.AppendUint32(nil, q.sum())
	if q.ByIndex {
		b = append(b, after.Partition[:]...)
		b = binary.AppendUvarint(b, uint64(len(after.Index)))
		b = append(b, after.Index...)
	}
	b = append(b, after.Sort...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeCursor returns the place after which the page begins that q asks for, false where it is the
// first page, and a [*LimitError] if the cursor was not made for this query.
func DecodeCursor(q Query) (Position, bool, error) {
	if q.Cursor == "" {
		return Position{}, false, nil
	}
	foreign := limitf("the cursor is not of this query")
	b, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || len(b) < cursorSum || binary.BigEndian.Uint32(b) != q.sum() {
		return Position{}, false, foreign
	}
	b = b[cursorSum:]
	var p Position
	if q.ByIndex {
		if len(b) < len(p.Partition) {
			return Position{}, false, foreign
		}
		b = b[copy(p.Partition[:], b):]
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return Position{}, false, foreign
		}
		p.Index, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	p.Sort = string(b)
	place := p.Sort
	if q.ByIndex {
		place = p.Index
	}
	if lo, hi := q.Bounds(); place < lo || (hi != "" && place >= hi) {
		return Position{}, false, foreign // forged: no page of q ends there
	}
	return p, true, nil
}

// sum tells queries apart. It catches mistakes; a forged cursor still leads to nothing outside of the query.
func (q Query) sum() uint32 {
	h := fnv.New32a()
	flags := byte(0)
	if q.ByIndex {
		flags |= 1
	}
	if q.Descending {
		flags |= 2
	}
	for _, part := range [...]string{string(q.Table), string(q.Partition[:]), string(flags), q.Prefix, q.From, q.To} {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(part)))) // a hash takes everything
		_, _ = h.Write([]byte(part))
	}
	return h.Sum32()
}

// EncodeScanCursor returns the cursor of the page of a [Scanner] that begins behind the item with key after, for stores whose
// scans go by an order of keys. It holds the sort key in the clear, but cannot be used with another table.
func EncodeScanCursor(after Key) string {
	b := binary.BigEndian.AppendUint32(nil, after.scanSum())
	b = append(b, after.Partition[:]...)
	b = append(b, after.Sort...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeScanCursor returns the key behind which the page begins, false where it is the first page, and a [*LimitError] if
// [EncodeScanCursor] did not make the cursor for this table.
func DecodeScanCursor(table Table, cursor string) (after Key, resumed bool, err error) {
	if cursor == "" {
		return Key{}, false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil && len(b) > cursorSum+len(after.Partition) {
		after.Table = table
		after.Sort = string(b[cursorSum+copy(after.Partition[:], b[cursorSum:]):])
		if binary.BigEndian.Uint32(b) == after.scanSum() && CheckKey(after) == nil {
			return after, true, nil
		}
	}
	return Key{}, false, limitf("the cursor is not of a scan of this table")
}

// scanSum catches mistakes, as sum does.
func (k Key) scanSum() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("scan/" + string(k.Table) + "/")) // a hash takes everything
	_, _ = h.Write(k.Partition[:])
	_, _ = h.Write([]byte(k.Sort))
	return h.Sum32()
}
