package parquetlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A Parquet file ends with its footer, four bytes that say how long that is, and four that say Parquet. What stands right before the footer nobody reads whom the footer
// does not send there: that is where the seal is, a name and the SHA-256 of all other bytes.
const (
	sealName = "RhythmIQ"
	sealSize = len(sealName) + sha256.Size
	magic    = "PAR1"
	endSize  = 4 + len(magic)
)

// ErrNoChecksum is about a file that has no checksum: Write did not make it.
var ErrNoChecksum = errors.New("the file has no checksum: it was made by another tool, or is damaged")

var errDamaged = errors.New("the file is damaged")

// sealer passes on what is written, and puts the seal in.
type sealer struct {
	w    io.Writer
	sum  hash.Hash
	held *bytes.Buffer // what waits for the seal, which has to stand before it
}

func newSealer(w io.Writer) *sealer { return &sealer{w: w, sum: sha256.New()} }

func (s *sealer) Write(p []byte) (n int, err error) {
	if s.held != nil {
		return s.held.Write(p)
	}
	n, err = s.w.Write(p)
	s.sum.Write(p[:n])
	return n, err
}

// hold keeps back what is written from now on.
func (s *sealer) hold() error {
	s.held = &bytes.Buffer{}
	return nil
}

// seal passes on what was held, with the seal before the footer.
func (s *sealer) seal() error {
	b := s.held.Bytes()
	at := len(b) - endSize - footer(b[max(0, len(b)-endSize):])
	if at < 0 {
		return errors.New("the footer is not at the end")
	}
	s.sum.Write(b)
	for _, part := range [][]byte{b[:at], []byte(sealName), s.sum.Sum(nil), b[at:]} {
		if _, err := s.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// footer returns how long a file's last bytes say that the footer is.
func footer(end []byte) int {
	if len(end) < endSize {
		return 0
	}
	return int(binary.LittleEndian.Uint32(end))
}

// check holds a file against its seal.
func check(ctx context.Context, r io.ReaderAt, size int64) error {
	end := make([]byte, endSize)
	if size < int64(len(magic)+endSize) {
		return fmt.Errorf("%w: it is cut off", errDamaged)
	}
	if _, err := io.ReadFull(io.NewSectionReader(r, size-int64(endSize), int64(endSize)), end); err != nil {
		return ended(err)
	}
	if string(end[4:]) != magic {
		return errors.New("this is no Parquet, or it is cut off")
	}
	at := size - int64(endSize) - int64(footer(end)) - int64(sealSize)
	if at < int64(len(magic)) {
		return ErrNoChecksum
	}
	seal := make([]byte, sealSize)
	if _, err := io.ReadFull(io.NewSectionReader(r, at, int64(sealSize)), seal); err != nil {
		return ended(err)
	}
	if string(seal[:len(sealName)]) != sealName {
		return ErrNoChecksum
	}
	sum := sha256.New()
	for _, part := range []*io.SectionReader{io.NewSectionReader(r, 0, at), io.NewSectionReader(r, at+int64(sealSize), size-at-int64(sealSize))} {
		if n, err := io.Copy(sum, withContext{ctx, part}); err != nil {
			return err
		} else if n < part.Size() {
			return fmt.Errorf("%w: it is cut off", errDamaged)
		}
	}
	if !bytes.Equal(sum.Sum(nil), seal[len(sealName):]) {
		return fmt.Errorf("%w: its checksum is another", errDamaged)
	}
	return nil
}

// withContext ends reading when a context does.
type withContext struct {
	ctx context.Context //nolint:containedctx // for one call of check
	r   io.Reader
}

func (c withContext) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, c.ctx.Err()
	}
	return c.r.Read(p)
}

// ended keeps an end of a file that is too early from being taken for a good one.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", errDamaged)
	}
	return err
}
