package catalog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// read loads text, which must work, and returns all tracks in order.
func read(t testing.TB, text string, o *Options) ([]tunevector.Track, Report) {
	t.Helper()
	c, report, err := Load(context.Background(), strings.NewReader(text), o)
	require.NoError(t, err)
	require.Equal(t, report.Tracks, c.Len())
	require.Equal(t, report.Rows, report.Tracks+report.Merged+report.BadCount)
	return everything(c), report
}

// everything are a catalog's tracks, without where their features are from, which TestFeatureSources is about.
func everything(c *Catalog) []tunevector.Track {
	tracks := make([]tunevector.Track, c.Len())
	for i := range tracks {
		tracks[i] = c.track(uint32(i))
		tracks[i].FeatureSources = nil
	}
	return tracks
}

var measured = tunevector.Features{Energy: 0.654, Valence: 0.43, Tempo: 89.99, Acousticness: 0.153, Instrumentalness: 0.0001}

func TestLoadReadsExportsAsTheyAre(t *testing.T) {
	want := tunevector.Track{
		ID: "2wrJq5XKLnmhRXHIAf9xBa", Title: `10,000 "Hours"`, Artists: []string{"Dan + Shay", "Tyler, The Creator"}, Genres: []string{"country", "indie pop"},
		Kind: tunevector.Playlist, DurationSeconds: 167.693, Features: measured, Confidence: 1, Popularity: 0.78, Provenance: tunevector.FromCatalog,
	}
	spotify := func(t tunevector.Track) tunevector.Track {
		t.URI, t.Provenance = "spotify:track:"+t.ID, tunevector.FromSpotify
		return t
	}
	withoutURI := spotify(want)
	withoutURI.URI = ""
	for name, c := range map[string]struct {
		file string
		want tunevector.Track
	}{
		"feature set": {
			"track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature,track_genre\n" +
				`2wrJq5XKLnmhRXHIAf9xBa,"Dan + Shay;Tyler, The Creator",Album,"10,000 ""Hours""",78.0,167693.0,False,0.654,0.654,10.0,-4.644,1.0,0.0259,0.153,0.0001,0.111,0.43,89.991,4.0,Country;Indie Pop` + "\n",
			want,
		},
		"feature set with an index, Python lists and CRLF": {
			",name,id,artists,duration_ms,explicit,popularity,genres,energy,valence,tempo,acousticness,instrumentalness\r\n" +
				`0,"10,000 ""Hours""",2wrJq5XKLnmhRXHIAf9xBa,"['Dan + Shay', ""Tyler, The Creator""]",167693,0,78,"['country', 'indie pop']",0.654,0.43,89.991,0.153,0.0001` + "\r\n",
			want,
		},
		"Exportify, older": {
			`"Spotify ID","Artist IDs","Track Name","Album Name","Artist Name(s)","Release Date","Duration (ms)","Popularity","Added By","Added At","Genres","Danceability","Energy","Key","Loudness","Mode","Speechiness","Acousticness","Instrumentalness","Liveness","Valence","Tempo","Time Signature"` + "\n" +
				`2wrJq5XKLnmhRXHIAf9xBa,"7z5WFjZAIYejWy0NI5lv4T,4V8LLVI7PbaPR0K2TGSxFF","10,000 ""Hours""","Album","Dan + Shay,Tyler, The Creator",2019-10-04,167693,78,spotify:user:x,2020-01-01T00:00:00Z,"country,indie pop",0.6,0.654,10,-4.6,1,0.02,0.153,0.0001,0.1,0.43,89.991,4` + "\n",
			withoutURI,
		},
		"Exportify, newer": {
			"\ufeff" + `"Track URI","Track Name","Album Name","Artist Name(s)","Release Date","Duration (ms)","Popularity","Explicit","Added By","Added At","Genres","Record Label","Danceability","Energy","Key","Loudness","Mode","Speechiness","Acousticness","Instrumentalness","Liveness","Valence","Tempo","Time Signature"` + "\n" +
				`"spotify:track:2wrJq5XKLnmhRXHIAf9xBa","10,000 ""Hours""","Album","Dan + Shay;Tyler, The Creator","2019-10-04",167693,78,false,"x","2020-01-01T00:00:00Z","country,indie pop","Label",0.6,0.654,10,-4.6,1,0.02,0.153,0.0001,0.1,0.43,89.991,4` + "\n",
			spotify(want),
		},
		"Exportify, Watson's": {
			`"Track URI","Track Name","Artist URI(s)","Artist Name(s)","Album URI","Album Name","Disc Number","Track Duration (ms)","Explicit","Popularity","Artist Genres","Energy","Acousticness","Instrumentalness","Valence","Tempo"` + "\n" +
				`"spotify:track:2wrJq5XKLnmhRXHIAf9xBa","10,000 ""Hours""","spotify:artist:a, spotify:artist:b","Dan + Shay, Tyler\, The Creator","spotify:album:c","Album","1","167693","false","78","country,indie pop","0.654","0.153","0.0001","0.43","89.991"` + "\n",
			spotify(want),
		},
		"percent and tabs": {
			"track_id\ttrack_name\tartist(s)_name\tduration\tpopularity\tbpm\tenergy_%\tvalence_%\tacousticness_%\tinstrumentalness_%\tgenre\n" +
				"2wrJq5XKLnmhRXHIAf9xBa\t10,000 \"Hours\"\tDan + Shay;Tyler, The Creator\t2:47.693\t78\t89.991\t65.4\t43\t15.3\t0.01\tcountry|indie pop\n",
			want,
		},
		"European spreadsheet": {
			"sep=;\nID;Title;Artists;Duration_s;Popularity;BPM;Energy;Valence;Acousticness;Instrumentalness;Genres\n" +
				`2wrJq5XKLnmhRXHIAf9xBa;"10,000 ""Hours""";"['Dan + Shay', 'Tyler, The Creator']";167,693;78;89,991;0,654;0,43;0,153;0,0001;country,indie pop` + "\n",
			want,
		},
		"JSONL": {
			`{"id":"2wrJq5XKLnmhRXHIAf9xBa","title":"10,000 \"Hours\"","artists":["Dan + Shay","Tyler, The Creator"],"genres":["Country","Indie Pop"],"durationSeconds":167.693,"popularity":78,` +
				`"features":{"energy":0.654,"valence":0.43,"tempo":89.991,"acousticness":0.153,"instrumentalness":0.0001}}`,
			want,
		},
		"JSONL as Spotify's API has it": {
			`{"trackUri":"spotify:track:2wrJq5XKLnmhRXHIAf9xBa","name":"10,000 \"Hours\"","artists":[{"name":"Dan + Shay"},{"name":"Tyler, The Creator"}],"genres":"country;indie pop","explicit":false,"duration_ms":167693,"popularity":78,` +
				`"energy":0.654,"audio_features":{"energy":0.1,"valence":"0.43","tempo":89.991,"acousticness":0.153,"instrumentalness":0.0001,"id":"other","duration_ms":1}}` + "\n\n",
			spotify(want),
		},
	} {
		t.Run(name, func(t *testing.T) {
			tracks, report := read(t, c.file, nil)
			require.Empty(t, report.Bad)
			require.Equal(t, []tunevector.Track{c.want}, tracks)
		})
	}
}

