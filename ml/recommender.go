package ml

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// Recommender trains models of taste from the log, and has the live one at hand for requests. It is safe for concurrent use.
//
// A training splits the data (the newest tenth of what each listener heard is for validation), chooses algorithm and hyperparameters, fits on the rest, measures
// on the validation split, and registers. What was measured is what is served: nothing is fitted again on everything. So when the data have moved on and the live model is measured on the
// new validation split, beside the new one, that is fair to both: neither was fitted on what it is asked for.
//
// The new model goes live if its NDCG@10 on that split is higher, or the same and its Recall@20 higher; a tie keeps the one in service. It also goes live
// where the file of the live one is lost or damaged, and where all that the live one was fitted on is older than [Retention] and must not be used
// any more.
type Recommender struct {
	log      *Service
	registry *Registry
	options  RecommenderOptions
	known    []Algorithm // by which models are opened
	live     atomic.Pointer[served]

	swapping sync.Mutex                // held while a model is loaded
	lost     atomic.Pointer[uuid.UUID] // the live version whose file cannot be used; nil for none
	asked    atomic.Bool               // for similar tracks
}

// RecommenderOptions say what a Recommender trains with; all but Select are required.
type RecommenderOptions struct {
	Algorithms []Algorithm // that are tried, and whose models can be opened, the cheap ones first
	Blobs      Blobs
	Trainer    ModelTrainer // over Blobs
	// Select says how algorithm and hyperparameters are searched for; its Algorithms and Valid are not looked at. Without a Budget and Trials
	// each algorithm is tried once with its defaults, and no blend; without Threads, half of GOMAXPROCS are taken. A search has a holdout of its own, of what is fitted on, so that nothing is chosen by
	// what a new model and the live one are compared by.
	Select SelectOptions
	// Precision is in which precision models whose scores are inner products are searched for what suits a listener best; "" means FP32. [Training.Served] tells what
	// it costs.
	Precision Precision
}

