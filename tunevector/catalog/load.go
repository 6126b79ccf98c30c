package catalog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// Format is how a file is written.
type Format string

// The formats.
const (
	CSV   Format = "csv"   // with a header; parted by commas, semicolons or tabs, which the header tells
	JSONL Format = "jsonl" // one JSON object a line
)

// Options say how a file is read. A nil *Options is the zero value.
type Options struct {
	// Format of the file; "" tells it by its first character.
	Format Format
	// Kind of the tracks that do not say theirs; "" is playlist, and podcast for Spotify's episodes.
	Kind tunevector.Kind
	// Provenance of all tracks, whatever the file says. Where it is "", a track says it, else one of a file that Spotify's data was
	// exported to (it has Spotify URIs, or a column "Spotify ID") is tunevector.FromSpotify, and any other tunevector.FromCatalog.
	Provenance tunevector.Provenance
	// MaxBad is how many bad rows a Report names; 0 is 100.
	MaxBad int
}

const defaultMaxBad = 100

// Report tells how the reading of a file went. Rows is Tracks + Merged + BadCount.
type Report struct {
	Rows     int        // without the header and blank lines
	Tracks   int        // in the catalog
	Merged   int        // rows with the id of an earlier one, which are one track with it
	Versions int        // tracks that are another one's song (the same title and artists): found by id, not proposed
	BadCount int        // rows that were left out
	Bad      []RowError // the first of them
}

// RowError says why a row was left out.
type RowError struct {
	Line   int // where the row begins; 1 is the first line
	Reason string
}

// Error is "line 7: duration is missing".
func (e RowError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Open is [Load] on a file.
func Open(ctx context.Context, path string, o *Options) (*Catalog, Report, error) {
	f, err := os.Open(path) //nolint:gosec // which file is read is the host's to say
	if err != nil {
		return nil, Report{}, fmt.Errorf("catalog: %w", err)
	}
	c, report, err := Load(ctx, f, o)
	_ = f.Close() // it was only read
	if err != nil {
		return nil, report, fmt.Errorf("%s: %w", path, err)
	}
	return c, report, nil
}

// Load reads a catalog. Of each track only an id (or a URI) and a duration are needed.
//
// The header of a CSV or TSV file, and the keys of JSONL objects, are recognized without regard to case, spaces and punctuation: those of
// Exportify's exports (Spotify ID or Track URI, Track Name, Artist Name(s), Duration (ms), Genres or Artist Genres, …), those
// of the Spotify feature sets that are shared as CSV (track_id, artists, track_name, duration_ms, explicit, energy, valence, tempo,
// acousticness, instrumentalness, track_genre, …), and our own: id, uri, title, artists, genres (or tags), instruments, kind
// (playlist, podcast, soundscape), duration_s, explicit, popularity (0–100), energy, valence, acousticness, instrumentalness (0–1, or in percent
// where the name ends in "_%"), bpm, confidence (0–1, in the features), provenance (catalog, spotify). What else there is
// is passed over. JSON lists may be lists, and the features may stand in an object "features". The text may be gzipped, and begin with a byte order mark.
//
// Features that a row does not say are taken from its tags, its genres and its kind with a low confidence, else they are the middle of a broad catalog,
// with a confidence of 0. Rows with one id are one track, of all their genres.
//
// A row that cannot be read, or says what cannot be (an energy of 7), is left out and reported with its line; the Report is also
// there where Load fails. It fails where no header is usable, where no row is, where reading fails, and where ctx ends.
func Load(ctx context.Context, r io.Reader, o *Options) (*Catalog, Report, error) {
	if o == nil {
		o = &Options{}
	}
	if err := o.validate(); err != nil {
		return nil, Report{}, err
	}
	l := loader{ctx: ctx, options: *o, byName: columnsByName(), builder: newBuilder()}
	if l.options.MaxBad == 0 {
		l.options.MaxBad = defaultMaxBad
	}
	err := l.load(r)
	l.report.Merged = l.builder.merged
	if err != nil {
		return nil, l.report, err
	}
	if l.builder.c.Len() == 0 {
		return nil, l.report, l.empty()
	}
	c := l.builder.finish()
	l.report.Tracks, l.report.Versions = c.Len(), len(c.versions)
	return c, l.report, nil
}

func (o *Options) validate() error {
	var f fault.Fields
	switch o.Format {
	case "", CSV, JSONL:
	default:
		f.Add("format", "must be csv or jsonl")
	}
	switch o.Kind {
	case "", tunevector.Playlist, tunevector.Podcast, tunevector.Soundscape:
	default:
		f.Add("kind", "must be playlist, podcast or soundscape")
	}
	switch o.Provenance {
	case "", tunevector.FromCatalog, tunevector.FromSpotify:
	default:
		f.Add("provenance", "must be catalog or spotify")
	}
	if o.MaxBad < 0 {
		f.Add("maxBad", "must be 0 or more")
	}
	return f.Err()
}

// loader reads one file.
type loader struct {
	ctx     context.Context //nolint:containedctx // lives as long as one Load
	options Options
	byName  map[string]int
	builder *builder
	report  Report
	row     row
}

// empty is why there are no tracks.
func (l *loader) empty() error {
	if l.report.BadCount == 0 {
		return fault.New(fault.Invalid, "the catalog has no tracks")
	}
	return fault.New(fault.Invalid, "the catalog has no tracks: none of its %d rows could be read (%s)", l.report.Rows, l.report.Bad[0])
}

func (l *loader) load(r io.Reader) error {
	b, err := l.open(r)
	if err != nil {
		return err
	}
	format := l.options.Format
	if format == "" {
		if format, err = detect(b); err != nil {
			return err
		}
	}
	w := newWindow(&contextReader{ctx: l.ctx, r: b})
	if format == JSONL {
		return l.jsonl(w)
	}
	return l.csv(w)
}

// open returns the text, without compression and byte order mark.
func (l *loader) open(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, readSize)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		b = bufio.NewReaderSize(z, readSize)
	}
	start, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	for _, other := range otherFormats {
		if bytes.HasPrefix(start, []byte(other.magic)) {
			return nil, fault.New(fault.Invalid, "the catalog is %s", other.what)
		}
	}
	if bytes.HasPrefix(start, []byte("\ufeff")) {
		_, _ = b.Discard(3) // it was peeked
	}
	return b, nil
}

