// Package tunevector is the heart of RhythmIQ: timed sequences of music that move a
// listener along a curve. It keeps the vectors, plans them (package planner finds the
// sequence), and bends them as the listener plays, skips and moves. Music comes in
// through [MusicProvider]. It claims no effect on mood or health: a vector is a curve of
// energy, valence, tempo, acousticness and instrumentalness, and the music that follows it.
//
// # What is filled in
//
// Start and end, where a definition leaves them open, come from the direction, from the middle of the music that the listener
// likes, and in guided mode from the genres of the stages; in ai mode a short table of simple rules on the variables
// opted into moves them (the hour, the noise, steps, heart rate variability, the weather; each reading only while it is fresh). The tables
// stand in aim.go and situation.go.
//
// # What is learned, and what bends
//
// [Service.Record] logs interactions, teaches the listener's taste by their strength ([ml.Interaction.Strength]; only through
// tracks whose provenance permits it), and adapts: a vector plays from the first interaction that names it until
// its duration has passed; play, complete and skip tell how far it was heard. What was heard stays for good. The rest of
// a playing ai vector is planned anew with each batch of interactions or readings: what was said of a track in this vector counts
// double its strength for tracks by the same artist, less for the same genre, and least for the same sound (session.go), and less of that, the more answers in
// known situations tell how the listener answers (own.go). What was
// planned stays unless a new plan costs less by 5 %, or by 0.5 % after a skip or a dislike.
//
// # Consent
//
// Whatever was planned from readings carries the consents it used. Once one of them has ended, the plan is never served again: whoever
// reads the vector next has it planned anew without.
package tunevector

