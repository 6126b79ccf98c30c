package spotifytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Playlist is one as a test sees it.
type Playlist struct {
	ID, Owner, Name, Description string
	Public                       bool
	URIs                         []string
}

// playlist is one as it is kept.
type playlist struct {
	Playlist
	writes  int // how often it was changed
	dropped bool
}

// AddPlaylist gives an account a playlist of its own, as if it had been made in Spotify's app, and returns its id.
func (s *Server) AddPlaylist(accountID, name string, uris ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.make(Playlist{Owner: accountID, Name: name, URIs: uris}).ID
}

// make keeps a new playlist. The lock is held.
func (s *Server) make(p Playlist) *playlist {
	p.ID = ID("playlist", strconv.Itoa(len(s.order)))
	made := &playlist{Playlist: p}
	s.playlists[p.ID] = made
	s.order = append(s.order, p.ID)
	return made
}

// DropPlaylist takes a playlist out of its owner's library, which is all that Spotify's app does when it "deletes" one: whoever knows its id finds it still.
func (s *Server) DropPlaylist(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.playlists[id]; p != nil {
		p.dropped = true
	}
}

// Playlists returns those of an account, the newest first.
func (s *Server) Playlists(accountID string) []Playlist {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Playlist
	for _, p := range s.ownedBy(accountID) {
		copied := p.Playlist
		copied.URIs = slices.Clone(p.URIs)
		all = append(all, copied)
	}
	return all
}

// ownedBy returns playlists, the newest first. The lock is held.
func (s *Server) ownedBy(accountID string) []*playlist {
	var all []*playlist
	for _, id := range slices.Backward(s.order) {
		if p := s.playlists[id]; p != nil && p.Owner == accountID && !p.dropped {
			all = append(all, p)
		}
	}
	return all
}

// playlist returns the one of the path: a private one only to its owner, and to be changed only by them.
func (c *webCall) playlist(change bool) (*playlist, *apiError) {
	p := c.playlists[c.id]
	switch {
	case p == nil, !p.Public && p.Owner != c.account.ID:
		return nil, notFound()
	case change && p.Owner != c.account.ID:
		return nil, &apiError{status: http.StatusForbidden, message: "You cannot change a playlist you do not own"}
	case change && !p.Public && !slices.Contains(c.scopes, scopePrivate), change && p.Public && !slices.Contains(c.scopes, scopePublic):
		return nil, &apiError{status: http.StatusForbidden, message: "Insufficient client scope"}
	}
	return p, nil
}

func (p *playlist) snapshot() string { return ID("snapshot", p.ID+strconv.Itoa(p.writes)) }

// playlistLine is a playlist without its items.
func (s *Server) playlistLine(p *playlist) map[string]any {
	owner := map[string]any{"id": p.Owner, "type": "user", "uri": "spotify:user:" + p.Owner, "href": s.href("/users/" + p.Owner), "external_urls": link("user", p.Owner)}
	if a := s.account(p.Owner); a != nil {
		owner["display_name"] = a.DisplayName
	}
	return map[string]any{
		"id": p.ID, "name": p.Name, "description": p.Description, "public": p.Public, "collaborative": false, "type": "playlist", "uri": "spotify:playlist:" + p.ID,
		"href": s.href("/playlists/" + p.ID), "external_urls": link("playlist", p.ID), "images": []any{}, "owner": owner, "snapshot_id": p.snapshot(),
		"items": map[string]any{"href": s.href("/playlists/" + p.ID + "/items"), "total": len(p.URIs)},
	}
}

func (c *webCall) ownPlaylists() (int, any, *apiError) {
	return paged(c, c.ownedBy(c.account.ID), func(p *playlist) any { return c.playlistLine(p) })
}

func (c *webCall) onePlaylist() (int, any, *apiError) {
	p, problem := c.playlist(false)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, c.playlistObject(p), nil
}

func (c *webCall) playlistObject(p *playlist) map[string]any {
	whole := c.playlistLine(p)
	whole["items"] = pageOf(c, p.URIs, maxURIs, 0, c.itemObject)
	whole["followers"] = map[string]any{"href": nil, "total": 0}
	return whole
}

// itemObject is a place in a playlist; since February 2026 what is there is "item" and no longer "track".
func (c *webCall) itemObject(uri string) any {
	kind, id, _ := strings.Cut(strings.TrimPrefix(uri, "spotify:"), ":")
	place := map[string]any{"added_at": addedAt, "is_local": false}
	if kind == "episode" {
		place["item"] = c.episodeObject(c.music.episodes[id], true)
		return place
	}
	track := c.trackFor(c.music.tracks[id])
	if !c.extended {
		delete(track, "external_ids") // not told of the items of playlists any more
	}
	place["item"] = track
	return place
}

