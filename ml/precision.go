package ml

import (
	"slices"

	"github.com/rhythmiq/rhythmiq/internal/topk"
)

// Precision is in how many bits the items' vectors of a [Factored] model are kept for finding the best of them. The vectors themselves stay as they are: a listener's is made from
// them, and a single track is scored by them.
type Precision string

// The precisions. FP32 takes 4 bytes a number for the search, FP16 2 and INT8 1, and they are the quicker the fewer.
const (
	FP32 Precision = "fp32"
	FP16 Precision = "fp16"
	INT8 Precision = "int8" // twice as many candidates as are wanted, and 16 more, are found in 8 bits and scored again in 32
)

// Precisions lists them.
func Precisions() []Precision { return []Precision{FP32, FP16, INT8} }

func (p Precision) known() bool { return p == "" || slices.Contains(Precisions(), p) }

// index returns an index over rows, which it may keep. What a precision cannot hold (values beyond ±65,504 in FP16 or ±10³⁰ in INT8, vectors of more than 1,024 numbers in INT8) is
// kept in FP32.
func (p Precision) index(rows []float32, k int) (*topk.Index, error) {
	o := topk.Options{}
	switch p {
	case FP16:
		o.Precision = topk.FP16
	case INT8:
		o.Precision, o.Rescore = topk.INT8, topk.FP32
	case FP32:
	}
	index, err := topk.New(rows, k, o)
	if err != nil && o.Precision != 0 {
		return topk.New(rows, k, topk.Options{})
	}
	return index, err
}

// Quantized returns a model as it is served in a precision, for [Evaluate] and [Recommend] to tell what that costs. A model that is not [Factored] has nothing to be rounded, and is
// returned as it is.
func Quantized(m Model, p Precision) Model {
	if f, ok := m.(Factored); ok {
		return quantized{f, p}
	}
	return m
}

// quantized is a model that is searched in a precision.
type quantized struct {
	Factored
	precision Precision
}

// precisionOf returns the precision that a model is searched in.
func precisionOf(m Model) Precision {
	if q, ok := m.(quantized); ok {
		return q.precision
	}
	return FP32
}
