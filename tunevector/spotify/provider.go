package spotify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// ProviderOptions are what a Provider is built from. Client, Store and Gate are required.
type ProviderOptions struct {
	Client *Client
	Store  store.Store
	Gate   Gatekeeper
	// Host is the host's own music: what listeners without a link get, and what stands beside the music of those who have one. Of a track that both know by the same id the
	// host's data count. nil: none.
	Host tunevector.MusicProvider
	// Mixed has the host's music stand beside the listener's own in every plan. Else it comes into plans only where less than 50 tracks (10 episodes) of the listener's own fit, so that
	// who links an account hears their own music, and finds it in the playlists that they export. Recommendations are of both, either way.
	Mixed bool
	// Features are asked, in their order, how a listener's tracks sound. nil: nobody is, and tracks that the host's catalog does not know sound as is usual for
	// their genres.
	Features []FeatureSource

	// TTL is how long anything of Spotify's is kept after it was read, an hour to 30 days. 0: 7 days.
	TTL time.Duration
	// RefreshAfter is how old an import may be before it is made anew when it is next needed: beside the request that needs it, which goes on with what there is, if Gate is
	// [Links], and else before it goes on. 0: a day, or TTL where that is shorter.
	RefreshAfter time.Duration
	// Tracks is how many tracks of a listener's library are read, up to 2,000. 0: 500.
	Tracks int
	// Playlists is how many of a listener's own playlists are read, the newest, up to 50, and up to 100 tracks of each. 0: 5. If there is more music than Tracks, a fifth
	// of those is from playlists.
	Playlists int
	// ImportTime bounds each part of an import (what is heard most, what is saved, playlists, podcasts), from when its turn comes. 0: 30 s, or up to 5 minutes where Client's rate is so low that
	// it takes longer.
	ImportTime time.Duration

	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged
	Observer observe.Observer // nil: nothing is observed
}

// Provider is music from the listener's own Spotify account, and the host's beside it. It imports a listener's library when it is first asked for them, and
// anew when that is a day old; between imports it asks Spotify only for what the library does not have, in bounds. Nothing of what it has from Spotify
// may train anything, and all of it is forgotten with the link. It is safe for concurrent use, and has no goroutine of its own: what goes on beside a request is
// ended by the Close of [Links].
type Provider struct {
	o       ProviderOptions
	chain   *chain
	shelves *lru.Cache[uuid.UUID, memory]
	resting *lru.Cache[uuid.UUID, time.Time] // listeners whose import has failed, and until when it is not tried again

	preferences atomic.Pointer[preference.Service]

	mu        sync.Mutex
	importing map[uuid.UUID]*flight
}

var (
	_ tunevector.MusicProvider  = (*Provider)(nil)
	_ tunevector.GenreLister    = (*Provider)(nil)
	_ tunevector.ListenerTracks = (*Provider)(nil)
	_ tunevector.Lender         = (*Provider)(nil)
	_ tunevector.LibraryHolder  = (*Provider)(nil)
	_ preference.Importer       = (*Provider)(nil)

	_ tunevector.LibraryImporter = (*Provider)(nil)
)

// The defaults, and bounds.
const (
	defaultTTL        = 7 * 24 * time.Hour
	leastTTLKept      = time.Hour
	mostTTLKept       = 30 * 24 * time.Hour
	defaultRefresh    = 24 * time.Hour
	defaultTracks     = 500
	mostTracks        = 2000
	defaultPlaylists  = 5
	mostPlaylists     = 50
	defaultImportTime = 30 * time.Second
	mostImportTime    = 5 * time.Minute
	restAfterFailure  = time.Minute
	shelvesKept       = 64 // in memory; one of 1,000 tracks takes about half a megabyte
	mostResting       = 4096
	mostLookedUp      = 20 // ids in one call
	mostSearches      = 3  // in one call
	enough            = 10 // tracks of what is asked for, from which nothing is searched
	enoughOwn         = 50 // from which a plan needs no other music
	enoughEpisodes    = 10 // from which it needs no other podcasts
	defaultCandidates = 500
)

