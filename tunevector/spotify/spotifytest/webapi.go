package spotifytest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// webState is what the Web API keeps. Server.mu guards it.
type webState struct {
	music     *music
	libraries map[string]*Library // by account
	playlists map[string]*playlist
	order     []string // of playlists, the newest last

	extended  bool
	allowed   []string // accounts on the app's list; nil: all
	perWindow int      // requests in a window; 0: any number
	asked     []time.Time
	quota     int // requests that are left; −1: any number
}

func newWebState() webState {
	return webState{music: newMusic(), libraries: map[string]*Library{}, playlists: map[string]*playlist{}, quota: -1}
}

// window is how long Spotify looks back to see whether an app asks too much.
const window = 30 * time.Second

// Extend gives the app extended quota: what was taken from apps in development mode is there. (What was taken from all new apps in November 2024 stays
// away.)
func (s *Server) Extend(extended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extended = extended
}

// Allow sets the list of accounts that an app in development mode may serve, at most five in truth; none: all.
func (s *Server) Allow(accountIDs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = accountIDs
}

// Limit lets the app make so many requests in any 30 seconds; what is over gets 429 with the seconds to wait. 0: any number.
func (s *Server) Limit(requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.perWindow, s.asked = requests, nil
}

// SetQuota lets the app make so many requests more, and then answers 429 with the reason QUOTA_EXCEEDED. A negative number: no end.
func (s *Server) SetQuota(requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = requests
}

// webCall is a request to the Web API on its way.
type webCall struct {
	*Server
	r       *http.Request
	query   url.Values
	account *Account
	scopes  []string
	library *Library
	id      string // from the path
	body    map[string]json.RawMessage
}

// operation is one of the Web API's.
type operation struct {
	method, path string // "{id}" stands for an id
	scopes       []string
	any          bool // one of the scopes is enough
	gone         bool // from apps in development mode since February 2026
	lost         bool // from all new apps since November 2024
	do           func(*webCall) (int, any, *apiError)
}

const (
	scopePlaylists = "playlist-read-private"
	scopeLibrary   = "user-library-read"
	scopeTop       = "user-top-read"
	scopeRecent    = "user-read-recently-played"
	scopePosition  = "user-read-playback-position"
	scopePrivate   = "playlist-modify-private"
	scopePublic    = "playlist-modify-public"
	scopeModify    = "user-library-modify"
)

