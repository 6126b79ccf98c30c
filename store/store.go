// Package store is where RhythmIQ keeps things: three methods over items in partitions,
// small enough to be the same on a map, on SQLite and on DynamoDB. It knows nothing of
// listeners or music, and nothing else in RhythmIQ knows an engine.
//
// Adapters are in the subpackages; [storetest] proves that one keeps the contract, which
// is the comment on [Store].
//
// [storetest]: https://pkg.go.dev/github.com/rhythmiq/rhythmiq/store/storetest
package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Store keeps items. This comment is the contract; every adapter gives the same answers,
// so that a test on one tells the truth about another.
//
// # Items
//
// An item is named by its [Key]: a table, a partition of 16 bytes (a UUID, or the hash of
// a name) and a sort key. It carries the [Version] of the write that made it, a JSON
// object as its body, and optionally a time from which it is absent and a place in the
// table's index. The body comes back as the same JSON value, not always as the same
// bytes. A Store keeps no reference to what it was given, and what it returns is the caller's.
//
// # Reads
//
// A [Strong] read sees every write that was acknowledged before it began. An [Eventual]
// one may see an older state. List by the index is always eventual. Get of an absent item
// is [ErrNotFound]. An item whose ExpiresAt is not after the present second is absent, to reads and to
// conditions alike, whenever the engine deletes it. The second is that of the caller's machine: where there are several, their clocks
// must agree to about one.
//
// List returns one partition (or one index partition), ordered by the bytes of the sort key (in the index: by
// the index's sort key, then by the item's partition and sort key), upwards or downwards. A page holds at most
// Limit items; Next is empty on the last page, and else the Cursor of the next query, which is otherwise the
// same. A page may be shorter than Limit, even empty, and still have a Next. Paging under change never repeats an item and never misses one
// that was there from the first page to the last.
//
// # Writes
//
// Apply makes all of its writes or none, as one: once a strong Get has seen one of them, strong Gets see all of them.
// (A List need not show one moment. On DynamoDB it may show some writes of an Apply without the others.)
// A write whose [Condition] does not hold fails the whole Apply with a [*ConflictError] that names every
// write whose condition failed. To make it safe to repeat an Apply whose answer was lost:
//
//   - the condition of a put also holds if the item already has this write's version;
//   - where any put of the Apply already has its version, the conditions of deletes whose item is
//     absent hold too, since that put proves that this very Apply was made before.
//
// So an Apply with at least one put can be repeated as it is, until somebody else changes the same items; [Settle] does. A conditional
// delete alone can not: repeated, it finds the item gone and reports the conflict. Deleting without a condition what is absent is no error.
//
// # Errors
//
//   - [ErrNotFound]: Get only.
//   - [*ConflictError]: nothing was written.
//   - [*LimitError] (errors.Is [ErrLimit]): the call can never succeed; nothing was written. See [CheckWrites].
//   - [ErrUnavailable]: from a read, try later; from Apply, the outcome is unknown and the same writes may be repeated.
//   - the context's error: a context that has ended before the call changes nothing; one that ends during Apply is
//     like ErrUnavailable (the outcome is unknown).
//
// All methods are safe for concurrent use.
type Store interface {
	Get(ctx context.Context, key Key, r Read) (Item, error)
	List(ctx context.Context, q Query) (Page, error)
	Apply(ctx context.Context, writes ...Write) error
}

// Table is one of a fixed few.
type Table string

// The tables.
const (
	Users        Table = "users"        // what belongs to a listener, claims, jobs
	Interactions Table = "interactions" // bulk rows: interactions and readings
	Models       Table = "models"       // what was learned from many
)

// Tables lists all of them.
func Tables() []Table { return []Table{Users, Interactions, Models} }

// Partition names what is stored and listed together.
type Partition = [16]byte

// Key names an item. Sort keys are 1–1,024 bytes of valid UTF-8, readable, such as "profile" or "vector#<uuid>".
type Key struct {
	Table     Table
	Partition Partition
	Sort      string
}

// String is for logs and errors; a partition is a UUID or a hash, so it shows no name.
func (k Key) String() string {
	return string(k.Table) + "/" + hex.EncodeToString(k.Partition[:]) + "/" + k.Sort
}

// Version identifies the write that made an item's present state. It is random, chosen by the writer for each
// write and never used again. The zero Version is none.
type Version [16]byte

// NewVersion returns a fresh random version.
func NewVersion() Version {
	var v Version
	_, _ = rand.Read(v[:]) // never fails since Go 1.24
	return v
}

// String returns the version in 32 hexadecimal digits, which is also an item's ETag.
func (v Version) String() string { return hex.EncodeToString(v[:]) }

// ParseVersion reads what String wrote.
func ParseVersion(s string) (Version, bool) {
	var v Version
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(v) {
		return Version{}, false
	}
	copy(v[:], b)
	return v, true
}

// Item is what is stored.
type Item struct {
	Key       Key
	Version   Version
	ExpiresAt time.Time       // zero: never; else whole seconds, UTC
	Index     *Index          // nil: not in the table's index
	Body      json.RawMessage // a JSON object
}

// Index places an item in its table's one index.
type Index struct {
	Partition Partition
	Sort      string // as a sort key, without NUL; together with the item's own at most 990 bytes ([MaxIndexSorts])
}

// Read says how fresh a read must be.
type Read uint8

const (
	// Eventual may miss the newest writes, and costs half on DynamoDB.
	Eventual Read = iota
	// Strong sees every acknowledged write, and goes past every cache.
	Strong
)

