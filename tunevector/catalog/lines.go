package catalog

import (
	"bytes"
	"errors"
	"io"
)

const (
	// maxRecord is the longest row that is read, in bytes.
	maxRecord = 1 << 18
	readSize  = 1 << 16
)

// window reads a file piece by piece and holds at least one row of it.
type window struct {
	r    io.Reader
	buf  []byte
	from int // what is before it was used
	line int // the number of the line at from
	eof  bool
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, 0, maxRecord+readSize), line: 1}
}

// rest is what was read and not used yet.
func (w *window) rest() []byte { return w.buf[w.from:] }

// fill reads more. It is called while no more than maxRecord is held, so there is room.
func (w *window) fill() error {
	if len(w.buf)+readSize > cap(w.buf) {
		w.buf = w.buf[:copy(w.buf, w.buf[w.from:])]
		w.from = 0
	}
	for range 100 { // a reader may return nothing now and then, but not for ever
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if errors.Is(err, io.EOF) {
			w.eof = true
			return nil
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// use moves on over n bytes with as many line ends in them.
func (w *window) use(n, lines int) {
	w.from += n
	w.line += lines
}

// peekLine returns the line at from without its end, and how long it is with it. A line longer than maxRecord is used up, and an
// error that is a badRowError; at the end of the file the error is io.EOF.
func (w *window) peekLine() (line []byte, size int, err error) {
	for searched := 0; ; {
		rest := w.rest()
		at := bytes.IndexByte(rest[searched:], '\n')
		switch searched += at + 1; {
		case at < 0 && len(rest) == 0 && w.eof:
			return nil, 0, io.EOF
		case at < 0 && w.eof:
			line, size = rest, len(rest)
		case at >= 0:
			line, size = rest[:searched-1], searched
		case len(rest) <= maxRecord:
			searched = len(rest)
			if err := w.fill(); err != nil {
				return nil, 0, err
			}
			continue
		}
		if size == 0 || size > maxRecord {
			if err := w.skipLine(); err != nil {
				return nil, 0, err
			}
			return nil, 0, reason("the line is longer than %d bytes", maxRecord)
		}
		return bytes.TrimSuffix(line, []byte{'\r'}), size, nil
	}
}

// skipLine uses up a line of any length.
func (w *window) skipLine() error {
	for {
		if at := bytes.IndexByte(w.rest(), '\n'); at >= 0 {
			w.use(at+1, 1)
			return nil
		}
		w.use(len(w.rest()), 0)
		if w.eof {
			return nil
		}
		if err := w.fill(); err != nil {
			return err
		}
	}
}
