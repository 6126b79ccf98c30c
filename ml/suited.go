package ml

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"

	"github.com/rhythmiq/rhythmiq/internal/topk"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

// served is a model made ready for requests: immutable.
type served struct {
	version Version
	model   Model
	columns map[string]int32 // of the items

	factored   Factored           // nil: it is not
	index      *topk.Index        // of the factors
	mean       []float32          // of the factors
	labeled    map[string][]int32 // the columns of the items with an artist or a tag, see labels
	*newcomers                    // nil: nothing is known of the items

	likeness atomic.Pointer[likeness] // what finds similar items quickly; nil until it was made
}

// newServed makes a model ready, to be searched in a precision. about is what is known of its items, nil for nothing.
func newServed(v Version, m Model, about []Item, p Precision) (*served, error) {
	s := &served{version: v, model: m, columns: make(map[string]int32, len(m.Items())), labeled: map[string][]int32{}}
	for i, id := range m.Items() {
		s.columns[id] = int32(i)
	}
	for i := range about {
		for _, name := range labels(about[i]) {
			s.labeled[name] = append(s.labeled[name], int32(i))
		}
	}
	s.newcomers = newNewcomers(m, about)
	f, ok := m.(Factored)
	if !ok || len(m.Items()) == 0 {
		return s, nil
	}
	rows, k := f.Factors()
	index, err := p.index(rows, k)
	if err != nil {
		return nil, err
	}
	s.factored, s.index, s.mean = f, index, meanRow(rows, k)
	return s, nil
}

func meanRow(rows []float32, k int) []float32 {
	sums := make([]float64, k)
	for i, x := range rows {
		sums[i%k] += float64(x)
	}
	mean := make([]float32, k)
	for i, sum := range sums {
		mean[i] = float32(sum * float64(k) / float64(len(rows)))
	}
	return mean
}

// Suited says how well music suits one listener, as the live model sees it: the listener's personal model, made anew from what they did. It is for one goroutine. A
// nil Suited knows nothing.
type Suited struct {
	*served
	heard      Heard
	leave      []int32                          // what the listener had to do with, ascending
	vector     []float32                        // of a factored model; else
	scores     []float32                        // of all items
	mean, best float32                          // of the items that were not heard: what scores are measured by
	top        []Scored                         // the best items, without those heard or avoided
	explain    func(item int32, n int) []Scored // nil until it is asked for
	taste      []float32                        // what artists, tags and features add to a score; likewise
}

const (
	// suitedTop is how many of the best items are found.
	suitedTop = 200
	// half the trust in a model is there when so many of a listener's tracks are known to it.
	trustHalf = 5
)

// suited makes a listener's model from how much their interactions say for (above 0) or against each track: in closed form, for a factored model. It
// is nil if none of what they like is known to the model.
func (s *served) suited(ctx context.Context, strengths map[string]float64) (*Suited, error) {
	u := &Suited{served: s, heard: Heard{Listener: -1}}
	var liked []Scored
	var leave []int32
	for id, strength := range strengths {
		c, known := s.columns[id]
		if !known {
			continue
		}
		leave = append(leave, c)
		if strength > 0 {
			liked = append(liked, Scored{c, float32(strength)})
		}
	}
	if len(liked) == 0 {
		return nil, ctx.Err()
	}
	slices.Sort(leave)
	u.leave = leave
	slices.SortFunc(liked, func(a, b Scored) int { return cmp.Compare(a.Item, b.Item) })
	for _, l := range liked {
		u.heard.Items, u.heard.Weights = append(u.heard.Items, l.Item), append(u.heard.Weights, l.Score)
	}
	if s.factored == nil {
		u.scores = make([]float32, len(s.columns))
		s.model.Scores(u.scores, u.heard)
		u.top = Top(nil, u.scores, leave, suitedTop)
		sum := 0.0
		for _, x := range u.scores {
			sum += float64(x)
		}
		u.mean = float32(sum / float64(len(u.scores)))
	} else {
		u.vector = make([]float32, len(s.mean))
		s.factored.Vector(u.vector, u.heard)
		hits, err := s.index.Search(ctx, u.vector, suitedTop, topk.Filter{Excluded: leave}, 1)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			u.top = append(u.top, Scored(h))
		}
		u.mean = vector.Dot(u.vector, s.mean)
	}
	if len(u.top) > 0 {
		u.best = u.score(u.top[0].Item) // which the search may have rounded
	}
	return u, nil
}

