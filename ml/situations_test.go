package ml_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/ml/popular"
	"github.com/rhythmiq/rhythmiq/ml/situation"
	"github.com/rhythmiq/rhythmiq/store"
)

// course is a bench with Situations over one store and one place for files, and what its listeners answered.
type course struct {
	*bench
	kept    *blobs.Memory
	answers map[uuid.UUID][]ml.Answered
	out     map[uuid.UUID]bool // who has opted out
	ids     []uuid.UUID
	aspects []ml.Aspect
	broken  error // of whoever is asked for answers
	next    int
}

// newCourse returns a course of so many listeners with 50 answers each, in which the situation matters by so much.
func newCourse(t *testing.T, listeners int, matters float64) *course {
	t.Helper()
	c := &course{bench: newBench(t, ml.Options{MinListeners: 3}), kept: &blobs.Memory{}, answers: map[uuid.UUID][]ml.Answered{}, out: map[uuid.UUID]bool{}}
	c.join(t, listeners, matters, 1)
	c.clock.add(time.Minute)
	return c
}

const (
	answersEach = 50
	planted     = 3.0 // how much situations matter, in log odds
)

// join adds listeners, whose answers are spread over the ten days before.
func (c *course) join(t *testing.T, listeners int, matters float64, seed uint64) []uuid.UUID {
	t.Helper()
	d := mltest.PlantedAnswers(listeners, 40, listeners*answersEach, matters, seed)
	c.aspects = d.Aspects
	var ids []uuid.UUID
	for range listeners {
		id := c.listener(t, byte(len(c.ids)+1))
		c.next++
		c.log(t, id, event(c.next, "item-1", ml.Complete, c.clock.Now().Add(-time.Hour)))
		c.ids, ids = append(c.ids, id), append(ids, id)
	}
	for i, a := range d.Answers {
		id := ids[a.Listener]
		a.At = c.clock.Now().Add(-time.Duration(len(d.Answers)-i) * time.Minute * 10).Unix()
		c.answers[id] = append(c.answers[id], ml.Answered{Answer: a, Of: d.About[a.Item]})
	}
	return ids
}

func (c *course) asked(ctx context.Context, id uuid.UUID, until time.Time) ([]ml.Answered, error) {
	var all []ml.Answered
	for _, a := range c.answers[id] {
		if !c.out[id] && a.At < until.Unix() {
			all = append(all, a)
		}
	}
	if c.broken != nil {
		return nil, c.broken
	}
	return all, ctx.Err()
}

func threeFolds() ml.SelectOptions {
	return ml.SelectOptions{Fixed: map[string]ml.Values{"logistic": {"folds": "3"}}}
}

func (c *course) options(t *testing.T) ml.SituationOptions {
	t.Helper()
	trainer, err := localtrainer.New(c.kept, localtrainer.Options{Threads: 1})
	require.NoError(t, err)
	return ml.SituationOptions{
		Algorithms: []ml.Algorithm{situation.Logistic{}}, Blobs: c.kept, Trainer: trainer, Select: threeFolds(), Aspects: c.aspects, Answers: c.asked,
	}
}

// instance returns another Situations.
func (c *course) instance(t *testing.T, change ...func(*ml.SituationOptions)) *ml.Situations {
	t.Helper()
	o := c.options(t)
	for _, f := range change {
		f(&o)
	}
	s, err := ml.NewSituations(c.another(t, ml.Options{MinListeners: 3}), o)
	require.NoError(t, err)
	return s
}

func (c *course) files(t *testing.T) []string {
	t.Helper()
	all, err := c.kept.List(t.Context(), "")
	require.NoError(t, err)
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	return names
}

