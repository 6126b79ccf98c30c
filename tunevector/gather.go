package tunevector

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// How much music a provider is asked for.
const (
	typicalSeconds   = 210.0 // a track, as the planner counts them
	tracksPerSlot    = 25    // candidates for each track of the plan …
	fewestCandidates = 400   // … and at least so many in all, shared by the stages by their length,
	fewestOfStage    = 100   // at least so many of each,
	mostCandidates   = 4000  // and at most so many of each
	likedCandidates  = 150   // of the genres and of the artists that the listener likes, and of what suits them, each
	playingShare     = 2     // by which all of these are divided for what bends while it plays: together with whilePlaying, 1 % is lost on the cost
	likedNames       = 5     // so many of their genres and artists are asked for
	sampleSize       = 60    // tracks to learn a genre's middle from
	shortestSeconds  = 10.0  // shorter ones are jingles, not music
)

// gathering collects candidates without repeats, and the stages each may play in.
type gathering struct {
	tracks      []*Track
	stages      []planner.StageSet
	at          map[string]int
	shortlisted bool // the provider has more than it was asked for
}

func (g *gathering) add(t *Track, stages planner.StageSet) {
	if i, known := g.at[t.ID]; known {
		g.stages[i] |= stages
		return
	}
	g.at[t.ID] = len(g.tracks)
	g.tracks, g.stages = append(g.tracks, t), append(g.stages, stages)
}

// gather asks the provider for the candidates of c: along the arc, and of what the listener likes; in guided mode all of it by stage.
func (s *Service) gather(ctx context.Context, c *composition) (*gathering, error) {
	g := &gathering{at: make(map[string]int, 1024)}
	elapsed := c.elapsed()
	rest := c.seconds() - elapsed
	q := CandidateQuery{
		Kind: c.def.Kind, Exclude: c.unwanted(), ExcludeExplicit: c.def.ExcludeExplicit,
		MaxSeconds: 2 * c.seconds(), Seed: uint64(c.seed), Listener: c.listener.id,
	}
	if len(c.def.Stages) == 0 {
		q.Limit = c.asked(candidateLimit(rest, rest))
		q.Along = c.samples(elapsed, c.seconds())
		found, err := s.findAll(ctx, s.finds(q), s.findsSuited(c, nil), s.findsAnywhere(c, q), s.findsLikedGenres(c, q), s.findsLikedArtists(c, q))
		for i := range found {
			g.take(c, &found[i], planner.AllStages)
		}
		return g, err
	}
	from := 0.0
	for i, stage := range c.problem.Stages {
		if stage.End > elapsed {
			begin := max(from, elapsed)
			sq := q
			sq.Genres = []string{c.def.Stages[i].genre()}
			sq.Limit = c.asked(candidateLimit(stage.End-begin, rest))
			sq.Along = c.samples(begin, stage.End)
			found, err := s.findAll(ctx, s.finds(sq), s.findsSuited(c, sq.Genres), s.findsLikedArtists(c, sq))
			if err != nil {
				return nil, err
			}
			before := len(g.tracks)
			g.take(c, &found[0], planner.Stages(i))
			if len(g.tracks) == before && !slices.ContainsFunc(g.stages, func(set planner.StageSet) bool { return set.Has(i) }) {
				return nil, s.nothingFor(ctx, c, sq)
			}
			for j := range found[1:] {
				g.take(c, &found[1+j], planner.Stages(i))
			}
		}
		from = stage.End
	}
	return g, nil
}

func (s Stage) genre() string { return strings.ToLower(strings.TrimSpace(s.Genre)) }

// candidateLimit is how many candidates a stretch of time gets, of all that is to be planned.
func candidateLimit(seconds, all float64) int {
	n := max(tracksPerSlot*seconds/typicalSeconds, fewestCandidates*seconds/all, fewestOfStage)
	return int(min(n, mostCandidates))
}

// asked is how many candidates are asked for of those that a new plan would ask for.
func (c *composition) asked(candidates int) int {
	if c.playing {
		return candidates / playingShare
	}
	return candidates
}

