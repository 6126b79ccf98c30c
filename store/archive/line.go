package archive

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/store"
)

const (
	formatName    = "rhythmiq"
	formatVersion = 1
)

// header is the first line.
type header struct {
	Archive string        `json:"archive"`
	Version int           `json:"version"`
	Made    time.Time     `json:"made"`
	Store   string        `json:"store,omitempty"` // ExportOptions.Name
	Tables  []store.Table `json:"tables"`
}

// itemLine is an item.
type itemLine struct {
	Table     store.Table     `json:"table"`
	Partition string          `json:"partition"`
	Sort      string          `json:"sort"`
	Version   string          `json:"version"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"`
	Index     *indexLine      `json:"index,omitempty"`
	Body      json.RawMessage `json:"body"`
}

type indexLine struct {
	Partition string `json:"partition"`
	Sort      string `json:"sort"`
}

// checkpoint says what the next page is, and what came before it.
type checkpoint struct {
	Table  store.Table `json:"table"`
	Cursor string      `json:"cursor"`
	Items  counts      `json:"items"`
	SHA256 string      `json:"sha256"` // of every byte before this line
}

type checkpointLine struct {
	Checkpoint checkpoint `json:"checkpoint"`
}

// end is the last line of a finished archive.
type end struct {
	Items  counts `json:"items"`
	SHA256 string `json:"sha256"` // of every byte before this line
}

type endLine struct {
	End end `json:"end"`
}

// How a line begins tells its kind. Export writes fields in this order, so that a file can be checked without reading every item.
var (
	itemStart       = []byte(`{"table":"`)
	checkpointStart = []byte(`{"checkpoint":`)
	endStart        = []byte(`{"end":`)
)

// appendLine writes v as one line. Bodies are written without needless white space, and with no more escapes than they had.
func appendLine(to *bytes.Buffer, v any) error {
	before := to.Len()
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	if n := to.Len() - before; n > MaxLine {
		return fmt.Errorf("a line of %d bytes, more than %d", n, MaxLine)
	}
	return nil
}

func lineOf(item store.Item) itemLine {
	l := itemLine{
		Table:     item.Key.Table,
		Partition: hex.EncodeToString(item.Key.Partition[:]),
		Sort:      item.Key.Sort,
		Version:   item.Version.String(),
		ExpiresAt: item.ExpiresAt,
		Body:      item.Body,
	}
	if item.Index != nil {
		l.Index = &indexLine{Partition: hex.EncodeToString(item.Index.Partition[:]), Sort: item.Index.Sort}
	}
	return l
}

// What can be wrong with a line. They hold nothing of it.
var (
	errNoLine      = errors.New("is no line of an archive")
	errNoItem      = errors.New("is no item that a store can hold")
	errNoPartition = errors.New("has a partition that is not 32 hexadecimal digits")
	errNoVersion   = errors.New("has a version that is not 32 hexadecimal digits")
)

// parse reads a line into v, a pointer. It takes what appendLine writes: one value with nothing unknown in it.
func parse(line []byte, v any) error {
	if !utf8.Valid(line) {
		return errNoLine
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if d.Decode(v) != nil { // its error can hold a part of the line
		return errNoLine
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errNoLine
	}
	return nil
}

// parseItem reads an item's line and holds that a store takes the item.
func parseItem(line []byte) (item store.Item, err error) {
	var l itemLine
	if err := parse(line, &l); err != nil {
		return store.Item{}, err
	}
	item.Key = store.Key{Table: l.Table, Sort: l.Sort}
	item.ExpiresAt = l.ExpiresAt.UTC()
	if item.Key.Partition, err = parsePartition(l.Partition); err != nil {
		return store.Item{}, err
	}
	var ok bool
	if item.Version, ok = store.ParseVersion(l.Version); !ok {
		return store.Item{}, errNoVersion
	}
	if l.Index != nil {
		item.Index = &store.Index{Sort: l.Index.Sort}
		if item.Index.Partition, err = parsePartition(l.Index.Partition); err != nil {
			return store.Item{}, err
		}
	}
	if err := store.CheckBody(l.Body); err != nil {
		return store.Item{}, err // says where in the body, not what stands there
	}
	item.Body = l.Body
	if item.Version == (store.Version{}) || store.CheckBulk([]store.Write{store.Put(item, store.None)}) != nil { // its error names the sort key
		return store.Item{}, errNoItem
	}
	return item, nil
}

func parsePartition(s string) (store.Partition, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(store.Partition{}) {
		return store.Partition{}, errNoPartition
	}
	return store.Partition(b), nil
}

// parseHeader reads the first line.
func parseHeader(line []byte) (h header, err error) {
	// Another version may have other fields: the name and the version come first.
	var first struct {
		Archive string `json:"archive"`
		Version int    `json:"version"`
	}
	if json.Unmarshal(line, &first) != nil || first.Archive != formatName || first.Version < 1 {
		return header{}, ErrNotArchive
	}
	if first.Version > formatVersion {
		return header{}, fmt.Errorf("%w: its version is %d, this program knows up to %d", ErrNewer, first.Version, formatVersion)
	}
	if parse(line, &h) != nil {
		return header{}, ErrNotArchive
	}
	return h, nil
}
