package vector

// level is which kernels run. Levels are ordered: a processor that has one has those below it.
type level uint8

const (
	portable level = iota // Go alone
	avx2                  // AVX2, FMA and F16C
	avx512                // AVX-512 F, BW, DQ, VL and VNNI
)

// best is what this processor has.
var best = detect()

// use is the level in use. Only tests set it to less than best, one after the other.
var use = best

// Level names the kernels in use: "portable", "avx2" or "avx512". Figures of speed mean little without it.
func Level() string { return [...]string{"portable", "avx2", "avx512"}[use] }
