package tunevector

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// vectorJSON is a TuneVector as the API shows it: the definition with the defaults in it, start and end in force.
type vectorJSON struct {
	ID              uuid.UUID `json:"tuneVectorId"`
	Name            string    `json:"name"`
	Kind            Kind      `json:"kind"`
	Mode            Mode      `json:"mode"`
	DurationMinutes int       `json:"durationMinutes"`
	Direction       Direction `json:"direction"`
	Start           Features  `json:"start"`
	End             Features  `json:"end"`
	Curve           Curve     `json:"curve"`
	Points          []Point   `json:"points,omitempty"`
	Stages          []Stage   `json:"stages,omitempty"`
	Order           Order     `json:"order"`
	Seed            int64     `json:"seed"`
	ExcludeExplicit bool      `json:"excludeExplicit"`
	Pinned          []Pin     `json:"pinned,omitempty"`
	Excluded        []string  `json:"excluded,omitempty"`
	Plan            *Plan     `json:"plan,omitempty"`
	CreatedAt       time.Time `json:"createdAt"`
	UpdatedAt       time.Time `json:"updatedAt"`
}

// MarshalJSON writes the vector as the API shows it: what was left open in the definition is filled in.
func (t TuneVector) MarshalJSON() ([]byte, error) {
	d := t.Definition.Filled()
	return json.Marshal(vectorJSON{
		ID: t.ID, Name: d.Name, Kind: d.Kind, Mode: d.Mode, DurationMinutes: d.DurationMinutes, Direction: d.Direction,
		Start: t.Start, End: t.End, Curve: d.Curve, Points: d.Points, Stages: d.Stages, Order: d.Order, Seed: t.Seed,
		ExcludeExplicit: d.ExcludeExplicit, Pinned: d.Pinned, Excluded: d.Excluded, Plan: t.Plan, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote. What was given and what was filled in can no longer be told
// apart: the Definition is then one that gives everything, start, end and seed included.
func (t *TuneVector) UnmarshalJSON(b []byte) error {
	var j vectorJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*t = TuneVector{
		ID: j.ID,
		Definition: Definition{
			Name: j.Name, Kind: j.Kind, Mode: j.Mode, DurationMinutes: j.DurationMinutes, Direction: j.Direction,
			Start: aimAt(j.Start), End: aimAt(j.End), Curve: j.Curve, Points: j.Points, Stages: j.Stages, Order: j.Order, Seed: &j.Seed,
			ExcludeExplicit: j.ExcludeExplicit, Pinned: j.Pinned, Excluded: j.Excluded,
		},
		Start: j.Start, End: j.End, Seed: j.Seed, Plan: j.Plan, CreatedAt: j.CreatedAt, UpdatedAt: j.UpdatedAt,
	}
	return nil
}
