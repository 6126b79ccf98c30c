package logfile

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
)

// columns are those of the table, in their order; the first line has their names.
var columns = []string{"profile", "event", "time", "track", "action", "position", "rating", "tunevector"}

const (
	maxLine    = 64 << 10 // bytes
	checkEvery = 1 << 10  // lines between looks at the context
)

// A tab or the end of a line is written as in C, and so is the sign that this takes.
var (
	escape   = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	unescape = strings.NewReplacer(`\\`, "\\", `\t`, "\t", `\n`, "\n", `\r`, "\r")
)

// WriteTSV writes interactions as a table of text, compressed with gzip, and returns how many. The first line has the columns' names: profile, event,
// time (RFC 3339, UTC), track, action, position (seconds), rating, tunevector; what an interaction does not have is empty. After an error the
// file is not whole, and ReadTSV says so.
func WriteTSV(ctx context.Context, w io.Writer, events iter.Seq2[ml.Logged, error]) (n int, err error) {
	z := gzip.NewWriter(w)
	b := bufio.NewWriter(z)
	if _, err := b.WriteString(strings.Join(columns, "\t") + "\n"); err != nil {
		return 0, err
	}
	for l, err := range events {
		if err != nil {
			return n, err
		}
		if n%checkEvery == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
		if _, err := b.WriteString(line(l)); err != nil {
			return n, err
		}
		n++
	}
	if err := b.Flush(); err != nil {
		return n, err
	}
	return n, z.Close()
}

func line(l ml.Logged) string {
	position, rating, vector := "", "", ""
	if p := l.PositionSeconds; p != nil {
		position = strconv.FormatFloat(*p, 'g', -1, 64)
	}
	if r := l.Rating; r != nil {
		rating = strconv.Itoa(*r)
	}
	if l.TuneVectorID != uuid.Nil {
		vector = l.TuneVectorID.String()
	}
	return strings.Join([]string{
		l.ProfileID.String(), l.EventID.String(), l.At.UTC().Format(time.RFC3339Nano), escape.Replace(l.TrackID), escape.Replace(string(l.Action)), position, rating, vector,
	}, "\t") + "\n"
}

// ReadTSV returns the interactions of such a table. The first line that is wrong ends it: its error names the line and the columns, not what stands there. A file that is cut off or
// altered is an error in the end. What the log itself asks of interactions is for [Import] to check.
func ReadTSV(ctx context.Context, r io.Reader) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		if err := readTSV(ctx, r, func(l ml.Logged) bool { return yield(l, nil) }); err != nil {
			yield(ml.Logged{}, fmt.Errorf("logfile: %w", err))
		}
	}
}

func readTSV(ctx context.Context, r io.Reader, each func(ml.Logged) bool) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, maxLine)
	if !lines.Scan() || lines.Text() != strings.Join(columns, "\t") {
		if err := lines.Err(); err != nil {
			return err
		}
		return errors.New("line 1: not the names of the columns of an interaction log")
	}
	n := 1
	for ; lines.Scan(); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		l, wrong := readLine(lines.Text())
		if wrong != "" {
			return fmt.Errorf("line %d: %s", n+1, wrong)
		}
		if !each(l) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return ctx.Err()
}

func readLine(text string) (l ml.Logged, wrong string) {
	fields := strings.Split(text, "\t")
	if len(fields) != len(columns) || !utf8.ValidString(text) {
		return l, fmt.Sprintf("%d columns, must be %d, in UTF-8", len(fields), len(columns))
	}
	var bad []string
	read := func(column int, optional bool, parse func(s string) error) {
		s := fields[column]
		if optional && s == "" {
			return
		}
		if err := parse(s); err != nil {
			bad = append(bad, columns[column])
		}
	}
	id := func(to *uuid.UUID) func(string) error {
		return func(s string) (err error) {
			*to, err = uuid.Parse(s)
			return err
		}
	}
	read(0, false, id(&l.ProfileID))
	read(1, false, id(&l.EventID))
	read(2, false, func(s string) (err error) {
		l.At, err = time.Parse(time.RFC3339Nano, s)
		l.At = l.At.UTC()
		return err
	})
	l.TrackID, l.Action = unescape.Replace(fields[3]), ml.Action(unescape.Replace(fields[4]))
	read(5, true, func(s string) error {
		p, err := strconv.ParseFloat(s, 64)
		l.PositionSeconds = &p
		return err
	})
	read(6, true, func(s string) error {
		rating, err := strconv.Atoi(s)
		l.Rating = &rating
		return err
	})
	read(7, true, id(&l.TuneVectorID))
	if len(bad) > 0 {
		return l, "cannot be read: " + strings.Join(bad, ", ")
	}
	return l, ""
}
