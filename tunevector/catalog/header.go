package catalog

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// field is what a column or a JSON key says of a track.
type field uint8

const (
	fieldNone field = iota
	fieldID
	fieldURI
	fieldTitle
	fieldArtists
	fieldArtistIDs // only how many there are is of use: whether a comma in fieldArtists parts two artists
	fieldGenres
	fieldInstruments
	fieldKind
	fieldDuration
	fieldExplicit
	fieldPopularity
	fieldEnergy
	fieldValence
	fieldTempo
	fieldAcousticness
	fieldInstrumentalness
	fieldConfidence
	fieldProvenance
	fieldFeatures // JSON only: an object with the features in it
	fields
)

// column is a name that a column can have. Of several columns for one field the one whose name stands first in columns is read,
// except for genres, where all are.
type column struct {
	name    string // as headerName writes it
	field   field
	scale   float64 // what a number is multiplied with; 0 for 1
	spotify bool    // such a file was made from Spotify's data
}

// columns are the names that exports and feature sets have: Exportify's (Pavel Komarov's, old and new, and Philip Watson's), the
// Spotify feature sets that are shared as CSV, and our own.
var columns = []column{
	{name: "trackid", field: fieldID},
	{name: "spotifyid", field: fieldID, spotify: true},
	{name: "spotifytrackid", field: fieldID, spotify: true},
	{name: "songid", field: fieldID},
	{name: "id", field: fieldID},

	{name: "trackuri", field: fieldURI},
	{name: "spotifyuri", field: fieldURI, spotify: true},
	{name: "uri", field: fieldURI},

	{name: "trackname", field: fieldTitle},
	{name: "tracktitle", field: fieldTitle},
	{name: "title", field: fieldTitle},
	{name: "songname", field: fieldTitle},
	{name: "song", field: fieldTitle},
	{name: "name", field: fieldTitle},
	{name: "track", field: fieldTitle},

	{name: "artists", field: fieldArtists},
	{name: "artistnames", field: fieldArtists}, // "Artist Name(s)"
	{name: "artistsname", field: fieldArtists}, // "artist(s)_name"
	{name: "trackartists", field: fieldArtists},
	{name: "artistname", field: fieldArtists},
	{name: "trackartist", field: fieldArtists},
	{name: "artist", field: fieldArtists},

	{name: "artistids", field: fieldArtistIDs},
	{name: "artisturis", field: fieldArtistIDs},
	{name: "artisturi", field: fieldArtistIDs},

	{name: "genres", field: fieldGenres},
	{name: "genre", field: fieldGenres},
	{name: "trackgenres", field: fieldGenres},
	{name: "trackgenre", field: fieldGenres},
	{name: "artistgenres", field: fieldGenres},
	{name: "topgenre", field: fieldGenres},
	{name: "playlistgenre", field: fieldGenres},
	{name: "playlistsubgenre", field: fieldGenres},
	{name: "tags", field: fieldGenres},

	{name: "instruments", field: fieldInstruments},
	{name: "instrument", field: fieldInstruments},
	{name: "kind", field: fieldKind},

	{name: "durationms", field: fieldDuration, scale: 0.001},
	{name: "trackdurationms", field: fieldDuration, scale: 0.001},
	{name: "lengthms", field: fieldDuration, scale: 0.001},
	{name: "durations", field: fieldDuration, scale: 1},
	{name: "durationsec", field: fieldDuration, scale: 1},
	{name: "durationseconds", field: fieldDuration, scale: 1},
	{name: "duration", field: fieldDuration},
	{name: "trackduration", field: fieldDuration},
	{name: "length", field: fieldDuration},

	{name: "explicit", field: fieldExplicit},
	{name: "isexplicit", field: fieldExplicit},
	{name: "popularity", field: fieldPopularity, scale: 0.01},
	{name: "trackpopularity", field: fieldPopularity, scale: 0.01},

	{name: "energy", field: fieldEnergy},
	{name: "energypercent", field: fieldEnergy, scale: 0.01},
	{name: "valence", field: fieldValence},
	{name: "valencepercent", field: fieldValence, scale: 0.01},
	{name: "tempo", field: fieldTempo},
	{name: "bpm", field: fieldTempo},
	{name: "acousticness", field: fieldAcousticness},
	{name: "acousticnesspercent", field: fieldAcousticness, scale: 0.01},
	{name: "instrumentalness", field: fieldInstrumentalness},
	{name: "instrumentalnesspercent", field: fieldInstrumentalness, scale: 0.01},
	{name: "confidence", field: fieldConfidence},
	{name: "provenance", field: fieldProvenance},
	{name: "features", field: fieldFeatures},
	{name: "audiofeatures", field: fieldFeatures},
}

// columnsByName finds a place in columns.
func columnsByName() map[string]int {
	m := make(map[string]int, len(columns))
	for i, c := range columns {
		m[c.name] = i
	}
	return m
}

// headerName brings a column's name to the form in which names are compared: letters and digits, in lower case, and "%" as "percent".
func headerName(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '%':
			b.WriteString("percent")
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// header says which column holds what.
type header struct {
	width   int
	columns []int // for each column of the file its place in columns, or −1 where it is not read
	spotify bool
	// escaped: artists are parted by a comma and a space, and a comma within a name has a backslash.
	escaped bool
}

// readHeader recognizes the columns of a file.
func readHeader(names []string, byName map[string]int) header {
	h := header{width: len(names), columns: make([]int, len(names))}
	var best [fields]int // for each field the column that is read, counted from 1
	for i, name := range names {
		h.columns[i] = -1
		form := headerName(name)
		at, ok := byName[form]
		if !ok || columns[at].field == fieldFeatures {
			continue
		}
		h.spotify = h.spotify || columns[at].spotify
		h.escaped = h.escaped || form == "artisturis" || form == "artisturi"
		f := columns[at].field
		if other := best[f] - 1; f != fieldGenres && other >= 0 {
			if h.columns[other] <= at {
				continue
			}
			h.columns[other] = -1
		}
		h.columns[i], best[f] = at, i+1
	}
	return h
}

// known is how many columns are read.
func (h *header) known() int {
	n := 0
	for _, at := range h.columns {
		if at >= 0 {
			n++
		}
	}
	return n
}

func (h *header) has(f field) bool {
	for _, at := range h.columns {
		if at >= 0 && columns[at].field == f {
			return true
		}
	}
	return false
}

// check returns what a header lacks, or nil.
func (h *header) check(names []string) error {
	var missing []string
	if !h.has(fieldID) && !h.has(fieldURI) {
		missing = append(missing, "an id (such as track_id)")
	}
	if !h.has(fieldDuration) {
		missing = append(missing, "a duration (such as duration_ms)")
	}
	if len(missing) == 0 {
		return nil
	}
	shown := strings.Join(names, ", ")
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	return fault.New(fault.Invalid, "the catalog's header has no column for %s; its columns are: %s",
		strings.Join(missing, " and none for "), strings.ToValidUTF8(fmt.Sprintf("%q", shown), "\uFFFD"))
}

// commas says how artists are parted in the column that is read for them. Only Exportify writes "Artist Name(s)" and "Artist Name".
func (h *header) commas(names []string) commaRule {
	for i, at := range h.columns {
		if at < 0 || columns[at].field != fieldArtists {
			continue
		}
		switch form := headerName(names[i]); {
		case h.escaped:
			return commaEscaped
		case form == "artistnames":
			return commaTight
		}
	}
	return commaNever
}