// NewRecommender returns a Recommender over a log and the store that it is in.
func NewRecommender(interactions *Service, o RecommenderOptions) (*Recommender, error) {
	var f fault.Fields
	for name, missing := range map[string]bool{
		"log": interactions == nil, "Algorithms": len(o.Algorithms) == 0, "Blobs": o.Blobs == nil, "Trainer": o.Trainer == nil,
	} {
		if missing {
			f.Add(name, "is required")
		}
	}
	if !o.Precision.known() {
		f.Add("Precision", "must be one of %v", Precisions())
	}
	for i, a := range o.Algorithms {
		if slices.ContainsFunc(o.Algorithms[:i], func(b Algorithm) bool { return a.Name() == b.Name() }) {
			f.Add("Algorithms", "%s is there twice", a.Name())
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	o.Select.Algorithms = o.Algorithms
	if o.Select.Budget == 0 && o.Select.Trials == 0 {
		o.Select.Trials, o.Select.NoBlend = len(o.Algorithms), true
	}
	if o.Select.Threads == 0 {
		o.Select.Threads = max(1, runtime.GOMAXPROCS(0)/2) //nolint:mnd // half
	}
	if o.Select.Seed == 0 {
		o.Select.Seed = trainingSeed
	}
	registry, err := NewRegistry(interactions.store, o.Blobs, interactions.now)
	known := slices.Clone(o.Algorithms)
	if o.Select.Distill != nil {
		known = append(known, o.Select.Distill)
	}
	return &Recommender{log: interactions, registry: registry, options: o, known: append(known, Blending{Known: o.Algorithms})}, err
}

// Registry returns the registry of the models.
func (r *Recommender) Registry() *Registry { return r.registry }

// Live returns the version whose model this instance serves; false for none.
func (r *Recommender) Live() (Version, bool) {
	if s := r.live.Load(); s != nil {
		return s.version, true
	}
	return Version{}, false
}

// For returns the model of a listener, from how much their interactions say for (above 0) or against each track: the sum of [Interaction.Strength]. It
// takes about a millisecond and never waits for a training or a swap. nil where no model is live, or it knows nothing that they like.
func (r *Recommender) For(ctx context.Context, strengths map[string]float64) (*Suited, error) {
	if r == nil {
		return nil, nil //nolint:nilnil // nil knows nothing
	}
	s := r.live.Load()
	if s == nil {
		return nil, nil //nolint:nilnil // nil knows nothing
	}
	return s.suited(ctx, strengths)
}

// Poll looks which version is live, and serves it from then on if it is another. Until the new one is loaded, and if it cannot be, requests are answered by
// the old one.
func (r *Recommender) Poll(ctx context.Context) (err error) {
	r.swapping.Lock()
	defer r.swapping.Unlock()
	l, err := r.registry.live(ctx)
	if err != nil || l.Version == uuid.Nil {
		return err
	}
	if s := r.live.Load(); s != nil && s.version.ID == l.Version {
		return r.prepare(ctx)
	}
	v, err := r.registry.Version(ctx, l.Version)
	if err != nil {
		return err
	}
	defer observe.Watch(ctx, r.log.observer, "ml.swap")(&err)
	m, err := r.registry.Open(ctx, v, r.known)
	if errors.Is(err, ErrArtifact) {
		r.lost.Store(&v.ID)
	}
	if err != nil {
		return err
	}
	if err := r.serve(ctx, v, m); err != nil {
		return err
	}
	return r.prepare(ctx)
}

// prepare makes what finds similar tracks quickly, in the model that is live already, if anybody has asked for any.
func (r *Recommender) prepare(ctx context.Context) error {
	if !r.asked.Load() {
		return nil
	}
	return r.live.Load().prepare(ctx, r.options.Select.Threads, graphFrom)
}

func (r *Recommender) serve(ctx context.Context, v Version, m Model) error {
	about, err := r.log.about(ctx, m.Items())
	if err != nil {
		return err
	}
	s, err := newServed(v, m, about, r.options.Precision)
	if err != nil {
		return fmt.Errorf("ml: model %s cannot be served: %w", v.ID, err)
	}
	r.live.Store(s)
	r.lost.Store(nil)
	return nil
}

// Rollback brings back the version that was live before, and serves it here; the other instances follow when they poll. If its file cannot be used nothing is changed, and the
// error matches [ErrArtifact].
func (r *Recommender) Rollback(ctx context.Context) (Version, error) {
	l, err := r.registry.live(ctx)
	if err != nil {
		return Version{}, err
	}
	if len(l.Before) > 0 {
		before, err := r.registry.Version(ctx, l.Before[0])
		if err == nil {
			_, err = r.registry.Open(ctx, before, r.known)
		}
		if err != nil {
			return Version{}, err
		}
	}
	v, err := r.registry.Rollback(ctx)
	if err != nil {
		return Version{}, err
	}
	return v, r.Poll(ctx)
}

// Training is what came of one training.
type Training struct {
	Version Version // that was trained; the zero one where there was not enough to learn from
	Before  Version // that was live before; the zero one for none
	// Served are those of the version as it is served, in [RecommenderOptions.Precision].
	Served Metrics
	// BeforeMetrics are those of the one before, on the validation split of this training; zero if it could not be opened.
	BeforeMetrics Metrics
	// Selection is the leaderboard: what was tried, and why this was chosen. nil where the training went on after that.
	Selection *Selection
	Promoted  bool
	Why       string // why it was promoted or not, in a sentence
}

// ErrTooLittle is the error where the log does not hold enough yet to learn from: a conflict.
var ErrTooLittle = fault.New(fault.Conflict, "There is not enough to learn from yet: at least %d listeners must have liked %d tracks that others liked too", fewestJudges, splitLeast)

// fewestJudges is how many listeners a model must be measured on at least: on fewer the better of two is a matter of luck.
const fewestJudges = 20

// Train trains a model now, and puts it in service if it is better than the one that is (see [Recommender]). It blocks, for minutes where there is much to learn
// from, reports progress if that is not nil, and ends soon after ctx does. While another instance trains it is a conflict. One that was stopped goes on where it was, in any instance, if it
// is called again within a day.
func (r *Recommender) Train(ctx context.Context, progress func(Progress)) (Training, error) {
	t, held, err := r.leased(ctx, func(ctx context.Context) (Training, error) { return r.train(ctx, progress) })
	if err == nil && held {
		return Training{}, fault.New(fault.Conflict, "Another instance is training")
	}
	return t, err
}

// RetrainIfDue trains if enough has happened since the last training: when a day has passed and there is something new; an hour after it, if a tenth as much is new as there was to learn
// from; soon, where a training was cut off or the file of the live model is lost. While another instance trains it does nothing. Little to learn from is no error.
func (r *Recommender) RetrainIfDue(ctx context.Context) error {
	state, err := r.count(ctx)
	if err != nil {
		return err
	}
	due, err := r.due(ctx, state)
	if err != nil || !due {
		return err
	}
	_, _, err = r.leased(ctx, func(ctx context.Context) (Training, error) { return r.train(ctx, nil) })
	if errors.Is(err, ErrTooLittle) {
		return nil
	}
	return err
}

// trainingState is the item that all instances share.
type trainingState struct {
	Tried  time.Time    `json:"tried,omitzero"` // when a training last began or went on
	Begun  time.Time    `json:"begun,omitzero"` // when the last one began
	Events int          `json:"events"`         // logged since then
	Cells  int          `json:"cells"`          // that it had to learn from
	Job    *trainingJob `json:"job,omitempty"`  // that is not done
}

// trainingJob is what must be known to go on with a training.
type trainingJob struct {
	ID        uuid.UUID `json:"id"`
	Until     time.Time `json:"until"`
	Algorithm string    `json:"algorithm,omitempty"` // "": not chosen yet
	Values    Values    `json:"values,omitempty"`
}

var trainingKey = registryKey("training")

const (
	retrainAfter  = 24 * time.Hour
	retrainSoon   = time.Hour
	resumeAfter   = leaseTime
	resumeWithin  = 24 * time.Hour
	fewestEvents  = 1000 // for which it trains again within the day
	freshShare    = 0.1  // of the cells learned from: likewise
	trainingSeed  = 1
	renewEvery    = leaseTime / 4
	trainingLease = "training-lease"
)

// change changes the shared state. change may be called several times; where it returns false nothing is written.
func (r *Recommender) change(ctx context.Context, change func(*trainingState) bool) (trainingState, error) {
	var s trainingState
	_, err := store.Update(ctx, r.log.store, trainingKey, func(old store.Item, found bool) ([]store.Write, error) {
		s = trainingState{}
		if found && old.Decode(&s) != nil {
			s = trainingState{} // of no version that is known: it begins anew
		}
		if !change(&s) {
			return nil, nil
		}
		body, err := store.Encode(s)
		return []store.Write{store.Put(store.Item{Key: trainingKey, Body: body}, store.None)}, err
	})
	return s, err
}

// count adds what was logged here since it was last called to what all instances know, and returns that.
func (r *Recommender) count(ctx context.Context) (trainingState, error) {
	n := r.log.logged.Swap(0)
	s, err := r.change(ctx, func(s *trainingState) bool {
		s.Events += int(n)
		return n > 0
	})
	if err != nil {
		r.log.logged.Add(n) // may count twice, which does no harm
	}
	return s, err
}

func (r *Recommender) due(ctx context.Context, s trainingState) (bool, error) {
	now := r.log.now()
	since, tried := now.Sub(s.Begun), now.Sub(s.Tried)
	switch {
	case s.Begun.IsZero(): // there may be a log from before models were trained
		p, err := r.log.Popularity(ctx)
		return len(p.ids) > 0 || s.Events > 0, err
	case s.Job != nil:
		return tried >= resumeAfter, nil
	case r.lost.Load() != nil:
		return tried >= retrainSoon, nil
	}
	much := max(fewestEvents, int(freshShare*float64(s.Cells)))
	return s.Events > 0 && since >= retrainAfter || s.Events >= much && since >= retrainSoon, nil
}

// leased calls train while it holds the lease, which it renews; held is true, and nothing was done, if another has it. If the lease is lost, because the
// store could not be reached for long, train's context ends.
func (r *Recommender) leased(ctx context.Context, train func(context.Context) (Training, error)) (t Training, held bool, err error) {
	key := registryKey(trainingLease)
	put := func(c store.Condition) store.Write {
		return store.Put(store.Item{Key: key, ExpiresAt: r.log.now().Add(leaseTime).UTC().Truncate(time.Second), Body: []byte(`{}`)}, c)
	}
	lease := put(store.Absent)
	if err := store.Settle(ctx, r.log.store, lease); err != nil {
		return Training{}, store.Has(err, key), unlessHeld(err, key)
	}
	work, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-work.Done():
				return
			case <-tick.C:
			}
			next := put(store.VersionIs(lease.Version))
			switch err := store.Settle(work, r.log.store, next); {
			case err == nil:
				lease = next
			case errors.Is(err, store.ErrConflict):
				lose(fault.New(fault.Unavailable, "The training took too long to say that it goes on; another may have begun"))
			}
		}
	})
	t, err = train(work)
	close(done)
	wg.Wait()
	if cause := context.Cause(work); err != nil && cause != nil && ctx.Err() == nil {
		err = cause
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	released := store.Settle(free, r.log.store, store.Delete(key, store.VersionIs(lease.Version)))
	if errors.Is(released, store.ErrConflict) {
		released = nil // it ran out, and may be another's by now
	}
	return t, false, errors.Join(err, released)
}

