// Package planner chooses and orders tracks so that their features follow a target curve over elapsed time, while they
// suit the listener: it is pure computation, knows no store, no provider and no clock, and gives the same plan for the
// same input. It does not know what a listener likes (that comes in as numbers), and it claims no effect on mood or health.
//
//	solution, err := planner.Solve(ctx, planner.Problem{
//		Candidates: candidates, Arc: arc, Duration: 3600, Seed: 7, Bound: true,
//	})
//
// # The cost
//
// The cost of a plan is published so that anyone can check it. With m = seconds/210, the length of a track in units of a
// typical track, and the default weights of [Weights]:
//
//	cost = Σ over tracks  m·(10·target + 0.5·taste + 0.3·novelty)
//	     + Σ over jumps   5·transition
//	     + 1·|end − duration|/210
//
//	target     = Σ over features  w·(c·Δ²(track, arc half-way through the track) + (1−c)·0.1)
//	transition = Σ over features  w·(c·c'·Δ²(track, track before) + (1−c·c')·0.1)
//	taste      = (1 − taste of the listener) / 2
//	novelty    = δ·familiarity where the discovery weight δ is above 0, −δ·(1−familiarity) below
//
// Δ is a difference in one feature and w its weight, as in [Distance] (D² = Σ w·Δ²), and c the confidence in that feature of the track: this is the squared difference that is
// to be expected where the value is right with the probability c, and else that of a track about which nothing is known (0.1 in each feature, and so, as the weights sum to 1,
// altogether: what two tracks of a broad catalog are apart). With one confidence in all features it is c·D² + (1−c)·0.1. So of two tracks with the same values the one whose
// tempo is measured is the better one where the tempo is right, and the worse one where it is not. Terms that belong to a
// track are weighted by its length: an hour of music is judged by what is heard, so neither short nor long tracks are
// favored; a jump is heard once, whatever it joins. Squares, because one rough jump is worse than many small ones,
// and as they are the negative logarithm of a Gaussian walk observed with Gaussian noise, of which the best plan is the likeliest path.
//
// # What must hold
//
// No track twice; an artist's tracks at least [Problem.ArtistGap] tracks apart; the end within half of the plan's longest
// track of the duration; a track's stage, the one in which its middle lies, is one in which it may play, so that no stage ends
// earlier or later than it should by more than half a track; a pinned track stands where it is pinned.
// In a catalog too small for the artist gap the gap is made smaller step by step, and [Solution.ArtistGap] says what was
// kept. Anything else that cannot hold is an [*InfeasibleError].
package planner

// Candidate is a track that may be chosen.
type Candidate struct {
	// ID is unique among the candidates, and breaks ties.
	ID string
	// Artists are spaced by the artist gap; they are compared as they are. A track without artists is spaced from nothing.
	Artists []string
	// Duration in seconds, above 0.
	Duration float64
	// Features, and the confidence in them, 0–1: in each by itself, or where Confidences is nil the same in all. A feature in which there is no confidence is not looked at
	// and may be zero.
	Features    Features
	Confidence  float64
	Confidences *Confidences
	// Taste is how much the listener likes the track now, −1 to 1, 0 where nothing is known.
	Taste float64
	// Familiarity is how well the listener knows it, 0–1.
	Familiarity float64
	// Stages are those in which the track may play. Not looked at where the problem has no stages.
	Stages StageSet
}

// Confidences are those in each feature, 0–1: 1 measured, 0 not known at all.
type Confidences struct {
	Energy, Valence, Tempo, Acousticness, Instrumentalness float64
}

// StageSet is a set of stages: bit i stands for Problem.Stages[i].
type StageSet uint64

// AllStages lets a candidate play anywhere.
const AllStages = ^StageSet(0)

// MaxStages is how many stages a problem can have.
const MaxStages = 64

// Stages makes a set of stage indexes (0 to MaxStages−1).
func Stages(indexes ...int) StageSet {
	var s StageSet
	for _, i := range indexes {
		s |= 1 << i
	}
	return s
}

// Has reports whether stage i is in the set.
func (s StageSet) Has(i int) bool { return s>>i&1 == 1 }

// Stage is a stretch of time for tracks of a kind: from the end of the stage before it (or 0) until End. A track belongs to the
// stage in which its middle lies ([StageAt]), so the music changes within half a track of End. A stage shorter than that may
// be passed over.
type Stage struct {
	Name string  // for errors and reasons
	End  float64 // seconds from the start of the plan; increasing, the last one is the duration
}

// StageAt is the index of the stage to which a track belongs that starts at start and lasts duration seconds: the stage in which
// its middle lies. A middle on a boundary is in the later stage; one at the end of the last stage or behind it, as a short last track may
// have it, is in the last. It is −1 without stages.
func StageAt(stages []Stage, start, duration float64) int {
	middle := start + duration/2
	for i := range stages {
		if middle < stages[i].End {
			return i
		}
	}
	return len(stages) - 1
}

