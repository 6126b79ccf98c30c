package catalog

import (
	"fmt"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// maxNamed is how many wrong tracks an error of New names.
const maxNamed = 100

// faults collects what is wrong with tracks.
type faults struct {
	fields fault.Fields
	more   int
}

func (f *faults) add(i int, err error) {
	if len(f.fields) == maxNamed {
		f.more++
		return
	}
	f.fields.Add(fmt.Sprintf("tracks[%d]", i), "%s", err)
}

func (f *faults) err() error {
	if f.more > 0 {
		f.fields.Add("tracks", "%d more are wrong", f.more)
	}
	return f.fields.Err()
}

// checkTrack is check for a track that did not come from a file.
func checkTrack(r *row, t tunevector.Track) error {
	switch t.Kind {
	case "", tunevector.Playlist, tunevector.Podcast, tunevector.Soundscape:
	default:
		return reason("kind %s is not known", excerpt(string(t.Kind)))
	}
	switch t.Provenance {
	case "", tunevector.FromCatalog, tunevector.FromSpotify:
	default:
		return reason("provenance %s is not known", excerpt(string(t.Provenance)))
	}
	if len(t.ID) > maxText || len(t.URI) > maxText || len(t.Title) > maxText {
		return reason("a text is longer than %d bytes", maxText)
	}
	return r.check()
}
