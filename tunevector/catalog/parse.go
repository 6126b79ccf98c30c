package catalog

import (
	"math"
	"strconv"
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// dimensionOf is the dimension that a field is about, or −1.
func dimensionOf(f field) int {
	switch f {
	case fieldEnergy:
		return energy
	case fieldValence:
		return valence
	case fieldTempo:
		return tempo
	case fieldAcousticness:
		return acousticness
	case fieldInstrumentalness:
		return instrumentalness
	default:
		return -1
	}
}

// kindWords are what files call the kinds.
var kindWords = map[string]tunevector.Kind{
	"playlist": music, "music": music, "track": music, "song": music,
	"podcast": talk, "episode": talk, "show": talk,
	"soundscape": sound, "ambience": sound,
}

// boolWords are what files call true and false.
var boolWords = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "1": true, "1.0": true, "explicit": true,
	"false": false, "f": false, "no": false, "n": false, "0": false, "0.0": false, "clean": false,
}

// absentWords are what files write where they have nothing.
var absentWords = map[string]bool{"na": true, "n/a": true, "nan": true, "null": true, "none": true, "undefined": true, "-": true, `\n`: true} // \N in MySQL's exports

func absent(value string) bool { return value == "" || absentWords[strings.ToLower(value)] }

// take takes what a file says in one column. What is not said is left out; what is said and cannot be is an error.
func (r *row) take(at int, value string) error {
	if len(value) > maxText {
		return reason("%s is longer than %d bytes", columns[at].name, maxText)
	}
	c := &columns[at]
	value = strings.TrimSpace(value)
	switch c.field {
	case fieldID:
		r.id = value
		return nil
	case fieldURI:
		r.uri = value
		return nil
	case fieldTitle:
		r.title = value
		return nil
	case fieldArtists:
		r.artistText = value
		return nil
	case fieldArtistIDs:
		r.oneArtist = value != "" && !strings.ContainsAny(value, ",;")
		return nil
	default:
		if absent(value) {
			return nil
		}
	}
	switch c.field {
	case fieldGenres:
		r.genres = splitTags(r.genres, value)
		return nil
	case fieldInstruments:
		r.instruments = splitTags(r.instruments, value)
		return nil
	case fieldKind:
		kind, ok := kindWords[strings.ToLower(value)]
		if !ok {
			return reason("kind %s is not playlist, podcast or soundscape", excerpt(value))
		}
		r.kind = kind
		return nil
	case fieldProvenance:
		switch p := tunevector.Provenance(strings.ToLower(value)); p {
		case tunevector.FromCatalog, tunevector.FromSpotify:
			r.provenance = p
			return nil
		}
		return reason("provenance %s is not catalog or spotify", excerpt(value))
	case fieldExplicit:
		explicit, ok := boolWords[strings.ToLower(value)]
		if !ok {
			return reason("explicit %s is neither true nor false", excerpt(value))
		}
		r.explicit = explicit
		return nil
	case fieldDuration:
		seconds, ok := parseDuration(value, c.scale)
		if !ok {
			return reason("duration %s is not a number", excerpt(value))
		}
		r.seconds = seconds
		return nil
	default:
		return r.takeNumber(c, value)
	}
}

func (r *row) takeNumber(c *column, value string) error {
	v, ok := parseNumber(value)
	if !ok {
		return reason("%s %s is not a number", c.name, excerpt(value))
	}
	if c.scale != 0 {
		v *= c.scale
	}
	switch c.field {
	case fieldPopularity:
		r.popularity = v
	case fieldConfidence:
		r.confidence = v
	default:
		if d := dimensionOf(c.field); d != tempo || v != 0 { // a tempo of 0 is one that was not found
			r.set(d, v)
		}
	}
	return nil
}

// parseNumber reads a number with a decimal point, or with a decimal comma as spreadsheets in half of Europe write it.
func parseNumber(s string) (float64, bool) {
	if at := strings.IndexByte(s, ','); at >= 0 && !strings.ContainsAny(s[at+1:], ",.") && !strings.Contains(s[:at], ".") {
		s = s[:at] + "." + s[at+1:]
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsNaN(v)
}

// fewestMillis is the number from which on a duration whose unit is not said is taken as milliseconds: it would be five and a
// half hours in seconds, and is 20 seconds in milliseconds.
const fewestMillis = 20000

// parseDuration reads seconds, milliseconds (with a scale of 0.001), m:ss or h:mm:ss.
func parseDuration(s string, scale float64) (seconds float64, ok bool) {
	if parts := strings.Split(s, ":"); len(parts) == 2 || len(parts) == 3 {
		for i, part := range parts {
			v, ok := parseNumber(part)
			if !ok || !(v >= 0) || i > 0 && v >= 60 {
				return 0, false
			}
			seconds = 60*seconds + v
		}
		return seconds, true
	}
	v, ok := parseNumber(s)
	switch {
	case scale != 0:
		v *= scale
	case v >= fewestMillis:
		v /= 1000
	}
	return v, ok
}
