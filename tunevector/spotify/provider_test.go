package spotify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/musictest"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// stock fills the fake with tracks and episodes, and Ada's library with all of them.
func (s *studio) stock(tracks []tunevector.Track) {
	var l spotifytest.Library
	shows := map[string]bool{}
	for _, t := range tracks {
		switch t.Kind {
		case tunevector.Playlist:
			s.fake.AddTracks(spotifytest.Track{
				ID: t.ID, Name: t.Title, Artists: t.Artists, Milliseconds: int(t.DurationSeconds * 1000), Explicit: t.Explicit, ISRC: "SEAAA" + t.ID[15:], Popularity: int(100 * t.Popularity),
			})
			l.Saved = append(l.Saved, t.ID)
		case tunevector.Podcast:
			if len(t.Artists) > 1 { // a show has one name
				continue
			}
			s.fake.AddEpisodes(spotifytest.Episode{ID: t.ID, Name: t.Title, Show: t.Artists[0], Milliseconds: int(t.DurationSeconds * 1000), Explicit: t.Explicit})
			l.Episodes = append(l.Episodes, t.ID)
			if id := spotifytest.ID("show", t.Artists[0]); !shows[id] {
				shows[id] = true
				l.Shows = append(l.Shows, id)
			}
		case tunevector.Soundscape: // there are none at Spotify
		}
		if t.Kind == tunevector.Playlist {
			s.fake.SetGenres(t.Artists[0], t.Genres...)
		}
	}
	s.fake.SetLibrary("ada", l)
}

// recco is a ReccoBeats that knows these tracks, by the HTTP that it speaks.
func recco(t *testing.T, tracks []tunevector.Track) *httptest.Server {
	t.Helper()
	known := map[string]tunevector.Track{}
	for _, x := range tracks {
		known[x.ID] = x
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids := strings.Split(r.URL.Query().Get("ids"), ",")
		if r.URL.Path != "/v1/audio-features" || len(ids) > 40 {
			http.Error(w, `{"error":"Invalid value for 'ids': size must be between 1 and 40"}`, http.StatusBadRequest)
			return
		}
		content := []any{}
		for _, id := range ids {
			if x, ok := known[id]; ok {
				content = append(content, map[string]any{
					"id": "8212bab8-5911-48a0-b177-24923ef2329a", "href": "https://open.spotify.com/track/" + id, "energy": x.Features.Energy, "valence": x.Features.Valence,
					"tempo": x.Features.Tempo, "acousticness": x.Features.Acousticness, "instrumentalness": x.Features.Instrumentalness,
				})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"content": content})
	}))
	t.Cleanup(front.Close)
	return front
}

// A listener's account keeps the contract of a MusicProvider: of an app in development mode that knows nothing of sounds and genres, of one that asks ReccoBeats, of one with
// extended quota, and beside the host's own music.
func TestContract(t *testing.T) {
	for name, alter := range map[string]func(*testing.T, *spotify.ClientOptions, *spotify.ProviderOptions){
		"development": func(*testing.T, *spotify.ClientOptions, *spotify.ProviderOptions) {},
		"with features": func(t *testing.T, _ *spotify.ClientOptions, p *spotify.ProviderOptions) {
			t.Helper()
			p.Features = []spotify.FeatureSource{spotify.ReccoBeats(spotify.SourceOptions{BaseURL: recco(t, musictest.Tracks()).URL + "/v1", PerSecond: 1e6})}
		},
		"extended": func(_ *testing.T, c *spotify.ClientOptions, _ *spotify.ProviderOptions) { c.Extended = true },
		"beside a catalog": func(t *testing.T, _ *spotify.ClientOptions, p *spotify.ProviderOptions) {
			t.Helper()
			var some []tunevector.Track
			for i, track := range musictest.Tracks() {
				if i%3 == 0 {
					some = append(some, track)
				}
			}
			host, err := catalog.New(some)
			require.NoError(t, err)
			p.Host = host
		},
	} {
		t.Run(name, func(t *testing.T) {
			musictest.Run(t, func(t *testing.T, tracks []tunevector.Track) tunevector.MusicProvider {
				t.Helper()
				var extended bool
				s := open(t, func(c *spotify.ClientOptions, p *spotify.ProviderOptions) {
					alter(t, c, p)
					extended = c.Extended
				})
				s.fake.Extend(extended)
				s.stock(tracks)
				s.desk.link(t, s.ada, "ada", all()...)
				return s.provider.As(s.ada)
			})
		})
	}
}
