package spotify

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	web "github.com/zmb3/spotify/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// library returns a listener's shelf, and imports it first where there is none, or one that is too old. It is nil where the listener has linked no account, or
// nothing can be had of it at present.
func (p *Provider) library(ctx context.Context, listener uuid.UUID) (*shelf, error) {
	if listener == uuid.Nil {
		return nil, ctx.Err()
	}
	s, err := p.read(ctx, listener)
	if err != nil || s != nil && p.o.Now().Sub(s.imported) < p.o.RefreshAfter {
		return s, err
	}
	if until, ok := p.resting.Get(listener); ok && p.o.Now().Before(until) {
		return s, nil
	}
	_, err = p.Import(ctx, listener)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !final(err) && fault.KindOf(err) != fault.Unavailable:
		return nil, err
	case err != nil:
		// Music is there without it, and what was imported before is better than nothing.
		p.resting.Add(listener, p.o.Now().Add(restAfterFailure))
		if unlinked(err) != nil {
			p.o.Logger.WarnContext(ctx, "a library could not be imported from Spotify, will try again", "error", err)
		}
		return s, nil
	}
	return p.read(ctx, listener)
}

// Imported tells what an import has found.
type Imported struct {
	Tracks, Episodes, Artists, Preferences int
}

// Import reads a listener's library, and what they hear most: as candidates for their vectors, and as preferences of source "spotify". What the listener has not
// granted, or the app is not given, is left out. Several imports of a listener at once are one. [ErrNotLinked] and [ErrReauthRequired] where there is nothing to
// read; where Spotify is out of reach the error is of the kind rhythmiq.ErrUnavailable, and all is as it was before.
func (p *Provider) Import(ctx context.Context, listener uuid.UUID) (r Imported, err error) {
	release, first, err := p.turn(ctx, listener)
	if err != nil {
		return r, err
	}
	defer release()
	if !first { // somebody has just done it
		if s, err := p.read(ctx, listener); err != nil || s != nil && p.o.Now().Sub(s.imported) < p.o.RefreshAfter {
			return r, err
		}
	}
	values := []observe.Value{{Name: "tracks"}, {Name: "preferences"}}
	defer observe.Watch(ctx, p.o.Observer, "spotify.import", values...)(&err)
	gate, err := p.o.Gate.Gate(ctx, listener)
	if err != nil {
		return r, err
	}
	within, cancel := context.WithTimeout(inBulk(ctx), p.o.ImportTime)
	defer cancel()
	l := &listening{c: p.o.Client, tags: p.chain.tags, listener: listener, points: map[string]float64{}, names: map[string]string{}, genres: map[string][]string{}, at: map[string]int{}}
	if err := l.gather(within, &p.o); err != nil {
		if within.Err() != nil && ctx.Err() == nil {
			err = &APIError{Operation: "import", Reason: ReasonUnavailable, cause: within.Err()}
		}
		return r, err
	}
	if err := p.describe(within, l); err != nil {
		return r, err
	}
	taste := l.taste()
	if s := p.preferences.Load(); s != nil {
		err := s.Import(ctx, listener, preference.Import{Source: preference.Spotify, Preferences: taste, ExpiresAt: p.expires(), Guard: gate})
		if shut(err, gate) {
			return r, ErrNotLinked
		}
		if err != nil {
			return r, err
		}
		r.Preferences = len(taste)
	}
	if err := p.keep(ctx, listener, l.pieces, gate); err != nil {
		return r, err
	}
	r.Artists = len(l.points)
	for i := range l.pieces {
		if l.pieces[i].Episode {
			r.Episodes++
		} else {
			r.Tracks++
		}
	}
	values[0].Number, values[1].Number = float64(len(l.pieces)), float64(r.Preferences)
	return r, nil
}

// ImportLibrary is [Provider.Import], for the App that is told of a new link.
func (p *Provider) ImportLibrary(ctx context.Context, listener uuid.UUID) error {
	_, err := p.Import(ctx, listener)
	return err
}

