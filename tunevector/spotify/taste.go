package spotify

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	web "github.com/zmb3/spotify/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// library returns a listener's shelf, and has it imported first where there is none, or too little that there would be a plan of. One that is too old is renewed beside the request, which takes it as it is. It is nil
// where the listener has linked no account, or nothing can be had of it at present.
func (p *Provider) library(ctx context.Context, listener uuid.UUID) (*shelf, error) {
	if listener == uuid.Nil {
		return nil, ctx.Err()
	}
	s, err := p.read(ctx, listener)
	if err != nil || p.fresh(s) {
		return s, err
	}
	if until, ok := p.resting.Get(listener); ok && p.o.Now().Before(until) {
		return s, nil
	}
	keeper, ok := p.o.Gate.(keeper)
	if !ok { // nobody would end what goes on after the request
		if err := p.attempt(ctx, listener, p.Import); err != nil {
			return nil, err
		}
		return p.read(ctx, listener)
	}
	f, mine := p.take(listener)
	if mine {
		begun := keeper.aside(ctx, func(ctx context.Context) {
			defer p.land(listener, f)
			f.err = p.attempt(ctx, listener, func(ctx context.Context, listener uuid.UUID) (Imported, error) { return p.fly(ctx, listener, f) })
			if f.err != nil && ctx.Err() == nil {
				p.resting.Add(listener, p.o.Now().Add(restAfterFailure))
				p.o.Logger.WarnContext(ctx, "a library could not be imported from Spotify, will try again", "error", f.err)
			}
		})
		if !begun {
			p.land(listener, f)
		}
	}
	if s != nil && (!s.imported.IsZero() || len(s.pieces) >= enoughOwn) {
		return s, nil
	}
	patience := time.NewTimer(p.o.ImportTime)
	defer patience.Stop()
	select {
	case <-f.some:
	case <-f.done:
		if f.err != nil {
			return nil, f.err
		}
	case <-patience.C: // it stands in line; there is other music
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.read(ctx, listener)
}

// keeper is a [Gatekeeper] that can have something done beside a request: [Links], whose Close ends it.
type keeper interface {
	aside(ctx context.Context, do func(ctx context.Context)) bool
}

// flight is an import that goes on.
type flight struct {
	some chan struct{} // closed when there is enough to plan from
	done chan struct{} // closed when it is over
	err  error         // then; of those that go on beside requests
	once sync.Once
}

// take returns the import of a listener's library that goes on, or where none does one that is for the caller to do.
func (p *Provider) take(listener uuid.UUID) (f *flight, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.importing[listener]; f != nil {
		return f, false
	}
	f = &flight{some: make(chan struct{}), done: make(chan struct{})}
	p.importing[listener] = f
	return f, true
}

// land says that an import is over.
func (p *Provider) land(listener uuid.UUID, f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.importing, listener)
	close(f.done)
}

// fresh reports whether a shelf is not to be read again.
func (p *Provider) fresh(s *shelf) bool {
	return s != nil && p.o.Now().Sub(s.imported) < p.o.RefreshAfter
}

// attempt imports a library for somebody who can do without, and returns what is not Spotify's fault. What is, is told to the log, and not tried again at once.
func (p *Provider) attempt(ctx context.Context, listener uuid.UUID, do func(context.Context, uuid.UUID) (Imported, error)) error {
	_, err := do(ctx, listener)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !final(err) && fault.KindOf(err) != fault.Unavailable:
		return err
	case err != nil:
		// Music is there without it, and what was imported before is better than nothing.
		p.resting.Add(listener, p.o.Now().Add(restAfterFailure))
		if unlinked(err) != nil {
			p.o.Logger.WarnContext(ctx, "a library could not be imported from Spotify, will try again", "error", err)
		}
	}
	return nil
}

// Imported tells what an import has found.
type Imported struct {
	Tracks, Episodes, Artists, Preferences int
}

