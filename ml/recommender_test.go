package ml_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/distill"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/store"
)

// school is a bench with Recommenders over one store and one place for files.
type school struct {
	*bench
	kept  *blobs.Memory
	next  int // of event ids
	pupil byte
}

func newSchool(t *testing.T) *school {
	t.Helper()
	return &school{bench: newBench(t, ml.Options{MinListeners: 1}), kept: &blobs.Memory{}}
}

// instance returns another Recommender, with a Service of its own.
func (s *school) instance(t *testing.T, o ml.RecommenderOptions) (*ml.Recommender, *ml.Service) {
	t.Helper()
	log := s.another(t, ml.Options{MinListeners: 1})
	if o.Blobs == nil {
		o.Blobs = s.kept
	}
	if o.Trainer == nil {
		o.Trainer = s.trainer(t, o.Blobs)
	}
	if o.Algorithms == nil {
		o.Algorithms = []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}}
	}
	r, err := ml.NewRecommender(log, o)
	require.NoError(t, err)
	return r, log
}

func (s *school) trainer(t *testing.T, b ml.Blobs) ml.ModelTrainer {
	t.Helper()
	trainer, err := localtrainer.New(b, localtrainer.Options{Threads: 2})
	require.NoError(t, err)
	return trainer
}

// fill logs what so many new listeners like, each of one of four groups of tracks.
func (s *school) fill(t *testing.T, log *ml.Service, listeners int) {
	t.Helper()
	d := mltest.Planted(listeners, 48, 4, uint64(s.pupil)+1)
	for u := range d.Listeners {
		s.pupil++
		id := s.listener(t, s.pupil)
		cols, _ := d.Heard.Row(u)
		var events []ml.Interaction
		for i, c := range cols {
			s.next++
			events = append(events, event(s.next, d.Items[c], ml.Complete, s.clock.Now().Add(-time.Duration(i*7%len(cols)+1)*time.Minute)))
		}
		_, err := log.Log(t.Context(), id, events)
		require.NoError(t, err)
	}
}

// likes is somebody who likes tracks of one group.
func likes(group int) map[string]float64 {
	heard := map[string]float64{}
	for i := range 6 {
		heard["item-"+strconv.Itoa(group+4*i)] = 0.4
	}
	return heard
}

func groupOf(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(id, "item-"))
	require.NoError(t, err)
	return n % 4
}

func TestTrainServeAndSwap(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	one, log := s.instance(t, ml.RecommenderOptions{})
	two, _ := s.instance(t, ml.RecommenderOptions{})

	_, err := one.Train(t.Context(), nil)
	require.ErrorIs(t, err, ml.ErrTooLittle)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	nobody, err := one.For(t.Context(), likes(1))
	require.NoError(t, err)
	require.Nil(t, nobody, "there is no model yet")
	require.NoError(t, two.Poll(t.Context()))
	_, live := two.Live()
	require.False(t, live)

	s.fill(t, log, 60)
	s.clock.add(time.Minute)
	told := 0
	first, err := one.Train(t.Context(), func(ml.Progress) { told++ })
	require.NoError(t, err)
	require.Positive(t, told)
	require.True(t, first.Promoted)
	require.Equal(t, "none was live", first.Why)
	require.Equal(t, "itemknn", first.Version.Algorithm)
	require.Greater(t, first.Version.Metrics.NDCG10, 0.1)
	require.Len(t, first.Selection.Trials, 2, "the leaderboard")
	require.NotEmpty(t, first.Selection.Reason)
	v, live := one.Live()
	require.True(t, live)
	require.Equal(t, first.Version.ID, v.ID)

	// The other instance swaps by itself.
	_, live = two.Live()
	require.False(t, live)
	require.NoError(t, two.Poll(t.Context()))
	v, _ = two.Live()
	require.Equal(t, first.Version.ID, v.ID)
	require.NoError(t, two.Poll(t.Context()), "nothing is new")

	// The same again is a tie: the one in service stays.
	tie, err := two.Train(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, tie.Promoted, tie.Why)
	require.Equal(t, tie.Version.Metrics, tie.BeforeMetrics)
	require.Equal(t, first.Version.ID, tie.Before.ID)
	require.Contains(t, tie.Why, "same validation data")

	// When the data have moved on both are measured on what is new.
	s.clock.add(24 * time.Hour)
	s.fill(t, log, 60)
	s.clock.add(time.Minute)
	second, err := two.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, second.Promoted, second.Why)
	require.NotEqual(t, first.Version.Metrics, second.BeforeMetrics)
	require.Greater(t, second.Version.Metrics.NDCG10, second.BeforeMetrics.NDCG10)

	back, err := one.Rollback(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.Version.ID, back.ID)
	v, _ = two.Live()
	require.Equal(t, second.Version.ID, v.ID, "until it polls")
	require.NoError(t, two.Poll(t.Context()))
	v, _ = two.Live()
	require.Equal(t, first.Version.ID, v.ID)
	_, err = one.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
}

