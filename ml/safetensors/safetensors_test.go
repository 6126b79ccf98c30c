package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml/safetensors"
)

func some(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, &safetensors.File{
		Meta: map[string]string{"algorithm": "als"},
		Tensors: []safetensors.Tensor{
			safetensors.Names("items", []string{"a", "", "ü"}), safetensors.Floats("factors", []float32{1, -2, 0.5, 4, 5, 6}, 3, 2), safetensors.Ints("empty", nil, 0),
		},
	}))
	return b.Bytes()
}

// A file that is cut off anywhere is refused, and so is one in whose tensors a bit has changed.
func TestDamaged(t *testing.T) {
	t.Parallel()
	b := some(t)
	_, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	for cut := range b {
		for _, size := range []int{cut, len(b)} { // told so, and not
			_, err := safetensors.Read(bytes.NewReader(b[:cut]), int64(size))
			require.ErrorIs(t, err, safetensors.ErrDamaged, "cut at %d of %d", cut, len(b))
		}
	}
	tensors := 8 + int(binary.LittleEndian.Uint64(b))
	for at := tensors; at < len(b); at++ {
		b[at] ^= 4
		_, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
		require.ErrorIs(t, err, safetensors.ErrDamaged, "altered at %d of %d", at, len(b))
		b[at] ^= 4
	}
	_, err = safetensors.Read(bytes.NewReader(append(b, 0)), int64(len(b)+1))
	require.ErrorContains(t, err, "1 bytes follow")
}

// What is read can be written, and is then read as the same; what is not is damaged.
func FuzzRead(f *testing.F) {
	f.Add(some(f))
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := safetensors.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			require.ErrorIs(t, err, safetensors.ErrDamaged)
			return
		}
		for _, tensor := range file.Tensors {
			if names, err := file.Names(tensor.Name); err == nil {
				require.Equal(t, tensor.Data, safetensors.Names("", names).Data)
			}
		}
		var again bytes.Buffer
		require.NoError(t, safetensors.Write(&again, file))
		same, err := safetensors.Read(bytes.NewReader(again.Bytes()), int64(again.Len()))
		require.NoError(t, err)
		require.Len(t, same.Tensors, len(file.Tensors))
	})
}

func Example() {
	var file bytes.Buffer
	err := safetensors.Write(&file, &safetensors.File{
		Meta:    map[string]string{"algorithm": "als"},
		Tensors: []safetensors.Tensor{safetensors.Floats("factors", []float32{1, 2, 3, 4, 5, 6}, 3, 2)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := safetensors.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	factors, err := f.Tensor("factors", safetensors.F32, -1, 2)
	fmt.Println(f.Meta["algorithm"], factors.Shape, factors.Floats(), err)
	_, err = safetensors.Read(bytes.NewReader(file.Bytes()[:100]), 100)
	fmt.Println(err)
	// Output:
	// als [3 2] [1 2 3 4 5 6] <nil>
	// safetensors: the file is damaged: a header of 176 bytes in a file of 100
}
