// Package parquetlog moves the interaction log into files of Apache Parquet and back: for tools that read columns, such as DuckDB, Spark and pandas. It is apart from
// package logfile, which says what may be done with such files, because it links a library of its own.
package parquetlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/rhythmiq/rhythmiq/ml"
)

// row is one interaction. Ids are of the logical type UUID, times in nanoseconds since 1970 in UTC.
type row struct {
	Profile    uuid.UUID `parquet:"profile,uuid"`
	Event      uuid.UUID `parquet:"event,uuid"`
	Time       int64     `parquet:"time,timestamp(nanosecond),delta"`
	Track      string    `parquet:"track,dict"`
	Action     string    `parquet:"action,dict"`
	Position   *float64  `parquet:"position,optional"`
	Rating     *int32    `parquet:"rating,optional"`
	TuneVector uuid.UUID `parquet:"tunevector,optional,uuid"`
}

const (
	rowGroup = 100_000 // rows that are held until they are written
	buffer   = 256     // rows that are read at a time
)

var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// Write writes interactions as Parquet, compressed with Zstandard, and returns how many. A time that nanoseconds since 1970 cannot say, before 1678 or after 2261, is
// an error. After an error the file is not whole, and Read says so.
func Write(ctx context.Context, w io.Writer, events iter.Seq2[ml.Logged, error]) (n int, err error) {
	p := parquet.NewGenericWriter[row](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowGroup))
	rows := make([]row, 0, buffer)
	flush := func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		written, err := p.Write(rows)
		rows, n = rows[:0], n+written
		return err
	}
	for l, err := range events {
		if err != nil {
			return n, err
		}
		if l.At.Before(firstTime) || l.At.After(lastTime) {
			return n, fmt.Errorf("parquetlog: interaction %d is of the year %d", n+len(rows)+1, l.At.Year())
		}
		if rows = append(rows, rowOf(l)); len(rows) == buffer {
			if err := flush(); err != nil {
				return n, fmt.Errorf("parquetlog: %w", err)
			}
		}
	}
	if err := flush(); err != nil {
		return n, fmt.Errorf("parquetlog: %w", err)
	}
	if err := p.Close(); err != nil {
		return n, fmt.Errorf("parquetlog: %w", err)
	}
	return n, nil
}

func rowOf(l ml.Logged) row {
	r := row{
		Profile: l.ProfileID, Event: l.EventID, Time: l.At.UnixNano(), Track: l.TrackID, Action: string(l.Action), Position: l.PositionSeconds,
		TuneVector: l.TuneVectorID, // zeros are written as none
	}
	if l.Rating != nil {
		rating := int32(*l.Rating)
		r.Rating = &rating
	}
	return r
}

func (r *row) logged() ml.Logged {
	l := ml.Logged{ProfileID: r.Profile, Interaction: ml.Interaction{
		EventID: r.Event, TuneVectorID: r.TuneVector, TrackID: strings.Clone(r.Track), Action: ml.Action(strings.Clone(r.Action)), PositionSeconds: r.Position, At: time.Unix(0, r.Time).UTC(),
	}}
	if r.Rating != nil {
		rating := int(*r.Rating)
		l.Rating = &rating
	}
	return l
}

var errDamaged = errors.New("the file is damaged")

// Read returns the interactions of such a file of so many bytes. A file that is none, that is cut off, or that has other columns is an error. What the
// log itself asks of interactions is for logfile.Import to check.
func Read(ctx context.Context, r io.ReaderAt, size int64) iter.Seq2[ml.Logged, error] {
	return func(yield func(ml.Logged, error) bool) {
		f, err := open(r, size)
		if err == nil {
			rows := make([]row, buffer)
			var n int
			for err == nil {
				if n, err = next(ctx, f, rows); err != nil && !errors.Is(err, io.EOF) {
					break
				}
				for i := range rows[:n] {
					if !yield(rows[i].logged(), nil) {
						_ = f.Close()
						return
					}
				}
			}
			_ = f.Close()
		}
		if !errors.Is(err, io.EOF) {
			yield(ml.Logged{}, fmt.Errorf("parquetlog: %w", err))
		}
	}
}

// guard makes an error of a panic: the library trusts what files say of their own sizes.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, p)
	}
}

func open(r io.ReaderAt, size int64) (reader *parquet.GenericReader[row], err error) {
	defer guard(&err)
	f, err := parquet.OpenFile(r, size)
	if err != nil {
		return nil, ended(err)
	}
	want := parquet.SchemaOf(row{})
	if !parquet.EqualNodes(f.Schema(), want) {
		return nil, errors.New("the columns are not those of an interaction log")
	}
	return parquet.NewGenericReader[row](f), nil
}

// ended keeps an end of a file that is too early from being taken for a good one.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", errDamaged)
	}
	return err
}

func next(ctx context.Context, f *parquet.GenericReader[row], rows []row) (n int, err error) {
	defer guard(&err)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	clear(rows)
	return f.Read(rows)
}
