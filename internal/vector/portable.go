package vector

// The kernels in Go: what runs where there is no assembly, and what the assembly is tested against. Each says in which
// order it adds, since that is what decides the last bits. Products are rounded by themselves, which keeps a compiler from
// fusing them with the sum: so Go alone gives the same bits on each architecture. The assembly does fuse them.

// dotPortable adds in four lanes, and the lanes in pairs at the end. (The assembly: 32 or 64 lanes.)
func dotPortable(x, y []float32) float32 {
	y = y[:len(x)]
	var s0, s1, s2, s3 float32
	for len(x) >= 4 && len(y) >= 4 {
		s0 += float32(x[0] * y[0])
		s1 += float32(x[1] * y[1])
		s2 += float32(x[2] * y[2])
		s3 += float32(x[3] * y[3])
		x, y = x[4:], y[4:]
	}
	for i, v := range x {
		s0 += float32(v * y[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// dot4Portable is four dots with one x. (The assembly: 8 or 16 lanes a row, so other last bits than a dot of one row.)
func dot4Portable(dst *[4]float32, x, r0, r1, r2, r3 []float32) {
	dst[0], dst[1], dst[2], dst[3] = dotPortable(x, r0), dotPortable(x, r1), dotPortable(x, r2), dotPortable(x, r3)
}

func axpyPortable(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float32(alpha * v)
	}
}

func scalePortable(alpha float32, x []float32) {
	for i := range x {
		x[i] *= alpha
	}
}

// tilePortable sets dst[r·ldd+j], for r < 8 and j < 32, to the sum over p < k of a[p·lda+r] · b[p·ldb+j], p from 0 upward;
// where add is true it goes on from what stands in dst. Two rows of four sums fit a processor's registers.
func tilePortable(dst []float32, ldd int, a []float32, lda int, b []float32, ldb, k int, add bool) {
	for r := 0; r < GroupHeight; r += 2 {
		for j := 0; j < PanelWidth; j += 4 {
			upper, lower := (*[4]float32)(dst[r*ldd+j:]), (*[4]float32)(dst[(r+1)*ldd+j:])
			if !add {
				*upper, *lower = [4]float32{}, [4]float32{}
			}
			s0, s1, s2, s3 := upper[0], upper[1], upper[2], upper[3]
			t0, t1, t2, t3 := lower[0], lower[1], lower[2], lower[3]
			for p := range k {
				x, y := (*[2]float32)(a[p*lda+r:]), (*[4]float32)(b[p*ldb+j:])
				s0 += float32(x[0] * y[0])
				s1 += float32(x[0] * y[1])
				s2 += float32(x[0] * y[2])
				s3 += float32(x[0] * y[3])
				t0 += float32(x[1] * y[0])
				t1 += float32(x[1] * y[1])
				t2 += float32(x[1] * y[2])
				t3 += float32(x[1] * y[3])
			}
			*upper, *lower = [4]float32{s0, s1, s2, s3}, [4]float32{t0, t1, t2, t3}
		}
	}
}

// panelPortable sets each score to the sum over the factors, from the first to the last, as tilePortable does.
func panelPortable(dst, x, panels []float32) {
	for at := 0; at < len(dst); at += PanelWidth {
		for j := 0; j < PanelWidth; j += 8 {
			var s0, s1, s2, s3, s4, s5, s6, s7 float32
			for p, v := range x {
				y := (*[8]float32)(panels[at*len(x)+p*PanelWidth+j:])
				s0 += float32(v * y[0])
				s1 += float32(v * y[1])
				s2 += float32(v * y[2])
				s3 += float32(v * y[3])
				s4 += float32(v * y[4])
				s5 += float32(v * y[5])
				s6 += float32(v * y[6])
				s7 += float32(v * y[7])
			}
			*(*[8]float32)(dst[at+j:]) = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		}
	}
}

// panel16Portable is panelPortable after decode16.
func panel16Portable(dst, x []float32, panels []uint16) {
	var wide [PanelWidth]float32
	for len(dst) > 0 {
		row := dst[:PanelWidth]
		clear(row)
		for _, v := range x {
			decode16Portable(wide[:], panels[:PanelWidth])
			axpyPortable(v, wide[:], row)
			panels = panels[PanelWidth:]
		}
		dst = dst[PanelWidth:]
	}
}

// panel8Portable adds integers, whose order is of no account; the assembly gives the same bits.
func panel8Portable(dst []float32, q *Query8, panels []uint8, scales []float32) {
	for at := 0; at < len(dst); at += PanelWidth {
		var sums [PanelWidth]int32
		for p := 0; p < len(q.wide); p += 4 {
			x0, x1, x2, x3 := int32(q.wide[p]), int32(q.wide[p+1]), int32(q.wide[p+2]), int32(q.wide[p+3])
			items := panels[at*len(q.wide)+p*PanelWidth:][:4*PanelWidth]
			for i := range sums {
				y := (*[4]uint8)(items[4*i:])
				sums[i] += x0*int32(y[0]) + x1*int32(y[1]) + x2*int32(y[2]) + x3*int32(y[3])
			}
		}
		for i, sum := range sums {
			dst[at+i] = float32(sum-q.offset) * float32(q.scale*scales[at+i])
		}
	}
}

func decode16Portable(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, h := range src {
		dst[i] = FromFloat16(h)
	}
}

func abovePortable(mask []uint64, scores []float32, threshold float32) {
	for w := range mask {
		var bits uint64
		for i, s := range scores[w*64:][:64] {
			if s > threshold {
				bits |= 1 << i
			}
		}
		mask[w] = bits
	}
}
