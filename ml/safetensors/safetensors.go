// Package safetensors reads and writes the file format of that name, which other tools read too: the length of a JSON header in 8 bytes, the
// header (a map of strings, and the names, types, shapes and places of tensors), and the tensors' bytes, all in little
// endian. A file that [Write] wrote also carries the SHA-256 of its tensors in the map, which [Read] checks.
//
// Source: huggingface/safetensors, "Format" in its README.
package safetensors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Type is how the numbers of a tensor are stored.
type Type string

// The types that there are here.
const (
	F32 Type = "F32" // IEEE 754 binary32
	F16 Type = "F16" // IEEE 754 binary16
	I8  Type = "I8"
	U8  Type = "U8"
	I32 Type = "I32"
	I64 Type = "I64"
)

// sizes are those of a number, in bytes.
var sizes = map[Type]int{F32: 4, F16: 2, I8: 1, U8: 1, I32: 4, I64: 8}

// Tensor is an array of numbers, row by row.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int
	Data  []byte
}

// File is what one file holds. Names are distinct, and none is [MetaName].
type File struct {
	Meta    map[string]string
	Tensors []Tensor
}

const (
	// MetaName is where the header keeps the map of strings.
	MetaName = "__metadata__"
	// SumName is the entry of the map with the hexadecimal SHA-256 of the tensors' bytes.
	SumName   = "sha256"
	maxHeader = 100 << 20 // the format's own bound
)