func TestLoadReadsOurOwnColumns(t *testing.T) {
	tracks, report := read(t, `id,uri,title,artists,kind,instruments,duration_s,explicit,bpm,energy,confidence,provenance
a,https://music.example/a,A,X,soundscape,"Piano, Harp",600,1,60,0.1,0.5,spotify
b,urn:x:b,B,X,Podcast,,1:00:05,no,0,,,
spotify:track:c,,C,X,,,200,,,,,
spotify:episode:d,,D,,,,200,,,,,
,spotify:episode:e,E,,,,200,,,,,
,https://music.example/f,F,,,,200,,,,,
`, nil)
	require.Empty(t, report.Bad)
	require.Equal(t, "https://music.example/a", tracks[0].URI)
	require.Equal(t, tunevector.Soundscape, tracks[0].Kind)
	require.Equal(t, []string{"piano", "harp"}, tracks[0].Instruments)
	require.True(t, tracks[0].Explicit)
	require.InDelta(t, 60, tracks[0].Features.Tempo, 0)
	require.Equal(t, tunevector.FromSpotify, tracks[0].Provenance)
	require.InDelta(t, (2*0.5+3*tagConfidence)/5, tracks[0].Confidence, 0.006, "two dimensions are half sure, three are those of soundscapes")
	require.Equal(t, "urn:x:b", tracks[1].URI)
	require.Equal(t, tunevector.Podcast, tracks[1].Kind)
	require.InDelta(t, 3605, tracks[1].DurationSeconds, 0)
	require.Equal(t, tunevector.FromCatalog, tracks[1].Provenance)
	for i, want := range []tunevector.Track{
		{ID: "c", URI: "spotify:track:c", Kind: tunevector.Playlist, Provenance: tunevector.FromSpotify},
		{ID: "d", URI: "spotify:episode:d", Kind: tunevector.Podcast, Provenance: tunevector.FromSpotify},
		{ID: "e", URI: "spotify:episode:e", Kind: tunevector.Podcast, Provenance: tunevector.FromSpotify},
		{ID: "https://music.example/f", URI: "https://music.example/f", Kind: tunevector.Playlist, Provenance: tunevector.FromCatalog},
	} {
		got := tracks[2+i]
		require.Equal(t, want, tunevector.Track{ID: got.ID, URI: got.URI, Kind: got.Kind, Provenance: got.Provenance})
	}
}