func (c *course) content(t *testing.T, name string) string {
	t.Helper()
	f, err := c.kept.Open(t.Context(), name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	require.NoError(t, err)
	return string(b)
}

// out opts a listener out.
func (c *course) optOut(t *testing.T, s *ml.Situations, id uuid.UUID) {
	t.Helper()
	c.out[id] = true
	require.NoError(t, s.Withdrawn(t.Context()))
}

func TestSituationsTrainServeAndSwap(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	one, two := c.instance(t, func(o *ml.SituationOptions) { o.Select.Trials, o.Select.Seed, o.Select.Threads = 1, 1, 1 }), c.instance(t)
	require.Nil(t, one.Prior())
	require.Zero(t, one.Prior().Trust())
	require.False(t, one.Prior().Knows("noise"))
	var none *ml.Situations
	require.Nil(t, none.Prior())

	told := 0
	first, err := one.Train(t.Context(), func(ml.Progress) { told++ })
	require.NoError(t, err)
	require.Positive(t, told)
	require.True(t, first.Promoted, first.Why)
	v := first.Version
	require.Equal(t, "logistic", v.Algorithm)
	require.InDelta(t, 24*45, v.Answers, 5, "a tenth is held out")
	require.Equal(t, 24*50, v.Answers+v.Metrics.Answers.Answers)
	require.Less(t, v.Metrics.Answers.LogLoss, v.Metrics.Answers.LogLossWithout)
	require.Positive(t, v.Metrics.Answers.MomentGain)
	require.Positive(t, v.Metrics.Answers.MomentError)
	require.InDelta(t, 24*45*0.9, v.Known["noise"], 60)
	require.Len(t, first.Selection.Trials, 1)
	status, values := c.events.last(t, "ml.train-situations")
	require.Equal(t, "ok", status)
	require.Equal(t, map[string]float64{"answers": float64(v.Answers), "logloss": v.Metrics.Answers.LogLoss, "auc": v.Metrics.Answers.AUC}, values)

	p := one.Prior()
	require.Positive(t, p.Trust())
	require.Less(t, p.Trust(), 1.0)
	require.True(t, p.Knows("noise"))
	require.False(t, p.Knows("humidity"))
	require.Empty(t, p.Reference(), "nobody says what the music is")
	loud := p.At(ml.Moment{Numbers: map[string]float64{"noise": 88}})
	live, calm := ml.Item{ID: "new", Features: map[string]float64{"energy": 1}}, ml.Item{ID: "new", Features: map[string]float64{"energy": 0}}
	effect := func(j ml.Judgment) float64 { return j.Probability - j.Without }
	require.Greater(t, effect(loud.OfNew(live)), effect(loud.OfNew(calm))+0.1)
	require.NotEmpty(t, loud.ReasonsForNew(live, 1))
	known := c.answers[c.ids[0]][0].Of
	require.Equal(t, loud.OfNew(ml.Item{ID: known.ID}), loud.OfNew(known), "it is known by its id")
	require.Equal(t, loud.ReasonsForNew(ml.Item{ID: known.ID}, 2), loud.ReasonsForNew(known, 2))
	require.Equal(t, loud.SpreadOfNew(ml.Item{ID: known.ID}), loud.SpreadOfNew(known))
	require.NotEqual(t, loud.SpreadOfNew(live), loud.SpreadOfNew(known))

	// The other instance swaps by itself, and neither has to do with models of taste.
	_, there := two.Live()
	require.False(t, there)
	require.NoError(t, two.Poll(t.Context()))
	at, there := two.Live()
	require.True(t, there)
	require.Equal(t, v.ID, at.ID)
	taste, err := ml.NewRegistry(c.store, c.kept, ml.OfTaste, c.clock.Now)
	require.NoError(t, err)
	all, err := taste.Versions(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	require.Equal(t, []string{v.Artifact.Blob}, c.files(t))
	c.clock.add(72*time.Hour + time.Since(noon)) // files go by the machine's clock
	require.NoError(t, taste.Prune(t.Context()))
	require.Equal(t, []string{v.Artifact.Blob}, c.files(t))

	// It names nobody.
	content := c.content(t, v.Artifact.Blob)
	for _, id := range c.ids {
		require.NotContains(t, content, id.String())
		require.NotContains(t, content, string(id[:]))
	}
}

// The same is no better: the one in service stays, until its day is over.
func TestSituationsStayUntilSomethingIsBetter(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	s := c.instance(t)
	first, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, first.Promoted)
	c.clock.add(time.Hour)
	tie, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, first.Version.ID, tie.Before.ID)
	require.Contains(t, tie.Why, "log loss")
	require.Contains(t, tie.Why, "of the live one, on the same answers")
	require.NotNil(t, tie.BeforeMetrics.Answers)
	require.Equal(t, tie.Promoted, tie.Version.Metrics.Answers.LogLoss < tie.BeforeMetrics.Answers.LogLoss, tie.Why)

	c.clock.add(20 * time.Hour)
	next, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, next.Promoted)
	require.Contains(t, next.Why, "the day of the live one is over")
	require.Equal(t, []string{next.Version.Artifact.Blob}, c.files(t), "what is over is gone")
	_, err = s.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
}

