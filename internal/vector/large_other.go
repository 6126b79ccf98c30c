//go:build !linux

package vector

// Large returns n zeros.
func Large[T uint8 | uint16 | float32](n int) []T { return make([]T, n) }
