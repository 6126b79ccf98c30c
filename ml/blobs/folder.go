package blobs

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Dir keeps blobs as files below a folder. A blob is written to a file whose name begins with a dot, beside its own, and gets its name when
// it is on the disk. What a kill has left of such files is removed a day later, by the next Create beside it.
type Dir struct{ root *os.Root }

var _ ml.Blobs = (*Dir)(nil)

// Folder returns a Dir in a folder, which is made if need be. Nothing outside of it is read or written, whatever links are in it. Close it in the end.
func Folder(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	return &Dir{root}, nil
}

const (
	dirMode     = 0o750
	fileMode    = 0o640
	unfinished  = ".unfinished-"
	remainsTime = 24 * time.Hour
)

// Close closes the folder. Blobs that are open stay so.
func (d *Dir) Close() error { return d.root.Close() }

// Create implements ml.Blobs.
func (d *Dir) Create(ctx context.Context, name string) (ml.BlobWriter, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	parent := path.Dir(name)
	if err := d.root.MkdirAll(parent, dirMode); err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	d.clear(parent)
	temporary := path.Join(parent, unfinished+rand.Text())
	f, err := d.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	return &fileWriter{content: bufio.NewWriterSize(f, buffer), dir: d, file: f, temporary: temporary, name: name}, nil
}

const buffer = 1 << 16 // bytes

// clear removes what kills have left in a folder. It is tidying up: what cannot be removed now is so later.
func (d *Dir) clear(parent string) {
	entries, _ := fs.ReadDir(d.root.FS(), parent)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), unfinished) && time.Since(info.ModTime()) > remainsTime {
			_ = d.root.Remove(path.Join(parent, e.Name()))
		}
	}
}

type fileWriter struct {
	content         *bufio.Writer
	dir             *Dir
	file            *os.File // nil once it is over
	temporary, name string
}

// Write implements io.Writer.
func (w *fileWriter) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, errOver
	}
	return w.content.Write(p)
}

// Commit implements ml.BlobWriter.
func (w *fileWriter) Commit(ctx context.Context) error {
	if w.file == nil {
		return errOver
	}
	defer w.Discard()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := w.content.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = w.dir.root.Rename(w.temporary, w.name)
	}
	if err == nil {
		err = w.dir.sync(path.Dir(w.name))
	}
	if err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	return nil
}

// sync makes a folder's names last.
func (d *Dir) sync(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Discard implements ml.BlobWriter. What cannot be removed now is cleared away later.
func (w *fileWriter) Discard() {
	if w.file == nil {
		return
	}
	_ = w.file.Close() // nothing in it is wanted, or it was synced
	w.file = nil
	_ = w.dir.root.Remove(w.temporary)
}

// Open implements ml.Blobs.
func (d *Dir) Open(ctx context.Context, name string) (ml.Blob, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ml.ErrNoBlob, name)
	}
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no file", ml.ErrNoBlob, name)
	}
	if err != nil {
		_ = f.Close() // it was only looked at
		return nil, err
	}
	return &fileBlob{f, info.Size()}, nil
}

type fileBlob struct {
	*os.File
	size int64
}

// Size implements ml.Blob.
func (b *fileBlob) Size() int64 { return b.size }

// Remove implements ml.Blobs.
func (d *Dir) Remove(ctx context.Context, name string) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blobs: %w", err)
	}
	return nil
}

// List implements ml.Blobs.
func (d *Dir) List(ctx context.Context, prefix string) ([]ml.BlobInfo, error) {
	all := []ml.BlobInfo{}
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed just now
			return nil
		case err != nil:
			return err
		case !e.Type().IsRegular() || !strings.HasPrefix(name, prefix) || ml.CheckBlobName(name) != nil:
			return ctx.Err()
		}
		return describe(e, name, &all)
	})
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	return sorted(all), nil
}

// describe adds what a file is, unless it was removed just now.
func describe(e fs.DirEntry, name string, all *[]ml.BlobInfo) error {
	info, err := e.Info()
	if err == nil {
		*all = append(*all, ml.BlobInfo{Name: name, Size: info.Size(), At: info.ModTime()})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
