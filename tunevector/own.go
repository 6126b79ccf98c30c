package tunevector

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/personal"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/variable"
)

// How a listener's answers to situations are kept at hand. They are in memory only, by the consents that they were joined with readings under: where these
// are not the same any more, everything is made anew from the log and from the readings that there are. So nothing that was derived from a
// reading is used when its consent is over, and all of it goes within a day: see [Service.Tidy].
const (
	ownersKept = 256            // listeners, each some 600 KB
	ownTTL     = 24 * time.Hour // after which all is joined anew
	// fullAnswer is the strength from which an interaction is an answer that counts wholly: that of a track heard to its end.
	fullAnswer = 0.4
	// handHalf is after how many answers in situations of which something is known the listener's own ways count as much as the rules.
	handHalf = 40.0
)

// own is what a listener's answers to situations tell. It is not changed once it is there.
type own struct {
	consents variable.Consents
	made     time.Time
	known    map[uuid.UUID]answered // by event: just the newest interactions, so that what is gone from the log is gone from here
	answers  []ml.Answer            // the oldest first
	items    []ml.Item              // by Answer.Item
	columns  map[string]int32       // of items
	person   *personal.Person
	situated map[variable.Type]float64 // how many answers were given where a variable told something that was opted into
}

// answered is what one interaction says; one that says nothing has no item.
type answered struct {
	ml.Answer
	item  *ml.Item
	under []uuid.UUID // the consents under which something was known of the situation
}

// handed is which share of the word on what a variable tells is handed over to what was learned of the listener: n ⁄ (n + 40), of answers given where it told something.
func (o *own) handed(t variable.Type) float64 { return o.situated[t] / (o.situated[t] + handHalf) }

// ready is how far what was learned can say where music is to be: from 20 tracks that were answered to on, wholly from 40 on.
func (o *own) ready() float64 {
	return min(max(float64(len(o.items)-tiltLeast)/(tiltWhole-tiltLeast), 0), 1)
}

// ownOf returns what the answers of a listener tell, whose newest interactions these are.
func (s *Service) ownOf(ctx context.Context, l *listener) (*own, error) {
	if len(l.snapshot.Consents) == 0 { // without any variable there is no situation to answer to
		s.owns.Remove(l.id)
		return nil, nil //nolint:nilnil // nil knows nothing
	}
	o, there := s.owns.Get(l.id)
	if !there || !maps.Equal(o.consents, l.snapshot.Consents) || l.now.Sub(o.made) > ownTTL || l.now.Before(o.made) {
		o = &own{consents: l.snapshot.Consents, made: l.now}
	}
	fresh := 0 // of l.did, the newest
	for fresh < len(l.did) && !o.knows(l.did[fresh]) {
		fresh++
	}
	switch kept := l.did[fresh:]; {
	case slices.ContainsFunc(kept, func(d ml.Interaction) bool { return !o.knows(d) }) || len(kept) < min(len(o.known), maxHistory-fresh):
		o, fresh = &own{consents: l.snapshot.Consents, made: l.now}, len(l.did) // told late, or gone from the log: others were joined with what was before them
	case fresh == 0 && o.person != nil:
		return o, nil
	}
	o, err := s.extended(ctx, o, l, fresh)
	if err != nil {
		return nil, err
	}
	s.owns.Add(l.id, o)
	return o, nil
}

// Tidy lets go of what is kept in memory of how listeners answer and is older than a day, whether anybody asks for them again or not. What is asked for is right without it.
func (s *Service) Tidy(ctx context.Context) error {
	now := s.now()
	for _, id := range s.owns.Keys() {
		if o, there := s.owns.Peek(id); there && now.Sub(o.made) > ownTTL {
			s.owns.Remove(id)
		}
	}
	return ctx.Err()
}

func (o *own) knows(d ml.Interaction) bool {
	_, known := o.known[d.EventID]
	return known
}

