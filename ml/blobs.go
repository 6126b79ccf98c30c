package ml

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Blobs keeps large things by name: models and checkpoints. Package blobs has one in a folder and one in memory.
//
// A name is one to eight parts with slashes between, at most 200 characters in all: each of lower-case letters, digits, dots, dashes and
// underscores, not beginning with a dot ([CheckBlobName]). What is wrong with a name is an error of every method.
//
// A blob is never half there. What is written becomes visible by Commit, all of it at once, in place of what had the name before; whoever has opened that goes on
// reading it. What was not committed, because of an error, a kill or Discard, is not visible ever, and its remains are
// cleared away some day. All methods are safe for concurrent use and honor the context.
type Blobs interface {
	// Create begins to write a blob.
	Create(ctx context.Context, name string) (BlobWriter, error)
	// Open opens a blob for reading. One that does not exist is ErrNoBlob.
	Open(ctx context.Context, name string) (Blob, error)
	// Remove removes a blob. One that does not exist is no error.
	Remove(ctx context.Context, name string) error
	// List returns the blobs whose names begin with prefix, in the order of their names.
	List(ctx context.Context, prefix string) ([]BlobInfo, error)
}

// BlobWriter writes a blob, for one goroutine.
type BlobWriter interface {
	io.Writer
	// Commit makes what was written visible, and ends the writer. After an error it may or may not be visible, but never in part.
	Commit(ctx context.Context) error
	// Discard gives up what was not committed; after Commit it does nothing. It must be called.
	Discard()
}

// Blob is an open blob. It must be closed.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

// BlobInfo is what a listing tells of a blob.
type BlobInfo struct {
	Name string
	Size int64     // bytes
	At   time.Time // when it was committed
}

// ErrNoBlob is what the error matches where a blob does not exist.
var ErrNoBlob = errors.New("ml: no such blob")

const maxBlobName = 200

var blobName = regexp.MustCompile(`^[a-z0-9_-][a-z0-9._-]*(/[a-z0-9_-][a-z0-9._-]*){0,7}$`)

// CheckBlobName says what is wrong with the name of a blob, or returns nil.
func CheckBlobName(name string) error {
	if len(name) > maxBlobName || !blobName.MatchString(name) {
		return fmt.Errorf("ml: %.210q is no name of a blob", name)
	}
	return nil
}

// NewCheckpoints returns Checkpoints that keep one blob, the last.
func NewCheckpoints(b Blobs, name string) Checkpoints { return checkpoints{b, name} }

type checkpoints struct {
	blobs Blobs
	name  string
}

// Save implements Checkpoints.
func (c checkpoints) Save(ctx context.Context, f *safetensors.File) error {
	_, err := writeBlob(ctx, c.blobs, c.name, f)
	return err
}

// Last implements Checkpoints.
func (c checkpoints) Last(ctx context.Context) (*safetensors.File, error) {
	b, err := c.blobs.Open(ctx, c.name)
	if errors.Is(err, ErrNoBlob) {
		return nil, nil //nolint:nilnil // none is no error
	}
	if err != nil {
		return nil, err
	}
	defer b.Close()
	f, err := safetensors.Read(b, b.Size())
	if errors.Is(err, safetensors.ErrDamaged) {
		return nil, nil //nolint:nilnil // a damaged one is none
	}
	return f, err
}

// writeBlob writes a file as a blob, and returns what identifies its bytes.
func writeBlob(ctx context.Context, b Blobs, name string, f *safetensors.File) (Artifact, error) {
	w, err := b.Create(ctx, name)
	if err != nil {
		return Artifact{}, err
	}
	defer w.Discard()
	sum := newSummer()
	if err := safetensors.Write(io.MultiWriter(&untilDone{ctx, w}, sum), f); err != nil {
		return Artifact{}, err
	}
	if err := w.Commit(ctx); err != nil {
		return Artifact{}, err
	}
	return sum.artifact(name), nil
}

// untilDone is a writer that fails once its context has ended.
type untilDone struct {
	ctx context.Context //nolint:containedctx // for the time of one call
	w   io.Writer
}

// writePiece is how much is written before the context is looked at again, in bytes.
const writePiece = 1 << 20

func (u *untilDone) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if u.ctx.Err() != nil {
			return n, u.ctx.Err()
		}
		m, err := u.w.Write(p[:min(len(p), writePiece)])
		n += m
		if err != nil {
			return n, err
		}
		p = p[m:]
	}
	return n, nil
}