// Problem is what to plan. The order of Candidates does not matter.
type Problem struct {
	Candidates []Candidate
	Arc        Arc
	// Duration of the whole plan in seconds, the prefix included.
	Duration float64
	// Stages of a guided vector, none for any other.
	Stages []Stage
	// ArtistGap is how many positions two tracks of one artist are apart at least: 1 allows neighbors, 2 allows one
	// track in between. 0 is DefaultArtistGap.
	ArtistGap int
	// Discovery is −1 to 1: −1 wants what is familiar, 1 what is new, and 0 does not mind.
	Discovery float64
	// Weights of the cost; the zero value is DefaultWeights.
	Weights Weights
	// Seed of what is random (the shuffle baseline, the kicks of the local search).
	Seed uint64
	// Effort bounds the work by counts, not by the clock. Zero fields take their defaults.
	Effort Effort
	// Bound asks for the lower bound.
	Bound bool
	// Shortlisted says that Candidates are themselves a shortlist of more, as far as Solution.BoundOver is concerned.
	Shortlisted bool
	// Prefix was played already: it stays as it is, and the plan continues from it (elapsed time, artist gap, no
	// repeats, transition). Its tracks need not be among the candidates. The cost does not count it.
	Prefix []Candidate
	// Pinned maps positions (in the whole plan, the prefix included) to the IDs of candidates that must stand there. A
	// pinned track may stand in any stage, and keeps the artist gap only with tracks that are not pinned or played. Pins
	// at positions already played no longer matter, nor do any where the prefix fills the duration.
	Pinned map[int]string
}

// DefaultArtistGap is the artist gap where none is given: two other tracks between two of one artist.
const DefaultArtistGap = 3

// Weights of the terms of the cost; see the package comment for the formula. All of them 0 or more.
type Weights struct {
	Target, Transition, Taste, Novelty, Length float64
}

// DefaultWeights are the published ones. A target missed by D = 0.1 costs as much as a fifth of the way from loved to disliked.
var DefaultWeights = Weights{Target: 10, Transition: 5, Taste: 0.5, Novelty: 0.3, Length: 1}

// Effort is counted work. The defaults are for an hour of music in a few milliseconds.
type Effort struct {
	// Candidates is how many are looked at; beyond it those that suit their time best are taken, by features, taste and
	// familiarity. Hand in about four times as many where there is taste: a shortlist by features alone misses what is liked
	// (BenchmarkShortlistLoss: 320 cost 9 % more than 320 chosen from 1,280).
	Candidates int
	// Beam is how many unfinished plans are kept for each stretch of elapsed time.
	Beam int
	// Moves is how many changes the local search may try.
	Moves int
	// BoundPasses is how many times the bound is tightened. 1 is a quick bound: time is cut no finer than into 50 seconds.
	BoundPasses int
}

// Terms splits a cost into what it is made of, weighted, so that they sum to it.
type Terms struct {
	Target, Transition, Taste, Novelty, Length float64
}

// Sum of the terms.
func (t Terms) Sum() float64 { return t.Target + t.Transition + t.Taste + t.Novelty + t.Length }

// Placed is a track in its place.
type Placed struct {
	ID string
	// Start and Duration in seconds.
	Start, Duration float64
	// Target is the arc half-way through the track.
	Target Features
	// Stage is the index of the stage the track was planned for, see StageAt; −1 without stages.
	Stage int
	// Distance from the target, see Distance.
	Distance float64
	// Jump is the distance from the track before, 0 for the first.
	Jump float64
	// Terms is what the track (and the jump to it) adds to the cost; zero for the prefix.
	Terms Terms
	// Played says that the track is of the prefix, Pinned that it was pinned.
	Played, Pinned bool
}

// BoundOver says what a lower bound covers.
type BoundOver string

// What a lower bound covers.
const (
	OverNone      BoundOver = ""          // no bound was asked for, or none could be computed in time
	OverAll       BoundOver = "all"       // no plan of any candidates costs less
	OverShortlist BoundOver = "shortlist" // no plan of the candidates that were looked at costs less
)

// Baselines are the costs of what other tools do, with the same cost and the same hard constraints; nil where the method
// ran into a dead end.
type Baselines struct {
	// Shuffle takes tracks at random (seeded).
	Shuffle *float64 `json:"shuffle"`
	// Sorted takes the tracks nearest to the arc's mean and sorts them by energy, in the arc's direction.
	Sorted *float64 `json:"sorted"`
	// Greedy always takes the next track that adds the least cost for its length, transition included.
	Greedy *float64 `json:"greedy"`
}

// Solution is a plan, and how good it is.
type Solution struct {
	Tracks []Placed
	// Duration is where the last track ends, in seconds.
	Duration float64
	// Cost of what was planned (not of the prefix); Terms splits it.
	Cost  float64
	Terms Terms
	// LowerBound is a cost below which no plan can come, over what BoundOver says; 0 where there is none. Gap is
	// (Cost − LowerBound) / LowerBound, or 0 where both are 0.
	LowerBound float64
	Gap        float64
	BoundOver  BoundOver
	Baselines  Baselines
	// ArtistGap is the one that was kept: Problem.ArtistGap, or less where the candidates are too few for it.
	ArtistGap int
	// Considered is how many candidates were looked at.
	Considered int
	// Complete is false where the context ended early: the plan is the best so far.
	Complete bool
}