// samples are points of the arc between two times, one for each typical track, at its middle.
func (c *composition) samples(from, to float64) []Features {
	n := max(int(math.Round((to-from)/typicalSeconds)), 4)
	points := make([]Features, n)
	for i := range points {
		points[i] = c.problem.Arc.At((from + (to-from)*(float64(i)+0.5)/float64(n)) / c.seconds())
	}
	return points
}

// finding is what was found for one question.
type finding struct {
	tracks      []*Track
	shortlisted bool // there is more than was asked for
}

type find func(context.Context) (finding, error)

// abreast asks the provider for several things side by side, but where it lends: what is asked of such a one may have it search, and so
// change what it answers to what is asked next, while the same plan is to be made of the same music.
func (s *Service) abreast(ctx context.Context, parts ...func(context.Context) error) error {
	if _, lends := s.music.(Lender); lends {
		return inTurn(ctx, parts...)
	}
	return together(ctx, parts...)
}

// findAll finds all of it, in the order given.
func (s *Service) findAll(ctx context.Context, finds ...find) ([]finding, error) {
	found := make([]finding, len(finds))
	parts := make([]func(context.Context) error, len(finds))
	for i, f := range finds {
		parts[i] = func(ctx context.Context) (err error) {
			found[i], err = f(ctx)
			return err
		}
	}
	return found, s.abreast(ctx, parts...)
}

// take adds what was found, without what must not be in the plan.
func (g *gathering) take(c *composition, found *finding, stages planner.StageSet) {
	g.shortlisted = g.shortlisted || found.shortlisted
	g.tracks = slices.Grow(g.tracks, len(found.tracks))
	g.stages = slices.Grow(g.stages, len(found.tracks))
	for _, t := range found.tracks {
		if c.allows(t) {
			g.add(t, stages)
		}
	}
}

// finds is the answer to one query.
func (s *Service) finds(q CandidateQuery) find {
	return func(ctx context.Context) (finding, error) {
		tracks, err := s.music.Candidates(ctx, q)
		f := finding{tracks: make([]*Track, len(tracks)), shortlisted: len(tracks) >= q.Limit}
		for i := range tracks {
			f.tracks[i] = &tracks[i]
		}
		return f, err
	}
}

func findsNothing(context.Context) (finding, error) { return finding{}, nil }

// findsSuited is what suits the listener best as the model of taste has it, wherever it is to the arc: of some genres, or of all.
func (s *Service) findsSuited(c *composition, genres []string) find {
	return func(ctx context.Context) (f finding, err error) {
		ids, err := c.listener.suited.Best(ctx, c.asked(likedCandidates), ml.Filter{Tags: genres, Exclude: c.def.Excluded})
		if err != nil {
			return f, err
		}
		found := make(map[string]*Track, len(ids))
		if err := s.load(ctx, c.listener.id, found, ids); err != nil {
			return f, err
		}
		f.tracks = make([]*Track, 0, len(ids))
		for _, id := range ids {
			if t := found[id]; t != nil {
				f.tracks = append(f.tracks, t)
			}
		}
		return f, nil
	}
}

// findsLikedGenres is music of the genres that the listener likes, near the arc.
func (s *Service) findsLikedGenres(c *composition, q CandidateQuery) find {
	if q.Genres = first(c.listener.taste.Genres(), likedNames); len(q.Genres) == 0 {
		return findsNothing
	}
	return s.finds(c.besides(q))
}

// findsLikedArtists is likewise of the artists, of the genres that the query names.
func (s *Service) findsLikedArtists(c *composition, q CandidateQuery) find {
	if q.Artists = first(c.listener.taste.Artists(), likedNames); len(q.Artists) == 0 {
		return findsNothing
	}
	return s.finds(c.besides(q))
}

// besides is a query as it is asked for what is liked.
func (c *composition) besides(q CandidateQuery) CandidateQuery {
	q.Limit, q.Along, q.Beside = c.asked(likedCandidates), thinned(q.Along), true
	return q
}

