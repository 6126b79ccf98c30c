//go:build race

package spotify_test

// crowdSize is smaller under the race detector, which takes ten times as long.
const crowdSize = 1_000
