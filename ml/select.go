package ml

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// SelectOptions say among what [Select] looks, and for how long.
type SelectOptions struct {
	Algorithms []Algorithm // tried in this order first: name the cheap ones first
	// Budget is how long the search takes, with the fit of what it chose that follows; 0 means as long as Trials take. Trials is how many fits there are at
	// most; 0 means as many as the budget is good for. One of the two must be there.
	Budget time.Duration
	Trials int
	Seed   uint64
	// Threads is how many may work; 0 means GOMAXPROCS.
	Threads int
	// Valid is what the data's listeners went on to hear, with the data's columns and perhaps more. nil: it is taken out of the data by [Data.Split].
	Valid *Matrix
	// Listeners is how many listeners each trial is measured on at most; 0 means 5,000.
	Listeners int
	// Fixed are hyperparameters, by algorithm, that all of its trials have and that are not searched.
	Fixed map[string]Values
	// NoBlend leaves out the blend of the best.
	NoBlend bool
	// OneHoldout leaves out the second holdout for the finalists.
	OneHoldout bool
	// Distill, if set, makes smaller models of the best one whose scores are inner products: of half, a quarter and an eighth of its factors.
	Distill Distiller
	// Serving are moments in which a model of situations is going to be asked, as far as any are known: [Audit] compares them with those of the answers.
	Serving []Moment
	// KeepAudited leaves in what Audit finds.
	KeepAudited bool
	// Progress is nil, or called now and then, from one goroutine at a time.
	Progress func(SelectProgress)
}

// SelectProgress is how far a search is.
type SelectProgress struct {
	Trial     int    // from 1 on: the one that goes on, or has just ended
	Algorithm string // of it
	Values    Values // of it; those that are missing are defaults
	Ended     *Trial // nil while it goes on
	Fit       Progress
	Best      float64 // the score of the best so far, see [Metrics]
	Elapsed   time.Duration
}

// Trial is one model that was tried: a row of the leaderboard. What was not measured is 0.
type Trial struct {
	Number    int     `json:"trial"` // from 1 on
	Algorithm string  `json:"algorithm"`
	Values    Values  `json:"values,omitempty"` // hyperparameters; those that are missing are defaults
	Metrics   Metrics `json:"metrics"`          // on the validation cells; of a blend: of lists whose weights were chosen without the listener
	// FitSeconds is how long the fit took, of a blend those of its parts together, and ScoreSeconds how long it took to rank all items for the listeners that
	// it was measured on.
	FitSeconds   float64 `json:"fitSeconds"`
	ScoreSeconds float64 `json:"scoreSeconds"`
	Bytes        int64   `json:"bytes"` // of its tensors
	Seed         uint64  `json:"seed"`
	// Steps are what was measured while it was being fitted, on fewer listeners.
	Steps   []TrialStep `json:"steps,omitempty"`
	Stopped string      `json:"stopped,omitempty"` // why it was given up
	Error   string      `json:"error,omitempty"`   // why it failed
	Parts   []TrialPart `json:"parts,omitempty"`   // of a blend
	// Second is, of a finalist, what it found of a second holdout, which nothing was searched by. It was fitted again for that, to less: without both holdouts. So it tells finalists from each other,
	// and is less than what the model is good for.
	Second *Metrics `json:"second,omitempty"`
	// Teacher is, of a model that was made of a larger one, the number of that trial, and Loss its NDCG@10 less this one's.
	Teacher int     `json:"teacher,omitempty"`
	Loss    float64 `json:"loss,omitempty"`

	gains       []float64  // of each listener, or of each answer
	secondGains []float64  // likewise, on the second holdout
	past        bool       // the second holdout lies further in the past than the first
	held        []Judgment // of each answer
}

// TrialStep is how good a model was in the middle of its fit.
type TrialStep struct {
	Step   int     `json:"step"`
	NDCG10 float64 `json:"ndcg10"`
}

// TrialPart is a trial that a blend is made of.
type TrialPart struct {
	Trial  int     `json:"trial"`
	Weight float64 `json:"weight"`
}

// Done reports whether it was fitted and measured.
func (t *Trial) Done() bool { return t.Stopped == "" && t.Error == "" }

