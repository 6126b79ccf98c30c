package spotifytest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/contracttest"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// caller asks the Web API in somebody's name, and holds all of it against the contract where that is at hand.
type caller struct {
	*spotifytest.Server
	t      *testing.T
	token  string
	client *http.Client
}

var everyScope = strings.Fields("playlist-read-private user-library-read user-top-read user-read-recently-played user-read-playback-position " +
	"playlist-modify-private playlist-modify-public user-library-modify user-read-private")

// concert is a Spotify with some music, where Ada has a library.
func concert(t *testing.T, contract *contracttest.Contract) *caller {
	t.Helper()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	s := spotifytest.New(spotifytest.Options{Now: func() time.Time { return now }})
	s.Add(spotifytest.Account{ID: "ada", AccountID: "7f3a", DisplayName: "Ada", Country: "SE", Product: "premium"}, spotifytest.Account{ID: "bob"})
	var tracks []spotifytest.Track
	for i := range 120 {
		tracks = append(tracks, spotifytest.Track{
			Name: fmt.Sprintf("Song %d", i), Artists: []string{fmt.Sprintf("Band %d", i%7), "Guest"}, Milliseconds: 180_000 + i, ISRC: fmt.Sprintf("SEABC26%05d", i), Popularity: i % 100,
		})
	}
	ids := s.AddTracks(tracks...)
	s.SetGenres("Band 1", "ambient", "drone")
	episodes := s.AddEpisodes(spotifytest.Episode{Name: "One", Show: "Talk", Milliseconds: 900_000}, spotifytest.Episode{Name: "Two", Show: "Talk", Milliseconds: 800_000})
	s.SetLibrary("ada", spotifytest.Library{
		Saved: ids, Top: ids[:60], TopArtists: []string{"Band 1", "Band 2"}, Recent: ids[5:9], Episodes: episodes, Shows: []string{spotifytest.ID("show", "Talk")},
	})
	return (&caller{Server: s, t: t, client: &http.Client{Transport: contract.Transport(s)}}).as("ada", everyScope...)
}

