// Package archive moves house: [Export] writes all that a store holds into a file, and [Import] reads it into another store,
// of any engine. It knows nothing of what the items mean, and it is no backup of a store in use (see Export).
//
//	_, err := archive.Export(ctx, old, "house.jsonl", nil)
//	…
//	_, err = archive.Import(ctx, new, "house.jsonl", nil)
//
// Both can be stopped, or killed, at any moment: called again in the same way they go on where they were. Neither holds more than
// a page of items in memory.
//
// # The file
//
// An archive is JSON lines in UTF-8, each of at most [MaxLine] bytes: a header, one line an item, a checkpoint after each page, and an end.
//
//	{"archive":"rhythmiq","version":1,"made":"2026-11-23T18:00:00Z","store":"rhythmiq.db","tables":["users","interactions","models"]}
//	{"table":"users","partition":"<hex>","sort":"profile","version":"<hex>","expiresAt":"2026-12-01T00:00:00Z","index":{"partition":"<hex>","sort":"…"},"body":{…}}
//	{"checkpoint":{"table":"users","cursor":"…","items":{"interactions":0,"models":0,"users":1},"sha256":"<hex>"}}
//	{"end":{"items":{"interactions":0,"models":0,"users":1},"sha256":"<hex>"}}
//
// expiresAt and index are left out where an item has none. A checkpoint says which page follows and how many items came before it; its sum, and
// that of the end, is over every byte before the line, so that damage is found, and found between two checkpoints.
//
// The file holds everything: personal data, password hashes and the keys that sign sessions. It is made with permissions 0600; keep it
// as you keep the store, and delete it when you have moved.
package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/rhythmiq/rhythmiq/store"
)

// MaxLine bounds a line in bytes, its end included: a body, and what is around it with every character of a sort key escaped.
const MaxLine = store.MaxBody + 16<<10

// Errors; those of Export and Import name the file. What is wrong with a line is said with its number, and never what stands there.
var (
	ErrExists     = errors.New("there is such a file already")
	ErrNotArchive = errors.New("is no archive of RhythmIQ's")
	ErrNewer      = errors.New("was written by a newer RhythmIQ")
	ErrUnfinished = errors.New("has no end")
	ErrDamaged    = errors.New("is damaged")
	ErrOther      = errors.New("was begun from another store")
	ErrNotEmpty   = errors.New("the store already holds something")
	ErrNoScanner  = errors.New("the store cannot show all that it holds")
)

// Progress is how far a move has come.
type Progress struct {
	Items int64 // so far, with those of before it was stopped
	Bytes int64 // of the file, written or read
	Of    int64 // how many bytes the file has; 0 for an export, which cannot know
}

// Summary is what was moved.
type Summary struct {
	Items   map[store.Table]int64 // moved, also before it was stopped
	Expired int64                 // left out by Import since they have expired; Export does not see them
	Bytes   int64                 // of the file
	Resumed bool                  // it went on where an earlier call had stopped
}

// Total is how many items were moved.
func (s Summary) Total() int64 {
	n := int64(0)
	for _, of := range s.Items {
		n += of
	}
	return n
}

// named names the file that an error is about. The system's own errors do so already.
func named(path string, err error) error {
	if p, ok := err.(*fs.PathError); ok { //nolint:errorlint // one inside of a store's error is not about this file
		err = fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return fmt.Errorf("archive: %s: %w", path, err)
}

// counts are items by table; all tables are in it.
type counts map[store.Table]int64

func newCounts() counts {
	c := counts{}
	for _, t := range store.Tables() {
		c[t] = 0
	}
	return c
}

func (c counts) equal(o counts) bool { return maps.Equal(c, o) }
