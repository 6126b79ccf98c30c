package ml

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Action is what a listener did with a track.
type Action string

// The actions.
const (
	Play     Action = "play"
	Complete Action = "complete"
	Skip     Action = "skip"
	Like     Action = "like"
	Dislike  Action = "dislike"
	Save     Action = "save"
	Rate     Action = "rate"
)

// Interaction is one event: a listener did something with a track.
type Interaction struct {
	EventID         uuid.UUID `json:"eventId"` // the caller's; a repeated event must be the same event
	TrackID         string    `json:"trackId"` // 1–200 characters
	TuneVectorID    uuid.UUID `json:"tuneVectorId,omitzero"`
	Action          Action    `json:"action"`
	PositionSeconds *float64  `json:"positionSeconds,omitempty"` // how far into the track, 0–86,400
	Rating          *int      `json:"rating,omitempty"`          // 1–5; required for rate, else absent
	At              time.Time `json:"at"`                        // at most 5 minutes in the future and 90 days old
}

// strengths is the one table that says how much an action tells of a liking, from −1 (disliked) to 1 (liked). Learned
// preferences, popularity and the training of models all go by it, through [Interaction.Strength].
// What was said outright weighs most; hearing a track to its end says something; that it was begun says little, since a
// plan may have chosen it. The steps are a choice, not a measurement.
var strengths = map[Action]func(Interaction) float64{
	Play:     always(0.1),
	Complete: always(0.4),
	Like:     always(0.8),
	Save:     always(1),
	Dislike:  always(-1),
	Rate:     rated,
	Skip:     skipped,
}

const (
	skipAtOnce   = -0.6 // a skip in the first second
	skipHalfLife = 30.0 // seconds of listening that halve it; 30 s is also what streaming services count as a play
	skipSomehow  = -0.3 // a skip of which nobody says when
)

func always(strength float64) func(Interaction) float64 {
	return func(Interaction) float64 { return strength }
}

// rated is (r−3)/2: a 3 says nothing.
func rated(i Interaction) float64 {
	if i.Rating == nil {
		return 0
	}
	return float64(*i.Rating-3) / 2
}

// skipped weighs a skip the less, the longer the track was listened to: −0.6 · 2^(−seconds/30).
func skipped(i Interaction) float64 {
	if i.PositionSeconds == nil {
		return skipSomehow
	}
	return skipAtOnce * math.Exp2(-*i.PositionSeconds/skipHalfLife)
}

// Strength is how much the interaction says for (up to 1) or against (down to −1) the track; 0 says nothing.
//
//	play      0.1
//	complete  0.4
//	like      0.8
//	save      1
//	dislike  −1
//	rate      (rating − 3) / 2
//	skip     −0.6 · 2^(−positionSeconds / 30), or −0.3 where no position is known
func (i Interaction) Strength() float64 {
	if f, ok := strengths[i.Action]; ok {
		return f(i)
	}
	return 0
}

// The limits of an interaction.
const (
	maxTrackID  = 200             // characters
	maxPosition = 24 * 60 * 60    // seconds
	maxAhead    = 5 * time.Minute // clocks differ
	minRating   = 1
	maxRating   = 5
)

const actionsExpected = "Action must be one of play, complete, skip, like, dislike, save, rate"

// Check says what is wrong with interactions, field by field ("events[3].rating"), or returns nil.
func (s *Service) Check(events []Interaction) error {
	var f fault.Fields
	switch n := len(events); {
	case n == 0:
		f.Add("events", "At least one event is required")
	case n > MaxBatch:
		f.Add("events", "At most %d events can be recorded at once", MaxBatch)
	default:
		now := s.now()
		for i := range events {
			events[i].check(&f, fmt.Sprintf("events[%d].", i), now)
		}
	}
	return f.Err()
}

func (i *Interaction) check(f *fault.Fields, path string, now time.Time) {
	if i.EventID == uuid.Nil {
		f.Add(path+"eventId", "Event ID is required")
	}
	switch n := utf8.RuneCountInString(i.TrackID); {
	case n == 0:
		f.Add(path+"trackId", "Track ID is required")
	case n > maxTrackID:
		f.Add(path+"trackId", "Track ID must be at most %d characters long", maxTrackID)
	case !utf8.ValidString(i.TrackID):
		f.Add(path+"trackId", "Track ID must be valid UTF-8")
	}
	if _, known := strengths[i.Action]; i.Action == "" {
		f.Add(path+"action", "Action is required")
	} else if !known {
		f.Add(path+"action", actionsExpected)
	}
	// Written so that NaN is refused too.
	if p := i.PositionSeconds; p != nil && !(*p >= 0 && *p <= maxPosition) {
		f.Add(path+"positionSeconds", "Position must be between 0 and %d seconds", maxPosition)
	}
	i.checkRating(f, path)
	switch {
	case i.At.IsZero():
		f.Add(path+"at", "Time is required")
	case i.At.After(now.Add(maxAhead)):
		f.Add(path+"at", "Time must not be more than 5 minutes in the future")
	case i.At.Before(now.Add(-Retention)):
		f.Add(path+"at", "Time must not be more than 90 days ago")
	}
}

func (i *Interaction) checkRating(f *fault.Fields, path string) {
	switch {
	case i.Action == Rate && i.Rating == nil:
		f.Add(path+"rating", "Rating is required to rate")
	case i.Action != Rate && i.Rating != nil:
		f.Add(path+"rating", "Rating is only for the action rate")
	case i.Rating != nil && (*i.Rating < minRating || *i.Rating > maxRating):
		f.Add(path+"rating", "Rating must be between %d and %d", minRating, maxRating)
	}
}

// same reports whether two events are one.
func (i *Interaction) same(o *Interaction) bool {
	return i.EventID == o.EventID && i.At.Equal(o.At) && i.TrackID == o.TrackID && i.TuneVectorID == o.TuneVectorID &&
		i.Action == o.Action && equal(i.PositionSeconds, o.PositionSeconds) && equal(i.Rating, o.Rating)
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
