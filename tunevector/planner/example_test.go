package planner_test

import (
	"context"
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// Half an hour that calms down, from ten tracks.
func Example() {
	var candidates []planner.Candidate
	for i := range 10 {
		energy := float64(i) / 10
		candidates = append(candidates, planner.Candidate{
			ID: fmt.Sprintf("track %d", i), Artists: []string{fmt.Sprintf("artist %d", i%5)}, Duration: 240, Confidence: 1,
			Features: planner.Features{Energy: energy, Valence: 0.5, Tempo: 70 + 70*energy, Acousticness: 1 - energy, Instrumentalness: 0.5},
		})
	}
	solution, err := planner.Solve(context.Background(), planner.Problem{
		Candidates: candidates,
		Arc: planner.Arc{
			Start: planner.Features{Energy: 0.9, Valence: 0.5, Tempo: 133, Acousticness: 0.1, Instrumentalness: 0.5},
			End:   planner.Features{Energy: 0.1, Valence: 0.5, Tempo: 77, Acousticness: 0.9, Instrumentalness: 0.5},
			Curve: planner.CurveLinear,
		},
		Duration: 1800,
		Bound:    true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, track := range solution.Tracks {
		fmt.Printf("%4.0f s  %s  target energy %.2f\n", track.Start, track.ID, track.Target.Energy)
	}
	fmt.Printf("within %.0f %% of the best plan\n", 100*solution.Gap)
	// Output:
	//    0 s  track 8  target energy 0.85
	//  240 s  track 7  target energy 0.74
	//  480 s  track 6  target energy 0.63
	//  720 s  track 5  target energy 0.53
	//  960 s  track 4  target energy 0.42
	// 1200 s  track 3  target energy 0.31
	// 1440 s  track 2  target energy 0.21
	// within 0 % of the best plan
}

// Tracks near a point of the arc, half and double time counted as near.
func ExampleIndex() {
	tempos := []float64{60, 70, 95, 140, 180}
	index := planner.NewIndex(len(tempos), func(i int) planner.Entry {
		return planner.Entry{Features: planner.Features{Energy: 0.5, Valence: 0.5, Tempo: tempos[i]}}
	})
	for _, i := range index.Along([]planner.Features{{Energy: 0.5, Valence: 0.5, Tempo: 72}}, 2, planner.Filter{}) {
		fmt.Println(tempos[i])
	}
	// Output:
	// 70
	// 140
}

func ExampleArc_At() {
	half := 0.3
	arc := planner.Arc{
		Start:  planner.Features{Energy: 0.2, Tempo: 60},
		End:    planner.Features{Energy: 0.8, Tempo: 120},
		Curve:  planner.CurveLinear,
		Points: []planner.Point{{At: 0.5, Energy: &half}},
	}
	f := arc.At(0.5)
	fmt.Printf("%.1f, %.1f BPM\n", f.Energy, f.Tempo)
	// Output: 0.3, 84.9 BPM
}
