package tunevector

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/variable"
)

// listener is what planning and recommending know of a listener at one moment.
type listener struct {
	id       uuid.UUID
	now      time.Time
	snapshot variable.Snapshot
	taste    preference.Taste
	popular  ml.Popularity
	history  history
	suited   *ml.Suited // the listener's personal model; nil where there is none
	linked   bool       // an account of theirs is, from which music comes
	did      interactions
	own      *own      // how they answer to situations; nil where that is not known
	prior    *ml.Prior // how listeners do; likewise
}

// listener reads what is known.
func (s *Service) listener(ctx context.Context, profileID uuid.UUID) (*listener, error) {
	return s.listenerAfter(ctx, profileID, &listenerOnce{})
}

// listenerAfter reads what is known after what was logged just now, and is being learned.
func (s *Service) listenerAfter(ctx context.Context, profileID uuid.UUID, just *listenerOnce) (*listener, error) {
	l := &listener{id: profileID, now: s.now()}
	guard, err := s.guard(ctx, profileID)
	if err != nil {
		return nil, err
	}
	l.linked = len(guard) > 0
	if err = together(ctx, func(ctx context.Context) (err error) {
		l.snapshot, err = s.variables.Snapshot(ctx, profileID)
		return err
	}, func(ctx context.Context) (err error) {
		l.did, err = s.newest(ctx, profileID, just.logged)
		l.history = historyOf(l.did)
		return err
	}); err != nil {
		return nil, err
	}
	l.prior = s.situations.Prior()
	if err = together(ctx, func(ctx context.Context) (err error) {
		l.suited, err = s.models.For(ctx, l.history.strengths())
		return err
	}, func(ctx context.Context) (err error) {
		l.own, err = s.ownOf(ctx, l)
		return err
	}, func(ctx context.Context) error {
		lessons, err := just.taught()
		if err != nil {
			return err
		}
		if l.taste, err = s.preferences.TasteAfter(ctx, profileID, l.snapshot.Live, lessons); err == nil {
			l.popular, err = s.learning.Popularity(ctx)
		}
		return err
	}); err != nil {
		return nil, err
	}
	return l, nil
}

// listenerOnce reads what is known of a listener once for all vectors that one call plans anew.
type listenerOnce struct {
	logged  []ml.Interaction    // just now: the log is read at half the cost, and may not show them yet
	learned chan struct{}       // closed when that was learned from them, or failed; nil where nothing is
	lessons *preference.Lessons // that were there then; nil where they are to be read
	failed  error
	known   *listener
	stored  []stored // what was planned for them
}

// taught waits until what was logged is learned. The lessons are for once: who asks again wants what is known by then.
func (o *listenerOnce) taught() (*preference.Lessons, error) {
	if o.learned == nil {
		return nil, nil //nolint:nilnil // they are to be read
	}
	<-o.learned
	lessons := o.lessons
	o.lessons = nil
	return lessons, o.failed
}

// listener also sets tried. Who asks with it set, since somebody else was faster with the vector, gets what is known by now.
func (o *listenerOnce) listener(ctx context.Context, s *Service, profileID uuid.UUID, tried *bool) (_ *listener, err error) {
	if o.known == nil || *tried {
		o.known, err = s.listenerAfter(ctx, profileID, o)
	}
	*tried = true
	return o.known, err
}

// tasteConsents are those under which something in the taste may have been learned: that of ratings, where they are opted into.
func (l *listener) tasteConsents() []uuid.UUID {
	if consent, ok := l.snapshot.Consents[variable.VectorRating]; ok {
		return []uuid.UUID{consent}
	}
	return nil
}

// maxHistory is how many of the newest interactions are looked at.
const maxHistory = 300

// history is what a listener did lately, by track.
type history map[string]*past

type past struct {
	last     time.Time // when it was heard or judged last
	strength float64   // the sum of what the interactions said, see [ml.Interaction.Strength]
	disliked bool      // the last judgment was a dislike
	judged   bool
}