func TestSuited(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]ml.Algorithm{"factored": als.Algorithm{}, "neighbors": itemknn.Algorithm{}, "popular": popular.Algorithm{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchool(t)
			o := ml.RecommenderOptions{Algorithms: []ml.Algorithm{a}, Select: ml.SelectOptions{Trials: 1}}
			if name == "factored" {
				o.Select.Fixed = map[string]ml.Values{"als": {"factors": "12", "regularization": "2"}}
			}
			r, log := s.instance(t, o)
			s.fill(t, log, 80)
			s.clock.add(time.Minute)
			_, err := r.Train(t.Context(), nil)
			require.NoError(t, err)
			heard := likes(2)
			heard["item-30"], heard["item-nobody-knows"] = -0.5, 1
			u, err := r.For(t.Context(), heard)
			require.NoError(t, err)
			require.InDelta(t, 6.0/11, u.Trust(), 1e-9)
			top := u.Top(5)
			require.Len(t, top, 5)
			last := 1.0
			of := 0
			for _, id := range top {
				require.NotContains(t, heard, id, "what was heard or avoided is left out")
				suits, known := u.Of(id)
				require.True(t, known)
				require.LessOrEqual(t, suits, last)
				last = suits
				if groupOf(t, id) == 2 {
					of++
				}
			}
			best, _ := u.Of(top[0])
			require.InDelta(t, 1, best, 1e-6)
			_, known := u.Of("item-nobody-knows")
			require.False(t, known)
			require.Empty(t, u.Because("item-nobody-knows", 3))
			require.Len(t, u.Top(1000), 48-7)
			if name == "popular" {
				require.Empty(t, u.Because(top[0], 3), "nothing heard speaks for it")
				return
			}
			require.GreaterOrEqual(t, of, 4, "%v", top)
			why := u.Because(top[0], 3)
			require.NotEmpty(t, why)
			require.LessOrEqual(t, len(why), 3)
			for _, id := range why {
				require.Positive(t, heard[id])
			}
			stranger, err := r.For(t.Context(), map[string]float64{"item-nobody-knows": 1, "item-3": -1})
			require.NoError(t, err)
			require.Nil(t, stranger)
		})
	}
}

// What the model does not know is judged by what is known of it.
func TestGuess(t *testing.T) {
	t.Parallel()
	for _, a := range []ml.Algorithm{als.Algorithm{}, itemknn.Algorithm{}} {
		t.Run(a.Name(), func(t *testing.T) {
			t.Parallel()
			s := newSchool(t)
			var failure error
			r, err := ml.NewRecommender(described(t, s.bench, &failure), ml.RecommenderOptions{
				Algorithms: []ml.Algorithm{a}, Blobs: s.kept, Trainer: s.trainer(t, s.kept),
			})
			require.NoError(t, err)
			s.fill(t, s.Service, 60)
			s.clock.add(time.Minute)
			_, err = r.Train(t.Context(), nil)
			require.NoError(t, err)
			u, err := r.For(t.Context(), likes(2))
			require.NoError(t, err)
			own, told := u.Guess(item("new", 2))
			require.True(t, told)
			for group := range 4 {
				other, told := u.Guess(item("new", group))
				require.True(t, told)
				if group != 2 {
					require.Greater(t, own, other, "group %d", group)
				}
			}
			_, told = u.Guess(ml.Item{ID: "new", Tags: []string{"unheard of"}, Features: map[string]float64{"energy": 1}})
			require.False(t, told, "nothing is known of it, and its features are a guess")
			_, told = u.Guess(ml.Item{ID: "new", Confidence: 1, Features: map[string]float64{"energy": math.NaN(), "same": 1}})
			require.False(t, told)

			// Where nobody says what music is, nothing is guessed; and whoever cannot be asked now is asked at the next poll.
			blind, _ := s.instance(t, ml.RecommenderOptions{Algorithms: []ml.Algorithm{a}})
			require.NoError(t, blind.Poll(t.Context()))
			u, err = blind.For(t.Context(), likes(2))
			require.NoError(t, err)
			_, told = u.Guess(item("new", 2))
			require.False(t, told)
			failure = errors.New("broken")
			late, err := ml.NewRecommender(described(t, s.bench, &failure), ml.RecommenderOptions{
				Algorithms: []ml.Algorithm{a}, Blobs: s.kept, Trainer: s.trainer(t, s.kept),
			})
			require.NoError(t, err)
			require.ErrorIs(t, late.Poll(t.Context()), failure)
			failure = nil
			require.NoError(t, late.Poll(t.Context()))
			_, live := late.Live()
			require.True(t, live)
		})
	}
}