// Selection is what [Select] found.
type Selection struct {
	Trials []Trial `json:"trials"` // in the order in which they were tried
	Best   int     `json:"best"`   // index of the chosen one in Trials; −1 if none came to an end
	Reason string  `json:"reason"` // why that one, in English

	Audit []Finding `json:"audit,omitempty"` // aspects that were left out, unless they were to be kept

	Listeners int     `json:"listeners"` // in the data
	Items     int     `json:"items"`
	Cells     int     `json:"cells"`
	Held      int     `json:"held"`  // cells that the models did not see and were measured by
	Split     string  `json:"split"` // how they were chosen
	Seed      uint64  `json:"seed"`
	Seconds   float64 `json:"seconds"`
	Ended     string  `json:"ended"` // why the search did

	algorithm Algorithm
	values    Values
	model     Model
	held      []Judgment
}

// Foretold returns, of a search for a model of situations, what was foretold of each answer that is not aside by models that had not seen it, in their order, by the chosen algorithm.
func (s *Selection) Foretold() []Judgment { return s.held }

// Model returns the chosen model as it was measured: fitted to the data without the validation cells. It is nil only where no trial came to an end.
func (s *Selection) Model() Model { return s.model }

// Chosen returns what the chosen model was fitted with, to fit it again to all data.
func (s *Selection) Chosen() (Algorithm, Values) { return s.algorithm, s.values }

const (
	defaultListeners = 5000
	watchListeners   = 500
	selectSalt       = 0x73656c656374
)

// ErrNothingHeld is Select's where nothing can tell models apart.
var ErrNothingHeld = errors.New("ml: nothing to choose a model by: no listener has as many as 2 items, or no validation cell is of a listener of the data")

// Select fits models of the algorithms with one set of hyperparameters after the other, and chooses one by NDCG@10 on validation cells.
//
// First come the defaults of each algorithm, then what else a [Starter] begins with. From then on, the algorithm of the next trial is the one with the greatest upper confidence bound: its best
// NDCG@10 plus a bonus for those seldom tried (Auer, Cesa-Bianchi and Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002). Its
// hyperparameters are drawn at random, one time in three, or around the best so far. A fit that goes on in steps is given up when it is worse after a
// step than half of the algorithm's fits were after as many (the median rule of Golovin et al., "Google Vizier", 2017).
//
// What is best of many on one holdout is so by luck, too. So where algorithms were tried more than once, and the budget is good for it, the best three of each are fitted once more without another
// tenth of each listener's cells, the newest of those that are left where times are known, and measured by these; an algorithm's best is the one with the greatest mean of both.
// Then smaller models are made of the best factored one, if there is a [Distiller], and the best of each
// algorithm are blended (see [Blend]), but for those that are too slow for the budget; these are measured on both holdouts, too.
//
// The model with the greatest NDCG@10 is chosen, the mean of both holdouts if there are two, unless another is no different from it and takes at most half as many bytes: then the smallest of those. No
// different is what differs by no more than one standard error of the difference, listener by listener, and by no more than .005.
//
// The sequence of trials depends on data, options and seed only, not on the clock, but for a search under a budget: the clock says when it ends and which models
// are too slow to be blended, and an algorithm whose defaults take more than half of what is left of the budget is not tried again. Where an algorithm's models depend on the
// number of threads, so does the sequence.
//
// Where the data have answers and no cells, models of situations are chosen. They are measured by what was foretold of each answer by predictors that had not seen it (see [Foreteller]), and by the log loss: the score
// is by how many nats an answer is foretold better than by always saying the mean. No different is then what differs by no more than .0005. Since answers are few, what is best of many is so by luck, too: other
// hyperparameters take the place of those that an algorithm had so far only if they are better by more than one standard error of the difference, answer by answer (the rule of one standard error of Breiman et al., "Classification and
// regression trees", 1984). Before all else, aspects that [Audit] finds are left out.
//
// Trials that fail are rows like others. When ctx ends, what is known so far is returned with its error. Wrong options are one error that names each.
func Select(ctx context.Context, d *Data, o SelectOptions) (*Selection, error) {
	if err := o.check(d); err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	answered := len(d.Answers) > 0 && d.Heard.Cells() == 0
	var found []Finding
	if answered {
		var err error
		if found, err = Audit(d, o.Serving); err != nil {
			return nil, err
		}
		if !o.KeepAudited {
			d = d.WithoutAspects(aspectsOf(found)...)
		}
	}
	s := newSearch(d, o, answered)
	s.all.Audit = found
	if s.all.Held == 0 {
		return nil, ErrNothingHeld
	}
	s.run(ctx)
	if ctx.Err() == nil && !answered {
		s.confirm(ctx)
	}
	if ctx.Err() == nil && !answered {
		s.distill(ctx)
	}
	inTime := o.Budget == 0 || time.Since(s.start)+s.blendTime() <= o.Budget
	if ctx.Err() == nil && !o.NoBlend && inTime {
		s.together(ctx)
	}
	s.choose(ctx)
	s.all.Seconds = time.Since(s.start).Seconds()
	if ctx.Err() != nil {
		s.all.Ended = endedStopped
		return s.all, ctx.Err()
	}
	if s.all.Best < 0 {
		return s.all, errors.New("ml: no trial came to an end: " + s.failures())
	}
	return s.all, nil
}

