//go:build !race

package spotify_test

// crowdSize is how many listeners have linked at one moment.
const crowdSize = 10_000
