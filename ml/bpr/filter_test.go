package bpr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
)

// The filter has all cells that there are, and few others.
func TestFilter(t *testing.T) {
	t.Parallel()
	var cells []ml.Cell
	for i := range int32(20000) {
		cells = append(cells, ml.Cell{Row: i % 500, Col: i * 7 % 3000, Weight: 1})
	}
	m, err := ml.NewMatrix(500, 3000, cells)
	require.NoError(t, err)
	f := newFilter(m)
	wrong, none := 0, 0
	for u := range 500 {
		cols, _ := m.Row(u)
		for c := range int32(3000) {
			if has(cols, c) {
				require.True(t, f.has(int32(u), c))
				continue
			}
			none++
			if f.has(int32(u), c) {
				wrong++
			}
		}
	}
	require.Less(t, float64(wrong), 1.5*float64(none)/spare)
	require.False(t, newFilter(&ml.Matrix{Columns: 3, Starts: []int{0, 0}}).has(0, 1))
}
