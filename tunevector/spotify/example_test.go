package spotify_test

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

func ExampleScopeError() {
	fmt.Println(&spotify.ScopeError{Missing: []string{spotify.ScopeModifyPrivate}})
	// Output: Spotify access is missing: playlist-modify-private. Grant it by linking the account once more, with {"scopes": ["playlist-modify-private"]}.
}
