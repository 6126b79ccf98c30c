// Package simulate is a world of listeners with hidden tastes, who are in situations that matter to them, and plays what RhythmIQ plans for them through
// its public API. It says how often they skip with vectors in ai mode, and with what other ways of choosing music.
//
// RhythmIQ sees of it what it sees of any listener: readings and interactions. Nothing of what follows is known to a learner, and nothing here is chosen by what
// RhythmIQ's rules or models assume.
//
// # The rules of the world
//
//   - Music: 1,500 tracks of 12 genres. Each genre has a middle in the five dimensions, drawn anew for each seed; its tracks are spread around it with standard
//     deviations of 0.15 (tempo: 12 %). A track has a quality of its own, with a standard deviation of 0.5, that all listeners hear and no provider knows.
//   - Tastes: a listener likes each genre by a number with a standard deviation of 0.8, and has a middle in energy, tempo, valence and acousticness that they like best
//     (standard deviations 0.15, 0.15 octaves, 0.12 and 0.2 around that of all music).
//   - Days: from Monday to Friday a listener is on the way to work at about 8 (on the train: loud, walking on some of the readings), at work at 10 (quiet to medium, still), on Tuesdays and
//     Thursdays running at 18 (cadence 150–180), and at home in the evening at 21 (quiet, still). At weekends they are at home in the morning or out in the
//     afternoon. Every day has one of its sessions, drawn at random. Sensors are noisy, one reading in ten is missing, and what heart rate variability and
//     temperature are has nothing to do with what anybody likes.
//   - What situations do: in each of the six situations a listener's middle is moved, in energy by a number with a standard deviation of 0.25 of their own and half as much for all in common,
//     likewise acousticness by 0.2, tempo by 0.15 octaves and valence by 0.1. Some run to calm music, and some want it loud in the evening. In a world where
//     situations do not matter all of these are 0.
//   - Skips: a track is skipped with the probability 1/(1 + exp(u)), where u = 1.6 + liking of the genre + quality − 6·d², and d² = (Δenergy/0.5)²/2 + Δoctaves²
//   - Δvalence²/2 + (Δacousticness/0.7)²/2 is how far the track is from the middle of the moment, tempo counting by half and double too. A
//     listener who skips does so after an exponential time with a mean of 25 s. One track in ten that is heard to its end is liked.
//
// # What is compared
//
// Each way of choosing has an App, a log and listeners of its own, who live the same days in the same moods: they would answer the same to the same track at the same place. A session has eight
// tracks, whichever they are. For 30 others, the crowd, the log has 60 interactions each from the beginning, so that models of taste can be
// trained, which is done once a week.
//
//	ai          a vector in ai mode, steady, with all variables opted into and read, re-planned as it plays
//	fixed       the same, with start and end given (the middle of all music), and nothing opted into
//	taste       what is recommended to the listener, best first, without what was played today
//	popularity  the most popular tracks, those first that were not heard within a week
//	random      any tracks
package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// situation is one of the places in a day.
type situation struct {
	name     string
	hour     float64
	noise    float64 // dB(A)
	place    variable.Coordinates
	movement float64 // m/s²
	cadence  float64 // 0 for none
}

// The listeners live a few kilometers from where they work.
var (
	home  = variable.Coordinates{Latitude: 48.21, Longitude: 16.37}
	work  = variable.Coordinates{Latitude: 48.25, Longitude: 16.45}
	train = variable.Coordinates{Latitude: 48.23, Longitude: 16.41}
	park  = variable.Coordinates{Latitude: 48.20, Longitude: 16.33}
)

var situations = []situation{
	{"commute", 8, 76, train, 1.4, 0},
	{"work", 10, 52, work, 0.1, 0},
	{"run", 18, 60, park, 9, 165},
	{"evening", 21, 36, home, 0.1, 0},
	{"weekend morning", 10, 42, home, 0.3, 0},
	{"weekend out", 15, 64, park, 1.6, 105},
}

// today is which situations a day may have.
func today(day time.Time) []int {
	switch day.Weekday() {
	case time.Saturday, time.Sunday:
		return []int{4, 5, 3}
	case time.Tuesday, time.Thursday:
		return []int{0, 1, 2, 2, 3}
	default:
		return []int{0, 1, 3}
	}
}

const (
	tracks    = 1500
	genres    = 12
	perVector = 8
)

// point is a place in what listeners hear: energy, octaves from 115 BPM, valence, acousticness.
type point [4]float64