func unlessHeld(err error, key store.Key) error {
	if store.Has(err, key) {
		return nil
	}
	return err
}

func (r *Recommender) train(ctx context.Context, progress func(Progress)) (t Training, err error) {
	done := observe.Start(ctx, r.log.observer, "ml.train")
	defer func() {
		done(err, observe.Value{Name: "cells", Number: float64(t.Version.Cells)}, observe.Value{Name: "ndcg10", Number: t.Version.Metrics.NDCG10})
	}()
	job, err := r.begin(ctx)
	if err != nil {
		return Training{}, err
	}
	d, err := r.log.TrainingData(ctx, job.Until)
	if err != nil {
		return Training{}, err
	}
	train, valid := d.Split(trainingSeed, 0)
	if judges(valid) < fewestJudges {
		if err := r.end(ctx, d); err != nil {
			return Training{}, err
		}
		return Training{}, ErrTooLittle
	}
	algorithm, selection, err := r.choose(ctx, job, train, valid)
	t = Training{Selection: selection}
	if err != nil {
		return Training{}, err
	}
	artifact, err := r.options.Trainer.Train(ctx, Job{ID: job.ID.String(), Algorithm: algorithm, Values: job.Values, Data: train, Seed: trainingSeed}, progress)
	if err != nil {
		return Training{}, err
	}
	m, _, err := OpenArtifact(ctx, r.options.Blobs, artifact, []Algorithm{algorithm})
	if err != nil {
		return Training{}, err
	}
	metrics, err := Evaluate(ctx, m, train.Heard, valid, 0)
	if err != nil {
		return Training{}, err
	}
	if t.Served = metrics; r.options.Precision != "" && r.options.Precision != FP32 {
		if t.Served, err = Evaluate(ctx, Quantized(m, r.options.Precision), train.Heard, valid, 0); err != nil {
			return Training{}, err
		}
	}
	t.Version, err = r.registry.Register(ctx, Version{
		ID: job.ID, Algorithm: algorithm.Name(), Values: job.Values, Data: train.Fingerprint(), Until: job.Until,
		Listeners: len(train.Listeners), Items: len(train.Items), Cells: train.Heard.Cells(), Metrics: metrics, Artifact: artifact,
	})
	if err != nil {
		return Training{}, err
	}
	if err := r.compare(ctx, &t, train, valid); err != nil {
		return t, err
	}
	if err := r.end(ctx, d); err != nil {
		return t, err
	}
	if err := r.registry.Prune(ctx); err != nil {
		return t, err
	}
	return t, r.Poll(ctx)
}

