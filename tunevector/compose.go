package tunevector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/variable"
)

// composition is a vector on its way to a plan: what is asked for, whom it is for, and the problem for the planner.
type composition struct {
	listener   *listener
	def        Definition // filled
	seed       int64
	heard      []trackRecord
	keep       []trackRecord // what stood in the plan behind heard and should stay where it does no harm
	session    []sessionMoment
	barred     map[string]bool
	tracks     map[string]*Track // all that may come up, and what was heard
	situation  situation
	now        *sensing // how the listener judges music now; nil where that is not known
	explores   bool
	tries      map[string]*tryRecord // tracks that are there to learn; of a record of before tries were noted it is nil
	slots      map[string]int        // from which of the slots on each of them may stand, see explore.go
	forgotten  int                   // tracks heard of which it is no longer known whether they were tries
	untried    map[string]float64    // the taste of these without what that gains
	unlocked   []planner.Candidate   // all candidates, where those of the problem are only those that go with the steps
	bends      []Point
	middle     vector // of the listener, where no stages are
	over       bool   // nothing is left to plan
	steadyEnds bool   // start and end stay where what is new is not heard
	playing    bool   // it bends while it plays: with little effort
	problem    planner.Problem
	// bound gives a solution the bound of the problem as it was asked, whatever was kept.
	bound func(context.Context, *planner.Solution)
}

func (c *composition) seconds() float64 { return 60 * float64(c.def.DurationMinutes) }

func (c *composition) elapsed() float64 { return endOf(c.heard) }

func endOf(tracks []trackRecord) float64 {
	if len(tracks) == 0 {
		return 0
	}
	last := tracks[len(tracks)-1]
	return last.Start + last.Duration
}

