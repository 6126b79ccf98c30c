package variable

import "math"

// Coordinates are degrees: latitude −90…90, longitude −180…180.
type Coordinates struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

// The grid that places are coarsened to. Latitude is cut into bands of 1/111 degree, which is 1.0 km. A band is cut into as many cells of the same
// width as make them at most that wide in the middle of the band: 39,960 at the equator, 4 around a pole. A cell is hence about 1 km × 1 km
// and no point is further than 0.75 km from its center. Centers are rounded to 5 decimals, which is 1 m.
const (
	bandsPerDegree = 111
	bands          = 180 * bandsPerDegree
	centerDecimals = 1e5
)

// Coarsen returns the center of the cell that c is in; it is what is kept of a location. A center is its own center.
func (c Coordinates) Coarsen() Coordinates {
	band := clampInt(math.Floor((c.Latitude+90)*bandsPerDegree), bands-1) // the pole itself is in the last band
	latitude := (band+0.5)/bandsPerDegree - 90
	cells := math.Ceil(360 * bandsPerDegree * math.Cos(latitude*math.Pi/180))
	cell := math.Mod(math.Floor((c.Longitude+180)/360*cells), cells) // 180° is −180°
	longitude := (cell+0.5)*360/cells - 180
	return Coordinates{Latitude: roundCenter(latitude), Longitude: roundCenter(longitude)}
}

func clampInt(x, most float64) float64 { return max(0, min(x, most)) }

func roundCenter(degrees float64) float64 { return math.Round(degrees*centerDecimals) / centerDecimals }
