package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// ImportOptions of Import; nil and the zero value are fine.
type ImportOptions struct {
	// Name says which store it is, such as its file or its tables. An import into a store of another name begins from the start.
	Name string
	// NotEmpty also imports into a store that already holds something: what both hold is then as the archive has it.
	NotEmpty bool
	// Unfinished also imports an archive that ends early or is damaged, as far as the last checkpoint that is right.
	Unfinished bool
	// Progress, if set, is called after each batch.
	Progress func(Progress)
	// Now is the clock that expiry goes by; nil means time.Now.
	Now func() time.Time

	batch int // items in a batch; 0 means batchItems
}

const (
	batchItems = 1000    // that are written at once …
	batchBytes = 4 << 20 // … or so many bytes of lines, whichever is reached first
)

// saveEvery is how often the position is saved, which waits for the disk. What was written since is written again after a kill.
const saveEvery = time.Second

// Position ends the name of the small file in which Import keeps its position, beside the archive, until it has come to the end.
const Position = ".import"

// Import puts all items of the archive at path into a store: with their versions, expiries and places in the index, so that the two stores
// give the same answers. It first holds the whole file against its sums, and writes nothing if they are wrong, if it has no end ([ErrUnfinished])
// or if the store already holds something ([ErrNotEmpty]): two houses in one would be neither.
//
// An import that was stopped goes on where it was, or up to a second of work before that if it was killed, if called again with the same archive and a store of the
// same name that holds what was written last; else it begins again, which does no harm. Items that have expired meanwhile are left out.
// Nobody else should write to the store meanwhile.
func Import(ctx context.Context, s store.Store, path string, o *ImportOptions) (Summary, error) {
	if o == nil {
		o = &ImportOptions{}
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	f, err := os.Open(path) //nolint:gosec // the host says where
	if err != nil {
		return Summary{}, named(path, err)
	}
	defer f.Close() //nolint:errcheck // only read
	i := &importer{s: s, o: *o, path: path, now: o.Now}
	if i.now == nil {
		i.now = time.Now
	}
	start, err := i.check(ctx, f)
	if err == nil {
		err = i.run(ctx, f, start)
	}
	if err != nil {
		return i.summary(), named(path, err)
	}
	return i.summary(), nil
}

// importer is one import.
type importer struct {
	s     store.Store
	o     ImportOptions
	path  string
	now   func() time.Time
	until int64  // the offset at which the items end
	of    int64  // bytes of the file
	want  counts // what the archive says

	position position
	resumed  bool
}

func (i *importer) summary() Summary {
	return Summary{Items: i.position.Items, Expired: i.position.Expired, Bytes: i.of, Resumed: i.resumed}
}

// check walks through the file and returns where its items start.
func (i *importer) check(ctx context.Context, f io.ReadSeeker) (start int64, err error) {
	w, err := walk(ctx, f)
	if err != nil {
		return 0, err
	}
	if err := w.whole(); err != nil && (!i.o.Unfinished || w.headerless) {
		return 0, err
	}
	i.until, i.want, i.position.SHA256 = w.good.offset, w.good.Items, hexSum(w.good.sum)
	if w.finished {
		i.until, i.want, i.position.SHA256 = w.endOffset, w.end.Items, w.end.SHA256
	}
	i.of, err = f.Seek(0, io.SeekEnd)
	return w.start, err
}

func (i *importer) run(ctx context.Context, f io.ReadSeeker, start int64) error {
	if err := i.begin(ctx, f, start); err != nil {
		return err
	}
	if _, err := f.Seek(i.position.Offset, io.SeekStart); err != nil {
		return err
	}
	l := newLines(io.LimitReader(f, i.until-i.position.Offset), i.position.Line, i.position.Offset)
	saved := time.Now()
	for {
		batch, err := i.read(l)
		if err != nil {
			return err
		}
		if err := store.Bulk(ctx, i.s, batch.writes...); err != nil {
			_ = i.position.save(i.path + Position) // the older one will do
			return err
		}
		i.position.wrote(batch, l)
		if l.offset == i.until {
			break
		}
		if time.Since(saved) >= saveEvery {
			if err := i.position.save(i.path + Position); err != nil {
				return err
			}
			saved = time.Now()
		}
		i.tell(l.offset)
	}
	if got := i.position.seen(); !got.equal(i.want) { // a sum that was made to fit
		return fmt.Errorf("%w: its items are not as many as it says", ErrDamaged)
	}
	i.tell(i.of)
	return os.Remove(i.path + Position)
}

func (i *importer) tell(offset int64) {
	if i.o.Progress != nil {
		i.o.Progress(Progress{Items: i.summary().Total(), Bytes: offset, Of: i.of})
	}
}

// begin finds the position of an earlier import of this archive into this store, or sees that the store is empty and begins at the start.
func (i *importer) begin(ctx context.Context, f io.ReadSeeker, start int64) error {
	name := i.path + Position
	i.position.Store = i.o.Name
	fresh := i.position
	fresh.Offset, fresh.Line, fresh.Items, fresh.Skipped = start, 1, newCounts(), newCounts()
	old, ok, err := loadPosition(name)
	if err != nil {
		return err
	}
	if ok && old.Store == fresh.Store && old.SHA256 == fresh.SHA256 && old.Offset >= start && old.Offset <= i.until {
		if old.Probe == nil { // nothing is known to be there, but the store was found empty then
			if !i.o.NotEmpty {
				if err := i.ours(ctx, f, start); err != nil {
					return err
				}
			}
			i.position = fresh
			return nil
		}
		holds, err := old.holds(ctx, i.s)
		if err != nil {
			return err
		}
		if holds {
			i.position, i.resumed = old, true
			return nil
		}
	}
	if !i.o.NotEmpty {
		if err := empty(ctx, i.s); err != nil {
			return err
		}
	}
	i.position = fresh
	return i.position.save(name)
}

// ours returns an error if what the store shows first of a table is not of this archive: somebody else has moved in since an import was stopped.
func (i *importer) ours(ctx context.Context, f io.ReadSeeker, start int64) error {
	scanner, ok := store.As[store.Scanner](i.s)
	if !ok {
		return ErrNoScanner
	}
	found := map[store.Key]store.Version{}
	for _, table := range store.Tables() {
		page := store.Page{}
		for first := true; len(page.Items) == 0 && (first || page.Next != ""); first = false {
			var err error
			if page, err = scanner.Scan(ctx, table, page.Next, pageItems); err != nil {
				return err
			}
		}
		for _, item := range page.Items {
			found[item.Key] = item.Version
		}
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return err
	}
	for l := newLines(io.LimitReader(f, i.until-start), 1, start); len(found) > 0 && l.offset < i.until; {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := i.read(l)
		if err != nil {
			return err
		}
		for _, w := range batch.writes {
			if found[w.Key] == w.Version {
				delete(found, w.Key)
			}
		}
	}
	if len(found) > 0 {
		return ErrNotEmpty
	}
	return nil
}

// empty returns an error if a store holds something.
func empty(ctx context.Context, s store.Store) error {
	scanner, ok := store.As[store.Scanner](s)
	if !ok {
		return ErrNoScanner
	}
	for _, table := range store.Tables() {
		for cursor := ""; ; {
			page, err := scanner.Scan(ctx, table, cursor, pageItems) // of what has expired there may be any number
			if err != nil {
				return err
			}
			if len(page.Items) > 0 {
				return ErrNotEmpty
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return nil
}

// batch is what is written at once.
type batch struct {
	writes  []store.Write
	expired []store.Table
}

// read reads the next batch.
func (i *importer) read(l *lines) (b batch, err error) {
	most := batchItems
	if i.o.batch > 0 {
		most = i.o.batch
	}
	now := i.now()
	for from := l.offset; len(b.writes)+len(b.expired) < most && l.offset-from < batchBytes && l.offset < i.until; {
		line, err := l.next()
		if err != nil { // it was whole when it was walked through
			return b, fmt.Errorf("%w: %w", ErrDamaged, l.at(err))
		}
		if !bytes.HasPrefix(line, itemStart) {
			continue
		}
		item, err := parseItem(line)
		if err != nil {
			return b, fmt.Errorf("%w: %w", ErrDamaged, l.at(err))
		}
		if item.Expired(now) {
			b.expired = append(b.expired, item.Key.Table)
			continue
		}
		b.writes = append(b.writes, store.Put(item, store.None))
	}
	return b, nil
}