func (c *webCall) playlistItems() (int, any, *apiError) {
	p, problem := c.playlist(false)
	if problem != nil {
		return 0, nil, problem
	}
	return paged(c, p.URIs, c.itemObject)
}

// field reads a field of the body. It reports whether it is there, and is right.
func field[T any](c *webCall, name string, into *T) (given bool, problem *apiError) {
	raw, ok := c.body[name]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return true, invalid("Invalid %s", name)
	}
	return true, nil
}

func (c *webCall) createPlaylist() (int, any, *apiError) {
	p := Playlist{Owner: c.account.ID, Public: true}
	for _, read := range []func() (bool, *apiError){
		func() (bool, *apiError) { return field(c, "name", &p.Name) },
		func() (bool, *apiError) { return field(c, "description", &p.Description) },
		func() (bool, *apiError) { return field(c, "public", &p.Public) },
	} {
		if _, problem := read(); problem != nil {
			return 0, nil, problem
		}
	}
	if p.Name == "" {
		return 0, nil, invalid("Missing required field: name")
	}
	if need := map[bool]string{true: scopePublic, false: scopePrivate}[p.Public]; !slices.Contains(c.scopes, need) {
		return 0, nil, &apiError{status: http.StatusForbidden, message: "Insufficient client scope"}
	}
	return http.StatusCreated, c.playlistObject(c.make(p)), nil
}

func (c *webCall) changePlaylist() (int, any, *apiError) {
	p, problem := c.playlist(true)
	if problem != nil {
		return 0, nil, problem
	}
	next := p.Playlist
	if _, problem := field(c, "name", &next.Name); problem != nil {
		return 0, nil, problem
	}
	if _, problem := field(c, "description", &next.Description); problem != nil {
		return 0, nil, problem
	}
	if _, problem := field(c, "public", &next.Public); problem != nil {
		return 0, nil, problem
	}
	p.Playlist = next
	return http.StatusOK, nil, nil
}

// given reads the URIs of a write: at most 100, and of things that there are.
func (c *webCall) given() ([]string, *apiError) {
	var uris []string
	there, problem := field(c, "uris", &uris)
	switch {
	case problem != nil:
		return nil, problem
	case !there:
		return nil, invalid("Missing required field: uris")
	case len(uris) > maxURIs:
		return nil, invalid("You can add a maximum of %d tracks per request.", maxURIs)
	}
	for _, uri := range uris {
		if !c.music.has(uri) || strings.HasPrefix(uri, "spotify:show:") {
			return nil, invalid("Invalid track uri: %s", uri)
		}
	}
	return uris, nil
}

// changed answers a write.
func (c *webCall) changed(p *playlist, status int) (int, any, *apiError) {
	p.writes++
	return status, map[string]any{"snapshot_id": p.snapshot()}, nil
}

func (c *webCall) replaceItems() (int, any, *apiError) {
	p, problem := c.playlist(true)
	if problem != nil {
		return 0, nil, problem
	}
	uris, problem := c.given()
	if problem != nil {
		return 0, nil, problem
	}
	p.URIs = uris
	return c.changed(p, http.StatusOK)
}

func (c *webCall) addItems() (int, any, *apiError) {
	p, problem := c.playlist(true)
	if problem != nil {
		return 0, nil, problem
	}
	uris, problem := c.given()
	if problem != nil {
		return 0, nil, problem
	}
	at := len(p.URIs)
	if there, problem := field(c, "position", &at); problem != nil || there && (at < 0 || at > len(p.URIs)) {
		return 0, nil, invalid("Invalid position")
	}
	p.URIs = slices.Insert(slices.Clone(p.URIs), at, uris...)
	return c.changed(p, http.StatusCreated)
}

func (c *webCall) removeItems() (int, any, *apiError) {
	p, problem := c.playlist(true)
	if problem != nil {
		return 0, nil, problem
	}
	var items []struct {
		URI string `json:"uri"`
	}
	if there, problem := field(c, "items", &items); problem != nil || !there || len(items) > maxURIs {
		return 0, nil, invalid("Invalid items")
	}
	for _, item := range items {
		p.URIs = slices.DeleteFunc(slices.Clone(p.URIs), func(uri string) bool { return uri == item.URI })
	}
	return c.changed(p, http.StatusOK)
}
