package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"

	"github.com/rhythmiq/rhythmiq/store"
)

// position is how far an import has come. It is kept in a file, and trusted only for the archive and the store that it was made with.
type position struct {
	SHA256  string `json:"sha256"` // of the archive
	Store   string `json:"store"`  // ImportOptions.Name
	Offset  int64  `json:"offset"` // of the first line that is not known to be in the store
	Line    int64  `json:"line"`   // before that
	Items   counts `json:"items"`
	Skipped counts `json:"skipped"` // expired
	Expired int64  `json:"expired"`
	// Probe is an item that the import has put into the store and that does not expire, if there was one: the store that has it is the one.
	Probe *probe `json:"probe,omitempty"`
}

type probe struct {
	Table     store.Table `json:"table"`
	Partition string      `json:"partition"`
	Sort      string      `json:"sort"`
	Version   string      `json:"version"`
}

// wrote moves the position behind a batch.
func (p *position) wrote(b batch, l *lines) {
	p.Offset, p.Line = l.offset, l.number
	for n := range b.writes {
		w := &b.writes[n]
		p.Items[w.Key.Table]++
		if w.ExpiresAt.IsZero() {
			p.Probe = &probe{w.Key.Table, hex.EncodeToString(w.Key.Partition[:]), w.Key.Sort, w.Version.String()}
		}
	}
	for _, table := range b.expired {
		p.Skipped[table]++
		p.Expired++
	}
}

// seen is how many items of the archive were read.
func (p *position) seen() counts {
	c := newCounts()
	for table := range c {
		c[table] = p.Items[table] + p.Skipped[table]
	}
	return c
}

// holds reports whether a store has the probe; there must be one.
func (p *position) holds(ctx context.Context, s store.Store) (bool, error) {
	partition, err := parsePartition(p.Probe.Partition)
	if err != nil {
		return false, nil //nolint:nilerr // a position that was not written by save is as good as none
	}
	item, err := s.Get(ctx, store.Key{Table: p.Probe.Table, Partition: partition, Sort: p.Probe.Sort}, store.Strong)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return false, nil
	}
	return err == nil && item.Version.String() == p.Probe.Version, err
}

// save writes the position in the place of the last one, as a whole.
func (p *position) save(name string) error {
	var text bytes.Buffer
	if err := appendLine(&text, p); err != nil {
		return err
	}
	fresh := name + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // beside the archive
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, name)
}

// loadPosition returns what save wrote, false where there is nothing, or nothing that save wrote.
func loadPosition(name string) (p position, ok bool, err error) {
	text, err := os.ReadFile(name) //nolint:gosec // beside the archive
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, false, nil
	case err != nil:
		return p, false, err
	}
	ok = parse(text, &p) == nil && p.Items != nil && p.Skipped != nil
	return p, ok, nil
}
