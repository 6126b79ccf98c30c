package tunevector_test

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// hostile makes titles that try to get out of their place in each format.
func hostile(tracks []tunevector.Track) []tunevector.Track {
	for i := range tracks {
		tracks[i].Title = "]]></title><script>&amp;\n#EXTINF:1,evil\r\nfile:///etc/passwd\x01\u2028 \"" + tracks[i].ID
		tracks[i].Artists = []string{"A & <B>\n#EXT", tracks[i].ID}
		switch i % 3 {
		case 0:
			tracks[i].URI = ""
		case 1:
			tracks[i].URI = "#not a comment\nhttp://x.example/?a=1&b=<2>"
		}
	}
	return tracks
}

func TestExport(t *testing.T) {
	h := open(t)
	h.music.change(hostile)
	v := h.create(t, with(ai(30), func(d *tunevector.Definition) { d.Name = "Evening <&> \"more\"\n#EXTM3U" }))
	n := len(v.Plan.Tracks)

	t.Run("xspf", func(t *testing.T) {
		body, media, err := h.Export(h.ctx, h.listener, v.ID, tunevector.XSPF)
		require.NoError(t, err)
		require.Equal(t, "application/xspf+xml", media)
		var doc struct {
			XMLName xml.Name `xml:"http://xspf.org/ns/0/ playlist"`
			Version string   `xml:"version,attr"`
			Title   string   `xml:"title"`
			Tracks  []struct {
				Location   string `xml:"location"`
				Identifier string `xml:"identifier"`
				Title      string `xml:"title"`
				Creator    string `xml:"creator"`
				Annotation string `xml:"annotation"`
				Duration   int64  `xml:"duration"`
			} `xml:"trackList>track"`
		}
		require.NoError(t, xml.Unmarshal(body, &doc))
		require.True(t, strings.HasPrefix(string(body), "<?xml"))
		require.Equal(t, "1", doc.Version)
		require.Equal(t, v.Definition.Name, doc.Title)
		require.Len(t, doc.Tracks, n)
		for i, track := range doc.Tracks {
			require.Equal(t, "urn:rhythmiq:track:"+v.Plan.Tracks[i].TrackID, track.Identifier)
			require.Contains(t, track.Title, "</title><script>")
			require.NotEmpty(t, track.Creator)
			require.Equal(t, strings.Join(v.Plan.Tracks[i].Reasons, "; "), track.Annotation)
			require.InDelta(t, v.Plan.Tracks[i].DurationSeconds*1000, track.Duration, 1)
			require.Equal(t, v.Plan.Tracks[i].URI, track.Location)
		}
	})
	t.Run("jspf", func(t *testing.T) {
		body, media, err := h.Export(h.ctx, h.listener, v.ID, tunevector.JSPF)
		require.NoError(t, err)
		require.Equal(t, "application/jspf+json", media)
		var doc struct {
			Playlist struct {
				Title string
				Track []struct {
					Location, Identifier []string
					Title                string
					Duration             int64
				}
			}
		}
		require.NoError(t, json.Unmarshal(body, &doc))
		require.Equal(t, v.Definition.Name, doc.Playlist.Title)
		require.Len(t, doc.Playlist.Track, n)
		require.Equal(t, v.Plan.Tracks[0].Title, doc.Playlist.Track[0].Title)
		require.Equal(t, []string{"urn:rhythmiq:track:" + v.Plan.Tracks[0].TrackID}, doc.Playlist.Track[0].Identifier)
	})
	t.Run("m3u8", func(t *testing.T) {
		body, media, err := h.Export(h.ctx, h.listener, v.ID, tunevector.M3U8)
		require.NoError(t, err)
		require.Equal(t, "application/vnd.apple.mpegurl", media)
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		require.Len(t, lines, 2+2*n, "no title adds a line")
		require.Equal(t, "#EXTM3U", lines[0])
		require.Equal(t, `#PLAYLIST:Evening <&> "more" #EXTM3U`, lines[1])
		for i := range n {
			require.Regexp(t, `^#EXTINF:\d+,`, lines[2+2*i])
			require.NotEqual(t, '#', rune(lines[3+2*i][0]), lines[3+2*i])
			require.NotContains(t, lines[3+2*i], "\r")
		}
	})

	_, _, err := h.Export(h.ctx, h.listener, v.ID, "pls")
	require.Equal(t, "Must be one of xspf, jspf, m3u8", wrong(t, err)["format"])
	_, _, err = h.Export(h.ctx, h.listener, uuid.New(), tunevector.XSPF)
	require.ErrorIs(t, err, fault.ErrNotFound)
}

func TestExportOfIDsThatAreNoURNs(t *testing.T) {
	h := open(t)
	h.music.change(func(tracks []tunevector.Track) []tunevector.Track {
		for i := range tracks {
			tracks[i].ID, tracks[i].URI, tracks[i].Artists = "ä b/"+tracks[i].ID+"~._-Z9", "", nil
		}
		return tracks
	})
	v := h.create(t, ai(10))
	body, _, err := h.Export(h.ctx, h.listener, v.ID, tunevector.M3U8)
	require.NoError(t, err)
	require.Contains(t, string(body), "\nurn:rhythmiq:track:%C3%A4%20b%2F")
	require.Contains(t, string(body), "~._-Z9\n")
}
