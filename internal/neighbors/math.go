package neighbors

import "math"

var nan = math.NaN()

func log1p(x float32) float32 { return float32(math.Log1p(float64(x))) }
