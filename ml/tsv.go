package ml

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Builder collects [Data] from who heard what, in any order. The zero value is ready.
type Builder struct {
	listeners, items names
	cells            []Cell
	times            []int64
	timed            bool
}

// names numbers names in the order in which they come.
type names struct {
	list []string
	at   map[string]int32
}

func (n *names) number(name string) int32 {
	if i, ok := n.at[name]; ok {
		return i
	}
	return n.add(name)
}

// numberOf is number without a string for what is known.
func (n *names) numberOf(name []byte) int32 {
	if i, ok := n.at[string(name)]; ok {
		return i
	}
	return n.add(string(name))
}

func (n *names) add(name string) int32 {
	if n.at == nil {
		n.at = map[string]int32{}
	}
	i := int32(len(n.list))
	name = strings.Clone(name) // not all of the line that it stands in
	n.list = append(n.list, name)
	n.at[name] = i
	return i
}

// Add notes that a listener has heard an item, with a weight above 0. seconds is when, since 1970; 0 where not known.
func (b *Builder) Add(listener, item string, weight float32, seconds int64) {
	b.add(b.listeners.number(listener), b.items.number(item), weight, seconds)
}

func (b *Builder) add(row, col int32, weight float32, seconds int64) {
	b.cells = append(b.cells, Cell{row, col, weight})
	b.times = append(b.times, seconds)
	b.timed = b.timed || seconds != 0
}

// Data returns what was added. Weights of the same listener and item are added up; the newest time counts. Times are there if any was
// known.
func (b *Builder) Data() (*Data, error) {
	cells := b.cells
	if b.timed {
		cells = slices.Clone(cells) // NewMatrix reorders them, and the times stay where they are
	}
	m, err := NewMatrix(len(b.listeners.list), len(b.items.list), cells)
	if err != nil {
		return nil, err
	}
	d := &Data{Listeners: b.listeners.list, Items: b.items.list, Heard: m}
	if b.timed {
		d.Times = make([]int64, m.Cells())
		for i, c := range b.cells {
			cols, _ := m.Row(int(c.Row))
			at, _ := slices.BinarySearch(cols, c.Col)
			at += m.Starts[c.Row]
			d.Times[at] = max(d.Times[at], b.times[i])
		}
	}
	return d, d.Check()
}

const (
	maxLine  = 64 << 10 // bytes in a line of a TSV file
	maxWrong = 10       // lines that an error names

	byteOrderMark = "\ufeff" // with which some programs begin text
	badWeight     = "the weight is no number above 0"
)

// ReadTSV adds the lines of a table without a header: listener, item, weight, and optionally the time in seconds since 1970, with tabs between. Empty lines are
// left out, a time may be empty, lines may end as on Windows, and the file may begin with a byte order mark. Its error names the first lines that are wrong and what of them, not what stands there; nothing of such a
// table should be used.
func (b *Builder) ReadTSV(ctx context.Context, r io.Reader) error {
	var wrong []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(lines.Bytes()) == 0 {
			continue
		}
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if reason := b.line(line); reason != "" {
			if n == 1 && reason == badWeight {
				reason += "; a line with names of columns has to be taken out"
			}
			wrong = append(wrong, fmt.Sprintf("line %d: %s", n, reason))
			if len(wrong) == maxWrong {
				break
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		wrong = append(wrong, fmt.Sprintf("line %d: longer than %d bytes", n+1, maxLine))
	} else if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return errors.New("ml: " + strings.Join(wrong, "; "))
	}
	return ctx.Err()
}

func (b *Builder) line(line []byte) (wrong string) {
	var fields [4][]byte // listener, item, weight, time
	rest, more := line, true
	n := 0
	for ; more; n++ {
		var field []byte
		if field, rest, more = bytes.Cut(rest, []byte{'\t'}); n < len(fields) {
			fields[n] = field
		}
	}
	if n != len(fields)-1 && n != len(fields) {
		return fmt.Sprintf("%d columns, must be 3 or 4", n)
	}
	if len(fields[0]) == 0 || len(fields[1]) == 0 || !utf8.Valid(line) {
		return "a listener or an item without a name in UTF-8"
	}
	weight, err := strconv.ParseFloat(string(fields[2]), 32)
	if err != nil || !(weight > 0) || math.IsInf(weight, 1) || float32(weight) == 0 {
		return badWeight
	}
	seconds := int64(0)
	if len(fields[3]) > 0 {
		x, err := strconv.ParseFloat(string(fields[3]), 64)
		if err != nil || !(x >= 0) || x > 1<<53 {
			return "the time is no number of seconds since 1970"
		}
		seconds = int64(x)
	}
	b.add(b.listeners.numberOf(fields[0]), b.items.numberOf(fields[1]), float32(weight), seconds)
	return ""
}

// WriteTSV writes the data as a table that [Builder.ReadTSV] reads, listener by listener: with times if they are known. Names that such a table cannot hold (those with a tab or the end of a line in
// them, a byte order mark before them, or empty ones) are left out; left is how many cells that were.
func (d *Data) WriteTSV(ctx context.Context, w io.Writer) (left int, err error) {
	b := bufio.NewWriterSize(w, 1<<16) //nolint:mnd // bytes
	fits := make([]bool, len(d.Items))
	for c, item := range d.Items {
		fits[c] = inTSV(item)
	}
	var line []byte
	for u, listener := range d.Listeners {
		if u&0xff == 0 && ctx.Err() != nil {
			return left, ctx.Err()
		}
		known := inTSV(listener)
		for i := d.Heard.Starts[u]; i < d.Heard.Starts[u+1]; i++ {
			c := d.Heard.Cols[i]
			if !known || !fits[c] {
				left++
				continue
			}
			line = append(append(append(line[:0], listener...), '\t'), d.Items[c]...)
			line = strconv.AppendFloat(append(line, '\t'), float64(d.Heard.Weights[i]), 'g', -1, 32)
			if d.Times != nil {
				line = strconv.AppendInt(append(line, '\t'), d.Times[i], 10)
			}
			if _, err := b.Write(append(line, '\n')); err != nil {
				return left, err
			}
		}
	}
	return left, b.Flush()
}

// inTSV reports whether a name can stand in a table.
func inTSV(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsAny(name, "\t\n\r") && !strings.HasPrefix(name, byteOrderMark)
}