// ErrDamaged is what an error about a file matches that is cut off, altered, or none.
var ErrDamaged = errors.New("safetensors: the file is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// entry is a tensor's part of the header.
type entry struct {
	Type    Type      `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// Write writes a file, always the same bytes for the same content.
func Write(w io.Writer, f *File) error {
	header := map[string]any{}
	sum := sha256.New()
	at := uint64(0)
	for _, t := range f.Tensors {
		if n, err := bytesOf(t.Type, t.Shape); err != nil || n != uint64(len(t.Data)) || t.Name == MetaName || header[t.Name] != nil {
			return fmt.Errorf("safetensors: tensor %q of %s %v with %d bytes is none, or not the only one of its name", t.Name, t.Type, t.Shape, len(t.Data))
		}
		end := at + uint64(len(t.Data))
		header[t.Name] = entry{t.Type, slices.Concat([]int{}, t.Shape), [2]uint64{at, end}}
		at = end
		sum.Write(t.Data)
	}
	meta := map[string]string{SumName: hex.EncodeToString(sum.Sum(nil))}
	for k, v := range f.Meta {
		if k != SumName {
			meta[k] = v
		}
	}
	header[MetaName] = meta
	text, err := json.Marshal(header) // names in order
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	const align = 8
	text = append(text, bytes.Repeat([]byte{' '}, (align-len(text)%align)%align)...)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	for _, t := range f.Tensors {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a file of size bytes. Where something is missing, too much, or not as the header says, the error matches [ErrDamaged]. It
// takes no more memory than the file is large.
func Read(r io.ReaderAt, size int64) (*File, error) {
	whole := io.NewSectionReader(r, 0, size)
	var head [8]byte
	if _, err := io.ReadFull(whole, head[:]); err != nil {
		return nil, short(err, "the length of its header")
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || n > uint64(size)-uint64(len(head)) {
		return nil, damaged("a header of %d bytes in a file of %d", n, size)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(whole, text); err != nil {
		return nil, short(err, "its header")
	}
	entries, meta, err := readHeader(text)
	if err != nil {
		return nil, err
	}
	f := &File{Meta: meta}
	at, sum := uint64(0), sha256.New()
	left := uint64(size) - uint64(len(head)) - n
	for _, e := range entries {
		want, err := bytesOf(e.Type, e.Shape)
		if err != nil || e.Offsets[0] != at || e.Offsets[1]-at != want || e.Offsets[1] < at || e.Offsets[1] > left {
			return nil, damaged("tensor %q does not fit the file", e.name)
		}
		data := make([]byte, want)
		if _, err := io.ReadFull(whole, data); err != nil {
			return nil, short(err, "tensor "+e.name)
		}
		sum.Write(data)
		at = e.Offsets[1]
		f.Tensors = append(f.Tensors, Tensor{Name: e.name, Type: e.Type, Shape: e.Shape, Data: data})
	}
	if at != left {
		return nil, damaged("%d bytes follow the last tensor", left-at)
	}
	if want, ok := meta[SumName]; ok && want != hex.EncodeToString(sum.Sum(nil)) {
		return nil, damaged("the tensors are not those of its checksum")
	}
	return f, nil
}

func short(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it ends in %s", where)
	}
	return fmt.Errorf("safetensors: %w", err)
}

type named struct {
	entry
	name string
}

// readHeader returns the tensors in the order of their places.
func readHeader(text []byte) (entries []named, meta map[string]string, err error) {
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, nil, damaged("its header is no JSON object")
	}
	for name, raw := range header {
		if name == MetaName {
			if err := json.Unmarshal(raw, &meta); err != nil {
				return nil, nil, damaged("%s is no map of strings", MetaName)
			}
			continue
		}
		e := named{name: name}
		if err := json.Unmarshal(raw, &e.entry); err != nil {
			return nil, nil, damaged("tensor %q is not described", name)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b named) int {
		for i := range a.Offsets {
			if c := int64(a.Offsets[i]) - int64(b.Offsets[i]); c != 0 {
				return int(max(-1, min(c, 1)))
			}
		}
		return 0
	})
	return entries, meta, nil
}

// bytesOf returns how many bytes a tensor takes.
func bytesOf(t Type, shape []int) (uint64, error) {
	size, ok := sizes[t]
	if !ok {
		return 0, fmt.Errorf("safetensors: unknown type %q", t)
	}
	n := uint64(size)
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt64/uint64(d)) {
			return 0, fmt.Errorf("safetensors: the shape %v is none", shape)
		}
		n *= uint64(d)
	}
	return n, nil
}

// Tensor returns the tensor of a name, which must have this type and as many dimensions as there are in shape, each of that size or of any where it is −1.
func (f *File) Tensor(name string, t Type, shape ...int) (Tensor, error) {
	i := slices.IndexFunc(f.Tensors, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, damaged("no tensor %q", name)
	}
	found := f.Tensors[i]
	fits := found.Type == t && len(found.Shape) == len(shape)
	for d := range shape {
		fits = fits && (shape[d] < 0 || shape[d] == found.Shape[d])
	}
	if !fits {
		return Tensor{}, damaged("tensor %q is %s %v, not %s %v", name, found.Type, found.Shape, t, shape)
	}
	return found, nil
}

// Floats returns an F32 tensor of numbers, which are copied.
func Floats(name string, numbers []float32, shape ...int) Tensor {
	b := make([]byte, 0, 4*len(numbers))
	for _, x := range numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return Tensor{name, F32, shape, b}
}

// Floats returns a copy of the numbers of an F32 tensor.
func (t Tensor) Floats() []float32 {
	numbers := make([]float32, len(t.Data)/sizes[F32])
	for i := range numbers {
		numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return numbers
}

// Ints returns an I32 tensor of numbers, which are copied.
func Ints(name string, numbers []int32, shape ...int) Tensor {
	b := make([]byte, 0, 4*len(numbers))
	for _, x := range numbers {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return Tensor{name, I32, shape, b}
}

// Ints returns a copy of the numbers of an I32 tensor.
func (t Tensor) Ints() []int32 {
	numbers := make([]int32, len(t.Data)/sizes[I32])
	for i := range numbers {
		numbers[i] = int32(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return numbers
}

// Names returns a U8 tensor of names: each with its length before it in 4 bytes.
func Names(name string, names []string) Tensor {
	var b []byte
	for _, n := range names {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(n)))
		b = append(b, n...)
	}
	return Tensor{name, U8, []int{len(b)}, b}
}

// Names returns the names of a tensor that the function Names made.
func (f *File) Names(name string) ([]string, error) {
	t, err := f.Tensor(name, U8, -1)
	if err != nil {
		return nil, err
	}
	const head = 4
	var names []string
	for b := t.Data; len(b) > 0; {
		if len(b) < head || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-head) {
			return nil, damaged("tensor %q holds no names", name)
		}
		n := head + int(binary.LittleEndian.Uint32(b))
		names = append(names, string(b[head:n]))
		b = b[n:]
	}
	return names, nil
}