// Import reads a listener's library, and what they hear most: as candidates for their vectors, and as preferences of source "spotify". What the listener has not
// granted, or the app is not given, is left out. Several imports of a listener at once are one, and of several listeners' one part of one goes on at a time (more only at rates above
// 5 a second), first come, first served: what each hears most before the rest, which is kept at once where nothing was before. [ErrNotLinked] and [ErrReauthRequired] where there is
// nothing to read; where Spotify is out of reach the error is of the kind rhythmiq.ErrUnavailable. What was imported before stays then, and where nothing was, what
// was read so far is kept until it is next needed, and then read anew.
func (p *Provider) Import(ctx context.Context, listener uuid.UUID) (r Imported, err error) {
	for first := true; ; first = false {
		f, mine := p.take(listener)
		if mine {
			defer p.land(listener, f)
			if !first { // somebody has just done it
				if s, err := p.read(ctx, listener); err != nil || p.fresh(s) {
					return r, err
				}
			}
			return p.fly(ctx, listener, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// fly imports a library.
func (p *Provider) fly(ctx context.Context, listener uuid.UUID, f *flight) (r Imported, err error) {
	values := []observe.Value{{Name: "tracks"}, {Name: "preferences"}}
	defer observe.Watch(ctx, p.o.Observer, "spotify.import", values...)(&err)
	gate, err := p.o.Gate.Gate(ctx, listener)
	if err != nil {
		return r, err
	}
	l := &listening{
		c: p.o.Client, tags: p.chain.tags, listener: listener, points: map[string]float64{}, names: map[string]string{}, genres: map[string][]string{}, at: map[string]int{},
		asked: map[string]bool{},
	}
	if err := p.readAll(ctx, l, gate, f); err != nil {
		return r, err
	}
	if err := p.describe(ctx, l); err != nil {
		return r, err
	}
	if err := p.sound(ctx, l); err != nil {
		return r, err
	}
	if r.Preferences, err = p.save(ctx, l, l.pieces, gate, p.o.Now()); err != nil {
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

// readAll reads an account, in parts, each in its turn. Where there is no whole library that it would replace, it keeps what it has after the first, and when it is cut off.
func (p *Provider) readAll(ctx context.Context, l *listening, gate []store.Write, f *flight) error {
	before, err := p.read(ctx, l.listener)
	if err != nil {
		return err
	}
	kept := 0
	if before != nil {
		kept = len(before.pieces)
	}
	keep := func() error {
		if before != nil && !before.imported.IsZero() || len(l.pieces) <= kept {
			return nil
		}
		if err := p.describe(ctx, l); err != nil {
			return err
		}
		kept = len(l.pieces)
		_, err := p.save(ctx, l, l.pieces[:min(kept, p.o.Tracks)], gate, time.Time{}) // as good as old
		if err == nil && kept >= enoughOwn {
			f.once.Do(func() { close(f.some) })
		}
		return err
	}
	for i, part := range []func(context.Context, *ProviderOptions) error{l.favorites, l.saved, l.others, l.podcasts} {
		err := p.inTurn(ctx, i == 0, part)
		if err != nil && (ctx.Err() != nil || fault.KindOf(err) != fault.Unavailable) {
			return err
		}
		if i == 0 || err != nil {
			if unkept := keep(); unkept != nil {
				return unkept
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inTurn does a part of an import when its turn comes.
func (p *Provider) inTurn(ctx context.Context, first bool, part func(context.Context, *ProviderOptions) error) error {
	over, err := p.o.Client.limiter.importTurn(ctx, first)
	if err != nil {
		return err
	}
	defer over()
	within, cancel := context.WithTimeout(inBulk(ctx), p.o.ImportTime)
	defer cancel()
	err = part(within, &p.o)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = &APIError{Operation: "import", Reason: ReasonUnavailable, cause: within.Err()}
	}
	return err
}

// save keeps the taste and these pieces, if the gate is still open, and returns how many preferences that made.
func (p *Provider) save(ctx context.Context, l *listening, pieces []piece, gate []store.Write, imported time.Time) (int, error) {
	made := 0
	if s := p.preferences.Load(); s != nil {
		taste := l.taste()
		err := s.Import(ctx, l.listener, preference.Import{Source: preference.Spotify, Preferences: taste, ExpiresAt: p.expires(), Guard: gate})
		if shut(err, gate) {
			return 0, ErrNotLinked
		}
		if err != nil {
			return 0, err
		}
		made = len(taste)
	}
	return made, p.keep(ctx, l.listener, pieces, gate, libraryHead{Imported: imported, Scopes: l.scopes})
}

// ImportLibrary is [Provider.Import], for the App that is told of a link. Where there is a library that is not too old, and all was read of it that may be, it does nothing.
func (p *Provider) ImportLibrary(ctx context.Context, listener uuid.UUID) error {
	s, err := p.read(ctx, listener)
	if err != nil {
		return err
	}
	if p.fresh(s) {
		granted, err := p.o.Client.o.Tokens.Scopes(ctx, listener)
		if err != nil || covers(s.scopes, readable(granted)) {
			return err
		}
	}
	_, err = p.Import(ctx, listener)
	return err
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
	scopes []string            // that are granted, of those by which something is read
	asked  map[string]bool     // artists whose genres the host's catalog was asked for
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

// may reports what the listener has granted.
func (l *listening) may(ctx context.Context) (func(needed ...string) bool, error) {
	scopes, err := l.c.o.Tokens.Scopes(ctx, l.listener)
	l.scopes = readable(scopes)
	return func(needed ...string) bool {
		return !slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(scopes, s) })
	}, err
}

// readable are those of the scopes by which something is read of a library.
func readable(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return !slices.Contains([]string{ScopeReadTop, ScopeReadLibrary, ScopeReadRecent, ScopeReadPlaylists, ScopeReadPlaceInPod}, s)
	})
}

// favorites reads what the listener hears most: a few requests, and most of what there is to know.
func (l *listening) favorites(ctx context.Context, _ *ProviderOptions) error {
	may, err := l.may(ctx)
	if err != nil || !may(ScopeReadTop) {
		return err
	}
	for i, over := range ranges {
		if err := l.mostHeard(ctx, over, [...]float64{shortShare, mediumShare, longShare}[i]); err != nil {
			return err
		}
	}
	return nil
}

// saved reads the tracks in the listener's library.
func (l *listening) saved(ctx context.Context, o *ProviderOptions) error {
	may, err := l.may(ctx)
	if err != nil || !may(ScopeReadLibrary) {
		return err
	}
	saved, err := l.c.savedTracks(ctx, l.listener, o.Tracks)
	if err = skip(err); err != nil {
		return err
	}
	l.count(saved, savedShare, savedFull)
	l.add(saved)
	return nil
}

// others reads what was heard last, and playlists.
func (l *listening) others(ctx context.Context, o *ProviderOptions) error {
	may, err := l.may(ctx)
	if err != nil {
		return err
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
func (l *listening) podcasts(ctx context.Context, _ *ProviderOptions) error {
	may, err := l.may(ctx)
	if err != nil || !may(ScopeReadLibrary) {
		return err
	}
	granted := may(ScopeReadPlaceInPod)
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

// describe gives the pieces genres, from what Spotify tells of artists and what the host's catalog has of them.
func (p *Provider) describe(ctx context.Context, l *listening) error {
	asked := 0
	for _, key := range slices.SortedFunc(maps.Keys(l.points), func(a, b string) int { return cmp.Or(cmp.Compare(l.points[b], l.points[a]), cmp.Compare(a, b)) }) {
		if p.o.Host == nil || len(l.genres[key]) > 0 || l.asked[key] || asked == mostArtistsAsked {
			continue
		}
		asked++
		l.asked[key] = true
		tracks, err := p.o.Host.Candidates(ctx, tunevector.CandidateQuery{Artists: []string{l.names[key]}, Limit: tracksOfArtist})
		if err != nil {
			return err
		}
		if genres := commonest(tracks); len(genres) > 0 {
			l.genres[key] = genres
		}
	}
	for i := range l.pieces {
		if x := &l.pieces[i]; len(x.Artists) > 0 && !x.Episode {
			x.Genres = slices.Clone(l.genres[fold(x.Artists[0])])
		}
	}
	return nil
}

// sound gives the pieces sounds, as far as there is time.
func (p *Provider) sound(ctx context.Context, l *listening) error {
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
		l.pieces[i].Sound = before[l.pieces[i].ID]
	}
	within, cancel := context.WithTimeout(ctx, p.o.ImportTime)
	defer cancel()
	if err := p.chain.hear(within, l.pieces); err != nil && ctx.Err() != nil {
		return err
	}
	return nil // what nobody has said by then, somebody is asked at the next import
}

const (
	mostArtistsAsked = 100 // whose genres the host's catalog is asked for, of each part
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