// thinned is every third point of an arc. What is liked is rarer than music in general: searching for it costs more for each
// point, and finds much the same tracks around neighboring points.
func thinned(along []Features) []Features {
	var some []Features
	for i := 1; i < len(along); i += 3 {
		some = append(some, along[i])
	}
	return some
}

func first[T any](s []T, n int) []T { return s[:min(n, len(s))] }

// unwanted are the ids that a provider need not send.
func (c *composition) unwanted() []string {
	ids := slices.Clone(c.def.Excluded)
	for _, t := range c.heard {
		ids = append(ids, t.ID)
	}
	for id := range c.listener.history {
		if c.listener.history.disliked(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// allows reports whether a track may be in the plan at all; providers that do not filter are lived with.
func (c *composition) allows(t *Track) bool {
	return t.ID != "" && t.DurationSeconds >= shortestSeconds && t.DurationSeconds <= 2*c.seconds() &&
		or(t.Kind, Playlist) == c.def.Kind && (!t.Explicit || !c.def.ExcludeExplicit) && !c.barred[t.ID] && !c.listener.taste.Avoids(t.traits())
}

// nothingFor says what music is missing: the answer to a query that found none.
func (s *Service) nothingFor(ctx context.Context, c *composition, q CandidateQuery) error {
	q.Along, q.Exclude, q.ExcludeExplicit, q.MaxSeconds, q.Limit = nil, nil, false, 0, 1
	found, err := s.music.Candidates(ctx, q)
	if err != nil {
		return err
	}
	what := pluralKinds[c.def.Kind]
	if len(q.Genres) > 0 {
		what = fmt.Sprintf("music for genre %q", q.Genres[0])
		if c.def.Kind != Playlist {
			what = fmt.Sprintf("%s for genre %q", pluralKinds[c.def.Kind], q.Genres[0])
		}
	}
	if len(found) > 0 {
		q.MaxSeconds = 2 * c.seconds()
		if found, err = s.music.Candidates(ctx, q); err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.New(fault.Conflict, "No %s is short enough for %d minutes", what, c.def.DurationMinutes)
		}
		return fault.New(fault.Conflict, "No %s is left without what is explicit, excluded, disliked or avoided", what)
	}
	if len(q.Genres) == 0 {
		return fault.New(fault.Conflict, "The catalog has no %s", what)
	}
	known, err := s.knownGenres(ctx, c.def.Kind)
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, "No %s%s", what, known)
}

var pluralKinds = map[Kind]string{Playlist: "music", Podcast: "podcasts", Soundscape: "soundscapes"}

// maxGenresTold is how many genres a message names.
const maxGenresTold = 150

func (s *Service) knownGenres(ctx context.Context, kind Kind) (string, error) {
	lister, ok := s.music.(GenreLister)
	if !ok {
		return "", nil
	}
	genres, err := lister.Genres(ctx, kind)
	if err != nil {
		return "", err
	}
	if len(genres) == 0 {
		return ": the catalog has no " + pluralKinds[kind], nil
	}
	more := ""
	if n := len(genres) - maxGenresTold; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return "; known genres: " + strings.Join(first(genres, maxGenresTold), ", ") + more, nil
}

// candidate is a track as the planner takes it. Features that no track can have are taken as unknown.
func candidate(t *Track) planner.Candidate {
	c := planner.Candidate{ID: t.ID, Artists: t.Artists, Duration: t.DurationSeconds, Features: t.Features, Confidence: min(max(t.Confidence, 0), 1), Confidences: t.confidences()}
	if math.IsNaN(t.Confidence) || !sound(t.Features) {
		c.Confidence, c.Features, c.Confidences = 0, Features{}, nil
	}
	return c
}

func sound(f Features) bool {
	for i, v := range vectorOf(f) {
		if i == tempo && !(v > 0 && v <= 1000) || i != tempo && !(v >= 0 && v <= 1) {
			return false
		}
	}
	return true
}
