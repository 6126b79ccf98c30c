package tunevector

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
	"github.com/rhythmiq/rhythmiq/profile"
)

// How recommendations are chosen. The score of a track is
//
//	0.7·(1 + taste)/2 + 0.3·popularity
//
// and where a model of taste is live, by how much it is to be trusted about this listener ([ml.Suited.Trust]), up to
//
//	0.4·that + 0.6·how well it suits
//
// where taste is how much they like what is known of it, and how they, or listeners in general, answer to it in the situation that they are in (own.go). So new listeners start from their preferences, and what they hear takes over. And whatever the score, the third track of an artist comes after all others, and what was heard within a week after those.
const (
	tasteShare     = 0.7
	popularShare   = 0.3
	modelShare     = 0.6 // at full trust
	modelLooked    = 100 // of the tracks that suit best
	suitsWell      = 0.3 // from which it is told why
	mostBecause    = 2   // heard tracks that are named
	mostTold       = 20  // recommendations for which they are looked for
	restTime       = 7 * 24 * time.Hour
	mostOfArtist   = 2   // of one artist, while others are there
	recommendFrom  = 300 // candidates of each query
	popularLooked  = 200 // of the most popular tracks
	wellLiked      = 0.2 // taste from which its reasons are told
	recommendDaily = 24 * time.Hour
)

// Recommend returns tracks this listener may like, best first; limit is 1–100. Never empty while there is music.
// What was disliked or is avoided, or was heard within a week, comes only where nothing else is left.
func (s *Service) Recommend(ctx context.Context, profileID uuid.UUID, limit int) ([]Recommendation, error) {
	var f fault.Fields
	page.Check(&f, limit, true)
	if err := f.Err(); err != nil {
		return nil, err
	}
	if err := profile.CheckOpen(ctx, s.store, profileID); err != nil {
		return nil, err
	}
	l, err := s.listener(ctx, profileID)
	if err != nil {
		return nil, err
	}
	found, err := s.recommendable(ctx, l)
	if err != nil {
		return nil, err
	}
	in, _ := steadied(l.snapshot, nil)
	now := l.sense(in)
	scored := make([]scoredTrack, 0, len(found))
	for _, t := range found {
		scored = append(scored, l.score(t, now))
	}
	slices.SortFunc(scored, func(a, b scoredTrack) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.track.ID, b.track.ID))
	})
	count := map[string]int{}
	for i := range scored {
		scored[i].crowd(count)
	}
	slices.SortStableFunc(scored, func(a, b scoredTrack) int { return cmp.Compare(a.standing, b.standing) })
	if i := slices.IndexFunc(scored, func(t scoredTrack) bool { return t.standing == unwanted }); i > 0 {
		scored = scored[:i] // there is something else
	}
	out := make([]Recommendation, 0, limit)
	scored = first(scored, limit)
	for i := range first(scored, mostTold) {
		scored[i].situated(now)
	}
	if err := s.because(ctx, l, first(scored, mostTold)); err != nil {
		return nil, err
	}
	for _, t := range scored {
		out = append(out, Recommendation{
			TrackID: t.track.ID, Title: t.track.Title, Artists: append([]string{}, t.track.Artists...), Score: roundTo(t.score, 4), Reasons: t.reasons,
		})
	}
	return out, nil
}

// standing is which tracks come before which, whatever their score.
type standing int

const (
	welcome  standing = iota
	crowded           // the third of an artist, and further ones
	heard             // within a week
	unwanted          // disliked or avoided
)

type scoredTrack struct {
	track    *Track
	score    float64
	suits    float64 // as the model of taste has it, 0–1
	standing standing
	reasons  []string
}

// crowd sends the track back if there are enough of one of its artists before it.
func (t *scoredTrack) crowd(count map[string]int) {
	if t.standing != welcome {
		return
	}
	for _, artist := range t.track.Artists {
		artist = strings.ToLower(artist)
		if count[artist]++; count[artist] > mostOfArtist {
			t.standing = crowded
		}
	}
}