// begin returns the job that was cut off, or a new one.
func (r *Recommender) begin(ctx context.Context) (*trainingJob, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	now := r.log.now().UTC().Truncate(time.Second)
	s, err := r.change(ctx, func(s *trainingState) bool {
		s.Tried = now
		if s.Job == nil || now.Sub(s.Job.Until).Abs() > resumeWithin {
			s.Job = &trainingJob{ID: id, Until: now}
			s.Begun, s.Events = now, 0
		}
		return true
	})
	return s.Job, err
}

// end notes that the job is done.
func (r *Recommender) end(ctx context.Context, d *Data) error {
	_, err := r.change(ctx, func(s *trainingState) bool {
		s.Job, s.Cells = nil, d.Heard.Cells()
		return true
	})
	return err
}

// judges is how many listeners a split can be measured on.
func judges(valid *Matrix) int {
	n := 0
	for u := range valid.Rows() {
		if valid.Starts[u] < valid.Starts[u+1] {
			n++
		}
	}
	return n
}

// choose returns the job's algorithm, and sets its values. What was chosen before it was cut off stays; a blend is chosen again, which gives the same.
func (r *Recommender) choose(ctx context.Context, job *trainingJob, train *Data, valid *Matrix) (Algorithm, *Selection, error) {
	for _, a := range r.options.Algorithms {
		if a.Name() == job.Algorithm {
			return a, nil, nil
		}
	}
	o := r.options.Select
	data := train
	if o.Valid = valid; o.Budget > 0 || o.Trials > len(o.Algorithms) {
		// The best of many on what it is compared with the live one by would be so by luck, too.
		if inner, held := train.Split(o.Seed, 0); judges(held) >= fewestJudges {
			data, o.Valid = inner, held
		}
	}
	selection, err := Select(ctx, data, o)
	if err != nil {
		return nil, selection, err
	}
	a, values := selection.Chosen()
	if a == nil {
		return nil, selection, fmt.Errorf("ml: no model could be fitted: %s", selection.Reason)
	}
	job.Algorithm, job.Values = a.Name(), values
	_, err = r.change(ctx, func(s *trainingState) bool {
		if s.Job == nil || s.Job.ID != job.ID {
			return false
		}
		s.Job = job
		return true
	})
	return a, selection, err
}

