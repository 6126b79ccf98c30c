// Package catalog is a [tunevector.MusicProvider] over a file of tracks, or over a made-up collection to try things with.
//
//	music, report, err := catalog.Open(ctx, "tracks.csv", nil)
//	app, err := rhythmiq.New(rhythmiq.Config{Music: music})
//
// It reads CSV, TSV and JSONL as listeners' exports and the common feature sets have them (see [Load]), keeps a track in
// some tens of bytes besides its words, and finds the tracks near an arc. [Demo] is a catalog that needs no file. It does not
// play music, and it does not fetch what a file lacks.
package catalog

import (
	"math"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// Catalog is music in memory. It does not change, and is safe for concurrent use.
type Catalog struct {
	// By track number, in the order of the file.
	id, title, uri            []uint32 // in ids, titles and uris
	artist, genre, instrument []uint32 // lists
	millis                    []uint32
	features                  []packed
	popularity                []uint16 // in units of 1/unit
	known                     []origin // which features the file says, and where the others are from
	confidence                []uint8  // in what the file says, in percent
	flags                     []flag

	ids, titles, uris            texts
	artists, genres, instruments lists
	table                        idTable
	versions                     []version // sorted by track

	sources [][]*tunevector.FeatureSources // by origin and confidence, for all tracks that have these

	terms        genreIndex
	index        *planner.Index
	genreCount   []uint32        // tracks of each list of genres
	genresOf     [kinds][]string // in alphabetical order
	artistOrder  []uint32        // artists by their folded name
	artistStarts []uint32        // of each artist in artistTracks, and the end
	artistTracks []uint32        // tracks of each artist
}

var (
	_ tunevector.MusicProvider = (*Catalog)(nil)
	_ tunevector.GenreLister   = (*Catalog)(nil)
)

// version is a track that is another one's song.
type version struct{ track, of uint32 }

// packed are features as they are kept: shares in units of 1/unit, the tempo in hundredths of a BPM. What exports say with
// three or four digits comes back as it was.
type packed [dimensions]uint16

const (
	unit      = 10000
	tempoUnit = 100
)

func pack(dimension int, value float64) uint16 {
	if dimension == tempo {
		return uint16(math.Round(value * tempoUnit))
	}
	return uint16(math.Round(value * unit))
}

func (p packed) features() tunevector.Features {
	return tunevector.Features{
		Energy:           float64(p[energy]) / unit,
		Valence:          float64(p[valence]) / unit,
		Tempo:            float64(p[tempo]) / tempoUnit,
		Acousticness:     float64(p[acousticness]) / unit,
		Instrumentalness: float64(p[instrumentalness]) / unit,
	}
}

func percent(share float64) uint8 { return uint8(math.Round(share * 100)) }

// flag is a track's small facts; the lowest bits are its kind.
type flag uint8

const (
	kinds         = 3
	kindMask flag = 1<<2 - 1

	flagExplicit  flag = 1 << 2
	flagSpotify   flag = 1 << 3 // it came from Spotify
	flagURIPrefix flag = 1 << 4 // its URI is what is kept, and then its id
	flagVersion   flag = 1 << 5 // another track stands for it
)

var kindNames = [kinds]tunevector.Kind{tunevector.Playlist, tunevector.Podcast, tunevector.Soundscape}

// kindFlag is the flag of a known kind.
func kindFlag(k tunevector.Kind) flag {
	for i, name := range kindNames {
		if name == k {
			return flag(i)
		}
	}
	return 0
}

func (f flag) kind() tunevector.Kind { return kindNames[f&kindMask] }

// New makes a catalog of tracks that a host already has. A track that lacks what [Load] needs of a row, or has values that
// are out of bounds, is an error that names every such track. Features that are all zero with a confidence of 0 are missing ones.
func New(tracks []tunevector.Track) (*Catalog, error) {
	b := newBuilder()
	var bad faults
	var r row
	for i, t := range tracks {
		r.fromTrack(t)
		if err := checkTrack(&r, t); err != nil {
			bad.add(i, err)
			continue
		}
		if err := b.add(&r); err != nil {
			return nil, err
		}
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return b.finish(), nil
}

// Len is how many tracks there are.
func (c *Catalog) Len() int { return len(c.id) }

func (c *Catalog) idOf(n uint32) string { return c.ids.get(c.id[n]) }

func (c *Catalog) seconds(n uint32) float64 { return float64(c.millis[n]) / 1000 }

func (c *Catalog) track(n uint32) tunevector.Track {
	id := c.idOf(n)
	uri := c.uris.get(c.uri[n])
	if c.flags[n]&flagURIPrefix != 0 {
		uri += id
	}
	provenance := tunevector.FromCatalog
	if c.flags[n]&flagSpotify != 0 {
		provenance = tunevector.FromSpotify
	}
	artists, genres, instruments := c.artists.of(c.artist[n]), c.genres.of(c.genre[n]), c.instruments.of(c.instrument[n])
	room := make([]string, len(artists)+len(genres)+len(instruments))
	return tunevector.Track{
		ID:              id,
		URI:             uri,
		Title:           c.titles.get(c.title[n]),
		Artists:         c.artists.take(artists, &room),
		Genres:          c.genres.take(genres, &room),
		Instruments:     c.instruments.take(instruments, &room),
		Kind:            c.flags[n].kind(),
		DurationSeconds: c.seconds(n),
		Explicit:        c.flags[n]&flagExplicit != 0,
		Features:        c.features[n].features(),
		Confidence:      c.known[n].mean(c.confidence[n]),
		FeatureSources:  c.sources[c.known[n]][c.confidence[n]],
		Popularity:      float64(c.popularity[n]) / unit,
		Provenance:      provenance,
	}
}
