package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// jsonl reads one object a line.
func (l *loader) jsonl(w *window) error {
	for {
		line := w.line
		text, size, err := w.peekLine()
		if err == nil {
			text = bytes.TrimSpace(text)
			if len(text) == 0 {
				w.use(size, 1)
				continue
			}
			l.row.reset()
			if err = l.fromJSON(text); err == nil {
				err = l.add(false)
			}
			w.use(size, 1)
		}
		if done, err := l.after(line, err); done {
			return err
		}
	}
}

// fromJSON reads the row from an object.
func (l *loader) fromJSON(text []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return reason("the line is not a JSON object")
	}
	values := map[int]json.RawMessage{}
	spotify := l.gather(values, object, true)
	for at := range values { // of several keys for a field the one that stands first in columns is read, and all genres
		if f := columns[at].field; f != fieldGenres {
			for other := range values {
				if other > at && columns[other].field == f {
					delete(values, other)
				}
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(values)) {
		if err := l.takeJSON(at, values[at]); err != nil {
			return err
		}
	}
	if spotify && l.row.provenance == "" {
		l.row.provenance = tunevector.FromSpotify
	}
	l.row.splitArtists(commaNever)
	return nil
}

// gather finds the values that are read, by their place in columns, and reports whether a key says that they are Spotify's. The features may stand in an object of
// their own; what stands beside it goes before.
func (l *loader) gather(values map[int]json.RawMessage, object map[string]json.RawMessage, outer bool) (spotify bool) {
	for _, key := range slices.Sorted(maps.Keys(object)) { // sorted, so that of two keys that differ in case it is always the same
		at, ok := l.byName[headerName(key)]
		if !ok {
			continue
		}
		c := columns[at]
		if c.field == fieldFeatures {
			var features map[string]json.RawMessage
			if outer && json.Unmarshal(object[key], &features) == nil {
				defer l.gather(values, features, false)
			}
			continue
		}
		if _, taken := values[at]; taken || !outer && dimensionOf(c.field) < 0 {
			continue
		}
		values[at] = object[key]
		spotify = spotify || c.spotify
	}
	return spotify
}

// takeJSON is take on a JSON value: a text, a number, true, false, null, or where there may be several names a list of texts or of
// objects that have a name, as Spotify's API writes artists.
func (l *loader) takeJSON(at int, value json.RawMessage) error {
	r := &l.row
	switch value[0] {
	case 'n':
		return nil
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return reason("%s is not a text", columns[at].name)
		}
		return r.take(at, text)
	case '[':
		names, err := jsonNames(value)
		if err != nil {
			return reason("%s is not a list of texts", columns[at].name)
		}
		switch columns[at].field {
		case fieldArtists:
			r.artists = appendNames(r.artists, names...)
		case fieldGenres:
			r.genres = appendLower(r.genres, names...)
		case fieldInstruments:
			r.instruments = appendLower(r.instruments, names...)
		case fieldArtistIDs:
		default:
			return reason("%s is a list", columns[at].name)
		}
		return nil
	case '{':
		return reason("%s is an object", columns[at].name)
	default:
		return r.take(at, string(value))
	}
}

func jsonNames(value json.RawMessage) (names []string, err error) {
	if err := json.Unmarshal(value, &names); err == nil {
		return names, nil
	}
	var objects []struct{ Name string }
	if err := json.Unmarshal(value, &objects); err != nil {
		return nil, err
	}
	names = make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, strings.TrimSpace(o.Name))
	}
	return names, nil
}