// Within the day one can go back; not to what must not be used any more.
func TestSituationsRollBack(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	s := c.instance(t)
	first, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	c.clock.add(2 * time.Hour)
	second, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	if !second.Promoted {
		require.NoError(t, s.Registry().Promote(t.Context(), second.Version.ID, first.Version.ID))
	}
	c.clock.add(21*time.Hour + 58*time.Minute)
	back, err := s.Rollback(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.Version.ID, back.ID)
	v, live := s.Live()
	require.True(t, live)
	require.Equal(t, first.Version.ID, v.ID)
	require.NoError(t, s.Registry().Promote(t.Context(), second.Version.ID, first.Version.ID))
	require.NoError(t, s.Poll(t.Context()))
	c.clock.add(5 * time.Minute)
	_, err = s.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	v, _ = s.Live()
	require.Equal(t, second.Version.ID, v.ID)
}

// What a listener has withdrawn is in no model and in no file after the next training, and the new model is what it would be had they never been there.
func TestWhatIsWithdrawnIsGone(t *testing.T) {
	t.Parallel()
	c, never := newCourse(t, 25, planted), newCourse(t, 25, planted)
	gone := c.ids[7]
	never.out[gone] = true
	s, other := c.instance(t), c.instance(t)
	with, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	without, err := never.instance(t).Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, with.Promoted, with.Why)
	require.True(t, without.Promoted, without.Why)
	require.NotEqual(t, with.Version.Artifact.SHA256, without.Version.Artifact.SHA256, "the model has learned from them")
	require.NoError(t, other.Poll(t.Context()))

	c.clock.add(90 * time.Minute)
	again, err := s.Train(t.Context(), nil) // so that there is something to go back to, or a candidate
	require.NoError(t, err)
	require.Len(t, c.files(t), 2)
	c.clock.add(90 * time.Minute)
	never.clock.add(3 * time.Hour)
	c.optOut(t, s, gone)
	after, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, after.Promoted, after.Why)
	require.Contains(t, after.Why, "withdrawn")
	require.Equal(t, []string{after.Version.Artifact.Blob}, c.files(t))
	versions, err := s.Registry().Versions(t.Context())
	require.NoError(t, err)
	require.Len(t, versions, 1, "neither %v nor %v", with.Version.ID, again.Version.ID)
	_, err = s.Rollback(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	twin, err := never.instance(t).Train(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, twin.Version.Artifact.SHA256, after.Version.Artifact.SHA256, "to the byte")
	require.NoError(t, other.Poll(t.Context()))
	v, _ := other.Live()
	require.Equal(t, after.Version.ID, v.ID)

	// Where too few are left, nothing is.
	for _, id := range c.ids[:12] {
		c.optOut(t, s, id)
	}
	c.clock.add(time.Hour)
	_, err = s.Train(t.Context(), nil)
	require.ErrorIs(t, err, ml.ErrTooFewAnswers)
	require.Nil(t, s.Prior())
	require.Empty(t, c.files(t))
	versions, err = s.Registry().Versions(t.Context())
	require.NoError(t, err)
	require.Empty(t, versions)
	require.NotNil(t, other.Prior(), "until it polls")
	require.NoError(t, other.Poll(t.Context()))
	require.Nil(t, other.Prior())
}

// failing is a trainer that fails.
type failing struct{ ml.ModelTrainer }

func (failing) Train(context.Context, ml.Job, func(ml.Progress)) (ml.Artifact, error) {
	return ml.Artifact{}, errBroken
}

