package spotify_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/contracttest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// whole is a house whose music is the demo catalog and, beside it, what its listeners have at Spotify.
type whole struct {
	*house
	provider *spotify.Provider
	songs    []string
}

// Names that only Spotify can have brought here.
var bands = []string{"Zzyzx Ensemble", "Qwlghm Trio", "Vrijthof Nine"}

// buildWhole builds one over a store in memory, or another one.
func buildWhole(t *testing.T, open ...func(t *testing.T, now func() time.Time) store.Store) *whole {
	t.Helper()
	w := &whole{}
	var songs []tunevector.Track
	for i := range 60 {
		songs = append(songs, tunevector.Track{ID: spotifytest.ID("song", strconv.Itoa(i)), Features: tunevector.Features{
			Energy: 0.15 + float64(i%12)/15, Valence: 0.5, Tempo: 80 + 5*float64(i%12), Acousticness: 0.3, Instrumentalness: 0.2,
		}})
	}
	sounds := recco(t, songs)
	p := plan{
		fake: spotifytest.Options{RotateRefreshTokens: true},
		config: func(h *house, c *rhythmiq.Config) {
			asks := &http.Transport{}
			t.Cleanup(asks.CloseIdleConnections)
			client, err := spotify.NewClient(spotify.ClientOptions{
				Tokens: h.links, BaseURL: h.fake.URL() + "/v1", HTTP: &http.Client{Transport: contracttest.FromEnv(t).Transport(asks)}, PerSecond: 1e6, Burst: 1e6, Now: h.clock.Now,
			})
			require.NoError(t, err)
			w.provider, err = spotify.NewProvider(spotify.ProviderOptions{
				Client: client, Store: c.Store, Gate: h.links, Host: catalog.Demo(), Now: h.clock.Now, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
				Features: []spotify.FeatureSource{spotify.ReccoBeats(spotify.SourceOptions{BaseURL: sounds.URL + "/v1", PerSecond: 1e6, HTTP: &http.Client{Transport: asks}})},
			})
			require.NoError(t, err)
			c.Music = w.provider
		},
	}
	if len(open) > 0 {
		p.store = open[0]
	}
	w.house = build(t, p)
	var tracks []spotifytest.Track
	for i := range songs {
		tracks = append(tracks, spotifytest.Track{
			ID: songs[i].ID, Name: fmt.Sprintf("Xylomancy No. %d", i), Artists: []string{bands[i%3]}, Milliseconds: 200_000 + 1000*i, ISRC: fmt.Sprintf("SEABC26%05d", i),
		})
	}
	w.songs = w.fake.AddTracks(tracks...)
	for _, account := range []string{"ada", "bob"} {
		w.fake.SetLibrary(account, spotifytest.Library{Saved: w.songs, Top: w.songs[:30], TopArtists: bands})
	}
	return w
}

// secrets are all words that only Spotify can have brought here.
func (w *whole) secrets() []string {
	words := append([]string{"Xylomancy", "SEABC26", "acc-ada", "Ada L.", "on Spotify", "reccobeats"}, bands...)
	words = append(words, w.songs...)
	for _, p := range w.fake.Playlists("ada") {
		words = append(words, p.ID)
	}
	return words
}

// rawFiles are the bytes of a file and of those beside it.
func rawFiles(t *testing.T, path string) string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	var all []byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, raw...)
	}
	return string(all)
}