// operations are those that the server knows. A path that is in none of them is unknown to it.
func operations() []operation {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	write := []string{scopePrivate, scopePublic}
	all := []operation{
		{method: get, path: "/me", do: (*webCall).me},
		{method: get, path: "/me/tracks", scopes: []string{scopeLibrary}, do: (*webCall).savedTracks},
		{method: get, path: "/me/episodes", scopes: []string{scopeLibrary, scopePosition}, do: (*webCall).savedEpisodes},
		{method: get, path: "/me/shows", scopes: []string{scopeLibrary}, do: (*webCall).savedShows},
		{method: get, path: "/me/top/tracks", scopes: []string{scopeTop}, do: (*webCall).topTracks},
		{method: get, path: "/me/top/artists", scopes: []string{scopeTop}, do: (*webCall).topArtists},
		{method: get, path: "/me/player/recently-played", scopes: []string{scopeRecent}, do: (*webCall).recentlyPlayed},
		{method: get, path: "/me/playlists", scopes: []string{scopePlaylists}, do: (*webCall).ownPlaylists},
		{method: post, path: "/me/playlists", scopes: write, any: true, do: (*webCall).createPlaylist},
		{method: put, path: "/me/library", scopes: []string{scopeModify}, do: (*webCall).save},
		{method: del, path: "/me/library", scopes: []string{scopeModify}, do: (*webCall).unsave},
		{method: get, path: "/me/library/contains", scopes: []string{scopeLibrary}, do: (*webCall).contains},
		{method: get, path: "/playlists/{id}", do: (*webCall).onePlaylist},
		{method: put, path: "/playlists/{id}", scopes: write, any: true, do: (*webCall).changePlaylist},
		{method: get, path: "/playlists/{id}/items", scopes: []string{scopePlaylists}, do: (*webCall).playlistItems},
		{method: put, path: "/playlists/{id}/items", scopes: write, any: true, do: (*webCall).replaceItems},
		{method: post, path: "/playlists/{id}/items", scopes: write, any: true, do: (*webCall).addItems},
		{method: del, path: "/playlists/{id}/items", scopes: write, any: true, do: (*webCall).removeItems},
		{method: get, path: "/tracks/{id}", do: (*webCall).oneTrack},
		{method: get, path: "/artists/{id}", do: (*webCall).oneArtist},
		{method: get, path: "/episodes/{id}", scopes: []string{scopePosition}, do: (*webCall).oneEpisode},
		{method: get, path: "/shows/{id}/episodes", scopes: []string{scopePosition}, do: (*webCall).showEpisodes},
		{method: get, path: "/search", do: (*webCall).search},

		{method: get, path: "/tracks", gone: true, do: (*webCall).manyTracks},
		{method: get, path: "/artists", gone: true, do: (*webCall).manyArtists},
	}
	for _, path := range []string{
		"/artists/{id}/top-tracks", "/users/{id}", "/users/{id}/playlists", "/playlists/{id}/tracks", "/playlists/{id}/followers", "/albums", "/shows",
		"/episodes", "/audiobooks", "/chapters", "/me/following", "/me/tracks/contains", "/me/albums/contains", "/markets", "/browse/new-releases",
	} {
		all = append(all, operation{path: path, gone: true, do: (*webCall).notHere})
	}
	for _, path := range []string{
		"/audio-features", "/audio-features/{id}", "/audio-analysis/{id}", "/recommendations", "/recommendations/available-genre-seeds",
		"/artists/{id}/related-artists", "/browse/featured-playlists", "/browse/categories/{id}/playlists",
	} {
		all = append(all, operation{path: path, lost: true, do: (*webCall).notHere})
	}
	return all
}

// webAPI answers for api.spotify.com.
func (s *Server) webAPI(w http.ResponseWriter, r *http.Request) {
	account, scopes, problem := s.bearer(r)
	if problem != nil {
		problem.send(w)
		return
	}
	op, id := find(r.Method, strings.TrimPrefix(r.URL.Path, "/v1"))
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.charge(w, now) {
		return
	}
	c := &webCall{Server: s, r: r, query: r.URL.Query(), account: account, scopes: scopes, id: id, library: s.libraries[account.ID]}
	if c.library == nil {
		c.library = &Library{}
	}
	status, body, problem := c.answer(op)
	switch {
	case problem != nil:
		problem.send(w)
	case body == nil:
		w.WriteHeader(status)
	default:
		answer(w, status, body)
	}
}

// charge counts a request against quota and limit, and answers it where one of them is used up.
func (s *Server) charge(w http.ResponseWriter, now time.Time) bool {
	const status = http.StatusTooManyRequests
	if s.quota == 0 {
		w.Header().Set("Retry-After", "48925")
		answer(w, status, map[string]any{"error": map[string]any{"status": status, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}})
		return false
	}
	if s.quota > 0 {
		s.quota--
	}
	if s.perWindow == 0 {
		return true
	}
	s.asked = slices.DeleteFunc(s.asked, func(t time.Time) bool { return now.Sub(t) >= window })
	if len(s.asked) >= s.perWindow {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil((window - now.Sub(s.asked[0])).Seconds()))))
		(&apiError{status, "API rate limit exceeded"}).send(w)
		return false
	}
	s.asked = append(s.asked, now)
	return true
}

// find returns the operation of a path, and the id in it.
func find(method, path string) (*operation, string) {
	parts := strings.Split(path, "/")
	all := operations()
	for i := range all {
		op := &all[i]
		segments := strings.Split(op.path, "/")
		if op.method != "" && op.method != method || len(segments) != len(parts) {
			continue
		}
		id, fits := "", true
		for n, segment := range segments {
			if segment == "{id}" {
				id = parts[n]
			} else if segment != parts[n] {
				fits = false
			}
		}
		if fits {
			return op, id
		}
	}
	return nil, ""
}

