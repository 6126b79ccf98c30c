package variable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/strict"
)

// Reading is one measurement. Its JSON is that of the API: `value` is a number, or coordinates for a location.
type Reading struct {
	Value float64 // all types but location
	// Place is the location, and after storage the center of its cell; nil for other types.
	Place        *Coordinates
	At           time.Time // zero on recording: now; kept in milliseconds
	Cadence      *float64  // accelerometer: steps per minute, 0–300
	TuneVectorID uuid.UUID // vector-rating
}

type readingJSON struct {
	Value        any        `json:"value"`
	Cadence      *float64   `json:"cadence,omitempty"`
	TuneVectorID *uuid.UUID `json:"tuneVectorId,omitempty"`
	At           *time.Time `json:"at,omitempty"`
}

// MarshalJSON writes a reading as the API has it.
func (r Reading) MarshalJSON() ([]byte, error) {
	j := readingJSON{Value: r.Value, Cadence: r.Cadence}
	if r.Place != nil {
		j.Value = r.Place
	}
	if r.TuneVectorID != uuid.Nil {
		j.TuneVectorID = &r.TuneVectorID
	}
	if !r.At.IsZero() {
		j.At = &r.At
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads a reading strictly: `value` is required, nothing is null, and no field is unknown. Its error names every wrong field.
func (r *Reading) UnmarshalJSON(b []byte) error {
	var f fault.Fields
	read := parseReading(&f, "", b)
	if err := f.Err(); err != nil {
		return err
	}
	*r = read
	return nil
}

// ParseReadings reads what is posted to a variable's readings: one reading, `{"value": …, "at": …}`, or `{"readings": […]}`.
// single says that it was one by itself, so that its fields are named without "readings[0].". The error names every wrong field.
func ParseReadings(body []byte) (readings []Reading, single bool, err error) {
	var f fault.Fields
	readings, single = parseReadings(&f, body)
	if err := f.Err(); err != nil {
		return nil, single, err
	}
	return readings, single, nil
}

// parseReadings returns what of body could be read; what is wrong is noted. There are none where no reading could be looked at.
func parseReadings(f *fault.Fields, body []byte) (readings []Reading, single bool) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		f.Add("body", "Body must be a JSON object")
		return nil, false
	}
	batch, plural := object["readings"]
	if !plural {
		return []Reading{parseReading(f, "", body)}, true
	}
	for key := range object {
		if key != "readings" {
			unknown(f, key)
		}
	}
	var raw []json.RawMessage
	switch {
	case json.Unmarshal(batch, &raw) != nil || raw == nil:
		f.Add("readings", "Readings must be a list")
	case len(raw) > MaxBatch:
		f.Add("readings", tooMany, MaxBatch)
		return nil, false
	}
	for i, r := range raw {
		readings = append(readings, parseReading(f, pathOf(i), r))
	}
	return readings, false
}

// pathOf is what the fields of a batch's i-th reading begin with.
func pathOf(i int) string { return fmt.Sprintf("readings[%d].", i) }

func parseReading(f *fault.Fields, path string, raw json.RawMessage) (r Reading) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object == nil {
		name := strings.TrimSuffix(path, ".")
		if name == "" {
			name = "body"
		}
		f.Add(name, "A reading must be an object")
		return r
	}
	if _, ok := object["value"]; !ok {
		f.Add(path+"value", "Value is required")
	}
	for key, value := range object {
		field := path + key
		switch key {
		case "value":
			parseValue(f, field, value, &r)
		case "at":
			var text string
			ok := parse(value, &text)
			if ok {
				r.At, ok = strict.Time(text)
			}
			if !ok || r.At.IsZero() { // which would mean now
				f.Add(field, "At must be a time as in RFC 3339")
			}
		case "cadence":
			r.Cadence = new(float64)
			if !parse(value, r.Cadence) {
				f.Add(field, "Cadence must be a number")
			}
		case "tuneVectorId":
			var text string
			ok := parse(value, &text)
			if ok {
				r.TuneVectorID, ok = strict.UUID(text)
			}
			if !ok || r.TuneVectorID == uuid.Nil {
				f.Add(field, "Tune vector id must be a UUID")
			}
		default:
			unknown(f, field)
		}
	}
	return r
}

func parseValue(f *fault.Fields, field string, raw json.RawMessage, r *Reading) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		parsePlace(f, field, raw, r)
		return
	}
	if !parse(raw, &r.Value) {
		f.Add(field, "Value must be a number, or latitude and longitude")
	}
}

func parsePlace(f *fault.Fields, field string, raw json.RawMessage, r *Reading) {
	var object map[string]json.RawMessage
	_ = json.Unmarshal(raw, &object) // valid JSON by now, and an object
	r.Place = &Coordinates{}
	for _, c := range [...]struct {
		key  string
		into *float64
		name string
	}{{"latitude", &r.Place.Latitude, "Latitude"}, {"longitude", &r.Place.Longitude, "Longitude"}} {
		value, ok := object[c.key]
		switch {
		case !ok:
			f.Add(field+"."+c.key, "%s is required", c.name)
		case !parse(value, c.into):
			f.Add(field+"."+c.key, "%s must be a number", c.name)
		}
		delete(object, c.key)
	}
	for key := range object {
		unknown(f, field+"."+key)
	}
}

// maxWrong bounds how many unknown fields are named, lest a small request make a large answer.
const maxWrong = 1000

func unknown(f *fault.Fields, field string) {
	if len(*f) < maxWrong {
		f.Add(field, "Unknown field")
	}
}

// parse reads raw into v, and takes no null for what may not be null.
func parse(raw json.RawMessage, v any) bool {
	return string(bytes.TrimSpace(raw)) != "null" && json.Unmarshal(raw, v) == nil
}

// singly renames the fields of an error about a batch of one as its sender knows them.
func singly(err error) error {
	e, ok := fault.As(err)
	if !ok || e.Fields == nil {
		return err
	}
	renamed := make(fault.Fields, len(e.Fields))
	for field, what := range e.Fields {
		if field == "readings" {
			field = "value"
		}
		renamed[strings.TrimPrefix(field, pathOf(0))] = what
	}
	return &fault.Error{Kind: e.Kind, Message: e.Message, Fields: renamed, Cause: e.Cause}
}
