package variable

import "slices"

// Type is a kind of surrounding that can be measured.
type Type string

// The types; units and ranges of their readings stand in the table behind [Types].
const (
	AmbientNoise         Type = "ambient-noise"          // dB(A), 0–140
	TimeOfDay            Type = "time-of-day"            // an IANA zone on the variable; no readings
	OutsideTemperature   Type = "outside-temperature"    // °C, −90–60
	Location             Type = "location"               // latitude and longitude, kept as a cell of about 1 km
	VectorRating         Type = "vector-rating"          // 1–5
	HeartRateVariability Type = "heart-rate-variability" // RMSSD in ms, 1–300
	Accelerometer        Type = "accelerometer"          // m/s² without gravity, 0–50, optionally cadence
)

// Form is what the value of a reading looks like.
type Form uint8

// The forms.
const (
	Number Form = iota // Reading.Value, in the type's unit and range
	Place              // Reading.Place
	Silent             // the type has no readings
)

// Spec says what the readings of a type are. A new type is a constant above and a row in the table below: checks,
// storage, snapshots and the API follow from it.
type Spec struct {
	Type       Type
	Doc        string // what is measured
	Form       Form
	Unit       string  // of a Number
	Min, Max   float64 // of a Number, both included
	Cadence    bool    // may carry Reading.Cadence
	TuneVector bool    // must carry Reading.TuneVectorID
	TimeZone   bool    // the variable itself must carry an IANA time zone
}

// MaxCadence bounds Reading.Cadence, in steps per minute.
const MaxCadence = 300

var specs = []Spec{
	{Type: AmbientNoise, Doc: "sound pressure level around the listener, A-weighted", Unit: "dB(A)", Min: 0, Max: 140},
	{Type: TimeOfDay, Doc: "the listener's hour, by the time zone of the variable", Form: Silent, TimeZone: true},
	{Type: OutsideTemperature, Doc: "air temperature outside", Unit: "°C", Min: -90, Max: 60},
	{Type: Location, Doc: "where the listener is, as a cell of about 1 km", Form: Place},
	{Type: VectorRating, Doc: "how the listener rated a tune vector", Unit: "points", Min: 1, Max: 5, TuneVector: true},
	{Type: HeartRateVariability, Doc: "root mean square of successive differences of heartbeat intervals (RMSSD)", Unit: "ms", Min: 1, Max: 300},
	{Type: Accelerometer, Doc: "mean magnitude of acceleration without gravity", Unit: "m/s²", Min: 0, Max: 50, Cadence: true},
}

// Types returns the table of all types.
func Types() []Spec { return slices.Clone(specs) }

// SpecOf returns the row of a type.
func SpecOf(t Type) (Spec, bool) {
	i := slices.IndexFunc(specs, func(s Spec) bool { return s.Type == t })
	if i < 0 {
		return Spec{}, false
	}
	return specs[i], true
}
