package neumf

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/rhythmiq/rhythmiq/internal/vector"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
)

// pretrain lets the products begin where matrix factorization ends, as in section 3.4.1 of the source, and the layers with no say. There the factors are
// learned by steps along the gradient; alternating least squares finds them in a small part of the time.
//
// With Y as the items' vectors by iALS, a row for each, a listener's vector is nearly the sum of the rows of Y(YᵀY + I)⁻¹ of what they have heard: it would be that sum if
// what was heard weighed no more than what was not. So these rows are what items are to listeners.
func (f *fit) pretrain(ctx context.Context) error {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	v := ml.Values{"factors": strconv.Itoa(f.k), "regularization": number(f.regularization), "frequency": "1"}
	m, err := als.Algorithm{}.Fit(ctx, f.source, v, ml.FitOptions{Seed: f.seed, Threads: f.threads})
	if err != nil {
		return err
	}
	rows, k := m.(ml.Factored).Factors() //nolint:forcetypeassert // it is one of iALS
	near := make([]float32, k*k)
	vector.Gram(near, rows, k, nil, f.threads)
	for i := range k {
		near[i*k+i]++
	}
	if !vector.Invert(near, k, f.threads, nil) {
		return nil // without: it begins at random
	}
	n := f.data.Columns
	heard := make([]float32, n*k)
	vector.Gemm(heard, rows, near, n, k, k, 1)
	size := [2]float64{1 / root(heard), 1 / root(rows)}
	for _, by := range size {
		if !(by > 0) || by > math.MaxFloat32 { // no numbers, or nothing but zeros
			return nil
		}
	}
	f.scale(heard, rows, size)
	slope, shift := f.calibrate()
	if !(slope > 0) || math.IsInf(slope, 1) || math.IsNaN(shift) || math.IsInf(shift, 0) {
		slope, shift = firstSize*firstSize, 0 // the products say nothing
	}
	for i := range size {
		size[i] *= math.Sqrt(slope)
	}
	f.scale(heard, rows, size)
	f.bias[0] = float32(shift)
	clear(f.out[f.k:])
	clear(f.start[:f.k])
	return nil
}

// root is the square root of the mean square.
func root(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(1, len(x))))
}

// scale takes over the parts for products of what items are to listeners, and of what they are themselves.
func (f *fit) scale(heard, rows []float32, by [2]float64) {
	for i := range f.data.Columns {
		for j := range f.k {
			f.heard[i*2*f.k+j] = float32(by[0]) * heard[i*f.k+j]
			f.vectors[i*2*f.k+j] = float32(by[1]) * rows[i*f.k+j]
		}
	}
}

const (
	mostSampled  = 2000 // listeners
	newtonSteps  = 30
	littleWeight = 1e-6 // keeps the squares from being none
)

// calibrate returns what products have to be multiplied by, and what has to be added, for their logistic function to say how likely it is that a
// pair of those that are learned from was heard: logistic regression, by Newton's method.
func (f *fit) calibrate() (slope, shift float64) {
	var x []float64
	var yes []bool
	r := rand.New(rand.NewPCG(f.seed^salt, 1<<32)) //nolint:mnd // a stream of its own
	p, sum, own := make([]float32, 2*f.k), make([]float32, 2*f.k), make([]float32, 2*f.k)
	every := (f.data.Rows() + mostSampled - 1) / mostSampled
	for u := 0; u < f.data.Rows(); u += every {
		heard, _ := f.data.Row(u)
		f.sum(sum, heard)
		pair := func(item int32, sum []float32, n int, is bool) {
			clear(p)
			if n > 0 {
				vector.Axpy(float32(1/math.Sqrt(float64(n))), sum, p)
			}
			x = append(x, float64(vector.Dot(p[:f.k], f.vectors[int(item)*2*f.k:int(item)*2*f.k+f.k])))
			yes = append(yes, is)
		}
		for _, item := range heard {
			copy(own, sum)
			vector.Axpy(-1, f.heard[int(item)*2*f.k:(int(item)+1)*2*f.k], own)
			pair(item, own, len(heard)-1, true)
			for range f.negatives {
				other := int32(r.IntN(f.data.Columns))
				if _, is := slices.BinarySearch(heard, other); !is {
					pair(other, sum, len(heard), false)
				}
			}
		}
	}
	for range newtonSteps {
		var g, h [3]float64 // gradient; second derivatives: of the slope, of both, of the shift
		for i, v := range x {
			likely := 1 / (1 + math.Exp(-slope*v-shift))
			e, w := -likely, likely*(1-likely)
			if yes[i] {
				e++
			}
			g[0] += e * v
			g[1] += e
			h[0] += w * v * v
			h[1] += w * v
			h[2] += w
		}
		h[0] += littleWeight
		h[2] += littleWeight
		d := h[0]*h[2] - h[1]*h[1]
		if !(d > 0) {
			break
		}
		slope += (h[2]*g[0] - h[1]*g[1]) / d
		shift += (h[0]*g[1] - h[1]*g[0]) / d
	}
	return slope, shift
}