func TestLoadOptions(t *testing.T) {
	file := "track_uri,duration_ms,provenance\nspotify:track:a,1000,spotify\n"
	tracks, _ := read(t, file, &Options{Provenance: tunevector.FromCatalog, Kind: tunevector.Soundscape, Format: CSV})
	require.Equal(t, tunevector.FromCatalog, tracks[0].Provenance, "the host vouches for all of it")
	require.Equal(t, tunevector.Soundscape, tracks[0].Kind)

	_, _, err := Load(context.Background(), strings.NewReader(file), &Options{Format: "xml", Kind: "film", Provenance: "radio", MaxBad: -1})
	require.ErrorIs(t, err, fault.ErrInvalid)
	e, _ := fault.As(err)
	require.Len(t, e.Fields, 4)

	_, report, err := Load(context.Background(), strings.NewReader("id,duration\na,x\nb,\nc,0\nd,5\n"), &Options{MaxBad: 2})
	require.NoError(t, err)
	require.Equal(t, 3, report.BadCount)
	require.Len(t, report.Bad, 2)
}

func TestLoadReportsBadRowsAndGoesOn(t *testing.T) {
	tracks, report := read(t, strings.Join([]string{
		"track_id,track_name,duration_ms,energy,valence,tempo,explicit,kind,popularity,confidence,provenance", // 1
		"good,fine,1000,,,,,,,,",                 // 2
		",no id,1000",                            // 3
		"a,no duration",                          // 4
		"b,x,soon",                               // 5
		"c,x,999",                                // 6
		"d,x,86400001",                           // 7
		"e,x,1000,1.2",                           // 8
		"f,x,1000,,-0.1",                         // 9
		"g,x,1000,,,301",                         // 10
		"h,x,1000,,,,maybe",                      // 11
		"i,x,1000,,,,,film",                      // 12
		"j,x,1000,,,,,,101",                      // 13
		"k,x,1000,,,,,,,2",                       // 14
		"l,x,1000,,,,,,,,radio",                  // 15
		"m,x,1000,0.5,0.5,120,no,music,1,1,,one", // 16: a comma too many
		"n,x,1000,0.5,0.5,120,no,music,1,1,,,,,", // 17: empty fields too many do no harm
		`o,"a "broken" quote",1000`,              // 18
		`p,"two`, `lines",1000`,                  // 19, 20
		`q,7" mix,1000`,                      // 21
		`r,x,1000,high`,                      // 22
		`s,x,1000,NaN,null,0,None,n/a,-`,     // 23: nothing is said
		strings.Repeat("t", 201) + ",x,1000", // 24
		"u\xff,x,1000",                       // 25
		"",                                   // 26
		`v,"` + strings.Repeat("w", maxText) + `w",1000`, // 27
		strings.Repeat("x", maxRecord-6) + ",x,1000",     // 28
		"y,x,1000,inf", // 29
		"z,x,1:75",     // 30
		`last,"open`,   // 31: never closed
		"good2,fine,2000,,,,,,,,",
	}, "\n"), nil)
	ids := make([]string, len(tracks))
	for i, track := range tracks {
		ids[i] = track.ID
	}
	require.Equal(t, []string{"good", "n", "p", "q", "s", "good2"}, ids)
	require.Equal(t, "two\nlines", tracks[2].Title)
	require.Equal(t, `7" mix`, tracks[3].Title)
	got := map[int]string{}
	for _, bad := range report.Bad {
		got[bad.Line] = bad.Reason
	}
	require.Equal(t, map[int]string{
		3:  "id is missing",
		4:  "duration is missing",
		5:  `duration "soon" is not a number`,
		6:  "duration of 0.999 s is not between 1 and 86400",
		7:  "duration of 86400 s is not between 1 and 86400",
		8:  "energy 1.2 is not between 0 and 1",
		9:  "valence -0.1 is not between 0 and 1",
		10: "tempo 301 is not between 20 and 300 BPM",
		11: `explicit "maybe" is neither true nor false`,
		12: `kind "film" is not playlist, podcast or soundscape`,
		13: "popularity 101 is not between 0 and 100",
		14: "confidence 2 is not between 0 and 1",
		15: `provenance "radio" is not catalog or spotify`,
		16: "there are 12 fields, and 11 in the header",
		18: "a quote within a quoted field is not written twice",
		22: `energy "high" is not a number`,
		24: "id is longer than 200 characters",
		25: "id is not UTF-8",
		27: "trackname is longer than 65536 bytes",
		28: "the line is longer than 262144 bytes",
		29: "energy +Inf is not between 0 and 1",
		30: `duration "1:75" is not a number`,
		31: "a quote is not closed",
	}, got)
	require.Equal(t, "line 3: id is missing", report.Bad[0].Error())
	require.Equal(t, len(got), report.BadCount)
}