func (l *listener) score(t *Track, now *sensing) scoredTrack {
	taste := l.taste.ScoreOnly(t.traits())
	popular := l.popularity(t)
	r := scoredTrack{track: t, score: tasteShare*(1+now.blend(min(max(taste, -1), 1), t))/2 + popularShare*popular}
	if l.suited != nil {
		r.suits = l.suits(t)
		share := modelShare * l.suited.Trust()
		r.score = (1-share)*r.score + share*r.suits
	}
	switch {
	case l.history.disliked(t.ID) || l.taste.Avoids(t.traits()):
		r.standing = unwanted
	case l.history.heardWithin(t.ID, l.now, restTime):
		r.standing = heard
		r.reasons = append(r.reasons, "you heard it lately")
	}
	if taste >= wellLiked {
		r.reasons = append(r.reasons, first(l.taste.Likings(t.traits()), mostLikings)...)
	}
	if popular >= popularFrom {
		r.reasons = append(r.reasons, "popular")
	}
	if len(r.reasons) == 0 {
		r.reasons = []string{newForYou}
		if l.history[t.ID] != nil {
			r.reasons = []string{"you have not heard it for a while"}
		}
	}
	return r
}

// situated puts what in the situation speaks for the track before its other reasons.
func (t *scoredTrack) situated(now *sensing) {
	why := now.because(t.track)
	if len(why) == 0 || t.standing == unwanted {
		return
	}
	t.reasons = slices.Concat(why, slices.DeleteFunc(t.reasons, func(r string) bool { return r == newForYou }))
}

const newForYou = "something new for you"

// because puts before the reasons of tracks that suit well what was heard that speaks for them. Tracks that the provider does not know any more are not named.
func (s *Service) because(ctx context.Context, l *listener, tracks []scoredTrack) error {
	heard := make([][]string, len(tracks))
	var ids []string
	for i, t := range tracks {
		if t.suits >= suitsWell {
			heard[i] = l.suited.Because(t.track.ID, mostBecause)
			ids = append(ids, heard[i]...)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	known := map[string]*Track{}
	if err := s.load(ctx, l.id, known, ids); err != nil {
		return err
	}
	for i, t := range tracks {
		var titles []string
		for _, id := range heard[i] {
			if h := known[id]; h != nil && h.Title != "" {
				titles = append(titles, h.Title)
			}
		}
		if len(titles) > 0 {
			tracks[i].reasons = slices.Insert(t.reasons, 0, "because you played "+strings.Join(titles, " and "))
		}
	}
	return nil
}

// recommendable gathers what may be recommended: of the genres and artists that the listener likes, what is
// popular, and some of everything, which changes from day to day.
func (s *Service) recommendable(ctx context.Context, l *listener) (map[string]*Track, error) {
	found := map[string]*Track{}
	if err := s.load(ctx, l.id, found, append(l.popular.Top(popularLooked), l.suited.Top(modelLooked)...)); err != nil {
		return nil, err
	}
	day := CandidateQuery{Limit: recommendFrom, Seed: uint64(l.now.Truncate(recommendDaily).Unix()), Listener: l.id}
	queries := []CandidateQuery{day}
	if genres := first(l.taste.Genres(), likedNames); len(genres) > 0 {
		q := day
		q.Genres = genres
		queries = append(queries, q)
	}
	if artists := first(l.taste.Artists(), likedNames); len(artists) > 0 {
		q := day
		q.Artists = artists
		queries = append(queries, q)
	}
	for _, kind := range []Kind{Soundscape, Podcast} { // for a catalog without songs
		q := day
		q.Kind = kind
		queries = append(queries, q)
	}
	for _, q := range queries {
		if q.Kind != "" && len(found) > 0 {
			break
		}
		tracks, err := s.music.Candidates(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range tracks {
			found[tracks[i].ID] = &tracks[i]
		}
	}
	return found, nil
}