// extended returns what the newest interactions tell, of which so many are not in o. It is the same whatever was in o: where there are more in the log, the
// oldest are only what was before the others.
func (s *Service) extended(ctx context.Context, o *own, l *listener, fresh int) (*own, error) {
	next := &own{consents: o.consents, made: o.made, known: make(map[uuid.UUID]answered, len(l.did)), columns: map[string]int32{}, situated: map[variable.Type]float64{}}
	tracks, err := s.items(ctx, l.id, first(l.did, fresh))
	if err != nil {
		return nil, err
	}
	// What was before these is told of by what was known when the listener answered to it. (A new answer is only one to music that may be learned from now.)
	asked := make(map[string]bool, fresh)
	for i := range first(l.did, fresh) {
		asked[l.did[i].TrackID] = true
	}
	for _, d := range first(l.did[fresh:], mostTelling) {
		if item := o.itemOf(d.TrackID); item != nil && !asked[d.TrackID] {
			tracks[d.TrackID] = item
		}
	}
	learned := l.did.learned()
	var answering []int
	var times []time.Time // of those for which the present does not tell
	for i := range min(fresh, learned) {
		d := &l.did[i]
		if !answers(d, tracks) {
			continue
		}
		answering = append(answering, i)
		if !l.present(d.At) {
			times = append(times, d.At)
		}
	}
	past, err := s.variables.Past(ctx, l.id, times)
	if err != nil {
		return nil, err
	}
	for _, i := range answering {
		d := &l.did[i]
		snap := l.snapshot
		if !l.present(d.At) {
			snap, past = past[0], past[1:]
			snap.Consents = maps.Clone(snap.Consents)
			maps.DeleteFunc(snap.Consents, func(t variable.Type, c uuid.UUID) bool { return o.consents[t] != c }) // opted into since
		}
		a, consents := l.did.answer(d, snap, tracks)
		next.known[d.EventID] = answered{a, tracks[d.TrackID], consents}
	}
	types := make(map[uuid.UUID]variable.Type, len(o.consents))
	for t, consent := range o.consents {
		types[consent] = t
	}
	for i, d := range l.did { // also of what is no answer: it is known that it says nothing
		a := next.known[d.EventID]
		if i >= fresh {
			a = o.known[d.EventID]
		}
		next.known[d.EventID] = a
	}
	last := l.did[:learned].lastWords(func(d *ml.Interaction) bool { return next.known[d.EventID].item != nil })
	for i, d := range slices.Backward(l.did[:learned]) {
		if !last[i] {
			continue
		}
		a := next.known[d.EventID]
		column, there := next.columns[d.TrackID]
		if !there {
			column = int32(len(next.items))
			next.columns[d.TrackID] = column
			next.items = append(next.items, *a.item)
		}
		a.Item = column
		next.answers = append(next.answers, a.Answer)
		for _, consent := range a.under {
			next.situated[types[consent]] += a.Weight
		}
	}
	next.person = s.learner.Person(next.answers, next.items)
	return next, nil
}

// answers reports whether an interaction is an answer, to music that is known and may be learned from.
func answers(d *ml.Interaction, tracks map[string]*ml.Item) bool {
	return math.Abs(d.Strength()) >= saysSomething && tracks[d.TrackID] != nil
}

// learned is how many of the newest are learned from, where these are all that was read: if there may be more in the log, the oldest only tell what was before the others.
func (h interactions) learned() int {
	if len(h) == maxHistory {
		return len(h) - mostTelling
	}
	return len(h)
}

// sameListening is how long apart two answers to a track may be to be about one listening.
const sameListening = time.Hour

// lastWords reports which of the interactions, the newest first, are answers that count: of all that are about one listening to a track the last one, or else a track that was heard to its end, and liked, would say
// twice what was said in one moment, and each would foretell the other.
func (h interactions) lastWords(answer func(*ml.Interaction) bool) []bool {
	last := make([]bool, len(h))
	said := map[string]time.Time{}
	for i := range h {
		if d := &h[i]; answer(d) {
			then, again := said[d.TrackID]
			last[i] = !again || then.Sub(d.At) > sameListening
			said[d.TrackID] = d.At
		}
	}
	return last
}

// answer is what one of the interactions says of its track in these surroundings, and under which consents they were read.
func (h interactions) answer(d *ml.Interaction, in variable.Snapshot, tracks map[string]*ml.Item) (ml.Answer, []uuid.UUID) {
	in, _ = steadied(in, nil)
	m, consents := momentOf(in, d.At)
	h.tell(m, d.At, d.TrackID, tracks)
	a := ml.Answer{Listener: -1, Moment: m, At: d.At.Unix(), Weight: min(math.Abs(d.Strength())/fullAnswer, 1)}
	if d.Strength() > 0 {
		a.Liking = 1
	}
	return a, consents
}