// turn waits until nobody imports for a listener. first is false where somebody did meanwhile.
func (p *Provider) turn(ctx context.Context, listener uuid.UUID) (release func(), first bool, err error) {
	for first = true; ; first = false {
		p.mu.Lock()
		busy := p.importing[listener]
		if busy == nil {
			done := make(chan struct{})
			p.importing[listener] = done
			p.mu.Unlock()
			return func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				delete(p.importing, listener)
				close(done)
			}, first, nil
		}
		p.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// listening is what is read of a listener's account.
type listening struct {
	c        *Client
	tags     func(text string) []string // that stand in it
	listener uuid.UUID
	pieces   []piece
	at       map[string]int

	points map[string]float64  // how much speaks for an artist, by their folded name
	names  map[string]string   // as Spotify writes them
	genres map[string][]string // of artists, where that is told
}

// How much speaks for an artist. The points are a choice: what was heard most lately and over a year count alike, half a year more, as Spotify's own default is
// that; a track speaks half as much for its artist as the artist's own place does; what was saved counts by how much of it there is.
const (
	shortShare   = 0.3
	mediumShare  = 0.4
	longShare    = 0.3
	trackShare   = 0.5
	guestShare   = 0.5 // of an artist who is not the first of a track
	savedShare   = 0.3
	savedFull    = 10 // saved tracks of an artist that count as all
	recentShare  = 0.1
	recentFull   = 5
	mostShows    = 5
	listedPerOne = 100 // tracks of a playlist that are read
	listedShare  = 5   // of the tracks one in five is from playlists at least, if there are as many
)

// gather reads what may be read.
func (l *listening) gather(ctx context.Context, o *ProviderOptions) error {
	scopes, err := l.c.o.Tokens.Scopes(ctx, l.listener)
	if err != nil {
		return err
	}
	may := func(needed ...string) bool {
		return !slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(scopes, s) })
	}
	if may(ScopeReadTop) {
		for i, over := range ranges {
			if err := l.mostHeard(ctx, over, [...]float64{shortShare, mediumShare, longShare}[i]); err != nil {
				return err
			}
		}
	}
	if may(ScopeReadLibrary) {
		saved, err := l.c.savedTracks(ctx, l.listener, o.Tracks)
		if err = skip(err); err != nil {
			return err
		}
		l.count(saved, savedShare, savedFull)
		l.add(saved)
	}
	if may(ScopeReadRecent) {
		heard, err := l.c.recent(ctx, l.listener)
		if err = skip(err); err != nil {
			return err
		}
		l.count(heard, recentShare, recentFull)
		l.add(heard)
	}
	before := len(l.pieces)
	if may(ScopeReadPlaylists) {
		if err := l.listed(ctx, o.Playlists); err != nil {
			return err
		}
	}
	l.trim(before, o.Tracks)
	if may(ScopeReadLibrary) {
		return l.podcasts(ctx, may(ScopeReadPlaceInPod))
	}
	return nil
}

// skip makes no error of what the listener has not granted, or the app is not given.
func skip(err error) error {
	switch reasonOf(err) {
	case ReasonScope, ReasonForbidden, ReasonNotFound:
		return nil
	default:
		return err
	}
}

func (l *listening) mostHeard(ctx context.Context, over web.Range, share float64) error {
	artists, err := l.c.topArtists(ctx, l.listener, over)
	if err = skip(err); err != nil {
		return err
	}
	for i, a := range artists {
		l.credit(a.name, share*(1-float64(i)/pageSize))
		if len(a.genres) > 0 {
			l.genres[fold(a.name)] = a.genres
		}
	}
	tracks, err := l.c.topTracks(ctx, l.listener, over)
	if err = skip(err); err != nil {
		return err
	}
	for i, t := range tracks {
		l.creditAll(t.Artists, share*trackShare*(1-float64(i)/pageSize)/pageSize)
	}
	l.add(tracks)
	return nil
}

// fold is a name as it is compared.
func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func (l *listening) credit(name string, points float64) {
	key := fold(name)
	if key == "" {
		return
	}
	l.points[key] += points
	if l.names[key] == "" {
		l.names[key] = name
	}
}

func (l *listening) creditAll(artists []string, points float64) {
	for i, name := range artists {
		if i > 0 {
			points *= guestShare
		}
		l.credit(name, points)
	}
}

// count credits artists by how many of the tracks are theirs: full of them count as share.
func (l *listening) count(tracks []piece, share float64, full int) {
	counts := map[string]int{}
	for _, t := range tracks {
		if len(t.Artists) > 0 {
			counts[t.Artists[0]]++
		}
	}
	for name, n := range counts {
		l.credit(name, share*min(1, float64(n)/float64(full)))
	}
}

func (l *listening) add(pieces []piece) {
	for _, x := range pieces {
		if _, twice := l.at[x.ID]; !twice {
			l.at[x.ID] = len(l.pieces)
			l.pieces = append(l.pieces, x)
		}
	}
}

// listed reads the newest playlists, those apart that were exported from here.
func (l *listening) listed(ctx context.Context, most int) error {
	lists, err := l.c.playlists(ctx, l.listener, most)
	if err = skip(err); err != nil {
		return err
	}
	for _, list := range lists {
		if strings.Contains(list.Description, exportMark) || !isID(list.ID) {
			continue
		}
		tracks, err := l.c.playlistItems(ctx, l.listener, list.ID, listedPerOne)
		if err = skip(err); err != nil { // somebody else's is not given
			return err
		}
		l.add(tracks)
		for _, tag := range l.tags(list.Name) {
			for i := range tracks {
				if t := &l.pieces[l.at[tracks[i].ID]]; !slices.Contains(t.Tags, tag) {
					t.Tags = append(t.Tags, tag)
				}
			}
		}
	}
	return nil
}