// NewProvider returns a Provider. Options with mistakes are refused with all of them named.
func NewProvider(o ProviderOptions) (*Provider, error) {
	var f fault.Fields
	for _, required := range []struct {
		field string
		given bool
	}{{"Client", o.Client != nil}, {"Store", o.Store != nil}, {"Gate", o.Gate != nil}} {
		if !required.given {
			f.Add(required.field, "is required")
		}
	}
	o.TTL = or(o.TTL, defaultTTL)
	if o.TTL < leastTTLKept || o.TTL > mostTTLKept {
		f.Add("TTL", "must be an hour to 30 days")
	}
	o.RefreshAfter = or(o.RefreshAfter, min(defaultRefresh, o.TTL))
	if o.RefreshAfter < 0 || o.RefreshAfter > o.TTL {
		f.Add("RefreshAfter", "must not be longer than TTL")
	}
	o.Tracks, o.Playlists = or(o.Tracks, defaultTracks), or(o.Playlists, defaultPlaylists)
	if o.Tracks < 1 || o.Tracks > mostTracks {
		f.Add("Tracks", "must be 1 to %d", mostTracks)
	}
	if o.Playlists < 1 || o.Playlists > mostPlaylists {
		f.Add("Playlists", "must be 1 to %d", mostPlaylists)
	}
	if o.ImportTime < 0 {
		f.Add("ImportTime", "must not be negative")
	}
	for i, source := range o.Features {
		if source == nil {
			f.Add(fmt.Sprintf("Features[%d]", i), "must not be nil")
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	o.ImportTime = or(o.ImportTime, o.usualImportTime())
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Observer = observe.Or(o.Observer)
	shelves, err := lru.New[uuid.UUID, memory](shelvesKept)
	if err != nil {
		return nil, err
	}
	resting, err := lru.New[uuid.UUID, time.Time](mostResting)
	if err != nil {
		return nil, err
	}
	return &Provider{
		o: o, chain: &chain{sources: o.Features, log: o.Logger, priors: catalog.NewPriors()}, shelves: shelves, resting: resting,
		importing: map[uuid.UUID]*flight{},
	}, nil
}

// usualImportTime is twice as long as the requests of an import take by the app's rate, within bounds.
func (o ProviderOptions) usualImportTime() time.Duration {
	const others = 16 // what is heard most and last, and podcasts
	requests := float64(o.Tracks/pageSize + o.Playlists*listedPerOne/pageSize + others)
	seconds := min(2*requests/float64(o.Client.limiter.rate.Limit()), mostImportTime.Seconds())
	return max(defaultImportTime, time.Duration(seconds*float64(time.Second)))
}

// ImportInto says where the taste goes that is imported: to the preferences of the App that the Provider is the music of, which does this itself. Without it no taste is. (A host
// whose Config.Music is another provider that stands before this one calls it, or passes it on.)
func (p *Provider) ImportInto(s *preference.Service) { p.preferences.Store(s) }

// PreferenceSources tells the App that preferences can come from Spotify.
func (p *Provider) PreferenceSources() []preference.Source {
	return []preference.Source{preference.Spotify}
}

// Candidates returns tracks of the listener's, and the host's beside them (see [ProviderOptions]), those nearest to the points of q.Along. Of the limit half is the
// listener's own, as far as there is as much. Where they have little of the genres or artists that are asked for, Spotify is searched, a few times
// at most and not again for the same until TTL is over.
func (p *Provider) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.Kind, q.Limit = or(q.Kind, tunevector.Playlist), or(q.Limit, defaultCandidates)
	own, enough, err := p.own(ctx, q)
	if err != nil {
		return nil, err
	}
	var theirs []tunevector.Track
	if p.o.Host != nil && (p.o.Mixed || len(q.Along) == 0 || !enough) {
		if theirs, err = p.o.Host.Candidates(ctx, q); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	for _, t := range own {
		known[t.ID] = true
	}
	theirs = slices.DeleteFunc(theirs, func(t tunevector.Track) bool { return known[t.ID] })
	half := max(q.Limit/2, q.Limit-len(theirs))
	own = choose(own, q, min(half, q.Limit))
	return append(own, choose(theirs, q, q.Limit-len(own))...), nil
}

// own are the listener's tracks that fit a query, and whether they are enough without others: of those that fit, or where that is asked for beside
// all their music, of all.
func (p *Provider) own(ctx context.Context, q tunevector.CandidateQuery) (fitting []tunevector.Track, plenty bool, err error) {
	s, err := p.library(ctx, q.Listener)
	if err != nil || s == nil {
		return nil, false, err
	}
	defer func() { plenty = s.plenty(q) }()
	fitting = s.fitting(q)
	if len(fitting) >= min(enough, q.Limit) {
		return fitting, false, nil
	}
	searched, err := p.searchFor(ctx, q, s)
	if err != nil || !searched {
		return fitting, false, err
	}
	now, err := p.read(ctx, q.Listener)
	if err != nil || now == nil {
		return fitting, false, err
	}
	s = now
	return s.fitting(q), false, nil
}

// fitting returns copies of the tracks that a query asks for.
func (s *shelf) fitting(q tunevector.CandidateQuery) (all []tunevector.Track) {
	s.each(q, func(t *tunevector.Track) { all = append(all, copied(*t)) })
	return all
}

// plenty reports whether a plan needs no other music than what of the listener's own fits a query.
func (s *shelf) plenty(q tunevector.CandidateQuery) bool {
	if q.Beside {
		q.Genres, q.Artists = nil, nil
	}
	n, seconds := 0, 0.0
	s.each(q, func(t *tunevector.Track) {
		n++
		seconds += t.DurationSeconds
	})
	if q.Kind == tunevector.Podcast { // of which nobody has as many: they are to last for what is asked for, of which MaxSeconds is twice as much, twice over
		return n >= min(enoughEpisodes, q.Limit) && seconds >= q.MaxSeconds
	}
	return n >= min(enoughOwn, q.Limit)
}

// each shows the tracks that a query asks for.
func (s *shelf) each(q tunevector.CandidateQuery, show func(*tunevector.Track)) {
	excluded := map[string]bool{}
	for _, id := range q.Exclude {
		excluded[id] = true
	}
	for i := range s.tracks {
		t := &s.tracks[i]
		if t.Kind != q.Kind || excluded[t.ID] || q.ExcludeExplicit && t.Explicit || q.MaxSeconds > 0 && t.DurationSeconds > q.MaxSeconds ||
			len(q.Artists) > 0 && !byAny(t, q.Artists) || len(q.Genres) > 0 && !ofAny(t, q.Genres) {
			continue
		}
		show(t)
	}
}

func copied(t tunevector.Track) tunevector.Track {
	t.Artists, t.Genres, t.Instruments = slices.Clone(t.Artists), slices.Clone(t.Genres), slices.Clone(t.Instruments)
	return t
}

func byAny(t *tunevector.Track, artists []string) bool {
	return slices.ContainsFunc(artists, func(wanted string) bool {
		wanted = strings.TrimSpace(wanted)
		return slices.ContainsFunc(t.Artists, func(has string) bool { return strings.EqualFold(has, wanted) })
	})
}

func ofAny(t *tunevector.Track, genres []string) bool {
	return slices.ContainsFunc(genres, func(wanted string) bool {
		return slices.ContainsFunc(t.Genres, func(has string) bool { return catalog.MatchesGenre(wanted, has) })
	})
}

// jitter is how much further away a track may seem than it is, as a share of its distance: another seed gives others that are as fit. Package catalog has the same.
const jitterShare = 0.15

// choose returns at most limit of the tracks: those near the points of the arc, or where there are none those that seed and id draw.
func choose(tracks []tunevector.Track, q tunevector.CandidateQuery, limit int) []tunevector.Track {
	switch {
	case len(tracks) <= limit:
		return tracks
	case limit <= 0:
		return nil
	case len(q.Along) == 0:
		slices.SortStableFunc(tracks, func(a, b tunevector.Track) int {
			return cmp.Or(cmp.Compare(draw(q.Seed, a.ID), draw(q.Seed, b.ID)), cmp.Compare(a.ID, b.ID))
		})
		return tracks[:limit]
	}
	index := planner.NewIndex(len(tracks), func(i int) planner.Entry { return planner.Entry{Features: tracks[i].Features} })
	out := make([]tunevector.Track, 0, limit)
	for _, i := range index.Along(q.Along, limit, planner.Filter{Jitter: jitterShare, Seed: q.Seed}) {
		out = append(out, tracks[i])
	}
	return out
}

// draw is a number that looks like chance and depends on nothing but seed and id (FNV-1a).
func draw(seed uint64, id string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset) ^ seed*prime
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * prime
	}
	return h ^ h>>29
}

