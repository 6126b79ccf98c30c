package catalog_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// Two tracks are read, one of them without features; a bad row is reported.
func ExampleLoad() {
	file := `track_id,track_name,artists,duration_ms,energy,valence,tempo,acousticness,instrumentalness,track_genre
a1,First Light,Adda Broavane;Linus Calgavick,214000,0.35,0.44,92.0,0.71,0.02,folk
a2,Night Bus,The Ostmirrow Union,187000,,,,,,Deep House
a3,No Length,Zelkestrin,,0.8,0.5,128,0.1,0.0,techno
`
	music, report, err := catalog.Load(context.Background(), strings.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Tracks, "tracks of", report.Rows, "rows;", report.Bad[0])
	tracks, _ := music.Candidates(context.Background(), tunevector.CandidateQuery{Genres: []string{"house"}})
	for _, t := range tracks {
		fmt.Println(t.Title, t.Artists, t.Genres, t.Features.Energy, "confidence", t.Confidence)
	}
	// Output:
	// 2 tracks of 3 rows; line 4: duration is missing
	// Night Bus [The Ostmirrow Union] [deep house] 0.74 confidence 0.3
}

// The demo needs no file.
func ExampleDemo() {
	music := catalog.Demo()
	calm := tunevector.Features{Energy: 0.1, Valence: 0.3, Tempo: 60, Acousticness: 0.9, Instrumentalness: 0.9}
	tracks, err := music.Candidates(context.Background(), tunevector.CandidateQuery{
		Kind: tunevector.Soundscape, Along: []tunevector.Features{calm}, Limit: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(music.Len(), "tracks; the calmest soundscape is of", tracks[0].Genres[0])
	// Output: 5550 tracks; the calmest soundscape is of singing bowls
}

func ExampleMatchesGenre() {
	fmt.Println(catalog.MatchesGenre("Rock", "post-rock"), catalog.MatchesGenre("rock", "rockabilly"))
	// Output: true false
}
