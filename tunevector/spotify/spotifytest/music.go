package spotifytest

import (
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"
)

// Track is a song at this Spotify.
type Track struct {
	ID           string // 22 letters and digits; "": made from the name
	Name         string
	Artists      []string // names; the first one's genres are what a search by genre goes by
	Album        string
	Milliseconds int
	Explicit     bool
	ISRC         string
	Popularity   int  // 0–100, as apps with extended quota see it
	Unplayable   bool // in the account's country; told where a request gives a market, whichever, since the account's goes before it
}

// Episode is one of a podcast.
type Episode struct {
	ID           string // "": made from the name
	Name         string
	Show         string // its show's name
	Milliseconds int
	Explicit     bool
	Unplayable   bool // in the account's country; always told
}

// Show is a podcast. Episodes bring theirs along; it need only be added for what an episode does not say.
type Show struct {
	ID, Name, Publisher, Description string
}

// Library is what an account holds: ids, the newest or the favorite first.
type Library struct {
	Saved      []string // tracks
	Top        []string // tracks heard most
	TopArtists []string // names
	Recent     []string // tracks heard last
	Episodes   []string
	Shows      []string // ids
}

// listOf returns the list that something is saved in, and its id.
func (l *Library) listOf(uri string) (*[]string, string) {
	parts := strings.Split(uri, ":")
	id := parts[len(parts)-1]
	switch {
	case strings.HasPrefix(uri, "spotify:episode:"):
		return &l.Episodes, id
	case strings.HasPrefix(uri, "spotify:show:"):
		return &l.Shows, id
	default:
		return &l.Saved, id
	}
}

// music is all that this Spotify has.
type music struct {
	tracks   map[string]*Track
	episodes map[string]*Episode
	shows    map[string]*Show
	artists  map[string]string   // names by id
	genres   map[string][]string // by artist

	trackOrder, episodeOrder, showOrder []string
}

func newMusic() *music {
	return &music{
		tracks: map[string]*Track{}, episodes: map[string]*Episode{}, shows: map[string]*Show{}, artists: map[string]string{}, genres: map[string][]string{},
	}
}

// AddTracks adds songs, and returns their ids.
func (s *Server) AddTracks(tracks ...Track) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(tracks))
	for i, t := range tracks {
		if t.ID == "" {
			t.ID = ID("track", t.Name+strings.Join(t.Artists, ","))
		}
		ids[i] = t.ID
		if s.music.tracks[t.ID] == nil {
			s.music.trackOrder = append(s.music.trackOrder, t.ID)
		}
		s.music.tracks[t.ID] = &t
		for _, name := range t.Artists {
			s.music.artists[ID("artist", name)] = name
		}
	}
	return ids
}

// AddEpisodes adds episodes with their shows, and returns their ids.
func (s *Server) AddEpisodes(episodes ...Episode) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(episodes))
	for i, e := range episodes {
		if e.ID == "" {
			e.ID = ID("episode", e.Show+e.Name)
		}
		ids[i] = e.ID
		if s.music.episodes[e.ID] == nil {
			s.music.episodeOrder = append(s.music.episodeOrder, e.ID)
		}
		s.music.episodes[e.ID] = &e
		if id := ID("show", e.Show); s.music.shows[id] == nil {
			s.music.shows[id] = &Show{ID: id, Name: e.Show}
			s.music.showOrder = append(s.music.showOrder, id)
		}
	}
	return ids
}

// SetGenres says of what genres an artist is. Only an app with extended quota is told; a search by genre goes by them for everybody.
func (s *Server) SetGenres(artist string, genres ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.music.artists[ID("artist", artist)] = artist
	s.music.genres[artist] = genres
}

// SetLibrary says what an account holds.
func (s *Server) SetLibrary(accountID string, l Library) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.libraries[accountID] = &l
}

// ID makes an id as Spotify has them: always the same one of the same kind and name.
func ID(kind, name string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(kind + "\x00" + name))
	n, base, digit := new(big.Int).SetBytes(sum[:16]), big.NewInt(int64(len(digits))), new(big.Int)
	id := make([]byte, idLength)
	for i := range id {
		n.DivMod(n, base, digit)
		id[i] = digits[digit.Int64()]
	}
	return string(id)
}

const idLength = 22