const (
	endedTrials  = "as many trials as were allowed"
	endedBudget  = "the budget"
	endedNothing = "nothing new to try"
	endedStopped = "stopped from outside"
)

func (o *SelectOptions) check(d *Data) error {
	var f fault.Fields
	if len(o.Algorithms) == 0 {
		f.Add("Algorithms", "are required")
	}
	if o.Budget < 0 || o.Trials < 0 || o.Budget == 0 && o.Trials == 0 {
		f.Add("Budget", "or Trials must be above 0, and neither below")
	}
	if o.Listeners < 0 {
		f.Add("Listeners", "must not be negative")
	}
	if d.Heard != nil && o.Valid != nil && (o.Valid.Rows() != d.Heard.Rows() || o.Valid.Columns < d.Heard.Columns) {
		f.Add("Valid", "is %d × %d, must have the data's rows and at least its columns, %d × %d", o.Valid.Rows(), o.Valid.Columns, d.Heard.Rows(), d.Heard.Columns)
	}
	names := map[string]bool{}
	for _, a := range o.Algorithms {
		if names[a.Name()] {
			f.Add("Algorithms", "have %q twice", a.Name())
		}
		names[a.Name()] = true
		if e, ok := fault.As(o.Fixed[a.Name()].Check(a.Parameters())); ok {
			for name, what := range e.Fields {
				f.Add("Fixed["+a.Name()+"]."+name, "%s", what)
			}
		}
	}
	for name := range o.Fixed {
		if !names[name] {
			f.Add("Fixed["+name+"]", "is of no algorithm that is tried")
		}
	}
	return f.Err()
}

// search is the state of Select.
type search struct {
	SelectOptions
	start    time.Time
	least    int // cells of listeners who are split
	train    *Data
	valid    *Matrix
	watching *Matrix // a part of valid, for the time of fits
	arms     []*arm
	all      *Selection
	second   *again // nil: there is none
	answered bool   // models of situations are chosen
}

func newSearch(d *Data, o SelectOptions, answered bool) *search {
	if o.Listeners == 0 {
		o.Listeners = defaultListeners
	}
	s := &search{SelectOptions: o, start: time.Now(), least: splitLeast, train: d, valid: o.Valid, answered: answered}
	s.all = &Selection{Best: -1, Listeners: len(d.Listeners), Items: len(d.Items), Cells: d.Heard.Cells(), Seed: o.Seed, Split: "given"}
	for _, a := range o.Algorithms {
		s.arms = append(s.arms, newArm(a, o.Fixed[a.Name()]))
	}
	if answered {
		for i := range d.Answers {
			if !d.Answers[i].Aside {
				s.all.Held++
			}
		}
		s.all.Split = "each answer by a model that had not seen it"
		return s
	}
	if s.valid == nil {
		s.least = d.leastToSplit()
		s.train, s.valid = d.split(o.Seed, o.Listeners, s.least)
		s.all.Split = "a tenth of each listener's cells, at random"
		if d.Times != nil {
			s.all.Split = "a tenth of each listener's cells, the newest"
		}
	}
	s.valid = sample(s.valid, o.Listeners, o.Seed)
	s.watching = sample(s.valid, watchListeners, o.Seed)
	s.all.Held = s.valid.Cells()
	return s
}

