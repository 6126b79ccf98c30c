package spotify

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	web "github.com/zmb3/spotify/v2"
)

// piece is a track or an episode as Spotify tells it, and as it is kept for a while: what RhythmIQ has a use for and no more.
type piece struct {
	ID         string   `json:"i"`
	Episode    bool     `json:"e,omitempty"`
	Title      string   `json:"t,omitempty"`
	Artists    []string `json:"a,omitempty"` // of an episode: its show
	Genres     []string `json:"g,omitempty"` // lower case
	Tags       []string `json:"k,omitempty"` // of how it sounds, by the names of the listener's playlists that it is in
	Millis     int      `json:"d"`
	Explicit   bool     `json:"x,omitempty"`
	ISRC       string   `json:"s,omitempty"`
	Popularity int      `json:"p,omitempty"` // 0–100; only of an app with extended quota
	Sound      *Sound   `json:"f,omitempty"`
}

// uri is what Spotify's players and playlists know it by.
func (p *piece) uri() string {
	if p.Episode {
		return "spotify:episode:" + p.ID
	}
	return "spotify:track:" + p.ID
}

// artist is one of a listener's, in the order in which Spotify names them.
type artist struct {
	name   string
	genres []string
}

// The sizes of what is read at a time.
const (
	pageSize   = 50
	searchSize = 10 // in development mode
	batchSize  = 50
)

// market is an option for the client library's calls.
func (c *Client) market() []web.RequestOption {
	if c.o.Market == "" {
		return nil
	}
	return []web.RequestOption{web.Market(c.o.Market)}
}

// marketQuery is the same for our own.
func (c *Client) marketQuery(q url.Values) url.Values {
	if c.o.Market != "" {
		q.Set("market", c.o.Market)
	}
	return q
}

// fromTrack returns what Spotify tells of a track; false for what cannot be played: local files, and, where a market was asked for, what is not to be had there.
func fromTrack(t *web.FullTrack) (piece, bool) {
	if !isID(string(t.ID)) || t.Duration <= 0 || t.IsPlayable != nil && !*t.IsPlayable {
		return piece{}, false
	}
	p := piece{
		ID: string(t.ID), Title: t.Name, Millis: int(t.Duration), Explicit: t.Explicit, ISRC: strings.ToUpper(t.ExternalIDs["isrc"]),
		Popularity: min(max(int(t.Popularity), 0), 100), //nolint:mnd // percent
	}
	for _, a := range t.Artists {
		p.Artists = append(p.Artists, a.Name)
	}
	return p, true
}

// fromAsked is fromTrack of one that was asked for by its id, which it keeps: in a market another can stand for it, and Spotify's players find that one by either.
func fromAsked(t *web.FullTrack) (piece, bool) {
	p, ok := fromTrack(t)
	if t.LinkedFrom != nil && isID(string(t.LinkedFrom.ID)) {
		p.ID = string(t.LinkedFrom.ID)
	}
	return p, ok
}

// episode is one as Spotify tells it. The client library's says that it cannot be played also where nothing was said.
type episode struct {
	web.EpisodePage
	Playable *bool `json:"is_playable"` // in the listener's country, with or without a market in the request
}

// fromEpisode returns what Spotify tells of an episode; false for what cannot be played.
func fromEpisode(e *episode) (piece, bool) {
	if !isID(string(e.ID)) || e.Duration_ms <= 0 || e.Playable != nil && !*e.Playable {
		return piece{}, false
	}
	p := piece{ID: string(e.ID), Episode: true, Title: e.Name, Millis: int(e.Duration_ms), Explicit: e.Explicit}
	if e.Show.Name != "" {
		p.Artists = []string{e.Show.Name}
	}
	return p, true
}

// isID reports whether s is an id of Spotify's by its form: 22 letters and digits.
func isID(s string) bool { return anID.MatchString(s) }

// pages reads pages of up to 50 things until there are most of them, or no more. read returns how many there are on a page.
func pages(most int, read func(limit, offset int) (int, error)) error {
	for offset := 0; offset < most; {
		limit := min(pageSize, most-offset)
		n, err := read(limit, offset)
		if err != nil || n < limit {
			return err
		}
		offset += n
	}
	return nil
}

// savedTracks are those in the listener's library, the newest first. It needs the scope user-library-read.
func (c *Client) savedTracks(ctx context.Context, profileID uuid.UUID, most int) ([]piece, error) {
	var found []piece
	err := pages(most, func(limit, offset int) (int, error) {
		page, err := c.library(profileID).CurrentUsersTracks(ctx, append(c.market(), web.Limit(limit), web.Offset(offset))...)
		if err != nil {
			return 0, read(err)
		}
		for i := range page.Tracks {
			if p, ok := fromTrack(&page.Tracks[i].FullTrack); ok {
				found = append(found, p)
			}
		}
		return len(page.Tracks), nil
	})
	return found, err
}

// ranges are the times over which Spotify counts what is heard most: four weeks, half a year, a year.
var ranges = []web.Range{web.ShortTermRange, web.MediumTermRange, web.LongTermRange}

