package variable

import (
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// What is told of wrong fields.
const (
	typeImmutable = "Type cannot be changed; delete the variable and create a new one"
	zoneFormat    = "Time zone must be the name of an IANA time zone, such as Europe/Berlin"
	zoneForeign   = "Only a variable of type time-of-day has a time zone"
	tooMany       = "At most %d readings can be sent at once"
)

// Limits of recording.
const (
	MaxBatch = 500             // readings a Record
	MaxAhead = 5 * time.Minute // how far in the future a reading may be, since clocks differ
)

func checkType(f *fault.Fields, t Type) {
	if t == "" {
		f.Add("type", "Type is required")
		return
	}
	if _, ok := SpecOf(t); !ok {
		names := make([]string, len(specs))
		for i, s := range specs {
			names[i] = string(s.Type)
		}
		f.Add("type", "Type must be one of %s", strings.Join(names, ", "))
	}
}

func checkRetention(f *fault.Fields, days *int) {
	if days != nil && (*days < MinRetention || *days > MaxRetention) {
		f.Add("retentionDays", "Retention must be between %d and %d days", MinRetention, MaxRetention)
	}
}

// checkZone notes what is wrong with the time zone of a variable of type t, "" where the type is not known.
func checkZone(f *fault.Fields, t Type, zone string) {
	spec, known := SpecOf(t)
	switch {
	case known && !spec.TimeZone:
		if zone != "" {
			f.Add("timeZone", zoneForeign)
		}
	case known && zone == "":
		f.Add("timeZone", "Time zone is required")
	case zone != "" && !validZone(zone):
		f.Add("timeZone", zoneFormat)
	}
}

const maxZone = 64 // characters; the longest name has 32

// validZone reports whether a zone has a name that means the same on every machine. Names of the IANA database begin with
// a capital; beside them, in the folder that they are read from, stand files such as "localtime", "posixrules" and "right/UTC".
func validZone(zone string) bool {
	if zone == "" || zone[0] < 'A' || zone[0] > 'Z' || zone == "Local" || zone == "Factory" || len(zone) > maxZone {
		return false
	}
	_, err := time.LoadLocation(zone)
	return err == nil
}

// checkReadings says all that is wrong with readings for v at the time now.
func checkReadings(v Variable, readings []Reading, now time.Time) error {
	var f fault.Fields
	spec, _ := SpecOf(v.Type)
	switch {
	case spec.Form == Silent:
		f.Add("readings", "A variable of type %s takes no readings", v.Type)
		return f.Err()
	case len(readings) == 0:
		f.Add("readings", "At least one reading is required")
	case len(readings) > MaxBatch:
		f.Add("readings", tooMany, MaxBatch)
		return f.Err()
	}
	for i, r := range readings {
		checkReading(&f, pathOf(i), spec, r)
		switch at := toStored(r.At); {
		case r.At.IsZero():
		case at.After(now.Add(MaxAhead)):
			f.Add(pathOf(i)+"at", "At must not be more than five minutes in the future")
		case at.Before(now.Add(-v.retention())):
			f.Add(pathOf(i)+"at", "At must not be before the retention of %d days", v.RetentionDays)
		}
	}
	return f.Err()
}

func checkReading(f *fault.Fields, path string, spec Spec, r Reading) {
	if spec.Form == Place {
		checkPlace(f, path+"value", r)
	} else {
		checkNumber(f, path+"value", spec, r)
	}
	switch {
	case r.Cadence == nil:
	case !spec.Cadence:
		f.Add(path+"cadence", "A variable of type %s has no cadence", spec.Type)
	case !(*r.Cadence >= 0 && *r.Cadence <= MaxCadence): // also NaN
		f.Add(path+"cadence", "Cadence must be between 0 and %d steps per minute", MaxCadence)
	}
	switch {
	case spec.TuneVector && r.TuneVectorID == uuid.Nil:
		f.Add(path+"tuneVectorId", "Tune vector id is required")
	case !spec.TuneVector && r.TuneVectorID != uuid.Nil:
		f.Add(path+"tuneVectorId", "A variable of type %s has no tune vector", spec.Type)
	}
}

func checkNumber(f *fault.Fields, field string, spec Spec, r Reading) {
	switch {
	case r.Place != nil:
		f.Add(field, "Value must be a number")
	case !(r.Value >= spec.Min && r.Value <= spec.Max): // also NaN
		f.Add(field, "Value must be between %v and %v %s", spec.Min, spec.Max, spec.Unit)
	}
}

func checkPlace(f *fault.Fields, field string, r Reading) {
	if r.Place == nil || r.Value != 0 {
		f.Add(field, "Value must be latitude and longitude")
		return
	}
	if !(math.Abs(r.Place.Latitude) <= 90) {
		f.Add(field+".latitude", "Latitude must be between -90 and 90")
	}
	if !(math.Abs(r.Place.Longitude) <= 180) {
		f.Add(field+".longitude", "Longitude must be between -180 and 180")
	}
}
