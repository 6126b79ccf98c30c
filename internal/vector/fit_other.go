//go:build !amd64 || purego

package vector

func pull(dst, p, rows []float32, cols []int32, weights []float32, shift float32, _ bool) {
	pullPortable(dst, p, rows, cols, weights, shift)
}

func combine(dst, weights, rows []float32) { combinePortable(dst, weights, rows) }

func dotBetween(x, y, z []float32) float32 { return dotBetweenPortable(x, y, z) }

func pullApart(x, y, z []float32, keep, pull float32) { pullApartPortable(x, y, z, keep, pull) }

func fetch([]float32, int, []int32) {}
