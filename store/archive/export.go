package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// ExportOptions of Export; nil and the zero value are fine.
type ExportOptions struct {
	// Name says which store it is, such as its file or its tables. It stands in the file, and an export that was begun from a store of
	// another name is not gone on with.
	Name string
	// Progress, if set, is called after each page.
	Progress func(Progress)
	// Now dates the file; nil means time.Now.
	Now func() time.Time

	page int // items in a page; 0 means pageItems
}

const (
	pageItems  = 250      // of a page, so that 250 of the largest bodies are what is held in memory at most
	writeBytes = 1 << 20  // held back before they are written
	syncBytes  = 16 << 20 // between two waits for the disk; what is lost with the power is exported again
)

// Partial ends the name of the file while it is being written.
const Partial = ".partial"

// Export writes all items of all tables to path. Until it is whole the file has the name path + [Partial]; where there is such a file, of an export
// that was stopped, Export goes on from its last checkpoint. There must be no file at path itself ([ErrExists]).
// The store must be a [store.Scanner], or stand before one.
//
// Expired items are left out. An archive is no snapshot of a store that is written to meanwhile: each item is as it was at some moment during
// the export, what comes or goes meanwhile may be in it or not, and of what one Apply has made a part may be missing. So stop
// the servers first. Only one Export may write to a path at a time.
func Export(ctx context.Context, s store.Store, path string, o *ExportOptions) (Summary, error) {
	if o == nil {
		o = &ExportOptions{}
	}
	scanner, ok := store.As[store.Scanner](s)
	if !ok {
		return Summary{}, ErrNoScanner
	}
	if err := absent(path); err != nil {
		return Summary{}, named(path, err)
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	f, err := os.OpenFile(path+Partial, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the host says where
	if err != nil {
		return Summary{}, named(path+Partial, err)
	}
	e := &exporter{scanner: scanner, f: f, o: *o}
	sum, err := e.run(ctx)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return sum, named(path+Partial, err)
	}
	if err = absent(path); err == nil {
		err = os.Rename(path+Partial, path)
	}
	if err != nil {
		return sum, named(path, err)
	}
	syncFolder(path)
	return sum, nil
}

var errOtherWriter = errors.New("something else writes to it")

func absent(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return ErrExists
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// syncFolder sees to it that a new name survives a loss of power, where the system can.
func syncFolder(path string) {
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every system can
		_ = dir.Close()
	}
}

type exporter struct {
	scanner store.Scanner
	f       *os.File
	o       ExportOptions

	sum     hash.Hash // over all lines
	pending bytes.Buffer
	written int64 // bytes in the file
	synced  int64 // of them, on the disk
	items   counts
}

// run brings the file to its end.
func (e *exporter) run(ctx context.Context) (Summary, error) {
	next, resumed, err := e.begin(ctx)
	summary := func() Summary { return Summary{Items: e.items, Bytes: e.written, Resumed: resumed} }
	if err != nil || next == nil {
		return summary(), err
	}
	err = e.pages(ctx, *next, resumed)
	return summary(), err
}

// pages writes page after page from next on, and the end.
func (e *exporter) pages(ctx context.Context, next checkpoint, resumed bool) error {
	for {
		page, err := e.scanner.Scan(ctx, next.Table, next.Cursor, e.page())
		if errors.Is(err, store.ErrLimit) && resumed {
			return fmt.Errorf("%w: %w", ErrOther, err)
		}
		if err != nil {
			return err
		}
		if err := e.write(page.Items, next.Table); err != nil {
			return err
		}
		var more bool
		if next, more = following(next.Table, page.Next); !more {
			return e.finish()
		}
		if err := e.checkpoint(next); err != nil {
			return err
		}
	}
}

// following returns the place behind a page of a table whose cursor for the next one is given, false behind the last page of the last table.
func following(table store.Table, cursor string) (checkpoint, bool) {
	if cursor != "" {
		return checkpoint{Table: table, Cursor: cursor}, true
	}
	tables := store.Tables()
	i := slices.Index(tables, table) + 1
	if i == len(tables) {
		return checkpoint{}, false
	}
	return checkpoint{Table: tables[i]}, true
}

func (e *exporter) page() int {
	if e.o.page > 0 {
		return e.o.page
	}
	return pageItems
}

// begin writes a header into an empty file, and in one that is there goes to the last checkpoint and cuts off what follows it. It returns what the next page
// is, nil where the file is whole.
func (e *exporter) begin(ctx context.Context) (next *checkpoint, resumed bool, err error) {
	e.items = newCounts()
	if err := e.f.Chmod(0o600); err != nil {
		return nil, false, err
	}
	w, err := walk(ctx, e.f)
	if err != nil {
		return nil, false, err
	}
	if w.headerless {
		if err := e.foreign(); err != nil {
			return nil, false, err
		}
		next, err := e.first()
		return next, false, err
	}
	if w.header.Store != e.o.Name || !slices.Equal(w.header.Tables, store.Tables()) {
		return nil, false, ErrOther
	}
	if w.finished { // it was stopped just before it got its name
		e.items = w.end.Items
		e.written, err = e.f.Seek(0, io.SeekEnd)
		return nil, true, err
	}
	e.items, e.sum, e.written, e.synced = w.good.Items, w.good.sum, w.good.offset, w.good.offset
	if err := e.cut(w.good.offset); err != nil {
		return nil, false, err
	}
	return &w.good.checkpoint, true, nil
}

// foreign holds that a file without a whole first line is the beginning of a header.
func (e *exporter) foreign() error {
	begun := make([]byte, len(headerStart))
	n, err := e.f.ReadAt(begun, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.HasPrefix([]byte(headerStart), begun[:n]) {
		return ErrNotArchive
	}
	return nil
}

const headerStart = `{"archive":"` + formatName + `"`

func (e *exporter) first() (*checkpoint, error) {
	now := time.Now
	if e.o.Now != nil {
		now = e.o.Now
	}
	if err := e.cut(0); err != nil {
		return nil, err
	}
	e.sum = sha256.New()
	err := e.line(header{Archive: formatName, Version: formatVersion, Made: now().UTC().Truncate(time.Second), Store: e.o.Name, Tables: store.Tables()})
	if err == nil {
		err = e.flush()
	}
	return &checkpoint{Table: store.Tables()[0]}, err
}

func (e *exporter) cut(at int64) error {
	err := e.f.Truncate(at)
	if err == nil {
		_, err = e.f.Seek(at, io.SeekStart)
	}
	return err
}

func (e *exporter) write(items []store.Item, table store.Table) error {
	for _, item := range items {
		if err := e.line(lineOf(item)); err != nil {
			return fmt.Errorf("%v: %w", item.Key, err)
		}
		if e.pending.Len() >= writeBytes {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	e.items[table] += int64(len(items))
	return nil
}

// checkpoint ends a page.
func (e *exporter) checkpoint(next checkpoint) error {
	next.Items, next.SHA256 = e.items, hexSum(e.sum)
	err := e.line(checkpointLine{next})
	if err == nil {
		err = e.flush()
	}
	if err != nil {
		return err
	}
	if e.written-e.synced >= syncBytes {
		if err := e.sync(); err != nil {
			return err
		}
	}
	e.tell()
	return nil
}

func (e *exporter) finish() error {
	err := e.line(endLine{end{Items: e.items, SHA256: hexSum(e.sum)}})
	if err == nil {
		err = e.flush()
	}
	if err == nil {
		err = e.sync()
	}
	if err == nil {
		e.tell()
	}
	return err
}

// line adds a line to what is pending and to the sum.
func (e *exporter) line(v any) error {
	before := e.pending.Len()
	if err := appendLine(&e.pending, v); err != nil {
		return err
	}
	_, _ = e.sum.Write(e.pending.Bytes()[before:])
	return nil
}

// flush writes what is pending, if nobody else has written meanwhile.
func (e *exporter) flush() error {
	info, err := e.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != e.written {
		return errOtherWriter
	}
	n, err := e.f.Write(e.pending.Bytes())
	e.written += int64(n)
	if err != nil {
		return err
	}
	e.pending.Reset()
	return nil
}

func (e *exporter) sync() error {
	e.synced = e.written
	return e.f.Sync()
}

func (e *exporter) tell() {
	if e.o.Progress != nil {
		e.o.Progress(Progress{Items: Summary{Items: e.items}.Total(), Bytes: e.written})
	}
}