// presently is how old an interaction may be for the surroundings to be those of now.
const presently = 2 * time.Minute

// present reports whether the surroundings of a moment are those of now: nothing was read since.
func (l *listener) present(at time.Time) bool {
	for _, r := range l.snapshot.Latest {
		if r.At.After(at) {
			return false
		}
	}
	age := l.now.Sub(at)
	return age >= 0 && age <= presently
}

// items returns what a learner may see of the tracks of interactions.
func (s *Service) items(ctx context.Context, profileID uuid.UUID, did interactions) (map[string]*ml.Item, error) {
	known := map[string]*Track{}
	ids := make([]string, len(did))
	for i := range did {
		ids[i] = did[i].TrackID
	}
	if err := s.load(ctx, profileID, known, ids); err != nil {
		return nil, err
	}
	items := make(map[string]*ml.Item, len(known))
	for id, t := range known {
		if item, permitted := t.Item(); permitted {
			items[id] = &item
		}
	}
	return items, nil
}

// sensing is a listener in a moment: how they judge music now. It is for one goroutine.
type sensing struct {
	person   *personal.Person
	moment   ml.Moment
	judge    ml.Judge
	shared   ml.Judge  // of the model that was trained over all listeners; nil where there is none
	prior    *ml.Prior // likewise
	own      *own
	handed   float64     // which share of the word on the situation is what was learned of the listener: the most of any variable that tells something now
	settled  float64     // of the middle that is made of genres: n ⁄ (n + 40) of all answers
	consents []uuid.UUID // that the judgment was made under, however far back
	judged   map[*Track]*judged
}

// judged is what is said of one track now. Of one whose provenance forbids learning from it nothing is.
type judged struct {
	permitted bool
	item      ml.Item
	own       ml.Judgment // by the listener's own answers
	told      float64     // by how much the shared model has the situation change how likely the listener likes it
}

// usuallyJudged is how many tracks are judged for a plan that bends while it plays, or a few more.
const usuallyJudged = 800

// foresee judges a track that will be asked for.
func (s *sensing) foresee(t *Track) {
	if s != nil {
		s.of(t)
	}
}

// of judges a track, each once.
func (s *sensing) of(t *Track) *judged {
	if j, there := s.judged[t]; there {
		return j
	}
	j := &judged{}
	if j.item, j.permitted = t.Item(); j.permitted {
		j.own, j.told = s.judge.OfNew(j.item), s.tells(j.item)
	}
	s.judged[t] = j
	return j
}

// sense makes a listener's judge for a moment in the surroundings given; nil where nothing is known that would make a difference.
func (l *listener) sense(in variable.Snapshot) *sensing {
	if l.own == nil || len(l.own.situated) == 0 && l.prior.Trust() == 0 {
		return nil
	}
	m, known := momentOf(in, l.now)
	l.did.tell(m, l.now, "", l.own.heardOf(l.did))
	n := float64(len(l.own.answers))
	s := &sensing{person: l.own.person, own: l.own, moment: m, settled: n / (n + handHalf), judged: make(map[*Track]*judged, usuallyJudged)}
	for _, t := range variable.Types() { // in the order of the table
		if consent, ok := l.snapshot.Consents[t.Type]; ok {
			s.consents = append(s.consents, consent)
			if slices.Contains(known, consent) {
				s.handed = max(s.handed, l.own.handed(t.Type))
			}
		}
	}
	s.judge = s.person.At(m)
	if l.prior.Trust() > 0 {
		s.prior, s.shared = l.prior, l.prior.At(m)
	}
	return s
}

// itemOf is what was known of a track when the listener answered to it, or nil.
func (o *own) itemOf(trackID string) *ml.Item {
	if c, there := o.columns[trackID]; there {
		return &o.items[c]
	}
	return nil
}

// heardOf are the items of the newest interactions, as far as they were answered to.
func (o *own) heardOf(did interactions) map[string]*ml.Item {
	items := map[string]*ml.Item{}
	for _, d := range did {
		if item := o.itemOf(d.TrackID); item != nil {
			items[d.TrackID] = item
		}
	}
	return items
}

const (
	// ownShare is how much of a liking is by how the listener answers, at most; what else is known of their taste has the rest.
	ownShare = 0.8
	// ownScale makes of a probability a liking that goes from −1 to 1: a track that is liked nine of ten times is liked wholly.
	ownScale = 1.25
)

