package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// table is a file of tab-separated values with a header. An empty field is unknown.
type table struct {
	path string
	at   map[string]int // of columns
	head []string
	rows [][]string
}

// errInput is what errors match that the files are to blame for.
var errInput = errors.New("wrong input")

func readTable(path string) (*table, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the file that was asked for
	if err != nil {
		return nil, err
	}
	t := &table{path: path, at: map[string]int{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		switch {
		case t.head == nil:
			t.head = fields
		case len(fields) != len(t.head):
			return nil, fmt.Errorf("%w: %s: line %d has %d fields, the header has %d", errInput, path, len(t.rows)+2, len(fields), len(t.head)) //nolint:mnd // counted from 1, after the header
		default:
			t.rows = append(t.rows, fields)
		}
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("%w: %s: a header and at least one line are needed", errInput, path)
	}
	for i, name := range t.head {
		if _, twice := t.at[name]; twice {
			return nil, fmt.Errorf("%w: %s: two columns %q", errInput, path, name)
		}
		t.at[name] = i
	}
	return t, nil
}

// column returns the first of the names that is a column, "" for none.
func (t *table) column(names ...string) string {
	for _, name := range names {
		if _, ok := t.at[name]; ok {
			return name
		}
	}
	return ""
}

// text returns a field, "" where there is no such column.
func (t *table) text(row int, column string) string {
	i, ok := t.at[column]
	if !ok {
		return ""
	}
	return t.rows[row][i]
}

// number returns a field, false where it is empty, and an error where it is no number.
func (t *table) number(row int, column string) (float64, bool, error) {
	text := strings.TrimSpace(t.text(row, column))
	if text == "" {
		return 0, false, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, false, fmt.Errorf("%w: %s: row %d: %s is %q, not a number", errInput, t.path, row+1, column, text)
	}
	return x, true, nil
}

// numeric reports whether all fields of a column that are not empty are numbers, and whether there are any.
func (t *table) numeric(column string) bool {
	found := false
	for i := range t.rows {
		_, known, err := t.number(i, column)
		if err != nil {
			return false
		}
		found = found || known
	}
	return found
}

// switches returns the runs of neighboring columns of which each is 0 or 1 and in each row exactly one is 1: a category that was spread out.
func (t *table) switches(columns []string) [][]string {
	binary := func(column string) bool {
		for i := range t.rows {
			if x, known, err := t.number(i, column); err != nil || !known || x != 0 && x != 1 {
				return false
			}
		}
		return len(t.rows) > 0
	}
	var runs [][]string
	for from := 0; from < len(columns); {
		to := from
		for to < len(columns) && binary(columns[to]) {
			to++
		}
		runs = append(runs, t.exclusive(columns[from:to])...)
		from = max(to, from+1)
	}
	return runs
}

// exclusive parts columns of 0 and 1 in the shortest runs of which in each row one is 1.
func (t *table) exclusive(columns []string) [][]string {
	for from := range columns {
		for to := from + 2; to <= len(columns); to++ {
			one := func(row []string) bool {
				n := 0
				for _, c := range columns[from:to] {
					if x, _ := strconv.ParseFloat(row[t.at[c]], 64); x == 1 {
						n++
					}
				}
				return n == 1
			}
			if slices.ContainsFunc(t.rows, func(row []string) bool { return !one(row) }) {
				continue
			}
			// What is never on belongs to the one before it.
			for to < len(columns) && !slices.ContainsFunc(t.rows, func(row []string) bool { x, _ := strconv.ParseFloat(row[t.at[columns[to]]], 64); return x != 0 }) {
				to++
			}
			return append([][]string{columns[from:to]}, t.exclusive(columns[to:])...)
		}
	}
	return nil
}

// least and most return the bounds of a column of numbers.
func (t *table) bounds(column string) (least, most float64, err error) {
	least, most = math.Inf(1), math.Inf(-1)
	for i := range t.rows {
		x, known, err := t.number(i, column)
		if err != nil {
			return 0, 0, err
		}
		if known {
			least, most = min(least, x), max(most, x)
		}
	}
	return least, most, nil
}