func isID(s string) bool {
	return len(s) == idLength && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

func pick[T any](from map[string]*T, ids []string) []*T {
	var found []*T
	for _, id := range ids {
		if x := from[id]; x != nil {
			found = append(found, x)
		}
	}
	return found
}

func (m *music) tracksOf(ids []string) []*Track     { return pick(m.tracks, ids) }
func (m *music) episodesOf(ids []string) []*Episode { return pick(m.episodes, ids) }
func (m *music) showsOf(ids []string) []*Show       { return pick(m.shows, ids) }

func (m *music) episodesOfShow(s *Show) []*Episode {
	return filter(m.episodesOf(m.episodeOrder), func(e *Episode) bool { return e.Show == s.Name })
}

func filter[T any](all []T, fits func(T) bool) []T {
	return slices.DeleteFunc(all, func(x T) bool { return !fits(x) })
}

// has reports whether a URI names something that can be in a library or a playlist.
func (m *music) has(uri string) bool {
	kind, id, _ := strings.Cut(strings.TrimPrefix(uri, "spotify:"), ":")
	switch kind {
	case "track":
		return m.tracks[id] != nil
	case "episode":
		return m.episodes[id] != nil
	case "show":
		return m.shows[id] != nil
	}
	return false
}

// wanted is a search: words, and what field filters ask for.
type wanted struct {
	words                        []string
	artist, genre, isrc, trackIs string
}

// parseSearch reads a query such as `artist:"Nina Simone" genre:jazz blues`.
func parseSearch(q string) wanted {
	var w wanted
	fields := map[string]*string{"artist": &w.artist, "genre": &w.genre, "isrc": &w.isrc, "track": &w.trackIs}
	for q = strings.ToLower(strings.TrimSpace(q)); q != ""; q = strings.TrimSpace(q) {
		name, rest, filtered := strings.Cut(q, ":")
		field := fields[name]
		if filtered && field != nil {
			q = rest
		}
		var value string
		if quoted, ok := strings.CutPrefix(q, `"`); ok {
			value, q, _ = strings.Cut(quoted, `"`)
		} else {
			value, q, _ = strings.Cut(q, " ")
		}
		if filtered && field != nil {
			*field = value
		} else {
			w.words = append(w.words, value)
		}
	}
	return w
}

func (w *wanted) in(texts ...string) bool {
	text := strings.ToLower(strings.Join(texts, " "))
	return !slices.ContainsFunc(w.words, func(word string) bool { return !strings.Contains(text, word) })
}

func (m *music) ofGenre(artists []string, genre string) bool {
	return genre == "" || len(artists) > 0 && slices.ContainsFunc(m.genres[artists[0]], func(g string) bool { return strings.EqualFold(g, genre) })
}

func (m *music) findTracks(w wanted) []*Track {
	return filter(m.tracksOf(m.trackOrder), func(t *Track) bool {
		by := strings.ToLower(strings.Join(t.Artists, " "))
		return w.in(t.Name, by, t.Album) && strings.Contains(by, w.artist) && strings.Contains(strings.ToLower(t.Name), w.trackIs) &&
			(w.isrc == "" || strings.EqualFold(w.isrc, t.ISRC)) && m.ofGenre(t.Artists, w.genre)
	})
}

func (m *music) findArtists(w wanted) []string {
	var names []string
	for _, name := range m.artists {
		if w.in(name) && strings.Contains(strings.ToLower(name), w.artist) && m.ofGenre([]string{name}, w.genre) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *music) findEpisodes(w wanted) []*Episode {
	return filter(m.episodesOf(m.episodeOrder), func(e *Episode) bool { return w.in(e.Name, e.Show) })
}

func (m *music) findShows(w wanted) []*Show {
	return filter(m.showsOf(m.showOrder), func(s *Show) bool { return w.in(s.Name, s.Description) })
}

// link is external_urls.
func link(kind, id string) map[string]any {
	return map[string]any{"spotify": "https://open.spotify.com/" + kind + "/" + id}
}

// artistLine is an artist as a track names them.
func (s *Server) artistLine(name string) map[string]any {
	id := ID("artist", name)
	return map[string]any{"id": id, "name": name, "type": "artist", "uri": "spotify:artist:" + id, "href": s.href("/artists/" + id), "external_urls": link("artist", id)}
}

func (s *Server) artistObject(name string) map[string]any {
	a := s.artistLine(name)
	a["images"] = []any{}
	if s.extended {
		a["genres"] = append([]string{}, s.music.genres[name]...)
		a["popularity"], a["followers"] = 50, map[string]any{"href": nil, "total": 1000} //nolint:mnd // anything
	}
	return a
}

func (s *Server) trackObject(t *Track) map[string]any {
	artists := make([]any, len(t.Artists))
	for i, name := range t.Artists {
		artists[i] = s.artistLine(name)
	}
	album := t.Album
	if album == "" {
		album = t.Name
	}
	albumID := ID("album", album)
	track := map[string]any{
		"id": t.ID, "name": t.Name, "artists": artists, "duration_ms": t.Milliseconds, "explicit": t.Explicit, "type": "track", "uri": "spotify:track:" + t.ID,
		"href": s.href("/tracks/" + t.ID), "external_urls": link("track", t.ID), "is_local": false, "disc_number": 1, "track_number": 1,
		"album": map[string]any{
			"id": albumID, "name": album, "album_type": "album", "total_tracks": 1, "available_markets": []string{}, "external_urls": link("album", albumID),
			"href": s.href("/albums/" + albumID), "images": []any{}, "release_date": "2020", "release_date_precision": "year", "type": "album",
			"uri": "spotify:album:" + albumID, "artists": artists,
		},
	}
	if t.ISRC != "" {
		track["external_ids"] = map[string]any{"isrc": t.ISRC}
	}
	if s.extended {
		track["popularity"] = t.Popularity
	}
	return track
}

func (s *Server) episodeObject(e *Episode, withShow bool) map[string]any {
	episode := map[string]any{
		"id": e.ID, "name": e.Name, "duration_ms": e.Milliseconds, "explicit": e.Explicit, "type": "episode", "uri": "spotify:episode:" + e.ID,
		"href": s.href("/episodes/" + e.ID), "external_urls": link("episode", e.ID), "audio_preview_url": nil, "description": "", "html_description": "",
		"images": []any{}, "is_externally_hosted": false, "is_playable": !e.Unplayable, "languages": []string{"en"}, "release_date": "2026-01-01", "release_date_precision": "day",
	}
	if withShow {
		episode["show"] = s.showObject(s.music.shows[ID("show", e.Show)])
	}
	return episode
}

func (s *Server) showObject(show *Show) map[string]any {
	return map[string]any{
		"id": show.ID, "name": show.Name, "publisher": show.Publisher, "description": show.Description, "html_description": show.Description, "type": "show",
		"uri": "spotify:show:" + show.ID, "href": s.href("/shows/" + show.ID), "external_urls": link("show", show.ID), "available_markets": []string{},
		"copyrights": []any{}, "explicit": false, "images": []any{}, "is_externally_hosted": false, "languages": []string{"en"}, "media_type": "audio",
		"total_episodes": len(s.music.episodesOfShow(show)),
	}
}