func TestLoadReportsBadJSON(t *testing.T) {
	tracks, report := read(t, strings.Join([]string{
		`{"id":"a","duration_ms":1000}`,
		`{"id":"b","duration_ms":1000`,
		`null`,
		`[]`,
		`{"id":["c"],"duration_ms":1000}`,
		`{"id":"d","duration_ms":{}}`,
		`{"id":"e","duration_ms":1000,"artists":[1]}`,
		`{"id":"f","duration_ms":1000,"energy":true}`,
		`{"id":"g","duration_ms":1000} trailing`,
		`{"id":"h","duration_ms":null}`,
		`{"id":"i","duration_ms":1000,"features":7,"title":null,"artist_ids":["x"],"instruments":["Harp"],"whatever":{"a":[]}}`,
		`{"id":9,"duration_ms":1000,"explicit":true,"spotify_id":"k","track_id":"j"}`,
		`{"spotify_id":"l","duration_ms":1000}`,
		strings.Repeat(" ", maxRecord) + "{}",
	}, "\n"), &Options{Format: JSONL})
	require.Len(t, tracks, 4)
	require.Equal(t, []string{"harp"}, tracks[1].Instruments)
	require.Equal(t, "j", tracks[2].ID, "of several ids the one that is surest")
	require.True(t, tracks[2].Explicit)
	require.Equal(t, tunevector.FromSpotify, tracks[3].Provenance)
	got := map[int]string{}
	for _, bad := range report.Bad {
		got[bad.Line] = bad.Reason
	}
	require.Equal(t, map[int]string{
		2:  "the line is not a JSON object",
		3:  "the line is not a JSON object",
		4:  "the line is not a JSON object",
		5:  "id is a list",
		6:  "durationms is an object",
		7:  "artists is not a list of texts",
		8:  `energy "true" is not a number`,
		9:  "the line is not a JSON object",
		10: "duration is missing",
		14: "the line is longer than 262144 bytes",
	}, got)
}