// It is trained again before its day is over, though nothing is new. If that fails, the old one is used no longer than its day, by nobody, and its files go with it.
func TestSituationsLastADay(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	fails := false
	s := c.instance(t, func(o *ml.SituationOptions) {
		whole := o.Trainer
		o.Trainer = switching{whole, func() ml.ModelTrainer {
			if fails {
				return failing{}
			}
			return whole
		}}
	})
	idle := c.instance(t) // polls, and nothing else works
	require.NoError(t, c.Refresh(t.Context()))
	require.NoError(t, s.RetrainIfDue(t.Context()))
	first, live := s.Live()
	require.True(t, live)
	require.NoError(t, idle.Poll(t.Context()))
	c.clock.add(19 * time.Hour)
	require.NoError(t, s.RetrainIfDue(t.Context()))
	v, _ := s.Live()
	require.Equal(t, first.ID, v.ID, "not yet")
	c.clock.add(time.Hour)
	require.NoError(t, s.RetrainIfDue(t.Context()))
	second, live := s.Live()
	require.True(t, live)
	require.NotEqual(t, first.ID, second.ID, "nothing is new, and its day is over")
	require.Equal(t, []string{second.Artifact.Blob}, c.files(t))

	fails = true
	c.clock.add(3 * time.Hour)
	require.Nil(t, c.instance(t).Prior())
	require.NotNil(t, s.Prior())
	require.NoError(t, idle.Poll(t.Context()))
	c.clock.add(17 * time.Hour)
	require.ErrorIs(t, s.RetrainIfDue(t.Context()), errBroken)
	require.NotNil(t, s.Prior())
	require.NotEmpty(t, c.files(t))
	c.clock.add(4*time.Hour - time.Second)
	require.NotNil(t, idle.Prior())
	c.clock.add(time.Second)
	require.Nil(t, idle.Prior(), "by its own clock")
	fresh := c.instance(t)
	require.NoError(t, fresh.Poll(t.Context()))
	require.Nil(t, fresh.Prior(), "nor is it loaded any more")
	_, live = idle.Live()
	require.False(t, live)
	require.NoError(t, idle.Poll(t.Context()))
	require.Nil(t, idle.Prior())
	require.ErrorIs(t, s.RetrainIfDue(t.Context()), errBroken)
	require.Nil(t, s.Prior())
	_, found, err := s.Registry().Live(t.Context())
	require.NoError(t, err)
	require.False(t, found)
	require.Empty(t, c.files(t))

	fails = false
	c.clock.add(time.Hour)
	require.NoError(t, s.RetrainIfDue(t.Context()))
	require.NotNil(t, s.Prior())

	// The files of a job that will not go on are no exception.
	fails = true
	c.clock.add(21 * time.Hour)
	require.ErrorIs(t, s.RetrainIfDue(t.Context()), errBroken)
	w, err := c.kept.Create(t.Context(), "checkpoints/situations-of-a-job-that-was-cut-off.safetensors")
	require.NoError(t, err)
	require.NoError(t, w.Commit(t.Context()))
	require.NotEmpty(t, c.files(t))
	require.NoError(t, ml.ExpireSituations(t.Context(), c.Service, c.kept), "nothing is over")
	require.NotEmpty(t, c.files(t))
	c.clock.add(10 * time.Hour)
	require.Error(t, ml.ExpireSituations(t.Context(), c.Service, nil))
	require.NoError(t, ml.ExpireSituations(t.Context(), c.Service, c.kept), "for who trains none")
	require.Empty(t, c.files(t))
	require.ErrorIs(t, s.RetrainIfDue(t.Context()), errBroken)
	require.Empty(t, c.files(t))
}

// switching is one of several trainers.
type switching struct {
	ml.ModelTrainer
	of func() ml.ModelTrainer
}

func (s switching) Train(ctx context.Context, j ml.Job, progress func(ml.Progress)) (ml.Artifact, error) {
	return s.of().Train(ctx, j, progress)
}

// Where situations do not matter no model of them is used, and it is told why. A live one goes when its day is over, also if nothing comes in its place.
func TestSituationsThatDoNotMatter(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	s := c.instance(t)
	_, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.NotNil(t, s.Prior())
	for _, id := range c.ids {
		delete(c.answers, id)
	}
	c.ids = nil
	c.join(t, 24, 0, 7)
	c.clock.add(time.Minute)
	for hours, there := range map[int]bool{1: true} {
		c.clock.add(time.Duration(hours) * time.Hour)
		got, err := s.Train(t.Context(), nil)
		require.NoError(t, err)
		require.False(t, got.Promoted, got.Why)
		require.Contains(t, got.Why, "the situation does not help")
		require.Equal(t, there, s.Prior() != nil)
	}
	c.clock.add(20 * time.Hour)
	got, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.False(t, got.Promoted)
	require.Nil(t, s.Prior())
	require.Equal(t, []string{got.Version.Artifact.Blob}, c.files(t), "a candidate")
	require.NoError(t, s.RetrainIfDue(t.Context()))
	c.clock.add(25 * time.Hour)
	c.broken = errBroken
	require.ErrorIs(t, s.RetrainIfDue(t.Context()), errBroken)
	require.Empty(t, c.files(t), "which goes after a day, too")
}

// A training that was cut off goes on to the same bytes; if something was withdrawn meanwhile it begins anew, without.
func TestSituationsGoOn(t *testing.T) {
	t.Parallel()
	whole := newCourse(t, 24, planted)
	want, err := whole.instance(t).Train(t.Context(), nil)
	require.NoError(t, err)
	for name, withdraw := range map[string]bool{"the same": false, "withdrawn": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourse(t, 24, planted)
			ctx, cancel := context.WithCancel(t.Context())
			one := c.instance(t, func(o *ml.SituationOptions) { o.Trainer = stopping{o.Trainer, 2, cancel} })
			_, err := one.Train(ctx, nil)
			require.ErrorIs(t, err, context.Canceled)
			require.Len(t, c.files(t), 1)
			require.True(t, strings.HasPrefix(c.files(t)[0], "checkpoints/situations-"), c.files(t))
			before := c.files(t)[0]
			two := c.instance(t)
			if withdraw {
				c.optOut(t, two, c.ids[3])
			}
			c.clock.add(2 * time.Hour)
			require.NoError(t, two.RetrainIfDue(t.Context()))
			got, live := two.Live()
			require.True(t, live)
			require.Equal(t, []string{got.Artifact.Blob}, c.files(t))
			require.Equal(t, withdraw, got.Artifact.SHA256 != want.Version.Artifact.SHA256)
			require.Equal(t, withdraw, !strings.Contains(before, got.ID.String()), "another job")
		})
	}
}

