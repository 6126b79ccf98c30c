package parquetlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Read returns the interactions of a file of so many bytes that Write has made. It reads the file twice, first for its checksum: a file that is cut off or altered, or has none
// ([ErrNoChecksum]), is an error before the first interaction. What the log itself asks of interactions is for logfile.Import to check. Nothing may change the file meanwhile.
func Read(ctx context.Context, r io.ReaderAt, size int64) iter.Seq2[ml.Logged, error] {
	return readFrom(ctx, r, size, false)
}

// ReadForeign is Read, and also takes files of other tools, which have no checksum, on the caller's word that they are whole: a damaged one may end the process,
// or be read as something else. The columns are found by their names, in any order, among any others; position, rating and tunevector may be missing. Ids may be UUIDs, 16 bytes,
// or text; times are timestamps of any unit, and those without a time zone count as UTC; numbers may be of any width, and of ratings only whole ones; null and NaN are none.
// Where a value is not like that, the error names the row and all its columns that are wrong, not what stands there.
func ReadForeign(ctx context.Context, r io.ReaderAt, size int64) iter.Seq2[ml.Logged, error] {
	return readFrom(ctx, r, size, true)
}

func readFrom(ctx context.Context, r io.ReaderAt, size int64, foreign bool) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		err := check(ctx, r, size)
		if err == nil || foreign && errors.Is(err, ErrNoChecksum) {
			err = each(ctx, r, size, func(l ml.Logged) bool { return yield(l, nil) })
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(ml.Logged{}, fmt.Errorf("parquetlog: %w", err))
		}
	}
}

var errStop = errors.New("stop")

// each calls give for each interaction, until that returns false.
func each(ctx context.Context, r io.ReaderAt, size int64, give func(ml.Logged) bool) error {
	f, columns, err := open(r, size)
	if err != nil {
		return err
	}
	rows, logged := make([]parquet.Row, buffer), make([]ml.Logged, 0, buffer)
	n := int64(0)
	for _, group := range f.RowGroups() {
		reader, err := begin(group)
		for err == nil {
			if ctx.Err() != nil {
				err = ctx.Err()
				break
			}
			logged, err = next(reader, rows, logged[:0], columns, n)
			n += int64(len(logged))
			for _, l := range logged {
				if !give(l) {
					err = errStop
					break
				}
			}
		}
		end(reader)
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
	if n != f.NumRows() {
		return fmt.Errorf("%w: it has %d rows, and says %d", errDamaged, n, f.NumRows())
	}
	return ctx.Err()
}

// guard makes an error of a panic: the library trusts what files say.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, p)
	}
}

func open(r io.ReaderAt, size int64) (f *parquet.File, columns []column, err error) {
	defer guard(&err)
	f, err = parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(readBuffer))
	if err != nil {
		return nil, nil, ended(err)
	}
	columns, err = find(f.Schema())
	return f, columns, err
}

const readBuffer = 64 << 10 // bytes, for each column

func begin(group parquet.RowGroup) (rows parquet.Rows, err error) {
	defer guard(&err)
	return group.Rows(), nil
}

// end closes rows that were only read from.
func end(rows parquet.Rows) {
	var err error
	defer guard(&err)
	if rows != nil {
		_ = rows.Close()
	}
}

// next appends the next interactions, of which n came before. It returns io.EOF with the last.
func next(r parquet.Rows, rows []parquet.Row, dst []ml.Logged, columns []column, n int64) (logged []ml.Logged, err error) {
	defer guard(&err)
	for i := range rows {
		rows[i] = rows[i][:0]
	}
	read, err := r.ReadRows(rows)
	if err != nil && !errors.Is(err, io.EOF) {
		return dst, ended(err)
	}
	for _, row := range rows[:read] {
		n++
		l, wrong := loggedOf(row, columns)
		if wrong != nil {
			return dst, fmt.Errorf("row %d: cannot be read: %s", n, strings.Join(wrong, ", "))
		}
		dst = append(dst, l)
	}
	if read == 0 && err == nil {
		return dst, io.ErrNoProgress
	}
	return dst, err
}

func loggedOf(row parquet.Row, columns []column) (l ml.Logged, wrong []string) {
	for i := range columns {
		c := &columns[i]
		bad := c.required
		for _, v := range row {
			if v.Column() == c.at && !v.IsNull() {
				bad = v.Kind() != c.kind || !c.read(&l, v, c)
				break
			}
		}
		if bad {
			wrong = append(wrong, c.name)
		}
	}
	return l, wrong
}

// column is one of those that an interaction is made of.
type column struct {
	name     string
	required bool
	kinds    []parquet.Kind
	what     string // is expected
	read     func(l *ml.Logged, v parquet.Value, c *column) bool

	at   int // among the leaves of the file
	kind parquet.Kind
	unit time.Duration // of times
}

