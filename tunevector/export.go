package tunevector

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Format is a playlist file format.
type Format string

// The formats.
const (
	XSPF Format = "xspf" // XML Shareable Playlist Format, version 1
	JSPF Format = "jspf" // its JSON form
	M3U8 Format = "m3u8" // extended M3U in UTF-8
)

// formats is what is known of each format. The media type of XSPF is the registered one (IANA), that of M3U8 is RFC 8216's; JSPF
// has none, and takes the unregistered one that its tools use.
var formats = []struct {
	format    Format
	mediaType string
	write     func(*playlist) ([]byte, error)
}{
	{XSPF, "application/xspf+xml", (*playlist).xspf},
	{JSPF, "application/jspf+json", (*playlist).jspf},
	{M3U8, "application/vnd.apple.mpegurl", (*playlist).m3u8},
}

// Export writes a vector's plan as a playlist file and returns its media type. Tracks without a URI are named by their
// id, as urn:rhythmiq:track:<id>.
func (s *Service) Export(ctx context.Context, profileID, id uuid.UUID, f Format) (body []byte, mediaType string, err error) {
	names := make([]Format, len(formats))
	for i, known := range formats {
		names[i] = known.format
		if known.format != f {
			continue
		}
		v, err := s.Get(ctx, profileID, id)
		if err != nil {
			return nil, "", err
		}
		body, err := known.write(playlistOf(v))
		return body, known.mediaType, err
	}
	var bad fault.Fields
	bad.Add("format", "Must be one of %s", list(names))
	return nil, "", bad.Err()
}

// WritePlaylist puts a vector's plan into the listener's own account, see [PlaylistWriter]; not found where the provider cannot.
func (s *Service) WritePlaylist(ctx context.Context, profileID, id uuid.UUID) (WrittenPlaylist, error) {
	writer, ok := s.music.(PlaylistWriter)
	if !ok {
		return WrittenPlaylist{}, fault.New(fault.NotFound, "Playlists cannot be written from here")
	}
	v, err := s.Get(ctx, profileID, id)
	if err != nil {
		return WrittenPlaylist{}, err
	}
	return writer.WritePlaylist(ctx, profileID, v)
}

// playlist is the XSPF document; its JSON is JSPF. See https://www.xspf.org/spec and https://www.xspf.org/jspf.
type playlist struct {
	XMLName    xml.Name        `xml:"http://xspf.org/ns/0/ playlist" json:"-"`
	Version    string          `xml:"version,attr" json:"-"`
	Title      string          `xml:"title" json:"title"`
	Identifier string          `xml:"identifier" json:"identifier"`
	Date       string          `xml:"date" json:"date"`
	Tracks     []playlistTrack `xml:"trackList>track" json:"track"`
}

type playlistTrack struct {
	Location   []string `xml:"location" json:"location,omitempty"`
	Identifier []string `xml:"identifier" json:"identifier"`
	Title      string   `xml:"title,omitempty" json:"title,omitempty"`
	Creator    string   `xml:"creator,omitempty" json:"creator,omitempty"`
	Annotation string   `xml:"annotation,omitempty" json:"annotation,omitempty"`
	Duration   int64    `xml:"duration" json:"duration"` // ms
}

func playlistOf(v TuneVector) *playlist {
	p := &playlist{
		Version: "1", Title: v.Definition.Name, Identifier: "urn:uuid:" + v.ID.String(), Date: v.UpdatedAt.Format("2006-01-02T15:04:05Z07:00"),
		Tracks: []playlistTrack{},
	}
	for _, t := range v.Plan.Tracks {
		out := playlistTrack{
			Identifier: []string{"urn:rhythmiq:track:" + escapeURN(t.TrackID)}, Title: t.Title, Creator: strings.Join(t.Artists, ", "),
			Annotation: strings.Join(t.Reasons, "; "), Duration: int64(math.Round(t.DurationSeconds * 1000)),
		}
		if t.URI != "" {
			out.Location = []string{t.URI}
		}
		p.Tracks = append(p.Tracks, out)
	}
	return p
}

// escapeURN percent-encodes all but what RFC 3986 calls unreserved.
func escapeURN(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (p *playlist) xspf() ([]byte, error) {
	body, err := xml.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("tunevector: write XSPF: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

func (p *playlist) jspf() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string]*playlist{"playlist": p}); err != nil {
		return nil, fmt.Errorf("tunevector: write JSPF: %w", err)
	}
	return b.Bytes(), nil
}

func (p *playlist) m3u8() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#EXTM3U\n#PLAYLIST:%s\n", oneLine(p.Title))
	for _, t := range p.Tracks {
		title := oneLine(t.Title)
		if t.Creator != "" {
			title = oneLine(t.Creator) + " - " + title
		}
		fmt.Fprintf(&b, "#EXTINF:%d,%s\n%s\n", (t.Duration+500)/1000, title, address(t))
	}
	return b.Bytes(), nil
}

// address is the line that names a track: one that no reader takes for a comment.
func address(t playlistTrack) string {
	if len(t.Location) > 0 {
		if uri := oneLine(t.Location[0]); uri != "" && uri[0] != '#' {
			return uri
		}
	}
	return t.Identifier[0]
}

// oneLine takes out what ends a line, so that no title can put in lines of its own: control characters, and Unicode's line and
// paragraph separators.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
}
