package catalog

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// What a host hands to New comes back as it was, to the precision that is kept.
func TestNewKeepsTracks(t *testing.T) {
	share := rapid.Map(rapid.IntRange(0, unit), func(n int) float64 { return float64(n) / unit })
	name := rapid.StringMatching(`[A-Za-zéß&,/ ]{0,3}[A-Za-z]`)
	lower := rapid.StringMatching(`[a-z&]{1,4}`)
	track := rapid.Custom(func(t *rapid.T) tunevector.Track {
		id := rapid.StringMatching(`[a-z0-9:/ ü]{0,6}[a-z]`).Draw(t, "id")
		return tunevector.Track{
			ID:              strings.TrimPrefix(id, "spotify:"),
			URI:             rapid.SampledFrom([]string{"", "urn:x:" + id, "https://music.example/1"}).Draw(t, "uri"),
			Title:           rapid.StringOf(rapid.Rune()).Draw(t, "title"),
			Artists:         rapid.SliceOfNDistinct(rapid.Map(name, strings.TrimSpace), 1, 4, rapid.ID).Draw(t, "artists"),
			Genres:          rapid.SliceOfNDistinct(lower, 1, 4, rapid.ID).Draw(t, "genres"),
			Instruments:     rapid.SliceOfNDistinct(lower, 1, 4, rapid.ID).Draw(t, "instruments"),
			Kind:            rapid.SampledFrom(kindNames[:]).Draw(t, "kind"),
			DurationSeconds: float64(rapid.IntRange(1000, 86_400_000).Draw(t, "millis")) / 1000,
			Explicit:        rapid.Bool().Draw(t, "explicit"),
			Features: tunevector.Features{
				Energy: share.Draw(t, "energy"), Valence: share.Draw(t, "valence"), Tempo: float64(rapid.IntRange(2000, 30000).Draw(t, "tempo")) / 100,
				Acousticness: share.Draw(t, "acousticness"), Instrumentalness: share.Draw(t, "instrumentalness"),
			},
			Confidence: float64(rapid.IntRange(0, 100).Draw(t, "confidence")) / 100,
			Popularity: share.Draw(t, "popularity"),
			Provenance: rapid.SampledFrom([]tunevector.Provenance{tunevector.FromCatalog, tunevector.FromSpotify}).Draw(t, "provenance"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		tracks := rapid.SliceOfNDistinct(track, 0, 30, func(track tunevector.Track) string { return track.ID }).Draw(t, "tracks")
		c, err := New(tracks)
		require.NoError(t, err)
		require.Equal(t, len(tracks), c.Len())
		for i, got := range everything(c) {
			want := tracks[i]
			if c.flags[i]&flagVersion == 0 { // the one that stands for its versions has their genres too
				require.Subset(t, got.Genres, want.Genres)
				got.Genres = want.Genres
			}
			require.Equal(t, want, got)
			found, err := c.Tracks(t.Context(), []string{want.ID})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Equal(t, want.ID, found[0].ID)
		}
	})
}

func TestNewNamesEveryWrongTrack(t *testing.T) {
	good := tunevector.Track{ID: "a", DurationSeconds: 100}
	with := func(change func(*tunevector.Track)) tunevector.Track {
		track := good
		change(&track)
		return track
	}
	_, err := New([]tunevector.Track{
		good,
		with(func(t *tunevector.Track) { t.ID = "" }),
		with(func(t *tunevector.Track) { t.DurationSeconds = math.NaN() }),
		with(func(t *tunevector.Track) { t.Kind = "film" }),
		with(func(t *tunevector.Track) { t.Provenance = "radio" }),
		with(func(t *tunevector.Track) { t.Title = strings.Repeat("x", maxText+1) }),
		with(func(t *tunevector.Track) { t.ID = strings.Repeat("x", maxText+1) }),
		with(func(t *tunevector.Track) { t.URI = strings.Repeat("x", maxText+1) }),
		with(func(t *tunevector.Track) { t.Features.Energy = 2 }),
		with(func(t *tunevector.Track) { t.Confidence, t.Features.Tempo = math.NaN(), 100 }),
		with(func(t *tunevector.Track) { t.Popularity = math.Inf(1) }),
		good,
	})
	require.ErrorIs(t, err, fault.ErrInvalid)
	e, _ := fault.As(err)
	require.Len(t, e.Fields, 10)
	require.Equal(t, "id is missing", e.Fields["tracks[1]"])
	require.Equal(t, "duration of NaN s is not between 1 and 86400", e.Fields["tracks[2]"])

	_, err = New(make([]tunevector.Track, maxNamed+7))
	e, _ = fault.As(err)
	require.Len(t, e.Fields, maxNamed+1)
	require.Equal(t, "7 more are wrong", e.Fields["tracks"])
}

func TestFeaturesThatAreMissing(t *testing.T) {
	known := tunevector.Features{Energy: 0.9, Valence: 0.1, Tempo: 99, Acousticness: 0.2, Instrumentalness: 0.3}
	noTempo := known
	noTempo.Tempo = 0
	c, err := New([]tunevector.Track{
		{ID: "all", DurationSeconds: 1, Features: known, Confidence: 0.8, Genres: []string{"rock"}},
		{ID: "no tempo, genre", DurationSeconds: 1, Features: noTempo, Confidence: 1, Genres: []string{"Dark Ambient"}},
		{ID: "no tempo, no genre", DurationSeconds: 1, Features: noTempo, Confidence: 1},
		{ID: "only genre", DurationSeconds: 1, Genres: []string{"ambient"}},
		{ID: "two genres and one unknown", DurationSeconds: 1, Genres: []string{"ambient", "metal", "xyzzy"}},
		{ID: "tag", DurationSeconds: 1, Genres: []string{"workout"}},
		{ID: "podcast", DurationSeconds: 1, Kind: tunevector.Podcast},
		{ID: "soundscape", DurationSeconds: 1, Kind: tunevector.Soundscape, Genres: []string{"xyzzy"}},
		{ID: "nothing", DurationSeconds: 1, Genres: []string{"xyzzy"}},
	})
	require.NoError(t, err)
	byID := map[string]tunevector.Track{}
	for _, track := range everything(c) {
		byID[track.ID] = track
	}
	ambient := newPriors().of([]string{"ambient"}, music).features
	require.Equal(t, known, byID["all"].Features)
	require.InDelta(t, 0.8, byID["all"].Confidence, 0)
	require.InDelta(t, ambient[tempo], byID["no tempo, genre"].Features.Tempo, 0.01)
	require.InDelta(t, 0.9, byID["no tempo, genre"].Features.Energy, 0, "what is known stays")
	require.InDelta(t, (4+tagConfidence)/5, byID["no tempo, genre"].Confidence, 0.005)
	require.InDelta(t, globalPrior[tempo], byID["no tempo, no genre"].Features.Tempo, 0)
	require.InDelta(t, 0.8, byID["no tempo, no genre"].Confidence, 0)
	require.InDelta(t, ambient[energy], byID["only genre"].Features.Energy, 1e-9)
	require.InDelta(t, tagConfidence, byID["only genre"].Confidence, 0)
	require.InDelta(t, (0.17+0.86)/2, byID["two genres and one unknown"].Features.Energy, 1e-4)
	require.InDelta(t, 0.88, byID["tag"].Features.Energy, 0)
	require.Greater(t, byID["podcast"].Features.Acousticness, 0.7)
	require.InDelta(t, tagConfidence, byID["podcast"].Confidence, 0)
	require.Greater(t, byID["soundscape"].Features.Instrumentalness, 0.8)
	require.InDelta(t, globalPrior[energy], byID["nothing"].Features.Energy, 0)
	require.Zero(t, byID["nothing"].Confidence)
}

func TestPriorsTakeTheMostPreciseName(t *testing.T) {
	p := newPriors()
	for genre, want := range map[string]string{
		"deep house": "deep house", "deep-house": "deep house", "Soulful House": "house", "folk metal": "metal", "metal folk": "folk", "k-pop": "k pop",
		"kpop": "k pop", "synthpop": "synth-pop", "Instrumental Hip Hop": "hip-hop", "uk drum & bass": "drum and bass", "rap": "rap", "post rock": "post-rock",
		"contemporary r&b": "r&b", "rnb": "r&b",
	} {
		require.Equal(t, p.find(genreForm(want)), p.find(genreForm(genre)), "%s is %s", genre, want)
	}
	require.False(t, p.find(genreForm("xyzzy")).ok)
	require.False(t, p.find(genreForm("?")).ok)
}

func TestTexts(t *testing.T) {
	var texts texts
	words := []string{"", "a", strings.Repeat("long ", 100), strings.Repeat("x", maxText), "ü", strings.Repeat("y", 127), strings.Repeat("z", 128)}
	var refs []uint32
	for range 40 { // more than two chunks
		for _, word := range words {
			ref, err := texts.add(word)
			require.NoError(t, err)
			refs = append(refs, ref)
		}
	}
	check := func() {
		for i, ref := range refs {
			require.Equal(t, words[i%len(words)], texts.get(ref))
		}
	}
	check()
	texts.finish()
	require.Greater(t, len(texts.chunks), 2)
	check()

	texts.chunks = make([]string, maxChunks-1)
	texts.open = make([]byte, 1<<chunkBits)
	_, err := texts.add("one more")
	require.ErrorIs(t, err, errTooLarge)
}

// Where a column is full, the error comes to the caller, whichever column it is.
func TestATooLargeCatalogIsAnError(t *testing.T) {
	full := texts{chunks: make([]string, maxChunks-1), open: make([]byte, 1<<chunkBits)}
	for name, fill := range map[string]func(c *Catalog){
		"ids": func(c *Catalog) { c.ids = full }, "titles": func(c *Catalog) { c.titles = full }, "uris": func(c *Catalog) { c.uris = full },
	} {
		for _, uri := range []string{"urn:id", "elsewhere"} {
			b := newBuilder()
			fill(b.c)
			err := b.add(&row{id: "id", title: "t", uri: uri, seconds: 1, kind: music})
			require.ErrorIs(t, err, errTooLarge, "%s %s", name, uri)
		}
	}
}

func TestIDTable(t *testing.T) {
	var ids []string
	idOf := func(n uint32) string { return ids[n] }
	var table idTable
	for i := range 3000 {
		id := fmt.Sprintf("id-%d", i)
		_, ok := table.find(id, idOf)
		require.False(t, ok)
		ids = append(ids, id)
		table.add(uint32(i), idOf)
	}
	for i, id := range ids {
		n, ok := table.find(id, idOf)
		require.True(t, ok)
		require.EqualValues(t, i, n)
	}
	require.LessOrEqual(t, len(table.slots), 3*len(ids), "it does not take more than it needs")
}
