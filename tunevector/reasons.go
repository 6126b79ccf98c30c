package tunevector

import (
	"fmt"
	"math"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// What reasons call near, smooth and popular.
const (
	nearWithin   = 0.15 // of the planner's distance between a track and its target, and of their energies
	smoothWithin = 0.15 // of the distance between neighbors
	popularFrom  = 0.6  // of popularity
	mostLikings  = 2    // phrases of taste a track
	guessedBelow = 0.4  // confidence in features
)

// explain notes for each track not yet heard why it is there, as far as that does not follow from its features and target: those
// reasons are told by [Service.hydrate], from the track as it is then.
func (c *composition) explain(p *planRecord) {
	pinned := map[string]bool{}
	for _, pin := range c.def.Pinned {
		pinned[pin.TrackID] = true
	}
	stage := -1
	if n := len(c.heard); n > 0 {
		last := c.heard[n-1]
		stage = planner.StageAt(c.problem.Stages, last.Start, last.Duration) // the stages may have changed since it was planned
	}
	for i := len(c.heard); i < len(p.Tracks); i++ {
		t := &p.Tracks[i]
		t.Why = nil
		if pinned[t.ID] {
			t.Why = append(t.Why, "pinned by you")
		}
		if t.Try {
			t.Why = append(t.Why, "a try: to learn whether it suits you now")
		}
		track := c.tracks[t.ID]
		if t.Stage != stage && t.Stage >= 0 && t.Stage < len(c.def.Stages) {
			t.Why = append(t.Why, fmt.Sprintf("opens the %s stage", c.def.Stages[t.Stage].genre()))
		}
		stage = t.Stage
		if i == len(c.heard) {
			t.Why = append(t.Why, c.situation.reasons...)
		}
		if track == nil {
			continue
		}
		if x := track.traits(); c.listener.taste.ScoreOnly(x) > 0 {
			t.Why = append(t.Why, first(c.listener.taste.Likings(x), mostLikings)...)
		}
		t.Why = append(t.Why, c.now.because(track)...)
		if c.listener.suits(track)*c.listener.suited.Trust() >= suitsWell {
			t.Why = append(t.Why, "suits what you play")
		}
		if c.listener.popularity(track) >= popularFrom {
			t.Why = append(t.Why, "popular")
		}
		if !pinned[t.ID] {
			t.Why = append(t.Why, c.placed(track, t.Target)...)
		}
	}
}

// sortedBy says what an order placed a track by.
var sortedBy = map[Order]string{
	EnergyAscending: "placed by rising energy", EnergyDescending: "placed by falling energy",
	TempoAscending: "placed by rising tempo", TempoDescending: "placed by falling tempo", Shuffle: "placed by chance",
}

// placed says what placed a track where it is, unless it is near its target, which speaks for itself.
func (c *composition) placed(t *Track, target Features) []string {
	switch {
	case c.def.Order != ByArc:
		return []string{sortedBy[c.def.Order]}
	case t.Confidence > 0 && sound(t.Features) && planner.Distance(t.Features, target) > nearWithin:
		if c.open() {
			return []string{"chosen by how you answer to such music more than by the arc"}
		}
		return []string{"the best that was found here"}
	}
	return nil
}

// follows are the reasons that follow from where a track stands: near its target, near the track before.
func follows(t, before *Track, target Features) []string {
	if t.Confidence <= 0 || !sound(t.Features) {
		return []string{"nothing is known of how it sounds"}
	}
	var reasons []string
	if planner.Distance(t.Features, target) <= nearWithin && math.Abs(t.Features.Energy-target.Energy) <= nearWithin {
		reasons = append(reasons, fmt.Sprintf("energy %.2f near the target %.2f", t.Features.Energy, target.Energy))
	} else {
		reasons = append(reasons, fmt.Sprintf("energy %.2f for a target of %.2f", t.Features.Energy, target.Energy))
	}
	if t.guessed() {
		reasons[0] += " (estimated)"
	}
	if before != nil && before.Confidence > 0 && sound(before.Features) && planner.Distance(before.Features, t.Features) <= smoothWithin {
		reasons = append(reasons, fmt.Sprintf("smooth step from the track before (%s)", tempoStep(before.Features.Tempo, t.Features.Tempo)))
	}
	return reasons
}

// tempoStep says how the tempo changes, half and double time told as what they are.
func tempoStep(from, to float64) string {
	switch d := math.Round(to - from); {
	case d == 0:
		return "same tempo"
	case math.Abs(math.Log2(to/from)) < 0.5:
		return fmt.Sprintf("%+.0f BPM", d)
	case to > from:
		return "double time"
	default:
		return "half time"
	}
}