// sample returns the matrix with at most so many of the rows that have cells; the others are empty.
func sample(m *Matrix, most int, seed uint64) *Matrix {
	var rows []int
	for u := range m.Rows() {
		if m.Starts[u] < m.Starts[u+1] {
			rows = append(rows, u)
		}
	}
	if len(rows) <= most {
		return m
	}
	r := rand.New(rand.NewPCG(seed, selectSalt))
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	in := make([]bool, m.Rows())
	for _, u := range rows[:most] {
		in[u] = true
	}
	out := &Matrix{Columns: m.Columns, Starts: make([]int, m.Rows()+1)}
	for u := range m.Rows() {
		if in[u] {
			cols, weights := m.Row(u)
			out.Cols, out.Weights = append(out.Cols, cols...), append(out.Weights, weights...)
		}
		out.Starts[u+1] = len(out.Cols)
	}
	return out
}

// run makes trials until something ends them.
func (s *search) run(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		if s.Trials > 0 && n > s.Trials {
			s.all.Ended = endedTrials
			return
		}
		a, v := s.next(n)
		if a == nil {
			s.all.Ended = endedNothing
			return
		}
		first := len(a.trials) == 0
		limit := s.limit(first)
		if first {
			limit /= 2
		}
		if s.Budget > 0 && (limit <= 0 || !first && limit.Seconds() < a.best.FitSeconds/2) { // too little for anything
			s.all.Ended = endedBudget
			return
		}
		s.try(ctx, n, a, v, limit)
	}
}

const (
	// headroom is what is kept of the budget beyond what fits took when they were last made.
	headroom = 1.25
	// poolTime is how many times as long as a ranking it takes to look at the same scores for a blend, and weighTime how many seconds one thread takes for the weights
	// of a part per listener. Both are guesses on the safe side.
	poolTime  = 4
	weighTime = 5e-4
	// blendShare is which part of the budget the models of a blend may take, besides the best.
	blendShare = 0.3
)

// limit returns how long a trial may take so that the best can be blended and fitted again. The first trials of
// algorithms do not wait for a blend: without them there is nothing to blend.
func (s *search) limit(first bool) time.Duration {
	if s.Budget == 0 {
		return 0
	}
	keep := time.Duration(0)
	for _, a := range s.parts()[:min(1, len(s.parts()))] {
		keep = seconds(headroom * a.best.FitSeconds)
	}
	if !first {
		keep = max(keep, s.blendTime())
		if s.second == nil {
			keep += s.confirmKeep()
		}
	}
	return s.Budget - time.Since(s.start) - keep
}

// blendTime returns how long a blend may take, with the fit of its parts that follows.
func (s *search) blendTime() time.Duration {
	if s.NoBlend {
		return 0
	}
	sum := time.Duration(0)
	for _, a := range s.parts() {
		sum += s.partTime(a)
	}
	return sum
}

// partTime returns how long the best model of an algorithm takes to be blended and fitted again.
func (s *search) partTime(a *arm) time.Duration {
	weigh := weighTime * float64(a.best.Metrics.Listeners) / float64(threadsOr(s.Threads))
	return seconds(headroom*a.best.FitSeconds + poolTime*a.best.ScoreSeconds + weigh)
}

func seconds(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }

// bonus is how much of the best NDCG@10 the upper bound of an algorithm seldom tried lies above its own best.
const bonus = 0.2

// next returns the algorithm and the values of trial n; nil if there are none.
func (s *search) next(n int) (*arm, Values) {
	top := s.top()
	for _, a := range s.arms {
		if len(a.trials) == 0 {
			return a, a.fixed
		}
	}
	for _, a := range s.arms {
		if v := a.start(); v != nil {
			return a, v
		}
	}
	for {
		var chosen *arm
		most := math.Inf(-1)
		for _, a := range s.arms {
			if a.over || a.best == nil {
				continue
			}
			if bound := a.best.Metrics.Score() + bonus*top*math.Sqrt(math.Log(float64(n))/float64(len(a.trials))); bound > most {
				chosen, most = a, bound
			}
		}
		if chosen == nil {
			return nil, nil
		}
		if v := chosen.propose(rand.New(rand.NewPCG(s.Seed^selectSalt, uint64(n)))); v != nil {
			return chosen, v
		}
		chosen.over = true
	}
}

