package ml

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

// Artifact is a model that was written: where, and what its bytes are.
type Artifact struct {
	Blob   string `json:"blob"`   // its name in Blobs
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // of all of them, hexadecimal
}

// ErrArtifact is what the error matches where the file of a model is missing, cut off, altered, or of no known algorithm.
var ErrArtifact = errors.New("ml: the file of the model cannot be used")

// WriteArtifact writes a model, with the entries of meta added to those of its file. meta must not use the model's names.
func WriteArtifact(ctx context.Context, b Blobs, name string, m Model, meta map[string]string) (Artifact, error) {
	f := *m.Tensors()
	all := map[string]string{}
	for k, v := range f.Meta {
		all[k] = v
	}
	for k, v := range meta {
		if _, twice := all[k]; twice {
			return Artifact{}, fmt.Errorf("ml: the model of %s has an entry %q of its own", m.Algorithm(), k)
		}
		all[k] = v
	}
	f.Meta = all
	return writeBlob(ctx, b, name, &f)
}

// OpenArtifact reads a model back, after its size and its checksum were found to be what they were. The algorithm is the one that the file names. An error that matches
// [ErrArtifact] will not pass with time.
func OpenArtifact(ctx context.Context, b Blobs, a Artifact, known []Algorithm) (Model, *safetensors.File, error) {
	f, err := readArtifact(ctx, b, a)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(known, func(k Algorithm) bool { return k.Name() == f.Meta[algorithmKey] })
	if at < 0 {
		return nil, nil, fmt.Errorf("%w: %s is of the algorithm %q, which is not among those configured", ErrArtifact, a.Blob, f.Meta[algorithmKey])
	}
	m, err := known[at].Open(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrArtifact, a.Blob, err)
	}
	return m, f, nil
}

// algorithmKey is where the file of every model says which algorithm made it.
const algorithmKey = "algorithm"

func readArtifact(ctx context.Context, b Blobs, a Artifact) (*safetensors.File, error) {
	blob, err := b.Open(ctx, a.Blob)
	if errors.Is(err, ErrNoBlob) {
		return nil, fmt.Errorf("%w: %w: %s", ErrArtifact, ErrNoBlob, a.Blob)
	}
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	if blob.Size() != a.Size {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", ErrArtifact, a.Blob, blob.Size(), a.Size)
	}
	sum := newSummer()
	if _, err := io.Copy(&untilDone{ctx, sum}, io.NewSectionReader(blob, 0, a.Size)); err != nil {
		return nil, err
	}
	if sum.artifact(a.Blob) != a {
		return nil, fmt.Errorf("%w: %s has the SHA-256 %s, not %s", ErrArtifact, a.Blob, sum.artifact("").SHA256, a.SHA256)
	}
	f, err := safetensors.Read(blob, a.Size)
	if errors.Is(err, safetensors.ErrDamaged) {
		return nil, fmt.Errorf("%w: %s: %w", ErrArtifact, a.Blob, err)
	}
	return f, err
}

// summer counts and hashes what is written to it.
type summer struct {
	hash.Hash
	size int64
}

func newSummer() *summer { return &summer{Hash: sha256.New()} }

func (s *summer) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return s.Hash.Write(p)
}

func (s *summer) artifact(name string) Artifact {
	return Artifact{Blob: name, Size: s.size, SHA256: hex.EncodeToString(s.Sum(nil))}
}

// stat returns what a blob is, and the map of its file; nil where there is none that is whole.
func stat(ctx context.Context, b Blobs, name string) (Artifact, map[string]string, error) {
	blob, err := b.Open(ctx, name)
	if errors.Is(err, ErrNoBlob) {
		return Artifact{}, nil, nil
	}
	if err != nil {
		return Artifact{}, nil, err
	}
	defer blob.Close()
	sum := newSummer()
	if _, err := io.Copy(&untilDone{ctx, sum}, io.NewSectionReader(blob, 0, blob.Size())); err != nil {
		return Artifact{}, nil, err
	}
	f, err := safetensors.Read(blob, blob.Size())
	if errors.Is(err, safetensors.ErrDamaged) {
		return Artifact{}, nil, nil
	}
	if err != nil {
		return Artifact{}, nil, err
	}
	return sum.artifact(name), f.Meta, nil
}
