package neumf

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkPair puts pairs through the network and back, without what is done for listeners and for steps.
func BenchmarkPair(b *testing.B) {
	w := newNetwork(1, options{factors: 32, hidden: 32}, 1)
	s, g := newPass(w, most), make([]float32, len(w.dense))
	layers := split(g, w.k, w.h1, w.h2)
	r := rand.New(rand.NewPCG(1, 1))
	p, grads := make([]float32, len(s.p)), make([]float32, most)
	for i := range p {
		p[i] = float32(r.NormFloat64())
	}
	for i := range grads {
		grads[i] = float32(r.NormFloat64())
	}
	turned := [2][]float32{make([]float32, len(w.w1)), make([]float32, len(w.w2))}
	turn(turned[0], w.w1, w.h1, 2*w.k)
	turn(turned[1], w.w2, w.h2, w.h1)
	s.n = most
	for b.Loop() {
		copy(s.p, p)
		copy(s.q, p)
		s.forward(w)
		s.backward(w, &layers, grads, &turned)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/most, "ns/pair")
}
