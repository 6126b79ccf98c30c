package variable_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

// kilometers is the great-circle distance (haversine) on a sphere of the Earth's mean radius.
func kilometers(a, b variable.Coordinates) float64 {
	const radius, rad = 6371.0, math.Pi / 180
	sin := func(d float64) float64 { return math.Sin(d * rad / 2) }
	h := sin(b.Latitude-a.Latitude)*sin(b.Latitude-a.Latitude) +
		math.Cos(a.Latitude*rad)*math.Cos(b.Latitude*rad)*sin(b.Longitude-a.Longitude)*sin(b.Longitude-a.Longitude)
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

func checkCell(t require.TestingT, c variable.Coordinates) {
	center := c.Coarsen()
	require.LessOrEqual(t, kilometers(c, center), 0.75, "%v in the cell of %v", c, center)
	require.Equal(t, center, center.Coarsen(), "a center is its own center")
	require.LessOrEqual(t, math.Abs(center.Latitude), 90.0)
	require.LessOrEqual(t, math.Abs(center.Longitude), 180.0)
}

func TestCells(t *testing.T) {
	for _, latitude := range []float64{-90, -89.9999, -89.99, -60, -0.0001, 0, 1e-9, 0.0045, 52.52, 89.98, 89.995, 90, math.Nextafter(90, 0)} {
		for _, longitude := range []float64{-180, -179.9999, -90, 0, 1e-9, 13.405, 179.9999, math.Nextafter(180, 0), 180} {
			checkCell(t, variable.Coordinates{Latitude: latitude, Longitude: longitude})
		}
	}
	west, east := variable.Coordinates{Latitude: 10, Longitude: -180}, variable.Coordinates{Latitude: 10, Longitude: 180}
	require.Equal(t, west.Coarsen(), east.Coarsen(), "one meridian")
	rapid.Check(t, func(t *rapid.T) {
		checkCell(t, variable.Coordinates{Latitude: rapid.Float64Range(-90, 90).Draw(t, "latitude"), Longitude: rapid.Float64Range(-180, 180).Draw(t, "longitude")})
	})
}

// Many places share a cell, everywhere: a square of 5 km × 5 km has about 25 cells, and cut edges.
func TestCellsAreShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		middle := variable.Coordinates{Latitude: rapid.Float64Range(-85, 85).Draw(t, "latitude"), Longitude: rapid.Float64Range(-179, 179).Draw(t, "longitude")}
		cells := map[variable.Coordinates]int{}
		const steps = 50
		for i := range steps {
			for j := range steps {
				north, east := float64(i)/steps*5-2.5, float64(j)/steps*5-2.5 // km
				cells[variable.Coordinates{
					Latitude:  middle.Latitude + north/111,
					Longitude: middle.Longitude + east/111/math.Cos(middle.Latitude*math.Pi/180),
				}.Coarsen()]++
			}
		}
		require.LessOrEqual(t, len(cells), 50)
		require.GreaterOrEqual(t, len(cells), 20)
	})
}

func TestPlacesAreCoarseInTheStore(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Location)
	home := variable.Coordinates{Latitude: 52.5234567, Longitude: 13.4123456}
	sent := home
	h.record(t, v, variable.Reading{Place: &sent})
	near := variable.Coordinates{Latitude: 52.5234999, Longitude: 13.4123999}
	require.Equal(t, home.Coarsen(), near.Coarsen())
	h.record(t, v, variable.Reading{Place: &near})
	require.Equal(t, home, sent, "what the caller holds stays theirs")
	require.Len(t, h.readings(t, v), 1, "the key, too, is made of the cell only")
	require.Equal(t, home.Coarsen(), *h.readings(t, v)[0].Place)
	for item, err := range store.All(t.Context(), h.store, store.Query{Table: store.Interactions, Partition: v.Consent, Read: store.Strong}) {
		require.NoError(t, err)
		for _, precise := range []string{"52.5234", "13.4123"} {
			require.NotContains(t, string(item.Body), precise)
		}
	}
	for _, c := range h.told[1:] {
		require.Equal(t, home.Coarsen(), *c.Readings[0].Place)
	}
}