// Whatever fails, the next training ends it.
func TestSituationsFailAnywhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"get", "list", "apply", "answers"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for at := 0; at < 12; at += 3 {
				c := newCourse(t, 21, planted)
				s := c.instance(t)
				n := 0
				fail := func() error {
					if n++; n == at+1 {
						return errBroken
					}
					return nil
				}
				switch name {
				case "get":
					c.store.on(func(store.Key) error { return fail() }, nil, nil)
				case "list":
					c.store.on(nil, func(q store.Query) error {
						if q.ByIndex && n > 3 {
							return nil
						}
						return fail()
					}, nil)
				case "apply":
					c.store.on(nil, nil, func(w []store.Write) error {
						if slices.ContainsFunc(w, func(w store.Write) bool { return w.Delete }) {
							return nil
						}
						return fail()
					})
				case "answers":
					c.broken = errBroken
				}
				_, err := s.Train(t.Context(), nil)
				c.store.on(nil, nil, nil)
				c.broken = nil
				if err != nil {
					require.ErrorIs(t, err, errBroken)
					failed++
				}
				got, err := s.Train(t.Context(), nil)
				require.NoError(t, err)
				require.NotNil(t, s.Prior(), got.Why)
			}
			require.Positive(t, failed)
		})
	}
	c := newCourse(t, 21, planted)
	s := c.instance(t)
	c.store.on(nil, nil, func([]store.Write) error { return errBroken })
	require.ErrorIs(t, s.Withdrawn(t.Context()), errBroken)
}

// What few listeners answered to has no name in a model, and no artists; what leaks the answer is left out.
func TestWhatIsNotInAModel(t *testing.T) {
	t.Parallel()
	c := newCourse(t, 24, planted)
	for _, id := range c.ids[:2] {
		secret := c.answers[id][0]
		secret.Of.ID, secret.Of.Artists = "known-to-two", []string{"an artist of two"}
		c.answers[id] = append([]ml.Answered{secret}, c.answers[id]...)
	}
	c.aspects = append(c.aspects, ml.Aspect{Name: "told", Kind: ml.Amount})
	for id, all := range c.answers {
		for i := range all {
			all[i].Moment = all[i].Moment.Without("")
			all[i].Moment.Numbers["told"] = all[i].Liking
		}
		c.answers[id] = all
	}
	s := c.instance(t)
	got, err := s.Train(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "told", got.Selection.Audit[0].Aspect)
	require.NotContains(t, got.Version.Known, "told")
	require.True(t, got.Promoted, got.Why)
	content := c.content(t, got.Version.Artifact.Blob)
	for _, never := range []string{"known-to-two", "an artist of two", `"told"`} {
		require.NotContains(t, content, never)
	}
	require.Contains(t, content, "item-1")
}

func TestTooFewAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*course{"listeners": newCourse(t, 19, planted), "answers": newCourse(t, 24, planted), "none": newCourse(t, 0, planted)} {
		if name == "answers" {
			for id, all := range c.answers {
				c.answers[id] = all[:40]
			}
		}
		require.NoError(t, c.Refresh(t.Context()))
		s := c.instance(t)
		require.NoError(t, s.RetrainIfDue(t.Context()), "that is no error")
		_, err := s.Train(t.Context(), nil)
		require.ErrorIs(t, err, ml.ErrTooFewAnswers, name)
		require.Equal(t, fault.Conflict, fault.KindOf(err))
		require.NotErrorIs(t, err, ml.ErrTooLittle)
	}
}

func TestNewSituationsRefuses(t *testing.T) {
	t.Parallel()
	_, err := ml.NewSituations(nil, ml.SituationOptions{})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Len(t, e.Fields, 6)

	// What knows nothing of situations is no model of them.
	c := newCourse(t, 24, planted)
	s := c.instance(t, func(o *ml.SituationOptions) {
		o.Algorithms, o.Select.Fixed = []ml.Algorithm{popular.Algorithm{}}, nil
	})
	_, err = s.Train(t.Context(), nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, errors.ErrUnsupported)
}