// Nothing of what a nil Suited is asked fails.
func TestNoSuited(t *testing.T) {
	t.Parallel()
	var r *ml.Recommender
	u, err := r.For(t.Context(), likes(1))
	require.NoError(t, err)
	_, known := u.Of("item-1")
	require.False(t, known)
	require.Zero(t, u.Trust())
	require.Empty(t, u.Top(5))
	require.Empty(t, u.Because("item-1", 5))
	_, told := u.Guess(item("new", 1))
	require.False(t, told)
}

// Requests go on while models are swapped, and each is answered by one of them.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	one, log := s.instance(t, ml.RecommenderOptions{})
	two, _ := s.instance(t, ml.RecommenderOptions{Algorithms: []ml.Algorithm{popular.Algorithm{}, itemknn.Algorithm{}, als.Algorithm{}}})
	s.fill(t, log, 40)
	s.clock.add(time.Minute)
	first, err := one.Train(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, two.Poll(t.Context()))
	s.clock.add(24 * time.Hour)
	s.fill(t, log, 60)
	s.clock.add(time.Minute)
	second, err := one.Train(t.Context(), nil)
	require.NoError(t, err)
	if !second.Promoted {
		require.NoError(t, one.Registry().Promote(t.Context(), second.Version.ID, first.Version.ID))
	}

	stop := make(chan struct{})
	errs := make([]error, 4)
	var wg, asking sync.WaitGroup
	asking.Add(len(errs))
	for g := range errs {
		wg.Go(func() {
			for n := 0; ; n++ {
				if n == 1 {
					asking.Done()
				}
				select {
				case <-stop:
					return
				default:
				}
				u, err := two.For(t.Context(), likes(g))
				if err == nil && (u == nil || len(u.Top(10)) != 10) {
					err = errors.New("a request without an answer")
				}
				if err != nil {
					errs[g] = err
					u = nil
				}
				for _, id := range u.Top(1) {
					u.Because(id, 2)
				}
			}
		})
	}
	asking.Wait()
	for i := range 10 {
		require.NoError(t, two.Poll(t.Context()))
		if i%2 == 0 {
			_, err = one.Rollback(t.Context())
		} else {
			err = one.Registry().Promote(t.Context(), second.Version.ID, first.Version.ID)
		}
		require.NoError(t, err)
	}
	close(stop)
	wg.Wait()
	for g := range errs {
		require.NoError(t, errs[g])
	}
}

// A lost or damaged file is told of, what is in memory serves on, and an hour after the last training another is made.
func TestLostArtifact(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	one, log := s.instance(t, ml.RecommenderOptions{})
	s.fill(t, log, 40)
	s.clock.add(time.Minute)
	first, err := one.Train(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, s.kept.Remove(t.Context(), first.Version.Artifact.Blob))

	fresh, _ := s.instance(t, ml.RecommenderOptions{}) // as after a restart
	err = fresh.Poll(t.Context())
	require.ErrorIs(t, err, ml.ErrArtifact)
	u, err := fresh.For(t.Context(), likes(1))
	require.NoError(t, err)
	require.Nil(t, u)
	u, err = one.For(t.Context(), likes(1))
	require.NoError(t, err)
	require.NotNil(t, u, "it has the model in memory")

	require.NoError(t, fresh.RetrainIfDue(t.Context()))
	_, live := fresh.Live()
	require.False(t, live, "not at once again")
	s.clock.add(time.Hour)
	require.NoError(t, fresh.RetrainIfDue(t.Context()))
	v, live := fresh.Live()
	require.True(t, live)
	require.NotEqual(t, first.Version.ID, v.ID)
	require.NoError(t, one.Poll(t.Context()))
	at, _ := one.Live()
	require.Equal(t, v.ID, at.ID)
}

