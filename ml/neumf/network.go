package neumf

import (
	"math"
	"math/rand/v2"

	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// network is what is learned. With p as a listener's vectors and q as an item's, of which each has one part for products (P) and one for layers (L), the
// score is out·(pP∘qP, r₂) + bias, where r₁ = relu(w₁(pL, qL) + b₁) and r₂ = relu(w₂r₁ + b₂).
type network struct {
	k, h1, h2 int
	heard     []float32 // of each item its part of a listener's vectors, 2k
	vectors   []float32 // of each item its vectors, 2k
	dense     []float32 // all the rest
	layers
}

// layers are parts of dense.
type layers struct {
	start  []float32 // 2k: the vectors of somebody who has heard nothing
	w1, b1 []float32 // h1 × 2k, h1
	w2, b2 []float32 // h2 × h1, h2
	out    []float32 // k + h2
	bias   []float32 // 1
}

func denseSize(k, h1, h2 int) int { return 2*k + 2*k*h1 + h1 + h1*h2 + h2 + k + h2 + 1 }

func split(dense []float32, k, h1, h2 int) layers {
	take := func(n int) []float32 {
		part := dense[:n:n]
		dense = dense[n:]
		return part
	}
	return layers{
		start: take(2 * k), w1: take(2 * k * h1), b1: take(h1), w2: take(h1 * h2), b2: take(h2), out: take(k + h2), bias: take(1),
	}
}

const (
	firstSize = 0.1 // the spread of vectors at first
	salt      = 0x6e65756d66
)

func newNetwork(n int, o options, seed uint64) *network {
	k, h1, h2 := o.factors, o.hidden, o.hidden/2
	w := &network{k: k, h1: h1, h2: h2, heard: make([]float32, 2*k*n), vectors: make([]float32, 2*k*n), dense: make([]float32, denseSize(k, h1, h2))}
	w.layers = split(w.dense, k, h1, h2)
	r := rand.New(rand.NewPCG(seed, salt))
	random := func(x []float32, size float64) {
		for i := range x {
			x[i] = float32(size * r.NormFloat64())
		}
	}
	random(w.heard, firstSize)
	random(w.vectors, firstSize)
	random(w.start, firstSize)
	random(w.w1, math.Sqrt(1/float64(k))) // He et al. (2015): 2 by the width of what goes in
	random(w.w2, math.Sqrt(2/float64(h1)))
	random(w.out[k:], math.Sqrt(1/float64(h2)))
	for i := range w.out[:k] {
		w.out[i] = 1
	}
	return w
}

// pass is the scratch for scoring some pairs, and for what that teaches.
type pass struct {
	n          int
	p, q       []float32 // n × 2k: listeners' and items' vectors
	x          []float32 // n × 2k: their parts for layers
	r1, r2     []float32 // n × h1, n × h2
	scores     []float32
	d1, d2, dx []float32 // gradients of r1, r2 and x
}

func newPass(w *network, n int) *pass {
	room := func(k int) []float32 { return make([]float32, n*k) }
	return &pass{
		p: room(2 * w.k), q: room(2 * w.k), x: room(2 * w.k), r1: room(w.h1), r2: room(w.h2), scores: room(1),
		d1: room(w.h1), d2: room(w.h2), dx: room(2 * w.k),
	}
}

// forward sets the scores of n pairs.
func (s *pass) forward(w *network) {
	n, k := s.n, w.k
	for i := range n {
		copy(s.x[i*2*k:], s.p[i*2*k+k:(i+1)*2*k])
		copy(s.x[i*2*k+k:(i+1)*2*k], s.q[i*2*k+k:(i+1)*2*k])
	}
	vector.Gemm(s.r1, s.x, w.w1, n, w.h1, 2*k, 1)
	relu(s.r1[:n*w.h1], w.b1)
	vector.Gemm(s.r2, s.r1, w.w2, n, w.h2, w.h1, 1)
	relu(s.r2[:n*w.h2], w.b2)
	for i := range n {
		p, q := s.p[i*2*k:i*2*k+k], s.q[i*2*k:i*2*k+k]
		sum := w.bias[0] + vector.Dot(w.out[k:], s.r2[i*w.h2:(i+1)*w.h2])
		for j, v := range p {
			sum += w.out[j] * v * q[j]
		}
		s.scores[i] = sum
	}
}

// relu adds b to each row of x and sets what is below 0 to 0.
func relu(x, b []float32) {
	for at := 0; at < len(x); at += len(b) {
		row := x[at : at+len(b)]
		for j, v := range b {
			row[j] = max(0, row[j]+v)
		}
	}
}

// backward adds the gradients of the layers to g, given those of the scores, and replaces p and q by theirs.
func (s *pass) backward(w *network, g *layers, scores []float32, turned *[2][]float32) {
	n, k := s.n, w.k
	for i := range n {
		e, row := scores[i], s.d2[i*w.h2:(i+1)*w.h2]
		g.bias[0] += e
		vector.Axpy(e, s.r2[i*w.h2:(i+1)*w.h2], g.out[k:])
		for j, r := range s.r2[i*w.h2 : (i+1)*w.h2] {
			row[j] = 0
			if r > 0 {
				row[j] = e * w.out[k+j]
				g.b2[j] += row[j]
			}
		}
	}
	s.outer(g.w2, s.d2, s.r1, w.h2, w.h1)
	vector.Gemm(s.d1, s.d2, turned[1], n, w.h1, w.h2, 1)
	for i := range n {
		row := s.d1[i*w.h1 : (i+1)*w.h1]
		for j, r := range s.r1[i*w.h1 : (i+1)*w.h1] {
			if r > 0 {
				g.b1[j] += row[j]
			} else {
				row[j] = 0
			}
		}
	}
	s.outer(g.w1, s.d1, s.x, w.h1, 2*k)
	vector.Gemm(s.dx, s.d1, turned[0], n, 2*k, w.h1, 1)
	for i := range n {
		e, p, q := scores[i], s.p[i*2*k:(i+1)*2*k], s.q[i*2*k:(i+1)*2*k]
		for j, o := range w.out[:k] {
			a, b := p[j], q[j]
			g.out[j] += e * a * b
			p[j], q[j] = e*o*b, e*o*a
		}
		copy(p[k:], s.dx[i*2*k:i*2*k+k])
		copy(q[k:], s.dx[i*2*k+k:(i+1)*2*k])
	}
}

// outer adds dᵀ a to dst, where d is n × rows, with many zeros, and a is n × cols.
func (s *pass) outer(dst, d, a []float32, rows, cols int) {
	for i := range s.n {
		row := a[i*cols : (i+1)*cols]
		for j, v := range d[i*rows : (i+1)*rows] {
			if v != 0 {
				vector.Axpy(v, row, dst[j*cols:(j+1)*cols])
			}
		}
	}
}

// turn sets dst to the transposed of a matrix of so many rows and columns.
func turn(dst, a []float32, rows, cols int) {
	for i := range rows {
		for j := range cols {
			dst[j*rows+i] = a[i*cols+j]
		}
	}
}

// listen sets p to the vectors of who has heard some items: start and sum, which is that of the items, by the root of n.
func (w *network) listen(p, sum []float32, n int) {
	copy(p, w.start)
	if n > 0 {
		vector.Axpy(float32(1/math.Sqrt(float64(n))), sum, p[:2*w.k])
	}
}

func (w *network) sum(dst []float32, heard []int32) {
	clear(dst)
	for _, i := range heard {
		vector.Axpy(1, w.heard[int(i)*2*w.k:(int(i)+1)*2*w.k], dst)
	}
}
