package ml

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Situations trains models of situations from the answers of all listeners, and has the live one at hand for requests: as [Recommender] does for taste, with a registry of its own in the same store, the
// same kind of trainer, lease, resumption, swap and rollback. It is safe for concurrent use.
//
// Answers are joined with what was known of the moment when a training reads them, listener by listener, and kept nowhere: see [SituationOptions.Answers]. At most the newest 300 of a listener count, and 20,000 in all; where there are more,
// they are of listeners drawn anew for each training. Listeners are numbers; no id of a profile is in data, models or checkpoints. A track
// that fewer listeners than [Options.MinListeners] answered to has no name in them, and no artists.
//
// The newest tenth of each listener's answers is held out. The new model goes live if it foretells these better (by the log loss, and no worse by the AUC) for somebody of whom nothing is known
// than it does without the situation, and better than the live one does. At least 20 listeners must have answers held out, and these must be 100.
//
// # What was withdrawn
//
// A version is used for 24 hours after the end of its data at most, by the clock of each instance, whatever works or does not. It is trained again after 20 hours, as long as one is live; then the
// live one goes, whatever it is worth: into its place comes the new one, or none. The same holds in any training, also a sooner one, after [Situations.Withdrawn] was called. What has gone so is deleted with its file in that
// training, and so are all that could be gone back to and all that never went live. If no training comes to an end, the live one is retired, and all files are deleted, when their 24 hours are over.
// So what a listener has withdrawn is in no model and in no file after the next training, and after 24 hours at the latest where a process runs; where none does, the files stay until one does, and are not used.
type Situations struct {
	*keeper[Prior]
	answers func(ctx context.Context, profileID uuid.UUID, until time.Time) ([]Answered, error)
	aspects []Aspect
}

// Answered is an answer, and to what it was given.
type Answered struct {
	Answer // Listener and Item are not looked at
	Of     Item
}

// SituationOptions say what Situations are trained with; all but Select are required.
type SituationOptions struct {
	Algorithms []Algorithm // whose models are [Situated], the cheap ones first
	Blobs      Blobs
	Trainer    ModelTrainer // over Blobs
	// Select says how they are tried, as for a [Recommender]. What the [Audit] finds is left out unless it is to be kept.
	Select SelectOptions
	// Aspects are what may be known of a moment.
	Aspects []Aspect
	// Answers returns the newest answers of a listener before a moment, at most 300, in any order, with what is known of their moments under consents that live now. Nobody who has not opted into anything should
	// have any. Items are only such as may be learned from. The same log and readings give the same answers.
	Answers func(ctx context.Context, profileID uuid.UUID, until time.Time) ([]Answered, error)
}

const (
	mostAnswers       = 20_000
	mostAnswersOfOne  = 300
	fewestAsked       = 100            // answers that models are measured by
	situationsAgain   = 20 * time.Hour // so that there is time to try again before what is live must go
	situationsLast    = 24 * time.Hour
	situationsResume  = 4 * time.Hour
	knownEnough       = 100 // answers in which an aspect was known
	mostReference     = 200 // items
	withdrawnSort     = "withdrawn"
	unnamed           = "~" // before the number of an item that has no name
	situationsTouched = 256 // answers between two looks at the context
)

// NewSituations returns Situations over a log and the store that it is in.
func NewSituations(interactions *Service, o SituationOptions) (*Situations, error) {
	var f fault.Fields
	if o.Answers == nil {
		f.Add("Answers", "is required")
	}
	if _, err := checkAspects(o.Aspects); err != nil || len(o.Aspects) == 0 {
		f.Add("Aspects", "must be there, each once and of a known kind")
	}
	s := &Situations{answers: o.Answers, aspects: slices.Clone(o.Aspects)}
	var err error
	if s.keeper, err = newKeeper(OfSituations, s, interactions, o.Algorithms, o.Blobs, o.Trainer, o.Select, &f); err != nil {
		return nil, err
	}
	return s, nil
}

// ExpireSituations deletes models of situations whose day is over, with their files, for an instance that trains none beside or after others that do. Where there is nothing to delete it costs a read.
func ExpireSituations(ctx context.Context, interactions *Service, b Blobs) error {
	registry, err := NewRegistry(interactions.store, b, OfSituations, interactions.now)
	if err != nil {
		return err
	}
	s := &Situations{}
	s.keeper = &keeper[Prior]{log: interactions, registry: registry, craft: s, blobs: b}
	state, err := s.change(ctx, func(*trainingState) bool { return false })
	if err != nil {
		return err
	}
	_, err = s.expire(ctx, state)
	return err
}