func TestRetrainIfDue(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	trained := 0
	one, log := s.instance(t, ml.RecommenderOptions{Select: ml.SelectOptions{Progress: func(p ml.SelectProgress) {
		if p.Trial == 1 && p.Ended != nil {
			trained++
		}
	}}})
	due := func(want int, why string) {
		t.Helper()
		require.NoError(t, one.RetrainIfDue(t.Context()))
		require.Equal(t, want, trained, why)
	}
	due(0, "there is nothing")
	s.log(t, s.listener(t, 200), event(900_000, "item-1", ml.Like, noon))
	s.clock.add(time.Minute)
	require.NoError(t, s.Refresh(t.Context()))
	due(0, "too little; and that is no error")
	s.fill(t, log, 140) // over a thousand events
	due(0, "an hour has not passed")
	s.clock.add(time.Hour)
	due(1, "much is new")
	due(1, "nothing is new")
	s.clock.add(25 * time.Hour)
	due(1, "nothing is new")
	s.clock.add(-time.Hour)
	s.fill(t, log, 2)
	s.clock.add(-2 * time.Hour)
	due(1, "a day has not passed, and little is new")
	s.clock.add(4 * time.Hour)
	due(2, "a day has passed, and something is new")
}

// Where there was a log before models were trained, popularity tells.
func TestRetrainsAnOldLog(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.fill(t, s.Service, 40) // another's log: this instance counts nothing
	s.clock.add(time.Minute)
	one, log := s.instance(t, ml.RecommenderOptions{})
	require.NoError(t, one.RetrainIfDue(t.Context()))
	_, live := one.Live()
	require.False(t, live)
	require.NoError(t, log.Refresh(t.Context()))
	require.NoError(t, one.RetrainIfDue(t.Context()))
	_, live = one.Live()
	require.True(t, live)
}

// Of two instances one trains; the other is told, or does nothing.
func TestOneTrains(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	one, log := s.instance(t, ml.RecommenderOptions{Select: ml.SelectOptions{Progress: func(p ml.SelectProgress) {
		if p.Trial == 1 && p.Ended != nil {
			close(begun)
			<-finish
		}
	}}})
	two, _ := s.instance(t, ml.RecommenderOptions{})
	s.fill(t, log, 40)
	s.clock.add(time.Minute)
	done := make(chan error, 1)
	go func() {
		_, err := one.Train(context.Background(), nil)
		done <- err
	}()
	<-begun
	_, err := two.Train(t.Context(), nil)
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.NotErrorIs(t, err, ml.ErrTooLittle)
	require.NoError(t, two.RetrainIfDue(t.Context()))
	close(finish)
	require.NoError(t, <-done)
	again, err := two.Train(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, again.Promoted)
}

// stopping is a trainer that ends its context after so many steps.
type stopping struct {
	ml.ModelTrainer
	after int
	stop  func()
}

func (s stopping) Train(ctx context.Context, j ml.Job, progress func(ml.Progress)) (ml.Artifact, error) {
	return s.ModelTrainer.Train(ctx, j, func(p ml.Progress) {
		if p.Step == s.after {
			s.stop()
		}
		if progress != nil {
			progress(p)
		}
	})
}

