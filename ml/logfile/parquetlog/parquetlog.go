// Package parquetlog moves the interaction log into files of Apache Parquet and back: for tools that read columns, such as DuckDB, Spark and pandas. It is apart from
// package logfile, which says what may be done with such files, because it links a library of its own.
//
//	n, err := parquetlog.Write(ctx, file, logfile.Days(ctx, learning, from, to))
//	result, err := logfile.Import(ctx, learning, parquetlog.Read(ctx, file, size))
//
// The columns are those of the table of text:
//
//	profile     UUID
//	event       UUID
//	time        timestamp, UTC
//	track       string
//	action      string
//	position    double, seconds; null where not known
//	rating      32-bit integer; null where there is none
//	tunevector  UUID; null where there is none
//
// The library that reads Parquet believes what a file says of its own sizes, and goes so far as to use memory that is not its own where that is wrong, which nothing can
// catch. So Write puts a SHA-256 of all the rest into the file, before its footer, where other tools do not look, and Read holds it against the file before anything
// else does. That keeps out damage. It does not keep out malice: read files from those whom you would let into your process.
package parquetlog

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
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
	rowGroup = 50_000 // rows that are held until they are written
	buffer   = 256    // rows that are read or written at a time
)

var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// Write writes interactions as Parquet, compressed with Zstandard, and returns how many. A time that nanoseconds since 1970 cannot say, before 1678 or after 2261, is
// an error. After an error the file is not whole, and Read says so. It holds 50,000 interactions at a time.
func Write(ctx context.Context, w io.Writer, events iter.Seq2[ml.Logged, error]) (n int, err error) {
	sealed := newSealer(w)
	p := parquet.NewGenericWriter[row](sealed, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowGroup))
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
	for _, end := range []func() error{flush, p.Flush, sealed.hold, p.Close, sealed.seal} {
		if err := end(); err != nil {
			return n, fmt.Errorf("parquetlog: %w", err)
		}
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