// searchFor searches Spotify for what a query asks for, unless that was done lately. It reports whether anything was found.
func (p *Provider) searchFor(ctx context.Context, q tunevector.CandidateQuery, s *shelf) (bool, error) {
	type search struct {
		key, genre string
		do         func() ([]piece, error)
	}
	var searches []search
	add := func(what, word, genre string) {
		word = strings.Join(strings.Fields(strings.Map(plain, word)), " ")
		key := string(q.Kind) + " " + what + " " + strings.ToLower(word)
		if _, asked := s.asked[key]; asked || word == "" || len(searches) == mostSearches {
			return
		}
		find, query := p.o.Client.searchTracks, what+`:"`+word+`"`
		if q.Kind == tunevector.Podcast {
			find, query = p.o.Client.searchEpisodes, word // field filters are for music
		}
		searches = append(searches, search{key, genre, func() ([]piece, error) { return find(ctx, q.Listener, query) }})
	}
	if q.Kind == tunevector.Soundscape {
		return false, nil // Spotify knows no such thing
	}
	for _, name := range q.Artists {
		add("artist", name, "")
	}
	for _, genre := range q.Genres {
		add("genre", genre, strings.ToLower(strings.TrimSpace(genre)))
	}
	if len(searches) == 0 {
		return false, nil
	}
	var pieces []piece
	var asked []string
	for _, x := range searches {
		some, err := x.do()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			p.o.Logger.DebugContext(ctx, "a search at Spotify failed", "error", err)
			break // what there is will have to do
		}
		asked = append(asked, x.key)
		for i := range some {
			if x.genre != "" && !slices.Contains(some[i].Genres, x.genre) {
				some[i].Genres = append(some[i].Genres, x.genre) // it says so by finding it
			}
		}
		pieces = append(pieces, some...)
	}
	if len(asked) == 0 {
		return false, nil
	}
	pieces = slices.DeleteFunc(pieces, func(x piece) bool { // what is known is known better
		_, known := s.at[x.ID]
		return known
	})
	if err := p.chain.hear(ctx, pieces); err != nil {
		return false, err
	}
	gate, err := p.o.Gate.Gate(ctx, q.Listener)
	if err != nil {
		return false, unlinked(err)
	}
	err = p.note(ctx, q.Listener, gate, func(f *found, now int64) {
		f.take(pieces, now)
		if f.Asked == nil {
			f.Asked = map[string]int64{}
		}
		for _, key := range asked {
			f.Asked[key] = now
		}
	})
	return len(pieces) > 0, unlinked(err)
}