// blend puts a liking (−1 to 1) and how the listener answers to a track's features together: the latter has up to 0.8 of the say, by how many answers there are. What it says is what
// they usually answer, and the more what they answer in a situation like this one, the more the rules have handed over. What is not handed over yet is said by the shared model, as far as that is trusted: by
// how much the situation changes what it foretells.
func (s *sensing) blend(liking float64, t *Track) float64 {
	if s == nil {
		return liking
	}
	j := s.of(t)
	if !j.permitted {
		return liking
	}
	p := j.own.Without + s.handed*(j.own.Probability-j.own.Without)
	share := ownShare * s.settled
	liking = (1-share)*liking + share*min(max(ownScale*(2*p-1), -1), 1) //nolint:mnd // from −1 to 1
	return min(max(liking+2*ownShare*ownScale*j.told, -1), 1)           //nolint:mnd // likewise
}

// tells is by how much the shared model has the situation change how likely the listener likes something.
func (s *sensing) tells(item ml.Item) float64 {
	if s.shared == nil {
		return 0
	}
	j := s.shared.OfNew(item)
	return s.lent() * (j.Probability - j.Without)
}

// lent is which share of the word the shared model has.
func (s *sensing) lent() float64 { return (1 - s.handed) * s.prior.Trust() }

// left is which share of its word a rule keeps that reads a variable: what neither the shared model nor the listener's answers tell.
func (s *sensing) left(t variable.Type) float64 {
	if s == nil {
		return 1
	}
	left := 1 - s.own.handed(t)*s.own.ready()
	if s.shared == nil || len(s.prior.Reference()) < tiltLeast || !slices.ContainsFunc(aspects, func(a aspect) bool { return a.variable == t && s.prior.Knows(a.Name) }) {
		return left
	}
	return left * (1 - s.prior.Trust())
}

// turned is which share of the word on where music is to be is what was learned of the listener.
func (s *sensing) turned() float64 { return s.handed * s.own.ready() }

// How an arc that is nobody's wish gives way to how the listener answers: these are the planner's weights of target and taste once that is known wholly, instead of
// the usual 10 and 0.5; until then they are in between, by how many answers there are. Where a listener gives a direction, an end, a point or stages, that is theirs, and the usual weights stay.
const (
	openTarget = 3.0
	openTaste  = 4.0
)

// open reports whether the arc is nobody's wish, but made of the situation and of how the listener answers.
func (c *composition) open() bool {
	return c.now != nil && c.def.Mode == AI && c.def.Direction == Steady && len(c.def.Points) == 0 && c.def.gives() == [dimensionCount]bool{}
}

// weigh sets the planner's weights.
func (c *composition) weigh() {
	if !c.open() {
		return
	}
	w := planner.DefaultWeights
	w.Target += c.now.settled * (openTarget - w.Target)
	w.Taste += c.now.settled * (openTaste - w.Taste)
	c.problem.Weights = w
}

// anywhereCandidates is how many are kept of what was looked at anywhere.
const anywhereCandidates = 150

// findsAnywhere is, where the arc is nobody's wish, of a sample of all music what the listener would answer best to now, wherever it is to the arc.
func (s *Service) findsAnywhere(c *composition, q CandidateQuery) find {
	if !c.open() {
		return findsNothing
	}
	q.Along = nil
	return func(ctx context.Context) (finding, error) {
		sample, err := s.finds(q)(ctx)
		if err != nil {
			return finding{}, err
		}
		type likely struct {
			track       *Track
			probability float64
		}
		found := make([]likely, 0, len(sample.tracks))
		for _, t := range sample.tracks {
			if j := c.now.of(t); j.permitted && c.allows(t) {
				found = append(found, likely{t, j.own.Probability + j.told})
			}
		}
		slices.SortFunc(found, func(a, b likely) int {
			return cmp.Or(cmp.Compare(b.probability, a.probability), cmp.Compare(a.track.ID, b.track.ID))
		})
		best := finding{shortlisted: sample.shortlisted}
		for _, f := range first(found, c.asked(anywhereCandidates)) {
			best.tracks = append(best.tracks, f.track)
		}
		return best, nil
	}
}

// sessionShare is how much less a moment of the session says of tracks like its own, once all the listener's answers, its own among them, say what they like.
const sessionShare = 0.9

