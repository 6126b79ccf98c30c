package ml

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// Data is what a model is fitted on: who has heard what, and how much that says for it; and for models of situations how it was answered in which moment. Whoever has one does not change it.
type Data struct {
	Listeners []string // by row; each once
	Items     []string // by column; each once
	Heard     *Matrix  // weights above 0, such as play counts or sums of [Interaction.Strength]
	Times     []int64  // by cell: seconds since 1970 of the newest interaction; nil where not known
	About     []Item   // by column: what is known of the items; nil where nothing is

	// Answers are what models of situations are fitted on: how listeners took to items in a moment, in no order. Aspects are what may be known of a moment. Models of
	// taste do not look at them; where there are only answers, Heard is a matrix without cells.
	Answers []Answer
	Aspects []Aspect
}

// Check says what is wrong with the data, or returns nil.
func (d *Data) Check() error {
	switch {
	case d.Heard == nil:
		return errors.New("ml: data without a matrix")
	case d.Heard.Rows() != len(d.Listeners), d.Heard.Columns != len(d.Items):
		return fmt.Errorf("ml: a matrix of %d × %d for %d listeners and %d items", d.Heard.Rows(), d.Heard.Columns, len(d.Listeners), len(d.Items))
	case d.Times != nil && len(d.Times) != d.Heard.Cells():
		return fmt.Errorf("ml: %d times for %d cells", len(d.Times), d.Heard.Cells())
	case d.About != nil && len(d.About) != len(d.Items):
		return fmt.Errorf("ml: descriptions of %d items for %d", len(d.About), len(d.Items))
	}
	for i, w := range d.Heard.Weights {
		if !(w > 0) || math.IsInf(float64(w), 1) {
			return fmt.Errorf("ml: the weight of cell %d is %v, must be above 0", i, w)
		}
	}
	return d.checkAnswers()
}

// Fingerprint identifies the data: the hexadecimal SHA-256 of everything that a model is fitted on. It does not tell
// whose data it is: listeners count by their order only.
func (d *Data) Fingerprint() string {
	h := sha256.New()
	var b []byte
	flush := func(n int) {
		if len(b) >= n {
			h.Write(b)
			b = b[:0]
		}
	}
	const full = 1 << 16
	b = binary.LittleEndian.AppendUint64(b, uint64(len(d.Listeners)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(d.Items)))
	for _, item := range d.Items {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(item)))
		b = append(b, item...)
		flush(full)
	}
	for _, s := range d.Heard.Starts {
		b = binary.LittleEndian.AppendUint64(b, uint64(s))
		flush(full)
	}
	for i, c := range d.Heard.Cols {
		b = binary.LittleEndian.AppendUint32(b, uint32(c))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(d.Heard.Weights[i]))
		flush(full)
	}
	for _, t := range d.Times {
		b = binary.LittleEndian.AppendUint64(b, uint64(t))
		flush(full)
	}
	flush(0)
	d.hashAnswers(h)
	return hex.EncodeToString(h.Sum(nil))
}
