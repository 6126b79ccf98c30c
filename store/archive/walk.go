package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"

	"github.com/rhythmiq/rhythmiq/store"
)

// lines reads a file line by line and knows where it is.
type lines struct {
	r      *bufio.Reader
	long   []byte // a line that does not fit into its buffer
	number int64  // of the line last read, from 1
	offset int64  // behind it
}

var (
	errTooLong  = errors.New("is too long")
	errCut      = errors.New("has no end") // the last line of a file that was being written
	errAfterEnd = errors.New("stands behind the end")
)

// readBytes are read at once. Most lines are much shorter than the longest ones.
const readBytes = 32 << 10

func newLines(r io.Reader, number, offset int64) *lines {
	return &lines{r: bufio.NewReaderSize(r, readBytes), number: number, offset: offset}
}

// next returns the next line with its end. It is good until the next call. After the last line the error is io.EOF.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(l.long) <= MaxLine {
			line, err = l.r.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		line = l.long
	}
	switch {
	case len(line) > MaxLine:
		l.number++
		return nil, errTooLong
	case err == nil:
		l.number++
		l.offset += int64(len(line))
		return line, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		l.number++
		return nil, errCut
	}
	return nil, err
}

// at says which line err is about.
func (l *lines) at(err error) error { return fmt.Errorf("line %d %w", l.number, err) }

// walked is what a walk through a file has found.
type walked struct {
	header header
	start  int64 // behind the header
	// As far as the last checkpoint that is right, or the header:
	good struct {
		checkpoint
		line, offset int64
		sum          hash.Hash // over everything so far
	}
	// The end, if there is one and it is right: where its line begins.
	finished   bool
	endOffset  int64
	end        end
	damaged    error // what is wrong behind good; nil where the file just stops
	headerless bool  // nothing, or the beginning of a header, is all there is
}

// walk reads a whole file and holds every sum against it. It does not look into items. Its error is of reading, or that the file is no archive at all.
func walk(ctx context.Context, f io.Reader) (w *walked, err error) {
	w = &walked{}
	l, sum := newLines(f, 0, 0), sha256.New()
	line, err := l.next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errCut):
		w.headerless = true
		return w, nil
	case errors.Is(err, errTooLong):
		return nil, ErrNotArchive
	case err != nil:
		return nil, err
	}
	if w.header, err = parseHeader(line); err != nil {
		return nil, err
	}
	_, _ = sum.Write(line) // a hash takes everything
	w.start = l.offset
	seen := newCounts()
	if err := w.keep(l, sum, checkpoint{Table: store.Tables()[0], Items: newCounts()}); err != nil {
		return nil, err
	}
	for {
		if l.number%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		before := l.offset
		line, err := l.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errCut) && !w.finished:
			return w, nil
		case w.finished:
			err = errAfterEnd
		case errors.Is(err, errTooLong):
		case err != nil:
			return nil, err
		default:
			err = w.step(l, line, sum, seen, before)
		}
		if err != nil {
			w.finished, w.damaged = false, fmt.Errorf("%w: %w", ErrDamaged, l.at(err))
			return w, nil
		}
	}
}

// step takes one line. Its error is what is wrong with the line.
func (w *walked) step(l *lines, line []byte, sum hash.Hash, seen counts, before int64) error {
	switch {
	case bytes.HasPrefix(line, itemStart):
		table, _, _ := bytes.Cut(line[len(itemStart):], []byte{'"'})
		if _, known := seen[store.Table(table)]; !known {
			return errNoItem
		}
		seen[store.Table(table)]++
	case bytes.HasPrefix(line, checkpointStart):
		var c checkpointLine
		if err := parse(line, &c); err != nil {
			return err
		}
		if _, known := seen[c.Checkpoint.Table]; !known {
			return errNoLine
		}
		if !right(sum, c.Checkpoint.SHA256) || !seen.equal(c.Checkpoint.Items) {
			return fmt.Errorf("does not fit what is behind line %d", w.good.line)
		}
		_, _ = sum.Write(line)
		return w.keep(l, sum, c.Checkpoint)
	case bytes.HasPrefix(line, endStart):
		var e endLine
		if err := parse(line, &e); err != nil {
			return err
		}
		if !right(sum, e.End.SHA256) || !seen.equal(e.End.Items) {
			return fmt.Errorf("does not fit what is behind line %d", w.good.line)
		}
		w.finished, w.end, w.endOffset = true, e.End, before
	default:
		return errNoLine
	}
	_, _ = sum.Write(line)
	return nil
}

// keep remembers a checkpoint that is right.
func (w *walked) keep(l *lines, sum hash.Hash, c checkpoint) error {
	c.Items = maps.Clone(c.Items)
	w.good.checkpoint, w.good.line, w.good.offset = c, l.number, l.offset
	kept, err := clone(sum)
	w.good.sum = kept
	return err
}

// whole returns nil for a finished archive, and else why it is none.
func (w *walked) whole() error {
	switch {
	case w.headerless:
		return ErrNotArchive
	case w.damaged != nil:
		return w.damaged
	case !w.finished:
		return fmt.Errorf("%w: it goes on until line %d, the last checkpoint", ErrUnfinished, w.good.line)
	}
	return nil
}

func right(sum hash.Hash, want string) bool { return hexSum(sum) == want }

func hexSum(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

func clone(sum hash.Hash) (hash.Hash, error) {
	c, ok := sum.(hash.Cloner)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return c.Clone()
}