// sessionWeight is what a moment of the session does, see [sessionWeight].
func (s *sensing) sessionWeight() float64 {
	if s == nil {
		return sessionWeight
	}
	return sessionWeight * (1 - sessionShare*s.settled)
}

const (
	// tilt is how sharply what suits now is preferred where the middle of it is looked for: by the odds, to this power.
	tilt = 2.0
	// tiltLeast is of how many tracks at least, and tiltWhole from how many on it is taken for what it says.
	tiltLeast = 20
	tiltWhole = 40.0
)

// middles are where what suits now, and what usually does, is in the middle: the means over some tracks (tempo in log2), each
// weighed by its odds now, and by its usual ones, to the power of 2. They are not known where these are too few.
func middles(judge ml.Judge, items []ml.Item) (now, usual vector, known bool) {
	if len(items) < tiltLeast {
		return now, usual, false
	}
	var sumNow, sumUsual float64
	for i := range items {
		item := &items[i]
		f := item.Features
		if !(item.Confidence > 0) || !(f["tempo"] > 0) {
			continue
		}
		j := judge.OfNew(*item)
		v := vector{f["energy"], f["valence"], math.Log2(f["tempo"]), f["acousticness"], f["instrumentalness"]}
		a, b := odds(j.Probability), odds(j.Without)
		sumNow += a
		sumUsual += b
		for d := range v {
			now[d] += a * v[d]
			usual[d] += b * v[d]
		}
	}
	if !(sumNow > 0) || !(sumUsual > 0) {
		return now, usual, false
	}
	for d := range now {
		now[d], usual[d] = now[d]/sumNow, usual[d]/sumUsual
	}
	now[tempo], usual[tempo] = math.Exp2(now[tempo]), math.Exp2(usual[tempo])
	return now, usual, true
}

// sharedLean is how the shared model has the situation move a plan, as far as it is trusted.
func (s *sensing) sharedLean() lean {
	if s == nil || s.shared == nil {
		return lean{}
	}
	now, usual, known := middles(s.shared, s.prior.Reference())
	if !known {
		return lean{}
	}
	return lean{}.towards(leanBetween(now, usual), s.prior.Trust())
}

// leanBetween is how far one middle is from another, within bounds.
func leanBetween(now, usual vector) lean {
	by := func(d int, most float64) float64 { return min(max(now[d]-usual[d], -most), most) }
	return lean{
		energy: by(energy, maxLean), valence: by(valence, maxOtherLean), acousticness: by(acousticness, maxOtherLean),
		octaves: min(max(math.Log2(now[tempo]/usual[tempo]), -maxOctaves), maxOctaves),
	}
}

// maxOctaves is how much what was learned of the situation moves the tempo at most.
const maxOctaves = 0.4

// maxOtherLean is how much what was learned of the situation moves valence and acousticness at most.
const maxOtherLean = 0.2

func odds(p float64) float64 { return math.Pow(p/(1-p), tilt) }

// towards hands over a share (0–1) of a lean to another one; the tempo stays.
func (l lean) towards(o lean, share float64) lean {
	l.energy += share * (o.energy - l.energy)
	l.valence += share * (o.valence - l.valence)
	l.acousticness += share * (o.acousticness - l.acousticness)
	l.octaves += share * (o.octaves - l.octaves)
	return l
}

// toldFrom is the move of energy or acousticness from which it is told.
const toldFrom = 0.03

// told says in words how a lean that was learned moves a plan, and from whom that was learned.
func (l lean) told(whose string) string {
	var how string
	switch {
	case l.energy <= -toldFrom:
		how = "calmer"
	case l.energy >= toldFrom:
		how = "livelier"
	case l.acousticness >= toldFrom:
		how = "more acoustic"
	case l.acousticness <= -toldFrom:
		how = "more electric"
	case l.valence >= toldFrom:
		how = "brighter"
	case l.valence <= -toldFrom:
		how = "darker"
	default:
		return ""
	}
	return how + " than your usual, " + whose + " in such situations"
}

// because says what in the situation speaks for a track: by the listener's own answers, once the rules have handed over, else by the shared model.
func (s *sensing) because(t *Track) []string {
	if s == nil {
		return nil
	}
	j := s.of(t)
	switch {
	case !j.permitted:
		return nil
	case s.handed >= handedOver:
		return s.judge.ReasonsForNew(j.item, 1)
	case j.told > 0:
		return s.shared.ReasonsForNew(j.item, 1)
	}
	return nil
}