// A training that was cut off goes on in another instance: the same job, data and choice, and the same bytes.
func TestTrainingGoesOn(t *testing.T) {
	t.Parallel()
	choices := 0
	options := ml.RecommenderOptions{
		Algorithms: []ml.Algorithm{als.Algorithm{}},
		Select: ml.SelectOptions{
			Trials: 1, Fixed: map[string]ml.Values{"als": {"factors": "8", "iterations": "6"}},
			Progress: func(ml.SelectProgress) { choices++ },
		},
	}
	whole := newSchool(t)
	r, log := whole.instance(t, options)
	whole.fill(t, log, 40)
	whole.clock.add(time.Minute)
	want, err := r.Train(t.Context(), nil)
	require.NoError(t, err)

	s := newSchool(t)
	ctx, cancel := context.WithCancel(t.Context())
	local, err := localtrainer.New(s.kept, localtrainer.Options{Threads: 2})
	require.NoError(t, err)
	o := options
	o.Trainer = stopping{local, 3, cancel}
	one, log := s.instance(t, o)
	s.fill(t, log, 40)
	s.clock.add(time.Minute)
	_, err = one.Train(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	files, err := s.kept.List(t.Context(), "checkpoints/")
	require.NoError(t, err)
	require.Len(t, files, 1)

	two, _ := s.instance(t, options)
	require.NoError(t, two.RetrainIfDue(t.Context()))
	_, live := two.Live()
	require.False(t, live, "another may still be at it")
	s.clock.add(2 * time.Hour)
	s.fill(t, log, 3) // more came in the meantime, which is not in it
	choices = 0
	require.NoError(t, two.RetrainIfDue(t.Context()))
	got, live := two.Live()
	require.True(t, live)
	require.Zero(t, choices, "it was chosen before")
	require.Equal(t, want.Version.Artifact.SHA256, got.Artifact.SHA256)
	require.Contains(t, files[0].Name, got.ID.String(), "it is the same job")
	files, err = s.kept.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, files, 1, "no checkpoint is left")

	// A day later it would have begun anew.
	var ids []uuid.UUID
	versions, err := two.Registry().Versions(t.Context())
	require.NoError(t, err)
	for _, v := range versions {
		ids = append(ids, v.ID)
	}
	require.Equal(t, []uuid.UUID{got.ID}, ids)
}

// Whatever fails in a training or in a poll, be it of the store or of the files, the next one ends it.
func TestTrainingFailsAnywhere(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"get": 12, "list": 40, "apply": 12, "blobs": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for at := 0; at < most; at += 1 + most/20 {
				s := newSchool(t)
				n := 0
				fail := func(of string) error {
					if of != name {
						return nil
					}
					if n++; n == at+1 {
						return errBroken
					}
					return nil
				}
				files := &faultyBlobs{Blobs: s.kept}
				one, log := s.instance(t, ml.RecommenderOptions{Blobs: files})
				s.fill(t, log, 30)
				s.clock.add(time.Minute)
				files.fail = func() error { return fail("blobs") }
				s.store.on(
					func(store.Key) error { return fail("get") },
					func(q store.Query) error {
						if q.ByIndex && n > 0 {
							return nil // of the many reads of the log one is enough
						}
						return fail("list")
					},
					func(writes []store.Write) error {
						if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Delete }) {
							return nil // the lease is given back
						}
						return fail("apply")
					},
				)
				_, err := one.Train(t.Context(), nil)
				s.store.on(nil, nil, nil)
				files.fail = nil
				if err != nil {
					require.ErrorIs(t, err, errBroken)
					failed++
				}
				_, err = one.Train(t.Context(), nil)
				require.NoError(t, err, "after %s %d", name, at)
				_, live := one.Live()
				require.True(t, live)
			}
			require.Positive(t, failed)
		})
	}
}

var errBroken = errors.New("broken")

// faultyBlobs are blobs of which calls can be made to fail, but for those of checkpoints, whose loss is not an error.
type faultyBlobs struct {
	ml.Blobs
	fail func() error
}

func (f *faultyBlobs) call() error {
	if f.fail == nil {
		return nil
	}
	return f.fail()
}

func (f *faultyBlobs) Create(ctx context.Context, name string) (ml.BlobWriter, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	w, err := f.Blobs.Create(ctx, name)
	return &faultyWriter{w, f}, err
}

type faultyWriter struct {
	ml.BlobWriter
	of *faultyBlobs
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if err := w.of.call(); err != nil {
		return 0, err
	}
	return w.BlobWriter.Write(p)
}

func (w *faultyWriter) Commit(ctx context.Context) error {
	if err := w.of.call(); err != nil {
		return err
	}
	return w.BlobWriter.Commit(ctx)
}

func (f *faultyBlobs) Open(ctx context.Context, name string) (ml.Blob, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	b, err := f.Blobs.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return faultyBlob{b, f}, nil
}

type faultyBlob struct {
	ml.Blob
	of *faultyBlobs
}

func (b faultyBlob) ReadAt(p []byte, off int64) (int, error) {
	if err := b.of.call(); err != nil {
		return 0, err
	}
	return b.Blob.ReadAt(p, off)
}

func (f *faultyBlobs) List(ctx context.Context, prefix string) ([]ml.BlobInfo, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	return f.Blobs.List(ctx, prefix)
}