// Of returns how well a track suits the listener, 0–1: 1 is the best of what they have not heard, 0 the mean of all or less. It is false for a track
// that the model does not know.
func (u *Suited) Of(trackID string) (float64, bool) {
	if u == nil {
		return 0, false
	}
	c, known := u.columns[trackID]
	if !known {
		return 0, false
	}
	return u.measure(u.score(c)), true
}

func (u *Suited) measure(score float32) float64 {
	span := float64(u.best) - float64(u.mean)
	if !(span > 0) {
		return 0
	}
	x := (float64(score) - float64(u.mean)) / span
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, 0), 1)
}

func (u *Suited) score(c int32) float32 {
	if u.factored == nil {
		return u.scores[c]
	}
	return vector.Dot(u.vector, u.row(c))
}

// Trust is how much the model is to be believed about this listener, 0–1: it grows with the number n of tracks that it knows among those they like, as n ⁄ (n + 5). Where it is
// small, preferences and popularity say more.
func (u *Suited) Trust() float64 {
	if u == nil {
		return 0
	}
	n := float64(len(u.heard.Items))
	return n / (n + trustHalf)
}

// Top returns the ids of the tracks that suit best, best first, at most n and 200: none that the listener had to do with lately.
func (u *Suited) Top(n int) []string {
	if u == nil {
		return nil
	}
	ids := make([]string, 0, min(n, len(u.top)))
	for _, t := range u.top[:min(n, len(u.top))] {
		ids = append(ids, u.model.Items()[t.Item])
	}
	return ids
}

// Best is Top for those tracks that a filter lets through. The listener's model is not made anew, and nothing is scored twice: it looks through all items once more, where the filter
// leaves too few of the best.
func (u *Suited) Best(ctx context.Context, n int, f Filter) ([]string, error) {
	if u == nil || n <= 0 {
		return nil, ctx.Err()
	}
	n = min(n, suitedTop)
	through := u.through(f, u.leave)
	var top []Scored
	for _, t := range u.top {
		if len(top) < n && through.lets(t.Item) {
			top = append(top, t)
		}
	}
	switch {
	case len(top) == n || len(u.top) < suitedTop: // these are the best of all
	case u.factored == nil:
		top = through.top(u.scores, n)
	default:
		hits, err := u.index.Search(ctx, u.vector, n, through.Filter, 1)
		if err != nil {
			return nil, err
		}
		top = top[:0]
		for _, h := range hits {
			top = append(top, Scored(h))
		}
	}
	ids := make([]string, 0, len(top))
	for _, t := range top {
		ids = append(ids, u.model.Items()[t.Item])
	}
	return ids, ctx.Err()
}

// Because returns the ids of those tracks that the listener heard which speak most for a track, the most first, at most n. What each gives is told by [Explain]; those that give less than
// a tenth of what the first gives are left out, and none are returned where nothing that was heard makes a difference.
func (u *Suited) Because(trackID string, n int) []string {
	if u == nil {
		return nil
	}
	c, known := u.columns[trackID]
	if !known {
		return nil
	}
	if u.explain == nil {
		u.explain = Explain(u.model, u.heard)
	}
	why := u.explain(c, n)
	var ids []string
	for _, w := range why {
		if w.Score > 0 && w.Score >= why[0].Score/10 { //nolint:mnd // a tenth
			ids = append(ids, u.model.Items()[w.Item])
		}
	}
	return ids
}
