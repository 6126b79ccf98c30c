package vector

import "math"

// MaxFloat16 is the largest finite half-precision float.
const MaxFloat16 = 65504

// ToFloat16 returns f in IEEE 754 half precision (binary16): rounded to the nearest, ties to even, what is too large
// to infinity; a NaN stays one, quiet.
func ToFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7FFFFFFF
	switch {
	case b > 0x7F800000: // NaN
		return sign | 0x7E00 | uint16(b>>13&0x1FF)
	case b >= 0x477FF000: // rounds to 65536 or more
		return sign | 0x7C00
	case b < 0x38800000: // below 2⁻¹⁴, where halves are multiples of 2⁻²⁴: adding 0.5, whose last bit is 2⁻²⁴, rounds to one
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3F000000)
	}
	odd := b >> 13 & 1
	return sign | uint16((b-0x38000000+0x0FFF+odd)>>13) // 0x38000000: the exponents' biases, 127 and 15, differ by 112
}

// FromFloat16 returns the value of a half-precision float, exactly.
func FromFloat16(h uint16) float32 {
	const infinity = 0x7F800000
	sign, bits := uint32(h&0x8000)<<16, uint32(h&0x7FFF)<<13
	if bits >= 0x7C00<<13 { // an infinity, or a NaN, which is made quiet
		if bits > 0x7C00<<13 {
			bits |= 0x00400000
		}
		return math.Float32frombits(sign | infinity | bits)
	}
	f := math.Float32frombits(bits) * 0x1p112 // the exponents' biases, 127 and 15, differ by 112; so it is below 2⁻¹⁴ too
	return math.Float32frombits(sign | math.Float32bits(f))
}

// Encode16 sets dst to src in half precision; dst is at least as long as src.
func Encode16(dst []uint16, src []float32) {
	if len(src) > 0 {
		_ = dst[len(src)-1]
	}
	for i, f := range src {
		dst[i] = ToFloat16(f) //nolint:gosec // G602: the length was looked at above
	}
}

// Decode16 sets dst to src in single precision, exactly; dst is at least as long as src.
func Decode16(dst []float32, src []uint16) {
	if len(src) > 0 {
		_ = dst[len(src)-1]
		decode16(dst[:len(src)], src)
	}
}