func TestNewRecommenderRefuses(t *testing.T) {
	t.Parallel()
	_, err := ml.NewRecommender(nil, ml.RecommenderOptions{})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 4)
	s := newSchool(t)
	local, err := localtrainer.New(s.kept, localtrainer.Options{})
	require.NoError(t, err)
	_, err = ml.NewRecommender(s.Service, ml.RecommenderOptions{Blobs: s.kept, Trainer: local, Algorithms: []ml.Algorithm{als.Algorithm{}, als.Algorithm{}}})
	require.ErrorContains(t, err, "twice")
}

// A search has a holdout of its own: what a new model and the live one are compared by, nothing was chosen by. A student can be chosen, served and opened by others.
func TestTrainBySearch(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	o := ml.RecommenderOptions{
		Algorithms: []ml.Algorithm{popular.Algorithm{}, als.Algorithm{}},
		Select: ml.SelectOptions{
			Trials: 4, NoBlend: true, Distill: distill.Algorithm{}, Fixed: map[string]ml.Values{"als": {"factors": "48", "regularization": "2", "weight": "binary"}},
		},
	}
	one, log := s.instance(t, o)
	s.fill(t, log, 120)
	s.clock.add(time.Minute)
	first, err := one.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, first.Promoted)
	require.Equal(t, "distill", first.Version.Algorithm, first.Selection)
	require.Less(t, first.Selection.Cells, first.Version.Cells, "chosen by a part of what it was fitted on")
	require.Equal(t, first.Selection.Trials[first.Selection.Best].Values, first.Version.Values)
	two, _ := s.instance(t, o)
	require.NoError(t, two.Poll(t.Context()))
	u, err := two.For(t.Context(), likes(3))
	require.NoError(t, err)
	require.Equal(t, 3, groupOf(t, u.Top(1)[0]))
	require.NotEmpty(t, u.Because(u.Top(1)[0], 2))
}

// However the file of the live version is damaged: it is refused by whoever starts, who has it made again and has meanwhile no model, and goes on with whoever has it in memory.
func TestDamagedArtifacts(t *testing.T) {
	t.Parallel()
	whole := func(b ml.Blobs, name string) []byte {
		file, err := b.Open(t.Context(), name)
		require.NoError(t, err)
		defer file.Close()
		content, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
		require.NoError(t, err)
		return content
	}
	for name, damage := range map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut off":       func(b []byte) []byte { return b[:len(b)/2] },
		"a byte longer": func(b []byte) []byte { return append(b, 0) },
		"in its header": func(b []byte) []byte { b[20] ^= 4; return b },
		"in its middle": func(b []byte) []byte { b[len(b)/2] ^= 128; return b },
		"another file":  func(b []byte) []byte { return bytes.Repeat([]byte{'x'}, len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchool(t)
			folder, err := blobs.Folder(t.TempDir())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, folder.Close()) })
			one, log := s.instance(t, ml.RecommenderOptions{Blobs: folder})
			s.fill(t, log, 40)
			s.clock.add(time.Minute)
			first, err := one.Train(t.Context(), nil)
			require.NoError(t, err)
			w, err := folder.Create(t.Context(), first.Version.Artifact.Blob)
			require.NoError(t, err)
			_, err = w.Write(damage(whole(folder, first.Version.Artifact.Blob)))
			require.NoError(t, err)
			require.NoError(t, w.Commit(t.Context()))

			fresh, _ := s.instance(t, ml.RecommenderOptions{Blobs: folder})
			err = fresh.Poll(t.Context())
			require.ErrorIs(t, err, ml.ErrArtifact)
			require.ErrorContains(t, err, first.Version.Artifact.Blob)
			u, err := fresh.For(t.Context(), likes(1))
			require.NoError(t, err)
			require.Nil(t, u)
			u, err = one.For(t.Context(), likes(1))
			require.NoError(t, err)
			require.Len(t, u.Top(5), 5)
			s.clock.add(time.Hour)
			require.NoError(t, fresh.RetrainIfDue(t.Context()))
			require.NoError(t, one.Poll(t.Context()))
			for _, r := range []*ml.Recommender{fresh, one} {
				v, live := r.Live()
				require.True(t, live)
				require.NotEqual(t, first.Version.ID, v.ID)
			}
			// There is no way back to what is damaged, and trying changes nothing.
			_, err = one.Rollback(t.Context())
			require.ErrorIs(t, err, ml.ErrArtifact)
			v, live, err := one.Registry().Live(t.Context())
			require.NoError(t, err)
			require.True(t, live)
			require.NotEqual(t, first.Version.ID, v.ID)
		})
	}
}
