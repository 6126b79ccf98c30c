package catalog

import (
	"context"
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"id,duration\na,200\n",
		"uri,duration\nspotify:track:,200\nspotify:episode:a,200\n",
		"track_id,artists,track_name,duration_ms,energy,track_genre\n\"x\",\"['A', 'B']\",\"a \"\"b\"\"\nc\",1000,0.5,a;b\nx,,,2000,,c\n",
		"\ufeffTrack URI\tArtist URI(s)\tArtist Name(s)\tDuration (ms)\r\nspotify:track:a\tb, c\tA\\, B, C\t3:20\r\n",
		"sep=;\nid;duration;energy_%\na;20000;50,5\n",
		"id,duration\n\"a,1\n\"b\"c,2\n",
		"id,duration,kind,explicit,tempo\n,,,,\na,1,podcast,yes,0\na,NaN,,maybe,1e9",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { readsSoundly(t, text, CSV) })
}

func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","duration":200}`,
		`{"track_id":"a","artists":["A",{"name":"B"}],"features":{"energy":0.5,"features":{}},"duration_ms":1000,"genres":["x"],"Tempo":"120"}`,
		`{"id":"a","ID":"b","duration":"3:20","artists":[{"name":"A"}],"kind":"soundscape"}` + "\n{}\nnull\n[1]",
		`{"uri":"spotify:episode:x","duration":1e300}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { readsSoundly(t, text, JSONL) })
}

// readsSoundly reads a text and holds what comes of it to what a provider promises.
func readsSoundly(t *testing.T, text string, format Format) {
	c, report, err := Load(context.Background(), strings.NewReader(text), &Options{Format: format})
	again, reportAgain, errAgain := Load(context.Background(), strings.NewReader(text), &Options{Format: format})
	require.Equal(t, report, reportAgain)
	require.Equal(t, err == nil, errAgain == nil)
	if err != nil {
		require.NotErrorIs(t, err, io.EOF)
		return
	}
	require.Equal(t, report.Rows, report.Tracks+report.Merged+report.BadCount)
	require.LessOrEqual(t, report.Rows, strings.Count(text, "\n")+1)
	ids := map[string]bool{}
	tracks := everything(c)
	require.Equal(t, tracks, everything(again))
	for _, track := range tracks {
		require.False(t, ids[track.ID])
		ids[track.ID] = true
		for _, s := range append(append([]string{track.ID, track.URI, track.Title}, track.Artists...), track.Genres...) {
			require.True(t, utf8.ValidString(s))
		}
		require.GreaterOrEqual(t, track.DurationSeconds, 1.0)
		require.LessOrEqual(t, track.DurationSeconds, 86400.0)
		require.True(t, track.Features.Tempo >= minTempo && track.Features.Tempo <= maxTempo)
		for _, v := range []float64{track.Features.Energy, track.Features.Valence, track.Features.Acousticness, track.Features.Instrumentalness, track.Confidence, track.Popularity} {
			require.True(t, v >= 0 && v <= 1)
		}
	}
	_, err = New(tracks)
	require.NoError(t, err, "what was read can be handed on")
	for _, kind := range kindNames {
		genres, err := c.Genres(context.Background(), kind)
		require.NoError(t, err)
		for _, genre := range genres[:min(len(genres), 5)] {
			found := ask(t, c, tunevector.CandidateQuery{Kind: kind, Genres: []string{genre}, Along: []tunevector.Features{{Tempo: 100}}})
			require.True(t, len(found) > 0 || genreForm(genre) == "", "music of genre %q", genre)
		}
	}
}

// A CSV row is read as encoding/csv reads it, wherever that reads it at all. Carriage returns in quotes, which it drops, and lines of
// spaces, which it takes for rows, are left out.
func FuzzCSVRow(f *testing.F) {
	f.Add("a,b\n")
	f.Add("\"a\nb\",\"c\"\"\"\n\n,x")
	f.Fuzz(func(t *testing.T, text string) {
		for line := range strings.Lines(text) {
			if strings.Contains(line, "\r") || line != "\n" && len(strings.TrimSpace(line)) == 0 {
				return
			}
		}
		reference := csv.NewReader(strings.NewReader(text))
		reference.FieldsPerRecord = -1
		want, err := reference.ReadAll()
		if err != nil {
			return
		}
		r := csvReader{window: newWindow(strings.NewReader(text)), comma: ','}
		for _, fields := range want {
			got, _, err := r.next()
			require.NoError(t, err)
			require.Equal(t, fields, got)
		}
		_, _, err = r.next()
		require.ErrorIs(t, err, io.EOF)
	})
}