// The whole of it, over HTTP, with a browser: from the link to a playlist, and not one byte left afterwards, neither in what the store holds nor in the bytes of its files.
func TestWholeJourney(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rhythmiq.db")
	w := buildWhole(t, func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		s, err := sqlitestore.Open(t.Context(), file, &sqlitestore.Options{Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
	l := w.listener(t)
	l.link(t)

	// The taste is there, told as what it is.
	liked := l.do(t, http.MethodGet, l.path+"/preferences", nil).is(t, 200)
	first := liked.body["preferences"].([]any)[0].(map[string]any)
	require.Equal(t, "spotify", first["source"])
	require.Equal(t, bands[0], first["value"])
	id, _ := first["preferenceId"].(string)
	l.do(t, http.MethodPatch, l.path+"/preferences/"+id, map[string]any{"weight": 1}).is(t, 409)

	// A vector is planned from the listener's own saved music.
	made := l.do(t, http.MethodPost, l.path+"/tune-vectors", map[string]any{"name": "Evening", "mode": "ai", "durationMinutes": 60, "direction": "descent", "seed": 7}).is(t, 201)
	vector := l.path + "/tune-vectors/" + made.body["tuneVectorId"].(string)
	planned := l.do(t, http.MethodGet, vector, nil).is(t, 200)
	own := 0
	for _, x := range planned.body["plan"].(map[string]any)["tracks"].([]any) {
		track := x.(map[string]any)
		if uri, _ := track["uri"].(string); strings.HasPrefix(uri, "spotify:track:") {
			own++
			require.Contains(t, track["title"], "Xylomancy")
			require.InDelta(t, 0.8, track["confidence"], 1e-9)
			require.Equal(t, map[string]any{"source": "reccobeats", "confidence": 0.8}, track["featureSources"].(map[string]any)["tempo"])
		}
	}
	require.Greater(t, own, 5, planned.text)
	require.Contains(t, planned.text, "you like "+bands[0]+" on Spotify")
	recommended := l.do(t, http.MethodGet, l.path+"/recommendations?limit=100", nil).is(t, 200)
	require.Contains(t, recommended.text, "Xylomancy")

	export := l.do(t, http.MethodGet, l.path+"/export", nil).is(t, 200)
	require.Len(t, export.body["library"], len(w.songs), "all that is held is in the export")

	// Some of it is heard, and some of it is named by the listener.
	now := w.clock.Now().UTC().Format(time.RFC3339)
	var events []any
	for i, song := range w.songs[:4] {
		events = append(events, map[string]any{"eventId": uuid.NewString(), "trackId": song, "tuneVectorId": made.body["tuneVectorId"], "action": []string{"play", "complete", "like", "skip"}[i], "at": now})
	}
	l.do(t, http.MethodPost, l.path+"/interactions", map[string]any{"events": events}).is(t, 200)
	l.do(t, http.MethodPost, l.path+"/tune-vectors", map[string]any{
		"name": "Pins", "mode": "ai", "durationMinutes": 30, "excluded": []string{w.songs[9]}, "pinned": []any{map[string]any{"position": 2, "trackId": w.songs[5]}},
	}).is(t, 201)

	// The playlist needs a grant of its own, and says how it is given.
	refused := l.do(t, http.MethodPost, vector+"/spotify-playlist", nil).is(t, 403)
	require.Contains(t, refused.body["message"], `{"scopes": ["playlist-modify-private"]}`)
	l.link(t, spotify.ScopeModifyPrivate)
	exported := l.do(t, http.MethodPost, vector+"/spotify-playlist", nil).is(t, 200)
	require.Equal(t, true, exported.body["created"])
	lists := w.fake.Playlists("ada")
	require.Len(t, lists, 1)
	require.False(t, lists[0].Public)
	require.InDelta(t, len(lists[0].URIs), exported.body["tracks"], 0)

	// The token runs out and is refreshed, once, and the same vector again is the same playlist.
	refreshed := w.fake.Count("refresh_token")
	w.clock.advance(61 * time.Minute)
	again := l.do(t, http.MethodPost, vector+"/spotify-playlist", nil).is(t, 200)
	require.Equal(t, false, again.body["created"])
	require.Equal(t, exported.body["playlistId"], again.body["playlistId"])
	require.Equal(t, refreshed+1, w.fake.Count("refresh_token"))
	require.Len(t, w.fake.Playlists("ada"), 1)

	// Unlinked, nothing is left in the store but what was the listener's own, and the vector plays the catalog's music.
	before, raw := everything(t, w.store), rawFiles(t, file)
	for _, word := range []string{"Xylomancy", "acc-ada", bands[0], w.songs[5], lists[0].ID} {
		require.Contains(t, before, word, "it was there")
		require.Contains(t, raw, word)
	}
	l.do(t, http.MethodDelete, l.path+"/spotify-link", nil).is(t, 200)
	after := everything(t, w.store)
	raw = rawFiles(t, file)
	for _, word := range w.secrets() {
		require.NotContains(t, after, word)
		require.Zero(t, strings.Count(raw, word), "%s is in the bytes of the file", word)
	}
	require.NotContains(t, after, "spotify#gate")
	require.NotContains(t, after, "spotify#library")
	left := l.do(t, http.MethodGet, vector, nil).is(t, 200)
	require.Equal(t, "Evening", left.body["name"])
	require.NotContains(t, left.text, "Xylomancy")
	require.Contains(t, left.text, "demo-")
	require.Contains(t, l.do(t, http.MethodGet, l.path+"/preferences", nil).is(t, 200).text, `"preferences":[]`)
	for _, word := range w.secrets() {
		require.NotContains(t, l.do(t, http.MethodGet, l.path+"/export", nil).is(t, 200).text, word)
		require.NotContains(t, w.log.String(), word)
	}
	l.do(t, http.MethodPost, vector+"/spotify-playlist", nil).is(t, 409)
	require.Len(t, w.fake.Playlists("ada"), 1, "the playlist is the listener's, at Spotify")
}

// What came from Spotify trains nothing: a data set that is built after listeners have imported their taste, and played it, holds nothing of it.
func TestTrainsNothing(t *testing.T) {
	w := buildWhole(t)
	accounts := []string{"ada", "bob", "cy", "di", "ed", "fay"} // popularity needs three, and counts them in a few bits, in which some can fall together
	for _, id := range accounts[2:] {
		w.fake.Add(spotifytest.Account{ID: id, AccountID: "acc-" + id})
		w.fake.SetLibrary(id, spotifytest.Library{Saved: w.songs, Top: w.songs[:30], TopArtists: bands})
	}
	demo, err := catalog.Demo().Candidates(t.Context(), tunevector.CandidateQuery{Limit: 5})
	require.NoError(t, err)
	for _, account := range accounts {
		l := w.listener(t)
		w.fake.SignIn(account)
		l.link(t)
		require.Contains(t, l.do(t, http.MethodGet, l.path+"/preferences", nil).is(t, 200).text, bands[0])
		var events []any
		for i := range 5 {
			for _, id := range []string{w.songs[i], demo[i].ID} {
				events = append(events, map[string]any{"eventId": uuid.NewString(), "trackId": id, "action": "like", "at": w.clock.Now().UTC().Format(time.RFC3339)})
			}
		}
		l.do(t, http.MethodPost, l.path+"/interactions", map[string]any{"events": events}).is(t, 200)
		learned, err := w.app.Preferences.Learned(t.Context(), l.id, nil)
		require.NoError(t, err)
		require.NotEmpty(t, learned)
		require.NotContains(t, fmt.Sprint(learned), bands[0], "no personal taste is learned from it")
	}
	data, err := w.app.Learning.TrainingData(t.Context(), w.clock.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, data.Items, 5, "what the catalog has")
	all := fmt.Sprintf("%+v", data)
	for _, word := range w.secrets() {
		require.NotContains(t, all, word)
	}
	require.NoError(t, w.app.Sweep(t.Context())) // popularity, for one
	popular, err := w.app.Learning.Popularity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, popular.Top(10))
	for _, id := range popular.Top(10) {
		require.NotContains(t, w.songs, id)
	}
	require.NotContains(t, modelsOf(t, w), "Xylomancy")
}

func modelsOf(t *testing.T, w *whole) string {
	t.Helper()
	var models strings.Builder
	for line := range strings.SplitSeq(everything(t, w.store), "\n") {
		if strings.HasPrefix(line, "models/") {
			models.WriteString(line + "\n")
			for _, song := range w.songs {
				require.NotContains(t, line, song)
			}
		}
	}
	return models.String()
}

// Podcasts of who follows some, without what is explicit, and all of it gone when it is too old and Spotify out of reach.
func TestPodcastJourney(t *testing.T) {
	w := buildWhole(t)
	var episodes []spotifytest.Episode
	for i := range 40 {
		episodes = append(episodes, spotifytest.Episode{
			Name: fmt.Sprintf("Xylomancy for Beginners, Part %d", i), Show: "Zzyzx Talks", Milliseconds: 1_200_000 + 10_000*i, Explicit: i%4 == 0,
		})
	}
	w.fake.AddEpisodes(episodes...)
	w.fake.SetLibrary("ada", spotifytest.Library{Saved: w.songs, Shows: []string{spotifytest.ID("show", "Zzyzx Talks")}})
	l := w.listener(t)
	l.link(t, spotify.ScopeReadPlaceInPod)
	made := l.do(t, http.MethodPost, l.path+"/tune-vectors", map[string]any{
		"name": "Commute", "kind": "podcast", "mode": "ai", "durationMinutes": 90, "excludeExplicit": true,
	}).is(t, 201)
	vector := l.path + "/tune-vectors/" + made.body["tuneVectorId"].(string)
	planned := l.do(t, http.MethodGet, vector, nil).is(t, 200)
	tracks := planned.body["plan"].(map[string]any)["tracks"].([]any)
	require.NotEmpty(t, tracks)
	for _, x := range tracks {
		track := x.(map[string]any)
		require.Contains(t, track["uri"], "spotify:episode:")
		require.Equal(t, []any{"Zzyzx Talks"}, track["artists"])
		var part int
		_, err := fmt.Sscanf(track["title"].(string), "Xylomancy for Beginners, Part %d", &part)
		require.NoError(t, err)
		require.NotZero(t, part%4, "nothing explicit")
		require.Equal(t, "kind", track["featureSources"].(map[string]any)["energy"].(map[string]any)["source"])
	}
	l.do(t, http.MethodPost, l.path+"/tune-vectors", map[string]any{"name": "Rain", "kind": "soundscape", "mode": "ai", "durationMinutes": 30}).is(t, 201)

	l.link(t, spotify.ScopeModifyPrivate, spotify.ScopeReadPlaceInPod)
	exported := l.do(t, http.MethodPost, vector+"/spotify-playlist", nil).is(t, 200)
	require.InDelta(t, len(tracks), exported.body["tracks"], 0)
	require.Contains(t, w.fake.Playlists("ada")[0].URIs[0], "spotify:episode:")

	// After a week, and out of reach, nothing is kept of what it said but what the README names.
	w.fake.Inject(spotifytest.Fault{Status: 503})
	w.clock.advance(8 * 24 * time.Hour)
	l.do(t, http.MethodGet, l.path, nil)
	require.NoError(t, sweepOf(t, w))
	left := everything(t, w.store)
	require.NotContains(t, left, "Xylomancy")
	require.NotContains(t, left, "Zzyzx Talks")
	w.fake.Heal()
}

func sweepOf(t *testing.T, w *whole) error {
	t.Helper()
	s, ok := store.As[store.Sweeper](w.store)
	require.True(t, ok)
	_, err := s.Sweep(t.Context())
	return err
}
