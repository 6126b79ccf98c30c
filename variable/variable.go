// Package variable keeps what surrounds a listener: noise, hour, weather, place, heart
// rate variability, movement, and how they rated what they heard. Each variable counts
// only while the listener has opted into it; opting out deletes what was collected. What
// the readings mean for music is decided elsewhere.
//
//	s, err := variable.NewService(st, variable.Options{})
//	v, err := s.Create(ctx, profileID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
//	err = s.Record(ctx, profileID, v.ID, []variable.Reading{{Value: 62}})
//	now, err := s.Snapshot(ctx, profileID)
//
// # Consent
//
// Opting in makes a random consent, which is the partition of the variable's readings. Opting out takes the consent away in one write,
// together with a job to wipe its readings. From then on nobody finds them, nor any that are being written at that moment. Then it
// wipes them. [Service.Record] looks at the consent again after it has written and takes back what came too late. What a killed process
// leaves behind in between is out of reach of everybody, and gone when its retention ends.
//
// # Time zones
//
// Names of zones are checked, and loaded, by [time.LoadLocation], which needs the IANA database. A host that runs where there
// is none imports [time/tzdata] in its main package.
package variable

import (
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Variable is one surrounding of one listener's.
type Variable struct {
	ID            uuid.UUID     `json:"variableId"`
	Type          Type          `json:"type"`
	OptedIn       bool          `json:"optedIn"`
	RetentionDays int           `json:"retentionDays"`      // 1–365
	TimeZone      string        `json:"timeZone,omitempty"` // time-of-day only
	CreatedAt     time.Time     `json:"createdAt"`
	UpdatedAt     time.Time     `json:"updatedAt"`
	Version       store.Version `json:"-"`
	// Consent is made anew by each opting in and is the partition of the readings; zero while not opted in.
	Consent uuid.UUID `json:"-"`
}

// Retention in days.
const (
	MinRetention     = 1
	MaxRetention     = 365
	DefaultRetention = 90
)

// Addition is a new variable.
type Addition struct {
	Type          Type   `json:"type"`
	OptedIn       bool   `json:"optedIn"`
	RetentionDays *int   `json:"retentionDays"` // nil: 90
	TimeZone      string `json:"timeZone"`      // required for time-of-day, else absent
}

// Changes are new values; nil leaves a field as it is.
type Changes struct {
	Type    *Type `json:"type"` // immutable: a different one is an error that says to delete and create anew
	OptedIn *bool `json:"optedIn"`
	// RetentionDays counts at once for what is read, also for readings taken before. A stored reading is deleted when the retention ends that
	// it was recorded under; a longer one does not prolong its life, a shorter one hides it until then.
	RetentionDays *int    `json:"retentionDays"`
	TimeZone      *string `json:"timeZone"`
}

// record is a variable as stored.
type record struct {
	ID            uuid.UUID `json:"id"`
	Type          Type      `json:"type"`
	Consent       uuid.UUID `json:"consent,omitzero"`
	RetentionDays int       `json:"retentionDays"`
	TimeZone      string    `json:"timeZone,omitempty"`
	CreatedAt     time.Time `json:"createdAt"`
	UpdatedAt     time.Time `json:"updatedAt"`
}

func (r record) variable(v store.Version) Variable {
	return Variable{
		ID: r.ID, Type: r.Type, OptedIn: r.Consent != uuid.Nil, RetentionDays: r.RetentionDays, TimeZone: r.TimeZone,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: v, Consent: r.Consent,
	}
}

// retention is how long readings count.
func (v Variable) retention() time.Duration { return time.Duration(v.RetentionDays) * 24 * time.Hour }
