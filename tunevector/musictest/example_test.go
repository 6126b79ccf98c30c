package musictest_test

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector/musictest"
)

// The tracks with which a provider under test is filled.
func ExampleTracks() {
	tracks := musictest.Tracks()
	first := tracks[0]
	fmt.Println(len(tracks), first.ID, first.Title, first.Artists, first.Genres)
	// Output: 224 0000000000000000000001 Piece No. 1 [Ensemble 0 Guest, of Honor] [ambient]
}
