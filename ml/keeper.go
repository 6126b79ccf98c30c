package ml

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// keeper trains the models of one kind, registers them, puts the better one in service and has it at hand: all that the kinds have in common. S is a model that was made
// ready for requests; what is different is the craft of the kind.
type keeper[S any] struct {
	log        *Service
	registry   *Registry
	craft      craft[S]
	algorithms []Algorithm
	blobs      Blobs
	trainer    ModelTrainer
	selecting  SelectOptions
	known      []Algorithm   // by which models are opened
	logged     *atomic.Int64 // interactions kept by the log, since they were last asked for
	live       atomic.Pointer[S]

	swapping sync.Mutex                // held while a model is loaded
	lost     atomic.Pointer[uuid.UUID] // the live version whose file cannot be used; nil for none
}

// craft is what one kind of models does in its own way.
type craft[S any] interface {
	terms() terms
	// lesson reads what there is to learn from up to a time: the same as long as the log is the same.
	lesson(ctx context.Context, until time.Time) (lesson, error)
	// made makes a model ready, and polled is told of the one that is live after each poll.
	made(ctx context.Context, v Version, m Model) (*S, error)
	polled(ctx context.Context, s *S) error
	versionOf(s *S) Version
	// over says why a version must not be used any more; "" if it may. A training has a lesson, else it is nil.
	over(v Version, l lesson) string
	// worthless says why a version is not worth being used, whatever is live; "" if it is.
	worthless(v Version) string
	// better says whether a version is better than the live one, which has these metrics on the same validation data.
	better(v Version, before Metrics) (bool, string)
	// values are what an observer is told of a training.
	values(v Version) []observe.Value
}

// terms are the names and times that a kind goes by.
type terms struct {
	train, swap string        // what an observer is told
	again       time.Duration // after how long it is trained again, if anything is new
	resumes     time.Duration // within how long a training that was cut off goes on
	// lasts is for how long after the end of its data a version may be used, and its files be kept. 0: for as long as it is good. Where there is one, it is
	// trained again as long as a version is there, and whatever must not be used any more is retired and deleted.
	lasts time.Duration
}

// lesson is what there is to learn from in one training, parted in what is fitted to and what models are measured by.
type lesson interface {
	few() error  // why it is not enough; nil if it is
	size() int   // how much was read: it is trained again sooner where a tenth as much is new
	data() *Data // that is fitted to
	// choice is how an algorithm is chosen.
	choice(o SelectOptions) (*Data, SelectOptions)
	// leave leaves aspects of situations out of the data.
	leave(aspects ...string)
	measure(ctx context.Context, m Model) (Metrics, error)
	// served is measure as the model is served.
	served(ctx context.Context, m Model, measured Metrics) (Metrics, error)
	// note writes into a version what it was fitted on.
	note(v *Version)
}