// Query selects a page of one partition.
type Query struct {
	Table      Table
	Partition  Partition
	ByIndex    bool   // Partition, Prefix, From, To are of the index
	Prefix     string // sort keys that begin so; "" for all
	From, To   string // sort keys in From ≤ s < To; "" for no bound
	Descending bool
	Limit      int    // 1–1,000; 0 means 100
	Cursor     string // Page.Next of the page before; "" for the first
	Read       Read   // ignored by the index
}

// Page is a part of a listing.
type Page struct {
	Items []Item
	Next  string // opaque; "" where there is no more
}

// Write is one change. Make one with [Put] or [Delete].
type Write struct {
	Key       Key
	Delete    bool
	Condition Condition
	// The rest is of puts only.
	Version   Version // required: NewVersion()
	ExpiresAt time.Time
	Index     *Index
	Body      json.RawMessage
}

// Put returns a write that stores item whole, under item.Version, or a fresh one where that is zero.
func Put(item Item, c Condition) Write {
	if item.Version == (Version{}) {
		item.Version = NewVersion()
	}
	return Write{Key: item.Key, Condition: c, Version: item.Version, ExpiresAt: item.ExpiresAt, Index: item.Index, Body: item.Body}
}

// Delete returns a write that removes the item.
func Delete(key Key, c Condition) Write { return Write{Key: key, Delete: true, Condition: c} }

// Item returns what a put stores.
func (w Write) Item() Item {
	return Item{Key: w.Key, Version: w.Version, ExpiresAt: w.ExpiresAt, Index: w.Index, Body: w.Body}
}

// Condition is what must hold of the item as it stands. The zero Condition always holds.
type Condition struct {
	kind    conditionKind
	version Version
}

type conditionKind uint8

const (
	condNone conditionKind = iota
	condAbsent
	condPresent
	condVersion
)

// The conditions.
var (
	None    = Condition{}                  // always holds
	Absent  = Condition{kind: condAbsent}  // there is no such item
	Present = Condition{kind: condPresent} // there is one
)

// VersionIs holds if the item is present with this version.
func VersionIs(v Version) Condition { return Condition{kind: condVersion, version: v} }

// Is reports whether c is the same kind of condition as d ([None], [Absent], [Present], or any VersionIs).
func (c Condition) Is(d Condition) bool { return c.kind == d.kind }

// Version returns the version that a VersionIs asks for, and whether c is one.
func (c Condition) Version() (Version, bool) { return c.version, c.kind == condVersion }

// Holds decides the condition against the item as it stands (present false: absent or expired), for adapters
// that decide in memory. It does not know of repeated writes; see [Decide].
func (c Condition) Holds(v Version, present bool) bool {
	switch c.kind {
	case condAbsent:
		return !present
	case condPresent:
		return present
	case condVersion:
		return present && v == c.version
	default:
		return true
	}
}

// Errors. ErrUnavailable is of the kind that services pass on as it is.
var (
	ErrNotFound          = errors.New("store: no such item")
	ErrConflict          = errors.New("store: a condition does not hold")
	ErrLimit             = errors.New("store: over a limit")
	ErrUnavailable error = fault.ErrUnavailable
)

// ConflictError says which conditions did not hold. It matches [ErrConflict].
type ConflictError struct {
	Keys []Key // in the order of the writes
}

// Error names the keys.
func (e *ConflictError) Error() string {
	s := make([]string, len(e.Keys))
	for i, k := range e.Keys {
		s[i] = k.String()
	}
	return ErrConflict.Error() + ": " + strings.Join(s, ", ")
}

// Is matches ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Has reports whether err is a conflict on key.
func Has(err error, key Key) bool {
	var c *ConflictError
	if !errors.As(err, &c) {
		return false
	}
	for _, k := range c.Keys {
		if k == key {
			return true
		}
	}
	return false
}

// LimitError says which limit a call is over. It matches [ErrLimit].
type LimitError struct{ Reason string }

// Error says the reason.
func (e *LimitError) Error() string { return fmt.Sprintf("%v: %s", ErrLimit, e.Reason) }

// Is matches ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// Sweeper is implemented by stores that delete expired items only when told to.
type Sweeper interface {
	// Sweep deletes expired items and returns how many. It works in short steps and stops when ctx ends.
	Sweep(ctx context.Context) (int, error)
}

// Scrubber is implemented by stores whose files can keep what was deleted for a while.
type Scrubber interface {
	// Scrub returns when nothing is left there of what was deleted or replaced before it was called.
	Scrub(ctx context.Context) error
}

// Scrub is [Scrubber]'s, and does nothing where s has none. It is called when personal data were deleted, after that.
func Scrub(ctx context.Context, s Store) error {
	if scrubber, ok := As[Scrubber](s); ok {
		return scrubber.Scrub(ctx)
	}
	return nil
}

// Closer is implemented by stores that hold a file or a connection.
type Closer interface{ Close() error }

// Scanner is implemented by stores that can go through all that they hold, such as for moving to another store.
type Scanner interface {
	// Scan returns a page of a table's items, of all partitions, in an order of the engine's own: at most limit items
	// (1–1,000; 0 means 100). cursor is Page.Next of the page before, and "" for the first; another table's, or one that
	// is none, is a [*LimitError]. The rules of List hold: a page may be shorter, even empty, and still have a Next; expired items
	// are not shown; under change a scan never repeats an item and never misses one that was there from the first page to the last. A cursor
	// stays good while the table is there, also for another process. Scan reads strongly.
	Scan(ctx context.Context, table Table, cursor string, limit int) (Page, error)
}