// answer takes a call through the checks in Spotify's order, and to its operation.
func (c *webCall) answer(op *operation) (int, any, *apiError) {
	switch {
	case op == nil:
		return 0, nil, &apiError{status: http.StatusNotFound, message: "Service not found"}
	case !c.extended && c.allowed != nil && !slices.Contains(c.allowed, c.account.ID):
		return 0, nil, &apiError{status: http.StatusForbidden, message: "Check settings on developer.spotify.com/dashboard, the user may not be registered."}
	case op.lost, op.gone && !c.extended:
		return 0, nil, &apiError{status: http.StatusForbidden, message: "Forbidden"}
	case !c.granted(op):
		return 0, nil, &apiError{status: http.StatusForbidden, message: "Insufficient client scope"}
	}
	if c.r.Method != http.MethodGet {
		if err := json.NewDecoder(http.MaxBytesReader(nil, c.r.Body, 1<<20)).Decode(&c.body); err != nil && c.r.ContentLength > 0 {
			return 0, nil, invalid("Error parsing JSON.")
		}
	}
	if market := c.query.Get("market"); c.query.Has("market") && (len(market) != 2 || strings.Trim(market, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return 0, nil, invalid("Invalid market code")
	}
	return op.do(c)
}

func (c *webCall) granted(op *operation) bool {
	has := func(scope string) bool { return slices.Contains(c.scopes, scope) }
	if op.any {
		return slices.ContainsFunc(op.scopes, has)
	}
	return !slices.ContainsFunc(op.scopes, func(scope string) bool { return !has(scope) })
}

// notHere answers what an app with extended quota has, and this server has not.
func (c *webCall) notHere() (int, any, *apiError) {
	return 0, nil, &apiError{status: http.StatusNotImplemented, message: "Not in this server"}
}

// apiError is a failure as the Web API tells it.
type apiError struct {
	status  int
	message string
}

func (e *apiError) send(w http.ResponseWriter) {
	answer(w, e.status, map[string]any{"error": map[string]any{"status": e.status, "message": e.message}})
}

func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func notFound() *apiError {
	return &apiError{status: http.StatusNotFound, message: "Resource not found"}
}

// The sizes of pages.
const (
	defaultPage = 20
	maxPage     = 50
	searchPage  = 10 // in development mode; and 5 is the default
	maxURIs     = 100
	maxLibrary  = 40
)

// page reads limit and offset.
func (c *webCall) page(defaultLimit, maxLimit int) (limit, offset int, problem *apiError) {
	limit, problem = c.number("limit", defaultLimit, 1, maxLimit)
	if problem != nil {
		return 0, 0, problem
	}
	offset, problem = c.number("offset", 0, 0, math.MaxInt32)
	return limit, offset, problem
}

func (c *webCall) number(name string, otherwise, least, most int) (int, *apiError) {
	if !c.query.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(c.query.Get(name))
	if err != nil || n < least || n > most {
		return 0, invalid("Invalid %s", name)
	}
	return n, nil
}

// paged is a page of things, as Spotify has it.
func paged[T any](c *webCall, all []T, render func(T) any) (int, any, *apiError) {
	limit, offset, problem := c.page(defaultPage, maxPage)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, pageOf(c, all, limit, offset, render), nil
}

func pageOf[T any](c *webCall, all []T, limit, offset int, render func(T) any) map[string]any {
	from := min(offset, len(all))
	to := min(from+limit, len(all))
	items := make([]any, 0, to-from)
	for _, x := range all[from:to] {
		items = append(items, render(x))
	}
	link := func(offset int) string {
		q := c.r.URL.Query()
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		return c.href(strings.TrimPrefix(c.r.URL.Path, "/v1")) + "?" + q.Encode()
	}
	page := map[string]any{"href": link(offset), "items": items, "limit": limit, "next": nil, "offset": offset, "previous": nil, "total": len(all)}
	if to < len(all) {
		page["next"] = link(offset + limit)
	}
	if offset > 0 {
		page["previous"] = link(max(offset-limit, 0))
	}
	return page
}

// href is where something of the Web API's is.
func (s *Server) href(path string) string { return s.URL() + "/v1" + path }

func (c *webCall) me() (int, any, *apiError) {
	a := c.account
	me := map[string]any{
		"id": a.ID, "display_name": a.DisplayName, "type": "user", "uri": "spotify:user:" + a.ID, "href": c.href("/users/" + a.ID),
		"external_urls": link("user", a.ID), "images": []any{},
	}
	if a.AccountID != "" {
		me["account_id"] = a.AccountID
	}
	if c.extended && slices.Contains(c.scopes, "user-read-private") {
		me["country"], me["product"] = a.Country, a.Product
	}
	return http.StatusOK, me, nil
}

// trackFor is a track as it is told where a market can be given. Only where one is given, Spotify relinks tracks, and says whether they can be played.
func (c *webCall) trackFor(t *Track) map[string]any {
	track := c.trackObject(t)
	if c.query.Has("market") {
		track["is_playable"] = !t.Unplayable
	}
	return track
}

func (c *webCall) savedTracks() (int, any, *apiError) {
	return paged(c, c.music.tracksOf(c.library.Saved), func(t *Track) any {
		return map[string]any{"added_at": addedAt, "track": c.trackFor(t)}
	})
}

// addedAt is when everything was saved.
const addedAt = "2026-05-01T12:00:00Z"

func (c *webCall) savedEpisodes() (int, any, *apiError) {
	return paged(c, c.music.episodesOf(c.library.Episodes), func(e *Episode) any {
		return map[string]any{"added_at": addedAt, "episode": c.episodeObject(e, true)}
	})
}

func (c *webCall) savedShows() (int, any, *apiError) {
	return paged(c, c.music.showsOf(c.library.Shows), func(s *Show) any {
		return map[string]any{"added_at": addedAt, "show": c.showObject(s)}
	})
}

func (c *webCall) timeRange() *apiError {
	switch c.query.Get("time_range") {
	case "", "short_term", "medium_term", "long_term":
		return nil
	default:
		return invalid("Invalid time range")
	}
}

func (c *webCall) topTracks() (int, any, *apiError) {
	if problem := c.timeRange(); problem != nil {
		return 0, nil, problem
	}
	return paged(c, c.music.tracksOf(c.library.Top), func(t *Track) any { return c.trackObject(t) })
}

func (c *webCall) topArtists() (int, any, *apiError) {
	if problem := c.timeRange(); problem != nil {
		return 0, nil, problem
	}
	return paged(c, c.library.TopArtists, func(name string) any { return c.artistObject(name) })
}

// recentlyPlayed answers with cursors instead of offsets.
func (c *webCall) recentlyPlayed() (int, any, *apiError) {
	limit, problem := c.number("limit", defaultPage, 1, maxPage)
	if problem != nil {
		return 0, nil, problem
	}
	items := []any{}
	for _, t := range c.music.tracksOf(c.library.Recent) {
		if len(items) < limit {
			items = append(items, map[string]any{"track": c.trackObject(t), "played_at": addedAt})
		}
	}
	return http.StatusOK, map[string]any{"href": c.href("/me/player/recently-played"), "items": items, "limit": limit, "cursors": map[string]any{}}, nil
}

func (c *webCall) oneTrack() (int, any, *apiError) {
	t := c.music.tracks[c.id]
	switch {
	case !isID(c.id):
		return 0, nil, invalid("Invalid base62 id")
	case t == nil:
		return 0, nil, notFound()
	}
	return http.StatusOK, c.trackFor(t), nil
}

func (c *webCall) oneArtist() (int, any, *apiError) {
	name, ok := c.music.artists[c.id]
	if !ok {
		return 0, nil, notFound()
	}
	return http.StatusOK, c.artistObject(name), nil
}

func (c *webCall) oneEpisode() (int, any, *apiError) {
	e := c.music.episodes[c.id]
	if e == nil {
		return 0, nil, notFound()
	}
	return http.StatusOK, c.episodeObject(e, true), nil
}

func (c *webCall) showEpisodes() (int, any, *apiError) {
	s := c.music.shows[c.id]
	if s == nil {
		return 0, nil, notFound()
	}
	return paged(c, c.music.episodesOfShow(s), func(e *Episode) any { return c.episodeObject(e, false) })
}

// ids reads a comma-separated list.
func (c *webCall) ids(name string, most int) ([]string, *apiError) {
	ids := strings.Split(c.query.Get(name), ",")
	if c.query.Get(name) == "" || len(ids) > most {
		return nil, invalid("Too few or too many %s requested", name)
	}
	return ids, nil
}

func (c *webCall) manyTracks() (int, any, *apiError) {
	ids, problem := c.ids("ids", maxPage)
	if problem != nil {
		return 0, nil, problem
	}
	tracks := make([]any, len(ids))
	for i, id := range ids {
		if t := c.music.tracks[id]; t != nil {
			tracks[i] = c.trackFor(t)
		}
	}
	return http.StatusOK, map[string]any{"tracks": tracks}, nil
}

func (c *webCall) manyArtists() (int, any, *apiError) {
	ids, problem := c.ids("ids", maxPage)
	if problem != nil {
		return 0, nil, problem
	}
	artists := make([]any, len(ids))
	for i, id := range ids {
		if name, ok := c.music.artists[id]; ok {
			artists[i] = c.artistObject(name)
		}
	}
	return http.StatusOK, map[string]any{"artists": artists}, nil
}

// search finds what all words and all filters of the query fit.
func (c *webCall) search() (int, any, *apiError) {
	most, usual := searchPage, 5
	if c.extended {
		most, usual = maxPage, defaultPage
	}
	limit, offset, problem := c.page(usual, most)
	if problem != nil {
		return 0, nil, problem
	}
	q := parseSearch(c.query.Get("q"))
	if c.query.Get("q") == "" {
		return 0, nil, invalid("No search query")
	}
	found := map[string]any{}
	for kind := range strings.SplitSeq(c.query.Get("type"), ",") {
		switch kind {
		case "track":
			found["tracks"] = pageOf(c, c.music.findTracks(q), limit, offset, func(t *Track) any { return c.trackFor(t) })
		case "artist":
			found["artists"] = pageOf(c, c.music.findArtists(q), limit, offset, func(name string) any { return c.artistObject(name) })
		case "episode":
			found["episodes"] = pageOf(c, c.music.findEpisodes(q), limit, offset, func(e *Episode) any { return c.episodeObject(e, false) })
		case "show":
			found["shows"] = pageOf(c, c.music.findShows(q), limit, offset, func(s *Show) any { return c.showObject(s) })
		default:
			return 0, nil, invalid("Bad search type field %s", kind)
		}
	}
	return http.StatusOK, found, nil
}

// uris reads those of the library operations.
func (c *webCall) uris() ([]string, *apiError) {
	uris, problem := c.ids("uris", maxLibrary)
	if problem != nil {
		return nil, problem
	}
	for _, uri := range uris {
		if !c.music.has(uri) {
			return nil, invalid("Invalid URI")
		}
	}
	return uris, nil
}

func (c *webCall) save() (int, any, *apiError) {
	uris, problem := c.uris()
	if problem != nil {
		return 0, nil, problem
	}
	for _, uri := range uris {
		list, id := c.library.listOf(uri)
		if !slices.Contains(*list, id) {
			*list = append([]string{id}, *list...)
		}
	}
	c.libraries[c.account.ID] = c.library
	return http.StatusOK, nil, nil
}

func (c *webCall) unsave() (int, any, *apiError) {
	uris, problem := c.uris()
	if problem != nil {
		return 0, nil, problem
	}
	for _, uri := range uris {
		list, id := c.library.listOf(uri)
		*list = slices.DeleteFunc(*list, func(saved string) bool { return saved == id })
	}
	return http.StatusOK, nil, nil
}

func (c *webCall) contains() (int, any, *apiError) {
	uris, problem := c.uris()
	if problem != nil {
		return 0, nil, problem
	}
	has := make([]bool, len(uris))
	for i, uri := range uris {
		list, id := c.library.listOf(uri)
		has[i] = slices.Contains(*list, id)
	}
	return http.StatusOK, has, nil
}