func of(f tunevector.Features) point {
	return point{f.Energy, math.Log2(f.Tempo / middleTempo), f.Valence, f.Acousticness}
}

const middleTempo = 115

// away is d² of the package comment.
func (p point) away(from point) float64 {
	octaves := math.Abs(p[1] - from[1])
	octaves = min(octaves, math.Abs(octaves-1))
	e, v, a := (p[0]-from[0])/0.5, p[2]-from[2], (p[3]-from[3])/0.7
	return e*e/2 + octaves*octaves + v*v/2 + a*a/2
}

// person is a listener as they are.
type person struct {
	likes  [genres]float64
	middle point
	shifts []point // by situation
}

// world is all that is hidden.
type world struct {
	seed    uint64
	music   []tunevector.Track
	genre   map[string]int
	quality map[string]float64
	points  map[string]point
	middle  point // of all music
	people  []person
}

func newWorld(seed uint64, listeners int, matters bool) *world {
	w := &world{seed: seed, genre: map[string]int{}, quality: map[string]float64{}, points: map[string]point{}}
	r := rand.New(rand.NewPCG(seed, 1))
	unit := func(x float64) float64 { return min(max(x, 0.01), 0.99) }
	var centers [genres]tunevector.Features
	for g := range centers {
		energy := 0.15 + 0.75*r.Float64()
		centers[g] = tunevector.Features{
			Energy: energy, Valence: unit(0.5 + 0.15*r.NormFloat64() + 0.2*(energy-0.5)), Tempo: middleTempo * math.Exp2(0.25*r.NormFloat64()+0.3*(energy-0.5)),
			Acousticness: unit(0.45 - 0.7*(energy-0.5) + 0.15*r.NormFloat64()), Instrumentalness: unit(0.2 + 0.2*r.NormFloat64()),
		}
	}
	for i := range tracks {
		g := i % genres
		c := centers[g]
		t := tunevector.Track{
			ID: fmt.Sprintf("t%04d", i), Title: fmt.Sprintf("Track %d", i), Artists: []string{fmt.Sprintf("artist %d", i/5)}, Genres: []string{fmt.Sprintf("genre %d", g)},
			Kind: tunevector.Playlist, DurationSeconds: 180 + 60*r.Float64(), Confidence: 1, Provenance: tunevector.FromCatalog,
			Features: tunevector.Features{
				Energy: unit(c.Energy + 0.15*r.NormFloat64()), Valence: unit(c.Valence + 0.15*r.NormFloat64()), Tempo: min(max(c.Tempo*math.Exp2(0.16*r.NormFloat64()), 50), 220),
				Acousticness: unit(c.Acousticness + 0.15*r.NormFloat64()), Instrumentalness: unit(c.Instrumentalness + 0.15*r.NormFloat64()),
			},
		}
		w.music = append(w.music, t)
		w.genre[t.ID], w.quality[t.ID], w.points[t.ID] = g, 0.5*r.NormFloat64(), of(t.Features)
		for d := range w.middle {
			w.middle[d] += w.points[t.ID][d] / tracks
		}
	}
	spread := point{0.25, 0.15, 0.1, 0.2}
	common := make([]point, len(situations))
	for s := range common {
		for d := range spread {
			common[s][d] = spread[d] / 2 * r.NormFloat64()
		}
	}
	for range listeners {
		p := person{middle: w.middle, shifts: make([]point, len(situations))}
		for g := range p.likes {
			p.likes[g] = 0.8 * r.NormFloat64()
		}
		for d, s := range (point{0.15, 0.15, 0.12, 0.2}) {
			p.middle[d] += s * r.NormFloat64()
		}
		for s := range p.shifts {
			for d := range spread {
				if shift := common[s][d] + spread[d]*r.NormFloat64(); matters {
					p.shifts[s][d] = shift
				}
			}
		}
		w.people = append(w.people, p)
	}
	return w
}

// skips is how likely a listener skips a track in a situation.
func (w *world) skips(listener, situation int, track string) float64 {
	p := &w.people[listener]
	wanted := p.middle
	for d := range wanted {
		wanted[d] += p.shifts[situation][d]
	}
	u := 1.6 + p.likes[w.genre[track]] + w.quality[track] - 6*w.points[track].away(wanted)
	return 1 / (1 + math.Exp(u))
}

// random is what a listener does by chance: the same for the same listener, day and place, whatever the music.
func (w *world) random(of ...uint64) *rand.Rand {
	h := w.seed
	for _, x := range of {
		h = (h ^ x) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(h, 7))
}