// compose makes the problem of planning v for l from r. It sets what v has filled in.
func (s *Service) compose(ctx context.Context, l *listener, v *vectorRecord, r rest) (*composition, error) {
	c := &composition{listener: l, def: v.Definition.Filled(), seed: v.Seed, heard: r.heard, keep: r.keep, tracks: map[string]*Track{}, steadyEnds: r.ends, explores: s.explores, playing: r.quiet}
	c.forgotten = min(v.Forgotten, len(c.heard))
	if c.playing {
		c.problem.Effort = whilePlaying(c.seconds() - c.elapsed())
	}
	c.bar()
	var middling error // is told after what is wrong with what was asked for, whichever is known first
	if err := s.abreast(ctx, func(ctx context.Context) error {
		return s.recall(ctx, c, v.Moments)
	}, func(ctx context.Context) error {
		if c.def.Mode != Guided {
			c.middle, middling = s.listenerMiddle(ctx, c)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := cmp.Or(c.fits(r.all), middling); err != nil {
		return nil, err
	}
	if err := s.aim(ctx, c, v); err != nil {
		return nil, err
	}
	if c.over {
		return c, nil
	}
	g, err := s.gather(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, p := range c.def.Pinned {
		if t := c.tracks[p.TrackID]; t != nil { // one that was played where it was pinned may have gone since
			g.add(t, planner.AllStages)
		}
	}
	for _, k := range c.keep {
		if t := c.tracks[k.ID]; t != nil && c.allows(t) {
			g.add(t, c.stageSet(k.Stage))
		}
	}
	if len(g.tracks) == 0 {
		return nil, s.nothingFor(ctx, c, CandidateQuery{Kind: c.def.Kind})
	}
	c.pose(g)
	return c, nil
}

func (c *composition) stageSet(stage int) planner.StageSet {
	if stage < 0 || stage >= len(c.def.Stages) {
		return 0
	}
	return planner.Stages(stage)
}

// bar collects what must not be planned: what is excluded, was heard, or is disliked. A pin wins over a dislike.
func (c *composition) bar() {
	c.barred = map[string]bool{}
	for id := range c.listener.history {
		if c.listener.history.disliked(id) {
			c.barred[id] = true
		}
	}
	for _, p := range c.def.Pinned {
		delete(c.barred, p.TrackID)
	}
	for _, id := range c.def.Excluded {
		c.barred[id] = true
	}
	for _, t := range c.heard {
		c.barred[t.ID] = true
	}
}

// recall reads the tracks that are known by name: what was heard, kept and pinned, and what moments speak of. A pinned one
// that the provider does not know is a field error; any other may have gone.
func (s *Service) recall(ctx context.Context, c *composition, moments []moment) error {
	var ids []string
	for _, t := range c.heard {
		ids = append(ids, t.ID)
	}
	for _, t := range c.keep {
		ids = append(ids, t.ID)
	}
	for _, p := range c.def.Pinned {
		ids = append(ids, p.TrackID)
	}
	for _, m := range moments {
		ids = append(ids, m.TrackID)
	}
	if err := s.load(ctx, c.listener.id, c.tracks, ids); err != nil {
		return err
	}
	for _, m := range moments {
		if t := c.tracks[m.TrackID]; t != nil && math.Abs(m.Strength) >= saysSomething {
			c.session = append(c.session, sessionMoment{m.Strength, *t})
		}
	}
	var f fault.Fields
	for i, p := range c.def.Pinned {
		at := slices.IndexFunc(c.heard, func(t trackRecord) bool { return t.ID == p.TrackID })
		switch t := c.tracks[p.TrackID]; {
		case at >= 0 && at == p.Position: // it was heard where it was pinned
		case at >= 0:
			f.Add(fmt.Sprintf("pinned[%d].trackId", i), "The track was played already, at position %d", at)
		case p.Position < len(c.heard):
			f.Add(fmt.Sprintf("pinned[%d].position", i), "Position %d was played already", p.Position)
		case t == nil:
			f.Add(fmt.Sprintf("pinned[%d].trackId", i), "No track with this ID is known")
		case !(t.DurationSeconds > 0):
			f.Add(fmt.Sprintf("pinned[%d].trackId", i), "The track has no duration")
		}
	}
	return f.Err()
}

// load reads tracks into known, in a listener's name, those apart that it has.
func (s *Service) load(ctx context.Context, listener uuid.UUID, known map[string]*Track, ids []string) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return known[id] != nil })
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 0 {
		return nil
	}
	var tracks []Track
	var err error
	if personal, ok := s.music.(ListenerTracks); ok {
		tracks, err = personal.TracksFor(ctx, listener, ids)
	} else {
		tracks, err = s.music.Tracks(ctx, ids)
	}
	if err != nil {
		return err
	}
	for i := range tracks {
		known[tracks[i].ID] = &tracks[i]
	}
	return nil
}

// fits sees whether there is anything left to plan: not where what was heard reaches the duration, or comes as near to it as a plan
// must (half of its longest track) and is all that there was. A duration further behind what was heard is a field error, and so
// is a pin where nothing can be planned.
func (c *composition) fits(all bool) error {
	longest := 0.0
	for _, t := range c.heard {
		longest = max(longest, t.Duration)
	}
	var f fault.Fields
	left := c.seconds() - c.elapsed()
	if -left > longest/2 {
		field := "durationMinutes"
		if c.def.Mode == Guided {
			field = "stages"
		}
		f.Add(field, "%.0f minutes were played already", math.Floor(c.elapsed()/60))
	}
	if c.over = left <= 0 || all && left <= longest/2 && len(c.heard) > 0; c.over {
		for i, p := range c.def.Pinned {
			if p.Position >= len(c.heard) {
				f.Add(fmt.Sprintf("pinned[%d].position", i), "All of the plan was played already")
			}
		}
	}
	return f.Err()
}

// aim fills in start, end and arc, and says under which consents.
func (s *Service) aim(ctx context.Context, c *composition, v *vectorRecord) error {
	c.timeline()
	var start, finish Features
	if c.def.Mode == Guided {
		middles, err := s.stageMiddles(ctx, c)
		if err != nil {
			return err
		}
		start, finish, c.bends = c.def.guidedEnds(middles)
	} else {
		in, held := steadied(c.listener.snapshot, v.Held)
		v.Held = held
		middle := c.situate(in, c.middle)
		start, finish = c.def.ends(middle, c.situation.lean)
		if c.steadyEnds && planner.Distance(start, v.Start) <= inaudible && planner.Distance(finish, v.End) <= inaudible {
			start, finish = v.Start, v.End // what nobody hears is no reason to move
		}
	}
	c.problem.Arc = c.def.arc(start, finish, c.bends)
	v.Start, v.End, v.Bends = start, finish, c.bends
	v.Consents = nil
	v.consent(append(c.situation.consents, c.listener.tasteConsents()...))
	return nil
}

// situate says what the situation means for this listener: by the rules, and the more by what was learned of them, the more that is. It returns the middle
// handed over likewise, from that of the genres that they like to that of what they answered well to.
func (c *composition) situate(in variable.Snapshot, middle vector) vector {
	c.now = c.listener.sense(in)
	c.situation = situate(in, c.listener.now, c.now.left)
	if c.now == nil {
		return middle
	}
	c.situation.consents = append(c.situation.consents, c.now.consents...)
	turned := c.now.turned()
	shared := c.now.sharedLean().times(1 - turned)
	c.situation.lean = c.situation.plus(shared)
	now, usual, known := middles(c.now.judge, c.listener.own.items)
	if reason := shared.told("as listeners like it"); reason != "" && turned < handedOver {
		c.situation.reasons = append(c.situation.reasons, reason)
	}
	if !known {
		return middle
	}
	learned := leanBetween(now, usual).times(turned * c.now.person.Evidence())
	c.situation.lean = c.situation.plus(learned)
	if reason := learned.told("as you like it"); reason != "" && turned >= handedOver {
		c.situation.reasons = append(c.situation.reasons, reason)
	}
	return middle.towards(usual, c.now.settled*c.now.own.ready())
}

// handedOver is the share from which the reasons that are told are those of what was learned.
const handedOver = 0.5

// timeline sets the duration, the seed and the stages of the problem.
func (c *composition) timeline() {
	c.problem.Duration = c.seconds()
	c.problem.Seed = uint64(c.seed)
	end := 0.0
	for _, stage := range c.def.Stages {
		end += 60 * float64(stage.Minutes)
		c.problem.Stages = append(c.problem.Stages, planner.Stage{Name: stage.Genre, End: end})
	}
}

// stageMiddles are the middles of the stages' genres. A genre without music is a conflict.
func (s *Service) stageMiddles(ctx context.Context, c *composition) ([]vector, error) {
	middles := make([]vector, len(c.def.Stages))
	for i, stage := range c.def.Stages {
		q := CandidateQuery{Kind: c.def.Kind, Genres: []string{stage.genre()}, Limit: sampleSize, Seed: sampleSeed, Listener: c.listener.id}
		tracks, err := s.music.Candidates(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(tracks) == 0 {
			return nil, s.nothingFor(ctx, c, q)
		}
		m, known := middleOf(tracks)
		if !known {
			m = neutral()
		}
		middles[i] = m
	}
	return middles, nil
}

// sampleSeed makes samples the same each time, so that the same vector gets the same middle.
const sampleSeed = 1

// surely is the taste from which the middle of what is liked is taken for the listener's wholly; less counts for less, so that the first
// track they play does not move everything.
const surely = 0.5

// listenerMiddle is the mean of the genres the listener likes, or else of their artists, as far as they like them, and else
// the neutral middle; with the tempo they like, likewise.
func (s *Service) listenerMiddle(ctx context.Context, c *composition) (vector, error) {
	middle, taste := neutral(), &c.listener.taste
	q := CandidateQuery{Kind: c.def.Kind, Limit: sampleSize, Seed: sampleSeed, Listener: c.listener.id}
	var favorite preference.Traits
	if q.Genres = first(taste.Genres(), likedNames); len(q.Genres) > 0 {
		favorite.Genres = q.Genres[:1]
	} else if q.Artists = first(taste.Artists(), likedNames); len(q.Artists) > 0 {
		favorite.Artists = q.Artists[:1]
	}
	if len(q.Genres)+len(q.Artists) > 0 {
		tracks, err := s.music.Candidates(ctx, q)
		if err != nil {
			return middle, err
		}
		if m, known := middleOf(tracks); known {
			score := taste.ScoreOnly(favorite)
			middle = middle.towards(m, score/surely)
		}
	}
	if t := taste.Tempo(); t > 0 {
		score := taste.ScoreOnly(preference.Traits{Tempo: t})
		wanted := middle
		wanted[tempo] = t
		middle = middle.towards(wanted, score/surely)
	}
	return middle, nil
}

// towards goes a share (0–1) of the way from v to o, tempo in log2.
func (v vector) towards(o vector, share float64) vector {
	share = min(max(share, 0), 1)
	for i := range v {
		if i == tempo {
			v[i] *= math.Pow(o[i]/v[i], share)
		} else {
			v[i] += share * (o[i] - v[i])
		}
	}
	return v
}

// pose puts the problem together from the candidates.
func (c *composition) pose(g *gathering) {
	for _, t := range c.heard {
		p := planner.Candidate{ID: t.ID, Duration: t.Duration}
		if known := c.tracks[t.ID]; known != nil {
			p = candidate(known)
			p.Duration = t.Duration
		}
		c.problem.Prefix = append(c.problem.Prefix, p)
	}
	c.problem.Shortlisted = g.shortlisted
	c.problem.Candidates = make([]planner.Candidate, 0, len(g.tracks))
	for _, p := range c.def.Pinned {
		if p.Position < len(c.heard) {
			continue
		}
		if c.problem.Pinned == nil {
			c.problem.Pinned = map[int]string{}
		}
		c.problem.Pinned[p.Position] = p.TrackID
	}
	suits, tastes := make([]float64, len(g.tracks)), make([]float64, len(g.tracks))
	beside(func() {
		for i, t := range g.tracks {
			suits[i] = c.listener.suits(t)
		}
	}, func() {
		for i, t := range g.tracks {
			tastes[i] = c.listener.taste.ScoreOnly(t.traits())
			c.now.foresee(t)
		}
	})
	for i, t := range g.tracks {
		p := candidate(t)
		p.Taste = c.listener.liking(t, c.listener.usual(t, tastes[i], suits[i]), c.session, c.now)
		p.Stages = g.stages[i]
		c.problem.Candidates = append(c.problem.Candidates, p)
		c.tracks[t.ID] = t
	}
	c.weigh()
	c.lockTempo()
	if c.explores && c.def.Mode == AI {
		c.explore()
	}
}

// How much better a new rest must be before what was planned is given up.
const (
	always     = -1.0  // whatever it costs, what was planned stays, if it can
	steadfast  = 0.05  // by this share of the cost
	responsive = 0.005 // after a skip or a dislike
)

// solve plans c, and sorts the plan or finds its bound; nil where it is one that nobody asks for.
func (s *Service) solve(ctx context.Context, c *composition, tolerance float64, unasked func(planner.Solution) bool) (_ *planner.Solution, err error) {
	var solution planner.Solution
	done := observe.Start(ctx, s.observer, "tunevector.plan")
	defer func() {
		done(
			err,
			observe.Value{Name: "candidates", Number: float64(len(c.problem.Candidates))},
			observe.Value{Name: "tracks", Number: float64(len(solution.Tracks))},
			observe.Value{Name: "gap", Number: solution.Gap},
		)
	}()
	for {
		if solution, err = c.search(ctx, tolerance); err != nil || unasked(solution) {
			return nil, err
		}
		if c.def.Order != ByArc {
			simple := solution.Baselines // of the same vector, whatever its order
			if solution, err = s.reorder(ctx, c, solution.Tracks); err != nil {
				return nil, err
			}
			solution.Baselines = simple
		}
		if !c.triesTooMuch(solution.Tracks) { // else fewer each time
			break
		}
	}
	if c.def.Order == ByArc {
		c.bound(ctx, &solution)
	}
	return &solution, nil
}

// search plans. Where something should be kept, it stays unless the free plan is better by more than the share given. The bound is left to c.bound.
func (c *composition) search(ctx context.Context, tolerance float64) (planner.Solution, error) {
	free, kept, err := c.solveBoth(ctx)
	if err != nil && c.tryNothing() {
		free, kept, err = c.solveBoth(ctx)
	}
	if err != nil && c.unlock() {
		free, kept, err = c.solveBoth(ctx)
	}
	if err != nil {
		return free, cmp.Or(c.unreachable(ctx, err), c.missing(err))
	}
	if kept == nil || tolerance != always && kept.Cost > free.Cost*(1+tolerance) {
		return free, nil
	}
	kept.Baselines, kept.Complete = free.Baselines, free.Complete // of the problem as it was asked, not of what was kept
	return *kept, nil
}

// solveBoth plans freely, and with what should be kept: nil where nothing should, or can. An error is that of the free plan.
func (c *composition) solveBoth(ctx context.Context) (free planner.Solution, kept *planner.Solution, err error) {
	if len(c.keep) == 0 {
		free, err = c.solveFree(ctx)
		return free, nil, err
	}
	beside(func() {
		free, err = c.solveFree(ctx)
	}, func() {
		kept = c.solveKept(ctx)
	})
	return free, kept, err
}

func (c *composition) solveFree(ctx context.Context) (planner.Solution, error) {
	free, bound, err := planner.SolveThenBound(ctx, c.problem)
	c.bound = func(ctx context.Context, solution *planner.Solution) {
		asked := free
		bound(ctx, &asked)
		boundBy(solution, &asked)
	}
	return free, err
}

// whilePlaying is the effort for what bends while it plays with so many seconds left, so that a batch of interactions or readings is answered in some milliseconds: 1 % is lost
// on the cost, and the bound is looser.
func whilePlaying(seconds float64) planner.Effort {
	return planner.Effort{Candidates: max(leastWhilePlaying, int(candidatesPerSlot*seconds/typicalSeconds)), Beam: 8, Moves: 1200, BoundPasses: 1}
}

const (
	leastWhilePlaying = 64
	candidatesPerSlot = 4.0
)

// boundBy gives a solution the bound of another one of the same problem.
func boundBy(solution, free *planner.Solution) {
	solution.Complete = solution.Complete && free.Complete
	solution.LowerBound, solution.BoundOver, solution.Gap = min(free.LowerBound, solution.Cost), free.BoundOver, 0
	if solution.LowerBound > 0 {
		solution.Gap = (solution.Cost - solution.LowerBound) / solution.LowerBound
	}
}

// unchanged reports whether a solution is what should be kept, for the same ends but for what nobody hears.
func (c *composition) unchanged(solution planner.Solution, before, now *vectorRecord) bool {
	if len(solution.Tracks) != len(c.heard)+len(c.keep) ||
		planner.Distance(before.Start, now.Start) > inaudible || planner.Distance(before.End, now.End) > inaudible {
		return false
	}
	for i, t := range c.keep {
		if solution.Tracks[len(c.heard)+i].ID != t.ID || t.Try && !c.isTry(t.ID) {
			return false
		}
	}
	return true
}

// inaudible is the planner's distance up to which an end that moves is no reason to write a plan anew.
const inaudible = 0.02

// maxKeepings is how often it is tried to keep what was planned, each time without what fell into the wrong stage.
const maxKeepings = 4

// solveKept plans with what was there before, as far as it still may be and stays within its stage; nil where no plan has it.
func (c *composition) solveKept(ctx context.Context) *planner.Solution {
	p := c.problem
	p.Pinned = map[int]string{}
	taken := map[string]bool{}
	for position, id := range c.problem.Pinned {
		p.Pinned[position] = id
		taken[id] = true
	}
	there := make(map[string]planner.StageSet, len(p.Candidates))
	for i := range p.Candidates {
		there[p.Candidates[i].ID] = p.Candidates[i].Stages
	}
	for i, t := range c.keep {
		position := len(c.heard) + i
		if _, pinned := p.Pinned[position]; !pinned && !taken[t.ID] {
			if _, ok := there[t.ID]; ok && (!t.Try || c.isTry(t.ID)) { // what was there only to be tried has no other right to its place
				p.Pinned[position] = t.ID
			}
		}
	}
	if c.playing && len(p.Pinned) == len(c.keep) { // then no other track is asked for
		stays := make(map[string]bool, len(p.Pinned))
		for _, id := range p.Pinned {
			stays[id] = true
		}
		p.Candidates = nil
		for i := range c.problem.Candidates {
			if t := &c.problem.Candidates[i]; stays[t.ID] {
				p.Candidates = append(p.Candidates, *t)
			}
		}
	}
	p.Bound, p.Effort = false, planner.Effort{Candidates: c.problem.Effort.Candidates, Beam: 8, Moves: 1}
	for range maxKeepings {
		solution, err := planner.Solve(ctx, p)
		if err != nil {
			return nil
		}
		kept := len(p.Pinned)
		for position, t := range solution.Tracks {
			if t.Pinned && !taken[t.ID] && len(c.def.Stages) > 0 && !there[t.ID].Has(t.Stage) {
				delete(p.Pinned, position) // time has moved it into a stage that it is not of
			}
		}
		if len(p.Pinned) == kept {
			return &solution
		}
	}
	return nil
}

// missing turns the planner's error into one that says what music is missing.
func (c *composition) missing(err error) error {
	var e *planner.InfeasibleError
	if !errors.As(err, &e) {
		return fmt.Errorf("tunevector: plan: %w", err)
	}
	short := ""
	if e.MissingSeconds > 0 {
		short = fmt.Sprintf(": about %s missing", minutesAndSeconds(e.MissingSeconds))
	}
	if e.Stage >= 0 && e.Stage < len(c.def.Stages) {
		return fault.Wrap(err, fault.Conflict, "Not enough music for stages[%d] (%s)%s", e.Stage, c.def.Stages[e.Stage].genre(), short)
	}
	return fault.Wrap(err, fault.Conflict, "Not enough %s to fill %d minutes%s", pluralKinds[c.def.Kind], c.def.DurationMinutes, short)
}

// unreachable tells whether it is the pins that no plan can have: where there is a plan without them, it names those behind its end,
// or all of them.
func (c *composition) unreachable(ctx context.Context, err error) error {
	var e *planner.InfeasibleError
	if !errors.As(err, &e) || len(c.problem.Pinned) == 0 {
		return nil
	}
	p := c.problem
	p.Pinned = nil
	free, without := planner.Solve(ctx, p)
	if without != nil {
		return nil //nolint:nilerr // it is not the pins, and the caller has the error that says what it is
	}
	last := 0
	for position := range c.problem.Pinned {
		last = max(last, position)
	}
	var f fault.Fields
	for i, pin := range c.def.Pinned {
		if pin.Position >= len(c.heard) && (pin.Position >= len(free.Tracks) || last < len(free.Tracks)) {
			f.Add(fmt.Sprintf("pinned[%d].position", i), "No plan of this duration has the track at position %d", pin.Position)
		}
	}
	return f.Err()
}

func minutesAndSeconds(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f seconds are", math.Ceil(seconds))
	}
	return fmt.Sprintf("%.0f minutes are", math.Ceil(seconds/60))
}

// guidedEnds fills in where a guided vector starts and ends, and how it bends on the way. Energy is filled in as ever, around the
// mean of the stages' genres. Each other dimension in which the listener gives nothing goes through the middle of
// each stage's genre in the middle of that stage, moved along with energy by its slope.
func (d *Definition) guidedEnds(stages []vector) (start, end Features, bends []Point) {
	total := float64(d.minutes())
	var mean vector
	for i, m := range stages {
		for dim := range mean {
			mean[dim] += m[dim] * float64(d.Stages[i].Minutes) / total
		}
	}
	start, end = d.ends(mean, lean{})
	given := d.gives()
	through := func(m vector, energyThere float64, dim int) float64 {
		t := dimensions[dim]
		return min(max(m[dim]+t.slope*(energyThere-m[energy]), t.least), t.most)
	}
	s, e := vectorOf(start), vectorOf(end)
	for dim := valence; dim < dimensionCount; dim++ {
		if !given[dim] {
			s[dim] = through(stages[0], s[energy], dim)
			e[dim] = through(stages[len(stages)-1], e[energy], dim)
		}
	}
	start, end = d.Start.over(roundFeatures(s.features())), d.End.over(roundFeatures(e.features()))
	arc := d.arc(start, end, nil)
	from := 0
	for i, m := range stages {
		at := (float64(from) + float64(d.Stages[i].Minutes)/2) / total
		from += d.Stages[i].Minutes
		p := Point{At: at}
		energyThere := arc.At(at).Energy
		for dim, field := range []**float64{valence: &p.Valence, tempo: &p.Tempo, acousticness: &p.Acousticness, instrumentalness: &p.Instrumentalness} {
			if field != nil && !given[dim] {
				v := roundTo(through(m, energyThere, dim), 4)
				*field = &v
			}
		}
		if p.Aim != (Aim{}) {
			bends = append(bends, p)
		}
	}
	return start, end, bends
}

// plan is what is stored of a solution.
func (c *composition) plan(solution planner.Solution) *planRecord {
	p := &planRecord{
		Revision: uuid.NewString(), Duration: solution.Duration, Cost: solution.Cost, Complete: solution.Complete, Baselines: solution.Baselines,
		BoundOver: string(solution.BoundOver),
	}
	if c.def.Order == ByArc && solution.BoundOver != planner.OverNone {
		p.LowerBound, p.Gap = &solution.LowerBound, &solution.Gap
	}
	p.Tracks = append(p.Tracks, c.heard...)
	for i := len(c.heard); i < len(solution.Tracks); i++ {
		t := solution.Tracks[i]
		if len(c.def.Stages) == 0 {
			t.Stage = -1 // those of the problem are for its tries
		}
		p.Tracks = append(p.Tracks, trackRecord{ID: t.ID, Start: t.Start, Duration: t.Duration, Target: roundFeatures(t.Target), Stage: t.Stage, Try: c.isTry(t.ID), Tried: c.tries[t.ID]})
	}
	c.explain(p)
	return p
}
