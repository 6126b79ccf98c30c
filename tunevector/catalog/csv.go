package catalog

import (
	"bytes"
	"errors"
)

// csvReader reads rows of delimited text as RFC 4180 has it, with two differences from encoding/csv that real files ask for: a quote
// within a field that does not begin with one is a character like any other (7" Mix), and after a row that is broken the next
// line is tried, so that a quote that is never closed costs a row and not the file.
type csvReader struct {
	*window
	comma byte
	ends  []int
	text  []byte
	out   []string
}

// next returns the fields of the next row that is not blank, in memory that the next call uses again (but the strings stay), and the
// line it begins in. A row that cannot be read is an error that is a badRowError; at the end the error is io.EOF.
func (c *csvReader) next() (row []string, line int, err error) {
	for {
		line = c.line
		first, size, err := c.peekLine()
		if err != nil {
			return nil, line, err
		}
		if len(bytes.TrimSpace(first)) == 0 && c.comma != '\t' || len(first) == 0 {
			c.use(size, 1)
			continue
		}
		if bytes.IndexByte(first, '"') < 0 {
			row = c.split(first)
			c.use(size, 1)
			return row, line, nil
		}
		used, lines, err := c.quoted()
		if err != nil {
			if bad := badRowError(""); errors.As(err, &bad) {
				_, size, _ = c.peekLine() // quoted may have moved the window; the line is there
				c.use(size, 1)
			}
			return nil, line, err
		}
		c.use(used, lines)
		return c.fields(), line, nil
	}
}

// split parts a line without quotes.
func (c *csvReader) split(line []byte) []string {
	text := string(line)
	c.out = c.out[:0]
	start := 0
	for i := range len(text) {
		if text[i] == c.comma {
			c.out = append(c.out, text[start:i])
			start = i + 1
		}
	}
	c.out = append(c.out, text[start:])
	return c.out
}

// fields are those that quoted collected.
func (c *csvReader) fields() []string {
	text := string(c.text)
	c.out = c.out[:0]
	start := 0
	for _, end := range c.ends {
		c.out = append(c.out, text[start:end])
		start = end
	}
	return c.out
}

// quoted reads a row with quotes in it, which may go over several lines, and returns how long it is.
func (c *csvReader) quoted() (used, lines int, err error) {
	for {
		used, lines, ok, err := c.scan(c.rest())
		if err != nil || ok && used <= maxRecord {
			return used, lines, err
		}
		if ok || len(c.rest()) > maxRecord {
			return 0, 0, reason("a quote is not closed within %d bytes", maxRecord)
		}
		if err := c.fill(); err != nil {
			return 0, 0, err
		}
	}
}

// scan is quoted on what is there; ok is false where the row may go on.
func (c *csvReader) scan(b []byte) (used, lines int, ok bool, err error) {
	c.ends, c.text = c.ends[:0], c.text[:0]
	i := 0
	for {
		if i < len(b) && b[i] == '"' {
			i++
			for { // up to the quote that closes
				at := bytes.IndexByte(b[i:], '"')
				if at < 0 {
					if c.eof {
						return 0, 0, false, reason("a quote is not closed")
					}
					return 0, 0, false, nil
				}
				lines += bytes.Count(b[i:i+at], []byte{'\n'})
				c.text = append(c.text, b[i:i+at]...)
				i += at + 1
				if i < len(b) && b[i] == '"' { // a quote in the field is written twice
					c.text = append(c.text, '"')
					i++
					continue
				}
				break
			}
		} else {
			start := i
			for i < len(b) && b[i] != c.comma && b[i] != '\n' {
				i++
			}
			end := i
			if end > start && b[end-1] == '\r' && (i == len(b) || b[i] == '\n') {
				end--
			}
			c.text = append(c.text, b[start:end]...)
		}
		if i < len(b) && b[i] == '\r' && (i+1 == len(b) || b[i+1] == '\n') {
			i++
		}
		switch {
		case i >= len(b) && !c.eof:
			return 0, 0, false, nil
		case i >= len(b):
			c.ends = append(c.ends, len(c.text))
			return i, lines, true, nil
		case b[i] == c.comma:
			c.ends = append(c.ends, len(c.text))
			i++
		case b[i] == '\n':
			c.ends = append(c.ends, len(c.text))
			return i + 1, lines + 1, true, nil
		default:
			return 0, 0, false, reason("a quote within a quoted field is not written twice")
		}
	}
}