func (c *caller) as(account string, scopes ...string) *caller {
	other := *c
	other.token, _ = c.Grant(account, scopes...)
	return &other
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func (c *caller) ask(method, path string, body any) answer {
	c.t.Helper()
	var sent io.Reader = http.NoBody
	if text, ok := body.(string); ok {
		sent = strings.NewReader(text)
	} else if body != nil {
		b, err := json.Marshal(body)
		require.NoError(c.t, err)
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.URL()+"/v1"+path, sent)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	a := answer{status: res.StatusCode, header: res.Header, text: string(b)}
	_ = json.Unmarshal(b, &a.body) // a list is none
	return a
}

func (c *caller) get(path string) answer {
	c.t.Helper()
	a := c.ask(http.MethodGet, path, nil)
	require.Equal(c.t, http.StatusOK, a.status, a.text)
	return a
}

func (a answer) items(t *testing.T, within ...string) []any {
	t.Helper()
	at := a.body
	for _, name := range within {
		at, _ = at[name].(map[string]any)
	}
	items, ok := at["items"].([]any)
	require.True(t, ok, a.text)
	return items
}

func (a answer) refused(t *testing.T, status int, message string) {
	t.Helper()
	require.Equal(t, status, a.status, a.text)
	require.Equal(t, message, a.body["error"].(map[string]any)["message"])
}

// Every answer of the server is as the contract says, and so is every request that it takes.
func TestWebAPIKeepsTheContract(t *testing.T) {
	contract := contracttest.Need(t)
	for _, extended := range []bool{false, true} {
		c := concert(t, contract)
		c.Extend(extended)
		c.everything()
		if extended {
			c.get("/tracks?ids=" + spotifytest.ID("track", "Song 1Band 1,Guest"))
			c.get("/artists?ids=" + spotifytest.ID("artist", "Band 1"))
		}
	}
	for _, what := range []string{
		"GET /me 200", "GET /me/tracks 200", "GET /me/episodes 200", "GET /me/shows 200", "GET /me/top/tracks 200", "GET /me/top/artists 200",
		"GET /me/player/recently-played 200", "GET /me/playlists 200", "POST /me/playlists 201", "PUT /me/library 200", "DELETE /me/library 200", "GET /me/library/contains 200",
		"GET /playlists/{playlist_id} 200", "PUT /playlists/{playlist_id} 200", "GET /playlists/{playlist_id}/items 200", "PUT /playlists/{playlist_id}/items 200",
		"POST /playlists/{playlist_id}/items 201", "DELETE /playlists/{playlist_id}/items 200", "GET /tracks/{id} 200", "GET /artists/{id} 200", "GET /episodes/{id} 200",
		"GET /shows/{id}/episodes 200", "GET /search 200",
	} {
		require.True(t, contract.Seen(what), what)
	}
}

// everything asks for everything once.
func (c *caller) everything() {
	t := c.t
	c.get("/me")
	first := c.get("/me/tracks?limit=50&market=SE")
	require.Len(t, first.items(t), 50)
	require.NotNil(t, first.body["next"])
	last := c.get("/me/tracks?limit=50&offset=100")
	require.Len(t, last.items(t), 20)
	require.Nil(t, last.body["next"])
	require.NotNil(t, last.body["previous"])
	require.Empty(t, c.get("/me/tracks?offset=999").items(t))
	require.Len(t, c.get("/me/episodes").items(t), 2)
	require.Len(t, c.get("/me/shows").items(t), 1)
	require.Len(t, c.get("/me/top/tracks?time_range=long_term").items(t), 20)
	require.Len(t, c.get("/me/top/artists").items(t), 2)
	require.Len(t, c.get("/me/player/recently-played?limit=3").items(t), 3)
	track := spotifytest.ID("track", "Song 1Band 1,Guest")
	require.Equal(t, "Song 1", c.get("/tracks/" + track).body["name"])
	c.ask(http.MethodGet, "/tracks/0000000000000000000000", nil).refused(t, 404, "Resource not found")
	c.ask(http.MethodGet, "/tracks/"+track+"?market=sweden", nil).refused(t, 400, "Invalid market code")
	c.ask(http.MethodGet, "/tracks/short", nil).refused(t, 400, "Invalid base62 id")
	require.Equal(t, "Band 1", c.get("/artists/" + spotifytest.ID("artist", "Band 1")).body["name"])
	c.ask(http.MethodGet, "/artists/0000000000000000000000", nil).refused(t, 404, "Resource not found")
	require.Equal(t, "One", c.get("/episodes/" + spotifytest.ID("episode", "TalkOne")).body["name"])
	c.ask(http.MethodGet, "/episodes/0000000000000000000000", nil).refused(t, 404, "Resource not found")
	require.Len(t, c.get("/shows/"+spotifytest.ID("show", "Talk")+"/episodes").items(t), 2)
	c.ask(http.MethodGet, "/shows/0000000000000000000000/episodes", nil).refused(t, 404, "Resource not found")

	search := func(q, kinds string) answer {
		return c.get("/search?limit=10&q=" + url.QueryEscape(q) + "&type=" + url.QueryEscape(kinds))
	}
	require.Len(t, search(`artist:"band 1" song`, "track").items(t, "tracks"), 10)
	require.Len(t, search(`track:"song 119"`, "track").items(t, "tracks"), 1)
	require.Len(t, search(`isrc:seabc2600007`, "track").items(t, "tracks"), 1)
	require.Len(t, search(`genre:"drone"`, "track,artist").items(t, "artists"), 1)
	require.Empty(t, search(`genre:"disco"`, "track").items(t, "tracks"))
	require.Len(t, search(`talk`, "episode,show").items(t, "episodes"), 2)
	require.Len(t, search(`talk`, "show").items(t, "shows"), 1)
	require.Len(t, c.get("/search?q=song&type=track&limit=5").items(t, "tracks"), 5)

	made := c.ask(http.MethodPost, "/me/playlists", map[string]any{"name": "Mine", "description": "x", "public": false})
	require.Equal(t, http.StatusCreated, made.status, made.text)
	list := "/playlists/" + made.body["id"].(string)
	var uris []string
	for i := range 100 {
		uris = append(uris, "spotify:track:"+spotifytest.ID("track", fmt.Sprintf("Song %dBand %d,Guest", i, i%7)))
	}
	require.Equal(t, http.StatusOK, c.ask(http.MethodPut, list+"/items", map[string]any{"uris": uris}).status)
	require.Equal(t, http.StatusCreated, c.ask(http.MethodPost, list+"/items", map[string]any{"uris": uris[:2], "position": 0}).status)
	require.Equal(t, http.StatusCreated, c.ask(http.MethodPost, list+"/items", map[string]any{"uris": []string{"spotify:episode:" + spotifytest.ID("episode", "TalkOne")}}).status)
	items := c.get(list + "/items?limit=50&offset=60").items(t)
	require.Len(t, items, 43)
	require.Equal(t, "episode", items[42].(map[string]any)["item"].(map[string]any)["type"])
	require.Equal(t, http.StatusOK, c.ask(http.MethodDelete, list+"/items", map[string]any{"items": []any{map[string]any{"uri": uris[0]}}}).status)
	require.Equal(t, http.StatusOK, c.ask(http.MethodPut, list, map[string]any{"name": "Other", "description": "y", "public": true}).status)
	require.Equal(t, "Other", c.get(list).body["name"])
	require.Equal(t, "Other", c.get("/me/playlists").items(t)[0].(map[string]any)["name"])
	kept := c.Playlists("ada")[0]
	require.Equal(t, spotifytest.Playlist{ID: made.body["id"].(string), Owner: "ada", Name: "Other", Description: "y", Public: true, URIs: kept.URIs}, kept)
	require.Len(t, kept.URIs, 101)

	saved := "/me/library?uris=" + url.QueryEscape(strings.Join([]string{uris[0], "spotify:show:" + spotifytest.ID("show", "Talk")}, ","))
	contains := strings.Replace(saved, "library", "library/contains", 1)
	require.Equal(t, http.StatusOK, c.ask(http.MethodDelete, saved, nil).status)
	require.JSONEq(t, `[false,false]`, c.get(contains).text)
	require.Equal(t, http.StatusOK, c.ask(http.MethodPut, saved, nil).status)
	require.JSONEq(t, `[true,true]`, c.get(contains).text)
	require.Equal(t, 400, c.ask(http.MethodPut, "/me/library?uris=nonsense", nil).status)
}

func TestWebAPI(t *testing.T) {
	c := concert(t, nil)
	c.everything()
	for _, wrong := range []struct {
		method, path string
		body         any
		status       int
		message      string
	}{
		{"GET", "/nowhere", nil, 404, "Service not found"},
		{"GET", "/me/tracks?limit=51", nil, 400, "Invalid limit"},
		{"GET", "/me/tracks?offset=-1", nil, 400, "Invalid offset"},
		{"GET", "/me/player/recently-played?limit=0", nil, 400, "Invalid limit"},
		{"GET", "/me/top/tracks?time_range=always", nil, 400, "Invalid time range"},
		{"GET", "/me/top/artists?time_range=always", nil, 400, "Invalid time range"},
		{"GET", "/search?q=x&type=track&limit=11", nil, 400, "Invalid limit"},
		{"GET", "/search?q=x&type=song", nil, 400, "Bad search type field song"},
		{"GET", "/search?type=track", nil, 400, "No search query"},
		{"GET", "/playlists/0000000000000000000000", nil, 404, "Resource not found"},
		{"GET", "/playlists/0000000000000000000000/items", nil, 404, "Resource not found"},
		{"PUT", "/playlists/0000000000000000000000", map[string]any{}, 404, "Resource not found"},
		{"PUT", "/playlists/0000000000000000000000/items", map[string]any{}, 404, "Resource not found"},
		{"POST", "/playlists/0000000000000000000000/items", map[string]any{}, 404, "Resource not found"},
		{"DELETE", "/playlists/0000000000000000000000/items", map[string]any{}, 404, "Resource not found"},
		{"POST", "/me/playlists", map[string]any{}, 400, "Missing required field: name"},
		{"POST", "/me/playlists", map[string]any{"name": 7}, 400, "Invalid name"},
		{"POST", "/me/playlists", "{", 400, "Error parsing JSON."},
		{"GET", "/me/library/contains", nil, 400, "Too few or too many uris requested"},
		{"DELETE", "/me/library?uris=x", nil, 400, "Invalid URI"},
	} {
		c.ask(wrong.method, wrong.path, wrong.body).refused(t, wrong.status, wrong.message)
	}
	list := "/playlists/" + c.AddPlaylist("ada", "Private")
	for _, wrong := range []struct {
		method, path string
		body         any
		message      string
	}{
		{"PUT", "/items", map[string]any{}, "Missing required field: uris"},
		{"PUT", "/items", map[string]any{"uris": 7}, "Invalid uris"},
		{"PUT", "/items", map[string]any{"uris": make([]string, 101)}, "You can add a maximum of 100 tracks per request."},
		{"POST", "/items", map[string]any{"uris": []string{"spotify:track:x"}}, "Invalid track uri: spotify:track:x"},
		{"POST", "/items", map[string]any{"uris": []string{}, "position": 1}, "Invalid position"},
		{"DELETE", "/items", map[string]any{"items": 7}, "Invalid items"},
		{"PUT", "", map[string]any{"name": 7}, "Invalid name"},
		{"PUT", "", map[string]any{"description": 7}, "Invalid description"},
		{"PUT", "", map[string]any{"public": 7}, "Invalid public"},
	} {
		c.ask(wrong.method, list+wrong.path, wrong.body).refused(t, 400, wrong.message)
	}
	bob := c.as("bob", everyScope...)
	bob.ask("GET", list, nil).refused(t, 404, "Resource not found")
	require.Equal(t, 200, c.ask("PUT", list, map[string]any{"public": true}).status)
	bob.ask("PUT", list, map[string]any{"name": "Bob's"}).refused(t, 403, "You cannot change a playlist you do not own")
	bob.get(list)
	require.Empty(t, bob.get("/me/tracks").items(t))
	bob.ask("PUT", "/me/library?uris=spotify:track:"+spotifytest.ID("track", "Song 1Band 1,Guest"), nil)
	require.Len(t, bob.get("/me/tracks").items(t), 1)
	c.DropPlaylist(strings.TrimPrefix(list, "/playlists/"))
	require.Len(t, c.Playlists("ada"), 1, "what its owner has dropped is listed no more")
	c.get(list)
}

// What an app in development mode does not get is refused, whoever asks, and so is what was not granted, and who is not on the app's list.
func TestDevelopmentMode(t *testing.T) {
	c := concert(t, nil)
	for _, path := range []string{"/tracks?ids=x", "/artists?ids=x", "/artists/x/top-tracks", "/users/ada/playlists", "/playlists/x/tracks", "/browse/new-releases", "/audio-features/x", "/recommendations"} {
		c.ask("GET", path, nil).refused(t, 403, "Forbidden")
	}
	me := c.get("/me").body
	require.NotContains(t, me, "country")
	require.Equal(t, "7f3a", me["account_id"])
	require.NotContains(t, c.get("/me/top/artists").items(t)[0], "genres")
	c.Extend(true)
	require.Equal(t, "SE", c.get("/me").body["country"])
	require.Equal(t, []any{"ambient", "drone"}, c.get("/me/top/artists").items(t)[0].(map[string]any)["genres"])
	c.ask("GET", "/audio-features/x", nil).refused(t, 403, "Forbidden")
	c.ask("GET", "/browse/new-releases", nil).refused(t, 501, "Not in this server")
	require.Len(t, c.get("/search?q=song&type=track&limit=50").items(t, "tracks"), 50)
	c.ask("GET", "/tracks", nil).refused(t, 400, "Too few or too many ids requested")
	c.ask("GET", "/artists", nil).refused(t, 400, "Too few or too many ids requested")
	c.Extend(false)

	c.as("ada").ask("GET", "/me/tracks", nil).refused(t, 403, "Insufficient client scope")
	reader := c.as("ada", "playlist-modify-public")
	reader.ask("POST", "/me/playlists", map[string]any{"name": "x", "public": false}).refused(t, 403, "Insufficient client scope")
	require.Equal(t, 201, reader.ask("POST", "/me/playlists", map[string]any{"name": "x"}).status, "public is what a playlist is by default")
	reader.ask("PUT", "/playlists/"+c.AddPlaylist("ada", "Private"), map[string]any{"name": "x"}).refused(t, 403, "Insufficient client scope")
	c.Allow("bob")
	c.ask("GET", "/me", nil).refused(t, 403, "Check settings on developer.spotify.com/dashboard, the user may not be registered.")
	c.as("bob").get("/me")
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	s := spotifytest.New(spotifytest.Options{Now: func() time.Time { return now }})
	s.Add(spotifytest.Account{ID: "ada"})
	c := (&caller{Server: s, t: t, client: s.Client()}).as("ada")
	s.Limit(3)
	for range 3 {
		c.get("/me")
		now = now.Add(4 * time.Second)
	}
	a := c.ask("GET", "/me", nil)
	a.refused(t, 429, "API rate limit exceeded")
	require.Equal(t, "18", a.header.Get("Retry-After"))
	require.NotContains(t, a.body["error"], "reason")
	now = now.Add(18 * time.Second)
	c.get("/me")
	s.Limit(0)
	s.SetQuota(1)
	c.get("/me")
	a = c.ask("GET", "/me", nil)
	a.refused(t, 429, "Too many requests")
	require.Equal(t, "QUOTA_EXCEEDED", a.body["error"].(map[string]any)["reason"])
	require.NotEmpty(t, a.header.Get("Retry-After"))
	s.SetQuota(-1)
	c.get("/me")
}

func TestListen(t *testing.T) {
	fake := spotifytest.New(spotifytest.Options{})
	require.Error(t, fake.Listen("127.0.0.1:none"))
	require.NoError(t, fake.Listen(":0"))
	defer fake.Close()
	require.Contains(t, fake.URL(), "http://127.0.0.1:")
	require.Error(t, spotifytest.New(spotifytest.Options{}).Listen(strings.TrimPrefix(fake.URL(), "http://")), "it is taken")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fake.URL()+"/v1/me", http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
}