// trim leaves so many pieces: of those after the first before, which are from playlists, a fifth of all at least if there are as many.
func (l *listening) trim(before, most int) {
	listed := len(l.pieces) - before
	kept := min(before, max(most-listed, most-most/listedShare))
	pieces := slices.Concat(l.pieces[:kept], l.pieces[before:before+min(listed, most-kept)])
	l.pieces, l.at = nil, map[string]int{}
	l.add(pieces)
}

// podcasts reads episodes: those that were saved, and the newest of the shows that are followed. Without the scope for it they are found by a search.
func (l *listening) podcasts(ctx context.Context, granted bool) error {
	if granted {
		saved, err := l.c.savedEpisodes(ctx, l.listener, pageSize)
		if err = skip(err); err != nil {
			return err
		}
		l.add(saved)
	}
	shows, err := l.c.savedShows(ctx, l.listener)
	if err = skip(err); err != nil {
		return err
	}
	for _, s := range shows[:min(len(shows), mostShows)] {
		var newest []piece
		if granted && isID(s.id) {
			newest, err = l.c.showEpisodes(ctx, l.listener, s)
		} else {
			newest, err = l.c.searchEpisodes(ctx, l.listener, strings.Map(plain, s.name))
		}
		if err = skip(err); err != nil {
			return err
		}
		l.add(newest)
	}
	return nil
}

// describe gives the pieces genres, from what Spotify tells of artists and what the host's catalog has of them, and sounds.
func (p *Provider) describe(ctx context.Context, l *listening) error {
	asked := 0
	for _, key := range slices.SortedFunc(maps.Keys(l.points), func(a, b string) int { return cmp.Or(cmp.Compare(l.points[b], l.points[a]), cmp.Compare(a, b)) }) {
		if p.o.Host == nil || len(l.genres[key]) > 0 || asked == mostArtistsAsked {
			continue
		}
		asked++
		tracks, err := p.o.Host.Candidates(ctx, tunevector.CandidateQuery{Artists: []string{l.names[key]}, Limit: tracksOfArtist})
		if err != nil {
			return err
		}
		if genres := commonest(tracks); len(genres) > 0 {
			l.genres[key] = genres
		}
	}
	before := map[string]*Sound{}
	s, err := p.read(ctx, l.listener)
	if err != nil {
		return err
	}
	if s != nil { // what a source has said is asked for once
		for i := range s.pieces {
			before[s.pieces[i].ID] = s.pieces[i].Sound
		}
	}
	for i := range l.pieces {
		x := &l.pieces[i]
		x.Sound = before[x.ID]
		if len(x.Artists) > 0 && !x.Episode {
			x.Genres = slices.Clone(l.genres[fold(x.Artists[0])])
		}
	}
	return p.chain.hear(ctx, l.pieces)
}

const (
	mostArtistsAsked = 100 // whose genres the host's catalog is asked for
	tracksOfArtist   = 20  // from which they are taken
	genresOfArtist   = 3
)

// commonest are the genres that most of the tracks have.
func commonest(tracks []tunevector.Track) []string {
	counts := map[string]int{}
	for _, t := range tracks {
		for _, g := range t.Genres {
			counts[g]++
		}
	}
	genres := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return genres[:min(len(genres), genresOfArtist)]
}

// How many preferences are made, and how strong: from these for what has least of the points, up to these for the favorite. The listener's own words count more: they weigh 1, and
// stand in front.
const (
	mostGenres   = 12
	mostArtists  = 30
	leastWeight  = 0.3
	mostWeight   = 0.8
	leastOfPoint = 0.02 // of the favorite's points; less says nothing
)

// taste is what was heard, as preferences: genres first, and of each kind the favorite first.
func (l *listening) taste() []preference.Addition {
	genres := map[string]float64{}
	for key, points := range l.points {
		for _, g := range l.genres[key] {
			genres[g] += points
		}
	}
	all := additions(preference.Genre, genres, func(g string) string { return g }, mostGenres)
	return append(all, additions(preference.Artist, l.points, func(key string) string { return l.names[key] }, mostArtists)...)
}

func additions(typ preference.Type, points map[string]float64, name func(string) string, most int) []preference.Addition {
	keys := slices.SortedFunc(maps.Keys(points), func(a, b string) int { return cmp.Or(cmp.Compare(points[b], points[a]), cmp.Compare(a, b)) })
	var all []preference.Addition
	for _, key := range keys[:min(len(keys), most)] {
		rest := points[key] / points[keys[0]]
		if !(rest >= leastOfPoint) {
			break
		}
		weight := math.Round(100*(leastWeight+(mostWeight-leastWeight)*rest)) / 100 //nolint:mnd // two decimals
		all = append(all, preference.Addition{Type: typ, Value: name(key), Weight: &weight})
	}
	return all
}