func TestLoadMergesRowsOfOneTrack(t *testing.T) {
	tracks, report := read(t, `track_id,track_name,artists,duration_ms,energy,popularity,explicit,track_genre,instruments
a,,,1000,,10,false,rock,
b,B,X,2000,0.5,,,pop,
a,Title,Y;Z,9000,0.25,30,true,Indie Rock;rock,piano
a,Other,W,,,,,,
a,Other,W,5000,0.75,20,,pop,harp
`, nil)
	require.Equal(t, 2, report.Merged)
	require.Equal(t, 1, report.BadCount, "a row without a duration is bad even where another has one")
	require.Len(t, tracks, 2)
	a := tracks[0]
	require.Equal(t, "Title", a.Title)
	require.Equal(t, []string{"Y", "Z"}, a.Artists)
	require.Equal(t, []string{"rock", "indie rock", "pop"}, a.Genres)
	require.Equal(t, []string{"piano", "harp"}, a.Instruments)
	require.InDelta(t, 1, a.DurationSeconds, 0)
	require.InDelta(t, 0.25, a.Features.Energy, 0)
	require.InDelta(t, 0.3, a.Popularity, 0)
	require.True(t, a.Explicit)
}

func TestLoadFailsClearly(t *testing.T) {
	zipped := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	for name, c := range map[string]struct{ file, want string }{
		"nothing":            {"", "the catalog is empty"},
		"blank lines":        {"\n \n", "the catalog is empty"},
		"no id":              {"name,duration_ms\nx,1000\n", `no column for an id (such as track_id); its columns are: "name, duration_ms"`},
		"no duration":        {"id\nx\n", "no column for a duration (such as duration_ms)"},
		"neither":            {"first,second\n1,2\n", "no column for an id (such as track_id) and none for a duration"},
		"long header":        {strings.Repeat("column,", 100) + "\n", `…"`},
		"no rows":            {"id,duration_ms\n", "the catalog has no tracks"},
		"only bad rows":      {"id,duration_ms\nx,0\n", "none of its 1 rows could be read (line 2: duration is missing)"},
		"no JSON":            {`{"id":`, "none of its 1 rows could be read (line 1: the line is not a JSON object)"},
		"array":              {" [{}]", "a JSON array"},
		"UTF-16":             {"\xff\xfei\x00d\x00", "UTF-16"},
		"UTF-16, big endian": {"\xfe\xff\x00i\x00d", "UTF-16"},
		"zip":                {"PK\x03\x04....", "zip archive"},
		"Parquet":            {"PAR1....", "Parquet"},
		"broken header":      {"\"id\"x,duration_ms\na,1000\n", "header cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{c.file, zipped(c.file)} {
				_, _, err := Load(context.Background(), strings.NewReader(text), nil)
				require.ErrorIs(t, err, fault.ErrInvalid)
				require.ErrorContains(t, err, c.want)
			}
		})
	}
	for name, text := range map[string]string{
		"a gzip header that is cut": "\x1f\x8b\x08",
		"gzip data that is cut":     zipped("id,duration_ms\n" + strings.Repeat("a,1000\n", 1000))[:40],
		"cut at once":               zipped("id,duration_ms\na,1000\n")[:10],
	} {
		_, _, err := Load(context.Background(), strings.NewReader(text), nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
	}
}

func TestLoadStopsWhereReadingFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	head := "id,duration_ms\n" + strings.Repeat("a,1000\n", 100_000)
	for _, n := range []int{0, 5, 100, 70_000, 500_000} {
		for _, text := range []string{head, "{" + head, `id,"` + head, strings.Repeat("x", 1<<20)} {
			if strings.HasPrefix(text, `id,"`) && n > maxRecord {
				continue // by then it is clear that the header is broken
			}
			r := io.MultiReader(strings.NewReader(text[:min(n, len(text))]), iotest.ErrReader(broken))
			_, _, err := Load(context.Background(), r, nil)
			require.ErrorIs(t, err, broken)
		}
	}
	_, _, err := Load(context.Background(), stuck{}, nil)
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, _, err = Load(context.Background(), io.MultiReader(strings.NewReader(head), stuck{}), nil)
	require.ErrorIs(t, err, io.ErrNoProgress)
}

