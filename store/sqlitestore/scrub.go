package sqlitestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/rhythmiq/rhythmiq/store"
)

// What was deleted or replaced is to be gone from the files, not only from the answers. It stands in three places:
//
//	free cells and free pages    SQLite overwrites them at once: secure_delete
//	the log (the file in -wal)   has older states of pages until it is written into the file and cut off
//	gaps                         when SQLite splits a page, copies of the cells that moved can stay between the pointers and the cells of the page
//	                             that they left: 2 of 3,952 deleted items of a test that makes many splits. secure_delete does not know of them
//
// So the log is written into the file here and not by SQLite on its own, and before that the gaps of all pages that are in it are overwritten; no
// page comes into the file but through the log. That happens when the log is as long as SQLite would let it become, by [Store.Scrub], [Store.Sweep] and [Store.Close].
// (What another process writes between these two steps is not looked at until its page changes again, and no gap is in a file of 128 GiB or more: see mostPages.)

// longestLog is the length of the log from which it is written into the file: a thousand pages, as SQLite has it.
const longestLog = 1000 * (pageBytes + frameHeader)

// The log's format, https://www.sqlite.org/walformat.html.
const (
	logHeader   = 32
	frameHeader = 24
	saltAt      = 16 // in the log's header, 8 bytes, and
	frameSaltAt = 8  // in each frame's that belongs to it
	pageBytes   = 4096
)

const (
	pageQuery       = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1"
	pageStatement   = "UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1"
	countQuery      = "SELECT page_count FROM pragma_page_count"
	vacuumQuery     = "SELECT auto_vacuum FROM pragma_auto_vacuum"
	truncateLog     = "PRAGMA wal_checkpoint(TRUNCATE)"
	waitForNobody   = "PRAGMA busy_timeout = 0"
	waitAgain       = "PRAGMA busy_timeout = 5000"
	mostPages       = 1 << 25 // of a file in which no page but a B-tree's can begin like one: others begin with the number of another page
	firstPageHeader = 100     // bytes before the B-tree's in the first page
)

var errRead = fmt.Errorf("%w: somebody reads an older state of the file", store.ErrUnavailable)

// Scrub implements [store.Scrubber]: when it returns, nothing that was deleted or replaced before it was called is in the file or the files beside it. It waits up
// to 5 s for those who read an older state, and is [store.ErrUnavailable] if they go on.
func (s *Store) Scrub(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.writer.do(ctx, 0, nil)
}

// scrub overwrites the gaps in the pages that are in the log, writes it into the file, and cuts it off.
func (w *writer) scrub(ctx context.Context) error {
	if err := w.overwriteGaps(ctx); err != nil {
		return wrap(ctx, "scrub", err)
	}
	var busy, frames, written int
	if err := w.conn.QueryRowContext(ctx, truncateLog).Scan(&busy, &frames, &written); err != nil {
		return wrap(ctx, "scrub", err)
	}
	if busy != 0 {
		return fmt.Errorf("sqlitestore: scrub: %w", errRead)
	}
	w.longest = longestLog
	return nil
}

// shorten scrubs where the log has become long, and waits for nobody: while somebody reads an older state it tries again only when the log has grown as much once more.
func (w *writer) shorten(ctx context.Context) {
	size := w.logSize()
	if size < w.longest {
		return
	}
	_, err := w.conn.ExecContext(ctx, waitForNobody)
	if err = errors.Join(err, w.scrub(ctx)); err != nil {
		w.longest = size + longestLog
	}
	_, _ = w.conn.ExecContext(ctx, waitAgain) // cannot fail
}

func (w *writer) logSize() int64 {
	info, err := os.Stat(w.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// overwriteGaps does so in a transaction, so that nobody else writes to the log while it is read.
func (w *writer) overwriteGaps(ctx context.Context) error {
	if w.vacuums || w.logSize() <= logHeader {
		return nil
	}
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return w.undo(ctx, err)
	}
	pages, err := loggedPages(w.log)
	if err != nil {
		return w.undo(ctx, err)
	}
	var count uint32
	if err := w.conn.QueryRowContext(ctx, countQuery).Scan(&count); err != nil {
		return w.undo(ctx, err)
	}
	for _, number := range known(pages, count) {
		var page []byte
		if err := w.page.QueryRowContext(ctx, number).Scan(&page); err != nil {
			return w.undo(ctx, err)
		}
		if !overwriteGap(page, number == 1) {
			continue
		}
		if _, err := w.setPage.ExecContext(ctx, number, page); err != nil {
			return w.undo(ctx, err)
		}
	}
	if _, err = w.commit.ExecContext(ctx); err != nil {
		return w.undo(ctx, err)
	}
	return nil
}

// known are those pages of a file of so many that can be told by how they begin. The log can have others: what a transaction added that was undone, or
// cut off by a kill.
func known(pages []uint32, count uint32) []uint32 {
	if count >= mostPages {
		return nil
	}
	return slices.DeleteFunc(pages, func(number uint32) bool { return number == 0 || number > count })
}

// loggedPages are the numbers of the pages that are in a log, in order. (A file that is opened here is none that SQLite holds locks on: those would go when it
// is closed.)
func loggedPages(path string) ([]uint32, error) {
	f, err := os.Open(path) //nolint:gosec // beside the file that the host names
	if err != nil {
		return nil, pathless(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var header [logHeader]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return nil, pathless(err)
	}
	size := int64(binary.BigEndian.Uint32(header[8:]))
	var pages []uint32
	var frame [frameHeader]byte
	for at := int64(logHeader); ; at += frameHeader + size {
		if _, err := f.ReadAt(frame[:], at); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, pathless(err)
		}
		if !slices.Equal(frame[frameSaltAt:frameSaltAt+8], header[saltAt:saltAt+8]) {
			break // left over from the log before this one
		}
		pages = append(pages, binary.BigEndian.Uint32(frame[:]))
	}
	slices.Sort(pages)
	return slices.Compact(pages), nil
}

// overwriteGap makes zeros of what stands between a B-tree page's pointers and its cells, and reports whether it was anything else. A page that is no
// B-tree's stays as it is. (https://www.sqlite.org/fileformat2.html#b_tree_pages)
func overwriteGap(page []byte, first bool) bool {
	at := 0
	if first {
		at = firstPageHeader
	}
	if len(page) < at+12 {
		return false
	}
	header := 8
	switch page[at] {
	case 2, 5: // inner pages of an index and of a table
		header = 12
	case 10, 13: // their leaves
	default:
		return false
	}
	cells, content := int(binary.BigEndian.Uint16(page[at+3:])), int(binary.BigEndian.Uint16(page[at+5:]))
	if content == 0 {
		content = 1 << 16
	}
	from := at + header + 2*cells
	if content > len(page) || from > content {
		return false
	}
	gap := page[from:content]
	dirty := slices.ContainsFunc(gap, func(b byte) bool { return b != 0 })
	clear(gap)
	return dirty
}