// newest returns the newest interactions, those just logged among them.
func (s *Service) newest(ctx context.Context, profileID uuid.UUID, logged []ml.Interaction) (interactions, error) {
	known := make(map[uuid.UUID]struct{}, len(logged))
	newest := make([]ml.Interaction, 0, maxHistory)
	for _, i := range logged {
		if _, twice := known[i.EventID]; !twice {
			known[i.EventID] = struct{}{}
			newest = append(newest, i)
		}
	}
	for i, err := range s.learning.Recent(ctx, profileID, maxHistory) {
		if err != nil {
			return nil, err
		}
		if _, twice := known[i.EventID]; !twice {
			newest = append(newest, i)
		}
	}
	slices.SortFunc(newest, func(a, b ml.Interaction) int { // as the log is
		return cmp.Or(b.At.Compare(a.At), bytes.Compare(b.EventID[:], a.EventID[:]))
	})
	return first(newest, maxHistory), nil
}

func historyOf(newest interactions) history {
	h := history{}
	for _, i := range newest {
		h.add(i)
	}
	return h
}

// strengths are how much the interactions say for or against each track.
func (h history) strengths() map[string]float64 {
	all := make(map[string]float64, len(h))
	for id, p := range h {
		all[id] = p.strength
	}
	return all
}

// add takes interactions in from the newest to the oldest.
func (h history) add(i ml.Interaction) {
	p := h[i.TrackID]
	if p == nil {
		p = &past{last: i.At}
		h[i.TrackID] = p
	}
	p.strength += i.Strength()
	if judges := i.Action == ml.Like || i.Action == ml.Save || i.Action == ml.Dislike; judges && !p.judged {
		p.judged, p.disliked = true, i.Action == ml.Dislike
	}
}

// disliked are the tracks that the listener disliked and did not like since.
func (h history) disliked(id string) bool {
	p := h[id]
	return p != nil && p.disliked
}

// heardWithin reports whether the listener had to do with the track in the time before now.
func (h history) heardWithin(id string, now time.Time, d time.Duration) bool {
	p := h[id]
	return p != nil && now.Sub(p.last) < d
}

// traits are what a taste sees of a track: its tempo only where something is known of it.
func (t *Track) traits() preference.Traits {
	x := preference.Traits{Genres: t.Genres, Artists: t.Artists, Instruments: t.Instruments}
	if t.Confidence > 0 && sound(t.Features) {
		x.Tempo = t.Features.Tempo
	}
	return x
}

// popularity is the larger of what our listeners and the provider say.
func (l *listener) popularity(t *Track) float64 {
	return max(l.popular.Score(t.ID), min(max(t.Popularity, 0), 1))
}

// How likings are put together into the one number that the planner takes, −1 to 1.
const (
	modelWeight   = 0.4 // what the track gains that suits best, as far as the model of taste is to be trusted
	popularWeight = 0.2 // what the most popular track gains on one that nobody knows
	heardLoss     = 0.3 // what a track loses that was heard within heardLately
	heardLately   = 12 * time.Hour
	sessionWeight = 2.0  // what a moment of strength 1 does to a track like the one it spoke of: a skip at once bars it, nearly
	sessionReach  = 0.25 // the planner's distance at which a moment says nothing any more
)

// suits is how well the track suits the listener as the model of taste has it, 0–1. One that the model does not know, since hardly anybody has heard
// it, is judged by its artists, tags and features, where its provenance permits that. It is 0 where there is no model.
func (l *listener) suits(t *Track) float64 {
	if l.suited == nil {
		return 0
	}
	suits, known := l.suited.Of(t.ID)
	if !known {
		if item, permitted := t.Item(); permitted {
			suits, _ = l.suited.Guess(item)
		}
	}
	return suits
}

// usual is how much the listener likes the track whatever the moment, −1 to 1, by what their taste makes of it and how well it suits.
func (l *listener) usual(t *Track, taste, suits float64) float64 {
	score := taste
	score += popularWeight * l.popularity(t)
	score += modelWeight * l.suited.Trust() * suits
	return min(max(score, -1), 1)
}

// liking is how much the listener likes the track now.
func (l *listener) liking(t *Track, usual float64, session []sessionMoment, now *sensing) float64 {
	score := now.blend(usual, t)
	if l.history.heardWithin(t.ID, l.now, heardLately) {
		score -= heardLoss
	}
	weight := now.sessionWeight()
	for i := range session {
		score += weight * session[i].strength * session[i].likeness(t)
	}
	return min(max(score, -1), 1)
}