// stuck is a reader that never has anything.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestLoadHonorsTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	rows := 0
	r := readerFunc(func(p []byte) (int, error) {
		if rows++; rows == 50 {
			cancel()
		}
		if rows == 1 {
			return copy(p, "id,duration_ms\n"), nil
		}
		return copy(p, "a,1000\n"), nil
	})
	_, report, err := Load(ctx, r, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, report.Rows, 60000)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLoadReadsWhateverTheReaderGives(t *testing.T) {
	file := "\ufeffid,title,duration_ms\r\n" + `a,"x, ""y""` + "\r\n" + `z",1000` + "\r\nb,,2000"
	want, _ := read(t, file, nil)
	require.Equal(t, "x, \"y\"\r\nz", want[0].Title)
	require.Len(t, want, 2)
	for _, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(file)), iotest.DataErrReader(strings.NewReader(file)), iotest.HalfReader(strings.NewReader(file))} {
		c, _, err := Load(context.Background(), r, nil)
		require.NoError(t, err)
		require.Equal(t, want, everything(c))
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tracks.csv.gz")
	f, err := os.Create(path)
	require.NoError(t, err)
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte("id,duration\na,200\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())

	c, report, err := Open(context.Background(), path, nil)
	require.NoError(t, err)
	require.Equal(t, Report{Rows: 1, Tracks: 1}, report)
	require.Equal(t, 1, c.Len())

	_, _, err = Open(context.Background(), filepath.Join(dir, "absent.csv"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = Open(context.Background(), dir, nil)
	require.ErrorContains(t, err, dir)
}

// Cases that only a quoted row, a tab or an odd header brings about.
func TestLoadReadsOddRows(t *testing.T) {
	tracks, report := read(t, strings.Join([]string{
		`Artist IDs,Artist Name(s),Artist,Genre 2,TEMPO,BPM,Artist URI,Spotify ID,Track ID,duration`,
		`,"A,B",other,x,100,200,,s1,a,100` + "\r",           // no ids: the commas part
		`"i1,i2","A, B",,,,,"u",s2,b,"100"` + "\r",          // a carriage return after a quote; fewer fields, and more
		`i1,"A,B",,,"100,5",,,,"","100"`,                    // an empty id in quotes
		`i1,A,,,,,,,"` + strings.Repeat("é", 300) + `",100`, // too long an id
		`i1,A,,,` + strings.Repeat("9", 50) + `x,,,,c,100`,  // a long value that is no number
		`"i` + strings.Repeat(strings.Repeat("x", 1000)+"\n", 300) + `",A,,,,,,,d,100`,
		`i1,"A",,,,,,,e,"100"`,
	}, "\n"), nil)
	require.Len(t, tracks, 3)
	require.Equal(t, "a", tracks[0].ID, "of several ids the one that is surest")
	require.Equal(t, []string{"A,B"}, tracks[0].Artists, "Artist Name(s) goes before Artist, and Artist URI says that a comma alone does not part")
	require.Equal(t, 3+301, report.BadCount, "a row that is too long costs a row for each of its lines")
	for _, bad := range report.Bad {
		require.Less(t, len(bad.Reason), 200, "a reason does not repeat a row")
	}
}

// A quote that is never closed costs its row, however much comes after it.
func TestAnOpenQuoteCostsOneRow(t *testing.T) {
	const rows = 50_000 // more than are held at once
	var file strings.Builder
	file.WriteString("id\ttitle\tduration\n\t\t\nopen\t\"never closed\t100\n")
	for i := range rows {
		fmt.Fprintf(&file, "%d\tne\u0301e\t100\n", i)
	}
	tracks, report := read(t, file.String(), nil)
	require.Len(t, tracks, rows)
	require.Equal(t, []RowError{{Line: 2, Reason: "id is missing"}, {Line: 3, Reason: "a quote is not closed within 262144 bytes"}}, report.Bad)
	require.Equal(t, "ne\u0301e", tracks[0].Title)
}

func TestKnownValuesOfOptionsAreTaken(t *testing.T) {
	for _, kind := range kindNames {
		for _, provenance := range []tunevector.Provenance{tunevector.FromCatalog, tunevector.FromSpotify} {
			for _, row := range []string{"a,1,", "a,1," + string(provenance)} {
				tracks, _ := read(t, "id,duration,provenance\n"+row+"\n", &Options{Kind: kind, Provenance: provenance})
				require.Equal(t, kind, tracks[0].Kind)
				require.Equal(t, provenance, tracks[0].Provenance)
			}
		}
	}
	tracks, _ := read(t, `{"spotify_id":"a","duration":1,"provenance":"catalog"}`, nil)
	require.Equal(t, tunevector.FromCatalog, tracks[0].Provenance, "what a track says of itself goes before")
}
