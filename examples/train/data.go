package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
)

// errInput is what an error about a file matches that is not as it should be.
var errInput = errors.New("a wrong file")

type inputError struct{ error }

func (e inputError) Is(target error) bool { return target == errInput }
func (e inputError) Unwrap() error        { return e.error }

// read returns what a file says, and tells tick how far it is.
func read(ctx context.Context, name string, tick *ticker) (*ml.Data, error) {
	file, err := os.Open(name) //nolint:gosec // the file that the command line names
	if err != nil {
		return nil, inputError{err}
	}
	defer func() { _ = file.Close() }() // it was only read from
	var b ml.Builder
	counted := &counter{r: file, name: name, tick: tick, start: time.Now()}
	if s, err := file.Stat(); err == nil {
		counted.size = s.Size()
	}
	err = b.ReadTSV(ctx, counted)
	tick.end()
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, inputError{fmt.Errorf("%s: %w", name, err)}
	}
	d, err := b.Data()
	if err == nil && d.Heard.Cells() == 0 {
		err = errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, inputError{fmt.Errorf("%s: %w", name, err)}
	}
	return d, nil
}

// counter tells how much of a file has been read.
type counter struct {
	r          io.Reader
	name       string
	read, size int64
	start      time.Time
	tick       *ticker
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	if c.size > 0 { // not of a pipe
		c.tick.part("reading "+c.name, int(c.read>>10), int(c.size>>10), c.start) //nolint:mnd // KiB
	}
	return n, err
}

// validOf returns what valid says of train's listeners, with train's columns and, after those, the items that are only in valid.
func validOf(train, valid *ml.Data, w io.Writer) (*ml.Matrix, error) {
	rows, cols := places(train.Listeners), places(train.Items)
	var cells []ml.Cell
	strangers, unknown, again := 0, 0, 0
	columns := len(train.Items)
	for u, listener := range valid.Listeners {
		row, ok := rows[listener]
		if !ok {
			strangers++
			continue
		}
		items, weights := valid.Heard.Row(u)
		had, _ := train.Heard.Row(int(row))
		for i, c := range items {
			col, ok := cols[valid.Items[c]]
			if !ok {
				col = int32(columns)
				cols[valid.Items[c]] = col
				columns++
			}
			if int(col) >= len(train.Items) {
				unknown++
			}
			if has(had, col) {
				again++
			}
			cells = append(cells, ml.Cell{Row: row, Col: col, Weight: weights[i]})
		}
	}
	for _, note := range []struct {
		n    int
		what string
	}{
		{strangers, "listeners of -valid are not in -train, and are left out"},
		{unknown, "lines of -valid are of items that are not in -train: no model can find them"},
		{again, "lines of -valid are in -train too: they are not recommended, and count as not found"},
	} {
		if note.n > 0 {
			fmt.Fprintf(w, "note: %d %s\n", note.n, note.what)
		}
	}
	m, err := ml.NewMatrix(len(train.Listeners), columns, cells)
	if err != nil {
		return nil, err
	}
	if m.Cells() == 0 {
		return nil, inputError{errors.New("-valid has no listener of -train")}
	}
	return m, nil
}

// places returns where each name stands.
func places(names []string) map[string]int32 {
	at := make(map[string]int32, len(names))
	for i, name := range names {
		at[name] = int32(i)
	}
	return at
}

// has reports whether a is among the ascending columns.
func has(cols []int32, a int32) bool {
	for _, c := range cols {
		if c >= a {
			return c == a
		}
	}
	return false
}

// together returns the data of both.
func together(a, b *ml.Data) (*ml.Data, error) {
	var all ml.Builder
	for _, d := range []*ml.Data{a, b} {
		for u, listener := range d.Listeners {
			from := d.Heard.Starts[u]
			cols, weights := d.Heard.Row(u)
			for i, c := range cols {
				seconds := int64(0)
				if d.Times != nil {
					seconds = d.Times[from+i]
				}
				all.Add(listener, d.Items[c], weights[i], seconds)
			}
		}
	}
	return all.Data()
}