// compare puts the version in service if it is better than the live one.
func (r *Recommender) compare(ctx context.Context, t *Training, train *Data, valid *Matrix) error {
	live, found, err := r.registry.Live(ctx)
	if err != nil {
		return err
	}
	if live.ID == t.Version.ID { // a training that was cut off after this
		t.Promoted, t.Why = true, "it is live already"
		return nil
	}
	t.Before = live
	t.Promoted, t.Why = true, "none was live"
	if found {
		m, err := r.registry.Open(ctx, live, r.known)
		switch {
		case errors.Is(err, ErrArtifact):
			t.Why = "the file of the live one cannot be used: " + err.Error()
		case err != nil:
			return err
		default:
			if t.BeforeMetrics, err = Evaluate(ctx, onItems(m, train.Items), train.Heard, valid, 0); err != nil {
				return err
			}
			t.Promoted, t.Why = beats(t.Version, t.BeforeMetrics, live, r.log.now())
		}
	}
	if !t.Promoted {
		return nil
	}
	err = r.registry.Promote(ctx, t.Version.ID, live.ID)
	if fault.KindOf(err) == fault.Conflict {
		t.Promoted, t.Why = false, "another went live in the meantime"
		return nil
	}
	if err == nil {
		t.Version.State = Live
	}
	return err
}

// beats is the rule by which a version goes live in the place of another, whose metrics on the same split are given.
func beats(v Version, before Metrics, live Version, now time.Time) (bool, string) {
	const figures = "NDCG@10 %.4f against %.4f of the live one, on the same validation data"
	why := fmt.Sprintf(figures, v.Metrics.NDCG10, before.NDCG10)
	switch {
	case now.Sub(live.Until) > Retention:
		return true, "what the live one was fitted on is kept no more; " + why
	case v.Metrics.NDCG10 == before.NDCG10:
		return v.Metrics.Recall20 > before.Recall20, fmt.Sprintf("%s, and Recall@20 %.4f against %.4f", why, v.Metrics.Recall20, before.Recall20)
	}
	return v.Metrics.NDCG10 > before.NDCG10, why
}

// onItems is a model seen from other items than its own: those that it does not know come last.
func onItems(m Model, items []string) Model {
	own := make(map[string]int32, len(m.Items()))
	for i, id := range m.Items() {
		own[id] = int32(i)
	}
	t := &translated{Model: m, items: items, own: make([]int32, len(items))}
	for i, id := range items {
		c, known := own[id]
		if !known {
			c = -1
		}
		t.own[i] = c
	}
	return t
}

type translated struct {
	Model
	items []string
	own   []int32 // the model's column of each, −1 for none
}

// Items implements Model.
func (t *translated) Items() []string { return t.items }

// Scores implements Model.
func (t *translated) Scores(dst []float32, h Heard) {
	scores := make([]float32, len(t.Model.Items()))
	known := make([]Scored, 0, len(h.Items))
	for i, c := range h.Items {
		if own := t.own[c]; own >= 0 {
			known = append(known, Scored{own, h.Weights[i]})
		}
	}
	slices.SortFunc(known, func(a, b Scored) int { return int(a.Item) - int(b.Item) })
	own := Heard{Listener: -1}
	for _, k := range known {
		own.Items, own.Weights = append(own.Items, k.Item), append(own.Weights, k.Score)
	}
	t.Model.Scores(scores, own)
	for i, c := range t.own {
		dst[i] = float32(math.Inf(-1))
		if c >= 0 {
			dst[i] = scores[c]
		}
	}
}