// newKeeper returns the keeper of a kind. f is what is wrong already with what it is made of.
func newKeeper[S any](kind ModelKind, c craft[S], interactions *Service, algorithms []Algorithm, b Blobs, trainer ModelTrainer, o SelectOptions, f *fault.Fields) (*keeper[S], error) {
	for name, missing := range map[string]bool{
		"log": interactions == nil, "Algorithms": len(algorithms) == 0, "Blobs": b == nil, "Trainer": trainer == nil,
	} {
		if missing {
			f.Add(name, "is required")
		}
	}
	for i, a := range algorithms {
		if slices.ContainsFunc(algorithms[:i], func(b Algorithm) bool { return a.Name() == b.Name() }) {
			f.Add("Algorithms", "%s is there twice", a.Name())
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	o.Algorithms = algorithms
	if o.Budget == 0 && o.Trials == 0 {
		o.Trials, o.NoBlend = len(algorithms), true
	}
	if o.Threads == 0 {
		o.Threads = max(1, runtime.GOMAXPROCS(0)/2) //nolint:mnd // half
	}
	if o.Seed == 0 {
		o.Seed = trainingSeed
	}
	registry, err := NewRegistry(interactions.store, b, kind, interactions.now)
	known := slices.Clone(algorithms)
	if o.Distill != nil {
		known = append(known, o.Distill)
	}
	return &keeper[S]{
		log: interactions, registry: registry, craft: c, algorithms: algorithms, blobs: b, trainer: trainer, selecting: o,
		known: append(known, Blending{Known: algorithms}), logged: interactions.loggedFor(kind),
	}, err
}

// Registry returns the registry of the models.
func (k *keeper[S]) Registry() *Registry { return k.registry }

// Live returns the version whose model this instance serves; false for none.
func (k *keeper[S]) Live() (Version, bool) {
	if s := k.live.Load(); s != nil {
		return k.craft.versionOf(s), true
	}
	return Version{}, false
}

// Poll looks which version is live, and serves it from then on if it is another. Until the new one is loaded, and if it cannot be, requests are answered by
// the old one.
func (k *keeper[S]) Poll(ctx context.Context) (err error) {
	k.swapping.Lock()
	defer k.swapping.Unlock()
	l, err := k.registry.live(ctx)
	if err != nil {
		return err
	}
	if l.Version == uuid.Nil {
		k.live.Store(nil)
		k.lost.Store(nil)
		return nil
	}
	if s := k.live.Load(); s != nil && k.craft.versionOf(s).ID == l.Version {
		return k.craft.polled(ctx, s)
	}
	v, err := k.registry.Version(ctx, l.Version)
	if err != nil {
		return err
	}
	if k.craft.over(v, nil) != "" && k.craft.terms().lasts > 0 {
		k.live.Store(nil) // the next training retires it
		return nil
	}
	defer observe.Watch(ctx, k.log.observer, k.craft.terms().swap)(&err)
	m, err := k.registry.Open(ctx, v, k.known)
	if errors.Is(err, ErrArtifact) {
		k.lost.Store(&v.ID)
	}
	if err != nil {
		return err
	}
	s, err := k.craft.made(ctx, v, m)
	if err != nil {
		return fmt.Errorf("ml: model %s cannot be served: %w", v.ID, err)
	}
	k.live.Store(s)
	k.lost.Store(nil)
	return k.craft.polled(ctx, s)
}

// Rollback brings back the version that was live before, and serves it here; the other instances follow when they poll. If its file cannot be used nothing is changed, and the
// error matches [ErrArtifact].
func (k *keeper[S]) Rollback(ctx context.Context) (Version, error) {
	l, err := k.registry.live(ctx)
	if err != nil {
		return Version{}, err
	}
	if len(l.Before) > 0 {
		before, err := k.registry.Version(ctx, l.Before[0])
		if err == nil && k.craft.terms().lasts > 0 && k.craft.over(before, nil) != "" {
			err = fault.New(fault.Conflict, "The model that was live before must not be used any more")
		}
		if err == nil {
			_, err = k.registry.Open(ctx, before, k.known)
		}
		if err != nil {
			return Version{}, err
		}
	}
	v, err := k.registry.Rollback(ctx)
	if err != nil {
		return Version{}, err
	}
	return v, k.Poll(ctx)
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

// Train trains a model now, and puts it in service if it is better than the one that is (see the type). It blocks, for minutes where there is much to learn
// from, reports progress if that is not nil, and ends soon after ctx does. While another instance trains it is a conflict. One that was stopped goes on where it was, in any instance, if it
// is called again within a day.
func (k *keeper[S]) Train(ctx context.Context, progress func(Progress)) (Training, error) {
	var t Training
	held, err := k.leased(ctx, func(ctx context.Context) (err error) {
		t, err = k.train(ctx, progress)
		return err
	})
	if err == nil && held {
		return Training{}, fault.New(fault.Conflict, "Another instance is training")
	}
	return t, err
}

// RetrainIfDue trains if enough has happened since the last training: when a day has passed and there is something new; an hour after it, if a tenth as much is new as there was to learn
// from; soon, where a training was cut off or the file of the live model is lost. While another instance trains it does nothing. Little to learn from is no error.
func (k *keeper[S]) RetrainIfDue(ctx context.Context) error {
	state, err := k.count(ctx)
	if err != nil {
		return err
	}
	if expired, err := k.expire(ctx, state); err != nil {
		return err
	} else if expired {
		if err := k.Poll(ctx); err != nil {
			return err
		}
	}
	due, err := k.due(ctx, state)
	if err != nil || !due {
		return err
	}
	_, err = k.leased(ctx, func(ctx context.Context) error {
		_, err := k.train(ctx, nil)
		return err
	})
	if errors.Is(err, ErrTooLittle) || errors.Is(err, ErrTooFewAnswers) {
		return nil
	}
	return err
}

// trainingState is the item that all instances share.
type trainingState struct {
	Tried   time.Time    `json:"tried,omitzero"`   // when a training last began or went on
	Begun   time.Time    `json:"begun,omitzero"`   // when the last one began
	Events  int          `json:"events"`           // logged since then
	Cells   int          `json:"cells"`            // that it had to learn from
	Expires time.Time    `json:"expires,omitzero"` // when something of what is kept must be gone; zero where nothing must
	Job     *trainingJob `json:"job,omitempty"`    // that is not done
}

// trainingJob is what must be known to go on with a training.
type trainingJob struct {
	ID        uuid.UUID `json:"id"`
	Until     time.Time `json:"until"`
	Data      string    `json:"data,omitempty"`      // the fingerprint of what it learns from; "" where nothing was chosen yet
	Algorithm string    `json:"algorithm,omitempty"` // "": not chosen yet
	Values    Values    `json:"values,omitempty"`
	Left      []string  `json:"left,omitempty"` // aspects that are left out
}

const (
	retrainAfter  = 24 * time.Hour
	retrainSoon   = time.Hour
	resumeAfter   = leaseTime
	resumeWithin  = 24 * time.Hour
	fewestEvents  = 1000 // for which it trains again within the day
	freshShare    = 0.1  // of what was learned from: likewise
	trainingSeed  = 1
	renewEvery    = leaseTime / 4
	trainingSort  = "training"
	trainingLease = "training-lease"
)

// change changes the shared state. change may be called several times; where it returns false nothing is written.
func (k *keeper[S]) change(ctx context.Context, change func(*trainingState) bool) (trainingState, error) {
	var s trainingState
	key := k.registry.key(trainingSort)
	_, err := store.Update(ctx, k.log.store, key, func(old store.Item, found bool) ([]store.Write, error) {
		s = trainingState{}
		if found && old.Decode(&s) != nil {
			s = trainingState{} // of no version that is known: it begins anew
		}
		if !change(&s) {
			return nil, nil
		}
		body, err := store.Encode(s)
		return []store.Write{store.Put(store.Item{Key: key, Body: body}, store.None)}, err
	})
	return s, err
}

// count adds what was logged here since it was last called to what all instances know, and returns that.
func (k *keeper[S]) count(ctx context.Context) (trainingState, error) {
	n := k.logged.Swap(0)
	s, err := k.change(ctx, func(s *trainingState) bool {
		s.Events += int(n)
		return n > 0
	})
	if err != nil {
		k.logged.Add(n) // may count twice, which does no harm
	}
	return s, err
}

func (k *keeper[S]) due(ctx context.Context, s trainingState) (bool, error) {
	now := k.log.now()
	since, tried := now.Sub(s.Begun), now.Sub(s.Tried)
	switch {
	case s.Begun.IsZero(): // there may be a log from before models were trained
		p, err := k.log.Popularity(ctx)
		return len(p.ids) > 0 || s.Events > 0, err
	case s.Job != nil:
		return tried >= resumeAfter, nil
	case k.lost.Load() != nil:
		return tried >= retrainSoon, nil
	}
	much := max(fewestEvents, int(freshShare*float64(s.Cells)))
	again := s.Events > 0 || !s.Expires.IsZero()
	return again && since >= k.craft.terms().again || s.Events >= much && since >= retrainSoon, nil
}

// expire retires what must not be used any more, and deletes its files, where it is time for that. While another trains it does nothing: that does it.
func (k *keeper[S]) expire(ctx context.Context, state trainingState) (bool, error) {
	if state.Expires.IsZero() || k.log.now().Before(state.Expires) {
		return false, nil
	}
	_, err := k.leased(ctx, func(ctx context.Context) error {
		s, err := k.change(ctx, func(*trainingState) bool { return false })
		if err != nil {
			return err
		}
		job := s.Job
		if job != nil && k.log.now().Sub(job.Until).Abs() > k.craft.terms().resumes {
			job = nil // it will not go on
		}
		expires, err := k.tidy(ctx, job, nil)
		if err != nil {
			return err
		}
		_, err = k.change(ctx, func(s *trainingState) bool {
			s.Expires = expires
			return true
		})
		return err
	})
	return err == nil, err
}

// tidy prunes the registry. Of models that last for a time only it retires the live one if that is over, and removes all files at once that are neither of a version that may be used nor of
// the job. It returns when it must be called again at the latest; zero where nothing is left, or lasts.
func (k *keeper[S]) tidy(ctx context.Context, job *trainingJob, l lesson) (time.Time, error) {
	lasts := k.craft.terms().lasts
	if lasts == 0 {
		return time.Time{}, k.registry.Prune(ctx)
	}
	live, found, err := k.registry.Live(ctx)
	if err != nil {
		return time.Time{}, err
	}
	over := func(v Version) bool { return k.craft.over(v, l) != "" }
	if found && over(live) {
		if err := k.registry.Retire(ctx, live.ID); err != nil {
			return time.Time{}, err
		}
	}
	oldest, err := k.registry.prune(ctx, over, func(f BlobInfo) bool { return job != nil && strings.Contains(f.Name, job.ID.String()) })
	if job != nil && (oldest.IsZero() || job.Until.Before(oldest)) {
		oldest = job.Until
	}
	if err != nil || oldest.IsZero() {
		return time.Time{}, err
	}
	return oldest.Add(lasts), nil
}

// leased calls work while it holds the lease, which it renews; held is true, and nothing was done, if another has it. If the lease is lost, because the
// store could not be reached for long, work's context ends.
func (k *keeper[S]) leased(ctx context.Context, work func(context.Context) error) (held bool, err error) {
	key := k.registry.key(trainingLease)
	put := func(c store.Condition) store.Write {
		return store.Put(store.Item{Key: key, ExpiresAt: k.log.now().Add(leaseTime).UTC().Truncate(time.Second), Body: []byte(`{}`)}, c)
	}
	lease := put(store.Absent)
	if err := store.Settle(ctx, k.log.store, lease); err != nil {
		return store.Has(err, key), unlessHeld(err, key)
	}
	inside, lose := context.WithCancelCause(ctx)
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
			case <-inside.Done():
				return
			case <-tick.C:
			}
			next := put(store.VersionIs(lease.Version))
			switch err := store.Settle(inside, k.log.store, next); {
			case err == nil:
				lease = next
			case errors.Is(err, store.ErrConflict):
				lose(fault.New(fault.Unavailable, "The training took too long to say that it goes on; another may have begun"))
			}
		}
	})
	err = work(inside)
	close(done)
	wg.Wait()
	if cause := context.Cause(inside); err != nil && cause != nil && ctx.Err() == nil {
		err = cause
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	released := store.Settle(free, k.log.store, store.Delete(key, store.VersionIs(lease.Version)))
	if errors.Is(released, store.ErrConflict) {
		released = nil // it ran out, and may be another's by now
	}
	return false, errors.Join(err, released)
}

