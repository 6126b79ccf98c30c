package catalog

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// The bounds of what a row may say.
const (
	maxID       = 200 // characters, as interactions have it
	minSeconds  = 1
	maxSeconds  = 24 * 60 * 60
	minTempo    = 20 // BPM
	maxTempo    = 300
	maxNames    = 100 // artists, genres or instruments of one track; more are left out
	maxNameSize = 300 // bytes of an artist's, genre's or instrument's name; a longer one is left out
)

// The order of the dimensions in a row and in memory.
const (
	energy = iota
	valence
	tempo
	acousticness
	instrumentalness
	dimensions
)

var dimensionNames = [dimensions]string{"energy", "valence", "tempo", "acousticness", "instrumentalness"}

// row is a track as a file has it.
type row struct {
	id, uri, title               string
	artists, genres, instruments []string
	artistText                   string // what a file says of the artists, until splitArtists
	oneArtist                    bool   // the file says that it is one
	kind                         tunevector.Kind
	seconds                      float64
	explicit                     bool
	features                     [dimensions]float64
	known                        uint8   // bit d is set where features[d] is given
	confidence                   float64 // in what is given
	popularity                   float64 // 0–1
	provenance                   tunevector.Provenance
}

func (r *row) reset() {
	*r = row{artists: r.artists[:0], genres: r.genres[:0], instruments: r.instruments[:0], confidence: 1}
}

func (r *row) set(dimension int, value float64) {
	r.features[dimension] = value
	r.known |= 1 << dimension
}

// check returns what is wrong with the row, or nil; it fills in what follows from other fields.
func (r *row) check() error {
	const track, episode = "spotify:track:", "spotify:episode:"
	if r.id == "" {
		r.id = r.uri // exports that have no id have a URI
	}
	if strings.HasPrefix(r.id, track) || strings.HasPrefix(r.id, episode) {
		if r.uri == "" {
			r.uri = r.id
		}
		// The id in one of Spotify's URIs is the last part; other exports have it bare.
		r.id = r.id[strings.LastIndexByte(r.id, ':')+1:]
	}
	if strings.HasPrefix(r.uri, "spotify:") && r.provenance == "" {
		r.provenance = tunevector.FromSpotify
	}
	if r.provenance == "" {
		r.provenance = tunevector.FromCatalog
	}
	if r.kind == "" {
		r.kind = tunevector.Playlist
		if strings.HasPrefix(r.uri, episode) {
			r.kind = tunevector.Podcast
		}
	}
	switch {
	case r.id == "":
		return reason("id is missing")
	case utf8.RuneCountInString(r.id) > maxID:
		return reason("id is longer than %d characters", maxID)
	case !utf8.ValidString(r.id):
		return reason("id is not UTF-8")
	case r.seconds == 0:
		return reason("duration is missing")
	case !(r.seconds >= minSeconds && r.seconds <= maxSeconds):
		return reason("duration of %s s is not between %d and %d", number(r.seconds), minSeconds, maxSeconds)
	}
	for d, value := range r.features {
		if r.known&(1<<d) == 0 {
			continue
		}
		switch {
		case d == tempo && !(value >= minTempo && value <= maxTempo):
			return reason("tempo %s is not between %d and %d BPM", number(value), minTempo, maxTempo)
		case d != tempo && !(value >= 0 && value <= 1):
			return reason("%s %s is not between 0 and 1", dimensionNames[d], number(value))
		}
	}
	if !(r.popularity >= 0 && r.popularity <= 1) {
		return reason("popularity %s is not between 0 and 100", number(r.popularity*100))
	}
	if !(r.confidence >= 0 && r.confidence <= 1) {
		return reason("confidence %s is not between 0 and 1", number(r.confidence))
	}
	return nil
}

// badRowError is what is wrong with a row, in words that never quote more than a little of it.
type badRowError string

func (b badRowError) Error() string { return string(b) }

func reason(format string, args ...any) error { return badRowError(fmt.Sprintf(format, args...)) }

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// excerpt quotes the beginning of a value.
func excerpt(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(strings.ToValidUTF8(s, "\uFFFD"))
}

func (r *row) fromTrack(t tunevector.Track) {
	r.reset()
	r.id, r.uri, r.title, r.kind = t.ID, t.URI, t.Title, t.Kind
	r.artists = appendNames(r.artists, t.Artists...)
	r.genres = appendLower(r.genres, t.Genres...)
	r.instruments = appendLower(r.instruments, t.Instruments...)
	r.seconds, r.explicit, r.popularity, r.provenance = t.DurationSeconds, t.Explicit, t.Popularity, t.Provenance
	if t.Confidence == 0 && t.Features == (tunevector.Features{}) {
		return
	}
	r.confidence = t.Confidence
	f, sure := t.Features, [dimensions]float64{1, 1, 1, 1, 1}
	if s := t.FeatureSources; s != nil {
		sure = [dimensions]float64{
			energy: s.Energy.Confidence, valence: s.Valence.Confidence, tempo: s.Tempo.Confidence,
			acousticness: s.Acousticness.Confidence, instrumentalness: s.Instrumentalness.Confidence,
		}
		r.confidence = 0
	}
	for d, v := range [dimensions]float64{f.Energy, f.Valence, f.Tempo, f.Acousticness, f.Instrumentalness} {
		if (d != tempo || v != 0) && sure[d] != 0 {
			r.set(d, v)
		}
	}
	if t.FeatureSources != nil { // of what is said there is one confidence: the mean
		for d, c := range sure {
			if r.known&(1<<d) != 0 {
				r.confidence += c / float64(bits.OnesCount8(r.known))
			}
		}
	}
}

// millis is a duration in whole milliseconds, as it is kept.
func millis(seconds float64) uint32 { return uint32(math.Round(seconds * 1000)) }