func columnsOf() []column {
	var (
		ids     = []parquet.Kind{parquet.FixedLenByteArray, parquet.ByteArray}
		texts   = []parquet.Kind{parquet.ByteArray, parquet.FixedLenByteArray}
		numbers = []parquet.Kind{parquet.Double, parquet.Float, parquet.Int32, parquet.Int64}
	)
	const anID, aText, aNumber = "a UUID", "a string", "a number"
	return []column{
		{name: "profile", required: true, kinds: ids, what: anID, read: func(l *ml.Logged, v parquet.Value, _ *column) bool { return id(&l.ProfileID, v) }},
		{name: "event", required: true, kinds: ids, what: anID, read: func(l *ml.Logged, v parquet.Value, _ *column) bool { return id(&l.EventID, v) }},
		{name: "time", required: true, kinds: []parquet.Kind{parquet.Int64, parquet.Int96}, what: "a timestamp", read: func(l *ml.Logged, v parquet.Value, c *column) (ok bool) {
			l.At, ok = at(v, c.unit)
			return ok
		}},
		{name: "track", required: true, kinds: texts, what: aText, read: func(l *ml.Logged, v parquet.Value, _ *column) bool {
			l.TrackID = string(v.ByteArray())
			return true
		}},
		{name: "action", required: true, kinds: texts, what: aText, read: func(l *ml.Logged, v parquet.Value, _ *column) bool {
			l.Action = ml.Action(v.ByteArray())
			return true
		}},
		{name: "position", kinds: numbers, what: aNumber, read: func(l *ml.Logged, v parquet.Value, _ *column) bool {
			if x := number(v); !math.IsNaN(x) {
				l.PositionSeconds = &x
			}
			return true
		}},
		{name: "rating", kinds: numbers, what: aNumber, read: func(l *ml.Logged, v parquet.Value, _ *column) bool {
			x := number(v)
			if math.IsNaN(x) {
				return true
			}
			rating := int(int32(x))
			l.Rating = &rating
			return float64(rating) == x
		}},
		{name: "tunevector", kinds: ids, what: anID, read: func(l *ml.Logged, v parquet.Value, _ *column) bool { return id(&l.TuneVectorID, v) }},
	}
}

// find says where the columns of an interaction are in a file. Its error names all that are not there as they should be.
func find(s *parquet.Schema) (found []column, err error) {
	var wrong []string
	for _, c := range columnsOf() {
		leaf, ok := s.Lookup(c.name)
		if !ok {
			if c.required {
				wrong = append(wrong, c.name+" is missing")
			}
			continue
		}
		t := leaf.Node.Type()
		c.at, c.kind, c.unit = leaf.ColumnIndex, t.Kind(), unit(t)
		if leaf.MaxRepetitionLevel > 0 {
			wrong = append(wrong, c.name+" is a list, must be "+c.what)
			continue
		}
		if !slices.Contains(c.kinds, c.kind) || c.name == "time" && c.unit == 0 {
			wrong = append(wrong, fmt.Sprintf("%s is a %v, must be %s", c.name, t, c.what))
			continue
		}
		found = append(found, c)
	}
	if len(wrong) > 0 {
		return nil, errors.New("the columns are not those of an interaction log: " + strings.Join(wrong, "; "))
	}
	return found, nil
}

// unit returns in what a type counts time, 0 for those that do not.
func unit(t parquet.Type) time.Duration {
	if t.Kind() == parquet.Int96 {
		return time.Nanosecond
	}
	if l := t.LogicalType(); l != nil {
		if stamp, ok := l.Value.(*format.TimestampType); ok && stamp.Unit.Value != nil {
			return stamp.Unit.Value.Duration()
		}
	}
	if c := t.ConvertedType(); c != nil {
		switch *c {
		case deprecated.TimestampMillis:
			return time.Millisecond
		case deprecated.TimestampMicros:
			return time.Microsecond
		default:
		}
	}
	return 0
}

const (
	daySeconds = 24 * 60 * 60
	julian1970 = 2440588 // the Julian day number of 1970-01-01
)

// at returns the time that v is in units since 1970; or of the older type of 96 bits: nanoseconds of a day, and the day's Julian number.
func at(v parquet.Value, unit time.Duration) (time.Time, bool) {
	if v.Kind() == parquet.Int96 {
		i := v.Int96()
		seconds := (int64(i[2]) - julian1970) * daySeconds
		return time.Unix(seconds, int64(i[1])<<32|int64(i[0])).UTC(), true
	}
	x, second := v.Int64(), int64(time.Second/unit)
	t := time.Unix(x/second, x%second*int64(unit)).UTC()
	return t, t.Year() >= 0 && t.Year() <= 9999 // what else would write it
}

func id(to *uuid.UUID, v parquet.Value) bool {
	b := v.ByteArray()
	if len(b) == len(to) {
		copy(to[:], b)
		return true
	}
	parsed, err := uuid.ParseBytes(b)
	*to = parsed
	return err == nil
}

func number(v parquet.Value) float64 {
	switch v.Kind() {
	case parquet.Double:
		return v.Double()
	case parquet.Float:
		return float64(v.Float())
	case parquet.Int32:
		return float64(v.Int32())
	default:
		return float64(v.Int64())
	}
}