func unlessHeld(err error, key store.Key) error {
	if store.Has(err, key) {
		return nil
	}
	return err
}

func (k *keeper[S]) train(ctx context.Context, progress func(Progress)) (t Training, err error) {
	done := observe.Start(ctx, k.log.observer, k.craft.terms().train)
	defer func() { done(err, k.craft.values(t.Version)...) }()
	job, l, err := k.begin(ctx)
	if err != nil {
		return Training{}, err
	}
	if few := l.few(); few != nil {
		return Training{}, cmp.Or(k.without(ctx, l), few)
	}
	algorithm, selection, err := k.choose(ctx, job, l)
	t = Training{Selection: selection}
	if err != nil {
		return Training{}, err
	}
	train := l.data()
	artifact, err := k.trainer.Train(ctx, Job{ID: k.registry.kind.jobID(job.ID), Algorithm: algorithm, Values: job.Values, Data: train, Seed: trainingSeed}, progress)
	if err != nil {
		return Training{}, err
	}
	m, _, err := OpenArtifact(ctx, k.blobs, artifact, []Algorithm{algorithm})
	if err != nil {
		return Training{}, err
	}
	metrics, err := l.measure(ctx, m)
	if err != nil {
		return Training{}, err
	}
	if t.Served, err = l.served(ctx, m, metrics); err != nil {
		return Training{}, err
	}
	t.Version = Version{
		ID: job.ID, Algorithm: algorithm.Name(), Values: job.Values, Data: train.Fingerprint(), Until: job.Until,
		Listeners: len(train.Listeners), Items: len(train.Items), Metrics: metrics, Artifact: artifact,
	}
	l.note(&t.Version)
	if t.Version, err = k.registry.Register(ctx, t.Version); err != nil {
		return Training{}, err
	}
	if err := k.compare(ctx, &t, l); err != nil {
		return t, err
	}
	if err := k.end(ctx, l); err != nil {
		return t, err
	}
	return t, k.Poll(ctx)
}