// plain drops what has a meaning in a search.
func plain(r rune) rune {
	if r == '"' || r == ':' || r == '*' {
		return ' '
	}
	return r
}

// unlinked makes no link no error: there is then nothing of Spotify's, and nothing is wrong.
func unlinked(err error) error {
	if errors.Is(err, ErrNotLinked) {
		return nil
	}
	return err
}

// Tracks returns those that the host's own catalog has: what a listener's account knows is for [Provider.TracksFor].
func (p *Provider) Tracks(ctx context.Context, ids []string) ([]tunevector.Track, error) {
	if err := ctx.Err(); err != nil || p.o.Host == nil {
		return nil, err
	}
	return p.o.Host.Tracks(ctx, ids)
}

// TracksFor returns the tracks with these ids, in the order of ids, as the host or the listener's account knows them. What neither their library nor the last
// searches have is looked up, up to 20 at a time: more than that is left out until the next call.
func (p *Provider) TracksFor(ctx context.Context, listener uuid.UUID, ids []string) ([]tunevector.Track, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	known, err := p.host(ctx, ids)
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := known[id]; return ok || !isID(id) })
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if len(missing) > 0 && listener != uuid.Nil {
		if err := p.find(ctx, listener, missing, known); err != nil {
			return nil, err
		}
	}
	out := make([]tunevector.Track, 0, len(ids))
	for _, id := range ids {
		if t, ok := known[id]; ok {
			out = append(out, copied(t))
		}
	}
	return out, nil
}