// otherFormats are files that are easily taken for a catalog.
var otherFormats = []struct{ magic, what string }{
	{"\xff\xfe", "in UTF-16: save it as UTF-8"},
	{"\xfe\xff", "in UTF-16: save it as UTF-8"},
	{"PK\x03\x04", "a zip archive or a spreadsheet: unpack it, or save it as CSV"},
	{"PAR1", "a Parquet file: save it as CSV"},
}

// detect tells the format by the first character that is no space.
func detect(b *bufio.Reader) (Format, error) {
	start, err := b.Peek(1 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("catalog: %w", err)
	}
	switch start = bytes.TrimSpace(start); {
	case bytes.HasPrefix(start, []byte{'{'}):
		return JSONL, nil
	case bytes.HasPrefix(start, []byte{'['}):
		return "", fault.New(fault.Invalid, "the catalog is a JSON array: write one object a line, without the brackets and the commas between")
	default:
		return CSV, nil
	}
}

// contextReader stops when ctx ends.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one Load
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("catalog: %w", err)
	}
	return n, err
}

// delimiters that a header may have, the likeliest first.
var delimiters = []byte{',', '\t', ';'}

func (l *loader) csv(w *window) error {
	reader := csvReader{window: w}
	names, h, err := l.header(&reader)
	if err != nil {
		return err
	}
	if err := h.check(names); err != nil {
		return err
	}
	commas := h.commas(names)
	for {
		fields, line, err := reader.next()
		if err == nil {
			l.row.reset()
			if err = l.fromCSV(fields, &h); err == nil {
				l.row.splitArtists(commas)
				err = l.add(h.spotify)
			}
		}
		if done, err := l.after(line, err); done {
			return err
		}
	}
}

// header reads the first row with the delimiter with which most columns in its first line are known.
func (l *loader) header(reader *csvReader) (names []string, h header, err error) {
	first, size, err := reader.peekLine()
	if err == nil && bytes.HasPrefix(bytes.ToLower(first), []byte("sep=")) {
		reader.use(size, 1) // a line for a spreadsheet; the header tells as much
		first, _, err = reader.peekLine()
	}
	most := 0
	reader.comma = delimiters[0]
	for _, delimiter := range delimiters {
		try := csvReader{window: &window{buf: bytes.Clone(first), line: 1, eof: true}, comma: delimiter}
		row, _, err := try.next()
		if err != nil {
			continue // the header goes on in the next line, or is broken
		}
		if h := readHeader(row, l.byName); h.known() > most {
			most, reader.comma = h.known(), delimiter
		}
	}
	if err == nil {
		names, _, err = reader.next()
	}
	bad := badRowError("")
	switch {
	case errors.Is(err, io.EOF):
		return nil, h, fault.New(fault.Invalid, "the catalog is empty")
	case errors.As(err, &bad):
		return nil, h, fault.New(fault.Invalid, "the catalog's header cannot be read: %s", bad)
	case err != nil:
		return nil, h, err
	}
	names = slices.Clone(names)
	return names, readHeader(names, l.byName), nil
}

// fromCSV reads the row from the fields of a line.
func (l *loader) fromCSV(fields []string, h *header) error {
	for i, value := range fields {
		if i >= h.width {
			if strings.TrimSpace(value) != "" {
				return reason("there are %d fields, and %d in the header", len(fields), h.width)
			}
			continue
		}
		if at := h.columns[i]; at >= 0 {
			if err := l.row.take(at, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes the row into the catalog.
func (l *loader) add(spotify bool) error {
	r := &l.row
	if r.kind == "" {
		r.kind = l.options.Kind
	}
	switch {
	case l.options.Provenance != "":
		r.provenance = l.options.Provenance
	case r.provenance == "" && spotify:
		r.provenance = tunevector.FromSpotify
	}
	if err := r.check(); err != nil {
		return err
	}
	return l.builder.add(r)
}

// after counts a row that was read with err. done says that the file ends here, well or (with an error) badly.
func (l *loader) after(line int, err error) (done bool, failure error) {
	bad := badRowError("")
	switch {
	case errors.Is(err, io.EOF):
		return true, nil
	case errors.As(err, &bad):
		l.report.BadCount++
		if len(l.report.Bad) < l.options.MaxBad {
			l.report.Bad = append(l.report.Bad, RowError{Line: line, Reason: string(bad)})
		}
	case err != nil:
		return true, err
	}
	l.report.Rows++
	return false, nil
}