// without ends a training that had too little to learn from. Of models that last for a time only, what must not be used any more goes.
func (k *keeper[S]) without(ctx context.Context, l lesson) error {
	if k.craft.terms().lasts == 0 {
		return k.ended(ctx, l, time.Time{})
	}
	if err := k.end(ctx, l); err != nil {
		return err
	}
	return k.Poll(ctx)
}

// begin returns the job that was cut off, or a new one, and what there is to learn from. Where that is not the same any more the job begins anew.
func (k *keeper[S]) begin(ctx context.Context) (*trainingJob, lesson, error) {
	for {
		job, err := k.job(ctx)
		if err != nil {
			return nil, nil, err
		}
		l, err := k.craft.lesson(ctx, job.Until)
		if err != nil || job.Data == "" || job.Data == l.data().Fingerprint() {
			return job, l, err
		}
		if _, err := k.change(ctx, func(s *trainingState) bool {
			s.Job = nil
			return true
		}); err != nil {
			return nil, nil, err
		}
	}
}

func (k *keeper[S]) job(ctx context.Context) (*trainingJob, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	now := k.log.now().UTC().Truncate(time.Second)
	s, err := k.change(ctx, func(s *trainingState) bool {
		s.Tried = now
		if s.Job == nil || now.Sub(s.Job.Until).Abs() > k.craft.terms().resumes {
			s.Job = &trainingJob{ID: id, Until: now}
			s.Begun, s.Events = now, 0
		}
		if lasts := k.craft.terms().lasts; lasts > 0 && s.Expires.IsZero() { // the files of a job that never ends must go, too
			s.Expires = s.Job.Until.Add(lasts)
		}
		return true
	})
	return s.Job, err
}