import (
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// Mode says who leads.
type Mode string

// The modes.
const (
	Guided Mode = "guided" // the listener's stages of genre
	AI     Mode = "ai"     // preferences, learned taste, variables and what was heard
)

// Direction says where energy goes.
type Direction string

// The directions.
const (
	Ascent  Direction = "ascent"
	Descent Direction = "descent"
	Steady  Direction = "steady"
	Custom  Direction = "custom"
)

// Curve is how the way from start to end is shared over time.
type Curve = planner.Curve

// The curves.
const (
	Linear  = planner.CurveLinear
	EaseIn  = planner.CurveEaseIn
	EaseOut = planner.CurveEaseOut
	SCurve  = planner.CurveS
)

// Order is how the tracks of a plan are sorted.
type Order = planner.Order

// The orders.
const (
	ByArc            = planner.OrderArc
	EnergyAscending  = planner.OrderEnergyAscending
	EnergyDescending = planner.OrderEnergyDescending
	TempoAscending   = planner.OrderTempoAscending
	TempoDescending  = planner.OrderTempoDescending
	Shuffle          = planner.OrderShuffle
)

// Aim is a place in the five dimensions of which some may be left open (nil).
type Aim struct {
	Energy           *float64 `json:"energy,omitempty"`
	Valence          *float64 `json:"valence,omitempty"`
	Tempo            *float64 `json:"tempo,omitempty"` // 20–300
	Acousticness     *float64 `json:"acousticness,omitempty"`
	Instrumentalness *float64 `json:"instrumentalness,omitempty"`
}

// Point bends the curve: at a share of the duration (0–1) the arc passes through Aim.
type Point struct {
	At float64 `json:"at"`
	Aim
}

// Stage is a genre to pass through, and for how long.
type Stage struct {
	Genre   string `json:"genre"`
	Minutes int    `json:"minutes"`
}

// Pin puts a track at a position of the plan.
type Pin struct {
	Position int    `json:"position"`
	TrackID  string `json:"trackId"`
}

// Definition is what a caller says of a vector. Zero values are left to the service: kind playlist, direction
// steady, curve s-curve, order arc, a seed of its choice, start and end by direction and taste.
type Definition struct {
	Name            string    `json:"name"`
	Kind            Kind      `json:"kind,omitempty"`
	Mode            Mode      `json:"mode"`
	DurationMinutes int       `json:"durationMinutes,omitempty"` // ai: 1–1,440; guided: the stages' sum (0, or exactly that)
	Direction       Direction `json:"direction,omitempty"`
	Start           *Aim      `json:"start,omitempty"`
	End             *Aim      `json:"end,omitempty"`
	Curve           Curve     `json:"curve,omitempty"`
	Points          []Point   `json:"points,omitempty"` // at most 20, ascending in At
	Stages          []Stage   `json:"stages,omitempty"` // guided: 1–20
	Order           Order     `json:"order,omitempty"`
	Seed            *int64    `json:"seed,omitempty"` // 0…2^53−1, exact in every JSON reader
	ExcludeExplicit bool      `json:"excludeExplicit,omitempty"`
	Pinned          []Pin     `json:"pinned,omitempty"`   // at most 50
	Excluded        []string  `json:"excluded,omitempty"` // track ids that must not be in the plan; at most 500
}

// TuneVector is a vector as it stands: the definition with all that was left open filled in, and its plan.
type TuneVector struct {
	ID uuid.UUID `json:"tuneVectorId"`
	// Definition as given. The JSON of a TuneVector shows its fields with the defaults, and the start and end in force.
	Definition Definition    `json:"-"`
	Start      Features      `json:"-"`
	End        Features      `json:"-"`
	Seed       int64         `json:"-"` // as given, or chosen
	Plan       *Plan         `json:"-"` // nil in lists
	CreatedAt  time.Time     `json:"createdAt"`
	UpdatedAt  time.Time     `json:"updatedAt"`
	Version    store.Version `json:"-"`
}

// Plan is the music, in order.
type Plan struct {
	Tracks          []PlannedTrack `json:"tracks"`
	DurationSeconds float64        `json:"durationSeconds"`
	Cost            float64        `json:"cost"`       // see planner; where the arc is nobody's wish target and taste have other weights, see own.go
	LowerBound      *float64       `json:"lowerBound"` // nil where the order is not arc
	Gap             *float64       `json:"gap"`        // (cost − bound) / bound; nil likewise
	BoundOver       string         `json:"boundOver"`  // "all" or "shortlist": which tracks the bound speaks of
	Complete        bool           `json:"complete"`   // false: the time ran out, this is the best so far
	Baselines       Baselines      `json:"baselines"`
}

// Baselines are the costs of simpler plans of the same vector, by the same measure; nil where
// such a plan ran into a dead end, or nothing was left to plan.
type Baselines = planner.Baselines

// PlannedTrack is a track at its place.
type PlannedTrack struct {
	Position        int      `json:"position"`
	TrackID         string   `json:"trackId"`
	URI             string   `json:"uri,omitempty"`
	Title           string   `json:"title,omitempty"`
	Artists         []string `json:"artists"`
	Genres          []string `json:"genres"`
	StartSeconds    float64  `json:"startSeconds"`
	DurationSeconds float64  `json:"durationSeconds"`
	Target          Features `json:"target"`
	Features        Features `json:"features"`
	Confidence      float64  `json:"confidence"`
	// FeatureSources are where each of the features comes from, and how far it is trusted; nil where nobody says.
	FeatureSources *FeatureSources `json:"featureSources,omitempty"`
	Reasons        []string        `json:"reasons"`
	Played         bool            `json:"played,omitempty"`
	// Try is whether the track is there to learn whether it suits the listener now. Of the first n tracks of a vector at most ⌊n/8⌋ are: the 8th is
	// the first that may be one, so at most 12.5 % of what is heard are tries, wherever the listener stops.
	Try bool `json:"try,omitempty"`
}

// Replanned tells of a vector whose rest was planned anew.
type Replanned struct {
	TuneVectorID uuid.UUID `json:"tuneVectorId"`
	FromPosition int       `json:"fromPosition"`
	Reasons      []string  `json:"reasons"`
	// Changes are the positions whose tracks are others now, at most [MostChanges].
	Changes []Change `json:"changes"`
}

// MostChanges is how many changed positions a [Replanned] names; those behind them are told by reading the vector.
const MostChanges = 100

// Change is what became of one position of a plan.
type Change struct {
	Position int    `json:"position"`
	Was      string `json:"was,omitempty"` // the track that was planned there; "" where there was none
	Is       string `json:"is,omitempty"`  // the track that is planned there now; likewise
}

// Recorded is the answer to recorded interactions.
type Recorded struct {
	Accepted  int         `json:"accepted"` // how many were given and are kept, repeated ones included
	Replanned []Replanned `json:"replanned"`
}

// Recommendation is a track that a listener may like, and why.
type Recommendation struct {
	TrackID string   `json:"trackId"`
	Title   string   `json:"title"`
	Artists []string `json:"artists"`
	Score   float64  `json:"score"` // 0–1, comparable within one answer only
	Reasons []string `json:"reasons"`
}