// top returns the best NDCG@10 so far.
func (s *search) top() (top float64) {
	for _, a := range s.arms {
		if a.best != nil {
			top = max(top, a.best.Metrics.Score())
		}
	}
	return top
}

// try makes a trial. limit is how long it may take; 0 means as long as it does.
func (s *search) try(ctx context.Context, n int, a *arm, v Values, limit time.Duration) {
	t := &Trial{Number: n, Algorithm: a.Name(), Values: v, Seed: s.Seed}
	a.trials = append(a.trials, t)
	inside, cancel := ctx, func() {}
	if limit > 0 {
		inside, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	start, watched := time.Now(), time.Duration(0)
	fit := FitOptions{Seed: s.Seed, Threads: s.Threads, Progress: func(p Progress) { s.tell(t, nil, p) }}
	if !s.answered {
		fit.Watch = s.watcher(inside, a, t, &watched)
	}
	s.tell(t, nil, Progress{})
	m, err := a.Fit(inside, s.train, v, fit)
	t.FitSeconds = (time.Since(start) - watched).Seconds()
	if err == nil {
		err = s.measure(inside, m, t)
	}
	a.curves = append(a.curves, t.Steps)
	switch {
	case ctx.Err() != nil && err != nil:
		t.Stopped = endedStopped
	case inside.Err() != nil && err != nil:
		t.Stopped = fmt.Sprintf("took longer than the %.1f s that the budget left for it", limit.Seconds())
		a.over = a.over || a.best == nil
	case errors.Is(err, ErrStopped): // watch said why
	case err != nil:
		t.Error = err.Error()
	default:
		if a.beaten(t) {
			a.best, a.model = t, m
		}
	}
	s.all.Trials = append(s.all.Trials, *t)
	s.tell(t, t, Progress{})
}

// watcher measures the time that watching takes, besides.
func (s *search) watcher(ctx context.Context, a *arm, t *Trial, watched *time.Duration) func(step, steps int, m Model) bool {
	return func(step, steps int, m Model) bool {
		from := time.Now()
		defer func() { *watched += time.Since(from) }()
		return s.watch(ctx, a, t, step, steps, m)
	}
}

// measure evaluates a fitted model.
func (s *search) measure(ctx context.Context, m Model, t *Trial) error {
	for _, tensor := range m.Tensors().Tensors {
		t.Bytes += int64(len(tensor.Data))
	}
	if s.answered {
		return s.hold(m, t)
	}
	start := time.Now()
	r, err := rank(ctx, m, s.train.Heard, s.valid, recallDepth, s.Threads)
	if err != nil {
		return err
	}
	t.ScoreSeconds = time.Since(start).Seconds()
	t.Metrics, t.gains = r.metrics(), r.gains
	return nil
}

const (
	watchEnough = 3 // curves for a median
	watchFrom   = 4 // a fit is not judged before this part of its steps
)

// watch measures a model in the middle of its fit, and says whether to go on.
func (s *search) watch(ctx context.Context, a *arm, t *Trial, step, steps int, m Model) bool {
	if step*watchFrom < steps {
		return true
	}
	metrics, err := Evaluate(ctx, m, s.train.Heard, s.watching, s.Threads)
	if err != nil {
		return true // the fit finds out by itself
	}
	t.Steps = append(t.Steps, TrialStep{step, metrics.NDCG10})
	var there []float64
	for _, curve := range a.curves {
		if i := slices.IndexFunc(curve, func(c TrialStep) bool { return c.Step == step }); i >= 0 {
			there = append(there, curve[i].NDCG10)
		}
	}
	if len(there) < watchEnough {
		return true
	}
	slices.Sort(there)
	if median := there[(len(there)-1)/2]; metrics.NDCG10 < median {
		t.Stopped = fmt.Sprintf("NDCG@10 %.4f after step %d of %d, where half of the others had %.4f", metrics.NDCG10, step, steps, median)
		return false
	}
	return true
}

func (s *search) tell(t, ended *Trial, p Progress) {
	if s.Progress != nil {
		s.Progress(SelectProgress{
			Trial: t.Number, Algorithm: t.Algorithm, Values: t.Values, Ended: ended, Fit: p, Best: s.top(), Elapsed: time.Since(s.start),
		})
	}
}