// end clears away what is needed no more, and notes that the job is done.
func (k *keeper[S]) end(ctx context.Context, l lesson) error {
	expires, err := k.tidy(ctx, nil, l)
	if err != nil {
		return err
	}
	return k.ended(ctx, l, expires)
}

func (k *keeper[S]) ended(ctx context.Context, l lesson, expires time.Time) error {
	_, err := k.change(ctx, func(s *trainingState) bool {
		s.Job, s.Cells, s.Expires = nil, l.size(), expires
		return true
	})
	return err
}

// choose returns the job's algorithm, and sets its values. What was chosen before it was cut off stays; a blend is chosen again, which gives the same.
func (k *keeper[S]) choose(ctx context.Context, job *trainingJob, l lesson) (Algorithm, *Selection, error) {
	for _, a := range k.algorithms {
		if a.Name() == job.Algorithm {
			l.leave(job.Left...)
			return a, nil, nil
		}
	}
	data, o := l.choice(k.selecting)
	selection, err := Select(ctx, data, o)
	if err != nil {
		return nil, selection, err
	}
	a, values := selection.Chosen()
	if a == nil {
		return nil, selection, fmt.Errorf("ml: no model could be fitted: %s", selection.Reason)
	}
	job.Data, job.Algorithm, job.Values = l.data().Fingerprint(), a.Name(), values
	if !o.KeepAudited {
		job.Left = aspectsOf(selection.Audit)
	}
	l.leave(job.Left...)
	_, err = k.change(ctx, func(s *trainingState) bool {
		if s.Job == nil || s.Job.ID != job.ID {
			return false
		}
		s.Job = job
		return true
	})
	return a, selection, err
}

// compare puts the version in service if it is better than the live one.
func (k *keeper[S]) compare(ctx context.Context, t *Training, l lesson) error {
	live, found, err := k.registry.Live(ctx)
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
		m, err := k.registry.Open(ctx, live, k.known)
		switch {
		case errors.Is(err, ErrArtifact):
			t.Why = "the file of the live one cannot be used: " + err.Error()
		case err != nil:
			return err
		default:
			if t.BeforeMetrics, err = l.measure(ctx, m); err != nil {
				return err
			}
			t.Promoted, t.Why = k.craft.better(t.Version, t.BeforeMetrics)
			if over := k.craft.over(live, l); over != "" {
				t.Promoted, t.Why = true, over+"; "+t.Why
			}
		}
	}
	if worthless := k.craft.worthless(t.Version); worthless != "" {
		t.Promoted, t.Why = false, worthless
	}
	if !t.Promoted {
		return nil
	}
	err = k.registry.Promote(ctx, t.Version.ID, live.ID)
	if fault.KindOf(err) == fault.Conflict {
		t.Promoted, t.Why = false, "another went live in the meantime"
		return nil
	}
	if err == nil {
		t.Version.State = Live
	}
	return err
}