// topTracks are those that the listener has heard most. It needs the scope user-top-read.
func (c *Client) topTracks(ctx context.Context, profileID uuid.UUID, over web.Range) ([]piece, error) {
	page, err := c.library(profileID).CurrentUsersTopTracks(ctx, web.Limit(pageSize), web.Timerange(over))
	if err != nil {
		return nil, read(err)
	}
	var found []piece
	for i := range page.Tracks {
		if p, ok := fromTrack(&page.Tracks[i]); ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// topArtists are those that the listener has heard most. It needs the scope user-top-read.
func (c *Client) topArtists(ctx context.Context, profileID uuid.UUID, over web.Range) ([]artist, error) {
	page, err := c.library(profileID).CurrentUsersTopArtists(ctx, web.Limit(pageSize), web.Timerange(over))
	if err != nil {
		return nil, read(err)
	}
	var found []artist
	for _, a := range page.Artists {
		found = append(found, artist{a.Name, lower(a.Genres)})
	}
	return found, nil
}

func lower(words []string) []string {
	var all []string
	for _, w := range words {
		if w = strings.ToLower(strings.TrimSpace(w)); w != "" && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// recent are the tracks heard last, at most 50. It needs the scope user-read-recently-played.
func (c *Client) recent(ctx context.Context, profileID uuid.UUID) ([]piece, error) {
	items, err := c.library(profileID).PlayerRecentlyPlayedOpt(ctx, &web.RecentlyPlayedOptions{Limit: pageSize})
	if err != nil {
		return nil, read(err)
	}
	var found []piece
	for i := range items {
		t := web.FullTrack{SimpleTrack: items[i].Track, ExternalIDs: map[string]string{"isrc": items[i].Track.ExternalIDs.ISRC}}
		if p, ok := fromTrack(&t); ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// listed is a playlist in the listener's library.
type listed struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Owner       struct {
		ID string `json:"id"`
	} `json:"owner"`
	ExternalURLs map[string]string `json:"external_urls"`
}

// playlists are those in the listener's library, the newest first. It needs the scope playlist-read-private. Items of others' are not given to an app in development
// mode.
func (c *Client) playlists(ctx context.Context, profileID uuid.UUID, most int) ([]listed, error) {
	var found []listed
	_, err := c.eachPlaylist(ctx, profileID, most, func(l listed) bool {
		found = append(found, l)
		return true
	})
	return found, err
}

// eachPlaylist shows them until see returns false; all is whether it has come to their end.
func (c *Client) eachPlaylist(ctx context.Context, profileID uuid.UUID, most int, see func(listed) bool) (all bool, err error) {
	for offset := 0; offset < most; {
		var page struct {
			Items []listed `json:"items"`
		}
		limit := min(pageSize, most-offset)
		if err := c.do(ctx, profileID, request{method: http.MethodGet, path: "me/playlists", query: window(limit, offset)}, &page); err != nil {
			return false, err
		}
		for _, l := range page.Items {
			if !see(l) {
				return false, nil
			}
		}
		if len(page.Items) < limit {
			return true, nil
		}
		offset += len(page.Items)
	}
	return false, nil
}

func window(limit, offset int) url.Values {
	return url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
}

// playlistItems are the tracks of a playlist. It needs the scope playlist-read-private.
func (c *Client) playlistItems(ctx context.Context, profileID uuid.UUID, id string, most int) ([]piece, error) {
	var found []piece
	err := pages(most, func(limit, offset int) (int, error) {
		var page struct {
			Items []struct {
				Item  *web.FullTrack `json:"item"`  // since February 2026
				Track *web.FullTrack `json:"track"` // before, and to apps with extended quota
			} `json:"items"`
		}
		q := request{method: http.MethodGet, path: "playlists/" + id + "/items", query: c.marketQuery(window(limit, offset))}
		if err := c.do(ctx, profileID, q, &page); err != nil {
			return 0, err
		}
		for _, x := range page.Items {
			t := x.Item
			if t == nil {
				t = x.Track
			}
			if t == nil || t.Type == "episode" {
				continue
			}
			if p, ok := fromTrack(t); ok {
				found = append(found, p)
			}
		}
		return len(page.Items), nil
	})
	return found, err
}

// savedEpisodes are those in the listener's library. It needs the scopes user-library-read and user-read-playback-position.
func (c *Client) savedEpisodes(ctx context.Context, profileID uuid.UUID, most int) ([]piece, error) {
	var found []piece
	err := pages(most, func(limit, offset int) (int, error) {
		var page struct {
			Items []struct {
				Episode episode `json:"episode"`
			} `json:"items"`
		}
		q := request{method: http.MethodGet, path: "me/episodes", query: c.marketQuery(window(limit, offset))}
		if err := c.do(ctx, profileID, q, &page); err != nil {
			return 0, err
		}
		for i := range page.Items {
			if p, ok := fromEpisode(&page.Items[i].Episode); ok {
				found = append(found, p)
			}
		}
		return len(page.Items), nil
	})
	return found, err
}

// show is a podcast.
type show struct{ id, name string }

// savedShows are those in the listener's library. It needs the scope user-library-read.
func (c *Client) savedShows(ctx context.Context, profileID uuid.UUID) ([]show, error) {
	page, err := c.library(profileID).CurrentUsersShows(ctx, web.Limit(pageSize))
	if err != nil {
		return nil, read(err)
	}
	var found []show
	for _, s := range page.Shows {
		if isID(string(s.ID)) {
			found = append(found, show{string(s.ID), s.Name})
		}
	}
	return found, nil
}

// showEpisodes are the newest of a podcast. It needs the scope user-read-playback-position.
func (c *Client) showEpisodes(ctx context.Context, profileID uuid.UUID, s show) ([]piece, error) {
	var page struct {
		Items []episode `json:"items"`
	}
	q := request{method: http.MethodGet, path: "shows/" + s.id + "/episodes", query: c.marketQuery(window(pageSize, 0))}
	if err := c.do(ctx, profileID, q, &page); err != nil {
		return nil, err
	}
	return episodes(page.Items, s.name), nil
}

// episodes are those that can be played; what is told of an episode in a list does not name its show.
func episodes(given []episode, show string) []piece {
	var found []piece
	for i := range given {
		p, ok := fromEpisode(&given[i])
		if !ok {
			continue
		}
		if p.Artists == nil && show != "" {
			p.Artists = []string{show}
		}
		found = append(found, p)
	}
	return found
}

// searchTracks finds up to ten tracks.
func (c *Client) searchTracks(ctx context.Context, profileID uuid.UUID, query string) ([]piece, error) {
	result, err := c.library(profileID).Search(ctx, query, web.SearchTypeTrack, append(c.market(), web.Limit(searchSize))...)
	if err != nil || result.Tracks == nil {
		return nil, read(err)
	}
	var found []piece
	for i := range result.Tracks.Tracks {
		if p, ok := fromTrack(&result.Tracks.Tracks[i]); ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// searchEpisodes finds up to ten episodes.
func (c *Client) searchEpisodes(ctx context.Context, profileID uuid.UUID, query string) ([]piece, error) {
	var result struct {
		Episodes struct {
			Items []episode `json:"items"`
		} `json:"episodes"`
	}
	q := request{method: http.MethodGet, path: "search", query: c.marketQuery(url.Values{"q": {query}, "type": {"episode"}, "limit": {strconv.Itoa(searchSize)}})}
	if err := c.do(ctx, profileID, q, &result); err != nil {
		return nil, err
	}
	return episodes(result.Episodes.Items, ""), nil
}

// lookUp asks for tracks by their ids: of an app in development mode one by one, and else 50 at a time. What Spotify does not have is left
// out. Where the listener has granted user-read-playback-position, what is no track is looked for among the episodes.
func (c *Client) lookUp(ctx context.Context, profileID uuid.UUID, ids []string) ([]piece, error) {
	var found []piece
	missing := ids
	if c.o.Extended {
		missing = nil
		for batch := range slices.Chunk(ids, batchSize) {
			given := make([]web.ID, len(batch))
			for i, id := range batch {
				given[i] = web.ID(id)
			}
			tracks, err := c.library(profileID).GetTracks(ctx, given, c.market()...)
			if err != nil {
				return nil, read(err)
			}
			for i, t := range tracks {
				if t == nil {
					missing = append(missing, batch[min(i, len(batch)):min(i+1, len(batch))]...) // none of what was not asked for
				} else if p, ok := fromAsked(t); ok {
					found = append(found, p)
				}
			}
		}
	}
	granted, err := c.o.Tokens.Scopes(ctx, profileID)
	if err != nil {
		return nil, err
	}
	for _, id := range missing {
		p, ok, err := c.one(ctx, profileID, id, slices.Contains(granted, ScopeReadPlaceInPod))
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// one asks for a track, or an episode, by its id.
func (c *Client) one(ctx context.Context, profileID uuid.UUID, id string, orEpisode bool) (piece, bool, error) {
	if !c.o.Extended {
		t, err := c.library(profileID).GetTrack(ctx, web.ID(id), c.market()...)
		err = read(err)
		if err == nil {
			p, ok := fromAsked(t)
			return p, ok, nil
		}
		if reason := reasonOf(err); reason != ReasonNotFound && reason != ReasonInvalid {
			return piece{}, false, err
		}
	}
	if !orEpisode {
		return piece{}, false, nil
	}
	var e episode
	err := c.do(ctx, profileID, request{method: http.MethodGet, path: "episodes/" + id, query: c.marketQuery(url.Values{})}, &e)
	if err == nil {
		p, ok := fromEpisode(&e)
		return p, ok, nil
	}
	if reason := reasonOf(err); reason != ReasonNotFound && reason != ReasonInvalid {
		return piece{}, false, err
	}
	return piece{}, false, nil
}
