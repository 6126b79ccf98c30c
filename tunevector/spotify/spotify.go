// Package spotify lets listeners link their Spotify account, and gives RhythmIQ what an app that is registered today may have of it. A host that
// does not import it links nothing of it.
package spotify

import "github.com/rhythmiq/rhythmiq/store"

// Prefix begins the sort key of everything that came from Spotify. What is a listener's stands in their own partition of the table users, so that unlinking
// can delete all of it, and whoever reads the store can see that it is gone.
const Prefix = "spotify#"

// Key returns the key of something of a listener's that came from Spotify.
func Key(profileID [16]byte, name string) store.Key {
	return store.Key{Table: store.Users, Partition: profileID, Sort: Prefix + name}
}
