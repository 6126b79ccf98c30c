package blobs

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
)

// Memory keeps blobs in memory. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	blobs map[string]stored
}

type stored struct {
	data []byte // never changed
	at   time.Time
}

var _ ml.Blobs = (*Memory)(nil)

// Create implements ml.Blobs.
func (m *Memory) Create(ctx context.Context, name string) (ml.BlobWriter, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	return &memoryWriter{to: m, name: name}, nil
}

type memoryWriter struct {
	content bytes.Buffer
	to      *Memory
	name    string
	over    bool
}

// Write implements io.Writer.
func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.over {
		return 0, errOver
	}
	return w.content.Write(p)
}

// Commit implements ml.BlobWriter.
func (w *memoryWriter) Commit(ctx context.Context) error {
	if w.over {
		return errOver
	}
	w.over = true
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.to.mu.Lock()
	defer w.to.mu.Unlock()
	if w.to.blobs == nil {
		w.to.blobs = map[string]stored{}
	}
	w.to.blobs[w.name] = stored{slices.Clip(w.content.Bytes()), time.Now()}
	return nil
}

// Discard implements ml.BlobWriter.
func (w *memoryWriter) Discard() { w.over = true }

// Open implements ml.Blobs.
func (m *Memory) Open(ctx context.Context, name string) (ml.Blob, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ml.ErrNoBlob, name)
	}
	return memoryBlob{bytes.NewReader(b.data)}, nil
}

type memoryBlob struct{ *bytes.Reader }

// Close implements io.Closer.
func (memoryBlob) Close() error { return nil }

// Remove implements ml.Blobs.
func (m *Memory) Remove(ctx context.Context, name string) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, name)
	return nil
}

// List implements ml.Blobs.
func (m *Memory) List(ctx context.Context, prefix string) ([]ml.BlobInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []ml.BlobInfo{}
	for name, b := range m.blobs {
		if strings.HasPrefix(name, prefix) {
			all = append(all, ml.BlobInfo{Name: name, Size: int64(len(b.data)), At: b.at})
		}
	}
	return sorted(all), ctx.Err()
}