// find adds to known what the listener's account knows by ids.
func (p *Provider) find(ctx context.Context, listener uuid.UUID, ids []string, known map[string]tunevector.Track) error {
	s, err := p.library(ctx, listener)
	if err != nil || s == nil {
		return err
	}
	var missing []string
	for _, id := range ids {
		i, there := s.at[id]
		_, absent := s.absent[id]
		switch {
		case there:
			known[id] = s.tracks[i]
		case !absent:
			missing = append(missing, id)
		}
	}
	if missing = missing[:min(len(missing), mostLookedUp)]; len(missing) == 0 {
		return nil
	}
	gate, err := p.o.Gate.Gate(ctx, listener)
	if err != nil {
		return unlinked(err)
	}
	pieces, err := p.o.Client.lookUp(ctx, listener, missing)
	if err != nil {
		if final(err) {
			return nil // there is nothing more to be had of this account
		}
		return err
	}
	if err := p.chain.hear(ctx, pieces); err != nil {
		return err
	}
	err = p.note(ctx, listener, gate, func(f *found, now int64) {
		f.take(pieces, now)
		if f.Absent == nil {
			f.Absent = map[string]int64{}
		}
		for _, id := range missing {
			if !slices.ContainsFunc(pieces, func(x piece) bool { return x.ID == id }) {
				f.Absent[id] = now
			}
		}
	})
	if err != nil {
		return unlinked(err)
	}
	for i := range pieces {
		known[pieces[i].ID] = p.track(&pieces[i])
	}
	return nil
}

// final reports whether an error says that Spotify will not say more, however often it is asked.
func final(err error) bool {
	return errors.Is(err, ErrNotLinked) || errors.Is(err, ErrReauthRequired) || errors.Is(err, ErrConfiguration) || errors.Is(err, fault.ErrForbidden) ||
		errors.Is(err, fault.ErrNotFound)
}

// Genres returns those of the host's own music.
func (p *Provider) Genres(ctx context.Context, kind tunevector.Kind) ([]string, error) {
	lister, ok := p.o.Host.(tunevector.GenreLister)
	if !ok {
		return nil, ctx.Err()
	}
	return lister.Genres(ctx, kind)
}

// Library returns what is kept of a listener's library, and of what was found for them; nil where that is nothing. It asks Spotify nothing.
func (p *Provider) Library(ctx context.Context, listener uuid.UUID) ([]tunevector.Track, error) {
	s, err := p.read(ctx, listener)
	if err != nil || s == nil {
		return nil, err
	}
	all := make([]tunevector.Track, len(s.tracks))
	for i, t := range s.tracks {
		all[i] = copied(t)
	}
	return all, nil
}

// Guard returns what must be part of every Apply that keeps something of the listener's which came from Spotify; nothing where no account is linked.
func (p *Provider) Guard(ctx context.Context, listener uuid.UUID) ([]store.Write, error) {
	gate, err := p.o.Gate.Gate(ctx, listener)
	return gate, unlinked(err)
}

// Lent returns those of the ids that are Spotify's: that have the form of its ids, and are not in the host's own catalog. When a link has ended, whatever
// is kept under them goes.
func (p *Provider) Lent(ctx context.Context, ids []string) (map[string]bool, error) {
	lent := map[string]bool{}
	var foreign []string
	for _, id := range ids {
		if isID(strings.TrimPrefix(strings.TrimPrefix(id, "spotify:track:"), "spotify:episode:")) {
			foreign = append(foreign, id)
		}
	}
	own, err := p.host(ctx, foreign)
	for _, id := range foreign {
		if _, ok := own[id]; !ok {
			lent[id] = true
		}
	}
	return lent, err
}

// As is the Provider in one listener's name: what it does for that listener, for hosts and tests that ask without one.
func (p *Provider) As(listener uuid.UUID) tunevector.MusicProvider { return &personal{p, listener} }

type personal struct {
	p        *Provider
	listener uuid.UUID
}

func (o *personal) Candidates(ctx context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	q.Listener = o.listener
	return o.p.Candidates(ctx, q)
}

func (o *personal) Tracks(ctx context.Context, ids []string) ([]tunevector.Track, error) {
	return o.p.TracksFor(ctx, o.listener, ids)
}

// Genres returns those of the host's music and of the listener's.
func (o *personal) Genres(ctx context.Context, kind tunevector.Kind) ([]string, error) {
	genres, err := o.p.Genres(ctx, kind)
	if err != nil {
		return nil, err
	}
	s, err := o.p.library(ctx, o.listener)
	if err != nil || s == nil {
		return genres, err
	}
	for _, t := range s.tracks {
		if t.Kind == or(kind, tunevector.Playlist) {
			genres = append(genres, t.Genres...)
		}
	}
	slices.Sort(genres)
	return slices.Compact(genres), nil
}