// ErrTooFewAnswers is the error where there are not enough answers yet to learn situations from: a conflict.
var ErrTooFewAnswers = fault.New(fault.Conflict, "There is not enough to learn situations from yet: %d answers of %d listeners who have opted into something must be there to be held out, a tenth of all",
	fewestAsked, fewestJudges)

// Withdrawn notes that something was withdrawn which models may have learned from: a consent has ended. From the next training on nothing that was trained before is used, see [Situations]. It must be called after
// what was withdrawn is out of reach of the function that returns answers.
func (s *Situations) Withdrawn(ctx context.Context) error { return s.log.Withdrawn(ctx) }

// Withdrawn is [Situations.Withdrawn] for an instance that has no models, beside others that do.
func (s *Service) Withdrawn(ctx context.Context) error {
	return store.Settle(ctx, s.store, store.Put(store.Item{Key: OfSituations.key(withdrawnSort), Body: []byte(`{}`)}, store.None))
}

// withdrawn names what has been withdrawn so far: by the version, which is another each time.
func (s *Situations) withdrawn(ctx context.Context) (string, error) {
	item, err := s.log.store.Get(ctx, s.registry.key(withdrawnSort), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return hex.EncodeToString(item.Version[:]), err
}

// Prior is what the live model says of somebody of whom nothing is known. It is immutable and safe for concurrent use; a nil Prior knows nothing.
type Prior struct {
	version   Version
	person    Person
	reference []Item
}

// Prior returns the live model's; nil where none is live, or its time is over.
func (s *Situations) Prior() *Prior {
	if s == nil {
		return nil
	}
	p := s.live.Load()
	if p == nil || s.over(p.version, nil) != "" {
		return nil
	}
	return p
}

// Live returns the version whose model this instance serves; false for none.
func (s *Situations) Live() (Version, bool) {
	if p := s.Prior(); p != nil {
		return p.version, true
	}
	return Version{}, false
}

// At returns a judge for a moment. It knows items by their ids, where the model does.
func (p *Prior) At(m Moment) Judge { return p.person.At(m) }

// Trust is how much the model is to be believed about situations, 0–1: s·z ⁄ (1 + z), where s is by how much what it says of them has to be multiplied for somebody of whom nothing is known (at most 1), and z how many
// standard errors the gain that the situation made on answers held out is above 0.
func (p *Prior) Trust() float64 {
	if p == nil {
		return 0
	}
	a := p.version.Metrics.Answers
	if a == nil || !(a.MomentGain > 0) || !(a.MomentError > 0) {
		return 0
	}
	z := a.MomentGain / a.MomentError
	return min(a.MomentShare, 1) * z / (1 + z)
}

// Knows reports whether the model has learned of an aspect, from 100 answers at least.
func (p *Prior) Knows(aspect string) bool { return p != nil && p.version.Known[aspect] >= knownEnough }

// Reference are some items that the model was fitted on, at most 200, of which the features are known: by them it can be told what music suits a moment. They are the Prior's.
func (p *Prior) Reference() []Item { return p.reference }

// The craft of models of situations.

func (s *Situations) terms() terms {
	return terms{train: "ml.train-situations", swap: "ml.swap-situations", again: situationsAgain, resumes: situationsResume, lasts: situationsLast}
}

func (s *Situations) versionOf(p *Prior) Version { return p.version }

func (s *Situations) polled(ctx context.Context, _ *Prior) error { return ctx.Err() }

func (s *Situations) made(ctx context.Context, v Version, m Model) (*Prior, error) {
	sit, err := situatedModel(m)
	if err != nil {
		return nil, err
	}
	p := &Prior{version: v, person: byName(sit)}
	items := m.Items()
	var some []string
	for i := range min(len(items), mostReference) {
		if id := items[i*len(items)/min(len(items), mostReference)]; id[0] != unnamed[0] {
			some = append(some, id)
		}
	}
	about, err := s.log.about(ctx, some)
	for _, item := range about {
		if item.Confidence > 0 && len(item.Features) > 0 {
			p.reference = append(p.reference, item)
		}
	}
	return p, err
}

func (s *Situations) over(v Version, l lesson) string {
	age := s.log.now().Sub(v.Until)
	if of, is := l.(*sensing); is && of.withdrawn != v.Withdrawn {
		return "something was withdrawn that the live one may have learned from"
	} else if is && age >= situationsAgain || age >= situationsLast {
		return "the day of the live one is over"
	}
	return ""
}

func (s *Situations) worthless(v Version) string {
	a := v.Metrics.Answers
	if a == nil || !(a.LogLoss < a.LogLossWithout) || a.AUC < a.AUCWithout {
		return fmt.Sprintf("the situation does not help to foretell the answers held out: %v", v.Metrics)
	}
	return ""
}

func (s *Situations) better(v Version, before Metrics) (bool, string) {
	a, b := v.Metrics.Answers, before.Answers
	if a == nil || b == nil {
		return false, "nothing was measured"
	}
	why := fmt.Sprintf("log loss %.4f against %.4f of the live one, on the same answers", a.LogLoss, b.LogLoss)
	if a.LogLoss == b.LogLoss {
		return a.AUC > b.AUC, fmt.Sprintf("%s, and AUC %.4f against %.4f", why, a.AUC, b.AUC)
	}
	return a.LogLoss < b.LogLoss, why
}

func (s *Situations) values(v Version) []observe.Value {
	all := []observe.Value{{Name: "answers", Number: float64(v.Answers)}}
	if a := v.Metrics.Answers; a != nil {
		all = append(all, observe.Value{Name: "logloss", Number: a.LogLoss}, observe.Value{Name: "auc", Number: a.AUC})
	}
	return all
}

// sensing is a lesson in situations.
type sensing struct {
	withdrawn string
	events    int   // read of the log
	answers   int   // fitted on
	train     *Data // without what is held out
	valid     []Answer
	known     map[string]int
}

func (s *Situations) lesson(ctx context.Context, until time.Time) (lesson, error) {
	l := &sensing{known: map[string]int{}}
	var err error
	if l.withdrawn, err = s.withdrawn(ctx); err != nil { // before anything is read
		return nil, err
	}
	var listeners [][]Answered
	for shard := range dayShards {
		ids, events, err := s.log.listenersOf(ctx, shard, until)
		if err != nil {
			return nil, err
		}
		l.events += events
		for n := 0; len(ids) > 0 && n < mostAnswers/dayShards; ids = ids[1:] {
			all, err := s.answers(ctx, ids[0], until)
			if err != nil {
				return nil, err
			}
			if len(all) == 0 {
				continue
			}
			slices.SortStableFunc(all, func(a, b Answered) int { return cmp.Compare(a.At, b.At) })
			all = slices.Clip(all[max(0, len(all)-mostAnswersOfOne):])
			listeners = append(listeners, all)
			n += len(all)
		}
	}
	return l, l.fill(listeners, s.aspects, s.log.minListeners)
}

// listenersOf returns whose interactions are in a shard of the log of the 90 days before a moment, in an order that is another for each moment, and how many these are.
func (s *Service) listenersOf(ctx context.Context, shard int, until time.Time) (ids []uuid.UUID, events int, err error) {
	from := until.Add(-Retention)
	known := map[uuid.UUID]struct{}{}
	for d := dayOf(from); d.Before(until); d = d.Add(day) {
		for l, err := range s.shardOfDay(ctx, d, shard) {
			if err != nil {
				return nil, 0, err
			}
			if !l.At.Before(from) && l.At.Before(until) {
				known[l.ProfileID] = struct{}{}
				events++
			}
		}
	}
	place := make(map[uuid.UUID][sha256.Size]byte, len(known))
	for id := range known {
		place[id] = sha256.Sum256(binary.LittleEndian.AppendUint64(id[:], uint64(until.Unix())))
	}
	ids = slices.SortedFunc(maps.Keys(known), func(a, b uuid.UUID) int {
		x, y := place[a], place[b]
		return bytes.Compare(x[:], y[:])
	})
	return ids, events, ctx.Err()
}

// fill makes the data of the answers of some listeners, each in order of time.
func (l *sensing) fill(listeners [][]Answered, aspects []Aspect, minListeners int) error {
	by := map[string]int{} // how many listeners answered to each
	last := map[string]int{}
	about := map[string]Item{}
	for u, all := range listeners {
		for _, a := range all {
			if at, seen := last[a.Of.ID]; !seen || at != u {
				by[a.Of.ID]++
			}
			last[a.Of.ID], about[a.Of.ID] = u, a.Of
		}
	}
	d := &Data{Aspects: aspects}
	columns := map[string]int32{}
	add := func(id, name string, item Item) {
		columns[id] = int32(len(d.Items))
		item.ID = name
		d.Items, d.About = append(d.Items, name), append(d.About, item)
	}
	for _, id := range slices.Sorted(maps.Keys(by)) {
		if by[id] >= minListeners {
			add(id, id, about[id])
		}
	}
	for u, all := range listeners {
		d.Listeners = append(d.Listeners, strconv.Itoa(u))
		held := 0
		if len(all) >= splitLeast {
			held = max(1, int(math.Floor(splitShare*float64(len(all))+0.5))) //nolint:mnd // to the nearest
		}
		for i := range all {
			if _, there := columns[all[i].Of.ID]; !there {
				item := all[i].Of
				item.Artists = nil
				add(item.ID, unnamed+strconv.Itoa(len(d.Items)), item)
			}
			a := all[i].Answer
			a.Listener, a.Item = int32(u), columns[all[i].Of.ID]
			if i >= len(all)-held {
				l.valid = append(l.valid, a)
				continue
			}
			for name := range a.Moment.Numbers {
				l.known[name]++
			}
			for name := range a.Moment.Words {
				l.known[name]++
			}
			d.Answers = append(d.Answers, a)
		}
	}
	d.Heard = &Matrix{Columns: len(d.Items), Starts: make([]int, len(d.Listeners)+1)}
	l.train, l.answers = d, len(d.Answers)
	if err := d.Check(); err != nil {
		return err
	}
	held := *d
	held.Answers = l.valid
	return held.checkAnswers()
}

func (l *sensing) data() *Data { return l.train }
func (l *sensing) size() int   { return l.events }

func (l *sensing) few() error {
	listeners := map[int32]bool{}
	for i := range l.valid {
		listeners[l.valid[i].Listener] = true
	}
	if len(listeners) < fewestJudges || len(l.valid) < fewestAsked {
		return ErrTooFewAnswers
	}
	return nil
}

func (l *sensing) choice(o SelectOptions) (*Data, SelectOptions) { return l.train, o }

func (l *sensing) leave(aspects ...string) {
	if len(aspects) > 0 {
		l.train = l.train.WithoutAspects(aspects...)
	}
}

func (l *sensing) note(v *Version) {
	v.Answers, v.Known, v.Withdrawn = l.answers, map[string]int{}, l.withdrawn
	for _, a := range l.train.Aspects {
		if n := l.known[a.Name]; n > 0 {
			v.Known[a.Name] = n
		}
	}
}

// measure asks a model for the answers held out, as of somebody of whom nothing is known. Models are calibrated for listeners whom they know; so what they say of others is calibrated here, with the situation and without, on the
// answers of some listeners for those of the rest.
func (l *sensing) measure(ctx context.Context, m Model) (Metrics, error) {
	sit, err := situatedModel(m)
	if err != nil {
		return Metrics{}, err
	}
	person := byName(sit)
	s := &strangers{answers: l.valid}
	for i := range l.valid {
		a := &l.valid[i]
		if i%situationsTouched == 0 && ctx.Err() != nil {
			return Metrics{}, ctx.Err()
		}
		j := person.At(a.Moment).OfNew(l.train.About[a.Item])
		s.base, s.effect = append(s.base, logOdds(j.Without)), append(s.effect, logOdds(j.Probability)-logOdds(j.Without))
	}
	foretold, likings := s.foretell()
	metrics, _ := measureAnswers(likings, foretold)
	metrics.MomentShare = s.fit(func(int) bool { return true })[2]
	metrics.MomentGain = metrics.LogLossWithout - metrics.LogLoss
	// The answers of a listener are alike: what counts is how much the listeners differ.
	sums, n := map[int32]float64{}, float64(len(l.valid))
	for i, j := range foretold {
		sums[l.valid[i].Listener] += crossEntropy(likings[i], j.Without) - crossEntropy(likings[i], j.Probability) - metrics.MomentGain
	}
	square := 0.0
	for _, u := range slices.Sorted(maps.Keys(sums)) { // in order, so that rounding is the same
		square += sums[u] * sums[u]
	}
	if k := float64(len(sums)); k > 1 {
		metrics.MomentError = math.Sqrt(square*k/(k-1)) / n
	}
	return Metrics{Answers: &metrics}, nil
}

// strangers are answers and what a model says of them, as log odds: without the situation, and what the situation adds.
type strangers struct {
	answers      []Answer
	base, effect []float64
}

const (
	strangerFolds = 5
	strangerSteps = 20
	strangerPrior = 4   // precision of a constant around 0, and of what log odds are multiplied by around 1, for the situation around a half
	strangerHalf  = 0.5 // what is expected of the situation before any was seen
)

// foretell returns judgments of the answers, each calibrated on the answers of other listeners.
func (s *strangers) foretell() (foretold []Judgment, likings []float64) {
	foretold, likings = make([]Judgment, len(s.answers)), make([]float64, len(s.answers))
	for fold := range int32(strangerFolds) {
		others := func(i int) bool { return s.answers[i].Listener%strangerFolds != fold }
		with := s.fit(others)
		without := with
		without[2] = 0
		for i := range s.answers {
			if !others(i) {
				likings[i] = s.answers[i].Liking
				foretold[i] = Judgment{Probability: probability(s.odds(i, with)), Without: probability(s.odds(i, without))}
			}
		}
	}
	return foretold, likings
}

func (s *strangers) odds(i int, c [3]float64) float64 {
	return c[0] + c[1]*s.base[i] + c[2]*s.effect[i]
}

// fit calibrates by logistic regression with normal priors, on some of the answers: first a constant and what the base is multiplied by, then what the effect is multiplied by beside these, from 0 up.
func (s *strangers) fit(in func(i int) bool) [3]float64 {
	c := [3]float64{0, 1, 0}
	for range strangerSteps {
		var g0, g1, h00, h01, h11 float64
		h00, h11 = strangerPrior, strangerPrior
		g0, g1 = -strangerPrior*c[0], strangerPrior*(1-c[1])
		for i := range s.answers {
			if !in(i) {
				continue
			}
			p, x := probability(s.odds(i, c)), s.base[i]
			g0, g1 = g0+s.answers[i].Liking-p, g1+(s.answers[i].Liking-p)*x
			h00, h01, h11 = h00+p*(1-p), h01+p*(1-p)*x, h11+p*(1-p)*x*x
		}
		d := h00*h11 - h01*h01 // above 0 by the priors
		c[0] += step((h11*g0 - h01*g1) / d)
		c[1] += step((h00*g1 - h01*g0) / d)
	}
	c[2] = strangerHalf
	for range strangerSteps {
		g, h := strangerPrior*(strangerHalf-c[2]), float64(strangerPrior)
		for i := range s.answers {
			if in(i) {
				p, x := probability(s.odds(i, c)), s.effect[i]
				g, h = g+(s.answers[i].Liking-p)*x, h+p*(1-p)*x*x
			}
		}
		c[2] += step(g / h)
	}
	c[2] = max(c[2], 0)
	return c
}

// step is a step of Newton's method, not trusted farther than 1.
func step(x float64) float64 { return min(max(x, -1), 1) }

func (l *sensing) served(_ context.Context, _ Model, measured Metrics) (Metrics, error) {
	return measured, nil
}

func situatedModel(m Model) (Situated, error) {
	s, is := m.(Situated)
	if !is {
		return nil, fmt.Errorf("ml: a model of %s knows nothing of situations", m.Algorithm())
	}
	return s, nil
}

// byName returns somebody of whom nothing is known, whose judges know items by their ids where the model does.
func byName(m Situated) Person {
	columns := make(map[string]int32, len(m.Items()))
	for c, id := range m.Items() {
		columns[id] = int32(c)
	}
	return named{m.Row(-1), columns}
}

type named struct {
	Person
	columns map[string]int32
}

// At implements Person.
func (p named) At(m Moment) Judge { return namedJudge{p.Person.At(m), p.columns} }

type namedJudge struct {
	Judge
	columns map[string]int32
}

// OfNew implements Judge.
func (j namedJudge) OfNew(item Item) Judgment {
	if c, known := j.columns[item.ID]; known {
		return j.Of(c)
	}
	return j.Judge.OfNew(item)
}

// SpreadOfNew implements Judge.
func (j namedJudge) SpreadOfNew(item Item) float64 {
	if c, known := j.columns[item.ID]; known {
		return j.Spread(c)
	}
	return j.Judge.SpreadOfNew(item)
}

// ReasonsForNew implements Judge.
func (j namedJudge) ReasonsForNew(item Item, n int) []string {
	if c, known := j.columns[item.ID]; known {
		return j.Reasons(c, n)
	}
	return j.Judge.ReasonsForNew(item, n)
}
